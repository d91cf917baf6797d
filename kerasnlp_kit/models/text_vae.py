"""Variational autoencoder: texts from points of a latent space."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.config import OptionalInt
from kerasnlp_kit.constants import MOST_ANNEALED
from kerasnlp_kit.registry import TextSizes, register


@register("text_vae", task="autoencoding", defaults={"learning_rate": 2e-3})
@dataclass(frozen=True)
class TextVaeOptions:
    """Variational autoencoder of texts: an LSTM reads a text into a latent vector, another writes texts from such.

    Bowman et al. 2016, "Generating Sentences from a Continuous Space".
    """

    latent: int = 32
    """Size of the latent vector."""
    units: int = 256
    """Units of the recurrent layers."""
    embedding_dim: int = 256
    """Dimensions of a token's vector."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Kind of recurrent cell."""
    kl_weight: float = 1.0
    """Of the divergence from the prior; 0 makes it a plain autoencoder, which makes no new texts, unless vae_gan's
    discriminator orders its space."""
    free_bits: float = 0.15
    """Nats of divergence that each dimension has for nothing: without it the vector comes to carry nothing."""
    anneal_steps: OptionalInt = None
    """Steps in which the weight of the divergence rises; default: a third of those planned, at most 2,000."""
    word_dropout: float = 0.2
    """Share of the tokens that the decoder reads as unknown, in training, so that it needs the vector."""
    dropout: float = 0.4
    """Dropout on embedded tokens and before the logits."""

    def build(self, sizes: TextSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Ids to logits: see `TextVae`."""
        return self.build_with(sizes, "text_vae")

    def build_with(self, sizes: TextSizes, name: str, discriminator_units: int = 0, adversary_weight: float = 0.0):  # type: ignore[no-untyped-def]
        """Likewise, with a discriminator if it has units."""
        from kerasnlp_kit.layers.language import RecurrentLanguageDecoder
        from kerasnlp_kit.layers.text_vae import Discriminator, LatentEncoder, TextVae
        from kerasnlp_kit.layers.token_stack import TokenEmbedding

        embedding = TokenEmbedding(sizes.vocabulary, self.embedding_dim, name="embedding")
        plain = not self.kl_weight
        encoder = LatentEncoder(embedding, self.units, self.cell, self.latent, self.dropout, plain, name="encoder")
        decoder = RecurrentLanguageDecoder(
            embedding, 1, self.units, self.cell, self.dropout, latent=self.latent, name="decoder"
        )
        discriminator = None
        if discriminator_units:
            discriminator = Discriminator(self.latent, discriminator_units, name="discriminator")
        return TextVae(
            encoder,
            decoder,
            latent=self.latent,
            kl_weight=self.kl_weight,
            free_bits=self.free_bits,
            anneal_steps=self.anneal_steps or MOST_ANNEALED,
            word_dropout=self.word_dropout,
            discriminator=discriminator,
            adversary_weight=adversary_weight,
            name=name,
        )
