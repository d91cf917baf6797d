"""Tokens to vectors and back, and the frame of every Transformer: embedding, positions, blocks, normalisation."""

from typing import Any, Literal

import keras
from keras import ops

from kerasnlp_kit.layers.positions import rotation, sinusoidal

Positions = Literal["sinusoidal", "rotary"]


class TokenEmbedding(keras.layers.Layer):
    """Vectors of tokens, and, tied to them, logits.

    Press & Wolf 2017, "Using the Output Embedding to Improve Language Models". Vectors have a norm of about 1 and are
    multiplied by sqrt(features) where they are read (Vaswani et al. 2017, section 3.4).

    Args:
        vocabulary: number of token ids.
        features: of a vector.

    Call:
        ids: int32 (...)
        returns: float (..., features)
    """

    def __init__(self, vocabulary: int, features: int, **options: Any) -> None:
        super().__init__(**options)
        spread = keras.initializers.RandomNormal(0.0, features**-0.5)
        self.vectors = self.add_weight(name="embedding", shape=(vocabulary, features), initializer=spread)
        self.scale = features**0.5
        self.built = True

    def call(self, ids: Any) -> Any:
        """Looks them up."""
        return ops.cast(ops.take(self.vectors, ids, axis=0), self.compute_dtype) * self.scale

    def logits(self, hidden: Any) -> Any:
        """float (..., features) to float32 (..., vocabulary)."""
        return ops.cast(ops.matmul(hidden, ops.transpose(ops.cast(self.vectors, hidden.dtype))), "float32")


class BlockStack(keras.layers.Layer):
    """Embedding, positions, blocks and the last normalisation.

    Args:
        embedding: of the tokens.
        blocks: each with a part ``attention``.
        positions: how places are told.
        dropout: rate on the embedded tokens.
    """

    def __init__(
        self, embedding: TokenEmbedding, blocks: list[Any], positions: Positions, dropout: float, **options: Any
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self.features = embedding.vectors.shape[1]
        self.blocks = blocks
        self.positions = positions
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")
        for part in (*blocks, self.norm):
            part.build((None, None, self.features))
        self.built = True

    def turned(self, positions: Any) -> Any:
        """Angles for the blocks' attention, where places are told so: int32 (time,) to a pair, or None."""
        return rotation(positions, self.blocks[0].attention.size) if self.positions == "rotary" else None

    def embedded(self, ids: Any, positions: Any) -> Any:
        """Vectors of ids (batch, time) that stand at ``positions`` (time,) or, of one step, (1,)."""
        vectors = self.embedding(ids)
        if self.positions == "rotary":
            return vectors
        return vectors + ops.cast(sinusoidal(positions, self.features), vectors.dtype)
