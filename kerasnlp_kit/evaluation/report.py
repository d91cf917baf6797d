"""The report: one HTML file about one trained classifier, to look at before reading numbers.

It opens offline, holds its pictures, and treats every text, label and name as hostile.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasnlp_kit.data.writing import atomic_write
from kerasnlp_kit.evaluation import class_sections, decision_sections, multilabel_sections, page, plots
from kerasnlp_kit.evaluation.comparison import Comparison
from kerasnlp_kit.evaluation.decision import CoverageCurve, OperatingPoint, OutOfScope
from kerasnlp_kit.evaluation.ladder import Rung
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics
from kerasnlp_kit.evaluation.multilabel import MultiLabelMetrics


@dataclass(frozen=True)
class ReportData:
    """What the report shows. What is not given has no section.

    `probabilities` (n, K), `gold` and `texts` are the n rows that `metrics` were computed from; of a multi-label model
    each entry of `gold` is the sequence of a row's labels, and `selected` (n, K) are the labels the model decided for.
    `texts` is None for a report without any text of the data. `lengths` are those of the texts that `measured` names,
    before the cut at `max_length`. `history` has one value an epoch under "loss", "accuracy" or "f1", the same with
    "val_" before it, and "learning_rate", as present; `best_epoch` counts from 1.

    `comparisons` names each baseline as it stands in a sentence, such as "the linear baseline". `calibration_before` is
    the calibration error of the same rows without the fitted scales. `coverage` and `operating_points` are of these
    rows too; `thresholds` (K,) are the probabilities from which the model answers with a class, or selects a label.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    data_name: str
    metrics: ClassificationMetrics | MultiLabelMetrics
    probabilities: np.ndarray
    gold: Sequence[Any]
    texts: Sequence[str] | None = None
    lengths: np.ndarray | None = None
    length_unit: str = "tokens"
    measured: str = "Training texts"
    max_length: int | None = None
    history: Mapping[str, Sequence[float]] | None = None
    best_epoch: int | None = None
    warnings: Sequence[str] = ()
    how_to_load: str = ""
    selected: np.ndarray | None = None
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    ladder: Sequence[Rung] = ()
    calibration_before: float | None = None
    coverage: CoverageCurve | None = None
    operating_points: Sequence[OperatingPoint] = ()
    thresholds: Sequence[float] | np.ndarray | None = None
    out_of_scope: OutOfScope | None = None


def write_report(path: os.PathLike[str] | str, data: ReportData) -> None:
    """Writes the report as HTML. A reader never sees half a file, and the same data gives the same bytes."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(report_html(data), encoding="utf-8", errors="backslashreplace")


def report_html(data: ReportData) -> str:
    """Returns the report as an HTML document."""
    metrics = data.metrics
    multilabel = isinstance(metrics, MultiLabelMetrics)
    if isinstance(metrics, MultiLabelMetrics):
        if data.selected is None:
            raise ValueError("Expected the selected labels of a multi-label model, bool (n, K). Received: None")
        selected = np.asarray(data.selected, dtype=bool)
        cards = multilabel_sections.cards(metrics, data.data_name)
        answers = multilabel_sections.label_counts(metrics)
        details = [
            multilabel_sections.labels(metrics, data.thresholds),
            multilabel_sections.errors(metrics, data.probabilities, selected, data.gold, data.texts),
        ]
    else:
        cards = class_sections.cards(metrics, data.data_name)
        answers = class_sections.confusion(metrics)
        details = [
            class_sections.classes(metrics, data.thresholds),
            class_sections.errors(metrics, data.probabilities, data.gold, data.texts),
        ]
    parts = [
        f"<h1>{page.escape(data.title)}</h1>",
        f'<p class="subtitle">{page.escape(data.subtitle)}</p>',
        page.warnings(data.warnings),
        cards,
        decision_sections.comparisons(data.comparisons, "exact match" if multilabel else "accuracy"),
        page.section("The model", page.facts(data.facts)) if data.facts else "",
        decision_sections.ladder(data.ladder, "micro F1" if multilabel else "accuracy"),
        _curves(data),
        answers,
        decision_sections.calibration(metrics.reliability, data.calibration_before, decisions=multilabel),
        decision_sections.coverage(data.coverage, data.operating_points),
        decision_sections.out_of_scope(data.out_of_scope),
        *details,
        _lengths(data),
        page.section("How to load the model", f"<pre>{page.escape(data.how_to_load)}</pre>")
        if data.how_to_load
        else "",
    ]
    return page.page(data.title, "\n".join(part for part in parts if part))


def _curves(data: ReportData) -> str:
    pictures = plots.learning_curves(data.history or {}, data.best_epoch)
    if not pictures:
        return ""
    return page.section("Learning curves", page.pictures(pictures))


def _lengths(data: ReportData) -> str:
    if data.lengths is None or not len(data.lengths):
        return ""
    lengths, unit = np.asarray(data.lengths), data.length_unit
    caption = f"{data.measured}: median {np.median(lengths):.0f} {unit}, longest {lengths.max():,}."
    if data.max_length is not None:
        cut = lengths > data.max_length
        caption += f" {cut.mean():.1%} are longer than {data.max_length:,} {unit} and are cut."
    picture = plots.length_histogram(lengths, data.max_length, unit)
    return page.section("Text lengths", page.pictures([(caption, picture)]))
