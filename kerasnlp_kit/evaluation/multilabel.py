"""Scores of a classifier that gives a text any number of labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.bootstrap import accuracy_interval, bootstrap_interval
from kerasnlp_kit.evaluation.calibration import ReliabilityBins, reliability_bins
from kerasnlp_kit.evaluation.metrics import ClassMetrics, refuse_many_unseen
from kerasnlp_kit.evaluation.terminal import multilabel_table
from kerasnlp_kit.plain import to_plain


@dataclass(frozen=True, eq=False)
class MultiLabelMetrics:
    """All scores of one multi-label classifier on one data set.

    `micro` counts every (row, label) decision alike; `macro` is the mean over the labels that are in the data or were
    selected, `weighted` that mean weighted by support; `samples` is the mean over rows, where a row without labels for
    which none was selected counts as 1. Otherwise an undefined ratio counts as 0, as in scikit-learn. A label neither
    in the data nor selected has NaN for all but its support of 0.

    `calibration_error` is over all n * K decisions: of the labels given 80%, 80% should be there. As most labels are
    absent from most rows, it is small for a model that always says "no".
    """

    n: int
    micro_f1: float
    micro_f1_interval: tuple[float, float]  # 95%
    micro_precision: float
    micro_recall: float
    macro_f1: float
    weighted_f1: float
    samples_f1: float
    subset_accuracy: float  # share of rows of which every label is right
    hamming_loss: float  # share of wrong decisions
    ranking_precision: float  # label ranking average precision
    calibration_error: float
    labels: tuple[ClassMetrics, ...]  # the model's, then the unseen ones
    label_names: tuple[str, ...]  # of the model, in the order of its outputs
    unseen_labels: dict[str, int]  # label -> rows
    label_counts: tuple[int, ...]  # rows with 0, 1, 2, ... labels
    selected_counts: tuple[int, ...]  # rows with 0, 1, 2, ... selected labels; as long as label_counts
    reliability: ReliabilityBins

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types; what is undefined (NaN) becomes None."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["labels"] = [asdict(one) for one in self.labels]
        plain["reliability"] = asdict(self.reliability)
        return to_plain(plain)

    def first_line(self) -> str:
        """Returns the one line to read: `micro-F1 0.8123 [0.8004, 0.8240] n=3080`."""
        low, high = self.micro_f1_interval
        return f"micro-F1 {self.micro_f1:.4f} [{low:.4f}, {high:.4f}] n={self.n}"

    def table(self) -> str:
        """Returns all scores as a text for the terminal, several lines, without a final newline."""
        return multilabel_table(self)


def multilabel_metrics(
    targets: np.ndarray,
    probabilities: np.ndarray,
    selected: np.ndarray,
    label_names: Sequence[str],
    *,
    unseen: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> MultiLabelMetrics:
    """Scores selected labels against the labels rows have.

    Args:
        targets: bool (n, K), the labels each row has.
        probabilities: float (n, K), of each label, 0 to 1.
        selected: bool (n, K), the labels the model decided for.
        label_names: the K labels of the model.
        unseen: labels only the data has -> bool (n,), the rows with it. They count as labels the model missed.
        seed: of the bootstrap interval.

    Raises:
        UserError: there is no row, no row has a label, the model gave a NaN or infinite probability, or the labels that
            it does not have are so many that they must come from another column.
    """
    targets, selected = np.asarray(targets, dtype=bool), np.asarray(selected, dtype=bool)
    probabilities = np.asarray(probabilities)
    label_names, unseen = tuple(label_names), dict(unseen or {})
    refuse_many_unseen(unseen, label_names)
    _check(targets, probabilities, selected, label_names)
    bins = reliability_bins(probabilities.ravel(), targets.ravel())
    if unseen:
        n = len(targets)
        targets = np.column_stack([targets, *unseen.values()]).astype(bool)
        probabilities = np.column_stack([probabilities, np.zeros((n, len(unseen)))])
        selected = np.column_stack([selected, np.zeros((n, len(unseen)), bool)])
    require_some_label(targets, label_names)
    hits, wrong = targets & selected, targets ^ selected
    labels = _label_metrics((*label_names, *unseen), targets, selected)
    f1 = np.array([one.f1 for one in labels])
    support = np.array([one.support for one in labels])
    row_hits, row_wrong = hits.sum(axis=1), wrong.sum(axis=1)
    row_f1 = np.where(row_hits + row_wrong == 0, 1.0, 2 * row_hits / np.maximum(2 * row_hits + row_wrong, 1))
    most = int(max(targets.sum(axis=1).max(), selected.sum(axis=1).max())) + 1
    return MultiLabelMetrics(
        n=len(targets),
        micro_f1=float(2 * hits.sum() / (2 * hits.sum() + wrong.sum())),
        micro_f1_interval=micro_f1_interval(targets, selected, seed),
        micro_precision=float(hits.sum() / max(selected.sum(), 1)),
        micro_recall=float(hits.sum() / targets.sum()),
        macro_f1=float(np.nanmean(f1)),
        weighted_f1=float(np.nansum(f1 * support) / support.sum()),
        samples_f1=float(row_f1.mean()),
        subset_accuracy=float((row_wrong == 0).mean()),
        hamming_loss=float(wrong.mean()),
        ranking_precision=_ranking_precision(targets, probabilities),
        calibration_error=bins.expected_calibration_error,
        labels=labels,
        label_names=label_names,
        unseen_labels={name: int(np.sum(rows)) for name, rows in unseen.items()},
        label_counts=tuple(np.bincount(targets.sum(axis=1), minlength=most).tolist()),
        selected_counts=tuple(np.bincount(selected.sum(axis=1), minlength=most).tolist()),
        reliability=bins,
    )


def require_some_label(targets: np.ndarray, label_names: Sequence[str]) -> None:
    """Makes sure that a row has a label: without one, recall and F1 mean nothing.

    Args:
        targets: bool (n, K).
        label_names: of the model.

    Raises:
        UserError: no row has one.
    """
    if not targets.any():
        raise UserError(
            f"Expected rows with labels such as {label_names[0]!r}. Received: {len(targets)} rows without any label. "
            "Is this the label column?"
        )


def _check(targets: np.ndarray, probabilities: np.ndarray, selected: np.ndarray, label_names: tuple[str, ...]) -> None:
    if len(targets) == 0:
        raise UserError("Expected at least one labelled row to evaluate. Received: none. Is the file empty?")
    shape = (len(targets), len(label_names))
    if not targets.shape == probabilities.shape == selected.shape == shape:
        raise ValueError(
            f"Expected targets, probabilities and selected of shape {shape}: one row a text, one column a label name. "
            f"Received: {targets.shape}, {probabilities.shape} and {selected.shape}"
        )
    bad_rows = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if bad_rows:
        raise UserError(
            f"Expected finite probabilities. The model gave NaN or infinity for {bad_rows} of {len(targets)} rows; "
            "its training diverged. Train again with a lower learning rate."
        )


def _label_metrics(names: tuple[str, ...], targets: np.ndarray, selected: np.ndarray) -> tuple[ClassMetrics, ...]:
    hits = (targets & selected).sum(axis=0)
    chosen, support = selected.sum(axis=0), targets.sum(axis=0)
    absent = chosen + support == 0

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> list[float]:
        return np.where(absent, np.nan, numerator / np.maximum(denominator, 1)).tolist()

    columns = (ratio(hits, chosen), ratio(hits, support), ratio(2 * hits, chosen + support), support.tolist())
    return tuple(ClassMetrics(name, *values) for name, *values in zip(names, *columns, strict=True))


def micro_f1_interval(targets: np.ndarray, selected: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Returns the 95% bootstrap interval of the micro-averaged F1.

    Args:
        targets: bool (n, K), the labels the rows have.
        selected: bool (n, K), those they are given.
        seed: of the resampling.
    """
    # Rows with as many hits and as many wrong decisions are of one kind, so few kinds stand for all rows.
    row_hits, row_wrong = (targets & selected).sum(axis=1), (targets ^ selected).sum(axis=1)
    n = len(row_hits)
    if not row_wrong.any():
        return accuracy_interval(n, n)  # no resample could show a wrong row; see there
    if not row_hits.any():
        return accuracy_interval(0, n)
    kinds, counts = np.unique(np.stack([row_hits, row_wrong]), axis=1, return_counts=True)

    def micro_f1(drawn: np.ndarray) -> np.ndarray:
        hits, wrong = drawn @ kinds[0], drawn @ kinds[1]
        # Only rows without any decision to get right or wrong may be drawn: that data set has no F1, and is left out.
        return np.where(hits + wrong == 0, np.nan, 2 * hits / np.maximum(2 * hits + wrong, 1))

    return bootstrap_interval(counts, micro_f1, seed=seed)


def _ranking_precision(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Label ranking average precision: of the labels ranked at or above a true one, how many are true.

    Its mean over the true labels of a row, then over rows; a row without labels counts as 1, as in scikit-learn.
    Reference: Schapire and Singer (2000), BoosTexter, section 2 ("average precision").
    """
    from scipy.stats import rankdata

    # 'max' gives a tie its worst rank. Labels a row does not have go behind all others to rank the true ones alone.
    rank = rankdata(-probabilities, method="max", axis=1)
    rank_among_true = rankdata(np.where(targets, -probabilities, np.inf), method="max", axis=1)
    true_labels = targets.sum(axis=1)
    total = np.where(targets, rank_among_true / rank, 0).sum(axis=1)
    return float(np.where(true_labels == 0, 1.0, total / np.maximum(true_labels, 1)).mean())
