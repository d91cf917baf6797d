"""Batches of pairs of like lengths, filled up to a number of tokens, shuffled by seed and epoch."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training.plan import filled_up

HIDDEN = 0.05  # share of the training pairs in which a piece that stands on both sides is made unknown


@dataclass(frozen=True)
class PairBatches:
    """Pairs in batches.

    Attributes:
        source: tokens of all sources.
        target: tokens of all targets, without begin and end.
        batch_tokens: most tokens of a batch on the side that has more, padding among them.
        seed: of the order; None keeps the rows in order of length, for evaluation.
        multiple: widths are multiples of this: many shapes cost time where each is compiled.
        rows: the pairs that take part; None for all.
        same: int32 (source vocabulary,), the target's id of the same piece, 0 where it has none. With it an epoch has
            unknown pieces, so that copying them is learnt: a vocabulary of all training rows leaves none there.
        drawn: the tokens of both sides in an epoch, by its number, where they are others each time. All epochs have as
            many batches as the first, so that their tokens are about ``batch_tokens``.
    """

    source: TokenIds
    target: TokenIds
    batch_tokens: int
    seed: int | None = None
    multiple: int = 1
    rows: np.ndarray | None = None
    same: np.ndarray | None = None
    drawn: Callable[[int], tuple[TokenIds, TokenIds]] | None = None

    def __len__(self) -> int:
        """Batches in an epoch; the same for each."""
        return self._count

    @functools.cached_property
    def _count(self) -> int:
        return len(self._of(0).plan(0))

    def _of(self, epoch: int) -> "PairBatches":
        """With the tokens of an epoch."""
        if self.drawn is None:
            return self
        source, target = self.drawn(epoch)
        return dataclasses.replace(self, source=source, target=target, drawn=None)

    @functools.cached_property
    def target_tokens(self) -> int:
        """Target tokens of an epoch, the ends among them."""
        lengths = self.target.lengths if self.rows is None else self.target.lengths[self.rows]
        return int(lengths.sum()) + len(lengths)

    def plan(self, epoch: int, count: int | None = None) -> list[np.ndarray]:
        """The rows of each batch of an epoch, so many if they are counted; depends on nothing but seed and epoch."""
        rows = np.arange(len(self.source)) if self.rows is None else self.rows
        random = None if self.seed is None else np.random.default_rng((self.seed, epoch))
        if random is not None:
            rows = random.permutation(rows)
        source, target = np.maximum(self.source.lengths, 1)[rows], self.target.lengths[rows] + 1
        # By the longer side, which the number of tokens goes by; then by the target, where each position costs more.
        rows = rows[np.lexsort((source, target, np.maximum(source, target)))]
        widths = np.maximum(self.source.lengths[rows], self.target.lengths[rows] + 1)
        widths = -(-widths // self.multiple) * self.multiple
        return filled_up(rows, widths, self.batch_tokens, random, count)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Yields ``source`` (batch, source time) and ``target`` (batch, time), and what is to follow each position.

        Args:
            epoch: number of the epoch.
            start: batches to leave out.
        """
        tokens = self._of(epoch)
        plan = tokens.plan(epoch, None if self.drawn is None else len(self))
        for number, rows in enumerate(plan[start:], start):
            inputs, after = tokens.batch(rows)
            if self.same is not None:
                random = np.random.default_rng((self.seed or 0, epoch, number))
                _hide(inputs["source"], inputs["target"], after, self.same, random)
            yield inputs, after

    def batch(self, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Source and target of some rows, the latter behind BOS, and the target before EOS: int32, padded."""
        lengths = self.target.lengths[rows]
        after = pad_rows(self.target, rows, self._width(lengths, 1))
        before = np.full_like(after, PAD)
        before[:, 0] = BOS
        before[:, 1:] = after[:, :-1]
        after[np.arange(len(rows)), lengths] = EOS
        return {"source": self.sources(rows), "target": before}, after

    def sources(self, rows: np.ndarray) -> np.ndarray:
        """Sources of some rows: int32 (rows, source time), padded."""
        return pad_rows(self.source, rows, self._width(self.source.lengths[rows], 0))

    def specification(self) -> Any:
        """Types and shapes of a batch, for tf.data."""
        import tensorflow as tf

        ids = tf.TensorSpec([None, None], tf.int32)
        return {"source": ids, "target": ids}, ids

    def _width(self, lengths: np.ndarray, more: int) -> int:
        return -(-max(1, int(lengths.max(initial=0)) + more) // self.multiple) * self.multiple


def _hide(
    source: np.ndarray, before: np.ndarray, after: np.ndarray, same: np.ndarray, random: np.random.Generator
) -> None:
    """Makes one piece of some rows unknown on both sides, in place; see `PairBatches` for the arguments.

    Only one that stands there as often as here: the model shall learn to copy what is copied, and no other.
    """
    for row in np.flatnonzero(random.random(len(source)) < HIDDEN):
        here, counts = np.unique(source[row], return_counts=True)
        there, known = same[here], same[here] != PAD
        copied = here[known & ((after[row] == there[:, None]).sum(axis=1) == counts)]
        if len(copied):
            piece = random.choice(copied)
            source[row][source[row] == piece] = UNK
            for side in (before, after):
                side[row][side[row] == same[piece]] = UNK
