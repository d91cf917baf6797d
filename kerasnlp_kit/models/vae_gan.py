"""Variational autoencoder with a discriminator on the latent vectors. Experimental."""

from dataclasses import dataclass

from kerasnlp_kit.models.text_vae import TextVaeOptions
from kerasnlp_kit.registry import TextSizes, register


@register("vae_gan", task="autoencoding", defaults={"learning_rate": 2e-3})
@dataclass(frozen=True)
class VaeGan(TextVaeOptions):
    """Variational autoencoder with a discriminator that drives the latent vectors to the prior. Experimental.

    Makhzani et al. 2016, "Adversarial Autoencoders", with spectral normalisation.
    """

    adversary_weight: float = 1.0
    """Of the discriminator's loss."""
    discriminator_units: int = 128
    """Units of each of its hidden layers."""

    def build(self, sizes: TextSizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """Ids to logits: see `TextVae`."""
        return self.build_with(sizes, "vae_gan", self.discriminator_units, self.adversary_weight)
