"""Transformer encoder and decoder: text to text."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.config import OptionalInt
from kerasnlp_kit.registry import PairSizes, register


@register(
    "transformer_seq2seq",
    task="seq2seq",
    presets={
        "small": {"layers": 2, "d_model": 128, "heads": 4, "feed_forward": 512, "dropout": 0.1},
        "base": {"layers": 6, "d_model": 512, "heads": 8, "feed_forward": 2048, "dropout": 0.1},
    },
)
@dataclass(frozen=True)
class TransformerSeq2Seq:
    """Transformer encoder and decoder with multi-head attention.

    Vaswani et al. 2017, "Attention Is All You Need", with pre-norm blocks.
    """

    layers: int = 3
    """Blocks of the encoder, and of the decoder unless --decoder-layers says otherwise."""
    decoder_layers: OptionalInt = None
    """Blocks of the decoder: few make it faster, a deep encoder makes up for it."""
    d_model: int = 256
    """Dimensions of a token's vector and of all blocks."""
    heads: int = 4
    """Attention heads in a block."""
    feed_forward: int = 1024
    """Units of the feed-forward layer in a block (dff)."""
    activation: Literal["relu", "gelu"] = "relu"
    """Of the feed-forward layer."""
    positions: Literal["sinusoidal", "rotary"] = "sinusoidal"
    """How the place of a token is told."""
    dropout: float = 0.1
    """Dropout on embedded tokens and on the output of each part of a block."""
    attention_dropout: float = 0.1
    """Dropout on attention weights."""
    tied: bool = True
    """Take the target's embedding for the logits, too; a joint vocabulary has one embedding for all."""
    scheduled_sampling: float = 0.0
    """Share of target tokens replaced, in training, by the network's own; doubles the time of a step's decoder."""

    def build(self, sizes: PairSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Source and target ids to logits: see `EncoderDecoder`."""
        from kerasnlp_kit.layers.encoder_decoder import EncoderDecoder
        from kerasnlp_kit.layers.token_stack import TokenEmbedding
        from kerasnlp_kit.layers.transformer_pair import TransformerSourceEncoder, TransformerTargetDecoder

        block = {
            "heads": self.heads,
            "feed_forward": self.feed_forward,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "activation": self.activation,
        }
        target = TokenEmbedding(sizes.target_vocabulary, self.d_model, name="target_embedding")
        source = target
        if not sizes.joint:
            source = TokenEmbedding(sizes.source_vocabulary, self.d_model, name="source_embedding")
        encoder = TransformerSourceEncoder(source, self.layers, block, self.positions, self.dropout, name="encoder")
        decoder = TransformerTargetDecoder(
            target, self.decoder_layers or self.layers, block, self.positions, self.dropout, self.tied, name="decoder"
        )
        return EncoderDecoder(encoder, decoder, self.scheduled_sampling, name="transformer_seq2seq")
