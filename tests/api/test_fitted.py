"""Weights of scores that make the dev labels most probable."""

from types import SimpleNamespace

import numpy as np

from kerasnlp_kit.api.fitted import stack


def test_labels_that_training_says_nothing_of_do_not_change_the_weight_of_the_scores():
    source = np.random.default_rng(0)
    targets = source.random((60, 3)) < 0.4
    scores = 2 * targets - 1 + source.normal(size=targets.shape)
    plain = SimpleNamespace(
        multi_label=True, dev=SimpleNamespace(labels=targets), train=SimpleNamespace(labels=targets)
    )
    (expected,), loss = stack(plain, [scores])
    # Ten labels more that no training row has, with the margin that a linear model then gives.
    never = np.zeros((60, 10), bool)
    more = SimpleNamespace(
        multi_label=True,
        dev=SimpleNamespace(labels=np.hstack([targets, never])),
        train=SimpleNamespace(labels=np.hstack([targets, never])),
    )
    (found,), all_loss = stack(more, [np.hstack([scores, never - 10.0])])
    assert found == expected
    assert all_loss > loss, "they count where models are compared"
