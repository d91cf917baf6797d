"""Texts to token ids and back to padded batches; core TensorFlow ops only."""
