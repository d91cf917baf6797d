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
    network.compile(keras.optimizers.SGD(0.1), TokenCrossEntropy(), jit_compile=True)
    mean = [float(network.train_on_batch(text, after)) for _ in range(2)]
    # train_on_batch gives the mean over the steps so far.
    return {"logits": np.asarray(logits).tolist(), "losses": [mean[0], 2 * mean[1] - mean[0]]}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
