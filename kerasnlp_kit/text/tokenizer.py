"""Texts to token ids: the classic Keras `Tokenizer`, built from TensorFlow ops so that an export can carry it."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnlp_kit.constants import PAD_TOKEN
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.splitting import DEFAULT_FILTERS, SplitRules, compiled_normalize, compiled_tokenize
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.tokenizer_graph import TokenizerGraph, to_bytes
from kerasnlp_kit.text.tokenizer_json import read_config

__all__ = ["TokenIds", "Tokenizer", "TokenizerGraph", "tokenizer_from_json"]

Text = str | bytes | list[str]  # a list holds tokens that are split already

_TEXTS_AT_ONCE = 4096
_CHARACTERS_AT_ONCE = 4_000_000
_MATRIX_MODES = ("binary", "count", "freq", "tfidf")


class Tokenizer:
    """Turns texts into rows of word ids; most frequent word first.

    Takes what `tf.keras.preprocessing.text.Tokenizer` takes, but for `analyzer`, and yields the same ids on ASCII
    texts. The exceptions: a word equal to `oov_token` shares its id, and empty tokens in lists are left out. Two
    keywords are new. One implementation, in core TensorFlow ops, serves fitting, training and the exported model.

    Id 0 is padding. With `oov_token`, id 1 stands for every unknown word; without, unknown words are left out. Words
    follow by falling count, ties by first appearance.

    Lower case is that of `str.lower`, whatever the locale: "ΟΔΟΣ" becomes "οδος" with a final sigma and "İ" becomes two
    code points, "i" and a dot. Only 40 letters that Unicode 14 added (Vithkuqi, Glagolitic "Ⱟ", some Latin for
    medieval texts) stay as they are, because the ICU inside TensorFlow is older.

    Invalid UTF-8 in bytes, lone surrogates in `str` and NUL become U+FFFD; nothing raises.

    Args:
        num_words: Keep ids below this number only, the `num_words - 1` most frequent words. All by default.
        filters: Characters that separate words and are left out.
        lower: Whether to ignore case.
        split: The separator between words.
        char_level: Make each character a token; `filters`, `split` and the two options below then do nothing.
        oov_token: The name of unknown words.
        split_characters: Make each Chinese, Japanese and Thai character a token of its own, with the marks that
            belong to it. Their punctuation then counts as part of `filters`, unless `filters` is empty.
        keep_punctuation: Make each character of `filters` that is not white space a token instead of leaving it out.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = DEFAULT_FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        *,
        split_characters: bool = True,
        keep_punctuation: bool = False,
    ) -> None:
        smallest = 1 if oov_token is None else 2  # the ids that are no words must fit
        if num_words is not None and num_words < smallest:
            raise UserError(f"`num_words` must be at least {smallest}, or None for all words. Received: {num_words}")
        if not split:
            raise UserError("`split` must be at least one character. Received: ''")
        if oov_token == PAD_TOKEN:
            raise UserError("`oov_token` must be a word, or None to leave unknown words out. Received: ''")
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.split_characters = split_characters
        self.keep_punctuation = keep_punctuation

        self.document_count = 0
        self.word_counts: dict[str, int] = {}  # by first appearance
        self.word_docs: dict[str, int] = {}
        self.index_docs: dict[int, int] = {}
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self._lookup: tuple[tuple, Callable] | None = None

    # Fitting

    def fit_on_texts(self, texts: Iterable[Text]) -> None:
        """Count the words of `texts` and number them anew; a second call adds to the counts of the first.

        Args:
            texts: Any iterable, read once and in portions. A list within it is taken as tokens already split.
        """
        for tokens in self._token_batches(texts):
            words, counts, documents = _count_words(tokens.values, tokens.row_splits)
            self.document_count += int(tokens.nrows())
            for bytes_, count, document in zip(words.numpy(), counts.numpy(), documents.numpy(), strict=True):
                word = bytes_.decode()
                self.word_counts[word] = self.word_counts.get(word, 0) + int(count)
                self.word_docs[word] = self.word_docs.get(word, 0) + int(document)

        by_count = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        special = [] if self.oov_token is None else [self.oov_token]
        words = special + [word for word in by_count if word not in special]
        self.word_index = {word: index for index, word in enumerate(words, start=1)}
        self.index_word = {index: word for word, index in self.word_index.items()}
        self.index_docs.update((self.word_index[word], count) for word, count in self.word_docs.items())

    def forget_rare_words(self) -> None:
        """Drop the words beyond `num_words`, which have no id in use: what is saved then holds the vocabulary only."""
        kept = set(self.vocabulary())
        self.word_index = {word: index for word, index in self.word_index.items() if word in kept}
        self.index_word = {index: word for word, index in self.word_index.items()}
        self.word_counts = {word: count for word, count in self.word_counts.items() if word in kept}
        self.word_docs = {word: count for word, count in self.word_docs.items() if word in kept}
        self.index_docs = {index: count for index, count in self.index_docs.items() if index in self.index_word}

    def fit_on_sequences(self, sequences: Iterable[Iterable[int]]) -> None:
        """Count in how many of the rows of ids each id occurs, which `sequences_to_matrix` needs for tfidf."""
        for sequence in sequences:
            self.document_count += 1
            for index in set(sequence):
                self.index_docs[index] = self.index_docs.get(index, 0) + 1

    # Texts to ids

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokens of each text, in graph ops; needs no fitting.

        Args:
            texts: string (batch,).

        Returns:
            string (batch, None).
        """
        return self._rules.tokenize(texts)

    def graph(self, *, max_length: int | None = None) -> TokenizerGraph:
        """The fitted tokenizer as a module for tf.data and for exports; later fitting does not change it."""
        self._require_words()
        return TokenizerGraph(self._rules, self.vocabulary(), self.oov_token, max_length)

    def encode(self, texts: Iterable[Text], max_length: int | None = None) -> TokenIds:
        """Ids of all texts, in portions, so that no more than the ids themselves stay in memory.

        Args:
            texts: Any iterable, as in `fit_on_texts`.
            max_length: Cut each row after this many ids.
        """
        portions = list(self._id_batches(texts, max_length))
        lengths = [np.zeros(1, np.int64)] + [np.diff(offsets) for _, offsets in portions]
        values = [np.zeros(0, np.int32)] + [ids for ids, _ in portions]
        return TokenIds(np.concatenate(values), np.cumsum(np.concatenate(lengths)))

    def texts_to_sequences(self, texts: Iterable[Text]) -> list[list[int]]:
        """Ids of each text as lists."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Text]) -> Iterator[list[int]]:
        """Ids of one text after the other; reads ahead by a few thousand texts."""
        for ids, offsets in self._id_batches(texts, None):
            for start, end in itertools.pairwise(offsets.tolist()):
                yield ids[start:end].tolist()

    def texts_to_matrix(self, texts: Iterable[Text], mode: str = "binary") -> np.ndarray:
        """One row a text, one column an id, as `sequences_to_matrix` describes."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    # Ids to texts

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Words of each row of ids, joined by blanks."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """One text after the other; an id without a word is the `oov_token`, or nothing if there is none."""
        for sequence in sequences:
            words = (self.oov_token if self._is_cut(index) else self.index_word.get(index) for index in sequence)
            named = (self.oov_token if word is None else word for word in words)
            yield " ".join(word for word in named if word is not None)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """Weights of the ids in each row.

        Args:
            sequences: Rows of ids.
            mode: "binary" (1 if it occurs), "count", "freq" (count / length of the row), or "tfidf":
                `(1 + log(count)) * log(1 + document_count / (1 + documents with the id))`.

        Returns:
            float64 (rows, num_words), or (rows, number of words + 1) without `num_words`.
        """
        if mode not in _MATRIX_MODES:
            raise ValueError(f"`mode` must be one of {', '.join(_MATRIX_MODES)}. Received: {mode!r}")
        width = self.num_words or len(self.word_index) + 1
        if width == 1 and not self.num_words:
            raise ValueError("Without `num_words` the tokenizer must be fitted before it can make a matrix.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("The tokenizer must be fitted before `mode='tfidf'` can be used.")

        lengths = np.array([len(sequence) for sequence in sequences], np.int64)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        ids = np.fromiter(itertools.chain.from_iterable(sequences), np.int64, int(lengths.sum()))
        if ids.size and ids.min() < 0:
            raise ValueError(f"Ids must not be negative. Received: {ids.min()}")
        known = ids < width
        cells = rows[known] * width + ids[known]
        counts = np.bincount(cells, minlength=len(lengths) * width).reshape(len(lengths), width)
        if mode == "count":
            return counts.astype(np.float64)
        if mode == "freq":
            return counts / np.maximum(lengths, 1)[:, None]
        if mode == "binary":
            return (counts > 0).astype(np.float64)
        documents = np.array([self.index_docs.get(index, 0) for index in range(width)])
        rarity = np.log(1 + self.document_count / (1 + documents))
        return np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0) * rarity

    # Vocabulary and saved form

    @property
    def vocabulary_size(self) -> int:
        """Number of different ids, with that of padding."""
        size = len(self.word_index) + 1
        return min(self.num_words, size) if self.num_words else size

    def vocabulary(self) -> list[str]:
        """Words by id; entry 0, padding, is empty."""
        return [PAD_TOKEN] + [self.index_word[index] for index in range(1, self.vocabulary_size)]

    def get_config(self) -> dict[str, Any]:
        """Options and counts as plain values (Keras wraps the dictionaries in further JSON; this does not)."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "split_characters": self.split_characters,
            "keep_punctuation": self.keep_punctuation,
            "document_count": self.document_count,
            "word_counts": dict(self.word_counts),
            "word_docs": dict(self.word_docs),
            "index_docs": dict(self.index_docs),
            "word_index": dict(self.word_index),
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as JSON; `kwargs` go to `json.dumps`. It holds words and counts, no texts."""
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **kwargs)

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """The tokenizer that `to_json` wrote, here or in Keras.

        Raises:
            UserError: It is not JSON, or not a tokenizer.
        """
        options, state = read_config(text)
        tokenizer = cls(**options)
        for name, value in state.items():
            setattr(tokenizer, name, value)
        tokenizer.index_word = {index: word for word, index in tokenizer.word_index.items()}
        return tokenizer

    # Inside

    @property
    def _rules(self) -> SplitRules:
        return SplitRules(
            self.filters, self.lower, self.split, self.char_level, self.split_characters, self.keep_punctuation
        )

    def _is_cut(self, index: int) -> bool:
        return self.num_words is not None and index >= self.num_words and index in self.index_word

    def _require_words(self) -> None:
        if not self.document_count and not self.word_index:
            raise ValueError("The tokenizer has no words yet. Call `fit_on_texts` first.")

    def _token_batches(self, texts: Iterable[Text]) -> Iterator[tf.RaggedTensor]:
        """Tokens of a few thousand texts at a time: string (portion, None)."""
        for portion in _portions(texts):
            if isinstance(portion[0], list):
                rows = [[token for token in row if token] for row in portion]
                flat = [to_bytes(token) for row in rows for token in row]
                values = compiled_normalize(self._rules)(tf.constant(flat, tf.string, [len(flat)]))
                row_lengths = tf.constant([len(row) for row in rows], tf.int64)
                yield tf.RaggedTensor.from_row_lengths(values, row_lengths)
            else:
                yield compiled_tokenize(self._rules)(tf.constant([to_bytes(text) for text in portion]))

    def _id_batches(self, texts: Iterable[Text], max_length: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids and offsets of a few thousand texts at a time."""
        self._require_words()
        key = (self._rules, self.num_words, self.oov_token, max_length, self.word_index)
        # The dictionary is compared by identity: fitting makes a new one.
        if self._lookup is None or self._lookup[0][:-1] != key[:-1] or self._lookup[0][-1] is not key[-1]:
            graph = self.graph(max_length=max_length)
            specification = tf.RaggedTensorSpec([None, None], tf.string)
            self._lookup = key, tf.function(graph.look_up, input_signature=[specification], autograph=False)
        for tokens in self._token_batches(texts):
            ids = self._lookup[1](tokens)
            yield ids.values.numpy(), ids.row_splits.numpy()


