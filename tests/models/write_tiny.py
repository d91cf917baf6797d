"""Builds networks from weights files on a backend and prints what they give, as JSON: write_tiny.py BACKEND FOLDER

A program of its own, because a backend must be chosen before the first computation.
"""

import json
import sys
from pathlib import Path

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.constants import PAD
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.training import devices


def main(backend: str, folder: Path) -> None:
    devices.choose_backend(backend, 1)
    content = json.loads((folder / "cases.json").read_text())
    pairs = {name: np.array(rows, "int32") for name, rows in content["pairs"].items()}
    print(json.dumps({name: answer(folder, name, case, pairs) for name, case in content["cases"].items()}))


def answer(folder, name, case, pairs):
    import keras

    from kerasnlp_kit.decoding.protocol import Limits
    from kerasnlp_kit.tasks.seq2seq import Search, Writer
    from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy

    network = registry.find(name).architecture(**case["architecture"]).build(PairSizes(**case["sizes"]))
    network.load_weights(folder / f"{name}.weights.h5")
    inputs = {"source": pairs["source"], "target": pairs["target"]}
    logits = np.where((pairs["target"] != PAD)[:, :, None], network.predict_on_batch(inputs), 0)
    written = Writer(network, Search(Limits(1.0, 2, 6), False, fixed=True).greedy).predict_on_batch(pairs["source"])
    network.compile(keras.optimizers.SGD(0.1), TokenCrossEntropy(), jit_compile=True)
    mean = [float(network.train_on_batch(inputs, pairs["after"])) for _ in range(2)]
    return {
        "logits": logits.tolist(),
        "tokens": np.asarray(written["tokens"])[:, 0].tolist(),
        "log_probabilities": np.asarray(written["log_probabilities"])[:, 0].tolist(),
        "losses": [mean[0], 2 * mean[1] - mean[0]],  # train_on_batch gives the mean over the steps so far
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
