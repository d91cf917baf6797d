import numpy as np
import pytest

from kerasnlp_kit.data.label_noise import class_thresholds, confident_joint, likely_wrong_labels


def random_case(seed, rows=60, classes=4, flipped=0.2):
    """Probabilities that lean to the true class, and labels of which a part is wrong."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    logits = random.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.where(random.random(rows) < flipped, random.integers(0, classes, rows), truth)
    return probabilities, labels, truth


def by_loops(probabilities, labels):
    """Thresholds, confident joint and suspects straight from the definitions, with neither NumPy's axes nor masks."""
    rows, classes = probabilities.shape
    thresholds = []
    for j in range(classes):
        own = [float(probabilities[row, j]) for row in range(rows) if labels[row] == j]
        thresholds.append(sum(own) / len(own) if own else float("inf"))
    joint = [[0] * classes for _ in range(classes)]
    suspects = []
    for row in range(rows):
        reached = [j for j in range(classes) if probabilities[row, j] >= thresholds[j] - 1e-6]
        if not reached:
            continue
        confident = max(reached, key=lambda j: probabilities[row, j])
        joint[labels[row]][confident] += 1
        own = float(probabilities[row, labels[row]])
        margin = own - max(float(probabilities[row, j]) for j in range(classes) if j != labels[row])
        if confident != labels[row] and margin < 0:
            suspects.append((margin, own, row))
    return thresholds, joint, [row for _, _, row in sorted(suspects)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_thresholds_joint_and_order_agree_with_the_definitions(seed, classes):
    probabilities, labels, _ = random_case(seed, classes=classes)
    thresholds, joint, suspects = by_loops(probabilities, labels)
    np.testing.assert_allclose(class_thresholds(probabilities, labels), thresholds)
    assert confident_joint(probabilities, labels).tolist() == joint
    found = likely_wrong_labels(probabilities, labels)
    assert found.tolist() == suspects and found.dtype == np.int64 and len(found)


def test_a_small_case_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9], [0.55, 0.45]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    # Class 0: (0.9 + 0.8 + 0.2) / 3 = 0.6333; class 1: (0.7 + 0.9 + 0.45) / 3 = 0.6833.
    np.testing.assert_allclose(class_thresholds(probabilities, labels), [1.9 / 3, 2.05 / 3])
    # The third row, labelled 0, reaches 0.8 for class 1. The last one reaches neither threshold, so it is not counted.
    assert confident_joint(probabilities, labels).tolist() == [[2, 1], [0, 2]]
    assert likely_wrong_labels(probabilities, labels).tolist() == [2]


def test_the_worst_come_first():
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3 + [[0.2, 0.8], [0.01, 0.99], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0])
    # Class 1's threshold is 0.9, so of the last three the middle one alone reaches it; mixed in, class 1 is less sure.
    assert likely_wrong_labels(probabilities, labels).tolist() == [7]
    probabilities[5] = [0.6, 0.4]
    # Now it is (0.9 + 0.9 + 0.4) / 3 = 0.733; row 5 itself: class 0's is (2.7 + 0.41) / 6 = 0.518, so it is out too.
    assert likely_wrong_labels(probabilities, labels).tolist() == [7, 6, 8, 5]


def test_flipped_labels_are_found():
    probabilities, labels, truth = random_case(0, rows=2000, flipped=0.1)
    found = likely_wrong_labels(probabilities, labels)
    wrong = labels != truth
    worst = found[: wrong.sum() // 2]
    assert wrong[worst].mean() > 5 * wrong.mean()


def test_a_class_without_rows_is_never_suggested():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7], [0.3, 0.1, 0.6]])
    labels = np.array([0, 1, 0])
    assert class_thresholds(probabilities, labels).tolist() == [pytest.approx(0.2), pytest.approx(0.1), np.inf]
    assert confident_joint(probabilities, labels)[:, 2].sum() == 0


def test_equal_probabilities_reach_their_own_mean():
    # In binary, 0.1 + 0.1 + 0.1 is a little more than 0.3.
    probabilities = np.tile([[0.1, 0.9]], (3, 1))
    assert confident_joint(probabilities, np.zeros(3, int)).tolist() == [[3, 0], [0, 0]]


def test_no_rows_have_no_wrong_labels():
    assert likely_wrong_labels(np.zeros((0, 3)), np.zeros(0, int)).tolist() == []


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.zeros(3), [0, 0, 0]),
        (np.zeros((3, 2)), [0, 0]),
        (np.full((2, 2), np.nan), [0, 1]),
        (np.zeros((2, 2)), [0, 2]),
        (np.zeros((2, 2)), [0, -1]),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, labels):
    with pytest.raises(ValueError, match="expected"):
        likely_wrong_labels(probabilities, np.array(labels))
