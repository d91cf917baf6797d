"""Finds out how a delimited text is written: its delimiter, and whether its first row is a header."""

import csv
import itertools
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from kerasnlp_kit.data.names import is_known_name, is_number, is_plain_value, looks_like_name
from kerasnlp_kit.data.pair_names import find_pair

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
# A file of one column is split at a character that cannot occur: lines with a NUL are refused before.
NO_DELIMITER = "\0"
_NO_VALUE = {"nan", "na", "n/a", "none", "null", "nil", "missing", "unknown"}  # as other programs write it
_ENDS = (".", "…", "!", "?", "。", "！", "？")  # of sentences
_ENOUGH = 4  # rows that tell what a column holds


@dataclass(frozen=True)
class Dialect:
    """How rows are written.

    Attributes:
        delimiter: One of `DELIMITERS`, or `NO_DELIMITER` for one column.
        header: Whether the first row names the columns.
        literal_quotes: Whether a quote is a character like others.
        skip_blank: Whether a blank after the delimiter belongs to the delimiter.
    """

    delimiter: str
    header: bool
    literal_quotes: bool = False
    skip_blank: bool = False

    def reader_options(self) -> dict[str, Any]:
        """The arguments for `csv.reader`."""
        quoting = csv.QUOTE_NONE if self.literal_quotes else csv.QUOTE_MINIMAL
        return {
            "delimiter": self.delimiter,
            "quoting": quoting,
            "skipinitialspace": self.skip_blank,
            "strict": True,
        }


@dataclass(frozen=True)
class _Trial:
    """What a sample looks like when it is split at one delimiter."""

    delimiter: str
    rows: list[list[str]]
    named: bool  # the first row holds a known name
    agreement: float  # share of the lines in rows as wide as the first

    @property
    def parts(self) -> bool:
        """Whether it is more than the comma of numbers such as 1,5, of which others are equals."""
        joints = (pair for row in self.rows for pair in itertools.pairwise(row))
        return self.delimiter != "," or any(
            not left[-1:].isdigit() or not right[:1].isdigit() for left, right in joints
        )

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0


def find_dialect(lines: Sequence[str], complete: bool, wanted: Collection[str] = ()) -> Dialect:
    """Finds the dialect of a sample.

    Args:
        lines: The first lines of a text.
        complete: Whether these are all its lines; otherwise the last row may be cut off.
        wanted: Column names that the user gave: a row that holds one of them is a header.
    """
    trials = [_try(lines, delimiter, complete, wanted) for delimiter in DELIMITERS]
    trials = [trial for trial in trials if trial.width >= 2]
    best = max(trials, key=lambda trial: (trial.named, trial.agreement, trial.width, trial.parts), default=None)
    if best is not None and (best.named or (best.agreement >= 0.5 and not _is_prose(best.rows))):
        header = _has_header(best.rows, wanted)
        return Dialect(best.delimiter, header, skip_blank=header and _is_prose(best.rows[:1]))
    single = _try(lines, NO_DELIMITER, complete, wanted)
    return Dialect(_delimiter_below_header(lines, complete) or NO_DELIMITER, bool(single.rows) and single.named)


def _try(lines: Sequence[str], delimiter: str, complete: bool, wanted: Collection[str]) -> _Trial:
    rows, agreeing = _split(lines, delimiter, complete)
    if delimiter == "\t":
        # Tab-separated files are often written without any quoting: a stray quote must not hide the columns.
        literal, agreeing_literally = _split(lines, delimiter, complete, csv.QUOTE_NONE)
        if agreeing_literally > agreeing:
            # What names the columns may be quoted all the same.
            quoted = bool(rows) and len(rows[0]) == len(literal[0])
            rows, agreeing = [*(rows if quoted else literal)[:1], *literal[1:]], agreeing_literally
    first = [cell.strip() for cell in rows[0]] if rows else []
    named = _is_surely_header(first, rows, wanted) or (
        all(map(looks_like_name, first))
        and any(
            # A list of texts may well begin with one that holds the word "label".
            is_known_name(cell, whole=len(first) == 1) and not _recurs(cell, place, rows)
            for place, cell in enumerate(first)
        )
    )
    return _Trial(delimiter, rows, named, agreeing / max(1, len([line for line in lines if line.strip()])))


