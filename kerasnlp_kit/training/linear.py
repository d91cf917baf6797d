"""Solves the linear classifier over n-grams with scikit-learn."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from kerasnlp_kit.tasks.linear import NgramFeatures
from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules

# What a feature takes in a SavedModel, in bytes: key and number in the table, idf; and for each class a weight.
_FEATURE_BYTES = 8 + 4 + 4
_WEIGHT_BYTES = 4
# Of the solver: half the default's time, and the scores differ by some thousandths.
_PRECISION = 0.01
SMOOTHING = 0.1  # of naive Bayes, added to the sum of a feature's values in a class
ABSENT = -10.0  # margin of a class without a row; others lie around -1 to 1


def choose_features(
    rules: NgramRules,
    counts: NgramCounts,
    classes: int,
    *,
    least_texts: int = 1,
    megabytes: float = 45.0,
    multi_label: bool = False,
) -> tuple[NgramFeatures, int]:
    """The n-grams of the training texts that fit into a SavedModel of a given size.

    Args:
        rules: which n-grams were counted.
        counts: of the training texts.
        classes: number of classes.
        least_texts: texts that an n-gram must be in.
        megabytes: size to stay under; the n-grams of the most texts are kept.
        multi_label: whether a row may have several labels.

    Returns:
        The features, and how many n-grams were left out for the size.
    """
    keys, texts = np.unique(counts.keys, return_counts=True)
    kept = texts >= least_texts
    keys, texts = keys[kept], texts[kept]
    columns = 1 if classes == 2 and not multi_label else classes
    most = max(1, int(min(len(keys), megabytes * 1e6 / (_FEATURE_BYTES + _WEIGHT_BYTES * columns))))
    left_out = max(0, len(keys) - most)
    if left_out:
        # Stable, so that among equals the choice depends on nothing but the data.
        best = np.sort(np.argsort(-texts, kind="stable")[:most])
        keys, texts = keys[best], texts[best]
    idf = np.log((1 + counts.texts) / (1 + texts)) + 1
    return NgramFeatures(rules, keys, idf.astype("float32")), left_out


def lowest(values: Sequence[float], cost: Callable[[float], float]) -> float:
    """The value of the lowest cost, if the cost falls and then rises; not all are asked for theirs.

    Args:
        values: rising, one at least; the middle one is tried first.
        cost: takes long; it is asked once for each value. (Not in threads: LIBLINEAR has one random generator for the
            whole process, so that its solutions would depend on which thread is faster.)
    """
    ask = functools.cache(lambda place: cost(values[place]))
    best = len(values) // 2
    ask(best)  # also if it is the only one: whoever asks for the lowest wants what finding its cost brought
    for step in (1, -1):
        while 0 <= best + step < len(values) and ask(best + step) < ask(best):
            best += step
    return values[best]


def solve(
    matrix: scipy.sparse.csr_matrix,
    labels: np.ndarray,
    classes: int,
    strength: float,
    solver: str = "svm",
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a linear classifier, one class against all others.

    Args:
        matrix: float64 (rows, features).
        labels: int (rows,), or bool (rows, classes) where a row may have several.
        classes: number of classes; those without a row get a margin that never wins.
        strength: C of scikit-learn, the inverse of the regularisation.
        solver: svm (squared hinge) or logistic; of both the dual problem (Fan et al. 2008, "LIBLINEAR").
        weights: float (rows,), weight of each row.

    Returns:
        float32 (features, classes) and (classes,); of two exclusive classes one column, for the second class.
    """
    if labels.ndim == 1 and solver == "svm" and len(np.unique(labels)) > 2:
        return _svm_of_classes(matrix, labels, classes, strength, weights)
    if labels.ndim == 2:
        targets = list(labels.T)
    else:
        targets = [labels == number for number in ((1,) if classes == 2 else range(classes))]
    solved = [_one_against_others(matrix, target, strength, solver, weights) for target in targets]
    found, bias = zip(*solved, strict=True)
    return np.stack(found, axis=1).astype("float32"), np.array(bias, "float32")


def naive_bayes(matrix: scipy.sparse.csr_matrix, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a multinomial naive Bayes classifier, which is linear as well.

    A class has the logarithms of the shares that features have of all the values in its rows, smoothed by SMOOTHING;
    all classes count as equally frequent. (Rennie et al. 2003, "Tackling the Poor Assumptions of Naive Bayes Text
    Classifiers", on TF-IDF values in place of counts.)

    Args:
        matrix: float64 (rows, features), none below 0.
        labels: int (rows,), or bool (rows, classes) where a row may have several.
        classes: number of classes; one without a row finds every feature as unlikely as any class does.

    Returns:
        Weights and bias as `solve` gives them. What all classes have in common is taken away: it changes no
        probability, and in float32 it would drown what tells them apart.
    """
    if labels.ndim == 2:
        own = (scipy.sparse.csr_matrix(labels.T, dtype="float64") @ matrix).toarray()
        others = np.asarray(matrix.sum(axis=0)) - own
        some = np.logical_and(labels.any(axis=0), ~labels.all(axis=0))
        weights = (_log_shares(own) - _log_shares(np.maximum(others, 0))) * some[:, None]
    else:
        rows = np.arange(len(labels))
        members = scipy.sparse.csr_matrix((np.ones(len(labels)), (labels, rows)), shape=(classes, len(labels)))
        shares = _log_shares((members @ matrix).toarray())
        present = np.unique(labels)
        shares[np.setdiff1d(np.arange(classes), present)] = shares[present].min(axis=0)
        weights = shares[1:] - shares[:1] if classes == 2 else shares - shares.mean(axis=0)
    return np.ascontiguousarray(weights.T, "float32"), np.zeros(len(weights), "float32")


def _log_shares(sums: np.ndarray) -> np.ndarray:
    """Logarithms of the shares of each row's sum, smoothed."""
    smoothed = sums + SMOOTHING
    return np.log(smoothed) - np.log(smoothed.sum(axis=1, keepdims=True))


def _one_against_others(
    matrix: scipy.sparse.csr_matrix, target: np.ndarray, strength: float, solver: str, weights: np.ndarray | None
) -> tuple[np.ndarray, float]:
    if not target.any() or target.all():
        return np.zeros(matrix.shape[1]), -ABSENT if target.any() else ABSENT
    estimator = _fit(matrix, target, strength, solver, weights)
    return estimator.coef_[0], float(estimator.intercept_[0])


def _svm_of_classes(
    matrix: scipy.sparse.csr_matrix, labels: np.ndarray, classes: int, strength: float, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """LIBLINEAR's own loop over three classes or more, which copies the matrix once and not for each class."""
    estimator = _fit(matrix, labels, strength, "svm", weights)
    found, bias = np.zeros((matrix.shape[1], classes), "float32"), np.full(classes, ABSENT, "float32")
    found[:, estimator.classes_], bias[estimator.classes_] = estimator.coef_.T, estimator.intercept_
    return found, bias


def _fit(
    matrix: scipy.sparse.csr_matrix, target: np.ndarray, strength: float, solver: str, weights: np.ndarray | None
) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    options = {"C": strength, "tol": _PRECISION, "dual": True, "random_state": 0}
    if solver == "svm":
        estimator = LinearSVC(**options)
    else:
        estimator = LogisticRegression(**options, solver="liblinear", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a little more precision changes no label
        return estimator.fit(matrix, target, sample_weight=weights)
