"""Reads Parquet; numbers and truth values are written out as strings."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

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
        self.columns = tuple(self._batches(None)[0])

    def read(self, columns: Sequence[str]) -> tuple[pa.Table, np.ndarray]:
        """Reads all rows of `columns`; returns a table of strings and the row numbers, counted from 1."""
        _, data = self._batches(columns)
        for column in columns:
            self._refuse_nul(data[column], column)
        return data, np.arange(1, data.num_rows + 1, dtype=np.int64)

    def _refuse_nul(self, cells: pa.ChunkedArray, column: str) -> None:
        start = 1
        for chunk in cells.chunks:
            nul = pa.compute.index(pa.compute.match_substring(chunk, "\0"), True).as_py()
            if nul >= 0:
                raise UserError(
                    f'{self._source.name}: row {start + nul}: "{column}" holds a NUL character: this is not text. '
                    "Leave it out."
                )
            start += len(chunk)

    def _batches(self, columns: Sequence[str] | None) -> tuple[list[str], pa.Table]:
        name = self._source.name
        with ExitStack() as stack:
            path = self._source.path
            if self._source.compression:  # Parquet is read from its end
                path = stack.enter_context(spooled(stack.enter_context(self._source.open())))
            try:
                file = stack.enter_context(pyarrow.parquet.ParquetFile(path))
                names = list(file.schema_arrow.names)
                if columns is None:
                    return names, None
                for column in columns:
                    _require_plain(file.schema_arrow.field(column), name)
                schema = pa.schema([(column, pa.string()) for column in columns])
                batches = [
                    pa.record_batch([_as_strings(batch.column(column)) for column in columns], schema=schema)
                    for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False)
                ]
                return names, pa.Table.from_batches(batches, schema)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, UserError):
                    raise
                reason = str(error).splitlines()[0]
                raise UserError(f"{name}: the Parquet file is broken or cut off ({reason}). Write it again.") from error


def _require_plain(field: pa.Field, name: str) -> None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise UserError(
            f'{name}: column "{field.name}" holds values of the type {field.type}; expected text, numbers or truth '
            "values. Flatten it before writing."
        )


def _as_strings(values: pa.Array) -> pa.Array:
    """Casts to strings as Python and CSV spell them."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        # Arrow writes 1.0 as "1" in some versions; repr is what pandas puts into a CSV.
        values = pa.array([None if value is None else repr(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())
