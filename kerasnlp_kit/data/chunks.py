"""Collects string cells row by row in Arrow arrays, so that a table takes little more memory than its file."""

import base64
import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Python strings weigh several times what they hold, so only a few are alive at a time.
_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 1 << 21

LISTS = pa.list_(pa.string())
Cell: TypeAlias = str | list[str | None] | None
Cells: TypeAlias = Sequence[Any] | pa.ChunkedArray


def without_word(value: Any) -> str:
    """What is written in JSON for values that it has no word for: bytes in Base64, times and the like as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class JsonCells(Sequence[Any]):
    """The values of a column of JSON lines, which may be of several types, made a slice at a time.

    Args:
        strings: The cells as strings.
        others: Of those that are no strings, what stands in the file.
    """

    def __init__(self, strings: pa.ChunkedArray, others: pa.ChunkedArray):
        self._strings, self._others = strings, others

    def __len__(self) -> int:
        return len(self._strings)

    def __getitem__(self, place: Any) -> Any:
        if not isinstance(place, slice):
            row = range(len(self))[place]
            return self[row : row + 1][0]
        pairs = zip(self._strings[place].to_pylist(), self._others[place].to_pylist(), strict=True)
        return [string if other is None else json.loads(other) for string, other in pairs]

    def as_arrow(self) -> pa.ChunkedArray:
        """A column of truth values or numbers, if all cells are such; else of strings, or lists of them."""
        values = [json.loads(other) for other in pc.unique(self._others).to_pylist() if other is not None]
        kinds = {type(value) for value in values}
        kind = {frozenset({bool}): pa.bool_(), frozenset({int}): pa.int64()}.get(frozenset(kinds))
        if float in kinds and kinds <= {int, float} and all(type(one) is float or abs(one) <= 2**53 for one in values):
            kind = pa.float64()
        given = pc.or_(pc.is_valid(self._others), pc.is_null(self._strings))
        if kind is None or not pc.all(given).as_py():
            return self._strings
        try:
            return pc.cast(self._others, kind)
        except pa.ArrowInvalid:  # more digits than 64 bits hold
            return self._strings


class ChunkBuilder:
    """Gathers rows and turns them into Arrow chunks now and then."""

    def __init__(self, columns: Sequence[str]):
        self._chunks: dict[str, list[pa.Array]] = {column: [] for column in columns}
        self._rows = array("q")
        self._mark = 0

    def is_due(self, waiting: int, characters: int) -> bool:
        """Whether `waiting` rows, read up to `characters` of the text, are enough for a chunk."""
        return waiting >= _CHUNK_ROWS or characters - self._mark >= _CHUNK_CHARACTERS

    def add(self, columns: Iterable[Sequence[Cell]], rows: Sequence[int], characters: int = 0) -> None:
        """Appends one chunk: a sequence of cells per column, and the line number of each row."""
        for chunks, cells in zip(self._chunks.values(), columns, strict=True):
            chunks.append(_array(cells))
        self._rows.extend(rows)
        self._mark = characters

    def add_column(self, column: str) -> None:
        """Begins a column that earlier rows lack."""
        self._chunks[column] = [pa.nulls(len(self._rows), pa.string())]

    def finish(self) -> tuple[pa.Table, np.ndarray]:
        """Returns the table of strings, or of lists of them, and the line numbers: int64 (rows,)."""
        data = pa.table({name: _column(chunks) for name, chunks in self._chunks.items()})
        return data, np.frombuffer(self._rows, dtype=np.int64)


def _array(cells: Sequence[Cell]) -> pa.Array:
    kind = pa.string()
    if any(isinstance(cell, list) for cell in cells):
        cells, kind = [[cell] if isinstance(cell, str) else cell for cell in cells], LISTS
    # Arrow's own pool keeps what its growing buffers leave behind; malloc gives it back.
    return pa.array(cells, type=kind, memory_pool=pa.system_memory_pool())


def _column(chunks: Sequence[pa.Array]) -> pa.ChunkedArray:
    """Joins the chunks; where some hold lists, a string of the others becomes a list of one."""
    kind = LISTS if any(chunk.type == LISTS for chunk in chunks) else pa.string()
    if kind == LISTS:
        chunks = [chunk if chunk.type == LISTS else _as_lists(chunk) for chunk in chunks]
    return pa.chunked_array(chunks, kind)


def _as_lists(chunk: pa.Array) -> pa.Array:
    return pa.array([None if cell is None else [cell] for cell in chunk.to_pylist()], LISTS)
