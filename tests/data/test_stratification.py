"""Splitting rows of several labels: the published algorithm, shares against chance, and whole groups."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasnlp_kit.data import split_label_sets
from kerasnlp_kit.data.stratification import iterative_stratification
from kerasnlp_kit.errors import UserError


def distinct(count):
    return [f"text {row}" for row in range(count)]


def random_targets(rows, labels, seed=0):
    """Labels from frequent to rare, about two a row: bool (rows, labels)."""
    share = 1 / np.arange(1, labels + 1)
    return np.random.default_rng(seed).random((rows, labels)) < np.minimum(0.9, 2 * share / share.sum())


def as_published(targets, fraction, order):
    """Algorithm 1 of Sechidis et al. (2011) for two subsets, row by row; ties go to train. Returns bool (rows,)."""
    waiting = set(range(len(targets)))
    wish = [len(targets) * (1 - fraction), len(targets) * fraction]
    count = targets.sum(axis=0)
    label_wish = [[total - total * fraction, total * fraction] for total in count]
    dev = np.zeros(len(targets), bool)
    while waiting:
        left = [sum(bool(targets[row, label]) for row in waiting) for label in range(targets.shape[1])]
        rarest = min((label for label in range(len(left)) if left[label]), key=left.__getitem__, default=None)
        rows = [row for row in order if row in waiting and (rarest is None or targets[row, rarest])]
        for row in rows:
            lacking = wish if rarest is None or len(set(label_wish[rarest])) == 1 else label_wish[rarest]
            side = int(lacking[1] > lacking[0])
            dev[row] = side == 1
            wish[side] -= 1
            for label in np.flatnonzero(targets[row]):
                label_wish[label][side] -= 1
            waiting.remove(row)
    return dev


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_rows_go_where_the_published_algorithm_puts_them(fraction, seed):
    # Each label has ten rows or more, so that dev is owed a row of each without our addition.
    targets = np.random.default_rng(seed).random((200, 6)) < [0.5, 0.3, 0.3, 0.2, 0.12, 0.1]
    assert targets.sum(axis=0).min() >= 10 and not targets.any(axis=1).all()
    found = iterative_stratification(np.arange(200), targets, fraction, np.random.default_rng(seed))
    order = np.random.default_rng(seed).permutation(200)
    assert found.tolist() == as_published(targets, fraction, order).tolist()


@pytest.mark.parametrize(("rows", "labels"), [(300, 12), (1000, 40)])
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_each_label_keeps_its_share_better_than_by_chance(rows, labels, fraction):
    targets = random_targets(rows, labels)
    count = targets.sum(axis=0)

    def distance(dev):
        return np.abs(targets[dev].sum(axis=0) - fraction * count)

    ours = [distance(split_label_sets(distinct(rows), targets, fraction, seed)[1]) for seed in range(5)]
    chance = [distance(np.random.default_rng(seed).permutation(rows)[: round(rows * fraction)]) for seed in range(5)]
    assert np.mean(ours) < np.mean(chance) / 3
    # Rounding costs less than a row; rows that rarer labels have placed already may be a few too many.
    assert np.max(ours) < 3


def test_every_row_lands_on_one_side_in_its_order():
    targets = random_targets(400, 10)
    train, dev = split_label_sets(distinct(400), targets, 0.25)
    assert sorted([*train, *dev]) == list(range(400))
    assert train.tolist() == sorted(train) and dev.tolist() == sorted(dev) and len(dev) == 100


def test_rows_without_labels_give_their_share():
    targets = np.zeros((100, 3), bool)
    targets[:40, 0] = True
    _, dev = split_label_sets(distinct(100), targets, 0.1)
    assert len(dev) == 10 and (dev < 40).sum() == 4


def test_equal_texts_never_land_on_two_sides():
    # 100 texts, five times each, in other clothes and with changing labels.
    clothes = ["Text {}", "text {}", " TEXT  {} ", "text\t{}", "text\n{}"]
    texts = [clothes[row % 5].format(row // 5) for row in range(500)]
    targets = random_targets(500, 8)
    for seed in range(5):
        train, dev = split_label_sets(texts, targets, 0.2, seed)
        assert not {row // 5 for row in train} & {row // 5 for row in dev}
        # No text of five rows goes to dev where less than half of it is lacking.
        assert 80 <= len(dev) <= 102


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_a_label_of_one_row_or_one_text_stays_in_train(fraction):
    targets = np.zeros((60, 4), bool)
    targets[:, 0] = np.arange(60) % 2
    targets[7, 1] = True  # one row
    targets[20:30, 2] = True  # ten rows of one text
    targets[::3, 3] = True
    texts = [*distinct(20), *["same"] * 10, *distinct(60)[30:]]
    for seed in range(10):
        train, _ = split_label_sets(texts, targets, fraction, seed)
        assert {7, *range(20, 30)} <= set(train.tolist())


def test_each_label_of_two_texts_is_on_both_sides():
    # Two frequent labels, and twenty with two rows each.
    targets = np.zeros((1000, 22), bool)
    targets[:, 0], targets[:, 1] = np.arange(1000) % 2 == 0, np.arange(1000) % 3 == 0
    rare = np.random.default_rng(0).permutation(1000)[:40].reshape(20, 2)
    for label, rows in enumerate(rare, start=2):
        targets[rows, label] = True
    for seed in range(5):
        train, dev = split_label_sets(distinct(1000), targets, 0.1, seed)
        assert targets[train].any(axis=0).all() and targets[dev].any(axis=0).all()
        assert 98 <= len(dev) <= 102


def test_a_label_whose_small_text_went_to_train_gives_it_to_dev_all_the_same():
    # Label 0 has nine rows of one text and one of another; whichever comes first, dev gets the other.
    texts = [*["large"] * 9, "small", *distinct(30)]
    targets = np.zeros((40, 2), bool)
    targets[:10, 0] = targets[10:25, 1] = True
    for seed in range(10):
        train, dev = split_label_sets(texts, targets, 0.1, seed)
        assert 9 in dev and set(range(9)) <= set(train.tolist())


def test_a_seed_decides_and_another_decides_otherwise():
    texts, targets = distinct(200), random_targets(200, 6)
    assert split_label_sets(texts, targets, seed=5)[1].tolist() == split_label_sets(texts, targets, seed=5)[1].tolist()
    assert split_label_sets(texts, targets, seed=5)[1].tolist() != split_label_sets(texts, targets, seed=6)[1].tolist()


def test_the_hash_seed_of_python_does_not_matter():
    script = (
        "import numpy as np; from kerasnlp_kit.data import split_label_sets;"
        "targets = np.arange(150).reshape(50, 3) % 7 < 3;"
        "print(split_label_sets([f't{r}' for r in range(50)], targets, seed=2)[1].tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).resolve().parents[2],
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(("texts", "fraction"), [(["a", "b"], 0.0), (["a", "b"], 1.0), (["a", "A "], 0.5), ([], 0.5)])
def test_what_cannot_be_split_is_refused(texts, fraction):
    with pytest.raises(UserError):
        split_label_sets(texts, np.zeros((len(texts), 2), bool), fraction)
