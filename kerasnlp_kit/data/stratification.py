"""Splits rows that have several labels each so that every label keeps its share on both sides."""

import numpy as np

_TRAIN, _DEV = 0, 1


def iterative_stratification(
    groups: np.ndarray, targets: np.ndarray, dev_fraction: float, random: np.random.Generator
) -> np.ndarray:
    """Chooses the groups of rows that go to dev.

    The rarest label is served first, as its rows are the hardest to place: each of them goes to the side that still
    lacks most rows of this label, of equals to the one that lacks most rows at all, then to train. Rows without labels
    come last. Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011.

    Beyond the paper, groups are placed whole, one of several rows in dev only if dev lacks half of it; dev is to have
    at least one row of each label with two groups or more; and the last group of a label stays in train.

    Args:
        groups: int (rows,): the group of each row, from 0 to G - 1; rows of one group stay together.
        targets: bool (rows, K): whether a row has each of K labels.
        dev_fraction: The share of rows for dev, between 0 and 1.
        random: Decides the order of the groups.

    Returns:
        bool (groups,): what goes to dev.
    """
    sides = _Sides(groups, targets, dev_fraction, random)
    while True:
        # Labels that are used up, or that no row has, are out.
        waiting = np.flatnonzero(sides.waiting)
        if not len(waiting):
            break
        label = waiting[np.argmin(sides.waiting[waiting])]
        for group in sides.groups_of(label):
            if not sides.placed[group]:
                sides.place(group, sides.neediest(label))
    for group in sides.order:
        if not sides.placed[group]:
            sides.place(group, sides.neediest())
    sides.serve_left_out_labels()
    return sides.in_dev


class _Sides:
    """Train and dev while they fill up.

    Attributes:
        order: int (groups,): the groups, shuffled.
        placed: bool (groups,): those that are on a side.
        in_dev: bool (groups,): those that are in dev.
        waiting: int (K,): rows of each label in groups that are not placed.
    """

    def __init__(self, groups: np.ndarray, targets: np.ndarray, dev_fraction: float, random: np.random.Generator):
        group_count, label_count = int(groups.max()) + 1, targets.shape[1]
        self._sizes = np.bincount(groups, minlength=group_count)
        self.order = random.permutation(group_count)
        self._rank = np.empty(group_count, np.int64)
        self._rank[self.order] = np.arange(group_count)
        # One entry for each pair of a group and a label in it, by group; and the groups of each label, shuffled.
        rows, labels = np.nonzero(targets)
        pairs, self._pair_rows = np.unique(groups[rows] * np.int64(label_count) + labels, return_counts=True)
        pair_group, self._pair_label = pairs // max(1, label_count), pairs % max(1, label_count)
        self._starts = np.searchsorted(pair_group, np.arange(group_count + 1))
        by_label = np.lexsort((self._rank[pair_group], self._pair_label))
        self._members = np.split(
            pair_group[by_label], np.searchsorted(self._pair_label[by_label], np.arange(1, max(1, label_count)))
        )
        self._label_rows = np.bincount(self._pair_label, self._pair_rows, label_count).astype(np.int64)
        self.placed = np.zeros(group_count, bool)
        self.in_dev = np.zeros(group_count, bool)
        self.waiting = self._label_rows.copy()
        self._not_in_dev = self._label_rows.copy()
        # What each side still lacks, (side, K) of each label and (side,) at all.
        groups_with = np.bincount(self._pair_label, minlength=label_count)
        dev_rows = self._label_rows * dev_fraction
        dev_rows = np.where(groups_with >= 2, np.maximum(1, dev_rows), dev_rows)
        self._lacking_labels = np.stack([self._label_rows - dev_rows, dev_rows])
        self._lacking = np.array([len(groups) * (1 - dev_fraction), len(groups) * dev_fraction])

    def groups_of(self, label: int) -> np.ndarray:
        """The groups that have a label, shuffled: int (n,)."""
        return self._members[label]

    def neediest(self, label: int | None = None) -> int:
        """The side that lacks most rows, of a label if one is given."""
        if label is not None:
            train, dev = self._lacking_labels[:, label]
            if train != dev:
                return _DEV if dev > train else _TRAIN
        return _DEV if self._lacking[_DEV] > self._lacking[_TRAIN] else _TRAIN

    def place(self, group: int, side: int) -> None:
        """Puts a group on a side; on train if it holds the last rows of a label there, or would overfill dev."""
        labels, rows = self._labels(group)
        too_large = 1 < self._sizes[group] > 2 * self._lacking[_DEV]
        if side == _DEV and (too_large or not self._may_leave_train(group)):
            side = _TRAIN
        self.placed[group] = True
        self.waiting[labels] -= rows
        self._lacking_labels[side, labels] -= rows
        self._lacking[side] -= self._sizes[group]
        if side == _DEV:
            self._to_dev(group)

    def serve_left_out_labels(self) -> None:
        """Gives dev the smallest group of each label of two groups that it has none of, if train can spare it."""
        for label in np.flatnonzero(self._not_in_dev == self._label_rows):
            groups = self._members[label]
            for group in groups[np.lexsort((self._rank[groups], self._sizes[groups]))]:
                # Half of the label's rows in one text are better used for training.
                if self._sizes[group] * 2 > max(2, self._label_rows[label]):
                    break
                if not self.in_dev[group] and self._may_leave_train(group):
                    self._to_dev(group)
                    break

    def _labels(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The labels in a group and how many of its rows have them: int (n,) each."""
        pairs = slice(self._starts[group], self._starts[group + 1])
        return self._pair_label[pairs], self._pair_rows[pairs]

    def _may_leave_train(self, group: int) -> bool:
        labels, rows = self._labels(group)
        return bool((self._not_in_dev[labels] > rows).all())

    def _to_dev(self, group: int) -> None:
        labels, rows = self._labels(group)
        self.in_dev[group] = True
        self._not_in_dev[labels] -= rows
