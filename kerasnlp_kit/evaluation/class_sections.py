"""Sections of the report about a model that gives each text one label."""

from collections.abc import Sequence

import numpy as np

from kerasnlp_kit.evaluation import page, plots
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, ClassMetrics

MOST_ERRORS = 20
TEXT_LENGTH = 300
_MOST_MATRIX_CLASSES = 25  # more do not fit on a page as a table
_MOST_MAP_CLASSES = 400  # more are thinner than a pixel
_PAIRS = 20


def cards(metrics: ClassificationMetrics, data_name: str) -> str:
    """Returns the headline figures."""
    macro = f"95%: {page.interval(*metrics.macro_f1_interval)}" if metrics.macro_f1_interval else "mean over classes"
    majority = f"always “{page.shorten(metrics.majority_label, 40)}”"
    return page.cards(
        [
            ("accuracy", f"{metrics.accuracy:.4f}", f"95%: {page.interval(*metrics.accuracy_interval)}"),
            ("majority baseline", f"{metrics.majority_accuracy:.4f}", majority),
            ("macro F1", f"{metrics.macro_f1:.4f}", macro),
            ("calibration error", f"{metrics.calibration_error:.4f}", "0 when confidence is honest"),
            ("rows", f"{metrics.n:,}", data_name),
        ]
    )


def confusion(metrics: ClassificationMetrics) -> str:
    """Returns the confusion matrix; of many classes the pairs most often confused, and a heat map."""
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


def classes(metrics: ClassificationMetrics, thresholds: Sequence[float] | np.ndarray | None) -> str:
    """Returns the scores of each class, the worst first."""
    return page.section(
        "Classes, worst first", score_table("class", metrics.classes, metrics.unseen_labels, thresholds)
    )


def score_table(
    kind: str,
    scores: Sequence[ClassMetrics],
    unseen: dict[str, int],
    thresholds: Sequence[float] | np.ndarray | None,
) -> str:
    """Returns a table of scores, lowest F1 first.

    Args:
        kind: what a row is, written above the names.
        scores: of the model's classes in the order of its outputs, then of the unseen ones.
        unseen: labels the model does not know.
        thresholds: float (K,), of the model's classes, or None for a table without them.
    """
    ordered = sorted(range(len(scores)), key=lambda index: (scores[index].f1 != scores[index].f1, scores[index].f1))
    header = [kind, "precision", "recall", "F1", "", "rows"]
    if thresholds is not None:
        header.append("threshold")
    rows = []
    for index in ordered:
        one = scores[index]
        note = ' <span class="soft">(unseen in training)</span>' if one.label in unseen else ""
        defined = one.f1 == one.f1  # NaN comes last and is shown as a dash
        bar = f'<span class="bar"><i style="width: {one.f1:.1%}"></i></span>' if defined else ""
        values = (f"{value:.3f}" if defined else "–" for value in (one.precision, one.recall, one.f1))
        row = [page.label(one.label) + note, *values, bar, f"{one.support:,}"]
        if thresholds is not None:
            row.append(page.threshold(float(thresholds[index])) if index < len(thresholds) else "–")
        rows.append(row)
    return page.table(header, rows, numeric=(1, 2, 3, 5, 6), name="wide long")


def errors(
    metrics: ClassificationMetrics, probabilities: np.ndarray, gold: Sequence[str], texts: Sequence[str] | None
) -> str:
    """Returns the wrong answers the model was most confident of."""
    names = metrics.label_names
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.array([names[index] != true for index, true in zip(predicted.tolist(), gold, strict=True)])
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return page.section("Most confident errors", "<p>No errors.</p>")
    order = rows[np.argsort(-confidence[rows], kind="stable")][:MOST_ERRORS]
    cells = []
    for row in order.tolist():
        shown = [page.label(gold[row]), page.label(names[predicted[row]]), f"{confidence[row]:.3f}"]
        if texts is not None:
            shown.insert(0, text_cell(texts[row]))
        cells.append(shown)
    header = ["true", "predicted", "confidence"]
    if texts is not None:
        header.insert(0, "text")
    note = f'<p class="soft">{len(rows):,} of {len(wrong):,} rows are wrong. Some of these may be mislabelled.</p>'
    table = page.table(header, cells, numeric=(len(header) - 1,), name="wide errors")
    return page.section("Most confident errors", note, table)


def text_cell(text: str) -> str:
    """Returns a text of the data, shortened, as HTML."""
    return f'<div class="text" dir="auto">{page.escape(page.shorten(text, TEXT_LENGTH))}</div>'


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
