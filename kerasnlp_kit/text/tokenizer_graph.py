"""The fitted tokenizer as a part of a SavedModel."""

from collections.abc import Sequence

import tensorflow as tf

from kerasnlp_kit.constants import PAD, UNK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.splitting import SplitRules


class TokenizerGraph(tf.Module):
    """A fitted tokenizer in graph ops, with its table, ready to be part of a SavedModel.

    Args:
        rules: How texts are split.
        vocabulary: Words by id.
        oov_token: The word that stands for unknown ones; None leaves them out.
        max_length: Cut each row after this many ids.
    """

    def __init__(
        self, rules: SplitRules, vocabulary: Sequence[str], oov_token: str | None, max_length: int | None = None
    ) -> None:
        super().__init__(name="tokenizer")
        if max_length is not None and max_length < 1:
            raise UserError(f"`max_length` must be at least 1. Received: {max_length}")
        self.rules = rules
        self.max_length = max_length
        self._leaves_out = oov_token is None
        # Entry 0, padding, is in the table too: no token is empty, and a table must have an entry.
        words = tf.constant([to_bytes(word) for word in vocabulary], tf.string)
        initializer = tf.lookup.KeyValueTensorInitializer(words, tf.range(len(vocabulary), dtype=tf.int32))
        unknown = PAD if oov_token is None else UNK
        self._table = tf.lookup.StaticHashTable(initializer, default_value=unknown)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids of each text.

        Args:
            texts: string (batch,).

        Returns:
            int32 (batch, None).
        """
        return self.look_up(self.rules.tokenize(texts))

    def look_up(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Ids of tokens: string (batch, None) to int32 (batch, None)."""
        ids = self._table.lookup(tokens.values)
        row_splits = tokens.row_splits
        if self._leaves_out:
            ids, row_splits = _keep(ids != PAD, ids, row_splits)
        if self.max_length is not None:
            starts = tf.repeat(row_splits[:-1], row_splits[1:] - row_splits[:-1])
            positions = tf.range(tf.size(ids, tf.int64)) - starts
            ids, row_splits = _keep(positions < self.max_length, ids, row_splits)
        return tf.RaggedTensor.from_row_splits(ids, row_splits, validate=False)


def to_bytes(text: str | bytes) -> bytes:
    """UTF-8 of a string; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. Bytes stay as they are."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The way through UTF-16 also joins surrogates that stand as pairs.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _keep(kept: tf.Tensor, values: tf.Tensor, row_splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The values that are `kept`, and where their rows begin then."""
    kept_before = tf.concat([tf.zeros([1], tf.int64), tf.cumsum(tf.cast(kept, tf.int64))], axis=0)
    return tf.boolean_mask(values, kept), tf.gather(kept_before, row_splits)
