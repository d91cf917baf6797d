"""Autoencoders: texts to latent vectors and back, by a network in memory, on any backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.one import greedy, normal, sample, seeds_from
from kerasnlp_kit.decoding.protocol import Decoded, log_probabilities
from kerasnlp_kit.layers.text_vae import divergence
from kerasnlp_kit.tasks.any_shape import AnyShape
from kerasnlp_kit.tasks.latent_scores import LatentScores
from kerasnlp_kit.text.token_ids import TokenIds


@dataclass(frozen=True)
class LatentSearch:
    """Writes for latent vectors, float32 (batch, latent), by a `TextVae`.

    Attributes:
        longest: tokens of a text, at most.
    """

    longest: int

    def greedy(self, network: Any, vectors: Any) -> Decoded:
        """The most probable token at each step."""
        return greedy(network, vectors, *self._ends(vectors), leaving=True)

    def sample(self, network: Any, vectors: Any, seeds: Any, **options: Any) -> Decoded:
        """Drawn; see `decoding.one.sample`; ``seeds`` int32 (batch,)."""
        return sample(network, vectors, *self._ends(vectors), seed=seeds, leaving=True, **options)

    def prior(self, network: Any, seed: Any, count: Any, **options: Any) -> Decoded:
        """New texts: of vectors from the prior; text n is drawn with the seed ``seed + n``."""
        return self.of_seeds(network, seeds_from(seed, count), **options)

    def of_seeds(self, network: Any, seeds: Any, **options: Any) -> Decoded:
        """Likewise, with a seed for each text, int32 (batch,)."""
        return self.sample(network, normal(seeds, network.latent), seeds, **options)

    def _ends(self, vectors: Any) -> tuple[Any, Any]:
        """Limits of the rows, length of the loop."""
        limits = ops.full((ops.shape(vectors)[0],), self.longest + 1, "int32")
        return limits, self.longest + 1


class Bound(NamedTuple):
    """What one vector, drawn for each text, says of the text's log-probability; each float32 (batch,).

    Attributes:
        log_probability: of the text given the vector.
        divergence: of the text's posterior from the prior. The evidence lower bound is the former less this.
        log_weight: of ``p(x|z) p(z) / q(z|x)``, whose mean over vectors z is the text's probability (Burda et al. 2016,
            "Importance Weighted Autoencoders", equation 8).
    """

    log_probability: Any
    divergence: Any
    log_weight: Any


def bound(network: Any, read: Any, after: Any, seeds: Any) -> Bound:
    """Bounds the log-probability of each text.

    Args:
        network: a `TextVae`.
        read: int32 (batch, time), BOS and the text, padded.
        after: int32 (batch, time), what follows each position.
        seeds: int32 (batch,), of the vectors.
    """
    mean, log_variance = network.encode(read)
    vector, lost, ratio = mean, ops.zeros_like(mean), ops.zeros_like(mean)
    if network.kl_weight:
        noise = normal(seeds, network.latent)
        vector = mean + ops.exp(0.5 * log_variance) * noise
        lost = divergence(mean, log_variance)
        ratio = 0.5 * (ops.square(noise) + log_variance - ops.square(vector))
    found = log_probabilities(network.decode(read, vector))
    gained = ops.take_along_axis(found, after[:, :, None], axis=-1)[:, :, 0]
    gained = ops.sum(ops.where(ops.equal(after, PAD), 0.0, gained), axis=1)
    return Bound(gained, ops.sum(lost, axis=1), gained + ops.sum(ratio, axis=1))


class BoundScorer(AnyShape):
    """The bound of texts, as a model.

    Args:
        network: a `TextVae`.

    Call:
        inputs: ``read`` and ``after``, int32 (batch, time), and ``seeds``, int32 (batch, 1)
        returns: the fields of `Bound`, by name, and ``mean``, ``log_variance``, each float32 (batch, latent)
    """

    def __init__(self, network: Any, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Scores."""
        found = bound(self.network, inputs["read"], inputs["after"], inputs["seeds"][:, 0])
        mean, log_variance = self.network.encode(inputs["read"])
        return {**found._asdict(), "mean": mean, "log_variance": log_variance}


def read_and_after(ids: TokenIds, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts as the network reads them, and what follows: int32 (texts, time) each; cut after ``longest`` tokens."""
    lengths = np.minimum(ids.lengths, longest)
    width = int(lengths.max(initial=0)) + 1
    read, after = np.full((2, len(ids), width), PAD, np.int32)
    read[:, 0] = BOS
    for row, length in enumerate(lengths.tolist()):
        tokens = ids.row(row)[:length]
        read[row, 1 : length + 1] = tokens
        after[row, :length] = tokens
        after[row, length] = EOS
    return read, after


def score_latent(
    scorer: BoundScorer, ids: TokenIds, longest: int, seed: int, rows: Sequence[np.ndarray]
) -> LatentScores:
    """Scores of texts.

    Args:
        scorer: of the network.
        ids: of the texts, without begin and end.
        longest: tokens that are read.
        seed: text n gets ``seed + n``.
        rows: the texts of each batch.
    """
    if not len(ids):  # nothing, in the shapes that something has
        empty = TokenIds(np.zeros(0, np.int32), np.zeros(2, np.int64))
        one = score_latent(scorer, empty, longest, seed, [np.zeros(1, np.int64)])
        return LatentScores(**{name: array[:0] for name, array in vars(one).items() if array is not None})
    found: dict[str, Any] = {}
    most = max((len(members) for members in rows), default=0)
    for members in rows:
        read, after = read_and_after(ids.take(members), longest)
        seeds = ((seed + members) % 2**31).astype("int32")[:, None]
        for name, values in scorer.answers({"read": read, "after": after, "seeds": seeds}, most).items():
            array = np.asarray(values)
            place = found.setdefault(name, np.zeros((len(ids), *array.shape[1:]), array.dtype))
            place[members] = array
    exact = {name: found.pop(name).astype("float64") for name in Bound._fields}
    return LatentScores(**exact, **found)
