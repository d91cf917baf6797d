"""Texts as a sequence of strings that stays in Arrow's memory."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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


def blank_notes(texts: Texts, source: str) -> list[str]:
    """A sentence about empty texts that a model is asked for; none without any."""
    count = int(is_blank(texts.array).sum()) if len(texts) else 0
    said = f"{count:,} texts are" if count > 1 else "one text is"
    return [f"{source}: {said} empty, and a model's answer to nothing means nothing."] if count else []


def joined(columns: Sequence[pa.ChunkedArray], separator: str) -> pa.ChunkedArray:
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


def is_blank(cells: pa.ChunkedArray) -> np.ndarray:
    """Returns bool (rows,): whether a cell is missing, empty or all blanks."""
    # Chunk by chunk, as trimming copies.
    blank = [pc.fill_null(pc.equal(pc.utf8_trim_whitespace(chunk), ""), True) for chunk in cells.chunks]
    return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in blank])
