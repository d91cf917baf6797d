import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, softmax

from kerasnlp_kit.evaluation.scales import fit_scales, fit_scales_binary


def random_scores(*, n=300, k=4, parts=2, seed=0):
    """Parts of scores, each of another quality and unit, and the labels they tell something of."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, k, n)
    scores = []
    for part in range(parts):
        one = generator.normal(size=(n, k))
        one[np.arange(n), labels] += 1.0 + part
        scores.append(one * 10.0 ** (1 - part))
    return scores, labels


def random_binary(*, n=200, k=3, parts=2, seed=0):
    generator = np.random.default_rng(seed)
    targets = generator.random((n, k)) < 0.4
    scores = [generator.normal(size=(n, k)) + (1 + part) * (2 * targets - 1) for part in range(parts)]
    return scores, targets


def loss(weights, scores, labels):
    """What `fit_scales` minimises, written out: the rows' likelihood and one imagined row spread over all."""
    n = len(labels)
    probabilities = softmax(sum(weight * one for weight, one in zip(weights, scores, strict=True)), axis=1)
    rows = -np.log(probabilities[np.arange(n), labels]).sum()
    return (rows - np.log(probabilities).mean(axis=1).sum() / n) / n


def binary_loss(weights, scores, targets):
    n = len(targets)
    logits = sum(weight * one for weight, one in zip(weights, scores, strict=True))
    present, absent = np.log(expit(logits)), np.log(expit(-logits))
    return -(np.where(targets, present, absent).sum() + 0.5 * (present + absent).sum() / n) / n


FITS = pytest.mark.parametrize(
    ("fit", "loss", "case"), [(fit_scales, loss, random_scores), (fit_scales_binary, binary_loss, random_binary)]
)


@FITS
@pytest.mark.parametrize("seed", [0, 1])
def test_no_point_of_a_grid_is_better(fit, loss, case, seed):
    scores, labels = case(seed=seed)
    best = fit(scores, labels)
    lowest = loss(best, scores, labels)
    grid = np.linspace(0, 3, 61)
    for factors in itertools.product(grid, grid):
        assert loss(best * factors, scores, labels) >= lowest - 1e-12


@FITS
@pytest.mark.parametrize("parts", [1, 3])
def test_the_numerical_gradient_is_zero_at_the_best_weights(fit, loss, case, parts):
    scores, labels = case(parts=parts)
    weights = fit(scores, labels)
    assert (weights > 0).all()  # inside the bounds, where the gradient must be zero
    gradient = approx_fprime(weights, loss, 1e-7, scores, labels)
    # In units of the weights, and against the slope halfway.
    halfway = approx_fprime(weights / 2, loss, 1e-7, scores, labels)
    assert np.abs(gradient * weights).max() < 1e-4 * np.abs(halfway * weights).max()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_one_part_finds_the_temperature_its_labels_were_drawn_with(temperature):
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(20_000, 3)) * 2
    probabilities = softmax(logits / temperature, axis=1)
    labels = (generator.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert 1 / fit_scales([logits], labels)[0] == pytest.approx(temperature, rel=0.05)


def test_binary_scale_finds_the_temperature_its_targets_were_drawn_with():
    generator = np.random.default_rng(2)
    logits = generator.normal(size=(10_000, 3)) * 4
    targets = generator.random((10_000, 3)) < expit(logits / 2)
    assert 1 / fit_scales_binary([logits], targets)[0] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("n", [1, 10, 1_000])
def test_rows_that_are_all_right_give_the_certainty_they_support(n):
    # Krichevsky and Trofimov: (n + 1/2) / (n + 1).
    scores, labels = np.tile([[2.0, -1.0]], (n, 1)), np.zeros(n, int)
    (scale,) = fit_scales([scores], labels)
    assert softmax(scale * scores[0])[0] == pytest.approx((n + 0.5) / (n + 1), rel=1e-5)


@pytest.mark.parametrize("n", [1, 10, 1_000])
def test_decisions_that_are_all_right_give_the_certainty_their_rows_support(n):
    scores = np.tile([[2.0, -1.0]], (n, 1))
    (scale,) = fit_scales_binary([scores], scores > 0)
    # The gradient is zero where the mean certainty, weighted by the margins 2 and 1, is (n + 1/2) / (n + 1).
    assert (2 * expit(2 * scale) + expit(scale)) / 3 == pytest.approx((n + 0.5) / (n + 1), rel=1e-5)


@FITS
def test_scores_in_another_unit_get_weights_in_that_unit(fit, loss, case):
    scores, labels = case()
    np.testing.assert_allclose(fit([scores[0] * 1e3, scores[1] / 1e3], labels), fit(scores, labels) * [1e-3, 1e3], 1e-5)


def test_what_is_added_to_a_row_does_not_matter():
    scores, labels = random_scores()
    shifted = [one + np.arange(len(one))[:, None] for one in scores]
    np.testing.assert_allclose(fit_scales(shifted, labels), fit_scales(scores, labels), rtol=1e-5)


def test_float32_scores_give_float64_weights():
    scores, labels = random_scores()
    found = fit_scales([one.astype(np.float32) for one in scores], labels)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, fit_scales(scores, labels), rtol=1e-4)


def test_a_part_that_misleads_gets_no_weight():
    (useful,), labels = random_scores(parts=1)
    weights = fit_scales([useful, -useful + np.random.default_rng(1).normal(size=useful.shape)], labels)
    assert weights[1] == 0.0
    assert weights[0] == pytest.approx(fit_scales([useful], labels)[0], rel=1e-5)


def test_two_parts_that_are_the_same_share_the_weight():
    (one,), labels = random_scores(parts=1)
    half = fit_scales([one], labels)[0] / 2
    assert fit_scales([one, one], labels) == pytest.approx([half, half], rel=1e-5)


def test_a_part_of_equal_scores_gets_no_weight():
    (one,), labels = random_scores(parts=1)
    weights = fit_scales([one, np.ones_like(one)], labels)
    assert weights[1] == 0.0 and weights[0] > 0


def test_scores_worse_than_none_keep_their_order_with_hardly_any_confidence():
    scores = np.tile([[0.0, 0.0, 1.0]], (5, 1))  # always the last label, and always wrong
    (scale,) = fit_scales([scores], np.full(5, 1))
    probabilities = softmax(scale * scores[0])
    assert probabilities.argmax() == 2
    assert probabilities.max() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([], [0], "at least one array"),
        ([np.ones((2, 3)), np.ones((2, 2))], [0, 0], "all of one shape"),
        ([np.ones((0, 3))], [], "n > 0"),
        ([np.array([[1.0, np.inf]])], [0], "finite"),
        ([np.ones((2, 3))], [0, 3], "labels from 0 to 2"),
        ([np.ones((2, 3))], [0, -1], "labels from 0 to 2"),
        ([np.ones((2, 3))], [0], "Expected 2 labels"),
    ],
)
def test_scores_and_labels_that_do_not_fit_are_refused(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        fit_scales(scores, np.array(labels, int))


def test_targets_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="of the scores' shape"):
        fit_scales_binary([np.ones((2, 3))], np.ones((2, 2), bool))
