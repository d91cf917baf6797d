"""Text to text: what a network in memory writes, on any backend."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasnlp_kit.constants import PAD
from kerasnlp_kit.decoding.beam import beam
from kerasnlp_kit.decoding.one import greedy, sample, seeds_from
from kerasnlp_kit.decoding.protocol import Decoded, Limits, log_probabilities
from kerasnlp_kit.layers.encoder_decoder import source_mask
from kerasnlp_kit.tasks.any_shape import AnyShape
from kerasnlp_kit.text.pieces import UNKNOWN, without_ends

MARGIN = 10  # tokens that an output may be longer than what the training pairs allow for


def limits_of(source_lengths: np.ndarray, target_lengths: np.ndarray) -> Limits:
    """How long an output may become: as long as all but one in a thousand of the training targets, and some more.

    Args:
        source_lengths: int (rows,), tokens.
        target_lengths: int (rows,), tokens without the end.
    """
    ratios = target_lengths / np.maximum(source_lengths, 1)
    ratio = round(float(np.quantile(ratios, 0.999)), 3) if len(ratios) else 1.0
    return Limits(ratio, MARGIN, int(target_lengths.max(initial=0)) + MARGIN)


class Writer(AnyShape):
    """Decoding as a model, so that Keras compiles it on each backend.

    Args:
        network: an `EncoderDecoder`.
        search: how to write, a method of `Search` or the like: network and source to `Decoded`.

    Call:
        source: int32 (batch, source time), or what else the search takes
        returns: the fields of `Decoded`, by name
    """

    def __init__(self, network: Any, search: Callable[[Any, Any], Decoded], **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.search = search
        self.built = True

    def call(self, source: Any) -> dict[str, Any]:
        """Writes."""
        return self.search(self.network, source)._asdict()


class TargetScorer(AnyShape):
    """How probable given targets are, as a model.

    Args:
        network: an `EncoderDecoder`.

    Call:
        inputs: ``source``, ``target`` behind BOS and ``after``, the target before EOS, all int32 and padded
        returns: float32 (batch,), log-probabilities
    """

    def __init__(self, network: Any, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Scores."""
        return score_targets(self.network, inputs["source"], inputs["target"], inputs["after"])


@dataclass(frozen=True)
class Search:
    """Ways to write for sources: int32 (batch, source time), padded, by an `EncoderDecoder`.

    Attributes:
        limits: of the outputs.
        unknown: whether the unknown token may be written.
        fixed: whether the loop is as long as the width of the sources may need, and not as these rows need, and keeps
            rows that have ended; for XLA and JAX, which compile it for a shape.
    """

    limits: Limits
    unknown: bool
    fixed: bool

    def greedy(self, network: Any, source: Any, prefix: Any = None, rows: Any = None) -> Decoded:
        """The most probable token at each step; ``rows``: how many of the batch are wanted, by default all."""
        ends = self._ends(network, source, rows, prefix)
        return greedy(network, *ends, unknown=self.unknown, prefix=prefix, leaving=not self.fixed)

    def beam(self, network: Any, source: Any, rows: Any = None, **options: Any) -> Decoded:
        """Several outputs; see `decoding.beam`."""
        ends, mask = self._ends(network, source, rows), source_mask(source)
        return beam(network, *ends, source_mask=mask, unknown=self.unknown, leaving=not self.fixed, **options)

    def sample(self, network: Any, source: Any, seed: Any, **options: Any) -> Decoded:
        """Drawn; see `decoding.one.sample`. Row n has the seed ``seed + n``."""
        options |= {"seed": seeds_from(seed, ops.shape(source)[0]), "leaving": not self.fixed}
        return sample(network, *self._ends(network, source), unknown=self.unknown, **options)

    def _ends(self, network: Any, source: Any, rows: Any = None, prefix: Any = None) -> tuple[Any, Any, Any]:
        """Memory, limits of the rows, length of the loop."""
        limits = self.limits.of(source)
        if rows is not None:
            limits = ops.where(ops.arange(ops.shape(source)[0], dtype="int32") < rows, limits, 1)
        if prefix is not None:  # one that does not fit has some room behind it
            given = ops.sum(ops.cast(ops.not_equal(prefix, PAD), "int32"), axis=1)
            limits = ops.where(given < limits, limits, given + MARGIN)
        if not self.fixed:
            return network.remember(source), limits, ops.max(limits)
        width = ops.shape(source)[1]
        length = self.limits.of_length(width) if isinstance(width, int) else self.limits.of_lengths(width)
        return network.remember(source), limits, length if prefix is None else max(length, prefix.shape[1] + MARGIN)


