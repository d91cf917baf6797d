"""Transformer encoder over the tokens, pooled, softmax."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.registry import Sizes, register


@register(
    "transformer_classifier",
    task="classification",
    presets={
        "strong": {
            "embedding_dropout": 0.3,
            "word_dropout": 0.1,
            "pooling": "max",
            "epochs": 20,
            "patience": 20,  # the falling learning rate needs its whole course
            "learning_rate": 1e-3,
            "schedule": "linear",
            "warmup": 0.1,
        }
    },
)
@dataclass(frozen=True)
class TransformerClassifier:
    """Token and position embedding, Transformer encoder blocks, pooling, softmax.

    Vaswani et al. 2017, "Attention Is All You Need", the encoder, with pre-norm blocks.
    """

    embedding_dim: int = 128
    """Dimensions of a token's vector and of all blocks."""
    blocks: int = 2
    """Number of encoder blocks."""
    heads: int = 4
    """Attention heads in a block."""
    feed_forward: int = 256
    """Units of the feed-forward layer in a block."""
    pooling: Literal["last", "max", "mean", "mean_max", "attention"] = "mean"
    """How the states of all tokens become one vector."""
    embedding_dropout: float = 0.1
    """Dropout on the sum of token and position vectors."""
    word_dropout: float = 0.0
    """Share of tokens replaced by the unknown token in training."""
    block_dropout: float = 0.1
    """Dropout within the blocks."""
    dropout: float = 0.3
    """Dropout before the softmax."""

    def build(self, sizes: Sizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """ids: int32 (batch, time) to logits: float32 (batch, classes)."""
        import keras

        from kerasnlp_kit.layers.embedding import PositionEmbedding, embedded_tokens
        from kerasnlp_kit.layers.pooling import MaskedPooling
        from kerasnlp_kit.layers.transformer import TransformerEncoder

        ids, mask, hidden = embedded_tokens(sizes.vocabulary, self.embedding_dim, self.word_dropout)
        hidden = PositionEmbedding(sizes.max_length, name="positions")(hidden)
        hidden = keras.layers.Dropout(self.embedding_dropout, name="embedding_dropout")(hidden)
        for number in range(1, self.blocks + 1):
            block = TransformerEncoder(
                self.heads, self.feed_forward, self.block_dropout, self.block_dropout, name=f"encoder_{number}"
            )
            hidden = block(hidden, mask)
        hidden = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(hidden)
        hidden = MaskedPooling(self.pooling, name="pooling")(hidden, mask)
        hidden = keras.layers.Dropout(self.dropout, name="dropout")(hidden)
        logits = keras.layers.Dense(sizes.classes, dtype="float32", name="logits")(hidden)
        return keras.Model(ids, logits, name="transformer_classifier")
