"""Subwords that are drawn anew each time: a text is seen in many segmentations, not only in the most probable one."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from kerasnlp_kit.text.pieces import clean, portions
from kerasnlp_kit.text.subwords import SubwordTokenizer
from kerasnlp_kit.text.token_ids import TokenIds

MOST = 8  # segmentations of a word


class SegmentationSampler:
    """Draws segmentations of texts (Kudo 2018, "Subword Regularization", section 3.1, for each word by itself).

    Of the `MOST` most probable segmentations of a word, each is drawn with a probability in proportion to
    ``p ** power``. No piece reaches over a blank, so that those of a text are those of its words; a text without blanks
    is one word.

    Args:
        tokenizer: whose subwords these are.
        texts: any iterable, read once.
        power: above 0; the lower, the more segmentations differ from the most probable one.
    """

    def __init__(self, tokenizer: SubwordTokenizer, texts: Iterable[str | bytes], power: float) -> None:
        numbers: dict[bytes, int] = {}  # of different words
        words: list[np.ndarray] = []
        lengths: list[int] = [0]
        for rows in portions(texts):
            for text in clean(tf.constant(rows)).numpy():
                found = [numbers.setdefault(word, len(numbers)) for word in text.split(b" ") if word]
                words.append(np.array(found, np.int32))
                lengths.append(len(found))
        self._words = TokenIds(np.concatenate([np.zeros(0, np.int32), *words]), np.cumsum(lengths, dtype=np.int64))
        pieces: list[int] = []
        sizes: list[int] = [0]  # of all segmentations of all words
        limits: list[float] = []  # a segmentation is drawn by a number up to its own and above the one before it
        lasts: list[int] = []
        for number, word in enumerate(numbers):
            ways, scores = tokenizer.segmentations(word, MOST)
            weights = np.exp(power * (scores - scores.max()))
            limits.extend((number + np.cumsum(weights) / weights.sum()).tolist())
            lasts.append(len(limits) - 1)
            for way in ways:
                pieces.extend(way)
                sizes.append(len(way))
        self._segmentations = TokenIds(np.array(pieces, np.int32), np.cumsum(sizes, dtype=np.int64))
        self._limits = np.array(limits)
        self._lasts = np.array(lasts, np.int64)

    def draw(self, random: np.random.Generator) -> TokenIds:
        """Ids of all texts, without begin and end."""
        words = self._words.values
        drawn = np.searchsorted(self._limits, words + random.random(len(words)), side="right")
        ids = self._segmentations.take(np.minimum(drawn, self._lasts[words]))  # sums are rounded
        return TokenIds(ids.values, ids.offsets[self._words.offsets])
