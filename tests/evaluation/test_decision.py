import itertools
import json

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, softmax
from scipy.stats import binom
from sklearn import metrics as reference

from kerasnlp_kit.evaluation.decision import (
    NEVER,
    accepted,
    class_thresholds,
    cross_fitted_thresholds,
    f1_thresholds,
    fit_scales,
    fit_scales_binary,
    operating_point,
    out_of_scope,
    risk_coverage,
    threshold_for_precision,
)


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


def brute_force_threshold(confidence, correct, wanted, least_rows, lower=None):
    """The lowest seen confidence that is precise enough, one threshold at a time."""
    passing = []
    for threshold in sorted(set(confidence.tolist())):
        rows = correct[confidence >= threshold]
        precision = rows.mean() if lower is None else lower(int(rows.sum()), len(rows))
        if len(rows) >= least_rows and precision >= wanted:
            passing.append(threshold)
    if not passing:
        return NEVER
    return 0.0 if passing[0] == confidence.min() else passing[0]


def random_confidence(seed, n=80, digits=2):
    generator = np.random.default_rng(seed)
    confidence = np.round(generator.uniform(0.2, 1, n), digits)
    return confidence, generator.random(n) < confidence


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wanted", [0.0, 0.6, 0.8, 0.9, 1.0])
def test_threshold_agrees_with_trying_each_one(seed, wanted):
    confidence, correct = random_confidence(seed, digits=1 + seed % 2)  # many ties, or few
    expected = brute_force_threshold(confidence, correct, wanted, 5)
    assert threshold_for_precision(confidence, correct, wanted) == expected


@pytest.mark.parametrize("seed", range(3))
def test_lower_bound_of_a_threshold_agrees_with_the_binomial_distribution(seed):
    confidence, correct = random_confidence(seed, n=200)

    def lower(right, rows):
        """Clopper and Pearson: the precision at which so many or more right ones have a chance of 10%."""
        grid = np.linspace(0, 1, 10_001)
        return grid[np.searchsorted(binom.sf(right - 1, rows, grid), 0.1)] if right else 0.0

    # 0.713 is no bound of a share of at most 200 rows to four digits, so the grid's step does not decide.
    expected = brute_force_threshold(confidence, correct, 0.713, 5, lower)
    assert threshold_for_precision(confidence, correct, 0.713, level=0.9) == expected
    assert expected > threshold_for_precision(confidence, correct, 0.713)


def test_ten_rows_all_right_prove_what_clopper_and_pearson_say():
    confidence, correct = np.full(10, 0.9), np.ones(10, bool)
    # p ** 10 = 0.05 at p = 0.7411.
    assert threshold_for_precision(confidence, correct, 0.741, level=0.95) == 0.0
    assert threshold_for_precision(confidence, correct, 0.742, level=0.95) == NEVER


def test_a_lucky_row_at_the_top_proves_nothing():
    confidence, correct = np.array([0.99, 0.9, 0.8, 0.7]), np.array([True, False, False, False])
    assert threshold_for_precision(confidence, correct, 1.0, least_rows=2) == NEVER
    assert threshold_for_precision(confidence, correct, 1.0, least_rows=1) == 0.99


def test_rows_of_equal_confidence_stay_together():
    # With one of the two rows at 0.8, 2 of 2 would be right; with both it is 2 of 3.
    confidence, correct = np.array([0.9, 0.8, 0.8]), np.array([True, True, False])
    assert threshold_for_precision(confidence, correct, 0.9, least_rows=1) == 0.9


def test_a_threshold_of_float32_confidences_is_one_of_them():
    confidence = np.linspace(0.3, 0.9, 20, dtype=np.float32)
    threshold = threshold_for_precision(confidence, confidence > 0.55, 1.0)
    assert np.float32(threshold) == confidence[confidence > 0.55].min()


def test_a_wanted_precision_in_percent_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        threshold_for_precision(np.ones(3), np.ones(3), 95)


def test_each_class_has_the_threshold_of_its_own_rows():
    generator = np.random.default_rng(4)
    probabilities = softmax(generator.normal(size=(400, 3)) * 2, axis=1)
    probabilities[:, 0] *= 1.5  # over-confident in the first class
    labels = np.array([generator.choice(3, p=row / row.sum()) for row in probabilities])
    labels[:5] = -1  # labels the model does not know
    result = class_thresholds(probabilities, labels, 0.8)
    answer, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for index in range(3):
        mine = answer == index
        expected = brute_force_threshold(confidence[mine], (labels == index)[mine], 0.8, 5)
        assert result.thresholds[index] == expected
        answered = mine & (confidence >= expected)
        right = answered & (labels == index)
        counts = (result.predicted[index], result.answered[index], result.right[index])
        assert counts == (mine.sum(), answered.sum(), right.sum())
        assert right.sum() / answered.sum() >= 0.8
    assert result.coverage == accepted(probabilities, result.thresholds).mean()
    assert result.precision == (answer == labels)[accepted(probabilities, result.thresholds)].mean()


