"""The blocks of the Transformer: encoder, decoder, and that of a language model."""

from typing import Any

import keras

from kerasnlp_kit.layers.attention import CrossAttention, SelfAttention, attention_penalty


class FeedForward(keras.layers.Layer):
    """Two dense layers, position by position: Vaswani et al. 2017, section 3.3.

    Args:
        units: of the hidden layer.
        activation: of the hidden layer.

    Call:
        hidden: float (batch, time, features)
        returns: float (batch, time, features)
    """

    def __init__(self, units: int, activation: str, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.activation = activation

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Creates both layers."""
        self.expand = keras.layers.Dense(self.units, activation=self.activation, name="expand")
        self.contract = keras.layers.Dense(hidden_shape[-1], name="contract")
        self.expand.build(hidden_shape)
        self.contract.build((*hidden_shape[:-1], self.units))

    def call(self, hidden: Any) -> Any:
        """Expands and contracts."""
        return self.contract(self.expand(hidden))


class _Block(keras.layers.Layer):
    """Parts, each behind a normalisation and beside a residual connection.

    Pre-norm (Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"), which trains without a long
    warm-up; otherwise Vaswani et al. 2017, section 3.1.

    Args:
        heads: number of attention heads; each gets ceil(features / heads) dimensions.
        feed_forward: units of the hidden layer.
        dropout: rate on the output of each part.
        attention_dropout: rate on attention weights.
        activation: of the hidden layer.
    """

    def __init__(
        self,
        heads: int,
        feed_forward: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation: str = "gelu",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.attention = SelfAttention(heads, attention_dropout, name="attention")
        self.attention_norm = _norm("attention_norm")
        self.feed_forward = FeedForward(feed_forward, activation, name="feed_forward")
        self.feed_forward_norm = _norm("feed_forward_norm")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

    def _build(self, *parts: keras.layers.Layer, shape: tuple[int | None, ...]) -> None:
        for part in (self.attention, self.attention_norm, self.feed_forward, self.feed_forward_norm, *parts):
            part.build(shape)

    def _add(self, hidden: Any, change: Any, training: bool) -> Any:
        return hidden + self.dropout(change, training=training)


class TransformerEncoder(_Block):
    """Self-attention and a feed-forward network.

    Call:
        hidden: float (batch, time, features)
        mask: bool (batch, time); positions outside are not attended to
        rotation: see `attention.SelfAttention`
        returns: float (batch, time, features)
    """

    def build(self, hidden_shape: tuple[int | None, ...], mask_shape: tuple[int | None, ...] | None = None) -> None:
        """Creates the parts."""
        self._build(shape=hidden_shape)

    def call(self, hidden: Any, mask: Any, rotation: Any = None, training: bool = False) -> Any:
        """Runs the block."""
        penalty = attention_penalty(mask)[:, None, None, :]
        attended = self.attention(self.attention_norm(hidden), penalty, rotation, training=training)
        hidden = self._add(hidden, attended, training)
        return self._add(hidden, self.feed_forward(self.feed_forward_norm(hidden)), training)


class TransformerCausal(_Block):
    """Self-attention to what came before, and a feed-forward network: the block of a language model.

    Call:
        hidden: float (batch, time, features)
        penalty: float (1, 1, time, time), largest for what comes later
        rotation: see `attention.SelfAttention`
        returns: float (batch, time, features)
    """

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Creates the parts."""
        self._build(shape=hidden_shape)

    def call(self, hidden: Any, penalty: Any, rotation: Any = None, training: bool = False) -> Any:
        """Runs the block for all positions."""
        attended = self.attention(self.attention_norm(hidden), penalty, rotation, training=training)
        hidden = self._add(hidden, attended, training)
        return self._add(hidden, self.feed_forward(self.feed_forward_norm(hidden)), training)

    def step(self, hidden: Any, cache: Any, position: Any, penalty: Any, rotation: Any = None) -> tuple[Any, Any]:
        """Runs the block for one new position; see `TransformerDecoder.step`."""
        attended, cache = self.attention.step(self.attention_norm(hidden), cache, position, penalty, rotation)
        hidden = hidden + attended
        return hidden + self.feed_forward(self.feed_forward_norm(hidden)), cache


class TransformerDecoder(_Block):
    """Self-attention to what came before, attention to the source, and a feed-forward network.

    Call:
        hidden: float (batch, time, features)
        penalty: float (1, 1, time, time), largest for what comes later
        memory: from `remember`
        source_penalty: float (batch, 1, 1, source time)
        rotation: see `attention.SelfAttention`
        returns: float (batch, time, features), and the attention to the source, float (batch, heads, time, source time)
    """

    def __init__(self, heads: int, feed_forward: int, *, attention_dropout: float = 0.1, **options: Any) -> None:
        super().__init__(heads, feed_forward, attention_dropout=attention_dropout, **options)
        self.source_attention = CrossAttention(heads, attention_dropout, name="source_attention")
        self.source_norm = _norm("source_norm")

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Creates the parts."""
        self._build(self.source_attention, self.source_norm, shape=hidden_shape)

    def remember(self, encoded: Any) -> dict[str, Any]:
        """What the attention to the source needs of it, computed once: float (batch, source time, features)."""
        return self.source_attention.remember(encoded)

    def call(
        self, hidden: Any, penalty: Any, memory: Any, source_penalty: Any, rotation: Any = None, training: bool = False
    ) -> tuple[Any, Any]:
        """Runs the block for all positions."""
        attended = self.attention(self.attention_norm(hidden), penalty, rotation, training=training)
        return self._after(self._add(hidden, attended, training), memory, source_penalty, training)

    def step(
        self,
        hidden: Any,
        cache: Any,
        position: Any,
        penalty: Any,
        memory: Any,
        source_penalty: Any,
        rotation: Any = None,
    ) -> tuple[Any, Any, Any]:
        """Runs the block for one new position.

        Args:
            hidden: float (batch, beam, features)
            cache: see `attention.SelfAttention.step`
            position: int32 ()
            penalty: float (length,), largest behind ``position``.
            memory: from `remember`
            source_penalty: float (batch, 1, 1, source time)
            rotation: of the position.

        Returns:
            float (batch, beam, features), the new cache, and the attention to the source, float (batch, heads, beam,
            source time).
        """
        attended, cache = self.attention.step(self.attention_norm(hidden), cache, position, penalty, rotation)
        hidden, weights = self._after(hidden + attended, memory, source_penalty, False)
        return hidden, cache, weights

    def _after(self, hidden: Any, memory: Any, source_penalty: Any, training: bool) -> tuple[Any, Any]:
        found, weights = self.source_attention(self.source_norm(hidden), memory, source_penalty, training=training)
        hidden = self._add(hidden, found, training)
        return self._add(hidden, self.feed_forward(self.feed_forward_norm(hidden)), training), weights


def _norm(name: str) -> keras.layers.LayerNormalization:
    return keras.layers.LayerNormalization(epsilon=1e-5, name=name)
