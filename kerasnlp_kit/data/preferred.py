"""A file that is read for a model: its columns by the names of the training run, or others that can stand in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.columns import Columns
from kerasnlp_kit.data.label_sets import separated
from kerasnlp_kit.data.labels import shown
from kerasnlp_kit.data.table import Table
from kerasnlp_kit.errors import UserError

_BEFORE = "as in the data before"


@dataclass(frozen=True)
class Wanted:
    """The columns to read, as far as they are known before the file is seen.

    Attributes:
        text: The columns to join; () to find one.
        labels: The column of labels, or several of 0 and 1; () to find one.
        separator: What stands between two labels in a cell.
    """

    text: tuple[str, ...]
    labels: tuple[str, ...]
    separator: str | None


def with_preferred(
    wanted: Wanted, preferred: Columns, columns: Sequence[str], source: str, *, need_label: bool
) -> Wanted:
    """Fills in the columns of the training run that this file has.

    Args:
        wanted: What the user asks for; it goes before.
        preferred: The columns of the training run.
        columns: The columns of this file.
        source: The file's name.
        need_label: Whether labels must be found.

    Returns:
        What to read; without text or labels where the file lacks a column of them.

    Raises:
        UserError: the file lacks some of the several label columns of the training run.
    """
    text, labels, separator = wanted.text, wanted.labels, wanted.separator
    if not text and all(column in columns for column in preferred.text):
        text = tuple(column for column in preferred.text if column not in labels)
    if not labels and preferred.indicators and separator is None:
        lacking = [column for column in preferred.indicators if column not in columns]
        if not lacking:
            labels = preferred.indicators
        elif need_label:
            raise UserError(
                f"{source}: lacks label columns of the training: {shown(lacking)}. Add them; or, if the labels stand "
                "in one column, name it with --label-column and what stands between them with --label-separator."
            )
    if not labels and preferred.label in columns and preferred.label not in text:
        labels = preferred.labels
    if separator is None and len(labels) < 2:
        separator = preferred.label_separator
    return Wanted(text, labels, separator)


def reasons_of(asked: Wanted, by_values: bool) -> dict[str, str]:
    """Why the columns that nobody asked for are taken, where they come from a training run: see `find_columns`."""
    of_label = "it holds labels of the model" if by_values else _BEFORE
    return ({} if asked.text else {"text": _BEFORE}) | ({} if asked.labels else {"label": of_label})


def other_text_note(columns: Columns, preferred: Columns, present: Sequence[str], source: str) -> str:
    """A sentence that says which texts stand in for those of the training run; ``present`` are all columns."""
    before, now, lacking = (
        " + ".join(f'"{column}"' for column in some)
        for some in (preferred.text, columns.text, [column for column in preferred.text if column not in present])
    )
    which = ", which this file lacks" if lacking == before else f", and this file lacks {lacking}" if lacking else ""
    return f"{source}: the model was trained on text column {before}{which}; took {now}."


def label_by_values(table: Table, wanted: Wanted, preferred: Columns, labels: Sequence[str]) -> tuple[str, str]:
    """Finds the column with the most rows that hold one of a model's labels: a name alone could be that of another.

    Args:
        table: All columns of the file.
        wanted: What to read; without label columns.
        preferred: The columns of the training run.
        labels: The labels of the model.

    Returns:
        The column, and a sentence that says so.

    Raises:
        UserError: no column holds any of them.
    """
    rows = {
        column: _rows_with(labels, table.data[column], wanted.separator)
        for column in table.columns
        if column not in wanted.text
    }
    trained = " + ".join(f'"{column}"' for column in preferred.labels)
    best = max(rows, key=lambda column: rows[column], default=None)
    if best is None or not rows[best]:
        listed = ", ".join(f'"{column}"' for column in table.columns)
        raise UserError(
            f"{table.source}: found no label column: the model was trained on {trained}, which this file lacks, and "
            f"no other column holds a label of the model. The columns are {listed}. Name it, e.g. --label-column class."
        )
    return best, (
        f"{table.source}: the model was trained on label column {trained}, which this file lacks; took "
        f'"{best}", which holds labels of the model.'
    )


def as_trained(columns: Columns, preferred: Columns, source: str) -> Columns:
    """Takes labels as the training did: several a row, or one.

    Raises:
        UserError: the file has several labels a row, the model gives one.
    """
    if columns.multi_label and preferred.labels and not preferred.multi_label:
        raise UserError(
            f"{source}: expected one label a row, as in the training of the model; received {columns.reason}. Train on "
            "a file with several labels a row first."
        )
    if preferred.multi_label and columns.labels and not columns.multi_label:
        return replace(columns, multi_label=True, reason=f"{columns.reason}, each cell one label")
    return columns


def _rows_with(labels: Sequence[str], cells: pa.ChunkedArray, separator: str | None) -> int:
    """Counts the rows that hold one of `labels`."""
    known = pa.array(labels, pa.string())
    count = 0
    for chunk in cells.chunks:
        rows, names = separated(chunk, separator)
        count += len(np.unique(rows[pc.is_in(names, value_set=known).to_numpy(zero_copy_only=False)]))
    return count
