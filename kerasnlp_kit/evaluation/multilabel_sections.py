"""Sections of the report about a model that gives each text any number of labels."""

from collections.abc import Collection, Sequence

import numpy as np

from kerasnlp_kit.evaluation import page, plots
from kerasnlp_kit.evaluation.class_sections import MOST_ERRORS, score_table, text_cell
from kerasnlp_kit.evaluation.multilabel import MultiLabelMetrics

_MOST_SHOWN_LABELS = 12


def cards(metrics: MultiLabelMetrics, data_name: str) -> str:
    """Returns the headline figures."""
    return page.cards(
        [
            ("micro F1", f"{metrics.micro_f1:.4f}", f"95%: {page.interval(*metrics.micro_f1_interval)}"),
            ("precision", f"{metrics.micro_precision:.4f}", "of the selected labels, right ones"),
            ("recall", f"{metrics.micro_recall:.4f}", "of the true labels, found ones"),
            ("macro F1", f"{metrics.macro_f1:.4f}", "mean over labels"),
            ("exact match", f"{metrics.subset_accuracy:.4f}", "rows with every label right"),
            ("rows", f"{metrics.n:,}", data_name),
        ]
    )


def label_counts(metrics: MultiLabelMetrics) -> str:
    """Returns how many labels texts have, and how many the model gives them."""
    true, selected = (
        sum(number * rows for number, rows in enumerate(counts)) / metrics.n
        for counts in (metrics.label_counts, metrics.selected_counts)
    )
    caption = f"A text has {true:.2f} labels on average; the model selects {selected:.2f}."
    picture = plots.label_count_histogram(metrics.label_counts, metrics.selected_counts)
    return page.section("Number of labels", page.pictures([(caption, picture)]))


def labels(metrics: MultiLabelMetrics, thresholds: Sequence[float] | np.ndarray | None) -> str:
    """Returns the scores of each label, the worst first."""
    return page.section("Labels, worst first", score_table("label", metrics.labels, metrics.unseen_labels, thresholds))


def errors(
    metrics: MultiLabelMetrics,
    probabilities: np.ndarray,
    selected: np.ndarray,
    gold: Sequence[Sequence[str]],
    texts: Sequence[str] | None,
) -> str:
    """Returns the rows with the wrong decision furthest off: a label not there at 0.97, or there at 0.02."""
    names = metrics.label_names
    index_of = {name: index for index, name in enumerate(names)}
    targets = np.zeros(selected.shape, bool)
    unseen = np.zeros(len(selected), bool)
    for row, (true, _) in enumerate(zip(gold, selected, strict=True)):
        known = [index_of[name] for name in true if name in index_of]
        targets[row, known] = True
        unseen[row] = len(known) < len(true)
    distance = np.where(targets != selected, np.where(targets, 1 - probabilities, probabilities), -1.0)
    furthest = distance.argmax(axis=1)
    rows = np.flatnonzero(distance.max(axis=1) >= 0)
    wrong_rows = int(((targets != selected).any(axis=1) | unseen).sum())
    if not wrong_rows:
        return page.section("Decisions furthest off", "<p>No errors.</p>")
    order = rows[np.argsort(-distance.max(axis=1)[rows], kind="stable")][:MOST_ERRORS]
    cells = []
    for row in order.tolist():
        chosen = [names[index] for index in np.flatnonzero(selected[row])]
        label = furthest[row]
        verb = "misses" if targets[row, label] else "adds"
        shown = [
            _labels(gold[row], right=chosen),
            _labels(chosen, right=gold[row]),
            f'<span class="soft">{verb}</span> {page.label(names[label])}',
            f"{probabilities[row, label]:.3f}",
        ]
        if texts is not None:
            shown.insert(0, text_cell(texts[row]))
        cells.append(shown)
    header = ["true", "selected", "furthest off", "probability"]
    if texts is not None:
        header.insert(0, "text")
    note = (
        f'<p class="soft">{wrong_rows:,} of {metrics.n:,} rows have a wrong label. Missed and added labels are '
        "underlined. Some of these rows may be mislabelled.</p>"
    )
    if not cells:  # all of them have labels that the model does not know
        return page.section("Decisions furthest off", note)
    table = page.table(header, cells, numeric=(len(header) - 1,), name="wide label-errors")
    return page.section("Decisions furthest off", note, table)


def _labels(shown: Sequence[str], *, right: Collection[str]) -> str:
    if not shown:
        return '<span class="soft">none</span>'
    cells = [
        page.label(name) if name in right else f'<span class="off">{page.label(name)}</span>'
        for name in shown[:_MOST_SHOWN_LABELS]
    ]
    if len(shown) > _MOST_SHOWN_LABELS:
        cells.append(f'<span class="soft">and {len(shown) - _MOST_SHOWN_LABELS} more</span>')
    return "<br>".join(cells)
