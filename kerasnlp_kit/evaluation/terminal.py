"""Scores as aligned text for a terminal, where a Chinese character is two columns wide."""

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasnlp_kit.evaluation.generation import GenerationMetrics
    from kerasnlp_kit.evaluation.language import LanguageMetrics
    from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, ClassMetrics
    from kerasnlp_kit.evaluation.multilabel import MultiLabelMetrics

TOKENS = "tokens: what blanks part"  # in error rates, whatever the tokenizer's are
_MOST_CLASSES = 30  # more do not fit on a screen
_WORST_CLASSES = 10
_MOST_UNSEEN = 10
_LABEL_COLUMNS = 40


def metrics_table(metrics: "ClassificationMetrics") -> str:
    """Returns the text of `ClassificationMetrics.table`."""
    baseline = f"majority baseline {metrics.majority_accuracy:.4f} ({fit(metrics.majority_label)})"
    lines = [metrics.first_line(), baseline]
    interval = ""
    if metrics.macro_f1_interval:
        interval = f" [{metrics.macro_f1_interval[0]:.4f}, {metrics.macro_f1_interval[1]:.4f}]"
    lines.append(f"macro F1 {metrics.macro_f1:.4f}{interval}, weighted F1 {metrics.weighted_f1:.4f}")
    if metrics.log_loss is not None:
        over = "" if metrics.n_known == metrics.n else f" (over the {_rows(metrics.n_known)} with a known label)"
        lines.append(f"log loss {metrics.log_loss:.4f}{over}")
    if metrics.roc_auc is not None:
        lines.append(f"ROC AUC {metrics.roc_auc:.4f} (positive: {fit(metrics.label_names[1])})")
    lines.append(f"expected calibration error {metrics.calibration_error:.4f}")
    lines += ["", *_class_lines(metrics.classes)]
    if metrics.unseen_labels:
        rows = _rows(sum(metrics.unseen_labels.values()))
        lines += ["", f"{rows} with a label the model has never seen, counted as errors:"]
        lines += _unseen_lines(metrics.unseen_labels)
    return "\n".join(lines)


def multilabel_table(metrics: "MultiLabelMetrics") -> str:
    """Returns the text of `MultiLabelMetrics.table`."""
    lines = [
        metrics.first_line(),
        f"micro precision {metrics.micro_precision:.4f}, recall {metrics.micro_recall:.4f}",
        f"macro F1 {metrics.macro_f1:.4f}, weighted F1 {metrics.weighted_f1:.4f}, samples F1 {metrics.samples_f1:.4f}",
        f"subset accuracy {metrics.subset_accuracy:.4f}, Hamming loss {metrics.hamming_loss:.4f}",
        f"label ranking average precision {metrics.ranking_precision:.4f}",
        f"expected calibration error {metrics.calibration_error:.4f}",
        "",
        *_class_lines(metrics.labels, "label", "labels"),
    ]
    if metrics.unseen_labels:
        lines += ["", "labels the model has never seen, missed in every row that has them:"]
        lines += _unseen_lines(metrics.unseen_labels)
    return "\n".join(lines)


def generation_table(metrics: "GenerationMetrics") -> str:
    """Returns the text of `GenerationMetrics.table`."""
    scores = [
        ("BLEU", f"{metrics.bleu:.2f}", metrics.bleu_interval, 2, metrics.bleu_signature),
        ("chrF", f"{metrics.chrf:.2f}", metrics.chrf_interval, 2, metrics.chrf_signature),
        ("token error rate", f"{metrics.token_error_rate:.4f}", metrics.token_error_interval, 4, TOKENS),
        ("character error rate", f"{metrics.character_error_rate:.4f}", metrics.character_error_interval, 4, ""),
        ("sequence error rate", f"{metrics.sequence_error_rate:.4f}", None, 4, ""),
    ]
    if metrics.rouge_l is not None:
        scores.append(("ROUGE-L F1", f"{metrics.rouge_l:.4f}", None, 4, ""))
    scores.append(("output per reference", f"{metrics.length_ratio:.4f}", None, 4, ""))
    lines = [metrics.first_line()]
    for name, value, interval, digits, note in scores:
        bounds = f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
        lines.append(f"{name:<20}  {value:>7}  {bounds:<16}  {note}".rstrip())
    header = f"source {metrics.source_unit}s"
    lines += ["", f"{header:<17}  {'rows':>7}  exact match    chrF  {metrics.unit} error rate"]
    for one in metrics.length_bins:
        rate = f"{one.error_rate:>{len(metrics.unit) + 11}.4f}"
        lines.append(f"{one.name:<17}  {one.rows:>7}  {one.exact_match:>11.4f}  {one.chrf:>6.2f}  {rate}")
    if metrics.warnings:
        lines += ["", *metrics.warnings]
    return "\n".join(lines)


def language_table(metrics: "LanguageMetrics") -> str:
    """Returns the text of `LanguageMetrics.table`."""
    lines = [
        metrics.first_line(),
        f"token perplexity {metrics.token_perplexity:.2f}, of {metrics.tokens:,} tokens",
        f"bits per character {metrics.bits_per_character:.4f}, of {metrics.characters:,} characters",
    ]
    return "\n".join([*lines, *metrics.warnings])


def display_width(text: str) -> int:
    """Returns how many terminal columns a text takes: wide East Asian characters two, combining marks none."""
    return sum(_character_width(character) for character in text)


def printable(text: str) -> str:
    """Escapes what could steer the terminal or break the line."""
    if text.isprintable():
        return text
    return "".join(
        character if _is_harmless(character) else character.encode("unicode_escape").decode() for character in text
    )


def _is_harmless(character: str) -> bool:
    # Words of Persian and Hindi, and emoji, have joiners in them; Chinese and French have blanks of their own.
    return character.isprintable() or character in "\u200c\u200d" or unicodedata.category(character) == "Zs"


def fit(label: str, columns: int = _LABEL_COLUMNS) -> str:
    """Returns a label safe to print, cut if it is long."""
    shown = printable(label)
    if display_width(shown) <= columns:
        return shown
    width = 1  # of the ellipsis
    for end, character in enumerate(shown):
        width += _character_width(character)
        if width > columns:
            return shown[:end] + "…"
    return shown


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _class_lines(classes: "tuple[ClassMetrics, ...]", one_is: str = "class", all_are: str = "classes") -> list[str]:
    note = []
    if len(classes) > _MOST_CLASSES:
        note = [f"the {_WORST_CLASSES} worst of {len(classes)} {all_are} by F1:"]
        # NaN (a class that never occurs) sorts behind the classes with a score.
        classes = tuple(sorted(classes, key=lambda one: (one.f1 != one.f1, one.f1, one.label))[:_WORST_CLASSES])
    labels = [fit(one.label) for one in classes]
    width = max(display_width(one_is), *(display_width(label) for label in labels))
    lines = [f"{one_is:<{width}}  precision  recall      F1  support"]
    for one, label in zip(classes, labels, strict=True):
        padding = " " * (width - display_width(label))
        scores = f"{_score(one.precision):>9}  {_score(one.recall):>6}  {_score(one.f1):>6}"
        lines.append(f"{label}{padding}  {scores}  {one.support:>7}")
    return note + lines


def _unseen_lines(unseen: dict[str, int]) -> list[str]:
    lines = [f"  {fit(label)}: {count}" for label, count in list(unseen.items())[:_MOST_UNSEEN]]
    if len(unseen) > _MOST_UNSEEN:
        lines.append(f"  and {len(unseen) - _MOST_UNSEEN} more labels")
    return lines


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _score(value: float) -> str:
    return "-" if value != value else f"{value:.4f}"
