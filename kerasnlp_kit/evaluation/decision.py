"""From probabilities to decisions: when to answer, and when to keep silent.

Everything is fitted on held-out rows, never on those the model was trained on: of these it is sure, and right.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.plain import to_plain

NEVER = 2.0  # a threshold no probability reaches: always abstain
_HISTOGRAM_BINS = 25


def threshold_for_precision(
    confidence: np.ndarray,
    correct: np.ndarray,
    wanted: float,
    *,
    least_rows: int = 5,
    level: float | None = None,
    least: float = 0.0,
) -> float:
    """Returns the lowest threshold t for which the rows with confidence >= t are right at least as often as wanted.

    Careful in three ways: only confidences that were seen are thresholds, so that nothing is promised for the gap
    below; rows of equal confidence stay together; and fewer than `least_rows` rows prove nothing. The share itself is
    the plain one, unless `level` asks for a lower bound: of many thresholds the one that just passes is a lucky one, so
    new rows fall a little short of a plain share about as often as not.

    Args:
        confidence: float (n,), of the predicted label.
        correct: bool (n,), whether it is the gold label.
        wanted: the precision, 0 to 1.
        least_rows: how many rows must reach the threshold.
        level: for example 0.95: the one-sided lower bound of Clopper and Pearson (1934) at this level must reach
            `wanted`, not the share itself.
        least: no lower threshold is taken.

    Returns:
        A confidence that was seen; `least` if all rows together are precise enough and reach it; `NEVER`, which is
        above 1, if no threshold is precise enough.
    """
    confidence, correct = _checked_rows(confidence, correct)
    if not 0 <= wanted <= 1:
        raise ValueError(f"Expected a wanted precision from 0 to 1. Received: {wanted}")
    thresholds, rows, right = _by_threshold(confidence, correct)
    precision = right / rows
    if level is not None:
        from scipy.stats import beta

        # Where no row is right the beta distribution is undefined and the bound is 0.
        precision = np.where(right == 0, 0.0, beta.ppf(1 - level, np.maximum(right, 1), rows - right + 1))
    enough = np.flatnonzero((precision >= wanted) & (rows >= least_rows) & (thresholds >= least))
    if not len(enough):
        return NEVER
    lowest = int(enough[-1])  # thresholds fall
    return least if lowest == len(thresholds) - 1 else float(thresholds[lowest])


@dataclass(frozen=True, eq=False)
class ClassThresholds:
    """One threshold a class and what it does to the rows it was fitted on.

    An answer counts if the probability of its class reaches the threshold of its class. A class that is never precise
    enough, or never predicted, has the threshold `NEVER`.
    """

    thresholds: np.ndarray  # float (K,)
    predicted: np.ndarray  # int (K,), rows for which the class is the answer
    answered: np.ndarray  # int (K,), of these, rows that reach the threshold
    right: np.ndarray  # int (K,), of these, rows that are right

    @property
    def coverage(self) -> float:
        """The share of all rows that get an answer."""
        return float(self.answered.sum() / self.predicted.sum())

    @property
    def precision(self) -> float | None:
        """The share of the answers that are right; None if there is no answer."""
        answered = int(self.answered.sum())
        return int(self.right.sum()) / answered if answered else None

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        arrays = {name: value.tolist() for name, value in vars(self).items()}
        return {**arrays, "coverage": self.coverage, "precision": self.precision}


def class_thresholds(
    probabilities: np.ndarray,
    labels: np.ndarray,
    wanted: float,
    *,
    least_rows: int = 5,
    level: float | None = None,
    least: float = 0.0,
) -> ClassThresholds:
    """Finds `threshold_for_precision` for each class, among the rows for which it is the answer.

    Args:
        probabilities: float (n, K).
        labels: int (n,), the true labels. A number outside 0 to K - 1 is a label the model does not know: an error.
        wanted: the precision each class shall reach, 0 to 1.
        least_rows: see `threshold_for_precision`; a class needs this many rows to have an answer at all.
        level: see `threshold_for_precision`.
        least: likewise.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ValueError(
            "Expected probabilities (n, K) and labels (n,) with n > 0. "
            f"Received: {probabilities.shape} and {labels.shape}"
        )
    k = probabilities.shape[1]
    answer = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    thresholds = np.full(k, NEVER)
    for index in np.unique(answer).tolist():
        mine = answer == index
        thresholds[index] = threshold_for_precision(
            confidence[mine], labels[mine] == index, wanted, least_rows=least_rows, level=level, least=least
        )
    answered = accepted(probabilities, thresholds)
    return ClassThresholds(
        thresholds=thresholds,
        predicted=np.bincount(answer, minlength=k),
        answered=np.bincount(answer[answered], minlength=k),
        right=np.bincount(answer[answered & (answer == labels)], minlength=k),
    )


