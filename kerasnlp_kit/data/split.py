"""Sets rows aside for development: stratified, shuffled, and never a text on both sides."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from kerasnlp_kit.data.stratification import iterative_stratification
from kerasnlp_kit.errors import UserError


def split_rows(
    texts: Iterable[str], labels: np.ndarray, dev_fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into train and dev.

    Rows with equal texts (case and blanks aside) stay together. Each class gives its share; a class with two or more
    distinct texts gives at least one row to dev, and every class keeps at least one row in train.

    Args:
        texts: The texts, one a row.
        labels: int (rows,): their classes; all zero where there are none.
        dev_fraction: The share of rows for dev, between 0 and 1.
        seed: Equal seeds give equal splits, on every machine.

    Returns:
        The sorted row indices of train and of dev: int64 each.

    Raises:
        UserError: the fraction is not between 0 and 1, or there are no two distinct texts.
    """
    groups = _groups(texts, len(labels), dev_fraction)
    classes, labels = np.unique(np.asarray(labels), return_inverse=True)
    picker = _Picker(groups, labels, int(groups.max()) + 1, len(classes), np.random.default_rng(seed))
    quotas = _quotas(picker, dev_fraction)
    for label, quota in enumerate(quotas):
        picker.pick(label, int(quota))
    picker.serve_left_out_classes()
    return _sides(picker.in_dev[groups])