def tokenizer_from_json(text: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json` wrote."""
    return Tokenizer.from_json(text)


def _portions(texts: Iterable[Text]) -> Iterator[list]:
    """Lists of at most a few thousand texts and a few million characters; strings and token lists never mixed."""
    if isinstance(texts, str | bytes):
        raise ValueError(f"`texts` must be a list of texts, not one text. Received: {texts[:40]!r}")
    portion: list = []
    characters = 0
    for text in texts:
        if not isinstance(text, str | bytes | list):
            raise ValueError(f"A text must be a string or a list of tokens. Received: {text!r}")
        mixed = bool(portion) and isinstance(portion[0], list) != isinstance(text, list)
        if mixed or len(portion) == _TEXTS_AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            yield portion
            portion, characters = [], 0
        portion.append(text)
        characters += len(text)
    if portion:
        yield portion


@tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64)], autograph=False)
def _count_words(tokens: tf.Tensor, row_splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Different words by first appearance, how often each occurs, and in how many rows."""
    words, word_ids, counts = tf.unique_with_counts(tokens, out_idx=tf.int64)
    size = tf.size(words, tf.int64)
    rows = tf.repeat(tf.range(tf.size(row_splits) - 1), row_splits[1:] - row_splits[:-1])
    pairs, _ = tf.unique(tf.cast(rows, tf.int64) * size + word_ids)
    documents = tf.math.unsorted_segment_sum(tf.ones_like(pairs), pairs % tf.maximum(size, 1), size)
    return words, counts, documents
