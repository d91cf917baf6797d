"""Several labels a row: joined in one column, as lists, or one column of 0 and 1 for each label."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.chunks import LISTS
from kerasnlp_kit.data.labels import coded, look_alike_notes, shown
from kerasnlp_kit.errors import UserError

_SHOWN_ROWS = 5
_MOST_TARGETS = 1 << 31  # one byte each: beyond it are no labels but texts split at a wrong mark
_TRUE = {"1", "1.0", "true", "yes"}  # 1.0: as pandas writes a 1 in a column with gaps
_FALSE = {"0", "0.0", "false", "no", ""}
_MARKS = ("|", ";", ",", "/", "\t")


def separated(cells: pa.Array, separator: str | None) -> tuple[np.ndarray, pa.Array]:
    """Takes cells apart: lists into their items, strings at `separator` (None leaves them whole).

    Blanks around a name are trimmed, empty names dropped.

    Args:
        cells: strings or lists of strings (rows,).
        separator: What stands between two names.

    Returns:
        The row each name comes from: int64 (names,), and the names: strings (names,).
    """
    rows = np.arange(len(cells))
    if cells.type == LISTS:
        rows = rows[pc.list_parent_indices(cells).to_numpy()]
        cells = pc.list_flatten(cells)
    if separator is not None:
        lists = pc.split_pattern(cells, separator)
        rows = rows[pc.list_parent_indices(lists).to_numpy()]
        cells = pc.list_flatten(lists)
    cells = pc.utf8_trim_whitespace(cells)
    keep = pc.fill_null(pc.not_equal(cells, ""), False)
    return rows[keep.to_numpy(zero_copy_only=False)], cells.filter(keep)


def targets_of_cells(
    cells: pa.ChunkedArray, separator: str | None, column: str, source: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads a column whose cells hold several labels; a name that stands twice in a cell counts once.

    Args:
        cells: strings or lists of strings (rows,); an empty one has none of the labels.
        separator: What stands between two names; None if a string is one name.
        column: Its name, for errors.
        source: The file's name, for errors.

    Returns:
        bool (rows, K): whether a row has a label, and the K distinct names, sorted.

    Raises:
        UserError: the lists hold 0 and 1 instead of names, or the names are too many to be labels.
    """
    rows, pieces = [np.zeros(0, np.int64)], []
    start = 0
    for chunk in cells.chunks:
        row, piece = separated(chunk, separator)
        rows.append(row + start)
        pieces.append(piece)
        start += len(chunk)
    codes, names = coded(pa.chunked_array(pieces, pa.string()))
    if cells.type == LISTS and set(names) <= {"0", "1"}:
        _refuse_indicator_lists(cells, column, source)
    if len(cells) * len(names) > _MOST_TARGETS:
        raise UserError(
            f'{source}: label column "{column}" gives {len(names):,} distinct labels in {len(cells):,} rows. Is it the '
            "column of labels, and is the separator right?"
        )
    targets = np.zeros((len(cells), len(names)), bool)
    targets[np.concatenate(rows), codes] = True
    return targets, names


def targets_of_indicators(
    columns: Sequence[pa.ChunkedArray], names: Sequence[str], lines: np.ndarray, source: str
) -> np.ndarray:
    """Reads columns of 0 and 1, one a label; true, false, yes and no in any case are as good, and a gap counts as 0.

    Args:
        columns: K columns of strings (rows,).
        names: Their K names.
        lines: int (rows,): the line of the file each row begins at, for errors.
        source: The file's name, for errors.

    Returns:
        bool (rows, K).

    Raises:
        UserError: a cell holds anything else.
    """
    targets = np.zeros((len(lines), len(columns)), bool)
    for place, (cells, name) in enumerate(zip(columns, names, strict=True)):
        if cells.type == LISTS:
            raise UserError(f'{source}: label column "{name}" holds lists. Expected 0 or 1, as in the other columns.')
        start = 0
        for chunk in cells.chunks:
            encoded = chunk.dictionary_encode()
            spelled = [value.strip().casefold() for value in encoded.dictionary.to_pylist()]
            # The last entry stands for a missing cell.
            codes = pc.fill_null(encoded.indices, len(spelled)).to_numpy()
            wrong = np.array([value not in _TRUE | _FALSE for value in spelled] + [False])[codes]
            if wrong.any():
                row = int(np.argmax(wrong))
                raise UserError(
                    f'{source}: line {lines[start + row]}: label column "{name}" holds "{chunk[row].as_py()}". With '
                    "several label columns, each is one label: expected 1 or 0, true or false, yes or no."
                )
            true = np.array([value in _TRUE for value in spelled] + [False])
            targets[start : start + len(chunk), place] = true[codes]
            start += len(chunk)
    return targets


