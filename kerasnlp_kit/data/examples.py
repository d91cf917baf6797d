"""Texts and labels that belong together, ready for a split and a tokenizer."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.columns import Columns, columns_by_name, find_columns
from kerasnlp_kit.data.table import Table, open_table
from kerasnlp_kit.errors import UserError

_SHOWN_ROWS = 5


class Texts(Sequence[str]):
    """A sequence of strings that stays in Arrow's memory and becomes Python strings a piece at a time."""

    def __init__(self, array: pa.ChunkedArray):
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self.array.slice(start, max(0, stop - start)).to_pylist()
            return self.take(np.arange(start, stop, step)).array.to_pylist()
        index = int(index)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.array[index % len(self)].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self.chunks(1000):
            yield from chunk

    def chunks(self, size: int) -> Iterator[list[str]]:
        """Yields lists of `size` texts, the last one shorter."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def take(self, indices: np.ndarray) -> "Texts":
        """Returns the texts at `indices`: int (n,), in that order."""
        # Offsets of 64 bits: what is taken lands in one chunk, which may pass 2 GB.
        array = self.array.cast(pa.large_string()).take(pa.array(np.asarray(indices, dtype=np.int64)))
        return Texts(array)


@dataclass(frozen=True)
class Examples:
    """Texts and labels that belong together, row by row.

    Attributes:
        texts: One string a row.
        labels: int32 (rows,): the place of each row's label in `label_names`; None without labels.
        label_names: The distinct labels, sorted.
        rows: int64 (rows,): the line of the file each row begins at, counted from 1.
        columns: Where texts and labels were found.
        source: What the user named.
        description: How the file is written.
        fingerprint: "sha256:..." of the file's bytes.
        notes: Sentences the user should hear: guessed columns, dropped rows, classes with one row.
    """

    texts: Texts
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    rows: np.ndarray
    columns: Columns
    source: str
    description: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def gold(self) -> list[str]:
        """Returns the name of each row's label."""
        if self.labels is None:
            raise ValueError(f"{self.source} has no labels")
        return [self.label_names[code] for code in self.labels.tolist()]

    def take(self, indices: np.ndarray) -> "Examples":
        """Returns the rows at `indices`: int (n,). The label names stay, so the codes keep their meaning."""
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, texts=self.texts.take(indices), labels=labels, rows=self.rows[indices])


def read_examples(
    source: str | os.PathLike[str],
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    *,
    need_label: bool = True,
    text_separator: str = " ",
    preferred: Columns | None = None,
    preferred_labels: Sequence[str] = (),
) -> Examples:
    """Reads texts and labels.

    Rows whose text is missing, or whose label is missing or blank, are dropped and noted. An empty text is a text.

    Args:
        source: A path, a URL or "-"; see `read_table`.
        text_columns: The columns to join; found if not given.
        label_column: The column of labels; found if not given.
        need_label: If False (prediction), labels are taken only if asked for or found by name and complete.
        text_separator: What stands between joined columns.
        preferred: The columns of the training run: used where this file has them, otherwise found anew and noted.
        preferred_labels: The labels of the training run: they tell which column stands in for its label column.

    Raises:
        UserError: the source cannot be read, a column is missing, no row is left, or the file has neither the label
            column of the training run nor another one with its labels.
    """
    notes: list[str] = []
    usual = () if preferred is None else (*preferred.text, *([preferred.label] if preferred.label is not None else []))
    asked = (*text_columns, *([label_column] if label_column is not None else []))
    with open_table(source, asked or usual) as file:
        if preferred is not None:
            text_columns, label_column = _with_preferred(file.columns, preferred, text_columns, label_column, notes)
        by_values = preferred is not None and need_label and label_column is None
        known = all(column in file.columns for column in (*text_columns, *filter(None, [label_column])))
        text, label = columns_by_name(file.columns, text_columns, label_column, "") if known else ((), None)
        # Reading only what is needed saves memory; a guess by content has to see all columns.
        enough = text and (label is not None or not need_label) and not by_values
        table = file.read((*text, *filter(None, [label])) if enough else None)
    if preferred is not None and by_values:
        label_column = _label_by_values(table, text_columns, preferred.label, preferred_labels)
        notes.append(
            f'{table.source}: the model was trained on label column "{preferred.label}", which this file lacks; took '
            f'"{label_column}", which holds labels of the model.'
        )
    columns = find_columns(table, text_columns, label_column, need_label=need_label)
    if columns.guessed:
        notes.append(f"{table.source}: {columns.reason}.")
    return _examples(table, columns, need_label, text_separator, notes)


