"""The report about a model that writes a text for a text: one HTML file, as `report` writes for a classifier."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerasnlp_kit.data.writing import atomic_write
from kerasnlp_kit.evaluation import generation_sections, page, plots
from kerasnlp_kit.evaluation.corpus_scores import References
from kerasnlp_kit.evaluation.generation import GenerationMetrics
from kerasnlp_kit.evaluation.generation_baselines import GenerationComparison


@dataclass(frozen=True)
class GenerationReportData:
    """What the report shows. What is not given has no section.

    `sources`, `references` and `predictions` are the n rows that `metrics` were computed from, or all None for a report
    without any text of the data; then `attention` is left out too. `scores` (n,) are the mean log-probabilities of the
    tokens of each output. `history` has one value an epoch under "loss", "val_loss", "val_score" and "learning_rate",
    as present; `best_epoch` counts from 1. `warnings` stand before those of `metrics`.

    `comparisons` names each baseline as it stands in a sentence, such as "copying the source". `attention` are tokens
    of a source, tokens of its output, and weights, float (target, source).
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    data_name: str
    metrics: GenerationMetrics
    sources: Sequence[str] | None = None
    references: References | None = None
    predictions: Sequence[str] | None = None
    scores: Sequence[float] | np.ndarray | None = None
    history: Mapping[str, Sequence[float]] | None = None
    best_epoch: int | None = None
    warnings: Sequence[str] = ()
    how_to_load: str = ""
    comparisons: Mapping[str, GenerationComparison] = field(default_factory=dict)
    attention: tuple[Sequence[str], Sequence[str], np.ndarray] | None = None


def write_generation_report(path: os.PathLike[str] | str, data: GenerationReportData) -> None:
    """Writes the report as HTML. A reader never sees half a file, and the same data gives the same bytes."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(generation_report_html(data), encoding="utf-8", errors="backslashreplace")


def generation_report_html(data: GenerationReportData) -> str:
    """Returns the report as an HTML document."""
    metrics = data.metrics
    curves = plots.learning_curves(data.history or {}, data.best_epoch)
    parts = [
        f"<h1>{page.escape(data.title)}</h1>",
        f'<p class="subtitle">{page.escape(data.subtitle)}</p>',
        page.warnings(dict.fromkeys([*data.warnings, *metrics.warnings])),
        generation_sections.cards(metrics, data.data_name),
        generation_sections.comparisons(data.comparisons),
        page.section("The model", page.facts(data.facts)) if data.facts else "",
        page.section("Learning curves", page.pictures(curves)) if curves else "",
        generation_sections.scores(metrics),
        generation_sections.lengths(metrics),
        *_texts(data),
        page.section("How to load the model", f"<pre>{page.escape(data.how_to_load)}</pre>")
        if data.how_to_load
        else "",
    ]
    return page.page(data.title, "\n".join(part for part in parts if part), generation_sections.STYLE)


def _texts(data: GenerationReportData) -> list[str]:
    if data.sources is None or data.references is None or data.predictions is None:
        return []
    given = (data.sources, data.references, data.predictions, data.scores)
    if any(len(one) != data.metrics.n for one in given if one is not None):
        raise ValueError(
            f"Expected the {data.metrics.n} rows the metrics were computed from. "
            f"Received: {', '.join(str(len(one)) for one in given if one is not None)} rows"
        )
    sureness = generation_sections.confidences(data.scores)
    rows = (data.metrics, data.sources, data.references, data.predictions, sureness)
    return [
        generation_sections.samples(*rows),
        generation_sections.worst(*rows),
        generation_sections.attention(*data.attention) if data.attention is not None else "",
    ]
