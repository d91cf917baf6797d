"""Scores of a classifier, from gold labels and the probabilities the model gave."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.bootstrap import accuracy_interval, bootstrap_interval
from kerasnlp_kit.evaluation.calibration import ReliabilityBins, reliability_bins
from kerasnlp_kit.evaluation.terminal import metrics_table
from kerasnlp_kit.plain import to_plain

# More foreign labels than this are not labels: a wrong column, whose confusion matrix would not fit into memory.
_MOST_UNSEEN_LABELS = 1_000
# Above this many different (gold, predicted) pairs the macro F1 interval would take seconds; it is left out.
_MOST_BOOTSTRAP_PAIRS = 5_000


@dataclass(frozen=True)
class ClassMetrics:
    """One class. A class that is neither in the data nor ever predicted has NaN for all but its support of 0.

    Otherwise an undefined ratio counts as 0, as in scikit-learn.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class ClassificationMetrics:
    """All scores of one classifier on one data set.

    `classes` are the model's labels followed by the labels only the data has (`unseen_labels`, most frequent first);
    `confusion` has one row (gold) and one column (predicted) for each of them. Rows with an unseen label count as
    errors in every score but `log_loss` and `roc_auc`, which are undefined for them and use the `n_known` other rows.
    `macro_f1` is the mean over the classes that are in the data or were predicted. `roc_auc` takes the second of two
    labels as positive; it is None unless the model has two labels and the data both.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]  # 95%
    macro_f1: float
    weighted_f1: float
    log_loss: float | None  # natural logarithm; None if no row has a known label
    roc_auc: float | None
    calibration_error: float
    majority_accuracy: float
    majority_label: str
    classes: tuple[ClassMetrics, ...]
    confusion: np.ndarray  # int (classes, classes)
    label_names: tuple[str, ...]  # of the model, in the order of its outputs
    unseen_labels: dict[str, int]  # label -> rows
    n_known: int
    macro_f1_interval: tuple[float, float] | None  # 95%; None: see _macro_f1_interval
    reliability: ReliabilityBins

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types; what is undefined (NaN) becomes None.

        `confusion` becomes a list of `[gold, predicted, rows]`, by index into `classes`, one for each cell that is not
        zero: of many classes most cells are.
        """
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        gold, predicted = np.nonzero(self.confusion)
        plain["confusion"] = np.stack([gold, predicted, self.confusion[gold, predicted]], axis=1).tolist()
        plain["classes"] = [asdict(one) for one in self.classes]
        plain["reliability"] = asdict(self.reliability)
        return to_plain(plain)

    def first_line(self) -> str:
        """Returns the one line to read: `accuracy 0.9123 [0.9021, 0.9220] n=3080`."""
        low, high = self.accuracy_interval
        return f"accuracy {self.accuracy:.4f} [{low:.4f}, {high:.4f}] n={self.n}"

    def table(self) -> str:
        """Returns all scores as a text for the terminal, several lines, without a final newline."""
        return metrics_table(self)


def classification_metrics(
    gold: Sequence[str],
    probabilities: np.ndarray,
    label_names: Sequence[str],
    *,
    majority_label: str | None = None,
    seed: int = 0,
) -> ClassificationMetrics:
    """Scores predictions against gold labels.

    Args:
        gold: n true labels. They may contain labels the model does not know.
        probabilities: float (n, K), one row a text, one column a label.
        label_names: the K labels of the model.
        majority_label: the most frequent label of the training data, for the baseline that always answers it. None
            takes the most frequent one in `gold`, which flatters the baseline a little.
        seed: of the bootstrap intervals.

    Raises:
        UserError: there is no row, the model gave a NaN or infinite probability, or the gold labels are so many that
            they must come from another column.
    """
    label_names = tuple(label_names)
    probabilities = np.asarray(probabilities)
    _check(gold, probabilities, label_names)
    n, k = probabilities.shape
    unseen = unseen_labels(gold, label_names)
    names = (*label_names, *unseen)
    index_of = {name: index for index, name in enumerate(names)}
    gold_index = np.fromiter((index_of[label] for label in gold), dtype=np.int64, count=n)
    predicted = probabilities.argmax(axis=1)
    correct = gold_index == predicted
    known = gold_index < k

    confusion = np.bincount(gold_index * len(names) + predicted, minlength=len(names) ** 2)
    confusion = confusion.reshape(len(names), len(names))
    classes = _class_metrics(names, confusion)
    f1 = np.array([one.f1 for one in classes])
    support = np.array([one.support for one in classes])
    bins = reliability_bins(probabilities[np.arange(n), predicted], correct)
    if majority_label is None:
        frequency = Counter(gold)
        majority_label = min(frequency, key=lambda label: (-frequency[label], label))

    return ClassificationMetrics(
        n=n,
        accuracy=float(correct.mean()),
        accuracy_interval=accuracy_interval(int(correct.sum()), n, seed=seed),
        macro_f1=float(np.nanmean(f1)),
        weighted_f1=float(np.nansum(f1 * support) / n),
        log_loss=_log_loss(gold_index[known], probabilities[known]),
        roc_auc=_roc_auc(gold_index[known] == 1, probabilities[known, 1]) if k == 2 else None,
        calibration_error=bins.expected_calibration_error,
        majority_accuracy=sum(label == majority_label for label in gold) / n,
        majority_label=majority_label,
        classes=classes,
        confusion=confusion,
        label_names=label_names,
        unseen_labels=unseen,
        n_known=int(known.sum()),
        macro_f1_interval=_macro_f1_interval(confusion, seed),
        reliability=bins,
    )


