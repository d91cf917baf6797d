"""The report about a language model: one HTML file that opens offline."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kerasnlp_kit.data.writing import atomic_write
from kerasnlp_kit.evaluation import page, plots
from kerasnlp_kit.evaluation.class_sections import TEXT_LENGTH
from kerasnlp_kit.evaluation.language import LanguageScores

_SHOWN_TEXTS = 20


@dataclass(frozen=True, eq=False)
class LanguageReportData:
    """What the report shows; what is missing is left out.

    Attributes:
        title: name of the model.
        subtitle: one line more.
        facts: of the model and its training.
        data_name: what the scores are of.
        scores: see `LanguageScores`.
        texts: of the rows that the scores are of; None to show no text.
        samples: generated texts.
        sections: more of them, as HTML, before the generated texts.
        history: one value an epoch.
        best_epoch: whose weights were kept, from 1.
        warnings: what the reader should know first.
        how_to_load: Python.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    data_name: str
    scores: LanguageScores
    texts: Sequence[str] | None = None
    samples: Sequence[str] | None = None
    sections: Sequence[str] = ()
    history: Mapping[str, Sequence[float]] | None = None
    best_epoch: int | None = None
    warnings: Sequence[str] = field(default_factory=tuple)
    how_to_load: str = ""


def write_language_report(path: os.PathLike[str] | str, data: LanguageReportData) -> None:
    """Writes the report as HTML. A reader never sees half a file, and the same data gives the same bytes."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(language_report_html(data), encoding="utf-8", errors="backslashreplace")


def language_report_html(data: LanguageReportData) -> str:
    """Returns the report as an HTML document."""
    metrics, generated = data.scores.metrics, data.scores.generated
    curves = plots.learning_curves(data.history or {}, data.best_epoch)
    latent = data.scores.latent
    warned = [*data.warnings, *metrics.warnings]
    for more in (latent, generated):
        warned += more.warnings() if more else ()
    parts = [
        f"<h1>{page.escape(data.title)}</h1>",
        f'<p class="subtitle">{page.escape(data.subtitle)}</p>',
        page.warnings(dict.fromkeys(warned)),
        _cards(data),
        _comparisons(data.scores),
        page.section("The model", page.facts(data.facts)) if data.facts else "",
        page.section("Learning curves", page.pictures(curves)) if curves else "",
        page.section("The latent vectors", page.table(("", ""), latent.rows(), numeric=(1,))) if latent else "",
        *data.sections,
        _generated(data),
        _surprising(data),
        page.section("How to load the model", f"<pre>{page.escape(data.how_to_load)}</pre>")
        if data.how_to_load
        else "",
    ]
    return page.page(data.title, "\n".join(part for part in parts if part))


def text_cell(text: str) -> str:
    """A text in a table, shortened."""
    return f'<div class="text" dir="auto">{page.escape(page.shorten(text, TEXT_LENGTH))}</div>'


def _cards(data: LanguageReportData) -> str:
    metrics = data.scores.metrics
    bounds = "one text: no interval"
    if metrics.interval:
        bounds = f"{metrics.confidence:.0%}: {metrics.interval[0]:.2f}–{metrics.interval[1]:.2f}"
    name = ", ".join(filter(None, (f"{metrics.unit} perplexity", metrics.qualifier.strip())))
    return page.cards(
        [
            (name, f"{metrics.perplexity:.2f}", bounds),
            ("token perplexity", f"{metrics.token_perplexity:.2f}", f"{metrics.tokens:,} tokens"),
            ("bits a character", f"{metrics.bits_per_character:.3f}", f"{metrics.characters:,} characters"),
            ("texts", f"{metrics.n:,}", data.data_name),
        ]
    )


def _comparisons(scores: LanguageScores) -> str:
    if not scores.comparisons:
        return ""
    judged = [(one.verdict, one.sentence(name)) for name, one in scores.comparisons.items()]
    note = '<p class="soft">On the same tokens of the same texts; the intervals are a paired bootstrap over texts.</p>'
    return page.section("Beside the obvious", page.verdicts(judged), note)


def _generated(data: LanguageReportData) -> str:
    generated = data.scores.generated
    parts = []
    if generated:
        header = ("", f"{generated.texts:,} generated", "real")
        parts.append(page.table(header, [tuple(map(page.escape, row)) for row in generated.rows()], numeric=(1, 2)))
    if data.samples:
        rows = [(text_cell(text),) for text in data.samples[:_SHOWN_TEXTS]]
        parts.append(page.table(("samples",), rows, name="wide"))
    return page.section("Generated texts", *parts) if parts else ""


def _surprising(data: LanguageReportData) -> str:
    if not data.texts:
        return ""
    metrics = data.scores.metrics
    bits = -metrics.row_log_probability / np.log(2) / metrics.row_units
    worst = np.argsort(-bits, kind="stable")[:_SHOWN_TEXTS]
    rows = [(text_cell(data.texts[row]), f"{bits[row]:.2f}") for row in worst.tolist()]
    header = ("text", f"bits a {metrics.unit}")
    note = '<p class="soft">What the model expects least: other topics, other languages, damage.</p>'
    return page.section("The most surprising texts", note, page.table(header, rows, numeric=(1,), name="wide"))
