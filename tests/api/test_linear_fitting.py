"""What is told of a fit."""

from types import SimpleNamespace

import numpy as np

from kerasnlp_kit.api.linear_fitting import weights_effect


def test_the_effect_of_class_weights_is_that_of_counting_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    train = np.array([0] * 9 + [1] * 2 + [2] * 5 + [3])  # class 3 is the rarest, but no dev row has it
    prepared = SimpleNamespace(
        label_names=("a", "b", "c", "d"), dev=SimpleNamespace(labels=labels), train=SimpleNamespace(labels=train)
    )
    without = np.eye(4)[[0, 0, 0, 0, 0, 0, 2]]  # no b is found
    weighted = np.eye(4)[[0, 0, 3, 1, 1, 0, 2]]  # one of two, and one that is none; a d, which no row is
    told = weights_effect(prepared, without, weighted)
    before = (8 / 10 + 0 + 1) / 3
    after = (4 / 7 + 2 / 4 + 1) / 3
    assert told == (
        f"accuracy {5 / 7:.4f} to {4 / 7:.4f}, macro F1 {before:.4f} to {after:.4f}, "
        "recall of b (2 training rows) 0.0000 to 0.5000"
    )