def _split(
    lines: Sequence[str], delimiter: str, complete: bool, quoting: Any = csv.QUOTE_MINIMAL
) -> tuple[list[list[str]], int]:
    """Rows up to the first mistake, and how many lines are in those that are as wide as the first."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    rows: list[list[str]] = []
    agreeing = last = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
                agreeing += (reader.line_num - last) if len(row) == len(rows[0]) else 0
            last = reader.line_num
    except csv.Error:
        pass  # a row cut off by the end of the sample, or a mistake that reading the whole will name
    if not complete and len(rows) > 1 and last == len(lines):
        rows.pop()
    return rows, agreeing


def _has_header(rows: list[list[str]], wanted: Collection[str]) -> bool:
    """Judges the first row by the names in it or, failing that, by how it differs from those below."""
    first = [cell.strip() for cell in rows[0]]
    if _is_surely_header(first, rows, wanted) or _stands_above_values(first, rows):
        return True
    if not all(map(looks_like_name, first)) or not any(first):
        return False
    evidence = False
    for place, cell in enumerate(first):
        below = [row[place].strip() for row in rows[1:] if len(row) > place]
        if cell.endswith(_ENDS) and sum(other.endswith(_ENDS) for other in below) * 2 > len(below) > 0:
            return False  # a sentence above sentences
        if len(below) >= _ENOUGH and len(set(below)) * 2 <= len(below):  # looks like a column of labels
            if cell in below:
                return False
            evidence = True
        if below and all(map(is_number, below)):
            evidence = True  # `looks_like_name` has refused numbers
        if below and len(cell) * 2 < statistics.median(map(len, below)):
            evidence = True
        if is_known_name(cell) and cell not in below:
            evidence = True
    return evidence


def _is_surely_header(first: Sequence[str], rows: Sequence[Sequence[str]], wanted: Collection[str]) -> bool:
    """Whether names in the first row decide, whatever else stands in it."""
    return _is_asked(first, wanted) or _is_pair(first, rows) or _names_several(first, rows)


def _stands_above_values(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a word stands above numbers, dates or times only: then the others may be questions, as in a form."""
    for place, cell in enumerate(first):
        below = [row[place].strip() for row in rows[1:] if len(row) > place]
        words = any(map(str.isalpha, cell)) and not any(map(str.isdigit, cell)) and cell.casefold() not in _NO_VALUE
        if words and len(below) >= _ENOUGH and all(map(is_plain_value, below)):
            return True
    return False


def _recurs(cell: str, place: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row below the first has this cell at this place, too."""
    return any(place < len(row) and row[place].strip() == cell for row in rows[1:])


def _is_asked(first: Sequence[str], wanted: Collection[str]) -> bool:
    return any(cell in wanted for cell in first)


def _names_several(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether two cells are usual headings that no row below repeats: then the others may be called as they like.

    A row that repeats all of them is the header of another file, put behind this one; reading names it.
    """
    others = [row for row in rows if [cell.strip() for cell in row] != first]
    known = {
        cell.casefold()
        for place, cell in enumerate(first)
        if is_known_name(cell, whole=True) and not _recurs(cell, place, [first, *others])
    }
    return len(known) >= 2


def names_several(first: Sequence[str]) -> bool:
    """Whether two cells of a row are usual headings."""
    return _names_several([cell.strip() for cell in first], ())


def _is_pair(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row calls two columns as sources and targets are called, and no row below repeats that."""
    pair = find_pair(first, whole=True)
    # Codes of languages are words as well: "is" and "no". What stands below tells.
    if pair is None or all(len(name) == 2 and name.isascii() for name in pair):
        return False
    places = [first.index(name) for name in pair]
    return not any(row[place].strip() in pair for row in rows[1:] for place in places if place < len(row))


def _is_prose(rows: list[list[str]]) -> bool:
    """Whether the delimiter is punctuation: in most rows a blank follows it each time."""
    spaced = sum(all(cell.startswith(" ") for cell in row[1:]) for row in rows)
    return spaced * 2 > len(rows)


def _delimiter_below_header(lines: Sequence[str], complete: bool) -> str | None:
    """Finds a delimiter that all rows agree on but the header lacks, so that reading names the mistake."""
    if len(lines) < 3:
        return None
    for delimiter in DELIMITERS:
        trial = _try(lines[1:], delimiter, complete, ())
        if trial.width >= 2 and trial.agreement == 1.0 and len(trial.rows) >= 2 and not _is_prose(trial.rows):
            return delimiter
    return None
