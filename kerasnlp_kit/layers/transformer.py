"""The Transformer's encoder block."""

from typing import Any

import keras


class TransformerEncoder(keras.layers.Layer):
    """Self-attention and a feed-forward network, each behind a normalisation and beside a residual connection.

    Pre-norm (Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"), which trains without a long
    warm-up; otherwise Vaswani et al. 2017.

    Args:
        heads: number of attention heads; each gets ceil(features / heads) dimensions.
        feed_forward: units of the hidden layer.
        dropout: rate on attention weights and on the output of both parts.

    Call:
        hidden: float (batch, time, features)
        mask: bool (batch, time); positions outside are not attended to
        returns: float (batch, time, features)
    """

    def __init__(self, heads: int, feed_forward: int, dropout: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.feed_forward = feed_forward
        self.dropout_rate = dropout

    def build(self, hidden_shape: tuple[int | None, ...], mask_shape: tuple[int | None, ...] | None = None) -> None:
        """Creates the block for rows of ``hidden_shape[-1]`` features."""
        features = hidden_shape[-1]
        assert features is not None
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="attention_norm")
        self.attention = keras.layers.MultiHeadAttention(
            self.heads, -(-features // self.heads), dropout=self.dropout_rate, name="attention"
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="feed_forward_norm")
        self.expand = keras.layers.Dense(self.feed_forward, activation="gelu", name="expand")
        self.contract = keras.layers.Dense(features, name="contract")
        self.dropout = keras.layers.Dropout(self.dropout_rate, name="dropout")
        wide = (*hidden_shape[:-1], self.feed_forward)
        self.attention_norm.build(hidden_shape)
        self.attention.build(hidden_shape, hidden_shape)
        self.feed_forward_norm.build(hidden_shape)
        self.expand.build(hidden_shape)
        self.contract.build(wide)

    def call(self, hidden: Any, mask: Any, training: bool = False) -> Any:
        """Runs the block."""
        normed = self.attention_norm(hidden)
        attended = self.attention(normed, normed, attention_mask=mask[:, None, :], training=training)
        hidden = hidden + self.dropout(attended, training=training)
        widened = self.expand(self.feed_forward_norm(hidden))
        return hidden + self.dropout(self.contract(widened), training=training)
