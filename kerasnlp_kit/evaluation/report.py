"""The report: one HTML file about one trained classifier, to look at before reading numbers.

It opens offline, holds its pictures, and treats every text, label and name as hostile.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasnlp_kit.data.writing import atomic_write
from kerasnlp_kit.evaluation import page, plots
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, ClassMetrics

_MOST_MATRIX_CLASSES = 25  # more do not fit on a page as a table
_MOST_MAP_CLASSES = 400  # more are thinner than a pixel
_PAIRS = 20
_ERRORS = 20
_TEXT_LENGTH = 300


@dataclass(frozen=True)
class ReportData:
    """What the report shows.

    `probabilities` (n, K), `gold` and `texts` are the n rows that `metrics` were computed from. `texts` is None for a
    report without any text of the data. `token_lengths` are those of the training texts before the cut at
    `max_length`. `history` has one value an epoch under "loss", "accuracy", "val_loss", "val_accuracy" and
    "learning_rate", as present; `best_epoch` counts from 1.
    """

    title: str
    subtitle: str
    facts: Mapping[str, str]
    data_name: str
    metrics: ClassificationMetrics
    probabilities: np.ndarray
    gold: Sequence[str]
    texts: Sequence[str] | None = None
    token_lengths: np.ndarray | None = None
    max_length: int | None = None
    history: Mapping[str, Sequence[float]] | None = None
    best_epoch: int | None = None
    warnings: Sequence[str] = ()
    how_to_load: str = ""


def write_report(path: os.PathLike[str] | str, data: ReportData) -> None:
    """Writes the report as HTML. A reader never sees half a file, and the same data gives the same bytes."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(report_html(data), encoding="utf-8")


def report_html(data: ReportData) -> str:
    """Returns the report as an HTML document."""
    parts = [
        f"<h1>{page.escape(data.title)}</h1>",
        f'<p class="subtitle">{page.escape(data.subtitle)}</p>',
        _warnings(data.warnings),
        _cards(data.metrics, data.data_name),
        _facts(data.facts),
        _curves(data),
        _confusion(data.metrics),
        _calibration(data.metrics),
        _classes(data.metrics),
        _errors(data),
        _lengths(data),
        page.section("How to load the model", f"<pre>{page.escape(data.how_to_load)}</pre>")
        if data.how_to_load
        else "",
    ]
    return page.page(data.title, "\n".join(part for part in parts if part))


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return '<ul class="warnings">' + "".join(f"<li>{page.escape(warning)}</li>" for warning in warnings) + "</ul>"


def _cards(metrics: ClassificationMetrics, data_name: str) -> str:
    cards = [
        ("accuracy", f"{metrics.accuracy:.4f}", f"95%: {_interval(metrics.accuracy_interval)}"),
        (
            "majority baseline",
            f"{metrics.majority_accuracy:.4f}",
            f"always “{page.shorten(metrics.majority_label, 40)}”",
        ),
        (
            "macro F1",
            f"{metrics.macro_f1:.4f}",
            f"95%: {_interval(metrics.macro_f1_interval)}" if metrics.macro_f1_interval else "mean over classes",
        ),
        ("calibration error", f"{metrics.calibration_error:.4f}", "0 when confidence is honest"),
        ("rows", f"{metrics.n:,}", data_name),
    ]
    inner = "\n".join(
        f'<div class="card"><div class="name">{page.escape(name)}</div><div class="value">{page.escape(value)}</div>'
        f'<div class="note">{page.escape(note)}</div></div>'
        for name, value, note in cards
    )
    return f'<div class="cards">\n{inner}\n</div>'


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    rows = "\n".join(
        f"<div><dt>{page.escape(str(name))}</dt><dd>{page.escape(str(value))}</dd></div>"
        for name, value in facts.items()
    )
    return page.section("The model", f'<dl class="facts">\n{rows}\n</dl>')


def _curves(data: ReportData) -> str:
    pictures = plots.learning_curves(data.history or {}, data.best_epoch)
    if not pictures:
        return ""
    return page.section("Learning curves", _pictures(pictures))


def _pictures(pictures: Sequence[tuple[str, str]]) -> str:
    figures = (f"<figure>{svg}<figcaption>{page.escape(caption)}</figcaption></figure>" for caption, svg in pictures)
    return '<div class="pictures">' + "\n".join(figures) + "</div>"


