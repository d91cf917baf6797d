"""Tells from the head of a file what it is for: sources and targets, texts alone, or texts and their classes."""

import os

from kerasnlp_kit.data.hints import HEAD_ROWS
from kerasnlp_kit.data.names import BOOKKEEPING_NAMES, LABEL_NAMES, TEXT_NAMES, find_name, is_bookkeeping
from kerasnlp_kit.data.pair_columns import looks_like_classes
from kerasnlp_kit.data.pair_names import find_pair
from kerasnlp_kit.data.source import is_local_file
from kerasnlp_kit.data.table import open_table
from kerasnlp_kit.errors import UserError

_FEWEST_ROWS = 10  # with fewer the name of a column decides alone
_LABELS_IN_PART = ("label", "class", "sentiment", "intent", "emotion")  # also "safety_label"
_NO_CLASSES = ("language", "lang")  # that of the texts, beside translations


def looks_like_pairs(path: str | os.PathLike[str]) -> bool:
    """Whether a local file holds sources and targets, as far as its header and its first rows tell; see `pair_head`."""
    return pair_head(path) is not None


def pair_head(path: str | os.PathLike[str]) -> tuple[list[str], list[str]] | None:
    """The first sources and targets of a local file that holds such; None if it does not.

    It does if two of its columns are called so (see `find_pair`), the targets do not look like classes, and no other
    column is a label by its name (where the two have usual names only in part: whatever its name) and its content.
    What cannot be read does not: the reader proper says why. Neither do a URL and standard input, which cannot be
    looked at for nothing.
    """
    if not is_local_file(path):
        return None
    try:
        with open_table(path) as file:
            pair = find_pair(file.columns)
            if pair is None:
                return None
            # "reviewText" and "summary" are less clearly a pair than "text" and "summary": more may speak against it.
            clear = find_pair(file.columns, whole=True) is not None
            others = [column for column in file.columns if column not in pair and _may_be_label(column, by_name=clear)]
            head = file.head((*pair, *others), HEAD_ROWS)
    except UserError:
        return None
    if not set(pair) <= set(head.column_names) or looks_like_classes(head[pair[1]]):
        return None
    few = head.num_rows < _FEWEST_ROWS
    if any(few or looks_like_classes(head[column]) for column in others if column in head.column_names):
        return None
    sources, targets = ([text or "" for text in head[column].to_pylist()] for column in pair)
    return sources, targets


def only_texts(path: str | os.PathLike[str]) -> bool:
    """Whether a local table has one column, called as texts are, and beside it nothing but numbers, dates and the like.

    By its names alone. What cannot be read is none, nor is a URL or standard input; see `pair_head`.
    """
    if not is_local_file(path):
        return False
    try:
        with open_table(path) as file:
            columns = [column for column in file.columns if column.strip().casefold() not in BOOKKEEPING_NAMES]
    except UserError:
        return False
    return len(columns) == 1 and find_name(columns, LABEL_NAMES) is None and find_name(columns, TEXT_NAMES) is not None


def _may_be_label(column: str, by_name: bool) -> bool:
    name = column.strip().casefold()
    if name in _NO_CLASSES:
        return False
    if not by_name:
        return not is_bookkeeping(column)
    return name in LABEL_NAMES or find_name([column], _LABELS_IN_PART) is not None
