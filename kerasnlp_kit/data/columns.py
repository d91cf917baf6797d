"""Finds the columns that hold texts and labels: as asked, by name, or by content, and says which and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.names import LABEL_NAMES, TEXT_NAMES, find_name, is_bookkeeping, is_number
from kerasnlp_kit.data.table import Table, require_column
from kerasnlp_kit.errors import UserError

_PROBE_ROWS = 5_000
_LONGEST_MEAN_LABEL = 60  # characters


@dataclass(frozen=True)
class Columns:
    """Where texts and labels stand.

    Attributes:
        text: The columns whose cells, joined, are the texts.
        label: The column of labels, or None.
        reason: A sentence for the user that says which columns these are and why.
        guessed: Whether a column was chosen by its content and not by its name.
    """

    text: tuple[str, ...]
    label: str | None
    reason: str
    guessed: bool = False


def find_columns(
    table: Table,
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    *,
    need_label: bool = True,
) -> Columns:
    """Finds the text and the label column.

    A column that is asked for is taken; otherwise one with a usual name (text, review, 内容, ... and label, class,
    标签, ...); otherwise the one whose content fits: texts are long and mostly distinct, labels short and few.

    Args:
        table: The whole table: a sorted file shows its classes only there.
        text_columns: The columns the user asks for, joined in this order.
        label_column: The column the user asks for.
        need_label: If False, a label is only taken when asked for or found by name.

    Raises:
        UserError: a column asked for is missing, or none fits.
    """
    found = columns_by_name(table.columns, text_columns, label_column, table.source)
    text, label = found
    guessed = []
    if not text:
        text = (_guess_text(table, label, need_label),)
        if len(table.columns) > 1:
            guessed.append("text")
    if label is None and need_label:
        label = _guess_label(table, text)
        guessed.append("label")
    many = len(text) > 1
    reasons = [
        f"{'text columns' if many else 'text column'} {' + '.join(map(_quoted, text))} "
        f"({_why(bool(text_columns), 'text' in guessed, 'the longest and most varied', len(table.columns) == 1)})"
    ]
    if label is not None:
        reasons.append(
            f"label column {_quoted(label)} ({_why(label_column is not None, 'label' in guessed, 'few short values')})"
        )
    return Columns(tuple(text), label, ", ".join(reasons), bool(guessed))


def columns_by_name(
    columns: Sequence[str], text_columns: Sequence[str], label_column: str | None, source: str
) -> tuple[tuple[str, ...], str | None]:
    """Returns the text columns and the label column that were asked for or have a usual name; () and None if none."""
    for column in [*text_columns, *([label_column] if label_column is not None else [])]:
        require_column(column, columns, source)
    if label_column is not None and label_column in text_columns:
        raise UserError(f'{source}: column "{label_column}" is asked for as text and as label. Name two columns.')
    label = label_column
    if label is None:
        label = find_name([column for column in columns if column not in text_columns], LABEL_NAMES)
    text = tuple(text_columns)
    if not text:
        # A whole name such as "text" goes before the label's words, so "label_text" cannot take its place.
        rest = [column for column in columns if column != label]
        named = find_name(rest, TEXT_NAMES)
        text = (named,) if named is not None else ()
    return text, label


def _guess_text(table: Table, label: str | None, need_label: bool) -> str:
    """Returns the column with the longest and most varied cells that are not numbers or dates."""
    best, best_score = None, 0.0
    rest = [column for column in table.columns if column != label]
    for column in rest:
        cells = [cell for cell in _probe(table.data[column]) if cell]
        if not cells or is_bookkeeping(column):
            continue
        if sum(map(_is_plain_value, cells)) * 10 > len(cells) * 9:
            continue
        score = float(np.mean([len(cell) for cell in cells])) * len(set(cells)) / len(cells)
        if score > best_score:
            best, best_score = column, score
    if best is None and len(table.columns) == 1 and not need_label:
        best = table.columns[0]
    if best is None:
        raise UserError(
            f"{table.source}: found no column of texts among {', '.join(map(_quoted, table.columns))}. "
            "Name it, e.g. --text-column body."
        )
    return best


def _guess_label(table: Table, text: Sequence[str]) -> str:
    """Returns the column with the fewest distinct short cells; the last one of equals."""
    rest = [column for column in table.columns if column not in text and not is_bookkeeping(column)]
    best, fewest = None, 0
    for column in rest:
        cells = [cell for cell in _probe(table.data[column]) if cell]
        if not cells or np.mean([len(cell) for cell in cells]) > _LONGEST_MEAN_LABEL:
            continue
        distinct = int(pc.count_distinct(table.data[column]).as_py())
        fits = 2 <= distinct <= max(2, len(table) // 2) or (len(rest) == 1 and distinct < max(2, len(table)))
        if fits and (best is None or distinct <= fewest):
            best, fewest = column, distinct
    if best is None:
        raise UserError(
            f"{table.source}: found no label column beside the text: expected one with few distinct, short values. "
            f"The columns are {', '.join(map(_quoted, table.columns))}. Name it, e.g. --label-column class."
        )
    return best


def _probe(column: pa.ChunkedArray) -> list[str | None]:
    """Returns cells from all over the column, not only from its top."""
    step = max(1, len(column) // _PROBE_ROWS)
    return [cell for chunk in column.chunks for cell in chunk.take(pa.array(range(0, len(chunk), step))).to_pylist()]


def _is_plain_value(cell: str) -> bool:
    """Whether a cell is a number, a date or a time: digits and marks without a word."""
    return is_number(cell) or (any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell)))


def _why(asked: bool, guessed: bool, content: str, alone: bool = False) -> str:
    if asked or alone:
        return "as asked" if asked else "the only column"
    return f"guessed by content: {content}" if guessed else "by name"


def _quoted(column: str) -> str:
    return f'"{column}"'
