import json

import numpy as np
import pytest
from sklearn import metrics as reference

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.multilabel import multilabel_metrics

NAMES = ("a", "b", "c", "d")


def random_case(*, n=60, share=0.4, absent=None, seed=0, digits=None):
    """Targets, probabilities that are right more often than not, and the labels selected at 0.5."""
    generator = np.random.default_rng(seed)
    targets = generator.random((n, 4)) < share
    if absent is not None:
        targets[:, absent] = False
    logits = generator.normal(size=(n, 4)) + 2.0 * targets - 1.0
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    if digits is not None:
        probabilities = np.round(probabilities, digits)
    selected = probabilities > 0.5
    if absent is not None:
        selected[:, absent] = False
    return targets, probabilities, selected


CASES = {
    "many labels": {},
    "few labels, rows without any": {"share": 0.1},
    "a label that never occurs": {"absent": 2},
    "tied probabilities": {"digits": 1},
    "hardly a row": {"n": 3},
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return random_case(**request.param)


def test_averages_agree_with_scikit_learn(case):
    targets, probabilities, selected = case
    result = multilabel_metrics(*case, NAMES)
    for average, value in (
        ("micro", result.micro_f1),
        ("weighted", result.weighted_f1),
    ):
        assert value == pytest.approx(reference.f1_score(targets, selected, average=average, zero_division=0))
    # Labels that never occur are left out of the mean.
    assert result.macro_f1 == pytest.approx(
        reference.f1_score(targets, selected, average="macro", zero_division=np.nan)
    )
    # A row without labels for which none is selected is a right one.
    assert result.samples_f1 == pytest.approx(reference.f1_score(targets, selected, average="samples", zero_division=1))
    assert result.micro_precision == pytest.approx(reference.precision_score(targets, selected, average="micro"))
    assert result.micro_recall == pytest.approx(reference.recall_score(targets, selected, average="micro"))
    assert result.subset_accuracy == pytest.approx(reference.accuracy_score(targets, selected))
    assert result.hamming_loss == pytest.approx(reference.hamming_loss(targets, selected))
    assert result.ranking_precision == pytest.approx(
        reference.label_ranking_average_precision_score(targets, probabilities)
    )


def test_label_scores_agree_with_scikit_learn(case):
    targets, _, selected = case
    occurring = [index for index in range(4) if (targets | selected)[:, index].any()]
    found = [multilabel_metrics(*case, NAMES).labels[index] for index in occurring]
    expected = reference.precision_recall_fscore_support(targets, selected, labels=occurring, zero_division=0)
    np.testing.assert_allclose([one.precision for one in found], expected[0])
    np.testing.assert_allclose([one.recall for one in found], expected[1])
    np.testing.assert_allclose([one.f1 for one in found], expected[2])
    assert [one.support for one in found] == expected[3].tolist()


def test_a_label_that_never_occurs_has_no_scores():
    label = multilabel_metrics(*random_case(absent=2), NAMES).labels[2]
    assert (label.label, label.support) == ("c", 0)
    assert np.isnan([label.precision, label.recall, label.f1]).all()


def test_micro_f1_interval_agrees_with_resampling_row_by_row():
    targets, probabilities, selected = random_case(n=150, seed=3)
    generator = np.random.default_rng(5)
    scores = []
    for _ in range(1_500):
        drawn = generator.integers(0, 150, 150)
        scores.append(reference.f1_score(targets[drawn], selected[drawn], average="micro"))
    interval = multilabel_metrics(targets, probabilities, selected, NAMES).micro_f1_interval
    np.testing.assert_allclose(interval, np.quantile(scores, [0.025, 0.975]), atol=0.012)


def test_a_few_rows_all_right_do_not_make_micro_f1_certain():
    targets = np.eye(3, dtype=bool)
    low, high = multilabel_metrics(targets, targets.astype(float), targets, "abc").micro_f1_interval
    assert (low, high) == pytest.approx((0.025 ** (1 / 3), 1.0))  # Clopper and Pearson, 3 of 3 rows


def test_a_few_rows_all_wrong_do_not_make_micro_f1_certain():
    targets = np.eye(3, dtype=bool)
    result = multilabel_metrics(targets, targets.astype(float), ~targets, "abc")
    assert result.micro_f1 == 0.0
    assert result.micro_f1_interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 3)))


