import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from kerasnlp_kit.data import split_rows
from kerasnlp_kit.errors import UserError


def distinct(count):
    return [f"text {row}" for row in range(count)]


def test_every_row_lands_on_one_side_in_its_order():
    train, dev = split_rows(distinct(40), np.arange(40) % 2, 0.25)
    assert sorted([*train, *dev]) == list(range(40))
    assert train.tolist() == sorted(train) and dev.tolist() == sorted(dev) and len(dev) == 10


def test_classes_keep_their_shares_as_in_scikit_learn():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    _, dev = split_rows(distinct(1000), labels, 0.1, seed=3)
    _, expected = next(StratifiedShuffleSplit(1, test_size=0.1, random_state=3).split(labels, labels))
    assert np.bincount(labels[dev]).tolist() == np.bincount(labels[expected]).tolist() == [70, 20, 10]


def test_the_last_rows_of_a_sorted_file_are_not_the_dev_set():
    _, dev = split_rows(distinct(1000), np.repeat([0, 1], 500), 0.1)
    assert 300 < dev.mean() < 700


def test_equal_texts_never_land_on_two_sides():
    # 100 texts, five times each, in other clothes and with changing labels.
    clothes = ["Text {}", "text {}", " TEXT  {} ", "text\t{}", "text\n{}"]
    texts = [clothes[row % 5].format(row // 5) for row in range(500)]
    labels = np.random.default_rng(0).integers(0, 3, 500)
    train, dev = split_rows(texts, labels, 0.2, seed=1)
    assert not {row // 5 for row in train} & {row // 5 for row in dev}
    assert 90 <= len(dev) <= 110


def test_a_class_of_one_row_stays_in_train():
    labels = np.array([0] * 30 + [1] * 30 + [2])
    texts = distinct(61)
    assert all(60 in split_rows(texts, labels, 0.3, seed)[0] for seed in range(20))
    # Not even with a text that the other classes have, too.
    texts[60] = texts[0]
    assert all(60 in split_rows(texts, labels, 0.3, seed)[0] for seed in range(20))


def test_a_class_of_one_text_stays_in_train():
    texts = [*distinct(20), *["same"] * 10]
    labels = np.repeat([0, 1], [20, 10])
    assert set(range(20, 30)) <= set(split_rows(texts, labels, 0.2)[0])


def test_each_class_of_two_texts_has_a_dev_row_and_a_train_row():
    labels = np.concatenate([np.repeat([0, 1], 500), np.repeat(np.arange(2, 12), 2)])
    train, dev = split_rows(distinct(len(labels)), labels, 0.1)
    assert set(labels[train]) == set(labels[dev]) == set(range(12))
    # The ten rare classes give one row each; the two large ones give fewer for it.
    assert len(dev) == 102


def test_a_class_whose_texts_are_mostly_another_class_s_has_a_dev_row():
    texts = [f"text {row // 3}" for row in range(60)]
    labels = np.tile([0, 0, 1], 20)
    train, dev = split_rows(texts, labels, 0.2)
    assert set(labels[train]) == set(labels[dev]) == {0, 1}


def test_the_size_is_right_with_many_classes():
    labels = np.random.default_rng(0).integers(0, 77, 9000)
    _, dev = split_rows(distinct(9000), labels, 0.1)
    assert len(dev) == 900


def test_a_seed_decides_and_another_decides_otherwise():
    texts, labels = distinct(100), np.arange(100) % 4
    assert split_rows(texts, labels, seed=5)[1].tolist() == split_rows(texts, labels, seed=5)[1].tolist()
    assert split_rows(texts, labels, seed=5)[1].tolist() != split_rows(texts, labels, seed=6)[1].tolist()


def test_the_hash_seed_of_python_does_not_matter():
    script = (
        "import numpy as np; from kerasnlp_kit.data import split_rows;"
        "print(split_rows([f't{r}' for r in range(50)], np.arange(50) % 3, seed=2)[1].tolist())"
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


def test_a_hundred_thousand_rows_take_seconds():
    texts, labels = distinct(100_000), np.random.default_rng(0).integers(0, 50, 100_000)
    begin = time.perf_counter()
    _, dev = split_rows(texts, labels)
    assert time.perf_counter() - begin < 5 and len(dev) == 10_000


@pytest.mark.parametrize(("texts", "fraction"), [(["a", "b"], 0.0), (["a", "b"], 1.0), (["a", "A "], 0.5), ([], 0.5)])
def test_what_cannot_be_split_is_refused(texts, fraction):
    with pytest.raises(UserError):
        split_rows(texts, np.zeros(len(texts), int), fraction)
