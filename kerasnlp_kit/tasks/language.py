"""Language models: how probable a text is, and how it goes on, by a network in memory, on any backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kerasnlp_kit.constants import PAD
from kerasnlp_kit.decoding.one import greedy, sample, seeds_from
from kerasnlp_kit.decoding.protocol import Decoded, log_probabilities
from kerasnlp_kit.tasks.any_shape import COMPILED_WIDTH, AnyShape
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.windows import scoring_windows, with_ends

# Whose logits are in memory together.
PIECES = 32
TOKENS = 4096
MOST_TOKENS = 1 << 20  # that are added to a prompt, whatever a caller asks for: the count must not overflow


class NextTokenScorer(AnyShape):
    """How probable each row is, as a model.

    Args:
        network: a `LanguageModel`.

    Call:
        inputs: ``read`` and ``after``, what follows each position, PAD where nothing is to be counted; int32 (batch,
            time)
        returns: float32 (batch,), log-probabilities
    """

    def __init__(self, network: Any, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Scores."""
        return score_next(self.network, inputs["read"], inputs["after"])


def score_next(network: Any, read: Any, after: Any) -> Any:
    """Log-probabilities of what follows, summed over each row: see `NextTokenScorer`."""
    found = log_probabilities(network(read, training=False))
    gained = ops.take_along_axis(found, after[:, :, None], axis=-1)[:, :, 0]
    return ops.sum(ops.where(ops.equal(after, PAD), 0.0, gained), axis=1)


@dataclass(frozen=True)
class Continuation:
    """How a text goes on: ``prompt`` int32 (batch, time), padded on the right, without begin; by a `LanguageModel`.

    Attributes:
        max_tokens: int32 (), most tokens that are added.
        length: steps of the loop, those of the prompt among them; by default as many as the rows need, which leave it
            when they have ended: compilers cannot know that.
    """

    max_tokens: Any
    length: int | None = None

    def greedy(self, network: Any, prompt: Any) -> Decoded:
        """The most probable token at each step."""
        return greedy(network, prompt, *self._ends(prompt), prefix=prompt, leaving=self.length is None)

    def sample(self, network: Any, prompt: Any, seed: Any, **options: Any) -> Decoded:
        """Drawn; see `decoding.one.sample`. Row n has the seed ``seed + n``."""
        options |= {"seed": seeds_from(seed, ops.shape(prompt)[0]), "leaving": self.length is None}
        return sample(network, prompt, *self._ends(prompt), prefix=prompt, **options)

    def _ends(self, prompt: Any) -> tuple[Any, Any]:
        """Limits of the rows, length of the loop."""
        given = ops.sum(ops.cast(ops.not_equal(prompt, PAD), "int32"), axis=1)
        limits = given + ops.clip(ops.cast(self.max_tokens, "int32"), 0, MOST_TOKENS) + 1
        return limits, self.length or ops.max(limits)


def scored_pieces(ids: TokenIds, context: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts as rows to be scored, each token with at least half of the context before it if there is as much.

    Args:
        ids: of texts, without begin and end.
        context: most tokens that are read.

    Returns:
        ``read`` and ``after`` of `NextTokenScorer`, and the text of each row, int (rows,).
    """
    texts = with_ends(ids)
    pieces = [
        (text, begin, end, known)
        for text, length in enumerate(texts.lengths.tolist())
        for begin, end, known in scoring_windows(length, context)
    ]
    width = max((end - begin for _, begin, end, _ in pieces), default=2) - 1
    read = np.full((len(pieces), width), PAD, np.int32)
    after = np.full((len(pieces), width), PAD, np.int32)
    for row, (text, begin, end, known) in enumerate(pieces):
        tokens = texts.row(text)[begin:end]
        read[row, : len(tokens) - 1] = tokens[:-1]
        after[row, known : len(tokens) - 1] = tokens[known + 1 :]
    return read, after, np.array([text for text, *_ in pieces], int)


def score_texts(scorer: NextTokenScorer, ids: TokenIds, context: int, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Log-probabilities of texts, their ends included: float64 (texts,).

    Args:
        scorer: of the network.
        ids: of the texts, without begin and end.
        context: most tokens that are read.
        rows: the texts of each batch.
    """
    totals = np.zeros(len(ids))
    for members in rows:
        read, after, text = scored_pieces(ids.take(members), context)
        width = -(-read.shape[1] // COMPILED_WIDTH) * COMPILED_WIDTH  # few numbers of rows, where each is compiled
        together = max(1, min(PIECES, TOKENS // width))
        for begin in range(0, len(read), together):
            some = slice(begin, begin + together)
            found = np.asarray(scorer.answers({"read": read[some], "after": after[some]}, together), "float64")
            np.add.at(totals, members[text[some]], found)
    return totals