def _check(gold: Sequence[str], probabilities: np.ndarray, label_names: tuple[str, ...]) -> None:
    if len(gold) == 0:
        raise UserError("Expected at least one labelled row to evaluate. Received: none. Is the file empty?")
    if probabilities.shape != (len(gold), len(label_names)):
        raise ValueError(
            f"Expected probabilities of shape {(len(gold), len(label_names))}: one row a gold label, one column a "
            f"label name. Received: {probabilities.shape}"
        )
    if len(set(label_names)) != len(label_names):
        raise ValueError(f"Expected distinct label names. Received: {label_names}")
    bad_rows = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if bad_rows:
        raise UserError(
            f"Expected finite probabilities. The model gave NaN or infinity for {bad_rows} of {len(gold)} rows; "
            "its training diverged. Train again with a lower learning rate."
        )


def unseen_labels(gold: Sequence[str], label_names: Sequence[str]) -> dict[str, int]:
    """Labels that are not among those of the model, with their rows, the most frequent first.

    Raises:
        UserError: there are so many that the column cannot be the right one.
    """
    known = set(label_names)
    frequency = Counter(label for label in gold if label not in known)
    refuse_many_unseen(frequency, label_names)
    return dict(sorted(frequency.items(), key=lambda item: (-item[1], item[0])))


def refuse_many_unseen(unseen: Collection[str], label_names: Sequence[str]) -> None:
    """Raises a `UserError` if so many labels are none of the model's that they must come from another column."""
    if len(unseen) > _MOST_UNSEEN_LABELS:
        examples = ", ".join(repr(label[:40]) for label in sorted(unseen)[:3])
        raise UserError(
            f"Expected labels such as {label_names[0]!r}. Received: {len(unseen)} different labels the model has "
            f"never seen ({examples}, ...). Is this the label column?"
        )


def _class_metrics(names: tuple[str, ...], confusion: np.ndarray) -> tuple[ClassMetrics, ...]:
    hits = np.diagonal(confusion)
    predicted = confusion.sum(axis=0)
    support = confusion.sum(axis=1)
    absent = (predicted + support) == 0

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> list[float]:
        values = numerator / np.maximum(denominator, 1)
        return np.where(absent, np.nan, values).tolist()

    columns = (ratio(hits, predicted), ratio(hits, support), ratio(2 * hits, predicted + support), support.tolist())
    return tuple(ClassMetrics(name, *values) for name, *values in zip(names, *columns, strict=True))


def _log_loss(gold_index: np.ndarray, probabilities: np.ndarray) -> float | None:
    if not len(gold_index):
        return None
    # One certain mistake must not make the mean infinite: a probability of 0 counts as the smallest step from 1.
    smallest = np.finfo(probabilities.dtype).eps if np.issubdtype(probabilities.dtype, np.floating) else 1e-7
    chosen = probabilities[np.arange(len(gold_index)), gold_index].astype(np.float64)
    return float(-np.log(np.clip(chosen, smallest, 1.0)).mean())


def _roc_auc(positive: np.ndarray, scores: np.ndarray) -> float | None:
    """Returns the chance that a positive row scores above a negative one, ties counting half (Mann-Whitney U)."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, group, group_size = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(group_size) - (group_size - 1) / 2
    rank_sum = middle_rank[group][positive].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def _macro_f1_interval(confusion: np.ndarray, seed: int) -> tuple[float, float] | None:
    """Returns None where all rows are right, or all wrong, and resampling would claim certainty; or takes too long."""
    gold, predicted = np.nonzero(confusion)
    hit = gold == predicted
    if hit.all() or not hit.any() or len(gold) > _MOST_BOOTSTRAP_PAIRS:
        return None
    width = len(confusion)
    pair = np.arange(len(gold))
    # Multiplying pair counts by `memberships` gives, for each class, its rows in the data plus its predictions.
    memberships = np.zeros((len(gold), width))
    np.add.at(memberships, (pair, gold), 1)
    np.add.at(memberships, (pair, predicted), 1)

    def macro_f1(counts: np.ndarray) -> np.ndarray:
        hits = np.zeros((len(counts), width))
        hits[:, gold[hit]] = counts[:, hit]
        totals = counts @ memberships  # (resamples, classes)
        f1 = 2 * hits / np.maximum(totals, 1)
        return f1.sum(axis=1) / np.maximum((totals > 0).sum(axis=1), 1)

    return bootstrap_interval(confusion[gold, predicted], macro_f1, seed=seed)
