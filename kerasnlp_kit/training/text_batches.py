"""Batches of rows of like lengths, filled up to a number of tokens, for learning the next token."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.constants import BOS, PAD
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training.plan import filled_up


@dataclass(frozen=True)
class TextBatches:
    """Texts in batches.

    Attributes:
        tokens: rows of two tokens or more, see `text.windows`.
        batch_tokens: most tokens that a batch reads, padding among them.
        seed: of the order; None keeps the rows in order of length, for evaluation.
        multiple: widths are multiples of this: many shapes cost time where each is compiled.
    """

    tokens: TokenIds
    batch_tokens: int
    seed: int | None = None
    multiple: int = 1

    def __len__(self) -> int:
        """Batches in an epoch; the same for each, as they are cut by lengths alone."""
        return self._count

    @functools.cached_property
    def _count(self) -> int:
        return len(self.plan(0))

    @functools.cached_property
    def target_tokens(self) -> int:
        """Tokens of an epoch that are to be told from those before them."""
        follows = np.ones(len(self.tokens.values), bool)
        follows[self.tokens.offsets[:-1]] = False
        return int((follows & (self.tokens.values != BOS)).sum())

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of an epoch; depends on nothing but seed and epoch."""
        rows = np.arange(len(self.tokens))
        random = None if self.seed is None else np.random.default_rng((self.seed, epoch))
        if random is not None:
            rows = random.permutation(rows)
        rows = rows[np.argsort(self.tokens.lengths[rows], kind="stable")]
        widths = -(-(self.tokens.lengths[rows] - 1) // self.multiple) * self.multiple
        return filled_up(rows, widths, self.batch_tokens, random)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields what is read, int32 (batch, time), and what follows each position, padded.

        Args:
            epoch: number of the epoch.
            start: batches to leave out.
        """
        return self.batches(self.plan(epoch)[start:])

    def batches(self, plan: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields, likewise, the batches of a plan or a part of it."""
        for rows in plan:
            yield self.batch(rows)

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some rows, likewise; that a text begins is not to be told from what is before it."""
        longest = int(self.tokens.lengths[rows].max(initial=2)) - 1
        width = -(-longest // self.multiple) * self.multiple
        padded = pad_rows(self.tokens, rows, width + 1)
        read, after = padded[:, :-1].copy(), padded[:, 1:].copy()
        read[after == PAD] = PAD
        after[after == BOS] = PAD
        return read, after

    def specification(self) -> Any:
        """Types and shapes of a batch, for tf.data."""
        import tensorflow as tf

        ids = tf.TensorSpec([None, None], tf.int32)
        return ids, ids
