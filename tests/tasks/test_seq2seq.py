import numpy as np
import pytest
from scipy.special import log_softmax

from kerasnlp_kit.tasks.seq2seq import MARGIN, limits_of
from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy

LOGITS = np.random.default_rng(0).normal(size=(3, 5, 7)).astype("float32")
TARGET = np.array([[4, 5, 6, 3, 0], [5, 3, 0, 0, 0], [3, 0, 0, 0, 0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_cross_entropy_with_the_smoothed_target_over_all_tokens(smoothing):
    expected = []
    for row, column in zip(*np.nonzero(TARGET), strict=True):
        target = np.full(7, smoothing / 7)
        target[TARGET[row, column]] += 1 - smoothing
        expected.append(-(target * log_softmax(LOGITS[row, column].astype("float64"))).sum())
    assert len(expected) == 7
    assert float(TokenCrossEntropy(smoothing)(TARGET, LOGITS)) == pytest.approx(np.mean(expected), abs=1e-5)


def test_padding_changes_the_loss_neither_at_the_right_nor_in_rows_of_their_own():
    loss = TokenCrossEntropy(0.1)
    target, logits = np.pad(TARGET, [(0, 1), (0, 2)]), np.pad(LOGITS, [(0, 1), (0, 2), (0, 0)], constant_values=9)
    assert float(loss(target, logits)) == pytest.approx(float(loss(TARGET, LOGITS)), abs=1e-5)


def test_a_batch_of_padding_alone_has_no_loss():
    assert float(TokenCrossEntropy()(np.zeros((2, 3), "int32"), LOGITS[:2, :3])) == 0


def test_limits_allow_for_all_training_targets_but_one_in_a_thousand_and_some_more():
    sources = np.full(2000, 10)
    targets = np.full(2000, 12)
    targets[0] = 500  # far beyond the others
    limits = limits_of(sources, targets)
    assert (limits.ratio, limits.extra, limits.longest) == (1.2, MARGIN, 500 + MARGIN)
    assert limits.of_length(10) == 12 + MARGIN + 1


def test_limits_of_no_pairs_and_of_empty_sources_are_numbers():
    none = limits_of(np.zeros(0, "int64"), np.zeros(0, "int64"))
    assert (none.ratio, none.longest) == (1.0, MARGIN)
    assert limits_of(np.array([0]), np.array([3])).of_length(0) == MARGIN + 1
