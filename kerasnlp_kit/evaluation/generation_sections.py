"""Sections of the report about a model that writes a text for a text."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kerasnlp_kit.evaluation import generation_plots, page
from kerasnlp_kit.evaluation.class_sections import TEXT_LENGTH
from kerasnlp_kit.evaluation.corpus_scores import References
from kerasnlp_kit.evaluation.generation import GenerationMetrics, Unit, exact_matches
from kerasnlp_kit.evaluation.generation_baselines import GenerationComparison
from kerasnlp_kit.evaluation.sequence_distance import levenshtein
from kerasnlp_kit.evaluation.terminal import TOKENS

_SHOWN_ROWS = 20
_SHOWN_REFERENCES = 3
_MOST_ATTENTION = 80  # tokens a side; more are no picture

STYLE = """.pairs .text { min-width: 170px; }
.scroll + .pictures { margin-top: 16px; }
.gap { border-left: 3px solid rgb(var(--orange-cells)); margin: 0 1px; }
.attention td { min-width: 22px; height: 26px; padding: 0; }
.attention .label { white-space: pre; }
"""


def cards(metrics: GenerationMetrics, data_name: str) -> str:
    """Returns the headline figures."""
    return page.cards(
        [
            ("exact match", f"{metrics.exact_match:.4f}", _bounds(metrics, metrics.exact_match_interval)),
            ("BLEU", f"{metrics.bleu:.2f}", _bounds(metrics, metrics.bleu_interval, 2)),
            ("chrF", f"{metrics.chrf:.2f}", _bounds(metrics, metrics.chrf_interval, 2)),
            (f"{metrics.unit} error rate", f"{metrics.error_rate:.4f}", _bounds(metrics, metrics.error_interval)),
            ("rows", f"{metrics.n:,}", data_name),
        ]
    )


def comparisons(named: Mapping[str, GenerationComparison]) -> str:
    """Returns how much better the model is than each baseline."""
    if not named:
        return ""
    rows = []
    for name, one in named.items():
        exact = one.exact_match
        low, high = (100 * bound for bound in exact.difference_interval)
        chrf_bounds = one.chrf_interval
        rows.append(
            (
                page.escape(name),
                f"{exact.baseline_accuracy:.4f}",
                f"{100 * exact.difference:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                page.escape(exact.chance().removeprefix("p = ").removeprefix("p ")),
                f"{one.baseline_chrf:.2f}",
                f"{one.chrf_difference:+.2f}",
                f"{chrf_bounds[0]:+.2f} to {chrf_bounds[1]:+.2f}" if chrf_bounds else "–",
            )
        )
    header = ("beside", "exact match", "points", "95%", "p", "chrF", "points", "95%")
    note = (
        '<p class="soft">On the same rows, each with both outputs. p is McNemar\'s exact test of exact match; the '
        "intervals of the differences are a paired bootstrap.</p>"
    )
    verdicts = page.verdicts(verdict for name, one in named.items() for verdict in one.verdicts(name))
    return page.section("Beside the obvious", verdicts, page.table(header, rows, numeric=range(1, 8)), note)


def scores(metrics: GenerationMetrics) -> str:
    """Returns all scores with their intervals, and how BLEU and chrF were computed."""
    shares, letters = metrics.degenerate, metrics.character_error_interval
    figures = [
        ("BLEU", f"{metrics.bleu:.2f}", _interval(metrics.bleu_interval, 2), metrics.bleu_signature),
        ("chrF", f"{metrics.chrf:.2f}", _interval(metrics.chrf_interval, 2), metrics.chrf_signature),
        ("token error rate", f"{metrics.token_error_rate:.4f}", _interval(metrics.token_error_interval), TOKENS),
        ("character error rate", f"{metrics.character_error_rate:.4f}", _interval(letters), ""),
        ("sequence error rate", f"{metrics.sequence_error_rate:.4f}", "", "rows with any error"),
        ("output per reference", f"{metrics.length_ratio:.4f}", "", f"{metrics.unit}s of all outputs and references"),
        ("copies of the source", f"{shares.copied:.1%}", "", "where another text was right"),
        ("empty outputs", f"{shares.empty:.1%}", "", ""),
        ("repetitive outputs", f"{shares.repetitive:.1%}", "", "a token 4 times, or several 3 times, in a row"),
    ]
    if metrics.rouge_l is not None:
        figures.insert(5, ("ROUGE-L F1", f"{metrics.rouge_l:.4f}", "", "longest common subsequence, mean of the rows"))
    rows = [
        (name, value, bounds, f'<span class="soft">{page.escape(note)}</span>') for name, value, bounds, note in figures
    ]
    return page.section("Scores", page.table(("", "", f"{metrics.confidence:.0%}", ""), rows, numeric=(1, 2)))


def lengths(metrics: GenerationMetrics) -> str:
    """Returns the scores by length of the source, and how long outputs are beside their references."""
    rows = [
        (one.name, f"{one.rows:,}", f"{one.exact_match:.4f}", f"{one.chrf:.2f}", f"{one.error_rate:.4f}")
        for one in metrics.length_bins
    ]
    header = (f"{metrics.source_unit}s", "rows", "exact match", "chrF", f"{metrics.unit} error rate")
    table = page.table(header, rows, numeric=(1, 2, 3, 4))
    picture = generation_plots.length_scores(metrics.length_bins, metrics.unit, metrics.source_unit)
    pictures = [("Exact match should not fall, nor errors rise, where sources are long.", picture)]
    ratios = metrics.row_length_ratio[np.isfinite(metrics.row_length_ratio)]
    if len(ratios):
        caption = f"Outputs have {metrics.length_ratio:.3f} {metrics.unit}s for each of their references."
        pictures.append((caption, generation_plots.length_ratio_histogram(ratios)))
    return page.section("By length of the source", table, page.pictures(pictures))


def samples(
    metrics: GenerationMetrics,
    sources: Sequence[str],
    references: References,
    predictions: Sequence[str],
    confidences: np.ndarray | None,
) -> str:
    """Returns rows drawn at random, the same whenever the data are the same."""
    generator = np.random.default_rng(0)
    rows = np.sort(generator.choice(metrics.n, size=min(_SHOWN_ROWS, metrics.n), replace=False))
    note = '<p class="soft">Drawn at random. What differs from the closest reference is underlined or barred.</p>'
    table = _rows(rows.tolist(), metrics, sources, references, predictions, confidences)
    return page.section("Sample rows", note, table)


def worst(
    metrics: GenerationMetrics,
    sources: Sequence[str],
    references: References,
    predictions: Sequence[str],
    confidences: np.ndarray | None,
) -> str:
    """Returns the wrong rows with the lowest chrF, among equals those the model was surest of."""
    wrong = np.flatnonzero(~exact_matches(references, predictions))
    if not len(wrong):
        return page.section("Worst rows", "<p>No errors.</p>")
    sureness = np.zeros(metrics.n) if confidences is None else confidences
    order = wrong[np.lexsort((-sureness[wrong], metrics.row_chrf[wrong]))][:_SHOWN_ROWS]
    note = f'<p class="soft">{len(wrong):,} of {metrics.n:,} outputs differ from every reference.'
    if confidences is not None:
        note += " Confidence is the geometric mean of the probabilities of the output's tokens."
    table = _rows(order.tolist(), metrics, sources, references, predictions, confidences)
    return page.section("Worst rows", note + "</p>", table)


def attention(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> str:
    """Returns which source tokens the model looked at for each token of its output.

    Args:
        source: tokens of the source.
        target: tokens of the output.
        weights: float (target, source), 0 to 1.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(source), len(target))[::-1]:
        raise ValueError(
            f"Expected attention of shape {(len(target), len(source))}: one row a target token, one column a source "
            f"token. Received: {weights.shape}"
        )
    if not weights.any():  # of no tokens, or of a model that has no attention
        return ""
    shares = np.clip(np.nan_to_num(weights), 0, 1)[:_MOST_ATTENTION, :_MOST_ATTENTION]
    columns, names = source[:_MOST_ATTENTION], target[:_MOST_ATTENTION]
    upright = ' class="upright"' if len(columns) > 8 or max(map(len, columns)) > 8 else ""
    header = "".join(f"<th{upright}>{page.label(token, 24)}</th>" for token in columns)
    body = "\n".join(
        f"<tr><th>{page.label(token, 24)}</th>{''.join(map(_attention_cell, row))}</tr>"
        for token, row in zip(names, shares.tolist(), strict=True)
    )
    note = "Rows are the tokens of the output, from the top; the bluer a cell, the more it looked at that source token."
    if len(columns) < len(source) or len(names) < len(target):
        note += f" Only the first {_MOST_ATTENTION} tokens are shown."
    table = (
        f'<div class="scroll"><table class="confusion attention"><thead><tr><th></th>{header}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
    return page.section("Attention", f'<p class="soft">{note}</p>', table)


def _attention_cell(weight: float) -> str:
    color = f' style="background: rgba(var(--blue-cells), {weight:.2f})"' if weight >= 0.005 else ""
    return f'<td title="{weight:.2f}"{color}></td>'


def _rows(
    rows: Iterable[int],
    metrics: GenerationMetrics,
    sources: Sequence[str],
    references: References,
    predictions: Sequence[str],
    confidences: np.ndarray | None,
) -> str:
    header = ["source", "reference", "output", "chrF"] + ["confidence"] * (confidences is not None)
    cells = []
    for row in rows:
        shown = _by_closeness(references[row], predictions[row], metrics.unit)
        cell = [
            _text(page.escape(page.shorten(sources[row], TEXT_LENGTH))),
            "".join(_text(page.escape(one)) for one in shown[:_SHOWN_REFERENCES]),
            _text(_marked(page.shorten(predictions[row], TEXT_LENGTH), shown[0], metrics.unit)),
            f"{metrics.row_chrf[row]:.1f}",
        ]
        if len(shown) > _SHOWN_REFERENCES:
            cell[1] += f'<span class="soft">and {len(shown) - _SHOWN_REFERENCES} more</span>'
        if confidences is not None:
            cell.append(f"{confidences[row]:.3f}")
        cells.append(cell)
    return page.table(header, cells, numeric=(3, 4), name="wide pairs")


def _by_closeness(references: Sequence[str], output: str, unit: Unit) -> list[str]:
    """The references of a row, shortened, the closest to the output first."""
    shown = [page.shorten(one, TEXT_LENGTH) for one in references]
    items = _items(output[:TEXT_LENGTH], unit)
    return sorted(shown, key=lambda one: levenshtein(_items(one, unit), items))


def _marked(output: str, reference: str, unit: Unit) -> str:
    """The output as HTML: what the reference has not is underlined, and where something is missing there is a bar."""
    there, expected = _items(output, unit), _items(reference, unit)
    blank = " " if unit == "token" else ""
    pieces = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, expected, there, autojunk=False).get_opcodes():
        piece = page.escape(blank.join(there[start:end]))
        if kind == "equal":
            pieces.append(piece)
        else:
            pieces.append(f'<span class="off">{piece}</span>' if piece else '<span class="gap"></span>')
    return blank.join(pieces)


def _items(text: str, unit: Unit) -> list[str]:
    return text.split() if unit == "token" else list(text.strip())


def _text(content: str) -> str:
    return f'<div class="text" dir="auto">{content}</div>'


def _bounds(metrics: GenerationMetrics, interval: tuple[float, float] | None, digits: int = 3) -> str:
    return f"{metrics.confidence:.0%}: {_interval(interval, digits)}" if interval else ""


def _interval(interval: tuple[float, float] | None, digits: int = 3) -> str:
    return f"{interval[0]:.{digits}f}–{interval[1]:.{digits}f}" if interval else "–"


def confidences(scores: Sequence[float] | np.ndarray | None) -> np.ndarray | None:
    """Returns the geometric mean of the tokens' probabilities from the mean of their logarithms: float (rows,)."""
    return None if scores is None else np.array([math.exp(min(float(score), 0.0)) for score in scores])
