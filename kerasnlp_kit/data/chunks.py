"""Collects string cells row by row in Arrow arrays, so that a table takes little more memory than its file."""

from array import array
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

# Python strings weigh several times what they hold, so only a few are alive at a time.
_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 1 << 21

LISTS = pa.list_(pa.string())
Cell: TypeAlias = str | list[str | None] | None


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