def test_resamples_without_any_label_are_left_out_of_the_interval():
    # 1 of 3 rows has labels, so (2/3) ** 3 = 30% of the resamples have none and no F1; in all others it is 2/3.
    targets = np.array([[True, False], [False, False], [False, False]])
    selected = np.array([[True, True], [False, False], [False, False]])
    result = multilabel_metrics(targets, selected * 0.9, selected, "ab")
    assert result.micro_f1_interval == pytest.approx((2 / 3, 2 / 3))


def test_calibration_is_over_all_decisions():
    # Four decisions given 0.75, three of them there; four given 0.25, none there: (0 + 0.25) / 2.
    targets = np.array([[True, False], [True, False], [True, False], [False, False]])
    result = multilabel_metrics(targets, np.tile([[0.75, 0.25]], (4, 1)), targets, "ab")
    assert result.calibration_error == pytest.approx(0.125)


def test_labels_only_the_data_has_are_missed_labels():
    targets, probabilities, selected = np.array([[True], [False]]), np.array([[0.9], [0.2]]), np.array([[1], [0]])
    result = multilabel_metrics(targets, probabilities, selected, ["a"], unseen={"new": np.array([False, True])})
    # One hit, one miss: F1 = 2 / (2 + 1); of the two rows the second is wrong; one of four decisions is wrong.
    assert (result.micro_f1, result.subset_accuracy, result.hamming_loss) == pytest.approx((2 / 3, 0.5, 0.25))
    assert result.unseen_labels == {"new": 1}
    assert [(one.label, one.recall, one.support) for one in result.labels] == [("a", 1.0, 1), ("new", 0.0, 1)]
    assert result.label_names == ("a",)
    # The model gave no probability for it, so calibration is of the two decisions it made: (0.1 + 0.2) / 2.
    assert result.calibration_error == pytest.approx(0.15)


def test_a_column_of_other_labels_is_the_users_mistake():
    targets = np.array([[True], [False]])
    unseen = {str(number): np.array([False, True]) for number in range(1001)}
    with pytest.raises(UserError, match=r"labels such as 'a'. Received: 1001 different labels"):
        multilabel_metrics(targets, targets.astype(float), targets, ["a"], unseen=unseen)


def test_rows_are_counted_by_their_number_of_labels():
    targets = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]], bool)
    selected = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0]], bool)
    result = multilabel_metrics(targets, selected * 0.9, selected, "abc")
    assert (result.label_counts, result.selected_counts) == ((1, 1, 1, 0), (0, 2, 0, 1))


def test_first_line_has_the_promised_form():
    # 3 rows with a hit each.
    targets = np.ones((3, 1), bool)
    line = multilabel_metrics(targets, targets * 0.9, targets, ["a"]).first_line()
    assert line == "micro-F1 1.0000 [0.2924, 1.0000] n=3"  # 0.025 ** (1 / 3)


def test_json_is_strict_and_writes_undefined_numbers_as_null():
    plain = multilabel_metrics(*random_case(absent=2), NAMES).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["labels"][2]["f1"] is None


def test_same_input_gives_the_same_result():
    one, other = (multilabel_metrics(*random_case(), NAMES, seed=4) for _ in range(2))
    assert one.to_json() == other.to_json()


def test_arrays_of_another_shape_are_refused():
    targets, probabilities, selected = random_case()
    with pytest.raises(ValueError, match=r"of shape \(60, 4\)"):
        multilabel_metrics(targets, probabilities[:, :3], selected, NAMES)
    with pytest.raises(ValueError, match=r"of shape \(60, 3\)"):
        multilabel_metrics(targets, probabilities, selected, "abc")


def test_an_empty_file_is_the_users_mistake():
    with pytest.raises(UserError, match="at least one labelled row"):
        multilabel_metrics(np.ones((0, 1)), np.ones((0, 1)), np.ones((0, 1)), "a")


def test_a_file_without_any_label_is_the_users_mistake():
    with pytest.raises(UserError, match="3 rows without any label"):
        multilabel_metrics(np.zeros((3, 2)), np.full((3, 2), 0.1), np.zeros((3, 2)), "ab")


def test_a_diverged_model_is_named():
    targets = np.ones((2, 1), bool)
    with pytest.raises(UserError, match="1 of 2 rows"):
        multilabel_metrics(targets, np.array([[0.5], [np.nan]]), targets, "a")
