"""Finds the columns that hold texts and labels: as asked, by name, or by content, and says which and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.chunks import LISTS
from kerasnlp_kit.data.label_sets import separated
from kerasnlp_kit.data.names import (
    LABEL_NAMES,
    TEXT_NAMES,
    find_name,
    is_bookkeeping,
    is_number,
    is_plain_value,
    is_year,
)
from kerasnlp_kit.data.table import Table, require_column
from kerasnlp_kit.errors import UserError

_PROBE_ROWS = 5_000
_LONGEST_MEAN_LABEL = 60  # characters
_SHOWN = 5  # columns in a sentence
_TEXT_CONTENT = "the longest and most varied"
_LABEL_CONTENT = "few short values"


@dataclass(frozen=True)
class Columns:
    """Where texts and labels stand.

    Attributes:
        text: The columns whose cells, joined, are the texts.
        label: The column of labels; None if there is none, or one for each label.
        reason: A sentence for the user that says which columns these are and why.
        guessed: Whether a column was chosen by its content and not by its name.
        indicators: Columns of 0 and 1, one for each label and called like it, in the file's order; else ().
        multi_label: Whether a row may have several labels, or none.
        label_separator: What stands between two labels in a cell of `label`; None if nothing does.
    """

    text: tuple[str, ...]
    label: str | None
    reason: str
    guessed: bool = False
    indicators: tuple[str, ...] = ()
    multi_label: bool = False
    label_separator: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """All columns of labels; () without labels."""
        return self.indicators or ((self.label,) if self.label is not None else ())


def find_columns(
    table: Table,
    text_columns: Sequence[str] = (),
    label_column: str | Sequence[str] | None = None,
    *,
    need_label: bool = True,
    label_separator: str | None = None,
    why: Mapping[str, str] = MappingProxyType({}),
) -> Columns:
    """Finds the text and the label column.

    A column that is asked for is taken; otherwise one with a usual name (text, review, 内容, ... and label, class,
    标签, ...); otherwise the one whose content fits: texts are long and mostly distinct, labels short and few.

    Args:
        table: The whole table: a sorted file shows its classes only there.
        text_columns: The columns the user asks for, joined in this order.
        label_column: The column the user asks for; several are columns of 0 and 1, one for each label.
        need_label: If False, a label is only taken when asked for or found by name.
        label_separator: What stands between two labels in a cell. Cells that are lists need none.
        why: Of "text" and "label", why they are asked for, where it is not the user who does.

    Raises:
        UserError: a column asked for is missing, or none fits; the text column holds lists.
    """
    asked = asked_labels(label_column, label_separator)
    text, labels = columns_by_name(table.columns, text_columns, asked, table.source)
    guessed = []
    if not text:
        text = (_guess_text(table, labels, need_label),)
        if len(table.columns) > 1:
            guessed.append("text")
    if not labels and need_label:
        labels = (_guess_label(table, text, label_separator),)
        guessed.append("label")
    for column in text:
        if table.data[column].type == LISTS:
            raise UserError(
                f'{table.source}: text column "{column}" holds lists. Expected one text a row: join each list first, '
                "e.g. with jq, or name another column with --text-column."
            )
    only = len(table.columns) == 1
    reason = _why(bool(text_columns), "text" in guessed, _TEXT_CONTENT, only, why.get("text"))
    reasons = [f"{_named('text', text)} ({reason})"]
    if labels:
        reason = _why(bool(asked), "label" in guessed, _LABEL_CONTENT, why=why.get("label"))
        reasons.append(f"{_named('label', labels)} ({reason})")
    lists = len(labels) == 1 and table.data[labels[0]].type == LISTS
    separator = label_separator if len(labels) == 1 else None
    if separator is not None:
        reasons[-1] += f', several labels a row, split at "{separator}"'
    elif lists or len(labels) > 1:
        reasons[-1] += f", several labels a row, {'as lists' if lists else 'one column each'}"
    return Columns(
        text,
        labels[0] if len(labels) == 1 else None,
        ", ".join(reasons),
        bool(guessed),
        indicators=labels if len(labels) > 1 else (),
        multi_label=len(labels) > 1 or lists or separator is not None,
        label_separator=separator,
    )


def asked_labels(label_column: str | Sequence[str] | None, label_separator: str | None = None) -> tuple[str, ...]:
    """Returns the label columns the user asks for, each once; () if none.

    Raises:
        UserError: the separator is empty, or stands beside several columns.
    """
    if label_separator == "":
        raise UserError("expected a label separator of one character or more, such as --label-separator '|'.")
    if label_column is None:
        return ()
    columns = (label_column,) if isinstance(label_column, str) else tuple(dict.fromkeys(label_column))
    if len(columns) > 1 and label_separator is not None:
        raise UserError(
            f"several label columns ({', '.join(map(_quoted, columns[:_SHOWN]))}) hold one label each, so there is "
            "nothing to separate. Name one column, or leave --label-separator out."
        )
    return columns


def columns_by_name(
    columns: Sequence[str], text_columns: Sequence[str], labels: Sequence[str], source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the text and the label columns that were asked for or have a usual name; () where there are none.

    Several label columns come in the file's order.
    """
    for column in [*text_columns, *labels]:
        require_column(column, columns, source)
    for column in labels:
        if column in text_columns:
            raise UserError(f'{source}: column "{column}" is asked for as text and as label. Name two columns.')
    found = tuple(column for column in columns if column in labels)
    if not found:
        named = find_name([column for column in columns if column not in text_columns], LABEL_NAMES)
        found = (named,) if named is not None else ()
    text = tuple(text_columns)
    if not text:
        # A whole name such as "text" goes before the label's words, so "label_text" cannot take its place.
        named = find_name([column for column in columns if column not in found], TEXT_NAMES)
        text = (named,) if named is not None else ()
    return text, found