def precision_thresholds(
    probabilities: np.ndarray, labels: np.ndarray, wanted: float, *, room: float = 0.0
) -> np.ndarray:
    """Thresholds by which each class, and all answers together, are as precise as wanted: float64 (K,).

    The few rows of a class alone would often promise too much: all of ten are soon right by chance.

    Args:
        probabilities: see `class_thresholds`.
        labels: likewise.
        wanted: likewise.
        room: by how much less they are than the probabilities that were found, which may be rounded otherwise later.
    """
    together = threshold_for_precision(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, wanted)
    limits = class_thresholds(probabilities, labels, wanted, least=together).thresholds
    return np.where((limits > 0) & (limits <= 1), limits - room, limits)


def accepted(probabilities: np.ndarray, thresholds: float | np.ndarray) -> np.ndarray:
    """Returns bool (n,): rows whose highest probability reaches the threshold, that of its class if there are K.

    Args:
        probabilities: float (n, K).
        thresholds: one number, float (K,), or of each row by itself (n, K).
    """
    probabilities = np.asarray(probabilities)
    rows, answers = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return probabilities[rows, answers] >= np.broadcast_to(thresholds, probabilities.shape)[rows, answers]


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """How accurate the answers are if only the most confident rows get one.

    Point i answers all rows with confidence >= threshold[i]; the last point answers all. `area` is the area under the
    risk-coverage curve: the mean error rate over all coverages, 0 if every answer is right.
    """

    n: int
    threshold: np.ndarray  # float (points,), falling
    coverage: np.ndarray  # float (points,), rising to 1
    accuracy: np.ndarray  # float (points,)
    area: float

    def point_at_coverage(self, coverage: float) -> int:
        """Returns the index of the first point that covers at least this share (above 0, up to 1) of the rows."""
        if not 0 < coverage <= 1:
            raise ValueError(f"Expected a coverage above 0 and up to 1. Received: {coverage}")
        # The room for rounding keeps a coverage of 0.1 + 0.2 from asking for a fourth row of ten.
        return int(np.searchsorted(self.coverage, coverage - 1e-9))

    def accuracy_at_coverage(self, coverage: float) -> float:
        """Returns the accuracy of the most confident rows, no fewer than this share of all."""
        return float(self.accuracy[self.point_at_coverage(coverage)])

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types: the area, and the accuracy at ten coverages."""
        tenths = [number / 10 for number in range(1, 11)]
        return {
            "n": self.n,
            "area_under_risk_coverage": self.area,
            "accuracy_at_coverage": [[tenth, self.accuracy_at_coverage(tenth)] for tenth in tenths],
        }


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> CoverageCurve:
    """Returns the risk-coverage curve (Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks").

    Rows of equal confidence get an answer together or not at all. In the area they count as in the mean over all orders
    they might come in, so that it does not depend on the order of the file.

    Args:
        confidence: float (n,), n > 0.
        correct: bool (n,).
    """
    confidence, correct = _checked_rows(confidence, correct)
    thresholds, rows, right = _by_threshold(confidence, correct)
    n = len(confidence)
    # Errors among the first 1, 2, ... n rows; within a tie they grow evenly.
    covered = np.arange(1, n + 1)
    errors = np.interp(covered, np.append(0, rows), np.append(0, rows - right))
    return CoverageCurve(n, thresholds, rows / n, right / rows, float((errors / covered).mean()))


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold, or a set of them, means on some rows: how many get an answer, and how many of these are right.

    `name` is for people, such as "precision 95%". `threshold` is None where each class has its own.
    """

    name: str
    threshold: float | None
    n: int
    answered: int
    right: int

    @property
    def coverage(self) -> float:
        """The share of the rows that get an answer."""
        return self.answered / self.n

    @property
    def accuracy(self) -> float | None:
        """The share of the answers that are right; None if there is none."""
        return self.right / self.answered if self.answered else None

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return {**asdict(self), "coverage": self.coverage, "accuracy": self.accuracy}


def operating_point(
    name: str, answered: np.ndarray, correct: np.ndarray, *, threshold: float | None = None
) -> OperatingPoint:
    """Counts what `answered` (bool (n,), see `accepted`) means for rows that are `correct` (bool (n,)) or not."""
    answered, correct = _checked_rows(answered, correct)
    answered = answered.astype(bool)
    return OperatingPoint(name, threshold, len(answered), int(answered.sum()), int((answered & correct).sum()))


@dataclass(frozen=True)
class OutOfScope:
    """How well confidence tells texts the model was made for ("in scope") from others.

    `auroc` is the chance that a text in scope has the higher confidence, 0.5 for a coin. The shares are None where no
    thresholds were given.
    """

    n_in: int
    n_out: int
    auroc: float
    false_positive_rate_at_95: float  # share of out-of-scope texts answered where 95% of those in scope are
    threshold_at_95: float  # the confidence where that is
    out_rejected: float | None  # share of out-of-scope texts rejected at the thresholds: the more the better
    in_rejected: float | None  # the price: share of in-scope texts rejected
    edges: tuple[float, ...]  # of the confidence histograms
    in_histogram: tuple[int, ...]
    out_histogram: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(asdict(self))


def out_of_scope(
    in_confidence: np.ndarray,
    out_confidence: np.ndarray,
    *,
    in_accepted: np.ndarray | None = None,
    out_accepted: np.ndarray | None = None,
) -> OutOfScope:
    """Measures how well confidence tells texts in scope from those out of it.

    The measures are those of Hendrycks and Gimpel (2017), "A Baseline for Detecting Misclassified and
    Out-of-Distribution Examples in Neural Networks", and Liang et al. (2018), "ODIN", with the texts in scope as
    positives.

    Args:
        in_confidence: float (n,), of texts that have one of the model's labels; n > 0.
        out_confidence: float (m,), of texts that have none; m > 0.
        in_accepted: bool (n,), which of them reach the thresholds in use; see `accepted`.
        out_accepted: bool (m,), likewise.
    """
    from scipy.stats import rankdata

    inside, outside = (np.asarray(values, dtype=np.float64) for values in (in_confidence, out_confidence))
    if not inside.ndim == outside.ndim == 1 or not len(inside) or not len(outside):
        raise ValueError(
            "Expected confidences (n,) and (m,) of at least one text each. "
            f"Received: {inside.shape} and {outside.shape}"
        )
    n, m = len(inside), len(outside)
    both = np.concatenate([inside, outside])
    rank_sum = rankdata(both)[:n].sum()  # ties take the middle rank: Mann and Whitney's U
    at_95 = np.sort(inside)[::-1][(95 * n + 99) // 100 - 1]  # whole numbers: the ceiling of 0.95 n
    edges = np.histogram_bin_edges(both, _HISTOGRAM_BINS, (min(0.0, both.min()), max(1.0, both.max())))
    return OutOfScope(
        n_in=n,
        n_out=m,
        auroc=float((rank_sum - n * (n + 1) / 2) / (n * m)),
        false_positive_rate_at_95=float((outside >= at_95).mean()),
        threshold_at_95=float(at_95),
        out_rejected=None if out_accepted is None else float(1 - np.mean(out_accepted)),
        in_rejected=None if in_accepted is None else float(1 - np.mean(in_accepted)),
        edges=tuple(edges.tolist()),
        in_histogram=tuple(np.histogram(inside, edges)[0].tolist()),
        out_histogram=tuple(np.histogram(outside, edges)[0].tolist()),
    )


def f1_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns for each label the threshold t for which selecting the rows with probability >= t has the highest F1.

    Between two probabilities that were seen every threshold is as good: 0.5 is taken if it is among the best, else the
    middle of the best gap that is nearest to 0.5. A label that no row has gets 0.5.

    Args:
        probabilities: float (n, K), 0 to 1.
        targets: bool (n, K), the labels a row has.

    Returns:
        float64 (K,), numbers that the type of the probabilities can hold.
    """
    probabilities, targets = np.asarray(probabilities), np.asarray(targets, dtype=bool)
    if probabilities.ndim != 2 or probabilities.shape != targets.shape or not len(targets):
        raise ValueError(
            "Expected probabilities and targets of one shape (n, K) with n > 0. "
            f"Received: {probabilities.shape} and {targets.shape}"
        )
    columns = zip(probabilities.T, targets.T, strict=True)
    return np.array([_f1_threshold(one, target) for one, target in columns])


def cross_fitted_thresholds(
    probabilities: np.ndarray,
    targets: np.ndarray,
    find: Callable[[np.ndarray, np.ndarray], np.ndarray],
    folds: int = 5,
) -> np.ndarray:
    """Thresholds for each row from the rows of the other folds: for honest scores of these rows.

    Args:
        probabilities: float (n, K), 0 to 1.
        targets: bool (n, K), the labels a row has; or int (n,), its only one.
        find: of some rows of both the thresholds, float (K,): `f1_thresholds`, `precision_thresholds`.
        folds: parts of the rows, drawn at random, the same each time.

    Returns:
        float64 (n, K); 0.5 if there is a single row.
    """
    order = np.random.default_rng(0).permutation(len(probabilities))
    found = np.full(probabilities.shape, 0.5)
    for part in np.array_split(order, min(folds, len(order))):
        others = np.setdiff1d(order, part)
        if len(others):
            found[part] = find(probabilities[others], targets[others])
    return found


def _f1_threshold(probability: np.ndarray, target: np.ndarray) -> float:
    if not target.any():
        return 0.5
    highs, selected, found = _by_threshold(probability, target)
    lows = np.append(highs[1:], probability.dtype.type(0))
    f1 = 2 * found / (selected + target.sum())
    best = np.flatnonzero(f1 == f1.max())
    low, high = lows[best], highs[best]  # thresholds t with low < t <= high select the same rows
    distance = np.maximum(np.maximum(low - 0.5, 0.5 - high), 0)
    nearest = int(distance.argmin())
    low, high = low[nearest], high[nearest]
    if low < 0.5 <= high:
        return 0.5
    middle = low + (high - low) / 2
    return float(middle if middle > low else high)  # two neighbouring floats have no middle


def _by_threshold(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each distinct confidence, falling: itself, how many rows reach it, how many of these are right."""
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], np.cumsum(correct[order])
    last = np.append(np.flatnonzero(confidence[1:] != confidence[:-1]), len(confidence) - 1)  # of each tie
    return confidence[last], last + 1, right[last]


def _checked_rows(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = np.asarray(confidence), np.asarray(correct, dtype=bool)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise ValueError(
            "Expected confidence and correct of one shape (n,) with n > 0. "
            f"Received: {confidence.shape} and {correct.shape}"
        )
    return confidence, correct
