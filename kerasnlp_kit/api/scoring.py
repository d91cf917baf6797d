"""Scores the answers of a SavedModel on labelled rows, beside the obvious."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from scipy.special import expit

from kerasnlp_kit.constants import NETWORK
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.label_sets import label_lists
from kerasnlp_kit.evaluation.comparison import Comparison, compare
from kerasnlp_kit.evaluation.decision import (
    CoverageCurve,
    OperatingPoint,
    OutOfScope,
    accepted,
    operating_point,
    out_of_scope,
    risk_coverage,
)
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, classification_metrics
from kerasnlp_kit.evaluation.multilabel import MultiLabelMetrics, multilabel_metrics

LINEAR_BASELINE = "the linear baseline"
MAJORITY = "the majority"
EXACT_MATCH = "exact match"
Metrics = ClassificationMetrics | MultiLabelMetrics


@dataclass(frozen=True)
class Scores:
    """What answers are worth.

    Attributes:
        metrics: accuracy and the like, or micro F1 and the like.
        probabilities: float (rows, classes).
        selected: bool (rows, classes), where a row may have several labels.
        comparisons: with the majority and, where it is known, the linear baseline, on the same rows.
        coverage: how accurate the most confident answers are.
        points: what the thresholds mean for these rows.
        scope: how well confidence tells texts of no class from these, where such texts were given.
        calibration_before: calibration error of the same rows without the scales found on dev.
    """

    metrics: Metrics
    probabilities: np.ndarray
    selected: np.ndarray | None
    comparisons: dict[str, Comparison]
    coverage: CoverageCurve | None
    points: tuple[OperatingPoint, ...]
    scope: OutOfScope | None
    calibration_before: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            **self.metrics.to_json(),
            "comparisons": {name: one.to_json() for name, one in self.comparisons.items()},
            "coverage": self.coverage.to_json() if self.coverage else None,
            "operating_points": [point.to_json() for point in self.points],
            "calibration_error_before": self.calibration_before,
            "out_of_scope": self.scope.to_json() if self.scope else None,
        }

    def lines(self) -> list[str]:
        """For the terminal, after the table of the metrics."""
        # Of several labels, what is compared is not the figure in the first line.
        score = "" if self.selected is None else EXACT_MATCH
        lines = [one.sentence(name, score) for name, one in self.comparisons.items()]
        for point in self.points:
            right = "none of them" if point.accuracy is None else f"{point.accuracy:.1%} of these right"
            lines.append(f"{point.name}: answers {point.coverage:.1%} of the texts, {right}")
        if self.scope:
            rejected = self.scope.out_rejected
            lines.append(
                f"texts out of scope: told from the others with AUROC {self.scope.auroc:.3f}"
                + (f"; {rejected:.1%} of {self.scope.n_out:,} rejected" if rejected is not None else "")
            )
            if rejected is not None and rejected < 0.5:
                lines.append(
                    "most of them get an answer: the thresholds are for the wanted precision among texts in scope; to "
                    "reject more, train with such texts as a class of their own, or with a higher --min-precision"
                )
        return lines


def score(
    examples: Examples,
    probabilities: np.ndarray,
    label_names: Sequence[str],
    *,
    class_counts: dict[str, int],
    thresholds: Sequence[float] | np.ndarray | None = None,
    thresholds_of_rows: np.ndarray | None = None,
    min_precision: float | None = None,
    baseline: np.ndarray | None = None,
    baseline_thresholds: Sequence[float] | np.ndarray | None = None,
    outside: np.ndarray | None = None,
    calibration_before: float | None = None,
) -> Scores:
    """Scores probabilities against the labels of a file.

    Args:
        examples: rows with labels, as read.
        probabilities: float (rows, classes), by the model.
        label_names: names of the classes.
        class_counts: training rows of each class; the most frequent one is the majority.
        thresholds: see `kerasnlp_kit.tasks.classification.Decision`.
        thresholds_of_rows: float (rows, classes), for these rows in their place, where they were found on these.
        min_precision: the precision for which the thresholds were chosen.
        baseline: float (rows, classes), scores of the linear model for the same rows.
        baseline_thresholds: of its probabilities, likewise, where a row may have several labels; default: 0.5.
        outside: float (texts, classes), probabilities for texts that belong to no class.
        calibration_before: see `Scores`.
    """
    if examples.targets is not None:
        limits = thresholds if thresholds_of_rows is None else thresholds_of_rows
        return _score_several(examples, probabilities, label_names, limits, baseline, baseline_thresholds)
    gold = examples.gold()
    majority = max(class_counts, key=lambda name: class_counts[name])
    metrics = classification_metrics(gold, probabilities, label_names, majority_label=majority)
    answers = [label_names[number] for number in probabilities.argmax(axis=1)]
    comparisons = {MAJORITY: compare(gold, answers, [majority] * len(gold))}
    if baseline is not None:
        comparisons[LINEAR_BASELINE] = compare(gold, answers, [label_names[one] for one in baseline.argmax(axis=1)])
    confidence = probabilities.max(axis=1)
    correct = np.array([answer == true for answer, true in zip(answers, gold, strict=True)])
    points: tuple[OperatingPoint, ...] = ()
    inside_accepted = outside_accepted = None
    if thresholds is not None:
        limits = np.asarray(thresholds, "float32")
        own = limits if thresholds_of_rows is None else thresholds_of_rows.astype("float32")
        inside_accepted = accepted(probabilities, own)
        name = "with the thresholds" if min_precision is None else f"for a precision of {100 * min_precision:g}%"
        points = (operating_point(name, inside_accepted, correct),)
        outside_accepted = None if outside is None else accepted(outside, limits)
    scope = None
    names = set(label_names)
    # Texts of other classes are out of scope as well.
    known = np.array([name in names for name in gold]) if outside is not None else np.zeros(0, bool)
    if outside is not None and known.any():
        scope = out_of_scope(
            confidence[known],
            outside.max(axis=1),
            in_accepted=None if inside_accepted is None else inside_accepted[known],
            out_accepted=outside_accepted,
        )
    coverage = risk_coverage(confidence, correct)
    return Scores(metrics, probabilities, None, comparisons, coverage, points, scope, calibration_before)


def _score_several(
    examples: Examples,
    probabilities: np.ndarray,
    label_names: Sequence[str],
    thresholds: Sequence[float] | np.ndarray | None,
    baseline: np.ndarray | None,
    baseline_thresholds: Sequence[float] | np.ndarray | None,
) -> Scores:
    assert examples.targets is not None
    limits = np.asarray(thresholds if thresholds is not None else [0.5] * len(label_names), "float32")
    selected = probabilities >= limits
    targets = examples.targets_for(label_names)
    known = set(label_names)
    unseen = {
        name: examples.targets[:, place]
        for place, name in enumerate(examples.label_names)
        if name not in known and examples.targets[:, place].any()
    }
    metrics = multilabel_metrics(targets, probabilities, selected, label_names, unseen=unseen)
    comparisons = {}
    if baseline is not None:
        theirs_selected = expit(baseline) >= np.asarray(0.5 if baseline_thresholds is None else baseline_thresholds)
        ours, theirs = (list(map(bytes, rows)) for rows in (selected, theirs_selected))
        missed = np.any([*unseen.values(), np.zeros(len(targets), bool)], axis=0)  # by both, whatever they say
        gold = [None if miss else bytes(row) for miss, row in zip(missed, targets, strict=True)]
        comparisons[LINEAR_BASELINE] = compare(gold, ours, theirs)
    return Scores(metrics, probabilities, selected, comparisons, None, (), None)


def report_fields(scores: Scores) -> dict[str, Any]:
    """What `ReportData` takes of them."""
    return {
        "metrics": scores.metrics,
        "probabilities": scores.probabilities,
        "selected": scores.selected,
        "comparisons": scores.comparisons,
        "coverage": scores.coverage,
        "operating_points": scores.points,
        "out_of_scope": scores.scope,
        "calibration_before": scores.calibration_before,
    }


def learning_curve(run: Mapping[str, Any]) -> dict[str, Any]:
    """What `ReportData` takes of the training of the first network of a run.json, if there is one."""
    for part in run["parts"]:
        training = part.get("training") or {}
        if part["kind"] == NETWORK and training.get("history"):
            return {"history": training["history"], "best_epoch": training.get("best_epoch")}
    return {}


def characters(examples: Examples) -> np.ndarray:
    """Lengths of the texts: int (rows,)."""
    return pc.utf8_length(examples.texts.array).to_numpy()


def report_gold(examples: Examples) -> Sequence[Any]:
    """The labels as the report takes them: names, or where a row may have several, a list of them."""
    if examples.targets is None:
        return examples.gold()
    names = examples.label_names
    return list(label_lists(examples.targets, names))