def _confusion(metrics: ClassificationMetrics) -> str:
    # Columns of unseen labels are left out: the model cannot predict them.
    counts = metrics.confusion[:, : len(metrics.label_names)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(counts) <= _MOST_MATRIX_CLASSES:
        note = '<p class="soft">Rows are the true classes, columns the predicted ones.</p>'
        return page.section("Confusion matrix", note, _matrix(metrics, counts, shares))
    heat_map = ""
    if len(counts) <= _MOST_MAP_CLASSES:
        heat_map = (
            f'<figure><img class="map" alt="confusion heat map" src="{plots.confusion_heat_map(shares)}">'
            "<figcaption>Rows are the true classes, columns the predicted ones, in the model's order. Blue is right, "
            "orange is wrong; darker is a larger share of the row.</figcaption></figure>"
        )
    pairs = f"<div>{_confused_pairs(metrics, counts, shares)}</div>"
    return page.section("Most confused classes", f'<div class="pictures">{pairs}{heat_map}</div>')


def _matrix(metrics: ClassificationMetrics, counts: np.ndarray, shares: np.ndarray) -> str:
    names = metrics.label_names
    upright = ' class="upright"' if len(names) > 6 or max(map(len, names)) > 16 else ""
    dense = " dense" if len(names) > 14 else ""
    header = "".join(f"<th{upright}>{page.label(name, 24)}</th>" for name in names)
    rows = []
    for index, one in enumerate(metrics.classes):
        unseen = ' <span class="soft">(unseen)</span>' if one.label in metrics.unseen_labels else ""
        cells = "".join(
            _matrix_cell(int(count), share, right=index == column)
            for column, (count, share) in enumerate(zip(counts[index], shares[index].tolist(), strict=True))
        )
        rows.append(f"<tr><th>{page.label(one.label, 32)}{unseen}</th>{cells}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table class="confusion{dense}"><thead><tr><th></th>{header}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _matrix_cell(count: int, share: float, *, right: bool) -> str:
    if not count:
        return '<td class="zero">0</td>'
    color = "var(--blue-cells)" if right else "var(--orange-cells)"
    opacity = 0.12 + 0.88 * share
    strong = ' class="strong"' if opacity > 0.6 else ""
    return f'<td{strong} style="background: rgba({color}, {opacity:.2f})">{count}</td>'


def _confused_pairs(metrics: ClassificationMetrics, counts: np.ndarray, shares: np.ndarray) -> str:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    gold, predicted = np.nonzero(wrong)
    if not len(gold):
        return "<p>No row was confused.</p>"
    # Most rows first; among equals the pair that takes the larger share of its class.
    order = np.lexsort((predicted, gold, -shares[gold, predicted], -wrong[gold, predicted]))[:_PAIRS]
    rows = [
        (
            page.label(metrics.classes[row].label),
            page.label(metrics.label_names[column]),
            str(wrong[row, column]),
            f"{shares[row, column]:.0%}",
        )
        for row, column in zip(gold[order].tolist(), predicted[order].tolist(), strict=True)
    ]
    note = ""
    if len(gold) > _PAIRS:
        note = f'<p class="soft">The {_PAIRS} most frequent of {len(gold):,} different confusions.</p>'
    return note + page.table(("true", "predicted", "rows", "of the class"), rows, numeric=(2, 3))


def _calibration(metrics: ClassificationMetrics) -> str:
    caption = (
        "Bars on the dashed line mean honest confidence: of the answers given with 80%, 80% are right. Bars below "
        "it mean the model is too sure of itself. The dots stand at each bar's mean confidence. The lower part shows "
        "how many rows have that confidence."
    )
    return page.section("Calibration", _pictures([(caption, plots.reliability_diagram(metrics.reliability))]))


def _classes(metrics: ClassificationMetrics) -> str:
    ordered = sorted(metrics.classes, key=lambda one: (one.f1 != one.f1, one.f1))  # NaN last
    rows = [_class_row(one, unseen=one.label in metrics.unseen_labels) for one in ordered]
    header = ("class", "precision", "recall", "F1", "", "rows")
    table = page.table(header, rows, numeric=(1, 2, 3, 5), name="wide long")
    return page.section("Classes, worst first", table)


def _class_row(one: ClassMetrics, *, unseen: bool) -> tuple[str, ...]:
    note = ' <span class="soft">(unseen in training)</span>' if unseen else ""
    defined = one.f1 == one.f1
    bar = f'<span class="bar"><i style="width: {one.f1:.1%}"></i></span>' if defined else ""
    scores = (f"{value:.3f}" if defined else "–" for value in (one.precision, one.recall, one.f1))
    return (page.label(one.label) + note, *scores, bar, f"{one.support:,}")


def _errors(data: ReportData) -> str:
    names = data.metrics.label_names
    predicted = data.probabilities.argmax(axis=1)
    confidence = data.probabilities.max(axis=1)
    wrong = np.array([names[index] != gold for index, gold in zip(predicted.tolist(), data.gold, strict=True)])
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return page.section("Most confident errors", "<p>No errors.</p>")
    order = rows[np.argsort(-confidence[rows], kind="stable")][:_ERRORS]
    cells = []
    for row in order.tolist():
        shown = [page.label(data.gold[row]), page.label(names[predicted[row]]), f"{confidence[row]:.3f}"]
        if data.texts is not None:
            text = page.escape(page.shorten(data.texts[row], _TEXT_LENGTH))
            shown.insert(0, f'<div class="text" dir="auto">{text}</div>')
        cells.append(shown)
    header = ["true", "predicted", "confidence"]
    if data.texts is not None:
        header.insert(0, "text")
    note = f'<p class="soft">{len(rows):,} of {len(wrong):,} rows are wrong. Some of these may be mislabelled.</p>'
    table = page.table(header, cells, numeric=(len(header) - 1,), name="wide errors")
    return page.section("Most confident errors", note, table)


def _lengths(data: ReportData) -> str:
    if data.token_lengths is None or not len(data.token_lengths):
        return ""
    lengths = np.asarray(data.token_lengths)
    caption = f"Training texts: median {np.median(lengths):.0f} tokens, longest {lengths.max():,}."
    if data.max_length is not None:
        cut = lengths > data.max_length
        caption += f" {cut.mean():.1%} are longer than {data.max_length:,} tokens and are cut."
    picture = plots.token_length_histogram(lengths, data.max_length)
    return page.section("Text lengths", _pictures([(caption, picture)]))


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f}–{interval[1]:.3f}"
