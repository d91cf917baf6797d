import json
import math

import numpy as np
import pytest
from sklearn import metrics as reference

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.metrics import classification_metrics


def random_case(*, n=60, k=4, absent=None, unseen=(), seed=0):
    """Gold labels and probabilities that are right more often than not."""
    generator = np.random.default_rng(seed)
    names = [f"label {index}" for index in range(k)]
    gold_index = generator.choice([index for index in range(k) if index != absent], size=n)
    logits = generator.normal(size=(n, k))
    logits[np.arange(n), gold_index] += 1.0
    probabilities = np.exp(logits)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    gold = [names[index] for index in gold_index]
    for row, label in enumerate(unseen):
        gold[row] = label
    return gold, probabilities, names


CASES = {
    "all labels present": {},
    "two labels": {"k": 2},
    "a class absent from the gold labels": {"absent": 1},
    "labels the model has never seen": {"unseen": ("new b", "new a", "new a")},
    "two labels and an unseen one": {"k": 2, "unseen": ("new",)},
    "hardly a row a class": {"n": 11, "k": 9},
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return random_case(**request.param)


def test_counts_and_means_agree_with_scikit_learn(case):
    gold, probabilities, names = case
    result = classification_metrics(gold, probabilities, names)
    predicted = [names[index] for index in probabilities.argmax(axis=1)]
    order = [one.label for one in result.classes]
    assert result.accuracy == pytest.approx(reference.accuracy_score(gold, predicted))
    assert result.macro_f1 == pytest.approx(reference.f1_score(gold, predicted, average="macro", zero_division=0))
    assert result.weighted_f1 == pytest.approx(reference.f1_score(gold, predicted, average="weighted", zero_division=0))
    np.testing.assert_array_equal(result.confusion, reference.confusion_matrix(gold, predicted, labels=order))


def test_class_scores_agree_with_scikit_learn(case):
    gold, probabilities, names = case
    result = classification_metrics(gold, probabilities, names)
    predicted = [names[index] for index in probabilities.argmax(axis=1)]
    # A class that never occurs is NaN here and 0 there.
    occurring = [one for one in result.classes if one.label in set(gold) | set(predicted)]
    expected = reference.precision_recall_fscore_support(
        gold, predicted, labels=[one.label for one in occurring], zero_division=0
    )
    np.testing.assert_allclose([one.precision for one in occurring], expected[0])
    np.testing.assert_allclose([one.recall for one in occurring], expected[1])
    np.testing.assert_allclose([one.f1 for one in occurring], expected[2])
    assert [one.support for one in occurring] == expected[3].tolist()


def test_log_loss_agrees_with_scikit_learn_over_rows_with_a_known_label(case):
    gold, probabilities, names = case
    result = classification_metrics(gold, probabilities, names)
    known = [row for row, label in enumerate(gold) if label in names]
    exact = probabilities[known].astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    expected = reference.log_loss([gold[row] for row in known], exact, labels=names)
    assert result.log_loss == pytest.approx(expected, rel=1e-5)
    assert result.n_known == len(known)


@pytest.mark.parametrize("unseen", [(), ("new",)])
def test_roc_auc_of_two_labels_agrees_with_scikit_learn_also_with_ties(unseen):
    gold, probabilities, names = random_case(k=2, unseen=unseen)
    probabilities = np.round(probabilities, 1)  # ties
    known = [row for row, label in enumerate(gold) if label in names]
    expected = reference.roc_auc_score([gold[row] == names[1] for row in known], probabilities[known, 1])
    assert classification_metrics(gold, probabilities, names).roc_auc == pytest.approx(expected)


def test_roc_auc_needs_two_labels_and_rows_of_both():
    assert classification_metrics(*random_case(k=3)).roc_auc is None
    assert classification_metrics(*random_case(k=2, absent=0)).roc_auc is None


def test_rows_with_an_unseen_label_are_errors_and_are_named():
    # Both rows are predicted "a"; "c" is unknown to the model.
    result = classification_metrics(["a", "c"], np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), ["a", "b"])
    assert result.accuracy == 0.5
    assert result.unseen_labels == {"c": 1}
    assert result.label_names == ("a", "b")
    assert result.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert result.n_known == 1
    # ECE: confidences 0.9 (right) and 0.8 (wrong) fall into bins 14 and 13: (0.1 + 0.8) / 2.
    assert result.calibration_error == pytest.approx(0.45)


def test_a_file_of_unseen_labels_only_has_no_log_loss():
    result = classification_metrics(["x"], np.array([[0.9, 0.1]], np.float32), ["a", "b"])
    assert (result.accuracy, result.log_loss, result.roc_auc) == (0.0, None, None)
    assert "log loss" not in result.table()


