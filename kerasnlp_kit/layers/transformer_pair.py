"""Transformer encoder and decoder for an `EncoderDecoder`."""

from typing import Any, Literal

import keras
from keras import ops

from kerasnlp_kit.layers.attention import attention_bias
from kerasnlp_kit.layers.positions import rotation, sinusoidal
from kerasnlp_kit.layers.transformer import TransformerDecoder, TransformerEncoder

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


class _Stack(keras.layers.Layer):
    """Embedding, positions, blocks and the last normalisation."""

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

    def _rotation(self, positions: Any) -> Any:
        return rotation(positions, self.blocks[0].attention.size) if self.positions == "rotary" else None

    def _embedded(self, ids: Any, positions: Any) -> Any:
        """Vectors of ids (batch, time) that stand at ``positions`` (time,) or, of one step, (1,)."""
        vectors = self.embedding(ids)
        if self.positions == "rotary":
            return vectors
        return vectors + ops.cast(sinusoidal(positions, self.features), vectors.dtype)


class TransformerSourceEncoder(_Stack):
    """Reads a source.

    Args:
        embedding: of the source's tokens.
        blocks: how many `TransformerEncoder`.
        block: options of each.
        positions: how places are told.
        dropout: rate on the embedded tokens.

    Call:
        ids: int32 (batch, time)
        mask: bool (batch, time)
        returns: float (batch, time, features)
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        blocks: int,
        block: dict[str, Any],
        positions: Positions,
        dropout: float,
        **options: Any,
    ) -> None:
        made = [TransformerEncoder(**block, name=f"block_{number}") for number in range(1, blocks + 1)]
        super().__init__(embedding, made, positions, dropout, **options)

    def call(self, ids: Any, mask: Any, training: bool = False) -> Any:
        """Runs all blocks."""
        places = ops.arange(ops.shape(ids)[1], dtype="int32")
        hidden = self.dropout(self._embedded(ids, places), training=training)
        turned = self._rotation(places)
        for block in self.blocks:
            hidden = block(hidden, mask, turned, training=training)
        return self.norm(hidden)


class TransformerTargetDecoder(_Stack):
    """Writes a target, see `EncoderDecoder`.

    Args:
        embedding: of the target's tokens.
        blocks: how many `TransformerDecoder`.
        block: options of each.
        positions: how places are told.
        dropout: rate on the embedded tokens.
        tied: whether the logits come from the embedding.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        blocks: int,
        block: dict[str, Any],
        positions: Positions,
        dropout: float,
        tied: bool,
        **options: Any,
    ) -> None:
        made = [TransformerDecoder(**block, name=f"block_{number}") for number in range(1, blocks + 1)]
        super().__init__(embedding, made, positions, dropout, **options)
        self.head = None
        if not tied:
            self.head = keras.layers.Dense(embedding.vectors.shape[0], use_bias=False, dtype="float32", name="logits")
            self.head.build((None, None, self.features))

    def remember(self, encoded: Any, mask: Any) -> dict[str, Any]:
        """Keys and values of the source for each block, and which positions count."""
        return {
            "blocks": [block.remember(encoded) for block in self.blocks],
            "bias": attention_bias(mask)[:, None, None, :],
        }

    def call(self, ids: Any, memory: dict[str, Any], training: bool = False) -> tuple[Any, Any]:
        """All positions; see `step`."""
        places = ops.arange(ops.shape(ids)[1], dtype="int32")
        hidden = self.dropout(self._embedded(ids, places), training=training)
        bias = attention_bias(places[None, :] <= places[:, None])[None, None]  # also hides padding, which is last
        turned, weights = self._rotation(places), None
        for block, remembered in zip(self.blocks, memory["blocks"], strict=True):
            hidden, weights = block(hidden, bias, remembered, memory["bias"], turned, training=training)
        return self._logits(self.norm(hidden)), _mean_of_heads(weights)

    def start(self, memory: dict[str, Any], beam: Any, length: Any) -> list[dict[str, Any]]:
        """An empty cache for each block."""
        batch = ops.shape(memory["bias"])[0]
        return [block.attention.start(batch, beam, length) for block in self.blocks]

    def step(
        self, tokens: Any, position: Any, memory: dict[str, Any], cache: list[dict[str, Any]]
    ) -> tuple[Any, list[dict[str, Any]], Any]:
        """One step; the attention is that of the last block, the mean of its heads."""
        place = ops.reshape(position, (1,))
        hidden = self._embedded(tokens, place)
        length = ops.shape(cache[0]["key"])[3]
        bias = attention_bias(ops.arange(length, dtype="int32") <= position)
        turned, caches, weights = self._rotation(place), [], None
        for block, own, remembered in zip(self.blocks, cache, memory["blocks"], strict=True):
            hidden, own, weights = block.step(hidden, own, position, bias, remembered, memory["bias"], turned)
            caches.append(own)
        return self._logits(self.norm(hidden)), caches, _mean_of_heads(weights)

    def _logits(self, hidden: Any) -> Any:
        return self.embedding.logits(hidden) if self.head is None else self.head(hidden)


def _mean_of_heads(weights: Any) -> Any:
    """(batch, heads, time, source time) to float32 (batch, time, source time)."""
    return ops.cast(ops.mean(weights, axis=1), "float32")
