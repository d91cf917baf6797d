"""Which tokens suit texts, and the tokenizers of models that write."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.text.token_ids import TokenIds

SHORT_TEXT = 25.0  # characters, the median: what is shorter is written character by character
CJK_WIDTH = 3.0  # characters of Latin script that say as much as one of Chinese
MOST_SYMBOLS = 200  # a side of so few different words, all of them short and frequent, is words: phonemes, tags, moves
LONGEST_SYMBOL = 4.0
RARE_SYMBOL = 5  # occurrences; fewer have
RARE_SYMBOLS = 0.1  # of the different ones, at most
MOST_MEASURED = 500_000  # dev tokens that an epoch is measured by


def kind_of(texts: Sequence[str]) -> tuple[str, str]:
    """Characters, words or subwords for these texts, and why."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in text.split():
            counts[word] = counts.get(word, 0) + 1
        if len(counts) > MOST_SYMBOLS:
            break
    if counts and len(counts) <= MOST_SYMBOLS:
        several = sum(counts.values()) > 2 * len(texts)
        short = sum(map(len, counts)) / len(counts) <= LONGEST_SYMBOL
        rare = sum(number < RARE_SYMBOL for number in counts.values())
        if several and short and rare <= RARE_SYMBOLS * len(counts):
            return "words", f"{len(counts)} different symbols"
    # One text of a megabyte does not move the median.
    median = statistics.median(map(_width, texts)) if texts else 0
    if median < SHORT_TEXT:
        return "characters", f"short texts, median {median:.0f} characters"
    return "subwords", f"sentences, median {median:.0f} characters"


def subword_vocabulary(texts: Sequence[str]) -> int:
    """Size of a vocabulary of subwords: five times the root of the number of words, from 200 to 32,000."""
    words = sum(max(len(text.split()), _width(text) / 6) for text in texts)
    size = min(32_000, max(200, 5 * math.sqrt(words)))
    characters = len(set().union(*map(set, texts))) if texts else 0
    # Every character needs an id, and pieces of several should not be the fewer part.
    return int(round(max(size, 1.5 * characters), -2))


def fit_tokenizer(kind: str, texts: Sequence[str], vocabulary: int | None, seed: int, fewest: int = 1) -> Any:
    """A tokenizer of a kind for these texts, with a vocabulary of this size or, without one, of a fitting size.

    Args:
        kind: characters, words or subwords.
        texts: to fit it to.
        vocabulary: number of ids.
        seed: of what SentencePiece draws.
        fewest: times that a word or character must occur, where no size is given.
    """
    from kerasnlp_kit.text.pieces import PieceTokenizer
    from kerasnlp_kit.text.subwords import SubwordTokenizer

    if kind == "subwords":
        return SubwordTokenizer.fit(texts, vocabulary or subword_vocabulary(texts), seed)
    assert kind in ("characters", "words")
    return PieceTokenizer.fit(texts, kind, vocabulary, 1 if vocabulary else fewest)  # type: ignore[arg-type]


def _width(text: str) -> float:
    """Characters of a text, those of Chinese and the like for several."""
    return sum(CJK_WIDTH if "\u3040" <= character <= "\u9fff" or character >= "\uac00" else 1 for character in text)


def some_rows(ids: TokenIds, seed: int) -> TokenIds:
    """Rows drawn from all, in their order, so many that they have `MOST_MEASURED` tokens together, or all."""
    order = np.random.default_rng(seed).permutation(len(ids))
    fits = np.cumsum(ids.lengths[order] + 1) <= MOST_MEASURED
    fits[:1] = True
    return ids if fits.all() else ids.take(np.sort(order[fits]))


def shortened(ids: TokenIds, limit: int) -> TokenIds:
    """Rows cut after ``limit`` ids."""
    lengths = np.minimum(ids.lengths, limit)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    moved = np.repeat(ids.offsets[:-1] - offsets[:-1], lengths)
    return TokenIds(ids.values[np.arange(offsets[-1]) + moved], offsets)