def test_a_certain_mistake_has_a_finite_log_loss():
    result = classification_metrics(["b"], np.array([[1.0, 0.0]], np.float32), ["a", "b"])
    assert result.log_loss == pytest.approx(-math.log(np.finfo(np.float32).eps))


def test_majority_baseline_answers_the_label_of_the_training_data():
    gold, probabilities = ["a", "b", "b", "b"], np.full((4, 2), 0.5, np.float32)
    trained = classification_metrics(gold, probabilities, ["a", "b"], majority_label="a")
    assert (trained.majority_label, trained.majority_accuracy) == ("a", 0.25)
    untold = classification_metrics(gold, probabilities, ["a", "b"])
    assert (untold.majority_label, untold.majority_accuracy) == ("b", 0.75)


def test_macro_f1_interval_agrees_with_resampling_row_by_row():
    gold, probabilities, names = random_case(n=80, k=3)
    predicted = probabilities.argmax(axis=1)
    gold_index = np.array([names.index(label) for label in gold])
    generator = np.random.default_rng(5)
    scores = []
    for _ in range(600):
        rows = generator.integers(0, 80, 80)
        scores.append(reference.f1_score(gold_index[rows], predicted[rows], average="macro"))
    interval = classification_metrics(gold, probabilities, names).macro_f1_interval
    np.testing.assert_allclose(interval, np.quantile(scores, [0.025, 0.975]), atol=0.03)


def test_a_few_rows_all_right_do_not_make_macro_f1_certain():
    assert classification_metrics(["a", "b"], np.eye(2, dtype=np.float32), ["a", "b"]).macro_f1_interval is None


def test_accuracy_lies_within_its_interval(case):
    result = classification_metrics(*case)
    low, high = result.accuracy_interval
    assert low <= result.accuracy <= high


def test_first_line_has_the_promised_form():
    # 9 of 10 right.
    gold, probabilities = ["a"] * 9 + ["b"], np.tile(np.array([[0.7, 0.3]], np.float32), (10, 1))
    line = classification_metrics(gold, probabilities, ["a", "b"]).first_line()
    # Binomial quantiles of n=10, p=0.9 at 2.5% and 97.5% are 7 and 10.
    assert line == "accuracy 0.9000 [0.7000, 1.0000] n=10"


def test_json_is_strict_and_writes_undefined_numbers_as_null():
    gold, probabilities, names = random_case(n=3, k=9)
    plain = classification_metrics(gold, probabilities, names).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert None in [one["f1"] for one in plain["classes"]]
    assert {"n", "accuracy", "accuracy_interval", "macro_f1", "confusion", "unseen_labels"} <= plain.keys()


def test_json_has_only_the_cells_of_the_confusion_matrix_that_are_not_zero():
    # "b" twice as "a", "b" once right; 2,998 classes that do not occur.
    names = [*"ab", *(f"class {number}" for number in range(2_998))]
    probabilities = np.eye(3_000, dtype=np.float32)[[0, 0, 1]]
    result = classification_metrics(["b", "b", "b"], probabilities, names)
    assert result.confusion.shape == (3_000, 3_000) and result.confusion.sum() == 3
    assert result.to_json()["confusion"] == [[1, 0, 2], [1, 1, 1]]


def test_same_input_gives_the_same_result():
    one, other = (classification_metrics(*random_case(), seed=4) for _ in range(2))
    assert one.to_json() == other.to_json()


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"Expected probabilities of shape \(2, 2\)"):
        classification_metrics(["a", "b"], np.ones((2, 3)), ["a", "b"])


def test_repeated_label_names_are_refused():
    with pytest.raises(ValueError, match="distinct"):
        classification_metrics(["a"], np.ones((1, 2)), ["a", "a"])


def test_an_empty_file_is_the_users_mistake():
    with pytest.raises(UserError, match="at least one labelled row"):
        classification_metrics([], np.ones((0, 2)), ["a", "b"])


def test_a_diverged_model_is_named():
    with pytest.raises(UserError, match="1 of 2 rows"):
        classification_metrics(["a", "b"], np.array([[0.5, 0.5], [np.nan, 0.5]]), ["a", "b"])


def test_a_column_of_texts_in_place_of_labels_is_recognised():
    gold = [f"text number {row}" for row in range(1_001)]
    with pytest.raises(UserError, match="Is this the label column"):
        classification_metrics(gold, np.full((1_001, 2), 0.5), ["a", "b"])
