"""Writing texts token by token: greedy, beam, sampling, all over one protocol; keras.ops only."""
