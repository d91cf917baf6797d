"""Word and character n-grams of texts as 64-bit keys: core TensorFlow ops only, the same in fitting and in the export.

The key of an n-gram is a polynomial of its symbols (Karp & Rabin 1987, "Efficient randomized pattern-matching
algorithms"): integer arithmetic over the symbols of a whole batch, without a string for each n-gram, which is what
makes it fast. Keys of 63 bits do not collide in practice (a million n-grams: chance 5e-8), so they stand for the
n-grams themselves.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.splitting import ALL_FILTERS, SplitRules
from kerasnlp_kit.text.tokenizer_graph import to_bytes

NONE = 0  # in place of a key, where no n-gram begins

_TEXTS_AT_ONCE = 1024
_BYTES_AT_ONCE = 1_000_000
_BLANK = 32
_FACTOR = 0x5851F42D4C957F2D  # Knuth's multiplier of 64 bits; products wrap around
_SIGN = -(2**63)
_START = 0x9E3779B97F4A7C15 - 2**64  # in place of the hash of a word: Knuth's golden ratio of 64 bits


@dataclass(frozen=True)
class NgramRules:
    """Which n-grams of a text count.

    Words are split as `Tokenizer` does it, with each punctuation mark and each Chinese, Japanese or Thai character a
    word of its own. The start of a text stands before its first word like another word, but is no n-gram alone: what a
    text begins with tells much of questions and requests. Character n-grams lie within what blanks separate, with a
    blank at both ends of it as characters, like those of scikit-learn's analyzer ``char_wb``; but a blank alone is
    none, and what is shorter than the shortest n-gram gives none.

    Args:
        words: longest word n-gram; 0 for none.
        characters: shortest and longest character n-gram; (0, 0) for none.
        lower: whether to ignore case.
        start: whether n-grams of words may begin with the start of the text.

    Raises:
        UserError: these are no lengths, or no n-gram is left.
    """

    words: int = 2
    characters: tuple[int, int] = (2, 5)
    lower: bool = True
    start: bool = True

    def __post_init__(self) -> None:
        shortest, longest = self.characters
        in_order = 1 <= shortest <= longest or shortest == longest == 0
        if self.words < 0 or not in_order or not (self.words or longest):
            raise UserError(
                "N-grams need a longest number of words, or the shortest and the longest number of characters, or both "
                f"(0 and 0 0 for none). Received: {self.words} words, {shortest} to {longest} characters"
            )

    def keys(self, texts: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """The n-grams of each text, as often as they occur.

        Args:
            texts: string (batch,).

        Returns:
            For words and for characters, as far as they count, a pair: int64 (positions,), the row of each position,
            rising; and int64 (positions, lengths), the keys of the n-grams that begin there, NONE where there is none.
            Keys of words are negative, of characters positive.
        """
        split = SplitRules(ALL_FILTERS, self.lower, keep_punctuation=True)
        found = []
        if self.words:
            found.append(_word_ngrams(split.tokenize(texts), self.words, self.start))
        if self.characters[1]:
            found.append(_character_ngrams(split.normalize(texts), *self.characters))
        return found


def _word_ngrams(words: tf.RaggedTensor, longest: int, start: bool) -> tuple[tf.Tensor, tf.Tensor]:
    rows = words.value_rowids()
    symbols = tf.strings.to_hash_bucket_fast(words.values, 2**63 - 1)
    if start and longest > 1:
        rows, symbols = _with_start(words, rows, symbols)
    keys = [tf.bitwise.bitwise_or(key, _SIGN) for key in _polynomials(_shifted(symbols, longest))]
    in_row = [row == rows for row in _shifted(rows, longest, past_end=-1)]
    in_row[0] = symbols != _START  # no hash of a word is negative
    return rows, tf.stack([tf.where(whole, key, NONE) for whole, key in zip(in_row, keys, strict=True)], axis=1)


def _with_start(words: tf.RaggedTensor, rows: tf.Tensor, symbols: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and symbols with another symbol before the first one of each row."""
    every_row = tf.range(words.nrows())
    places = [words.row_starts() + every_row, tf.range(tf.size(symbols, tf.int64)) + rows + 1]
    places = [tf.cast(place, tf.int32) for place in places]
    starts = tf.fill(tf.shape(every_row), tf.constant(_START, tf.int64))
    return tf.dynamic_stitch(places, [every_row, rows]), tf.dynamic_stitch(places, [starts, symbols])


