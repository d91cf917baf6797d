"""How far two sequences are apart, a bit for each item: a row of the table is one long integer, not a loop.

Reference: Hyyrö (2003), A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit Distances; Hyyrö (2004),
Bit-Parallel LCS-length Computation Revisited. Both go back to Myers (1999). Python's integers have no last bit, so no
sequence is too long.
"""

from collections.abc import Hashable, Sequence


def levenshtein(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Returns the fewest insertions, deletions and substitutions of an item that turn one sequence into the other.

    Args:
        first: a text for its characters, or a list of tokens.
        second: the same.
    """
    if not first:
        return len(second)
    positions = _positions(first)
    every_bit, last_bit = (1 << len(first)) - 1, 1 << (len(first) - 1)
    # Bit i tells whether the table goes up (or down) by 1 from cell i to cell i + 1 of the present column.
    up, down = every_bit, 0
    distance = len(first)  # the last cell of the column
    for item in second:
        match = positions.get(item, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right_up = down | ~(diagonal | up)
        right_down = up & diagonal
        distance += bool(right_up & last_bit) - bool(right_down & last_bit)
        right_up = (right_up << 1) | 1  # the first row counts the items of `second`
        right_down <<= 1
        up = (right_down | ~(diagonal | right_up)) & every_bit
        down = right_up & diagonal & every_bit
    return distance


def longest_common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Returns the most items that both sequences have in the same order, not necessarily next to each other."""
    positions = _positions(first)
    every_bit = (1 << len(first)) - 1
    row = every_bit  # a 0 at bit i: one more common item by cell i + 1
    for item in second:
        match = row & positions.get(item, 0)
        row = ((row + match) | (row - match)) & every_bit
    return len(first) - row.bit_count()


def _positions(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    positions: dict[Hashable, int] = {}
    for index, item in enumerate(sequence):
        positions[item] = positions.get(item, 0) | 1 << index
    return positions