def probe(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns cells from all over the column, not only from its top."""
    step = max(1, len(column) // _PROBE_ROWS)
    chunks = [chunk.take(pa.array(range(0, len(chunk), step), pa.int64())) for chunk in column.chunks]
    return pa.chunked_array(chunks, column.type)


def other_columns_note(source: str, trained: Sequence[str], taken: Sequence[str], flag: str) -> str:
    """What to say where a file has not the columns of the training, and others were found."""
    expected, found = (" and ".join(f'"{name}"' for name in names) for names in (trained, taken))
    return f"note: {source} has no {expected}, which the model was trained on; {found} is taken. {flag} says otherwise."


def _guess_text(table: Table, labels: Sequence[str], need_label: bool) -> str:
    """Returns the column with the longest and most varied cells that are not numbers or dates."""
    best, best_score = None, 0.0
    rest = [column for column in table.columns if column not in labels]
    for column in rest:
        if is_bookkeeping(column) or table.data[column].type == LISTS:
            continue
        cells = [cell for cell in probe(table.data[column]).to_pylist() if cell]
        if not cells or sum(map(is_plain_value, cells)) * 10 > len(cells) * 9:
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


def _guess_label(table: Table, text: Sequence[str], separator: str | None) -> str:
    """Returns the column with the fewest distinct short labels that are no dates; the last one of equals."""
    rest = [column for column in table.columns if column not in text and not is_bookkeeping(column)]
    best, lowest = None, (False, 0)
    for column in rest:
        names, distinct = _label_values(table.data[column], separator)
        if not names or np.mean([len(name) for name in names]) > _LONGEST_MEAN_LABEL:
            continue
        fits = 2 <= distinct <= max(2, len(table) // 2) or (len(rest) == 1 and distinct < max(2, len(table)))
        # Dates only where there is nothing else.
        rank = (sum(map(_is_date, names)) * 10 > len(names) * 9, distinct)
        if fits and (best is None or rank <= lowest):
            best, lowest = column, rank
    if best is None:
        raise UserError(
            f"{table.source}: found no label column beside the text: expected one with few distinct, short values. "
            f"The columns are {', '.join(map(_quoted, table.columns))}. Name it, e.g. --label-column class, or learn "
            "the texts alone: --task language_model."
        )
    return best


def _label_values(cells: pa.ChunkedArray, separator: str | None) -> tuple[list[str], int]:
    """Returns labels from all over a column, and how many distinct ones there are.

    None if the separator is not there, or most cells are blank: a mark of a few rows is no class.
    """
    some = probe(cells)
    if separator is None and cells.type != LISTS:
        filled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(cells), ""), False)
        if pc.sum(filled).as_py() * 2 < len(cells):
            return [], 0
        names = [cell for cell in some.to_pylist() if cell and cell.strip()]
        return names, int(pc.count_distinct(cells.filter(filled)).as_py())
    if cells.type != LISTS and not pc.any(pc.match_substring(some, separator)).as_py():
        return [], 0
    names = [name for chunk in some.chunks for name in separated(chunk, separator)[1].to_pylist()]
    return names, len(set(names))


def _is_date(cell: str) -> bool:
    """Whether a cell reads as a date, a time or a year."""
    return is_year(cell) or (is_plain_value(cell) and not is_number(cell))


def _why(asked: bool, guessed: bool, content: str, alone: bool = False, why: str | None = None) -> str:
    if asked:
        return why or "as asked"
    if alone:
        return "the only column"
    return f"guessed by content: {content}" if guessed else "by name"


def _named(what: str, columns: Sequence[str]) -> str:
    """For example `label columns "billing" + "refund"`; of many only the first."""
    names = " + ".join(map(_quoted, columns[:_SHOWN]))
    if len(columns) > _SHOWN:
        names += f" + {len(columns) - _SHOWN} more"
    return f"{what} {'columns' if len(columns) > 1 else 'column'} {names}"


def _quoted(column: str) -> str:
    return f'"{column}"'