def test_a_class_that_is_never_precise_or_never_predicted_always_abstains():
    probabilities = np.tile([[0.9, 0.1, 0.0]], (6, 1))
    result = class_thresholds(probabilities, np.ones(6, int), 0.5)
    assert (result.thresholds > 1).all()
    assert (result.coverage, result.precision) == (0.0, None)
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["predicted"] == [6, 0, 0]


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="labels"):
        class_thresholds(np.ones((3, 2)), np.zeros(2, int), 0.5)


@pytest.mark.parametrize(("thresholds", "expected"), [(0.6, [True, True]), ([0.9, 0.6], [False, True])])
def test_an_answer_needs_the_threshold_of_its_class(thresholds, expected):
    assert accepted(np.array([[0.7, 0.3], [0.4, 0.6]]), np.array(thresholds)).tolist() == expected


def test_curve_agrees_with_trying_each_threshold():
    confidence, correct = random_confidence(0, digits=1)
    curve = risk_coverage(confidence, correct)
    assert curve.threshold.tolist() == sorted(set(confidence.tolist()), reverse=True)
    for threshold, coverage, accuracy in zip(curve.threshold, curve.coverage, curve.accuracy, strict=True):
        answered = confidence >= threshold
        assert (coverage, accuracy) == pytest.approx((answered.mean(), correct[answered].mean()))


def test_area_agrees_with_the_mean_risk_over_all_numbers_of_answered_rows():
    confidence, correct = random_confidence(1, digits=6)
    assert len(set(confidence)) == len(confidence)
    right = correct[np.argsort(-confidence)]
    risks = [1 - right[:rows].mean() for rows in range(1, len(right) + 1)]
    assert risk_coverage(confidence, correct).area == pytest.approx(np.mean(risks))


def test_area_with_ties_is_the_mean_over_all_orders_of_the_tied_rows():
    correct = np.array([True, False, True, True, False])
    areas = []
    for order in itertools.permutations([1, 2, 3]):  # the rows at 0.8
        right = correct[[0, *order, 4]]
        areas.append(np.mean([1 - right[:rows].mean() for rows in range(1, 6)]))
    curve = risk_coverage(np.array([0.9, 0.8, 0.8, 0.8, 0.3]), correct)
    assert curve.area == pytest.approx(np.mean(areas))


def test_accuracy_at_a_coverage_takes_no_fewer_rows_than_asked():
    # Right: the first, the third; coverages 0.2 ... 1.0.
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 0, 0]))
    found = [curve.accuracy_at_coverage(coverage) for coverage in (0.01, 0.2, 0.21, 3 / 5, 1.0)]
    assert found == pytest.approx([1, 1, 1 / 2, 2 / 3, 2 / 5])
    assert curve.threshold[curve.point_at_coverage(0.5)] == 0.7
    with pytest.raises(ValueError, match="coverage above 0"):
        curve.accuracy_at_coverage(0)


def test_a_coverage_rounded_up_does_not_ask_for_one_row_more():
    curve = risk_coverage(np.linspace(1, 0.1, 10), np.ones(10))
    assert 0.1 + 0.2 > 3 / 10
    assert curve.point_at_coverage(0.1 + 0.2) == 2


def test_json_of_a_curve_has_ten_coverages():
    plain = risk_coverage(*random_confidence(0)).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [coverage for coverage, _ in plain["accuracy_at_coverage"]] == pytest.approx(np.arange(1, 11) / 10)


def test_confidence_without_rows_is_refused():
    with pytest.raises(ValueError, match="n > 0"):
        risk_coverage(np.array([]), np.array([]))


def test_an_operating_point_counts_answers_and_right_ones():
    point = operating_point("x", np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]), threshold=0.4)
    assert (point.n, point.answered, point.right, point.coverage, point.accuracy) == (4, 2, 1, 0.5, 0.5)
    assert operating_point("x", np.zeros(2), np.ones(2)).accuracy is None
    assert point.to_json() == {
        "name": "x", "threshold": 0.4, "n": 4, "answered": 2, "right": 1, "coverage": 0.5, "accuracy": 0.5
    }  # fmt: skip


@pytest.mark.parametrize("digits", [1, 6])
def test_out_of_scope_agrees_with_scikit_learn(digits):
    generator = np.random.default_rng(3)
    inside, outside = generator.beta(5, 2, 90).round(digits), generator.beta(2, 2, 70).round(digits)
    result = out_of_scope(inside, outside)
    scope, confidence = np.repeat([True, False], [90, 70]), np.concatenate([inside, outside])
    assert result.auroc == pytest.approx(reference.roc_auc_score(scope, confidence))
    false_positives, true_positives, thresholds = reference.roc_curve(scope, confidence, drop_intermediate=False)
    first = np.flatnonzero(true_positives >= 0.95)[0]
    assert result.false_positive_rate_at_95 == pytest.approx(false_positives[first])
    assert result.threshold_at_95 == thresholds[first]
    assert (sum(result.in_histogram), sum(result.out_histogram)) == (90, 70)


