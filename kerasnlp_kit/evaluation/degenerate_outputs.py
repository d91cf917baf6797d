"""Outputs that are wrong in a way one should hear of first: the source again, nothing, or the same words for ever."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_LONGEST_PERIOD = 20  # tokens in an n-gram that is said again
_REPEATED_TOKEN = 4
_REPEATED_NGRAM = 3


@dataclass(frozen=True)
class DegenerateShares:
    """Shares of the rows, 0 to 1, whose output is degenerate though no reference of the row is so."""

    copied: float
    empty: float
    repetitive: float

    def warnings(self) -> tuple[str, ...]:
        """Returns a sentence for each share above what a sound model may have."""
        sentences = (
            (self.copied, 0.05, "of the outputs are the source unchanged, where another text was right"),
            (self.empty, 0.01, "of the outputs are empty"),
            (self.repetitive, 0.02, "of the outputs repeat themselves (a token 4 times, or several 3 times, in a row)"),
        )
        return tuple(f"{share:.1%} {words}." for share, most, words in sentences if share > most)


def degenerate_shares(
    sources: Sequence[str],
    references: Sequence[tuple[str, ...]],
    predictions: Sequence[str],
    split: Callable[[str], Sequence[str]],
) -> DegenerateShares:
    """Counts outputs that are copies of the source, empty or repetitive.

    Args:
        sources: the inputs.
        references: the acceptable targets of each row. What one of them does is right: a copy, where it is the source.
        predictions: the outputs.
        split: gives a text's tokens.
    """
    counts = np.zeros(3)
    for source, targets, prediction in zip(sources, references, predictions, strict=True):
        output = prediction.split()
        if not output:
            counts[1] += all(target.split() for target in targets)
            continue
        counts[0] += output == source.split() and all(output != target.split() for target in targets)
        counts[2] += repeats(split(prediction)) and not any(repeats(split(target)) for target in targets)
    return DegenerateShares(*(counts / len(predictions)).tolist())


def repeats(tokens: Sequence[str]) -> bool:
    """Tells whether one token comes 4 times in a row, or the same 2 to 20 tokens 3 times in a row."""
    if len(tokens) - len(set(tokens)) < _REPEATED_TOKEN - 1:
        return False  # most texts, at once
    longest = min(_LONGEST_PERIOD, len(tokens) // _REPEATED_NGRAM)
    return any(
        _run(tokens, period) >= period * ((_REPEATED_TOKEN if period == 1 else _REPEATED_NGRAM) - 1)
        for period in range(1, longest + 1)
    )


def _run(tokens: Sequence[str], period: int) -> int:
    """The most tokens in a row that are each the same as that `period` before."""
    longest = run = 0
    for earlier, later in zip(tokens, tokens[period:], strict=False):
        run = run + 1 if earlier == later else 0
        longest = max(longest, run)
    return longest
