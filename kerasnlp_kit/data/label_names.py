"""Finds names of classes that may be two spellings of one."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from kerasnlp_kit.data.names import is_number

_LEAST_WORD = 5  # letters: in shorter words another letter is mostly another word, as in "cat" and "car"
# A hyphen parts words where it has a blank on both sides or on none: at an end, as in "A-" and "below -1", it means
# something.
_SEPARATORS = re.compile(r"(?:[\s_./]|(?<=\S)-+(?=\S)|(?<=\s)-+(?=\s))+")


@dataclass(frozen=True)
class SimilarNames:
    """Two names of classes that look like one.

    Attributes:
        first: A name.
        second: Another one.
        reason: How they differ.
        sure: Whether they can hardly mean two things.
    """

    first: str
    second: str
    reason: str
    sure: bool


def similar_names(names: Sequence[str]) -> list[SimilarNames]:
    """Finds pairs of names that differ in case, blanks or hyphens, as numbers not at all, or in one letter.

    One letter is one inserted, left out, replaced or swapped with its neighbour (Damerau-Levenshtein distance 1), in a
    word of five letters or more and not at its start. Digits never count: "class1" and "class2" are two.

    Args:
        names: Distinct names.

    Returns:
        The pairs, in the order of the names; of three spellings of one name, the first with each of the others.
    """
    spellings: dict[str, str] = {}
    found = []
    for name in names:
        first = spellings.setdefault(_folded(name), name)
        if first != name:
            numbers = is_number(first) and is_number(name)
            reason = "the same number" if numbers else "differ only in case, blanks, hyphens or underscores"
            found.append(SimilarNames(first, name, reason, True))
    found += [
        SimilarNames(spellings[one], spellings[two], "differ in one letter", False)
        for one, two in _one_letter(list(spellings))
    ]
    place = {name: index for index, name in enumerate(names)}
    return sorted(found, key=lambda pair: (place[pair.first], place[pair.second]))


def _folded(name: str) -> str:
    """What all spellings of a name have in common."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    plain = "".join(character for character in plain if unicodedata.category(character) != "Cf").strip()
    if is_number(plain):
        try:
            return str(Decimal(plain).normalize() + 0)  # no float: it would round long numbers; and no -0
        except ArithmeticError:  # a decimal comma, a percent sign, "12e7654321"
            return plain
    if not any(map(str.isalpha, plain)):
        return plain  # signs alone may be the name: "+" and "-"
    return _SEPARATORS.sub(" ", plain).strip()


def _one_letter(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the pairs at distance 1, each once."""
    # Two names at distance 1 are equal after each has lost one letter or none.
    buckets: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if len(name) < _LEAST_WORD - 1:
            continue
        for rest in {name, *(name[:index] + name[index + 1 :] for index in range(len(name)))}:
            buckets.setdefault(rest, []).append(place)
    pairs = {pair for places in buckets.values() for pair in combinations(places, 2)}
    for one, two in sorted(pairs):
        if _differ_in_a_letter(names[one], names[two]):
            yield names[one], names[two]


def _differ_in_a_letter(one: str, two: str) -> bool:
    shorter, longer = sorted((one, two), key=len)
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    end = 0
    while end < len(shorter) - start and shorter[-1 - end] == longer[-1 - end]:
        end += 1
    left, right = shorter[start : len(shorter) - end], longer[start : len(longer) - end]
    swapped = len(left) == len(right) == 2 and left == right[::-1]
    if not swapped and (len(left) > 1 or len(right) != 1):
        return False
    if not all(map(str.isalpha, left + right)):
        return False  # a digit makes another name, a sign or a blank too
    word_start = longer.rfind(" ", 0, start) + 1
    word_end = longer.find(" ", start)
    word = longer[word_start : len(longer) if word_end < 0 else word_end]
    return start > word_start and len(word) >= _LEAST_WORD
