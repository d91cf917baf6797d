"""A network from one row of tokens to another: trained on all positions at once, decoded step by step."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import BOS, PAD


class EncoderDecoder(keras.Model):
    """An encoder that reads the source and a decoder that writes the target (Sutskever et al. 2014).

    The decoder is a layer with three ways in: ``remember(encoded, mask)``, once for a source; ``call``, for all target
    positions; ``start`` and ``step``, for one after the other. The two ways give the same, logits and attention.

    Args:
        encoder: ids (batch, source time) and mask to encoded (batch, source time, features) or a structure of them.
        decoder: see above.
        sampling: share of the target tokens that are replaced, in training, by what the network would have written
            there; in two passes, as Mihaylova & Martins 2019, "Scheduled Sampling for Transformers", section 3.

    Call:
        inputs: ``source`` int32 (batch, source time) and ``target`` int32 (batch, time), which begins with BOS; both
            padded on the right
        returns: float32 (batch, time, target vocabulary), logits of the next token
    """

    def __init__(self, encoder: Any, decoder: Any, sampling: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.encoder = encoder
        self.decoder = decoder
        self.sampling = sampling
        self.seed_generator = keras.random.SeedGenerator()
        self(_example())  # creates the weights

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Logits of all positions, each from what is before it."""
        return self.attend(inputs["source"], inputs["target"], training)[0]

    def attend(self, source: Any, target: Any, training: bool = False) -> tuple[Any, Any]:
        """Logits as `call`, and how much each target position attends to each of the source.

        Returns:
            float32 (batch, time, target vocabulary); float32 (batch, time, source time), zeros without attention.
        """
        memory = self.remember(source, training)
        if training and self.sampling:
            target = self._with_own(target, self.decoder(target, memory, training=training)[0])
        return self.decoder(target, memory, training=training)

    def remember(self, source: Any, training: bool = False) -> Any:
        """What the decoder needs of a source, computed once: int32 (batch, source time) to nested arrays."""
        mask = source_mask(source)
        return self.decoder.remember(self.encoder(source, mask, training=training), mask)

    def start(self, memory: Any, beam: Any, length: Any) -> Any:
        """The decoder's state before the first of ``length`` steps, nested arrays of shape (batch, beam, ...)."""
        return self.decoder.start(memory, beam, length)

    def step(self, tokens: Any, position: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        """One step.

        Args:
            tokens: int32 (batch, beam), written last; BOS at position 0.
            position: int32 (), from 0 on.
            memory: from `remember`.
            cache: from `start` or the step before.

        Returns:
            Logits float32 (batch, beam, target vocabulary), the new cache, and how much each source position was
            attended to: float (batch, beam, source time), zeros without attention.
        """
        return self.decoder.step(tokens, position, memory, cache)

    def _with_own(self, target: Any, logits: Any) -> Any:
        # Neither padding nor begin, which can never be written.
        possible = ops.arange(ops.shape(logits)[-1], dtype="int32")
        possible = ops.logical_and(ops.not_equal(possible, PAD), ops.not_equal(possible, BOS))
        logits = ops.where(possible, ops.stop_gradient(ops.cast(logits, "float32")), float("-inf"))
        own = ops.cast(ops.argmax(logits, axis=-1), target.dtype)
        # What was written at a position is read at the next one; BOS stays, and so does padding.
        own = ops.concatenate([target[:, :1], own[:, :-1]], axis=1)
        drawn = keras.random.uniform(ops.shape(target), seed=self.seed_generator) < self.sampling
        return ops.where(ops.logical_and(drawn, ops.not_equal(target, PAD)), own, target)


def source_mask(source: Any) -> Any:
    """Which source positions count: int32 (batch, time) to bool; the first one always, so that no row is empty."""
    first = ops.equal(ops.arange(ops.shape(source)[1], dtype="int32"), 0)
    return ops.logical_or(ops.not_equal(source, PAD), first[None, :])


def _example() -> dict[str, Any]:
    return {"source": ops.ones((1, 2), "int32"), "target": ops.ones((1, 2), "int32")}
