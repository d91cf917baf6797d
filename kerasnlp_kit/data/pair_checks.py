"""The short doctor of sources and targets: what flatters a score or spoils a model, and can be found in no time."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from kerasnlp_kit.data.damage import ENTITY, find_damage
from kerasnlp_kit.data.findings import counted, share
from kerasnlp_kit.data.pairs import Pairs
from kerasnlp_kit.data.split import text_keys

_MANY_EQUAL = 0.05  # of the rows: more are hardly all meant
_FAR = 5.0  # times as long or as short as the other rows have it
_SHORT = 10  # characters; added to both lengths, as those of short texts vary freely
_SHOWN_LINES = 3


def pair_notes(train: Pairs, dev: Pairs | None = None, test: Pairs | None = None) -> list[str]:
    """Examines sources and targets: leaks, sources with several targets, rows that copy, lengths, damaged texts.

    Args:
        train: The rows to train on.
        dev: The rows to choose the best epoch on.
        test: The rows to score the finished model on.

    Returns:
        One line for each thing found, leaks first.
    """
    parts = {"train": train, "dev": dev, "test": test}
    there = {name: part for name, part in parts.items() if part is not None and len(part)}
    notes = []
    for check in _CHECKS:
        found = {name: rows for name, part in there.items() if len(rows := check.find(part, train))}
        if found:
            count = sum(map(len, found.values()))
            where = ", ".join(_where(name, there[name], rows, check.lines) for name, rows in found.items())
            notes.append(f"{counted(count, 'row', 'rows')} {check.what}: {where}. {check.advice}")
    return notes


def _leaks(pairs: Pairs, train: Pairs) -> np.ndarray:
    if pairs is train:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.isin(text_keys(pairs.sources), text_keys(train.sources)))


def _several_targets(pairs: Pairs, train: Pairs) -> np.ndarray:
    keys = text_keys(pairs.sources)
    both = np.unique(np.stack([keys, text_keys(pairs.targets)], axis=1), axis=0)
    sources, targets = np.unique(both[:, 0], return_counts=True)
    return np.flatnonzero(np.isin(keys, sources[targets > 1]))


def _copies(pairs: Pairs, train: Pairs) -> np.ndarray:
    """The rows that copy; none if they are few."""
    rows = np.flatnonzero(pc.equal(pairs.sources.array, pairs.targets.array).to_numpy())
    return rows if len(rows) >= _MANY_EQUAL * len(pairs) else rows[:0]


def _odd_lengths(pairs: Pairs, train: Pairs) -> np.ndarray:
    """The rows whose target, next to its source, has far from the length that the middle row has."""
    sources, targets = (pc.utf8_length(texts.array).to_numpy() + _SHORT for texts in (pairs.sources, pairs.targets))
    ratio = np.log(targets / sources)
    return np.flatnonzero(np.abs(ratio - np.median(ratio)) > np.log(_FAR))


def _damaged(pairs: Pairs, train: Pairs) -> np.ndarray:
    """The rows whose text fell into pieces; HTML entities may be meant."""
    both = zip(pairs.sources, pairs.targets, strict=True)
    found = (any(damage and set(damage.kinds) - {ENTITY} for damage in map(find_damage, texts)) for texts in both)
    return np.flatnonzero(np.fromiter(found, bool, len(pairs)))


def _line_breaks(pairs: Pairs, train: Pairs) -> np.ndarray:
    """The rows to learn from whose target holds line breaks or tabs."""
    if pairs is not train:
        return np.zeros(0, np.int64)
    return np.flatnonzero(pc.match_substring_regex(pairs.targets.array, r"\S[\t\n\r]+\S").to_numpy())


class _Check(NamedTuple):
    """What to look for.

    Attributes:
        find: Gives the rows of a part, next to those to train on: int64 (n,).
        what: Says what these rows are like.
        advice: Says why it matters, or what to do.
        lines: Whether to name some lines, so that one can look at them.
    """

    find: Callable[[Pairs, Pairs], np.ndarray]
    what: str
    advice: str
    lines: bool = False


_CHECKS = (
    _Check(_leaks, "with a source that stands in train, too", "Scores on them flatter the model."),
    _Check(
        _several_targets,
        "with a source that has several targets",
        "That is as it should be in translation, but no model can match all of them exactly.",
    ),
    _Check(
        _copies,
        "whose target is the source",
        "If they were never translated, they teach a model to copy: remove them.",
    ),
    _Check(
        _odd_lengths,
        f"whose target is over {_FAR:g} times as long, or as short, as usual for its source",
        "Are they shifted or cut?",
        lines=True,
    ),
    _Check(
        _line_breaks,
        "whose target holds line breaks or tabs",
        "The model writes a blank in their place: mark those that matter by a word of your own.",
    ),
    _Check(
        _damaged,
        "that a wrong encoding has damaged, as in â€™ for ’",
        "Write the file anew as UTF-8.",
        lines=True,
    ),
)


def _where(name: str, pairs: Pairs, rows: np.ndarray, with_lines: bool) -> str:
    """For example "dev 39 of 446 (8.7%)", and "(lines 5, 8, 13, ...)"."""
    where = f"{name} {len(rows):,} of {len(pairs):,} ({share(len(rows), len(pairs))})"
    if not with_lines:
        return where
    lines = ", ".join(str(int(pairs.rows[row])) for row in rows[:_SHOWN_LINES])
    return f"{where[:-1]}; line{'s' if len(rows) > 1 else ''} {lines}{', ...' if len(rows) > _SHOWN_LINES else ''})"