def texts_of(table: Table, columns: Sequence[str], separator: str = " ") -> Texts:
    """The text of every row of a table; a missing one is empty. For prediction, where no row may be dropped."""
    return Texts(pc.fill_null(_joined([table.data[column] for column in columns], separator), ""))


def require_classes(examples: Examples) -> None:
    """Checks that a classifier can be trained on `examples`.

    Raises:
        UserError: no labels, one class only, more classes than half the rows, or nothing but blank texts.
    """
    name = examples.source
    if examples.labels is None:
        raise UserError(f"{name}: expected a column of labels, found none. Name it, e.g. --label-column class.")
    _require_text(examples.texts.array, examples.columns, name)
    codes = np.unique(examples.labels)
    column = f'label column "{examples.columns.label}"'
    if len(codes) < 2:
        raise UserError(
            f'{name}: {column} holds one class only, "{examples.label_names[int(codes[0])]}". Expected two or more: '
            "add rows of another class, or name another column."
        )
    if len(codes) * 2 > len(examples) and len(codes) > 2:
        raise UserError(
            f"{name}: {column} holds {len(codes)} classes in {len(examples)} rows: more than half the rows have a "
            "class of their own. Is it an id, a number to predict, or a text? Name another column."
        )


def _with_preferred(
    columns: Sequence[str],
    preferred: Columns,
    text_columns: Sequence[str],
    label_column: str | None,
    notes: list[str],
) -> tuple[Sequence[str], str | None]:
    """Fills in the columns of the training run that this file has, and notes those it lacks."""
    if not text_columns:
        lacking = [column for column in preferred.text if column not in columns]
        if lacking:
            notes.append(f'the model was trained on column "{lacking[0]}", which this file lacks; looked for another.')
        else:
            text_columns = [column for column in preferred.text if column != label_column]
    if label_column is None and preferred.label in columns and preferred.label not in text_columns:
        label_column = preferred.label
    return text_columns, label_column


def _label_by_values(table: Table, text_columns: Sequence[str], missing: str | None, labels: Sequence[str]) -> str:
    """Returns the column with the most rows that hold one of `labels`: a name alone could be that of another label."""
    known = pa.array(labels, pa.string())
    rows = {
        column: pc.sum(pc.is_in(table.data[column], value_set=known)).as_py() or 0
        for column in table.columns
        if column not in text_columns
    }
    best = max(rows, key=lambda column: rows[column], default=None)
    if best is None or not rows[best]:
        shown = ", ".join(f'"{column}"' for column in table.columns)
        raise UserError(
            f'{table.source}: found no label column: the model was trained on "{missing}", which this file lacks, and '
            f"no other column holds a label of the model. The columns are {shown}. Name it, e.g. --label-column class."
        )
    return best


def _examples(table: Table, columns: Columns, need_label: bool, separator: str, notes: list[str]) -> Examples:
    texts = _joined([table.data[column] for column in columns.text], separator)
    labels = None if columns.label is None else table.data[columns.label]
    rows = table.rows
    missing_text = pc.is_null(texts).to_numpy()
    missing_label = np.zeros(len(texts), bool)
    if labels is not None:
        missing_label = _is_blank(labels)
        if not need_label and missing_label.any():
            notes.append(f'{table.source}: column "{columns.label}" has gaps, so its labels are left out.')
            labels, missing_label = None, np.zeros(len(texts), bool)
    dropped = missing_text | missing_label
    if dropped.any():
        for mask, what in ((missing_text, "text"), (missing_label & ~missing_text, "label")):
            if mask.any():
                notes.append(_dropped(table, mask, what))
        if dropped.all():
            raise UserError(
                f"{table.source}: no row has both a text and a label ({columns.reason}). Check the columns."
            )
        keep = pa.array(~dropped)
        texts, rows = texts.filter(keep), rows[~dropped]
        labels = None if labels is None else labels.filter(keep)
    if need_label:
        _require_text(texts, columns, table.source)
    codes, label_names = (None, ()) if labels is None else _coded(labels)
    if codes is not None:
        notes.extend(_label_notes(codes, label_names, table.source))
    return Examples(
        Texts(texts),
        codes,
        label_names,
        rows,
        columns if codes is not None else replace(columns, label=None),
        table.source,
        table.description,
        table.fingerprint,
        tuple(notes),
    )


