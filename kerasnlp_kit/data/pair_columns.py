"""Finds the columns that hold sources and targets: as asked, by name, or as the only two with texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from kerasnlp_kit.data.chunks import LISTS
from kerasnlp_kit.data.columns import probe
from kerasnlp_kit.data.names import TEXT_NAMES, find_name, is_bookkeeping, is_plain_value
from kerasnlp_kit.data.pair_names import find_pair, find_source, find_target
from kerasnlp_kit.data.table import Table, TableFile, require_column
from kerasnlp_kit.errors import UserError

_LONGEST_MEAN_CLASS = 40  # characters
_FEW_CLASSES = 5
_CLASSES_PER_ROW = 0.1


@dataclass(frozen=True)
class PairColumns:
    """Where sources and targets stand.

    Attributes:
        source: The column of sources.
        target: The column of targets; None where only sources were read.
        reason: A sentence for the user that says which columns these are and why.
        guessed: Whether a column was chosen as one of the texts of the file, and not by its name.
    """

    source: str
    target: str | None
    reason: str
    guessed: bool = False


def find_pair_columns(
    file: TableFile, source: str | None = None, target: str | None = None, *, need_target: bool = True
) -> tuple[Table, PairColumns]:
    """Finds the columns of sources and targets, and reads them.

    Columns that are not given are found by a pair of usual names (source and target, question and answer, en and de,
    原文 and 译文, ...); else, if the file has two columns of texts, these are taken in their order.

    Args:
        file: The table, opened.
        source: The column of sources, if it is known.
        target: The column of targets, if it is known.
        need_target: If False, sources alone will do: also under a usual name of texts, or in the first column of texts.

    Returns:
        The rows, of these columns at least, and the columns; their `reason` calls those given "as asked".

    Raises:
        UserError: a column is missing, or cannot be told; it holds lists; both are the same.
    """
    if source is not None and source == target:
        raise UserError(
            f'{file.name}: column "{source}" is asked for as source and as target. Name two columns, e.g. '
            "--source-column en --target-column de."
        )
    named = _by_name(file.columns, source, target, need_target)
    wanted = [column for column in named if column is not None]
    enough = len(wanted) == 1 + need_target and all(column in file.columns for column in wanted)
    table = file.read(wanted if enough else None)
    for column in wanted:
        require_column(column, table.columns, table.source)
    found = named if enough else _by_content(table, *named, need_target)
    sides = list(zip(("source", "target"), found, (source, target), named, strict=True))[: 1 + need_target]
    for side, place, _, _ in sides:
        if table.data[place].type == LISTS:
            raise UserError(
                f'{table.source}: {side} column "{place}" holds lists. Expected one text a row: join each list first, '
                f"e.g. with jq, or name another column with --{side}-column."
            )
    reasons = [
        f'{side} column "{column}" ({_why(column, given, name, len(table.columns))})'
        for side, column, given, name in sides
    ]
    guessed = found != named and len(table.columns) > 1
    return table, PairColumns(str(found[0]), found[1], ", ".join(reasons), guessed)


def find_source_column(table: Table, source: str | None = None) -> str:
    """The column of sources of a table that is read already, where targets are of no interest; see above.

    Raises:
        UserError: it is missing or cannot be told.
    """
    column = source or _by_name(table.columns, None, None, False)[0] or _by_content(table, None, None, False)[0]
    assert column is not None
    require_column(column, table.columns, table.source)
    return column


def _by_name(
    columns: Sequence[str], source: str | None, target: str | None, need_target: bool
) -> tuple[str | None, str | None]:
    """Returns the columns that are given or have a usual name; None where there is none."""
    if source is None or (target is None and need_target):
        pair = find_pair(columns, source, target)
        if pair is not None:
            source, target = pair
        elif (source or target) and (pair := find_pair(columns, target, source)):
            target, source = pair  # the other way round
    if source is None and target is not None:
        source = find_source([column for column in columns if column != target])
    elif source is None and not need_target:
        source = find_source(columns) or find_name(columns, TEXT_NAMES)
    elif source is not None and target is None and need_target:
        target = find_target([column for column in columns if column != source])
    return source, target if need_target else None


def _by_content(
    table: Table, source: str | None, target: str | None, need_target: bool
) -> tuple[str | None, str | None]:
    """Fills in what no name tells: the columns with texts, in their order, if there are no more than are needed."""
    texts = [column for column in table.columns if table.data[column].type != LISTS]
    if len(texts) > 1 + need_target:  # otherwise it does not matter what they hold
        texts = [column for column in texts if not is_bookkeeping(column) and _holds_texts(table.data[column])]
    rest = [column for column in texts if column not in (source, target)]
    if len(table.columns) <= need_target:
        raise UserError(
            f'{table.source}: expected a column of sources and one of targets, found "{table.columns[0]}" alone. Write '
            "each pair as two columns with a header, such as source,target."
        )
    lacking = (source is None) + (target is None and need_target)
    if len(rest) < lacking or (need_target and len(rest) > lacking):
        expected = "two columns, such as source and target or en and de" if need_target else "a column of sources"
        flags = "--source-column and --target-column" if need_target else "--source-column"
        raise UserError(
            f"{table.source}: expected {expected}, and cannot tell which they are: the columns are "
            f"{', '.join(table.columns)}. Name them with {flags}."
        )
    if source is None:
        source = rest.pop(0)
    if target is None and need_target:
        target = rest.pop(0)
    return source, target


def _why(column: str | None, given: str | None, named: str | None, columns: int) -> str:
    if column == given:
        return "as asked"
    if column == named:
        return "by name"
    return "the only column" if columns == 1 else "guessed: one of the columns with texts"


def looks_like_classes(cells: pa.ChunkedArray) -> bool:
    """Whether cells are short and repeat so often that they rather name classes than answer their rows; lists do."""
    if cells.type == LISTS:
        return True
    filled = [cell for cell in cells.to_pylist() if cell and cell.strip()]
    distinct = set(filled)
    return (
        bool(filled)
        and len(distinct) * 2 <= len(filled)
        and len(distinct) <= max(_FEW_CLASSES, _CLASSES_PER_ROW * len(filled))
        and sum(map(len, filled)) <= _LONGEST_MEAN_CLASS * len(filled)
    )


def _holds_texts(column: pa.ChunkedArray) -> bool:
    cells = probe(column)
    filled = [cell for cell in cells.to_pylist() if cell and cell.strip()]
    return sum(map(is_plain_value, filled)) * 10 < len(filled) * 9 and not looks_like_classes(cells)
