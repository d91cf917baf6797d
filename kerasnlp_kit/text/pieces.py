"""Characters or words that can be joined to the text again: core TensorFlow operations only."""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, FIRST_PIECE, PAD, UNK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.splitting import SplitRules
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.tokenizer_graph import to_bytes

PieceKind = Literal["characters", "words"]

SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")  # how ids without a piece are shown
UNKNOWN = "⁇"  # what the text has in the place of an unknown piece
_TEXTS_AT_ONCE = 4096
_RAW = SplitRules(lower=False)

# A word is a run of letters, marks and digits; a character of a script without blanks, or any other character, is a
# word of its own. The blank before a word is a part of it, shown as U+2581 (Kudo & Richardson 2018, "SentencePiece").
_BLANK = "\u2581"
_BORDER = "\x1f"  # the unit separator, which no text holds after `_clean`
_OWN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\x{30FC}\x{FF70}][\p{M}\x{FF9E}\x{FF9F}]*"
_WORD = rf"{_BLANK}?(?:[\p{{L}}\p{{M}}\p{{N}}]+|[^{_BLANK}{_BORDER}])|{_BLANK}"


def _replace(texts: tf.Tensor, pattern: str, rewrite: str) -> tf.Tensor:
    return tf.raw_ops.StaticRegexReplace(input=texts, pattern=pattern, rewrite=rewrite)


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Valid UTF-8 without NUL, without outer blanks, and with one blank where several were: string, any shape."""
    return tf.strings.strip(_replace(_RAW.normalize(texts), r"[\s\x{1f}\x{a0}\x{3000}]+", " "))


def continued(given: tf.Tensor, begun: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    """Texts as they came, with what was written behind them: string (batch,).

    Args:
        given: their beginnings, see `clean`.
        begun: what the tokenizer makes of the tokens of these.
        whole: what it makes of them and all that follow.
    """
    added = tf.strings.substr(whole, tf.strings.length(begun), tf.fill(tf.shape(whole), 2**30))
    return tf.where(tf.strings.length(given) > 0, tf.strings.join([given, added]), whole)


def split(texts: tf.Tensor, kind: PieceKind) -> tf.RaggedTensor:
    """Pieces of texts.

    Args:
        texts: string (batch,), UTF-8.
        kind: characters, or words with the blank before them.

    Returns:
        string (batch, None). Joined they are the text again, but for blanks in a row and at the ends.
    """
    texts = clean(texts)
    if kind == "characters":
        return tf.strings.unicode_split(texts, "UTF-8")
    texts = _replace(texts, _BLANK, "_")
    # A blank before the first word too, so that a word is the same piece wherever it stands.
    texts = _replace(texts, r"^(.)| ", rf"{_BLANK}\1")
    # Scripts without blanks first, as a run of letters would take them in; the blank stays before its word.
    texts = _replace(texts, f"({_BLANK}?{_OWN})", rf"{_BORDER}\1{_BORDER}")
    texts = _replace(texts, f"({_WORD})", rf"\1{_BORDER}")
    pieces = tf.raw_ops.StringSplit(input=texts, delimiter=_BORDER, skip_empty=True)
    rows = tf.range(tf.size(texts, tf.int64) + 1)
    row_splits = tf.searchsorted(pieces.indices[:, 0], rows, out_type=tf.int64)
    return tf.RaggedTensor.from_row_splits(pieces.values, row_splits, validate=False)


def join(pieces: tf.RaggedTensor, kind: PieceKind) -> tf.Tensor:
    """The texts that pieces make up: string (batch, None) to string (batch,)."""
    texts = tf.strings.reduce_join(pieces, axis=-1)
    return tf.strings.strip(_replace(texts, _BLANK, " ")) if kind == "words" else texts


class ReversibleTokenizer:
    """What tokenizers share whose ids can be turned into the text again.

    Ids 0 to 3 are padding, unknown, begin and end.

    Attributes:
        kind: of the tokens.
        library: what a loader of the export must have beside TensorFlow.
        file_ending: of the file that `save` fills.
        vocabulary_size: number of ids.
    """

    kind: str
    library: str | None = None
    file_ending: str
    vocabulary_size: int

    def _make_graph(self) -> Any:
        raise NotImplementedError

    @functools.cached_property
    def _graph(self) -> Any:
        return self._make_graph()

    @functools.cached_property
    def _encode(self) -> Any:
        return tf.function(self._graph.encode, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

    def graph(self) -> Any:
        """Encoding and decoding as a part of a SavedModel: a `PieceGraph` or the like."""
        return self._graph

    def encode(self, texts: Iterable[str | bytes]) -> TokenIds:
        """Ids of all texts, without begin and end; some thousand texts at a time."""
        lengths, values = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
        for rows in portions(texts):
            ids = self._encode(tf.constant(rows))
            values.append(ids.values.numpy())
            lengths.append(np.diff(ids.row_splits.numpy()))
        return TokenIds(np.concatenate(values), np.cumsum(np.concatenate(lengths)))

    def decode(self, ids: Sequence[Sequence[int] | np.ndarray]) -> list[str]:
        """Texts of rows of ids without padding, begin and end."""
        values = np.fromiter(itertools.chain.from_iterable(ids), np.int32)
        rows = tf.RaggedTensor.from_row_lengths(values, np.array([len(row) for row in ids], np.int64), validate=False)
        return [text.decode("utf-8", "replace") for text in self._graph.decode(rows).numpy()]

    def beginnings(self, texts: Sequence[str | bytes], tokens: int) -> list[str]:
        """Texts up to so many of their tokens."""
        ids = self.encode(texts)
        return self.decode([ids.row(row)[:tokens] for row in range(len(ids))])


class PieceTokenizer(ReversibleTokenizer):
    """Texts to ids and back, by characters or by words: by falling count, ties in the order of code points.

    Args:
        kind: what a piece is.
        pieces: by id, from `FIRST_PIECE` on.
    """

    file_ending = ".json"
    kind: PieceKind

    def __init__(self, kind: PieceKind, pieces: Sequence[str]) -> None:
        self.kind = kind
        self.pieces = tuple(pieces)
        self.vocabulary_size = FIRST_PIECE + len(self.pieces)

    @classmethod
    def fit(
        cls, texts: Iterable[str | bytes], kind: PieceKind, size: int | None = None, fewest: int = 1
    ) -> "PieceTokenizer":
        """The tokenizer of the pieces of ``texts``; of the ``size - 4`` most frequent ones, if a size is given.

        Args:
            texts: any iterable, read once.
            kind: what a piece is.
            size: of the vocabulary, at most.
            fewest: times that a piece must occur.
        """
        counts: dict[bytes, int] = {}
        for rows in portions(texts):
            found, numbers = np.unique(split(tf.constant(rows), kind).values.numpy().astype(object), return_counts=True)
            for piece, number in zip(found.tolist(), numbers.tolist(), strict=True):
                counts[piece] = counts.get(piece, 0) + number
        kept = [piece for piece, number in counts.items() if number >= fewest]
        ordered = sorted(kept, key=lambda piece: (-counts[piece], piece))
        return cls(kind, [piece.decode() for piece in ordered[: None if size is None else size - FIRST_PIECE]])

    def _make_graph(self) -> "PieceGraph":
        return PieceGraph(self.kind, self.pieces)

    def save(self) -> bytes:
        """What `load` takes: JSON."""
        return json.dumps({"kind": self.kind, "pieces": self.pieces}, ensure_ascii=False).encode()

    @classmethod
    def load(cls, saved: bytes) -> "PieceTokenizer":
        """The tokenizer that `save` wrote.

        Raises:
            UserError: it is something else.
        """
        try:
            content: Any = json.loads(saved)
            kind, pieces = content["kind"], content["pieces"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"A saved tokenizer must be JSON with kind and pieces: {error!r}") from None
        whole = isinstance(pieces, list) and all(isinstance(piece, str) and piece for piece in pieces)
        if kind not in ("characters", "words") or not whole or len(set(map(to_bytes, pieces))) < len(pieces):
            raise UserError("A saved tokenizer must hold a known kind and pieces, each once and none empty.")
        return cls(kind, pieces)

    def beginnings(self, texts: Sequence[str | bytes], tokens: int) -> list[str]:
        """Texts up to so many of their tokens, also unknown ones."""
        pieces = self._graph.split(tf.constant([to_bytes(text) for text in texts], tf.string))[:, :tokens]
        return [text.decode("utf-8", "replace") for text in join(pieces, self.kind).numpy()]


class PieceGraph(tf.Module):
    """A `PieceTokenizer` in graph operations, with its tables.

    Args:
        kind: what a piece is.
        pieces: by id, from `FIRST_PIECE` on.
    """

    def __init__(self, kind: PieceKind, pieces: Sequence[str]) -> None:
        super().__init__(name="pieces")
        self.kind = kind
        known = [to_bytes(piece) for piece in pieces]
        # Padding is in the table too, because a table must have an entry: no piece is empty.
        keys = tf.constant([b"", *known], tf.string)
        numbers = tf.constant([PAD, *range(FIRST_PIECE, FIRST_PIECE + len(known))], tf.int32)
        initializer = tf.lookup.KeyValueTensorInitializer(keys, numbers)
        self._ids = tf.lookup.StaticHashTable(initializer, default_value=UNK)
        self._surface = tf.constant([b"", UNKNOWN.encode(), b"", b"", *known], tf.string)
        self._shown = tf.constant([*(name.encode() for name in SPECIAL), *known], tf.string)

    def split(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Pieces, also unknown ones: string (batch,) to string (batch, None)."""
        return split(texts, self.kind)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids without begin and end: string (batch,) to int32 (batch, None)."""
        pieces = self.split(texts)
        return pieces.with_values(self._ids.lookup(pieces.values))

    def decode(self, ids: tf.RaggedTensor, unknown: tf.RaggedTensor | None = None) -> tf.Tensor:
        """Texts.

        Args:
            ids: int32 (batch, None); padding, begin and end are nothing.
            unknown: string, of the same shape: what stands in the place of an unknown piece; by default "⁇".

        Returns:
            string (batch,)
        """
        pieces = tf.gather(self._surface, ids.values)
        if unknown is not None:
            pieces = tf.where(ids.values == UNK, unknown.values, pieces)
        return join(ids.with_values(pieces), self.kind)

    def name(self, ids: tf.Tensor) -> tf.Tensor:
        """How ids are shown: int32 to string, any shape."""
        return tf.gather(self._shown, ids)


def same_pieces(source: PieceTokenizer, target: PieceTokenizer) -> np.ndarray:
    """For each id of the source the target's id of the same piece, 0 where it has none: int32 (source vocabulary,)."""
    ids = {piece: number for number, piece in enumerate(target.pieces, FIRST_PIECE)}
    return np.array([PAD] * FIRST_PIECE + [ids.get(piece, PAD) for piece in source.pieces], "int32")


