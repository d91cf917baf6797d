"""Transformer encoder and decoder for an `EncoderDecoder`."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.layers.attention import attention_penalty
from kerasnlp_kit.layers.token_stack import BlockStack, Positions, TokenEmbedding
from kerasnlp_kit.layers.transformer import TransformerDecoder, TransformerEncoder


class TransformerSourceEncoder(BlockStack):
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
        hidden = self.dropout(self.embedded(ids, places), training=training)
        turned = self.turned(places)
        for block in self.blocks:
            hidden = block(hidden, mask, turned, training=training)
        return self.norm(hidden)


class TransformerTargetDecoder(BlockStack):
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
            "penalty": attention_penalty(mask)[:, None, None, :],
        }

    def call(self, ids: Any, memory: dict[str, Any], training: bool = False) -> tuple[Any, Any]:
        """All positions; see `step`."""
        places = ops.arange(ops.shape(ids)[1], dtype="int32")
        hidden = self.dropout(self.embedded(ids, places), training=training)
        penalty = attention_penalty(places[None, :] <= places[:, None])[None, None]  # also hides padding, which is last
        turned, weights = self.turned(places), None
        for block, remembered in zip(self.blocks, memory["blocks"], strict=True):
            hidden, weights = block(hidden, penalty, remembered, memory["penalty"], turned, training=training)
        return self._logits(self.norm(hidden)), _mean_of_heads(weights)

    def start(self, memory: dict[str, Any], beam: Any, length: Any) -> list[dict[str, Any]]:
        """An empty cache for each block."""
        batch = ops.shape(memory["penalty"])[0]
        return [block.attention.start(batch, beam, length) for block in self.blocks]

    def step(
        self, tokens: Any, position: Any, memory: dict[str, Any], cache: list[dict[str, Any]]
    ) -> tuple[Any, list[dict[str, Any]], Any]:
        """One step; the attention is that of the last block, the mean of its heads."""
        place = ops.reshape(position, (1,))
        hidden = self.embedded(tokens, place)
        length = ops.shape(cache[0]["key"])[3]
        penalty = attention_penalty(ops.arange(length, dtype="int32") <= position)
        turned, caches, weights = self.turned(place), [], None
        for block, own, remembered in zip(self.blocks, cache, memory["blocks"], strict=True):
            hidden, own, weights = block.step(hidden, own, position, penalty, remembered, memory["penalty"], turned)
            caches.append(own)
        return self._logits(self.norm(hidden)), caches, _mean_of_heads(weights)

    def _logits(self, hidden: Any) -> Any:
        return self.embedding.logits(hidden) if self.head is None else self.head(hidden)


def _mean_of_heads(weights: Any) -> Any:
    """(batch, heads, time, source time) to float32 (batch, time, source time)."""
    return ops.cast(ops.mean(weights, axis=1), "float32")