def score_targets(network: Any, source: Any, target: Any, after: Any) -> Any:
    """Log-probability of each target, its end included: float32 (batch,); see `TargetScorer`."""
    found = log_probabilities(network({"source": source, "target": target}, training=False))
    gained = ops.take_along_axis(found, after[:, :, None], axis=-1)[:, :, 0]
    return ops.sum(ops.where(ops.equal(after, PAD), 0.0, gained), axis=1)


@dataclass(frozen=True)
class Written:
    """Outputs of a network in memory, the best of each row.

    Attributes:
        tokens: of each row, int32 (tokens,), without the end.
        alignments: of each row, int32 (tokens,): the source position that was attended to most.
        log_probabilities: float32 (rows,), the end included.
    """

    tokens: Sequence[np.ndarray]
    alignments: Sequence[np.ndarray]
    log_probabilities: np.ndarray


def write(writer: Writer, batches: Any, plan: Iterable[np.ndarray]) -> Written:
    """Outputs of all rows.

    Args:
        writer: of the network.
        batches: `training.pair_batches.PairBatches`.
        plan: the rows of each batch; those of no batch are left empty.
    """
    rows = len(batches.source)
    tokens: list[Any] = [np.zeros(0, "int32")] * rows
    alignments, totals = list(tokens), np.zeros(rows, "float32")
    for members in plan:
        found = writer.predict_on_batch(batches.sources(members))
        written = without_ends(found["tokens"][:, 0])
        for row, ids, places in zip(members, written, found["alignments"][:, 0], strict=True):
            tokens[row], alignments[row] = ids, places[: len(ids)]
        totals[members] = found["log_probabilities"][:, 0]
    return Written(tokens, alignments, totals)


def score(scorer: TargetScorer, batches: Any, plan: Iterable[np.ndarray]) -> np.ndarray:
    """Log-probabilities of all targets: float32 (rows,); arguments as in `write`."""
    totals = np.zeros(len(batches.source), "float32")
    for members in plan:
        inputs, after = batches.batch(members)
        totals[members] = scorer.predict_on_batch({**inputs, "after": after})
    return totals


def joined(
    tokenizer: Any,
    tokens: Sequence[np.ndarray],
    alignments: Sequence[np.ndarray],
    pieces: Sequence[list[bytes]] | None,
    given: Iterable[int] | None = None,
) -> list[str]:
    """The texts of outputs.

    Args:
        tokenizer: of the target.
        tokens: of each output, int32 (tokens,).
        alignments: of each output, int32 (tokens,), places in the source.
        pieces: of each output, those of its source, to copy unknown ones from; None to copy nothing.
        given: how many of the first tokens of each are not written but given: nothing is copied into them.
    """
    if pieces is None:
        return tokenizer.decode(tokens)
    import tensorflow as tf

    copied = [
        UNKNOWN.encode() if number < first else own[min(place, len(own) - 1)] if own else b""
        for own, places, first in zip(pieces, alignments, given or [0] * len(pieces), strict=True)
        for number, place in enumerate(places)
    ]
    lengths = np.array([len(row) for row in tokens], "int64")
    values = np.concatenate([np.zeros(0, "int32"), *tokens])
    ids = tf.RaggedTensor.from_row_lengths(tf.constant(values, tf.int32), lengths)
    texts = tokenizer.graph().decode(ids, ids.with_values(tf.constant(copied, tf.string, [len(copied)])))
    return [text.decode("utf-8", "replace") for text in texts.numpy()]
