"""Decoder-only Transformer, or recurrent network: text from what is before it."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.registry import TextSizes, register


@register(
    "causal_lm",
    task="language_model",
    presets={
        "base": {"layers": 6, "d_model": 512, "heads": 8, "feed_forward": 2048},
        "lstm": {"blocks": "lstm", "layers": 1, "d_model": 512, "dropout": 0.5, "learning_rate": 3e-3},
    },
)
@dataclass(frozen=True)
class CausalLm:
    """Causal language model: a decoder-only Transformer, or LSTM or GRU layers.

    Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", with pre-norm blocks and rotary
    positions; Mikolov et al. 2010, "Recurrent neural network based language model".
    """

    blocks: Literal["transformer", "lstm", "gru"] = "transformer"
    """Kind of the layers."""
    layers: int = 3
    """How many of them."""
    d_model: int = 256
    """Dimensions of a token's vector and of all layers."""
    heads: int = 4
    """Attention heads in a block of the Transformer."""
    feed_forward: int = 1024
    """Units of the feed-forward layer in a block of the Transformer."""
    activation: Literal["relu", "gelu"] = "gelu"
    """Of the feed-forward layer."""
    dropout: float = 0.3
    """Dropout on embedded tokens, on the output of each part and before the logits."""
    attention_dropout: float = 0.1
    """Dropout on attention weights."""

    def build(self, sizes: TextSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Ids to logits: see `LanguageModel`."""
        from kerasnlp_kit.layers.language import LanguageModel, RecurrentLanguageDecoder, TransformerLanguageDecoder
        from kerasnlp_kit.layers.token_stack import TokenEmbedding

        embedding = TokenEmbedding(sizes.vocabulary, self.d_model, name="embedding")
        if self.blocks == "transformer":
            block = {
                "heads": self.heads,
                "feed_forward": self.feed_forward,
                "dropout": self.dropout,
                "attention_dropout": self.attention_dropout,
                "activation": self.activation,
            }
            decoder = TransformerLanguageDecoder(
                embedding, self.layers, block, sizes.context, self.dropout, name="decoder"
            )
        else:
            decoder = RecurrentLanguageDecoder(
                embedding, self.layers, self.d_model, self.blocks, self.dropout, name="decoder"
            )
        return LanguageModel(decoder, name="causal_lm")