def test_shares_rejected_are_those_not_accepted():
    result = out_of_scope(np.ones(4), np.zeros(2), in_accepted=np.array([1, 1, 1, 0]), out_accepted=np.zeros(2))
    assert (result.in_rejected, result.out_rejected) == (0.25, 1.0)
    untold = out_of_scope(np.ones(4), np.zeros(2))
    assert (untold.in_rejected, untold.out_rejected) == (None, None)
    assert json.loads(json.dumps(untold.to_json(), allow_nan=False))["auroc"] == 1.0


def test_confidence_may_leave_the_range_of_probabilities():
    result = out_of_scope(np.array([3.0, 9.0]), np.array([-4.0]))
    assert (result.edges[0], result.edges[-1], sum(result.in_histogram)) == (-4.0, 9.0, 2)


def test_no_text_out_of_scope_is_refused():
    with pytest.raises(ValueError, match="at least one text"):
        out_of_scope(np.ones(3), np.array([]))


@pytest.mark.parametrize("digits", [1, 8])
def test_f1_thresholds_reach_the_best_f1_of_scikit_learn(digits):
    (scores, _), targets = random_binary(n=150, k=4)
    probabilities = expit(scores * 2 - 1).round(digits).astype(np.float32)
    thresholds = f1_thresholds(probabilities, targets)
    for column, threshold in enumerate(thresholds):
        precision, recall, _ = reference.precision_recall_curve(targets[:, column], probabilities[:, column])
        best = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
        found = reference.f1_score(targets[:, column], probabilities[:, column] >= np.float32(threshold))
        assert found == pytest.approx(best)
        assert np.float32(threshold) == threshold


@pytest.mark.parametrize(
    ("probabilities", "targets", "expected"),
    [
        ([0.9, 0.1], [1, 0], 0.5),  # all between 0.1 and 0.9 is as good
        ([0.3, 0.1], [1, 0], 0.2),  # the middle of the best gap
        ([0.9, 0.7], [1, 0], 0.8),
        ([0.5, 0.1], [1, 0], 0.5),  # 0.5 selects the row at 0.5
        ([0.5, 0.9], [0, 1], 0.7),  # and must not here
        ([0.4, 0.2], [1, 1], 0.1),  # all are to be selected: between 0 and 0.2
        ([0.9, 0.2], [0, 0], 0.5),  # no row has the label
        # Selecting 1 (F1 = 2 / 3) is as good as selecting 4 (4 / 6): of (0.6, 0.9] and (0, 0.2] the first is nearer.
        ([0.9, 0.6, 0.5, 0.2], [1, 0, 0, 1], 0.75),
        ([0.8, 0.8, 0.1], [1, 0, 0], 0.5),  # ties are selected together
    ],
)
def test_ties_of_f1_are_broken_towards_one_half(probabilities, targets, expected):
    found = f1_thresholds(np.array(probabilities)[:, None], np.array(targets)[:, None])
    assert found == pytest.approx([expected])


@pytest.mark.parametrize("steps", [0, 1])
def test_between_neighbouring_floats_the_threshold_still_tells_them_apart(steps):
    low = np.array(0.3, np.float32).view(np.int32) + steps  # the middle rounds to the even one: once up, once down
    probabilities = np.array([[low + 1], [low]], np.int32).view(np.float32)
    (threshold,) = f1_thresholds(probabilities, np.array([[True], [False]]))
    assert (probabilities >= np.float32(threshold)).ravel().tolist() == [True, False]


def test_targets_of_another_shape_have_no_thresholds():
    with pytest.raises(ValueError, match="one shape"):
        f1_thresholds(np.ones((2, 3)), np.ones((2, 2)))


def test_thresholds_of_a_row_come_from_the_rows_of_other_folds():
    source = np.random.default_rng(3)
    targets = source.random((50, 2)) < 0.4
    probabilities = np.clip(0.3 * targets + 0.7 * source.random((50, 2)), 0, 1)
    found = cross_fitted_thresholds(probabilities, targets)
    assert found.shape == (50, 2) and len(np.unique(found, axis=0)) <= 5
    for row in range(50):
        changed = targets.copy()
        changed[row] = ~changed[row]
        # What the row itself has changes nothing of its own thresholds.
        np.testing.assert_array_equal(cross_fitted_thresholds(probabilities, changed)[row], found[row])
    np.testing.assert_array_equal(cross_fitted_thresholds(probabilities[:1], targets[:1]), 0.5)
