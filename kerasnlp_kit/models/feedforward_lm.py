"""Neural probabilistic language model: a hidden layer over the last few tokens."""

from dataclasses import dataclass

from kerasnlp_kit.registry import TextSizes, register


@register("feedforward_lm", task="language_model", defaults={"learning_rate": 2e-3})
@dataclass(frozen=True)
class FeedForwardLm:
    """Feed-forward language model: the vectors of the last few tokens, a hidden layer, the next token.

    Bengio et al. 2003, "A Neural Probabilistic Language Model".
    """

    previous: int = 4
    """Tokens that the next one is told from: n - 1 of an n-gram model."""
    embedding_dim: int = 128
    """Dimensions of a token's vector."""
    units: int = 512
    """Units of the hidden layer."""
    direct: bool = False
    """Also connect the vectors with the logits directly."""
    dropout: float = 0.3
    """Dropout on vectors and on the hidden layer."""
    tied: bool = True
    """Bring the hidden layer to the size of the vectors, which then give the logits."""

    def build(self, sizes: TextSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Ids to logits: see `LanguageModel`."""
        from kerasnlp_kit.layers.language import FeedForwardLanguageDecoder, LanguageModel
        from kerasnlp_kit.layers.token_stack import TokenEmbedding

        embedding = TokenEmbedding(sizes.vocabulary, self.embedding_dim, name="embedding")
        decoder = FeedForwardLanguageDecoder(
            embedding, self.previous, self.units, self.direct, self.dropout, self.tied, name="decoder"
        )
        return LanguageModel(decoder, name="feedforward_lm")
