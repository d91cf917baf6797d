"""Recurrent encoder and decoder with attention: text to text."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.registry import PairSizes, register


@register(
    "lstm_seq2seq",
    task="seq2seq",
    presets={"base": {"layers": 2, "units": 512, "embedding_dim": 512}},
    # It is for short texts and few pairs: small steps, many of them.
    defaults={"batch_tokens": 512, "learning_rate": 3e-3, "epochs": 20, "patience": 4},
)
@dataclass(frozen=True)
class LstmSeq2Seq:
    """LSTM or GRU encoder and decoder with attention and input feeding.

    Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks"; the attention is that of Luong et al.
    2015 or Bahdanau et al. 2015.
    """

    layers: int = 1
    """Recurrent layers of the encoder, and of the decoder."""
    units: int = 128
    """Units of each recurrent layer, in each direction."""
    embedding_dim: int = 64
    """Dimensions of a token's vector."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Kind of recurrent cell."""
    bidirectional: bool = True
    """Read the source from both ends."""
    attention: Literal["dot", "additive", "none"] = "dot"
    """How the decoder's state is compared with those of the source: Luong's, Bahdanau's, or not at all."""
    input_feeding: bool = True
    """Let the decoder read what it attended to last; more accurate, but a slower training on GPUs."""
    dropout: float = 0.2
    """Dropout on embedded tokens, between layers and before the logits."""
    tied: bool = True
    """Take the target's embedding for the logits, too; a joint vocabulary has one embedding for all."""
    scheduled_sampling: float = 0.0
    """Share of target tokens replaced, in training, by the network's own; doubles the time of a step's decoder."""

    def build(self, sizes: PairSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Source and target ids to logits: see `EncoderDecoder`."""
        from kerasnlp_kit.layers.encoder_decoder import EncoderDecoder
        from kerasnlp_kit.layers.recurrent_pair import RecurrentSourceEncoder, RecurrentTargetDecoder
        from kerasnlp_kit.layers.token_stack import TokenEmbedding

        target = TokenEmbedding(sizes.target_vocabulary, self.embedding_dim, name="target_embedding")
        source = target
        if not sizes.joint:
            source = TokenEmbedding(sizes.source_vocabulary, self.embedding_dim, name="source_embedding")
        encoder = RecurrentSourceEncoder(
            source, self.layers, self.units, self.cell, self.bidirectional, self.dropout, name="encoder"
        )
        decoder = RecurrentTargetDecoder(
            target,
            self.layers,
            self.units,
            self.cell,
            source_features=encoder.features,
            attention=self.attention,
            input_feeding=self.input_feeding,
            dropout=self.dropout,
            tied=self.tied,
            name="decoder",
        )
        return EncoderDecoder(encoder, decoder, self.scheduled_sampling, name="lstm_seq2seq")
