"""Cells that are no strings: numbers, truth values, lists and objects, as JSON lines and Parquet hold them."""

import base64
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Cells: TypeAlias = Sequence[Any] | pa.ChunkedArray


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


def without_word(value: Any) -> str:
    """What is written in JSON for values that it has no word for: bytes in Base64, times and the like as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def is_list(kind: pa.DataType) -> bool:
    """Whether cells of this type are lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def spelled_floats(cells: pa.Array) -> list[str | None]:
    """Floating-point numbers as NumPy and pandas spell them.

    So 1.0 and not "1", and 3.3 of 32 bits not as 64 bits would continue it. NaN is how pandas writes that there is no
    value.
    """
    number = cells.type.to_pandas_dtype()
    return [None if value is None or value != value else str(number(value)) for value in cells.to_pylist()]
