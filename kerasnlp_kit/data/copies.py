"""Finds the rows whose text, or nearly that text, stands in another row: of the same file, or of an earlier one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from kerasnlp_kit.data.findings import Pool
from kerasnlp_kit.data.near_duplicates import near_duplicates, plain_text, text_keys
from kerasnlp_kit.data.texts import Texts, is_blank


@dataclass(frozen=True)
class Copies:
    """Which rows have the text of another one; rows with a blank text have no copies.

    Of each kind int64 (rows,): the other row, -1 where there is none.

    Attributes:
        repeats: The first row of the same file with this very text, for all rows after it.
        leaks: The first row with this very text in an earlier file.
        near_repeats: A row of the same file whose text is not this one, but nearly; for rows that are no repeats.
        near_leaks: A row of an earlier file with nearly this text; for rows that are no leaks.
        near_repeat_similarity: float32 (rows,): how similar the two texts are, 1 if but for case, blanks, punctuation
            and digits they are equal; 0 where there is no other row.
        near_leak_similarity: The same for `near_leaks`.
        in_training: bool (rows,): whether a row of a later file has a text of the first file, or nearly one.
        text: int64 (rows,): equal for equal texts.
        plain: int64 (rows,): equal for texts that are equal but for case, blanks, punctuation and digits.
        blank: bool (rows,): whether the text is empty or nothing but blanks.
    """

    repeats: np.ndarray
    leaks: np.ndarray
    near_repeats: np.ndarray
    near_leaks: np.ndarray
    near_repeat_similarity: np.ndarray
    near_leak_similarity: np.ndarray
    in_training: np.ndarray
    text: np.ndarray
    plain: np.ndarray
    blank: np.ndarray


def find_copies(pool: Pool, *, similar: bool = True) -> Copies:
    """Compares each text with all others.

    Args:
        pool: The rows.
        similar: Whether to look for texts that share nearly all of their trigrams, too (see `near_duplicates`), and not
            only for those that are equal but for case, blanks, punctuation and digits.
    """
    blank = is_blank(pool.texts.array)
    text = np.unique(text_keys(pool.texts), return_inverse=True)[1]
    _, representatives, plain = np.unique(
        text_keys(map(plain_text, pool.texts)), return_index=True, return_inverse=True
    )
    file = pool.file
    first_of_text, first_of_plain = _first_rows(text, pool), _first_rows(plain, pool)

    repeats = first_of_text[text, file]
    repeats[repeats == np.arange(len(pool))] = -1
    leaks = _of_earlier_file(first_of_text[text], file)
    near_repeats = _other_spelling(plain, file, (repeats < 0) & ~blank)
    near_leaks = np.where(leaks < 0, _of_earlier_file(first_of_plain[plain], file), -1)
    for others in (repeats, leaks, near_repeats, near_leaks):
        others[blank] = -1
    repeat_similarity = (near_repeats >= 0).astype(np.float32)
    leak_similarity = (near_leaks >= 0).astype(np.float32)
    in_training = (file > 0) & (first_of_plain[plain, 0] >= 0)

    if similar:
        found = near_duplicates(_PlainTexts(pool.texts.take(representatives)), first_of_plain >= 0)
        # Row by row and file by file: the first row there with the text that is similar to this row's.
        similar_rows = np.where(
            found.other[plain] >= 0, first_of_plain[found.other[plain], np.arange(first_of_plain.shape[1])], -1
        )
        open_repeats = (near_repeats < 0) & (repeats < 0)
        near_repeats[open_repeats] = similar_rows[open_repeats, file[open_repeats]]
        repeat_similarity[open_repeats] = found.similarity[plain, file][open_repeats]
        open_leaks = (near_leaks < 0) & (leaks < 0)
        near_leaks[open_leaks] = _of_earlier_file(similar_rows, file)[open_leaks]
        there = np.flatnonzero(open_leaks & (near_leaks >= 0))
        leak_similarity[there] = found.similarity[plain[there], file[near_leaks[there]]]
        in_training |= (file > 0) & (similar_rows[:, 0] >= 0)
    return Copies(
        repeats,
        leaks,
        near_repeats,
        near_leaks,
        repeat_similarity,
        leak_similarity,
        in_training & ~blank,
        text,
        plain,
        blank,
    )


class _PlainTexts(Sequence[str]):
    """Texts that are made plain when they are read, so that they need no memory."""

    def __init__(self, texts: Texts):
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return list(map(plain_text, self._texts[index]))
        return plain_text(self._texts[index])

    def __iter__(self) -> Iterator[str]:
        return map(plain_text, self._texts)


def _first_rows(ids: np.ndarray, pool: Pool) -> np.ndarray:
    """Returns int64 (ids, files): the first row of each id in each file, -1 where it has none."""
    first = np.full((int(ids.max(initial=-1)) + 1, len(pool.examples)), -1, np.int64)
    rows = np.arange(len(ids))[::-1]  # backwards, as the last one written stays
    first[ids[rows], pool.file[rows]] = rows
    return first


def _of_earlier_file(rows: np.ndarray, file: np.ndarray) -> np.ndarray:
    """Returns of int64 (rows, files) the entry of the first file that has one, files before the row's own alone."""
    found = np.full(len(rows), -1, np.int64)
    for earlier in reversed(range(rows.shape[1])):
        there = (rows[:, earlier] >= 0) & (file > earlier)
        found[there] = rows[there, earlier]
    return found


def _other_spelling(plain: np.ndarray, file: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns int64 (rows,): for each candidate another one of its file with the same plain text, -1 if there is none.

    That is the first such row; for the first one itself, the second.
    """
    found = np.full(len(plain), -1, np.int64)
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((rows, plain[rows], file[rows]))]
    new = np.ones(len(rows), bool)
    new[1:] = (plain[rows[1:]] != plain[rows[:-1]]) | (file[rows[1:]] != file[rows[:-1]])
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=len(rows))
    found[rows] = np.repeat(rows[starts], sizes)
    found[rows[starts]] = -1
    many = starts[sizes > 1]
    found[rows[many]] = rows[many + 1]
    return found
