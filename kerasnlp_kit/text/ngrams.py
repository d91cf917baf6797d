"""Word and character n-grams of texts as 64-bit keys: core TensorFlow ops only, the same in fitting and in the export.

Strings are hashed by integer arithmetic over the code points of a whole batch, without a string for each n-gram: that
is what makes it fast. Keys of 64 bits do not collide in practice (a million n-grams: chance 3e-8), so they stand for
the n-grams themselves.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnlp_kit.text.splitting import SplitRules
from kerasnlp_kit.text.tokenizer_graph import to_bytes

_TEXTS_AT_ONCE = 1024
_CHARACTERS_AT_ONCE = 1_000_000
_BLANK = 32
_WORD_FACTOR = 0x2545F4914F6CDD1D  # odd numbers of 63 bits: products wrap around
_CHARACTER_FACTOR = 0x5851F42D4C957F2D


@dataclass(frozen=True)
class NgramRules:
    """Which n-grams of a text count.

    Words are split as `Tokenizer` does it, with each punctuation mark and each Chinese, Japanese or Thai character a
    word of its own. Character n-grams lie within what blanks separate, with the blanks at both ends as characters, like
    scikit-learn's analyzer ``char_wb``.

    Args:
        words: longest word n-gram; 0 for none.
        characters: shortest and longest character n-gram; (0, 0) for none.
        lower: whether to ignore case.
    """

    words: int = 2
    characters: tuple[int, int] = (2, 5)
    lower: bool = True

    def keys(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The n-grams of each text, as often as they occur.

        Args:
            texts: string (batch,).

        Returns:
            int64 (n-grams,) twice: the row of each n-gram, and its key; keys of words are even, of characters odd.
        """
        split = SplitRules(lower=self.lower, keep_punctuation=True)
        found = []
        if self.words:
            found += _word_ngrams(split.tokenize(texts), self.words)
        if self.characters[1]:
            found += _character_ngrams(split.normalize(texts), *self.characters)
        rows, keys = zip(*found, strict=True)
        return tf.concat(rows, axis=0), tf.concat(keys, axis=0)


def _word_ngrams(words: tf.RaggedTensor, longest: int) -> list[tuple[tf.Tensor, tf.Tensor]]:
    rows = words.value_rowids()
    first = tf.strings.to_hash_bucket_fast(words.values, 2**63 - 1)
    key, found = first, [(rows, _even(first))]
    for length in range(2, longest + 1):
        key = _mixed(key[:-1], first[length - 1 :], _WORD_FACTOR)
        whole = rows[: tf.size(key)] == rows[length - 1 :]
        found.append((tf.boolean_mask(rows[: tf.size(key)], whole), _even(tf.boolean_mask(key, whole))))
    return found


def _character_ngrams(texts: tf.Tensor, shortest: int, longest: int) -> list[tuple[tf.Tensor, tf.Tensor]]:
    texts = tf.raw_ops.StaticRegexReplace(input=texts, pattern=r"[\s\p{Z}]+", rewrite=" ")
    # A blank at both ends of each text: n-grams that hold two of them in a row reach into the next text.
    texts = tf.strings.join([" ", tf.strings.strip(texts), " "])
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    rows = characters.value_rowids()
    points = tf.cast(characters.values, tf.int64)
    blank = characters.values == _BLANK
    key = points * _CHARACTER_FACTOR
    inside = tf.ones_like(blank)  # whether no character but the first and the last is a blank
    found = []
    for length in range(2, longest + 1):
        inside = inside[:-1]
        if length > 2:
            inside &= ~blank[length - 2 : -1]
        key = _mixed(key[:-1], points[length - 1 :], _CHARACTER_FACTOR)
        if length >= shortest:
            whole = inside & ~(blank[: tf.size(key)] & blank[length - 1 :])
            found.append((tf.boolean_mask(rows[: tf.size(key)], whole), _odd(tf.boolean_mask(key, whole))))
    if shortest <= 1:
        single = ~blank
        found.append((tf.boolean_mask(rows, single), _odd(tf.boolean_mask(points * _CHARACTER_FACTOR, single))))
    return found


def _mixed(key: tf.Tensor, following: tf.Tensor, factor: int) -> tf.Tensor:
    """Key of an n-gram and what follows it; products wrap around, and the shift lets high bits reach the low ones."""
    key = key * factor + following
    return tf.bitwise.bitwise_xor(key, tf.bitwise.right_shift(key, 29))


def _even(keys: tf.Tensor) -> tf.Tensor:
    return keys * 2


def _odd(keys: tf.Tensor) -> tf.Tensor:
    return keys * 2 + 1


@functools.lru_cache(maxsize=8)
def _compiled(rules: NgramRules) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    return tf.function(rules.keys, input_signature=[tf.TensorSpec([None], tf.string)])


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram occurs in each of many texts, side by side in three arrays.

    Attributes:
        keys: int64 (entries,), of all rows one after the other; each row's are sorted and distinct.
        counts: int32 (entries,).
        offsets: int64 (rows + 1,); row `i` has the entries `offsets[i]` to `offsets[i + 1]`.
    """

    keys: np.ndarray
    counts: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1


def count_ngrams(rules: NgramRules, texts: Iterable[str | bytes]) -> NgramCounts:
    """Counts the n-grams of texts, in portions."""
    pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    portion: list[bytes] = []
    size = 0
    for text in texts:
        portion.append(to_bytes(text))
        size += len(portion[-1])
        if len(portion) == _TEXTS_AT_ONCE or size > _CHARACTERS_AT_ONCE:
            pieces.append(_count(rules, portion))
            portion, size = [], 0
    if portion or not pieces:
        pieces.append(_count(rules, portion))
    keys, counts, lengths = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return NgramCounts(keys, counts, np.concatenate([[0], np.cumsum(lengths)]))


def _count(rules: NgramRules, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, keys = (found.numpy() for found in _compiled(rules)(tf.constant(texts, tf.string, [len(texts)])))
    distinct, places = np.unique(keys, return_inverse=True)
    # One number for row and key: sorting numbers is much faster than sorting pairs.
    cells, counts = np.unique(rows * len(distinct) + places, return_counts=True)
    rows, places = np.divmod(cells, max(1, len(distinct)))
    return distinct[places], counts.astype(np.int32), np.bincount(rows, minlength=len(texts))
