"""An autoencoder in memory: for the dev score of each epoch and for the proof."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.decoding.protocol import Decoded
from kerasnlp_kit.export.verify_autoencoding import LatentMemory
from kerasnlp_kit.tasks.autoencoding import BoundScorer, LatentSearch, score_latent
from kerasnlp_kit.tasks.latent_scores import LatentScores
from kerasnlp_kit.tasks.seq2seq import Writer
from kerasnlp_kit.text.pieces import without_ends
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

BATCH = 64


class MemoryAutoencoder:
    """Encodes, scores and writes texts with a network in memory, exactly, on any backend.

    Args:
        network: a `TextVae`.
        tokenizer: of the texts.
        longest: tokens of a text that are read, and written.
    """

    def __init__(self, network: Any, tokenizer: Any, longest: int) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.longest = longest
        self._scorer = BoundScorer(network)
        search = LatentSearch(longest)
        self._writer = Writer(network, search.greedy)
        self._sampler = Writer(network, functools.partial(_drawn, search))

    def score(self, ids: TokenIds, seed: int) -> LatentScores:
        """What it says of texts without begin and end; the vector of text n is drawn with the seed ``seed + n``."""
        order = np.argsort(ids.lengths, kind="stable")  # rows of like length together: less padding
        rows = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
        with devices.exact():
            return score_latent(self._scorer, ids, self.longest, seed, rows)

    def decode(self, vectors: np.ndarray) -> list[str]:
        """Texts of vectors: float32 (texts, latent)."""
        return self._written(self._writer, vectors.astype("float32"))

    def sample(self, count: int, seed: int) -> list[str]:
        """New texts, drawn from the whole vocabulary."""
        return self._written(self._sampler, ((seed + np.arange(count)) % 2**31).astype("int32")[:, None])

    def memory(self, seed: int) -> LatentMemory:
        """For the proof."""

        def score(texts: Sequence[bytes]) -> LatentScores:
            return self.score(self.tokenizer.encode(texts), seed)

        def interpolate(first: bytes, last: bytes, steps: int) -> list[str]:
            begin, end = score([first, last]).mean
            return self.decode(begin + np.linspace(0, 1, steps)[:, None] * (end - begin))

        return LatentMemory(
            score=score,
            reconstruct=lambda texts: self.decode(score(texts).mean),
            sample=lambda count: self.sample(count, seed),
            interpolate=interpolate,
            tokens=lambda texts: np.minimum(self.tokenizer.encode(texts).lengths, self.longest) + 1,
        )

    def _written(self, writer: Writer, inputs: np.ndarray) -> list[str]:
        """Texts of some rows at a time: their logits are in memory together."""
        texts: list[str] = []
        with devices.exact():
            for begin in range(0, len(inputs), BATCH):
                answers = writer.answers(inputs[begin : begin + BATCH], min(BATCH, len(inputs)))
                texts += self.tokenizer.decode(without_ends(np.asarray(answers["tokens"])[:, 0]))
        return texts


def _drawn(search: LatentSearch, network: Any, seeds: Any) -> Decoded:
    """Texts of vectors from the prior; seeds: int32 (texts, 1)."""
    return search.of_seeds(network, seeds[:, 0], temperature=1.0, top_k=0, top_p=1.0)