def split_label_sets(
    texts: Iterable[str], targets: np.ndarray, dev_fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows that may have several labels each, as `split_rows` does those of one label.

    What holds there for each class holds here for each label, see `iterative_stratification`.

    Args:
        texts: The texts, one a row.
        targets: bool (rows, K): whether a row has each of K labels.
        dev_fraction: The share of rows for dev, between 0 and 1.
        seed: Equal seeds give equal splits, on every machine.

    Returns:
        The sorted row indices of train and of dev: int64 each.

    Raises:
        UserError: the fraction is not between 0 and 1, or there are no two distinct texts.
    """
    groups = _groups(texts, len(targets), dev_fraction)
    in_dev = iterative_stratification(groups, targets, dev_fraction, np.random.default_rng(seed))
    return _sides(in_dev[groups])


def split_pairs(sources: Sequence[str], dev_fraction: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Splits the rows of source and target into train and dev, shuffled, so that neither is the file's tail.

    Rows with equal sources (case and blanks aside) stay together, whatever their targets: a sentence with several
    translations is on one side. Each side has one row or more.

    Args:
        sources: The sources, one a row.
        dev_fraction: The share of rows for dev, between 0 and 1.
        seed: Equal seeds give equal splits, on every machine.

    Returns:
        The sorted row indices of train and of dev: int64 each.

    Raises:
        UserError: the fraction is not between 0 and 1, or there are no two distinct sources.
    """
    return split_rows(sources, np.zeros(len(sources), np.int64), dev_fraction, seed)  # as one class


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """Returns uint64 (rows,): equal for texts that differ only in case and blanks."""
    return np.fromiter(map(_text_key, texts), np.uint64)


def _groups(texts: Iterable[str], rows: int, dev_fraction: float) -> np.ndarray:
    """Returns int (rows,): a number from 0 on for each distinct text."""
    if not 0 < dev_fraction < 1:
        raise UserError(f"expected a dev fraction between 0 and 1, such as 0.1; received {dev_fraction}.")
    keys = text_keys(texts)
    if len(keys) != rows:
        raise ValueError(f"expected a label for each text, received {len(keys)} texts and {rows} labels")
    distinct, groups = np.unique(keys, return_inverse=True)
    if len(distinct) < 2:
        raise UserError("expected two or more distinct texts to set some aside for development; give a dev file.")
    return groups


def _sides(dev: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.flatnonzero(~dev), np.flatnonzero(dev)


class _Picker:
    """Moves groups of equal texts from train to dev, never the last of a class.

    Attributes:
        in_dev: bool (groups,): what has been moved.
        home: int (groups,): the class most rows of a group belong to.
        class_rows: int (classes,): rows of each class.
        class_groups: int (classes,): distinct texts of each class.
    """

    def __init__(
        self, groups: np.ndarray, labels: np.ndarray, group_count: int, class_count: int, random: np.random.Generator
    ):
        # One entry for each pair of a group and a class in it, sorted by group.
        pairs, sizes = np.unique(groups.astype(np.int64) * class_count + labels, return_counts=True)
        self._pair_group, self._pair_class, self._pair_size = pairs // class_count, pairs % class_count, sizes
        self._starts = np.searchsorted(self._pair_group, np.arange(group_count + 1))
        self._sizes = np.bincount(groups, minlength=group_count)
        self.in_dev = np.zeros(group_count, bool)
        self.class_rows = np.bincount(labels, minlength=class_count)
        self.class_groups = np.bincount(self._pair_class, minlength=class_count)
        self._left = self.class_rows.copy()
        self._dev_rows = np.zeros(class_count, np.int64)
        self._order = random.permutation(group_count)
        # Of a group's pairs the largest wins, then the lower class: later writes overwrite earlier ones.
        by_size = np.lexsort((-self._pair_class, self._pair_size, self._pair_group))
        self.home = np.empty(group_count, np.int64)
        self.home[self._pair_group[by_size]] = self._pair_class[by_size]
        ordered = self._order[np.argsort(self.home[self._order], kind="stable")]
        self._members = np.split(ordered, np.searchsorted(self.home[ordered], np.arange(1, class_count)))

    def pick(self, label: int, quota: int) -> None:
        """Moves groups at home in a class until `quota` rows have been moved; those too large are passed over."""
        for group in self._members[label]:
            if quota <= 0:
                return
            if self._sizes[group] <= quota and self._move(group):
                quota -= int(self._sizes[group])

    def serve_left_out_classes(self) -> None:
        """Gives each class that has two or more texts but none in dev its smallest group, if train can spare it."""
        left_out = np.flatnonzero((self._dev_rows == 0) & (self.class_groups >= 2))
        if not len(left_out):
            return
        rank = np.empty_like(self._order)
        rank[self._order] = np.arange(len(self._order))
        by_class = np.argsort(self._pair_class, kind="stable")
        bounds = np.searchsorted(self._pair_class[by_class], np.arange(len(self.class_rows) + 1))
        for label in left_out:
            groups = self._pair_group[by_class[bounds[label] : bounds[label + 1]]]
            for group in groups[np.lexsort((rank[groups], self._sizes[groups]))]:
                # Half of the class's rows in one text are better used for training.
                if self._dev_rows[label] or self._sizes[group] * 2 > max(2, self.class_rows[label]):
                    break
                self._move(group)

    def _move(self, group: int) -> bool:
        pairs = slice(self._starts[group], self._starts[group + 1])
        classes, sizes = self._pair_class[pairs], self._pair_size[pairs]
        if self.in_dev[group] or (self._left[classes] <= sizes).any():
            return False
        self.in_dev[group] = True
        self._left[classes] -= sizes
        self._dev_rows[classes] += sizes
        return True


def _quotas(picker: _Picker, fraction: float) -> np.ndarray:
    """Returns how many rows each class gives: its share, rounded so that the sum is right, and one at least."""
    rows = picker.class_rows
    able = picker.class_groups >= 2
    share = rows * fraction
    quotas = np.where(able, np.maximum(1, np.floor(share)), 0).astype(np.int64)
    lacking = round(float(share.sum())) - int(quotas.sum())
    if lacking > 0:
        # The largest remainder first; a class gives at most one row beyond its share.
        candidates = np.flatnonzero(able & (quotas <= share))
        for label in candidates[np.argsort(quotas[candidates] - share[candidates], kind="stable")][:lacking]:
            quotas[label] += 1
    while lacking < 0:
        # Rare classes took more than their share; the largest quotas make up for it, down to half of theirs.
        spare = np.where(quotas > np.maximum(1, np.ceil(share / 2)), quotas, 0)
        label = int(np.argmax(spare))
        if not spare[label]:
            break
        quotas[label] -= 1
        lacking += 1
    return quotas


def _text_key(text: str) -> int:
    plain = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(plain, digest_size=8).digest(), "little")