def _character_ngrams(texts: tf.Tensor, shortest: int, longest: int) -> tuple[tf.Tensor, tf.Tensor]:
    # One blank at both ends: no n-gram within blanks reaches into the next text, which begins with another one.
    texts = tf.strings.join([" ", texts, " "])
    texts = tf.raw_ops.StaticRegexReplace(input=texts, pattern=r"[\s\p{Z}]+", rewrite=" ")
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    points = _shifted(tf.cast(characters.values, tf.int64), longest, past_end=_BLANK)
    blank = [point == _BLANK for point in points]
    inside = tf.ones_like(blank[0])  # whether none but the first and the last is a blank
    found = []
    for length, key in enumerate(_polynomials(points), start=1):
        if length > 2:
            inside &= ~blank[length - 2]
        if length >= shortest:
            # Of one or two, not all may be blanks; of more, one stands inside.
            whole = inside if length > 2 else ~(blank[0] & blank[length - 1])
            found.append(tf.where(whole, tf.bitwise.bitwise_and(key, ~_SIGN), NONE))
    return characters.value_rowids(), tf.stack(found, axis=1)


def _shifted(values: tf.Tensor, count: int, past_end: int = 0) -> list[tf.Tensor]:
    """What stands 0, 1, ... `count` - 1 places further on: tensors like `values`."""
    padded = tf.pad(values, [[0, count - 1]], constant_values=past_end)
    return [padded[place : place + tf.size(values)] for place in range(count)]


def _polynomials(symbols: list[tf.Tensor]) -> list[tf.Tensor]:
    """Keys of the n-grams of 1, 2, ... symbols."""
    keys = symbols[:1]
    for symbol in symbols[1:]:
        keys.append(keys[-1] * _FACTOR + symbol)
    return keys


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram occurs in each of many texts: each pair of text and n-gram once.

    Attributes:
        rows: int64 (entries,), the text.
        keys: int64 (entries,), the n-gram.
        counts: int32 (entries,).
        texts: number of texts.
    """

    rows: np.ndarray
    keys: np.ndarray
    counts: np.ndarray
    texts: int


def count_ngrams(rules: NgramRules, texts: Iterable[str | bytes]) -> NgramCounts:
    """Counts the n-grams of texts, in portions."""
    count = _compiled_count(rules)
    pieces = []
    done = 0
    for portion in _portions(texts):
        rows, keys, counts = count(tf.constant(portion, tf.string, [len(portion)]))
        pieces.append((rows.numpy() + done, keys.numpy(), counts.numpy()))
        done += len(portion)
    rows, keys, counts = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return NgramCounts(rows, keys, counts, done)


def _portions(texts: Iterable[str | bytes]) -> Iterator[list[bytes]]:
    """At least one, which may be empty."""
    portion: list[bytes] = []
    size = 0
    for text in texts:
        portion.append(to_bytes(text))
        size += len(portion[-1])
        if len(portion) == _TEXTS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield portion
            portion, size = [], 0
    yield portion


@functools.lru_cache(maxsize=8)
def _compiled_count(rules: NgramRules) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def count(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        rows, keys = [], []
        for rows_of_positions, found in rules.keys(texts):
            places = tf.where(found != NONE)
            rows.append(tf.gather(rows_of_positions, places[:, 0]))
            keys.append(tf.gather_nd(found, places))
        distinct, numbers = tf.unique(tf.concat(keys, axis=0), out_idx=tf.int64)
        # A cell is a text and an n-gram in one number; counting equal numbers counts the n-gram in the text.
        cells, _, counts = tf.unique_with_counts(tf.concat(rows, axis=0) * tf.size(distinct, tf.int64) + numbers)
        kinds = tf.maximum(tf.size(distinct, tf.int64), 1)
        return cells // kinds, tf.gather(distinct, cells % kinds), counts

    return count
