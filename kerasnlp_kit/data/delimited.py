"""Reads comma-, tab-, semicolon- and pipe-separated text, strictly and in little memory."""

import csv
import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa

from kerasnlp_kit.data.cells import Cells
from kerasnlp_kit.data.chunks import ChunkBuilder
from kerasnlp_kit.data.dialect import DELIMITERS, NO_DELIMITER, find_dialect, names_several
from kerasnlp_kit.data.lines import Lines
from kerasnlp_kit.data.source import Source
from kerasnlp_kit.errors import UserError

_FIELD_LIMIT = 1 << 26  # characters; what is longer is an unclosed quote
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")  # Excel writes it above the header


class DelimitedFile:
    """A delimited text whose columns are known and whose rows are still to be read.

    Attributes:
        columns: The names in the header, or column_1, column_2, ...
        description: How the file is written, in words.
    """

    def __init__(self, source: Source, wanted: Collection[str] = ()):
        csv.field_size_limit(max(_FIELD_LIMIT, csv.field_size_limit()))
        self._source = source
        with source.open() as stream:
            lines = Lines(stream, source.name)
            sample, complete = lines.sample()
        told = _SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
        self._above = 1 if told and told[1] in DELIMITERS and len(sample) > 1 else 0
        sample = sample[self._above :]
        if not any(line.strip() for line in sample):
            found = "holds nothing but blank lines" if complete else f"begins with {len(sample):,} blank lines or more"
            raise UserError(f"{source.name}: {found}. Expected a table of texts, a header or the first row at its top.")
        self._encoding = lines.encoding.description
        self._dialect = find_dialect(sample, complete, wanted)
        if told and self._above:
            self._dialect = dataclasses.replace(self._dialect, delimiter=told[1])
        if source.suffix in {".tsv", ".tab"} and "\t" in sample[0]:
            self._dialect = dataclasses.replace(self._dialect, delimiter="\t", skip_blank=False)
        try:
            first = self._first_row(sample)
        except csv.Error:
            if self._dialect.delimiter in DELIMITERS and self._dialect.delimiter != "\t":
                first = sample[0].split(self._dialect.delimiter)  # reading will name the mistake
            else:
                self._dialect = dataclasses.replace(self._dialect, literal_quotes=True)
                first = self._first_row(sample)
        self.columns = _column_names(first, self._dialect.header, source.name)
        # Such a row below is no example.
        self._heading = first if self._dialect.header and names_several(first) else None
        self._quoted = _is_quoted(sample)

    @property
    def description(self) -> str:
        """For example "CSV, comma, header, UTF-8 with byte-order mark"."""
        delimiter = self._dialect.delimiter
        parts = [
            "TSV" if delimiter == "\t" else "CSV",
            DELIMITERS.get(delimiter, "one column"),
            "header" if self._dialect.header else "no header",
            self._encoding,
        ]
        if self._dialect.literal_quotes:
            parts.append("quotes taken literally")
        return ", ".join(parts)

    def values(self, data: pa.Table) -> dict[str, Cells]:
        """None: all that the file holds is strings."""
        return {}

    def read(
        self, columns: Sequence[str] | None = None, limit: int | None = None, *, plain: Collection[str] | None = None
    ) -> tuple[pa.Table, np.ndarray]:
        """Reads all rows, or the first `limit`, keeping only `columns`; a cell is null where a row is too short.

        ``plain`` means something where values can be nested; here all are plain.

        Returns:
            A table of strings, and the line each row begins at: int64 (rows,).

        Raises:
            UserError: a wrong encoding, a NUL byte, an unclosed quote, or a row longer than the header.
        """
        columns = self.columns if columns is None else columns
        strict = self._dialect
        may_be_literal = strict.delimiter in {"\t", NO_DELIMITER} and not strict.literal_quotes
        try:
            return self._read(columns, limit, whole_lines=may_be_literal and strict.delimiter == "\t")
        except _QuoteError as error:
            if not may_be_literal or (strict.delimiter == "\t" and self._quoted):
                raise
            # Tab-separated files and plain lists of texts are often written without any quoting.
            self._dialect = dataclasses.replace(strict, literal_quotes=True)
            try:
                return self._read(columns, limit)
            except UserError:
                self._dialect = strict
                if isinstance(error, _WholeLines):
                    return self._read(columns, limit)
                raise error from None

    def _read(
        self, columns: Sequence[str], limit: int | None, *, whole_lines: bool = False
    ) -> tuple[pa.Table, np.ndarray]:
        """As `read`; with ``whole_lines``, a row over several lines of which each could be one is a quote's mistake."""
        places = [self.columns.index(column) for column in columns]
        builder = ChunkBuilder(columns)
        with self._source.open() as stream:
            lines = Lines(stream, self._source.name)
            row_lines: list[str] = []
            given = islice(lines, self._above, None)
            reader = csv.reader(_noted(given, row_lines) if whole_lines else given, **self._dialect.reader_options())
            begin = self._above
            try:
                if self._dialect.header:
                    next(row for row in reader if row)
                begin = reader.line_num + self._above
                row_lines.clear()
                width = len(self.columns)
                waiting: list[Sequence[str | None]] = []
                begins: list[int] = []
                for row in islice(reader, limit):
                    if row == self._heading:
                        raise self._repeated_header(begin + 1)
                    if len(row) != width:
                        if not row and width > 1:
                            begin = reader.line_num + self._above
                            row_lines.clear()
                            continue
                        if len(row) > width:
                            raise self._too_long(row, begin + 1)
                        waiting.append(self._filled(row))
                    else:
                        waiting.append(row)
                    if len(row_lines) > 1 and all(line.count("\t") == width - 1 for line in row_lines):
                        raise _WholeLines(f"{self._source.name}: line {begin + 1}: a quote over several rows.")
                    row_lines.clear()
                    begins.append(begin + 1)
                    begin = reader.line_num + self._above
                    if builder.is_due(len(waiting), lines.characters):
                        builder.add(([row[place] for row in waiting] for place in places), begins, lines.characters)
                        waiting, begins = [], []
                builder.add(([row[place] for row in waiting] for place in places), begins, lines.characters)
            except csv.Error as error:
                raise self._explained(error, begin + 1, reader.line_num + self._above) from error
        return builder.finish()

    def _first_row(self, sample: Sequence[str]) -> list[str]:
        return next(row for row in csv.reader(sample, **self._dialect.reader_options()) if row)

    def _filled(self, row: Sequence[str]) -> list[str | None]:
        """Lengthens a short row with missing cells; in a file of one column a blank line is an empty text."""
        if len(self.columns) == 1:
            return [""]
        return [*row, *[None] * (len(self.columns) - len(row))]

    def _repeated_header(self, line: int) -> UserError:
        return UserError(
            f"{self._source.name}: line {line} repeats the header, as where one file was put behind another. Take that "
            "line out."
        )

    def _too_long(self, row: Sequence[str], line: int) -> UserError:
        mark = self._dialect.delimiter
        where = "the header has" if self._dialect.header else "the first row has"
        fields = "field" if len(self.columns) == 1 else "fields"
        advice = (
            "Put quotes around a field that holds one"
            if not self._dialect.literal_quotes
            else "Replace those inside a field"
        )
        return UserError(
            f"{self._source.name}: line {line}: expected {len(self.columns)} {fields} as {where}, found {len(row)} "
            f"(delimiter: {DELIMITERS.get(mark, 'none')}). {advice}."
        )

    def _explained(self, error: csv.Error, begin: int, line: int) -> UserError:
        """Turns the word of the csv module about the row that begins at line `begin` into advice."""
        name = self._source.name
        if "new-line" in str(error):
            return UserError(
                f"{name}: line {line}: a carriage return inside a field without quotes. Put quotes around the field, "
                "or write all line ends alike."
            )
        opened = self._opening_quote(begin)
        if "unexpected end" in str(error) or "field limit" in str(error):
            return _QuoteError(
                f"{name}: line {opened}: the quote that opens here is never closed. Close it, or double each quote "
                f'that belongs to the text ("").'
            )
        return _QuoteError(
            f"{name}: line {opened}: the quote that opens here is followed by more text after a quote in line {line}. "
            f'It is not closed, or a quote that belongs to the text is not doubled ("").'
        )

    def _opening_quote(self, begin: int) -> int:
        """Returns the line of the last quote that opens a field in the row that begins at line `begin`."""
        opened, inside, fresh = begin, False, True
        with self._source.open() as stream:
            for number, line in enumerate(islice(Lines(stream, self._source.name), begin - 1, None), start=begin):
                # A doubled quote closes the field and, no delimiter between, opens it again: only a fresh one counts.
                for place, character in enumerate(line):
                    if inside:
                        if character == '"':
                            inside = False
                    elif character == '"' and fresh:
                        opened, inside = number, True
                    elif character == '"' and line[place - 1 : place] == '"':
                        inside = True
                    elif character in "\r\n":
                        return opened  # the row ends in order: it was cut short by a quote before
                    elif character != self._dialect.delimiter and line[place - 1 : place] == '"':
                        return opened
                    fresh = not inside and character == self._dialect.delimiter
        return opened


class _QuoteError(UserError):
    """Quotes that do not pair up."""


class _WholeLines(_QuoteError):
    """Quotes that do, but from one row to another, as it seems."""


def _is_quoted(sample: Sequence[str]) -> bool:
    """Whether most cells between tabs stand in quotes, so that a stray quote is a mistake and no character."""
    cells = [cell for line in sample for cell in line.strip("\r\n").split("\t") if cell]
    return 2 * sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells) > len(cells)


def _noted(lines: Iterable[str], kept: list[str]) -> Iterator[str]:
    for line in lines:
        kept.append(line)
        yield line


def _column_names(first: Sequence[str], header: bool, name: str) -> tuple[str, ...]:
    if not header:
        return tuple(f"column_{number}" for number in range(1, len(first) + 1))
    names = [cell.strip() or f"column_{number}" for number, cell in enumerate(first, start=1)]
    twice = next((column for place, column in enumerate(names) if column in names[:place]), None)
    if twice is not None:
        raise UserError(f'{name}: the header names "{twice}" twice. Give each column a name of its own.')
    return tuple(names)