def _joined(columns: Sequence[pa.ChunkedArray], separator: str) -> pa.ChunkedArray:
    """Joins cells row by row; a missing one is skipped, and the text is missing only if all of them are."""
    if len(columns) == 1:
        return columns[0]
    chunks = []
    # Not with Arrow's binary_join_element_wise: told to skip nulls, pyarrow 26 loses rows in which all are null.
    for batch in pa.table(columns, names=[str(place) for place in range(len(columns))]).to_batches():
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        present = ([cell for cell in row if cell is not None] for row in rows)
        chunks.append(pa.array([separator.join(cells) if cells else None for cells in present], pa.string()))
    return pa.chunked_array(chunks, pa.string())


def _coded(labels: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the labels by their sorted order."""
    places: dict[str, int] = {}
    codes = np.empty(len(labels), np.int32)
    pieces = []
    start = 0
    for chunk in labels.chunks:
        encoded = chunk.dictionary_encode()
        place = [places.setdefault(name, len(places)) for name in encoded.dictionary.to_pylist()]
        pieces.append(codes[start : start + len(chunk)])
        pieces[-1][:] = np.array(place, np.int32)[encoded.indices.to_numpy()]
        start += len(chunk)
    names = sorted(places)
    order = np.empty(len(names), np.int32)
    order[[places[name] for name in names]] = np.arange(len(names), dtype=np.int32)
    for piece in pieces:  # views of `codes`: a piece at a time, as indexing copies
        piece[:] = order[piece]
    return codes, tuple(names)


def _require_text(texts: pa.ChunkedArray, columns: Columns, name: str) -> None:
    if _is_blank(texts).all():
        named = " + ".join(f'"{column}"' for column in columns.text)
        raise UserError(
            f"{name}: all texts in column {named} are empty. Name the column with texts, e.g. --text-column."
        )


def _dropped(table: Table, mask: np.ndarray, what: str) -> str:
    numbers = table.rows[mask]
    shown = ", ".join(map(str, numbers[:_SHOWN_ROWS])) + (", ..." if len(numbers) > _SHOWN_ROWS else "")
    plural = "rows" if len(numbers) > 1 else "row"
    return f"{table.source}: dropped {len(numbers)} {plural} without a {what} (line {shown})."


def _label_notes(codes: np.ndarray, names: Sequence[str], source: str) -> list[str]:
    notes = []
    # In slices, as bincount makes a copy of 64 bits a row.
    slices = np.array_split(codes, 1 + len(codes) // 100_000)
    counts = np.sum([np.bincount(part, minlength=len(names)) for part in slices], axis=0)
    single = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if single:
        shown = ", ".join(f'"{name}"' for name in single[:_SHOWN_ROWS]) + (", ..." if len(single) > _SHOWN_ROWS else "")
        plural = "classes have" if len(single) > 1 else "class has"
        notes.append(f"{source}: {len(single)} {plural} a single row: {shown}.")
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.strip().casefold(), name)
        if other != name:
            notes.append(f'{source}: the labels "{other}" and "{name}" differ only in case or blanks; both are kept.')
    return notes


def _is_blank(cells: pa.ChunkedArray) -> np.ndarray:
    """Returns bool (rows,): whether a cell is missing, empty or all blanks."""
    # Chunk by chunk, as trimming copies.
    blank = [pc.fill_null(pc.equal(pc.utf8_trim_whitespace(chunk), ""), True) for chunk in cells.chunks]
    return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in blank])
