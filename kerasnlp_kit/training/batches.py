"""Batches of rows of like length: a few fixed widths, shuffled by seed and epoch."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.token_ids import TokenIds, rows_at

MAX_WIDTHS = 6  # each width is one more graph for XLA and JAX to compile


def bucket_widths(lengths: np.ndarray, count: int = MAX_WIDTHS) -> tuple[int, ...]:
    """The ``count`` widths that leave the least padding, the longest length among them.

    Exact, by dynamic programming over the distinct lengths (rounded up to a multiple of 4, above 64 of 16, so that
    widths are few and kind to vector units).

    Args:
        lengths: int (rows,), tokens in each row.
        count: most widths to use.

    Returns:
        Rising widths, the last one ``max(lengths)``, at least 1.
    """
    longest = max(1, int(lengths.max(initial=1)))
    rounded = np.maximum(1, lengths)
    rounded = np.where(rounded > 64, -(-rounded // 16) * 16, -(-rounded // 4) * 4)
    rounded = np.minimum(rounded, longest)
    widths, rows = np.unique(rounded, return_counts=True)
    if not len(widths):
        return (1,)
    before = np.concatenate([[0], np.cumsum(rows)])  # rows no longer than the widths up to here
    size = len(widths)
    # cost[k][j]: positions needed by all rows up to width j with k + 1 buckets, the last of them widths[j] wide
    cost = np.full((count, size), np.inf)
    came = np.zeros((count, size), dtype=int)
    cost[0] = before[1:] * widths
    for k in range(1, count):
        for j in range(k, size):
            options = cost[k - 1, :j] + (before[j + 1] - before[1 : j + 1]) * widths[j]
            came[k, j] = int(np.argmin(options))
            cost[k, j] = options[came[k, j]]
    k = int(np.argmin(cost[:, -1]))
    chosen, j = [], size - 1
    for level in range(k, -1, -1):
        chosen.append(int(widths[j]))
        j = came[level, j]
    return tuple(sorted(chosen))


@dataclass(frozen=True)
class Batches:
    """Rows in batches.

    Attributes:
        ids: tokens of all rows.
        labels: int32 (rows,), or bool (rows, classes) where a row may have several.
        batch_size: rows in a batch, except the last of the widest.
        widths: rising widths; a row goes to the first that holds it, longer ones are cut to the last.
        weights: float32 (rows,), weight of each row in the loss, or None.
        multiple: the size of every batch is a multiple of this (number of devices); up to ``multiple - 1`` rows sit out
            an epoch, others in the next one.
        seed: of the order; None keeps the rows in order of width and position, for evaluation.
        fewer_of_long: whether a batch of long rows has fewer of them; see `rows_at`.
    """

    ids: TokenIds
    labels: np.ndarray
    batch_size: int
    widths: tuple[int, ...]
    weights: np.ndarray | None = None
    multiple: int = 1
    seed: int | None = None
    fewer_of_long: bool = False

    def __len__(self) -> int:
        """Batches in an epoch; the same for each."""
        return self._count

    @functools.cached_property
    def _count(self) -> int:
        return len(self.plan(0))

    def plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """The batches of an epoch, each its width and its rows; depends on nothing but seed and epoch."""
        bucket = np.searchsorted(self.widths, np.minimum(self.ids.lengths, self.widths[-1]))
        rows = np.arange(len(self.ids))
        # Order must not depend on how far earlier epochs got, so that a resumed run meets the same batches.
        random = None if self.seed is None else np.random.default_rng((self.seed, epoch))
        if random is not None:
            random.shuffle(rows)
        rows = rows[: len(rows) // self.multiple * self.multiple]
        batches: list[tuple[int, np.ndarray]] = []
        left = rows[:0]
        for number, width in enumerate(self.widths):
            members = np.concatenate([left, rows[bucket[rows] == number]])
            size = self._rows_at(width)
            full = len(members) // size * size
            batches.extend((width, members[start : start + size]) for start in range(0, full, size))
            left = members[full:]  # goes with the next wider rows: one odd batch in all, not one a width
        if len(left):
            batches.append((self.widths[-1], left))
        return batches if random is None else [batches[index] for index in random.permutation(len(batches))]

    def _rows_at(self, width: int) -> int:
        size = rows_at(width, self.batch_size) if self.fewer_of_long else self.batch_size
        return -(-size // self.multiple) * self.multiple

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields ids (batch, width), labels int32 (batch,) or (batch, classes) and weights (batch,) if any.

        Args:
            epoch: number of the epoch.
            start: batches to leave out.
        """
        return self.batches(self.plan(epoch)[start:])

    def batches(self, plan: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields, likewise, the batches of a plan or a part of it."""
        for width, rows in plan:
            # Whole numbers: several devices cannot add bools up on TensorFlow.
            batch = (pad_rows(self.ids, rows, width), self.labels[rows].astype("int32"))
            yield batch if self.weights is None else (*batch, self.weights[rows])

    def specification(self) -> Any:
        """Types and shapes of a batch, for tf.data."""
        import tensorflow as tf

        ids, labels = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, *self.labels.shape[1:]], tf.int32)
        return (ids, labels) if self.weights is None else (ids, labels, tf.TensorSpec([None], tf.float32))


class EpochDataset:
    """The tf.data pipeline of one ``fit``: reads its epoch anew each time it is iterated.

    tf.data serves every Keras backend, fixes nothing about the width, and prefetches while the device computes.

    Args:
        batches: `Batches`, or what else has its methods ``epoch``, ``specification`` and ``__len__``.
        start: batches to leave out.
    """

    def __init__(self, batches: Any, start: int = 0) -> None:
        self.batches = batches
        self.start = start
        self.number = 0  # set by the training loop before each epoch

    def dataset(self) -> Any:
        """tf.data.Dataset of what the batches yield."""
        import tensorflow as tf

        generated = tf.data.Dataset.from_generator(
            lambda: self.batches.epoch(self.number, self.start), output_signature=self.batches.specification()
        )
        count = len(self.batches) - self.start
        return generated.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)
