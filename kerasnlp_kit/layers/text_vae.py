"""A text as a point in a latent space, and back: the variational autoencoder, also with a discriminator."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import BOS, PAD, UNK
from kerasnlp_kit.layers.cells import Cell, dense
from kerasnlp_kit.layers.encoder_decoder import source_mask
from kerasnlp_kit.layers.recurrent_pair import RecurrentSourceEncoder
from kerasnlp_kit.layers.token_stack import TokenEmbedding

LARGEST = 10.0  # log-variance, and the lowest with the other sign


class LatentEncoder(keras.layers.Layer):
    """Reads a text from both ends; mean and log-variance of its latent vector.

    Args:
        embedding: of the tokens.
        units: of the recurrent layer, in each direction.
        cell: its kind.
        latent: size of the vector.
        dropout: rate on the embedded tokens.
        certain: whether there is no variance but the lowest: a plain autoencoder has no use for one.

    Call:
        ids: int32 (batch, time), padded
        returns: two float32 (batch, latent)
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        units: int,
        cell: Cell,
        latent: int,
        dropout: float,
        certain: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.reader = RecurrentSourceEncoder(embedding, 1, units, cell, True, dropout, name="reader")
        self.mean = dense(latent, self.reader.features, "mean", dtype="float32")
        self.log_variance = None
        if not certain:
            # Begins nearly certain: what is drawn first should tell something.
            begin = keras.initializers.Constant(-2.0)
            features = self.reader.features
            self.log_variance = dense(latent, features, "log_variance", dtype="float32", bias_initializer=begin)
        self.built = True

    def call(self, ids: Any, training: bool = False) -> tuple[Any, Any]:
        """Reads."""
        last = self.reader(ids, source_mask(ids), training=training)["states"][-1][0]
        mean = self.mean(last)
        if self.log_variance is None:
            return mean, ops.full_like(mean, -LARGEST)
        return mean, ops.clip(self.log_variance(last), -LARGEST, LARGEST)


