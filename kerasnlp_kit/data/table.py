"""Reads a table of strings from CSV, TSV, JSON lines or Parquet, and finds out by itself which it is."""

import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from kerasnlp_kit.data.cells import Cells
from kerasnlp_kit.data.delimited import DelimitedFile
from kerasnlp_kit.data.json_lines import JsonLinesFile
from kerasnlp_kit.data.lines import find_encoding
from kerasnlp_kit.data.parquet import ParquetFile
from kerasnlp_kit.data.source import Source, open_source
from kerasnlp_kit.errors import UserError

_JSON_SUFFIXES = {".jsonl", ".ndjson", ".json", ".jl"}
_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Table:
    """Columns of strings.

    JSON lines and Parquet may also hold lists, such as several labels of a text; they stay lists.

    Attributes:
        columns: The names of the columns that were read.
        data: The cells; a column has the type `pyarrow.string()`, or `list_(string())` if any of its cells is a list
            (a string beside it is then a list of one). Null is a missing cell.
        rows: int64 (rows,): the line of the file each row begins at (Parquet: its row), counted from 1.
        source: What the user named.
        description: How the file is written, e.g. "CSV, comma, header, UTF-8 with byte-order mark".
        fingerprint: "sha256:..." of the bytes as stored.
        values: Of the columns that hold something other than strings: their cells as the file has them, numbers as
            numbers; only where they were asked for.
    """

    columns: tuple[str, ...]
    data: pa.Table
    rows: np.ndarray
    source: str
    description: str
    fingerprint: str
    values: Mapping[str, Cells] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def cells(self) -> dict[str, Cells]:
        """All columns by name, as the file has them where that was asked for."""
        return {name: self.values.get(name, self.data.column(name)) for name in self.columns}


class TableFile:
    """A table that was opened and understood, and whose rows are still to be read.

    Attributes:
        columns: The names of its columns (of JSON lines: those of the first lines).
    """

    def __init__(self, source: Source, wanted: Collection[str] = ()):
        self._source = source
        self._file = _format(source)(source, wanted)

    @property
    def name(self) -> str:
        """What the user named."""
        return self._source.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return self._file.columns

    def head(self, columns: Sequence[str], rows: int) -> pa.Table:
        """Reads about the first `rows` rows, enough to see what columns are like; leaves out what is no string."""
        cells: dict[str, pa.ChunkedArray] = {}
        for column in columns:
            with suppress(UserError):  # such as a column of objects, which nobody asked for
                cells[column] = self._file.read((column,), rows)[0][column]
        return pa.table(cells)

    def read(
        self, columns: Sequence[str] | None = None, *, plain: Collection[str] | None = None, with_values: bool = False
    ) -> Table:
        """Reads all rows, of `columns` only if they are given; `plain`: see `read_table`; values: see `Table`."""
        name = self._source.name
        if columns is not None and not isinstance(self._file, JsonLinesFile):
            for column in columns:
                require_column(column, self.columns, name)
        if isinstance(self._file, JsonLinesFile):
            data, rows = self._file.read(None if columns is None else tuple(dict.fromkeys(columns)), plain=plain)
            for column in columns or ():
                if data.column(column).null_count == data.num_rows:
                    require_column(column, self.columns, name)
        else:
            data, rows = self._file.read(None if columns is None else tuple(dict.fromkeys(columns)), plain=plain)
        if not data.num_rows:
            raise UserError(
                f"{name}: has a header ({', '.join(self.columns)}) but no rows. Expected one row for each text."
            )
        description = self._file.description
        if self._source.compression:
            description += f", {self._source.compression}"
        values = self._file.values(data) if with_values else {}
        return Table(tuple(data.column_names), data, rows, name, description, self._source.fingerprint(), values)


@contextmanager
def open_table(source: str | os.PathLike[str], wanted: Collection[str] = ()) -> Iterator[TableFile]:
    """Opens a table for as long as the context lasts; see `read_table`.

    Args:
        source: A path, a URL or "-".
        wanted: Column names that are looked for; a first row that holds one is a header.
    """
    with open_source(source) as opened:
        yield TableFile(opened, wanted)


def read_table(
    source: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    wanted: Collection[str] = (),
    *,
    plain: Collection[str] | None = None,
) -> Table:
    """Reads a table of strings.

    Format (CSV, TSV, JSON lines, Parquet), compression (gzip, bzip2, xz), delimiter, header and byte-order mark are
    found out from the content. No value is interpreted: "nan", "null", "007" and "1.0" stay what they are. A row with
    too few fields has missing cells (null).

    Args:
        source: A path, an http, https or file URL, or "-" for standard input.
        columns: The columns to keep; all if None. Fewer columns take less memory.
        wanted: Column names that are looked for; a first row that holds one is a header.
        plain: The columns that must hold plain values, or lists of them; what is nested in others is then kept as JSON.
            By default all must.

    Raises:
        UserError: the source cannot be read or is not a table; the message says where and what to do.
    """
    with open_table(source, (*(columns or ()), *wanted)) as table:
        return table.read(columns, plain=plain)


def require_column(column: str, columns: Sequence[str], name: str) -> None:
    """Raises a `UserError` that lists the columns and names the nearest, if `column` is none of them."""
    if column in columns:
        return
    folded = {known.casefold(): known for known in columns}
    near = difflib.get_close_matches(column.casefold(), folded, n=1, cutoff=0.5)
    hint = f' Did you mean "{folded[near[0]]}"?' if near else ""
    raise UserError(f'{name}: there is no column "{column}". The columns are: {", ".join(columns)}.{hint}')


def dropped_note(table: Table, dropped: np.ndarray, what: str) -> str:
    """Says how many rows were dropped, where, and what they lack.

    Args:
        table: The table they were dropped from.
        dropped: bool (rows,): which ones, at least one.
        what: What they lack: "text".
    """
    lines = table.rows[dropped]
    shown_lines = ", ".join(map(str, lines[:_SHOWN_ROWS])) + (", ..." if len(lines) > _SHOWN_ROWS else "")
    plural = "rows" if len(lines) > 1 else "row"
    return f"{table.source}: dropped {len(lines)} {plural} without a {what} (line {shown_lines})."


def _format(source: Source) -> type[DelimitedFile] | type[JsonLinesFile] | type[ParquetFile]:
    """Tells the format by the first bytes, and by the name where these leave it open."""
    with source.open() as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return ParquetFile
    if not head:
        raise UserError(f"{source.name}: is empty once unpacked. Expected a table of texts.")
    if source.suffix in {".parquet", ".pq"}:
        raise UserError(f"{source.name}: the Parquet file is broken: it does not begin with PAR1. Write it again.")
    encoding = find_encoding(head)
    start = head[encoding.mark :].decode(encoding.codec, errors="replace").lstrip()
    if not start and len(head) < 4096:
        raise UserError(f"{source.name}: is empty but for blanks. Expected a table of texts.")
    if re.match(r"<(!doctype|html|\?xml)", start, re.IGNORECASE):
        raise UserError(f"{source.name}: expected CSV, TSV, JSON lines or Parquet; this is a web page or XML.")
    if source.suffix in _JSON_SUFFIXES or re.match(r'\{\s*["}]', start) or re.match(r"\[\s*\{", start):
        return JsonLinesFile
    return DelimitedFile
