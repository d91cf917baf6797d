"""Pretrained word vectors in the text formats of GloVe and fastText."""

import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.paths import home_filled_in


def read_vectors(path: str | Path, vocabulary: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the words of a vocabulary; the file is streamed, all other words are passed over.

    A word that the file does not have takes the vector of its lower-case form. If a word occurs twice, its first line
    counts.

    Args:
        path: A text file, or one compressed as `.gz`: a word and its numbers on each line, separated by blanks (GloVe),
            optionally below a line with the number of words and their dimension (fastText).
        vocabulary: Words by id. Empty entries, such as padding, are never looked up.

    Returns:
        matrix: float32 (len(vocabulary), dimension); 0 for words that were not found.
        found: bool (len(vocabulary),).

    Raises:
        UserError: The file is missing, damaged or malformed, or has no word of the vocabulary.
    """
    path = home_filled_in(path)
    lines = _numbered_lines(path)
    dimension, lines = _dimension(path, lines)

    exact = {word.encode("utf-8", "replace"): row for row, word in enumerate(vocabulary) if word}
    lowered: dict[bytes, list[int]] = {}
    for row, word in enumerate(vocabulary):
        if word and word != word.lower():
            lowered.setdefault(word.lower().encode("utf-8", "replace"), []).append(row)
    matrix = np.zeros((len(vocabulary), dimension), np.float32)
    found = np.zeros(len(vocabulary), bool)
    found_in_lower_case = np.zeros(len(vocabulary), bool)

    for number, line in lines:
        # From the right, because some words in the wild hold blanks ("at name@domain.com" in GloVe).
        fields = line.rsplit(b" ", dimension)
        name, values = fields[0], fields[1:]
        if len(values) != dimension or (b" " in name and _is_number(name.rpartition(b" ")[2])):
            received = line.count(b" ")
            raise UserError(
                f"{path}, line {number}: expected a word and {dimension} numbers. Received: {received} numbers"
            )
        exact_row = exact.get(name)
        lower_rows = lowered.get(name, [])
        if exact_row is None and not lower_rows:
            continue
        vector = _vector(values, path, number)
        if exact_row is not None and not found[exact_row]:
            matrix[exact_row] = vector
            found[exact_row] = True
        for row in lower_rows:
            if not found[row] and not found_in_lower_case[row]:
                matrix[row] = vector
                found_in_lower_case[row] = True

    found |= found_in_lower_case
    if not found.any():
        raise UserError(f"{path}: expected vectors of words in the texts. Received: none of the {len(exact)} words")
    return matrix, found


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, without the blank that fastText leaves at their end; numbered from 1."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                stripped = line.rstrip(b" \t\r\n")
                if stripped:
                    yield number, stripped
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: expected a readable file of word vectors. Received: {error}") from None


def _dimension(path: Path, lines: Iterator[tuple[int, bytes]]) -> tuple[int, Iterator[tuple[int, bytes]]]:
    """Numbers per word, from the header or the first line, and the lines that remain to be read."""
    number, first = next(lines, (0, b""))
    if not number:
        raise UserError(f"{path}: expected a word and its numbers on each line. Received: an empty file")
    fields = first.split(b" ")
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        dimension = int(fields[1])
    else:
        dimension = len(fields) - 1
        lines = itertools.chain([(number, first)], lines)
    if dimension < 1:
        raise UserError(f"{path}, line {number}: expected a word and its numbers. Received: {first[:40]!r}")
    return dimension, lines


def _vector(values: list[bytes], path: Path, number: int) -> np.ndarray:
    try:
        vector = np.array(values).astype(np.float32)
    except ValueError:
        wrong = next(value for value in values if not _is_number(value))
        raise UserError(
            f"{path}, line {number}: expected numbers. Received: {wrong[:40].decode('utf-8', 'replace')!r}"
        ) from None
    if not np.isfinite(vector).all():
        raise UserError(f"{path}, line {number}: expected finite numbers. Received: {vector[~np.isfinite(vector)][0]}")
    return vector


def _is_number(value: bytes) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
