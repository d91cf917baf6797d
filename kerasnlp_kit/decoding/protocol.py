"""What a generating model offers, what decoding gives, and which tokens may be written."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import ops

from kerasnlp_kit.constants import BOS, EOS, LOWEST, PAD, UNK


class Generator(Protocol):
    """A model that gives the probability of the next token; see `layers.encoder_decoder.EncoderDecoder`."""

    def start(self, memory: Any, beam: Any, length: Any) -> Any:
        """The state before the first of ``length`` steps, nested arrays (batch, beam, ...); memory: (batch, ...)."""

    def step(self, tokens: Any, position: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        """Tokens (batch, beam) at ``position`` to logits (batch, beam, vocabulary), new state, attention."""


@dataclass(frozen=True)
class Limits:
    """How long an output may become, by the length of its source: training data with some room.

    Attributes:
        ratio: target tokens a source token.
        extra: target tokens beside.
        longest: most target tokens, whatever the source.
    """

    ratio: float
    extra: int
    longest: int

    def of(self, source: Any) -> Any:
        """Most tokens of each row, the end among them: int32 (batch, source time), padded, to int32 (batch,)."""
        return self.of_lengths(ops.sum(ops.cast(ops.not_equal(source, PAD), "int32"), axis=1))

    def of_lengths(self, lengths: Any) -> Any:
        """Likewise, of sources of so many tokens: int32, any shape."""
        limits = ops.cast(ops.ceil(ops.cast(lengths, "float32") * self.ratio), "int32") + self.extra
        return ops.minimum(limits, self.longest) + 1

    def of_length(self, length: int) -> int:
        """Likewise, of one source, as a plain number; rounded as `of_lengths` does it."""
        limit = int(np.ceil(np.float32(length) * np.float32(self.ratio))) + self.extra
        return min(limit, self.longest) + 1


class Decoded(NamedTuple):
    """What was written.

    Attributes:
        tokens: int32 (batch, beam, time), padded behind the end, best first.
        log_probabilities: float32 (batch, beam), sums over the tokens, the end among them.
        scores: float32 (batch, beam), what the beams are ordered by.
        alignments: int32 (batch, beam, time), the source position that was attended to most at each token, 0
            behind the end.
    """

    tokens: Any
    log_probabilities: Any
    scores: Any
    alignments: Any


def log_probabilities(logits: Any) -> Any:
    """Of each token that a text can hold, or of its end; never of padding or begin: float32, shape of ``logits``."""
    logits, whole = writable(logits, unknown=True)
    return logits - whole


def writable(logits: Any, unknown: bool) -> tuple[Any, Any]:
    """What may be written next, in as few passes over the vocabulary as that takes.

    Args:
        logits: float (..., vocabulary)
        unknown: whether the unknown token may be written.

    Returns:
        The logits, float32, with the lowest number at padding, at begin and, unless it may be written, at unknown; and
        float32 (..., 1), which is to be taken from a logit for its log-probability. What an unknown token has is not
        given to the others.
    """
    logits = ops.cast(logits, "float32")
    vocabulary = ops.arange(ops.shape(logits)[-1], dtype="int32")
    never = ops.logical_or(ops.equal(vocabulary, PAD), ops.equal(vocabulary, BOS))
    if unknown:
        logits = ops.where(never, LOWEST, logits)
        return logits, ops.logsumexp(logits, axis=-1, keepdims=True)
    of_unknown = logits[..., UNK : UNK + 1]
    logits = ops.where(ops.logical_or(never, ops.equal(vocabulary, UNK)), LOWEST, logits)
    return logits, ops.logaddexp(ops.logsumexp(logits, axis=-1, keepdims=True), of_unknown)


def forced(position: Any, limits: Any, prefix: Any = None) -> Any:
    """The only token that may follow.

    That is the end, at the last position that a row may have; before it, and there, the token of a forced prefix.

    Args:
        position: int32 ()
        limits: int32 (batch,), tokens that a row may have, the end among them.
        prefix: int32 (batch, prefix time), padded on the right, or None.

    Returns:
        int32 (batch,), -1 where there is a choice.
    """
    token = ops.where(position < limits - 1, -1, EOS)
    if prefix is None:
        return token
    # Behind its end the prefix is padding, which forces nothing.
    places = ops.equal(ops.arange(ops.shape(prefix)[1], dtype="int32"), position)
    here = ops.sum(ops.where(places[None, :], prefix, PAD), axis=1)
    return ops.where(ops.equal(here, PAD), token, here)


def put(array: Any, values: Any, position: Any) -> Any:
    """Writes one value for each beam: (batch, beam, time), (batch, beam), int32 () to (batch, beam, time)."""
    here = ops.equal(ops.arange(ops.shape(array)[2], dtype="int32"), position)
    return ops.where(here[None, None, :], values[:, :, None], array)
