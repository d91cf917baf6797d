"""Builds networks from weights files on a backend and trains a step: language_tiny.py BACKEND FOLDER

A program of its own, because a backend must be chosen before the first computation.
"""

import json
import sys
from pathlib import Path

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.registry import TextSizes
from kerasnlp_kit.training import devices


def main(backend: str, folder: Path) -> None:
    devices.choose_backend(backend, 1)
    content = json.loads((folder / "cases.json").read_text())
    print(json.dumps({name: answer(folder, name, content) for name in content["architectures"]}))


def answer(folder, name, content):
    import keras

    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy

    text, after = (np.array(content[part], "int32") for part in ("text", "after"))
    network = registry.find(name).architecture(**content["architectures"][name]).build(TextSizes(**content["sizes"]))
    network.load_weights(folder / f"{name}.weights.h5")
    logits = network.predict_on_batch(text)
    drawn = texts_of(network, text)
    compiled = keras.backend.backend() == "jax"
    network.compile(keras.optimizers.SGD(0.1), TokenCrossEntropy(), jit_compile=compiled)
    mean = [float(network.train_on_batch(text, after)) for _ in range(2)]
    # train_on_batch gives the mean over the steps so far.
    return {"logits": np.asarray(logits).tolist(), "drawn": drawn, "losses": [mean[0], 2 * mean[1] - mean[0]]}


def texts_of(network, prompts):
    """Tokens that are drawn: as a text goes on, or, of an autoencoder, of vectors from the prior."""
    from keras import ops

    from kerasnlp_kit.tasks.autoencoding import LatentSearch
    from kerasnlp_kit.tasks.language import Continuation

    options = {"temperature": 0.9, "top_k": 0, "top_p": 1.0}
    if hasattr(network, "latent"):
        found = LatentSearch(6).prior(network, 3, 4, **options)
    else:
        begun = ops.convert_to_tensor(prompts[:, 1:3])
        found = Continuation(5).sample(network, begun, 3, **options)
    return ops.convert_to_numpy(found.tokens).tolist()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
