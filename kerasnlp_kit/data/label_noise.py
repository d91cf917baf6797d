"""Confident learning: which labels are likely wrong, told from probabilities that were predicted without them.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70.
"""

import numpy as np

_ROUNDING = 1e-6  # a mean of equal numbers may lie a little above them


def class_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns float64 (K,): the mean probability of each class over the rows labelled with it; infinite without rows.

    Args:
        probabilities: float (rows, K): out of fold, that is from a model that has not seen the row.
        labels: int (rows,): from 0 to K - 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    return np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)


def confident_joint(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns int64 (K, K): the rows labelled i (first axis) that are confidently of class j.

    A row is confidently of the class with the highest probability among those whose threshold it reaches; a row that
    reaches none is not counted.

    Args:
        probabilities: float (rows, K), out of fold.
        labels: int (rows,): from 0 to K - 1.
    """
    probabilities, labels = _checked(probabilities, labels)
    classes = probabilities.shape[1]
    confident = _confident_classes(probabilities, labels)
    counted = confident >= 0
    pairs = labels[counted] * classes + confident[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def likely_wrong_labels(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns int64 (found,): the rows whose label is likely wrong, worst first.

    These are the rows off the diagonal of the confident joint, but for those whose label is the most probable class all
    the same. They are ordered by the normalised margin, the probability of the label less that of the best other class;
    among equals by the probability of the label, then by row.

    Args:
        probabilities: float (rows, K), out of fold.
        labels: int (rows,): from 0 to K - 1.

    Raises:
        ValueError: shapes that do not fit, a probability that is not finite, a label that is no column.
    """
    probabilities, labels = _checked(probabilities, labels)
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    margin = own - others.max(axis=1, initial=-np.inf)
    confident = _confident_classes(probabilities, labels)
    found = np.flatnonzero((confident >= 0) & (confident != labels) & (margin < 0))
    return found[np.lexsort((found, own[found], margin[found]))]


def _confident_classes(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns int64 (rows,): the class each row is confidently of, -1 where there is none."""
    reached = probabilities >= class_thresholds(probabilities, labels) - _ROUNDING
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)


def _checked(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"expected probabilities (rows, K) and labels (rows,); received {probabilities.shape} and {labels.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("expected finite probabilities; received NaN or infinity")
    if len(labels) and not 0 <= labels.min() <= labels.max() < probabilities.shape[1]:
        raise ValueError(f"expected labels from 0 to {probabilities.shape[1] - 1}; received {np.unique(labels)}")
    return probabilities, labels
