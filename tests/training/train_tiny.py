"""Trains networks for two epochs and prints their histories as JSON: train_tiny.py BACKEND DEVICES FOLDER NAME ...

A program of its own, because a backend and virtual devices must be chosen before the first computation. The weights
start from NumPy's random numbers, so that every backend starts from the same.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.config import TrainingOptions
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices


class Killed(Exception):
    """Takes the place of a kill."""


def main(backend: str, count: int, folder: Path, names: list[str]) -> None:
    devices.choose_backend(backend, count)
    from kerasnlp_kit.training import loop

    histories = {}
    for spec in map(registry.find, names):
        whole = train(spec, folder / spec.name, count)
        histories[spec.name] = whole.history
        if spec.name == "cnn_classifier" and count == 1:
            real = loop.save_checkpoint

            def save(place, progress, *state, real=real):
                real(place, progress, *state)
                if (progress.epoch, progress.step) == (1, 2):
                    raise Killed

            loop.save_checkpoint = save
            try:
                train(spec, folder / "broken", count)
                raise SystemExit("the kill did not happen")
            except Killed:
                loop.save_checkpoint = real
            histories["resumed"] = train(spec, folder / "broken", count).history
    several = train(registry.find("cnn_classifier"), folder / "several", count, multi_label=True)
    print(json.dumps({"ngrams": numbers_of_ngrams(), "several": several.history, **histories}))


def numbers_of_ngrams():
    from kerasnlp_kit.layers.embedding import HashedNgrams

    ids = np.random.default_rng(0).integers(0, 2**31, size=(5, 7)).astype("int32")
    return np.asarray(HashedNgrams(3, 977)(ids)).tolist()


def train(spec, folder, count, multi_label=False):
    import keras

    from kerasnlp_kit.tasks.classification import BinaryCrossEntropy, MicroF1, SmoothedCrossEntropy
    from kerasnlp_kit.training.batches import Batches
    from kerasnlp_kit.training.loop import train

    random = np.random.default_rng(0)
    lengths = random.integers(1, 5, size=16)
    ids = TokenIds(random.integers(2, 9, size=lengths.sum(), dtype="int32"), np.cumsum([0, *lengths]))
    labels = ids.values[ids.offsets[:-1]] % 2  # whether the first token is odd
    if multi_label:
        labels = np.stack([labels == 1, ids.lengths > 2], axis=1)
    scope, found = devices.distribution(count)
    assert found == count
    small = {
        field.name: 0.0 if isinstance(field.default, float) else 4
        for field in dataclasses.fields(spec.architecture)
        if isinstance(field.default, float) or (type(field.default) is int and field.default > 4)
    }
    folder.mkdir(parents=True, exist_ok=True)
    options = TrainingOptions(epochs=2, learning_rate=0.02, checkpoint_seconds=1e-9)
    with scope:
        network = spec.architecture(**small).build(Sizes(9, 2, 4))
        network.set_weights([random.normal(scale=0.3, size=weight.shape) for weight in network.get_weights()])
        batches = Batches(ids, labels, 4, (4,), multiple=count, seed=0)
        dev = Batches(ids, labels, 8, (4,), multiple=count)
        loss, metric = SmoothedCrossEntropy(), keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        if multi_label:
            loss, metric = BinaryCrossEntropy(), MicroF1(name="f1")
        return train(network, batches, dev, loss, metric, options, folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
