import functools
import itertools
import json

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import binom
from sklearn import metrics as reference

from kerasnlp_kit.evaluation.decision import (
    NEVER,
    accepted,
    class_thresholds,
    cross_fitted_thresholds,
    f1_thresholds,
    operating_point,
    out_of_scope,
    precision_thresholds,
    risk_coverage,
    threshold_for_precision,
)


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
    generator = np.random.default_rng(0)
    targets = generator.random((150, 4)) < 0.4
    scores = generator.normal(size=targets.shape) + 2 * targets - 1
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


@pytest.mark.parametrize("several", [True, False])
def test_thresholds_of_a_row_come_from_the_rows_of_other_folds(several):
    source = np.random.default_rng(3)
    targets = source.random((50, 2)) < 0.4
    probabilities = np.clip(0.3 * targets + 0.7 * source.random((50, 2)), 0, 1)
    find = f1_thresholds if several else functools.partial(precision_thresholds, wanted=0.7)
    targets = targets if several else targets[:, 1].astype(int)
    found = cross_fitted_thresholds(probabilities, targets, find)
    assert found.shape == (50, 2) and 1 < len(np.unique(found, axis=0)) <= 5
    for row in range(50):
        changed = targets.copy()
        changed[row] = ~changed[row] if several else 1 - changed[row]
        # What the row itself has changes nothing of its own thresholds.
        np.testing.assert_array_equal(cross_fitted_thresholds(probabilities, changed, find)[row], found[row])
    np.testing.assert_array_equal(cross_fitted_thresholds(probabilities[:1], targets[:1], find), 0.5)


def test_a_row_is_accepted_by_a_threshold_of_its_own():
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.3, 0.7]])
    own = np.array([[0.5, 0.9], [0.5, 0.9], [0.9, 0.7]])
    assert accepted(probabilities, own).tolist() == [True, False, True]
    assert accepted(probabilities, own[1]).tolist() == [True, False, False]
