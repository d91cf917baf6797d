"""Reads JSON lines: one object a line, its values kept as they are spelled."""

import json
import math
from collections.abc import Collection, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from kerasnlp_kit.data.cells import Cells, JsonCells
from kerasnlp_kit.data.chunks import LISTS, Cell, ChunkBuilder
from kerasnlp_kit.data.lines import Lines
from kerasnlp_kit.data.source import Source
from kerasnlp_kit.errors import UserError

_MOST_DIGITS = 4000  # Python reads no integer that is much longer


def _constant(name: str) -> str | None:
    """NaN without quotes is what Python writes where pandas has no value; the text "NaN" stands in quotes."""
    return None if name == "NaN" else name


def _integer(spelled: str) -> int | str:
    return int(spelled) if len(spelled) <= _MOST_DIGITS else spelled


def _exact(spelled: str) -> float | str:
    """The number, or, where it has more digits or is larger than a float holds, its spelling."""
    number = float(spelled)
    try:
        exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(spelled)
    except ArithmeticError:  # an exponent of twenty digits
        exact = False
    return number if exact else spelled


# Numbers keep their spelling: "1.0" and "007"-like labels must not change on their way in.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_constant)
_WITH_NUMBERS = json.JSONDecoder(parse_int=_integer)
_VALUES = json.JSONDecoder(parse_int=_integer, parse_float=_exact, parse_constant=_constant)


class JsonLinesFile:
    """JSON lines whose first keys are known and whose rows are still to be read.

    Attributes:
        columns: The keys of the first lines, in the order they come; `read` may meet more.
        description: How the file is written, in words.
    """

    def __init__(self, source: Source, wanted: Collection[str] = ()):
        self._source = source
        with source.open() as stream:
            lines = Lines(stream, source.name)
            sample, _ = lines.sample()
        if sample[0].lstrip().startswith("["):
            raise UserError(
                f"{source.name}: expected JSON lines, one object a line; found a JSON array. "
                f"Turn it into lines with `jq -c '.[]'`."
            )
        keys: dict[str, None] = {}
        for number, line in enumerate(sample, start=1):
            keys.update(dict.fromkeys(self._object(line, number) if line.strip() else ()))
        self.columns = tuple(keys)
        self.description = f"JSON lines, {lines.encoding.description}"

    def read(
        self, columns: Sequence[str] | None = None, limit: int | None = None, *, plain: Collection[str] | None = None
    ) -> tuple[pa.Table, np.ndarray]:
        """Reads all rows; a cell is null where a line lacks the key or has null.

        Args:
            columns: The keys to keep, or None for all that occur anywhere.
            limit: Reads no more than so many lines.
            plain: The keys that must hold plain values or lists of them; what others hold may be nested, and is then
                kept as JSON in all rows. By default all must.

        Returns:
            A table of strings, or of lists of them, and the line number of each row: int64 (rows,).
        """
        known = dict.fromkeys(self.columns if columns is None else columns)
        nested = set() if plain is None else self._nested_keys(limit) - set(plain)
        builder = ChunkBuilder(tuple(known))
        waiting: list[dict[str, Cell]] = []
        numbers: list[int] = []
        with self._source.open() as stream:
            lines = Lines(stream, self._source.name)
            for number, line in enumerate(islice(lines, limit), start=1):
                if not line.strip():
                    continue
                row = self._object(line, number)
                if columns is None and not row.keys() <= known.keys():
                    for key in row:
                        if key not in known:
                            builder.add_column(key)
                            known[key] = None  # in the same order: cells go to columns by their place
                if here := [key for key in nested if isinstance(row.get(key), (dict, list))]:
                    spelled = _WITH_NUMBERS.decode(line)
                    row |= {key: json.dumps(spelled[key], ensure_ascii=False) for key in here}
                waiting.append({key: self._cell(row[key], key, number) for key in known if key in row})
                numbers.append(number)
                if builder.is_due(len(waiting), lines.characters):
                    builder.add(([row.get(key) for row in waiting] for key in known), numbers, lines.characters)
                    waiting, numbers = [], []
        builder.add(([row.get(key) for row in waiting] for key in known), numbers)
        return builder.finish()

    def values(self, data: pa.Table) -> dict[str, Cells]:
        """The columns that hold something other than strings, with numbers, truth values, lists and objects as such.

        Args:
            data: All columns, as `read` gives them.
        """
        builder = ChunkBuilder(tuple(data.column_names))
        lists = {name for name in data.column_names if data[name].type == LISTS}  # a text there is now a list of one
        waiting: list[dict[str, str]] = []
        with self._source.open() as stream:
            lines = Lines(stream, self._source.name)
            for line in lines:
                if not line.strip():
                    continue
                values = _VALUES.decode(line)
                kept = {key: value for key, value in values.items() if key in lists or not isinstance(value, str)}
                waiting.append({key: json.dumps(value) for key, value in kept.items() if value is not None})
                if builder.is_due(len(waiting), lines.characters):
                    builder.add(([row.get(key) for row in waiting] for key in data.column_names), [], lines.characters)
                    waiting = []
        builder.add(([row.get(key) for row in waiting] for key in data.column_names), [])
        found, _ = builder.finish()
        held = [name for name in found.column_names if found[name].null_count < found.num_rows]
        return {name: JsonCells(data[name], found[name]) for name in held}

    def _nested_keys(self, limit: int | None) -> set[str]:
        """Keys that hold an object, or a list of more than plain values, in some row."""
        found: set[str] = set()
        with self._source.open() as stream:
            for number, line in enumerate(islice(Lines(stream, self._source.name), limit), start=1):
                if line.count("{") > 1 or line.count("[") > 1:  # else it cannot
                    found |= {key for key, value in self._object(line, number).items() if _is_nested(value)}
        return found

    def _object(self, line: str, number: int) -> dict[str, Any]:
        try:
            value = _DECODER.decode(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else error
            raise UserError(
                f"{self._source.name}: line {number} is not JSON: {reason}. Expected one object a line, such as "
                '{"text": "...", "label": "..."}.'
            ) from error
        if not isinstance(value, dict):
            raise UserError(
                f"{self._source.name}: line {number}: expected an object, such as "
                f'{{"text": "...", "label": "..."}}, found {_kind(value)}.'
            )
        return value

    def _cell(self, value: Any, key: str, number: int) -> Cell:
        if isinstance(value, list):
            return [self._plain_cell(item, key, number) for item in value]
        return self._plain_cell(value, key, number)

    def _plain_cell(self, value: Any, key: str, number: int) -> str | None:
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise UserError(
                    f'{self._source.name}: line {number}: "{key}" holds half a surrogate pair (\\ud800 to \\udfff), '
                    "which no Unicode text can. Write the character whole."
                )
            if "\0" in value:
                raise UserError(
                    f'{self._source.name}: line {number}: "{key}" holds a NUL character (\\u0000): this is not text. '
                    "Leave it out."
                )
            return value
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        raise UserError(
            f'{self._source.name}: line {number}: "{key}" holds {_kind(value)}; expected a text, a number, true, '
            "false, null, or a list of these. Flatten the file first, e.g. with jq."
        )


def _is_nested(value: Any) -> bool:
    inner = value if isinstance(value, list) else [value]
    return any(isinstance(item, (dict, list)) for item in inner)


def _kind(value: Any) -> str:
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a plain value"
