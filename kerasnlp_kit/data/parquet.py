"""Reads Parquet; numbers and truth values, also those in lists, are written out as strings."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from kerasnlp_kit.data.cells import Cells, is_list, spelled_floats, without_word
from kerasnlp_kit.data.chunks import LISTS
from kerasnlp_kit.data.source import Source, spooled
from kerasnlp_kit.errors import UserError

_BATCH_ROWS = 10_000


class ParquetFile:
    """A Parquet file whose columns are known and whose rows are still to be read.

    Attributes:
        columns: The names of its columns.
        description: How the file is written, in words.
    """

    description = "Parquet"

    def __init__(self, source: Source, wanted: Collection[str] = ()):
        self._source = source
        with self._opened() as file:
            self.columns = tuple(file.schema_arrow.names)

    def read(
        self, columns: Sequence[str] | None = None, limit: int | None = None, *, plain: Collection[str] | None = None
    ) -> tuple[pa.Table, np.ndarray]:
        """Reads all rows of `columns`, or the first `limit`, as strings.

        Args:
            columns: The columns to keep, or None for all.
            limit: Reads no more than so many rows.
            plain: The columns that must hold text, numbers or truth values, or lists of these; values of others are
                written as JSON, bytes in Base64. By default all must.

        Returns:
            A table of strings, or of lists of them, and the row numbers, counted from 1: int64 (rows,).
        """
        columns = self.columns if columns is None else columns
        data = self._table(columns, limit, columns if plain is None else plain)
        for column in data.column_names:
            self._refuse_nul(data[column], column)
        return data, np.arange(1, data.num_rows + 1, dtype=np.int64)

    def values(self, data: pa.Table) -> dict[str, Cells]:
        """The columns that hold something other than strings, with their own types; `data`: see `read`."""
        with self._opened() as file:
            others = [name for name in data.column_names if not pa.types.is_string(file.schema_arrow.field(name).type)]
            found = file.read(others, use_threads=False)
            return {name: found.column(name) for name in others}  # to read "a.b" is also to read that field of "a"

    def _refuse_nul(self, cells: pa.ChunkedArray, column: str) -> None:
        start = 1
        for chunk in cells.chunks:
            plain = pc.list_flatten(chunk) if chunk.type == LISTS else chunk
            nul = pc.index(pc.match_substring(plain, "\0"), True).as_py()
            if nul >= 0:
                nul = pc.list_parent_indices(chunk)[nul].as_py() if chunk.type == LISTS else nul
                raise UserError(
                    f'{self._source.name}: row {start + nul}: "{column}" holds a NUL character: this is not text. '
                    "Leave it out."
                )
            start += len(chunk)

    def _table(self, columns: Sequence[str], limit: int | None, plain: Collection[str]) -> pa.Table:
        with self._opened() as file:
            names = file.schema_arrow.names
            if twice := sorted({name for name in columns if names.count(name) > 1}):
                raise UserError(
                    f'{self._source.name}: {names.count(twice[0])} columns are called "{twice[0]}". Rename them.'
                )
            fields = [file.schema_arrow.field(column) for column in columns]
            for field in fields:
                if field.name in plain and not _is_plain(field.type):
                    raise _not_plain(field, self._source.name)
            kinds = [LISTS if _is_plain(field.type) and is_list(field.type) else pa.string() for field in fields]
            schema = pa.schema(list(zip(columns, kinds, strict=True)))
            size = _BATCH_ROWS if limit is None else min(limit, _BATCH_ROWS)
            found = file.iter_batches(size, columns=list(columns), use_threads=False)
            batches = [
                pa.record_batch([_as_strings(batch.column(column)) for column in columns], schema=schema)
                for batch in islice(found, None if limit is None else -(-limit // size))
            ]
            return pa.Table.from_batches(batches, schema)

    @contextmanager
    def _opened(self) -> Iterator[pyarrow.parquet.ParquetFile]:
        """The file; what is wrong with it is told as a `UserError`."""
        name = self._source.name
        with ExitStack() as stack:
            path = self._source.path
            if self._source.compression:  # Parquet is read from its end
                path = stack.enter_context(spooled(stack.enter_context(self._source.open())))
            try:
                yield stack.enter_context(pyarrow.parquet.ParquetFile(path))
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, UserError):
                    raise
                reason = str(error).splitlines()[0]
                raise UserError(f"{name}: the Parquet file is broken or cut off ({reason}). Write it again.") from error


def _is_plain(kind: pa.DataType) -> bool:
    """Whether values are text, numbers or truth values, or lists of these."""
    kind = kind.value_type if is_list(kind) else kind
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _not_plain(field: pa.Field, name: str) -> UserError:
    return UserError(
        f'{name}: column "{field.name}" holds values of the type {field.type}; expected text, numbers or truth '
        "values, or lists of these. Flatten it before writing."
    )


def _as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=without_word)


def _as_strings(values: pa.Array) -> pa.Array:
    """Casts to strings, or lists of them, as Python and CSV spell them; other types to JSON."""
    if not _is_plain(values.type):
        return pa.array(map(_as_json, values.to_pylist()), pa.string())
    if is_list(values.type):
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, _as_strings(pc.list_flatten(values)), mask=values.is_null())
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pa.array(spelled_floats(values), pa.string())
    values = values.cast(pa.string())
    values.validate(full=True)  # some writers put other encodings than UTF-8 into a column of texts
    return values
