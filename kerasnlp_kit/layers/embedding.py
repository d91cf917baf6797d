"""From token ids to vectors."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import PAD, UNK
from kerasnlp_kit.layers.masking import TokenMask


def embedded_tokens(vocabulary: int, dimensions: int, word_dropout: float) -> tuple[Any, Any, Any]:
    """The way in that the models share: token ids, which of them count, and their vectors.

    The layers are named ``ids``, ``mask``, ``word_dropout`` and ``embedding``; word vectors are put into the last one.

    Args:
        vocabulary: number of token ids.
        dimensions: of a token's vector.
        word_dropout: see `WordDropout`.

    Returns:
        Symbolic tensors: ids int32 (batch, time), mask bool (batch, time), vectors float (batch, time, dimensions).
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = TokenMask(name="mask")(ids)
    dropped = WordDropout(word_dropout, name="word_dropout")(ids)
    return ids, mask, keras.layers.Embedding(vocabulary, dimensions, name="embedding")(dropped)


class WordDropout(keras.layers.Layer):
    """Replaces tokens by the unknown token in training, so that no single word is relied on and UNK gets a meaning.

    Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", section 2.3.1.

    Args:
        rate: probability of a token to be replaced.

    Call:
        ids: int32 (batch, time)
        returns: int32 (batch, time); padding stays padding
    """

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, ids: Any, training: bool = False) -> Any:
        """Draws anew in each training step; does nothing otherwise."""
        if not training or self.rate == 0:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seed_generator) < self.rate
        return ops.where(ops.logical_and(drawn, ops.not_equal(ids, PAD)), ops.full_like(ids, UNK), ids)


class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector for each position.

    Args:
        length: number of positions; longer rows are an error of the caller, who cuts texts to the model's length.

    Call:
        hidden: float (batch, time, features)
        returns: float (batch, time, features)
    """

    def __init__(self, length: int, **options: Any) -> None:
        super().__init__(**options)
        self.length = length

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates one vector a position."""
        self.positions = self.add_weight(
            name="positions", shape=(self.length, input_shape[-1]), initializer=keras.initializers.RandomNormal(0, 0.02)
        )

    def call(self, hidden: Any) -> Any:
        """Adds the first ``time`` vectors."""
        indices = ops.arange(ops.shape(hidden)[1], dtype="int32")
        return hidden + ops.take(self.positions, indices, axis=0)[None]