def cut_at_end(ids: tf.Tensor) -> tf.RaggedTensor:
    """Rows of ids up to their end, without it: int32 (batch, time) to (batch, None)."""
    ended = tf.cumsum(tf.cast((ids == EOS) | (ids == PAD), tf.int32), axis=1) > 0
    lengths = tf.reduce_sum(tf.cast(~ended, tf.int64), axis=1)
    row_splits = tf.concat([tf.zeros([1], tf.int64), tf.cumsum(lengths)], axis=0)
    return tf.RaggedTensor.from_row_splits(tf.boolean_mask(ids, ~ended), row_splits, validate=False)


def without_ends(ids: np.ndarray) -> list[np.ndarray]:
    """Rows of ids up to their end, in NumPy: int (batch, time); see `cut_at_end`."""
    ended = (ids == EOS) | (ids == PAD)
    lengths = np.where(ended.any(axis=1), ended.argmax(axis=1), ids.shape[1])
    return [row[:length] for row, length in zip(ids, lengths, strict=True)]


def portions(texts: Iterable[str | bytes]) -> Iterator[list[bytes]]:
    """Some thousand texts at a time, in UTF-8."""
    waiting = iter(texts)
    while portion := [to_bytes(text) for text in itertools.islice(waiting, _TEXTS_AT_ONCE)]:
        yield portion


assert tuple(range(FIRST_PIECE)) == (PAD, UNK, BOS, EOS) and len(SPECIAL) == FIRST_PIECE