def holds_indicators(cells: pa.ChunkedArray) -> bool:
    """Whether a column holds 0 and 1 (or the like) and nothing else."""
    if cells.type == LISTS:
        return False
    values = {value.strip().casefold() for value in pc.unique(cells).to_pylist() if value is not None} - {""}
    return bool(values) and values <= _TRUE | _FALSE


def label_set_notes(targets: np.ndarray, names: Sequence[str], source: str) -> list[str]:
    """Sentences about rows without a label, and about labels with no row, a single row or all rows.

    Args:
        targets: bool (rows, K).
        names: The K labels.
        source: The file's name.
    """
    notes = []
    empty = len(targets) - int(targets.any(axis=1).sum())
    if empty:
        rows = _counted(empty, "row has", "rows have")
        notes.append(f"{source}: {rows} none of the labels; an empty cell counts so, not as a missing label.")
    counts = targets.sum(axis=0)
    for count, words in ((0, "no row"), (1, "a single row"), (len(targets), "every row")):
        found = [name for name, rows in zip(names, counts, strict=True) if rows == count]
        if found:
            notes.append(f"{source}: {_counted(len(found), 'label has', 'labels have')} {words}: {shown(found)}.")
    return notes + look_alike_notes(names, source)


def unknown_label_notes(targets: np.ndarray, names: Sequence[str], known: Sequence[str], source: str) -> list[str]:
    """A sentence that counts and names the labels of a file that a model does not have.

    Args:
        targets: bool (rows, K).
        names: The K labels of the file.
        known: The labels of the model.
        source: The file's name.

    Raises:
        UserError: the file has labels, and the model knows none of them.
    """
    unknown = sorted(set(names) - set(known))
    if not unknown:
        return []
    if len(unknown) == len(set(names)):
        raise UserError(
            f"{source}: none of its labels ({shown(unknown)}) is a label of the model ({shown(known)}). Check the "
            "label column and the separator."
        )
    rows = dict(zip(names, targets.sum(axis=0).tolist(), strict=True))
    unknown.sort(key=lambda name: -rows[name])
    counted = [f'"{name}" ({_counted(rows[name], "row", "rows")})' for name in unknown[:_SHOWN_ROWS]]
    dots = ", ..." if len(unknown) > _SHOWN_ROWS else ""
    what = _counted(len(unknown), "label is", "labels are")
    return [f"{source}: {what} unknown to the model: {', '.join(counted)}{dots}."]


def require_label_sets(targets: np.ndarray, names: Sequence[str], where: str) -> None:
    """Checks that there is something to learn.

    Args:
        targets: bool (rows, K).
        names: The K labels.
        where: The file and its label column, for errors.

    Raises:
        UserError: no label is had by some rows and lacked by others, or there are more labels than half the rows.
    """
    rows = targets.sum(axis=0)
    if not ((rows > 0) & (rows < len(targets))).any():
        what = "no label at all" if not rows.any() else f"only labels that every row has ({shown(names)})"
        raise UserError(f"{where} holds {what}. Expected a label that some rows have and others lack.")
    if len(names) * 2 > len(targets) and len(names) > 2:
        raise UserError(
            f"{where} holds {len(names)} labels in {len(targets)} rows: more than half as many. Is it the column of "
            "labels, and is the separator right?"
        )


def joined_names(targets: np.ndarray, names: Sequence[str], separator: str | None = None) -> list[str]:
    """Writes the labels of each row as one string, such as "billing|refund"; "" where there are none.

    Args:
        targets: bool (rows, K).
        names: The K labels; they come in this order.
        separator: What to put between two names; by default that of `separator_for`.
    """
    if separator is None:
        separator = separator_for(names)
    return [separator.join(own) for own in label_lists(targets, names)]


def label_lists(targets: np.ndarray, names: Sequence[str]) -> Iterator[list[str]]:
    """The labels of each row, in the order of the names: see `joined_names`."""
    return ([names[place] for place in np.flatnonzero(row).tolist()] for row in targets)


def separator_for(names: Sequence[str]) -> str:
    """What to put between labels: the first of `|;,/` and the tabulator that none of them holds."""
    return next((mark for mark in _MARKS if not any(mark in name for name in names)), _MARKS[0])


def _refuse_indicator_lists(cells: pa.ChunkedArray, column: str, source: str) -> None:
    """Lists such as [0, 1, 0] say which labels a row has, not what they are called."""
    lengths = {length for length in pc.unique(pc.list_value_length(cells)).to_pylist() if length is not None}
    if len(lengths) == 1 and max(lengths) > 1:
        raise UserError(
            f'{source}: label column "{column}" holds lists of {max(lengths)} zeros and ones. Expected lists of the '
            "names of the labels, or of the places of the ones."
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