class Discriminator(keras.layers.Layer):
    """Tells vectors of texts from vectors of the prior: two hidden layers whose spectral norm is 1.

    Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks".

    Args:
        latent: size of a vector.
        units: of each hidden layer.

    Call:
        latent: float32 (batch, latent)
        returns: float32 (batch,), above 0 for the prior
    """

    def __init__(self, latent: int, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.parts = []
        for number, (size, features) in enumerate(((units, latent), (units, units), (1, units)), 1):
            layer = keras.layers.SpectralNormalization(
                keras.layers.Dense(size, None if size == 1 else "leaky_relu", dtype="float32"),
                name=f"layer_{number}",
                dtype="float32",  # it writes the kernel anew in each step: 16 bits would round what was learnt away
            )
            layer.build((None, features))
            self.parts.append(layer)
        self.built = True

    def call(self, latent: Any, training: bool = False) -> Any:
        """Judges."""
        for part in self.parts:
            latent = part(latent, training=training)
        return latent[:, 0]


class TextVae(keras.Model):
    """Variational autoencoder of texts. A `decoding.protocol.Generator`, whose memory is the latent vector.

    Bowman et al. 2016, "Generating Sentences from a Continuous Space": the loss is the reconstruction's plus the
    divergence of each text's posterior from the prior (Kingma & Welling 2014, "Auto-Encoding Variational Bayes",
    appendix B), which rises from nothing in the first steps; tokens that the decoder reads are dropped at random. Each
    dimension has some divergence for nothing, the mean over a batch (Kingma et al. 2016, "Improved Variational
    Inference with Inverse Autoregressive Flow", appendix C.8).

    With a discriminator the posteriors together are driven to the prior, too (Makhzani et al. 2016, "Adversarial
    Autoencoders"): it learns by the hinge loss to tell both, and its gradient reaches the encoder reversed (Ganin et
    al. 2016, "Domain-Adversarial Training of Neural Networks", section 3.2).

    Args:
        encoder: a `LatentEncoder`.
        decoder: a `RecurrentLanguageDecoder` that reads a latent vector.
        latent: size of the vector.
        kl_weight: of the divergence; 0 makes it a plain autoencoder, whose vectors are the means.
        free_bits: nats of divergence that each dimension has for nothing.
        anneal_steps: in which the weight rises.
        word_dropout: share of the tokens that the decoder reads as unknown, in training.
        discriminator: a `Discriminator`, or None.
        adversary_weight: of its loss.

    Call:
        tokens: int32 (batch, time), BOS and a text, padded on the right
        returns: float32 (batch, time, vocabulary), logits of the next token
    """

    def __init__(
        self,
        encoder: LatentEncoder,
        decoder: Any,
        *,
        latent: int,
        kl_weight: float,
        free_bits: float,
        anneal_steps: int,
        word_dropout: float,
        discriminator: Discriminator | None = None,
        adversary_weight: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.encoder = encoder
        self.decoder = decoder
        self.latent = latent
        self.kl_weight = kl_weight
        self.free_bits = free_bits
        self.anneal_steps = anneal_steps
        self.word_dropout = word_dropout
        self.discriminator = discriminator
        self.adversary_weight = adversary_weight
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False, autocast=False)
        self.seed_generator = keras.random.SeedGenerator()
        self(ops.ones((1, 2), "int32"))  # creates the weights

    def call(self, tokens: Any, training: bool = False) -> Any:
        """Logits of all positions: of a drawn vector in training, else of the mean."""
        mean, log_variance = self.encoder(tokens, training=training)
        if not training:
            return self.decoder(tokens, mean)
        vector = mean
        if self.kl_weight:
            noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
            vector = mean + ops.exp(0.5 * log_variance) * noise
            self.add_loss(self._divergence(mean, log_variance, tokens))
        if self.discriminator is not None:
            self.add_loss(self._adversary(self.discriminator, vector, tokens))
        return self.decoder(self._dropped(tokens), vector, training=True)

    def encode(self, tokens: Any) -> tuple[Any, Any]:
        """Mean and log-variance of the vector of each text: int32 (batch, time) to two float32 (batch, latent)."""
        return self.encoder(tokens, training=False)

    def decode(self, tokens: Any, vector: Any) -> Any:
        """Logits of all positions, of given vectors float32 (batch, latent)."""
        return self.decoder(tokens, vector, training=False)

    def start(self, memory: Any, beam: Any, length: Any) -> Any:
        """The state before the first step; ``memory`` is the vector, float32 (batch, latent)."""
        return self.decoder.start(ops.shape(memory)[0], beam, length, memory)

    def step(self, tokens: Any, position: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        """One step; see `layers.encoder_decoder.EncoderDecoder.step`. Nothing is attended to: zeros."""
        logits, cache = self.decoder.step(tokens, position, cache)
        batch, beam = ops.shape(tokens)
        return logits, cache, ops.zeros((batch, beam, 1), "float32")

    def _divergence(self, mean: Any, log_variance: Any, tokens: Any) -> Any:
        """A token's part of the divergence, as the reconstruction's loss is a token's."""
        self.steps.assign_add(1.0)
        share = ops.minimum(1.0, self.steps / max(1, self.anneal_steps))
        by_dimension = ops.maximum(ops.mean(divergence(mean, log_variance), axis=0), self.free_bits)
        return self.kl_weight * share * ops.sum(by_dimension) / _tokens_a_text(tokens)

    def _adversary(self, discriminator: Discriminator, vector: Any, tokens: Any) -> Any:
        prior = keras.random.normal(ops.shape(vector), seed=self.seed_generator)
        judged = discriminator(ops.concatenate([prior, reversed_gradient(vector)], axis=0), training=True)
        of_prior, of_texts = ops.split(ops.cast(judged, "float32"), 2)
        hinge = ops.mean(ops.relu(1.0 - of_prior)) + ops.mean(ops.relu(1.0 + of_texts))
        return self.adversary_weight * hinge / _tokens_a_text(tokens)

    def _dropped(self, tokens: Any) -> Any:
        if not self.word_dropout:
            return tokens
        drawn = keras.random.uniform(ops.shape(tokens), seed=self.seed_generator) < self.word_dropout
        real = ops.logical_and(ops.not_equal(tokens, PAD), ops.not_equal(tokens, BOS))
        return ops.where(ops.logical_and(drawn, real), UNK, tokens)


def divergence(mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence from the standard normal distribution, by dimension: float32 (batch, latent)."""
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def reversed_gradient(vector: Any) -> Any:
    """The same, but what flows back has the other sign."""
    return ops.stop_gradient(2.0 * vector) - vector


def _tokens_a_text(tokens: Any) -> Any:
    counted = ops.sum(ops.cast(ops.not_equal(tokens, PAD), "float32"))
    return ops.maximum(counted / ops.cast(ops.shape(tokens)[0], "float32"), 1.0)
