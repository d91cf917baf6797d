import itertools

import numpy as np
import pytest

from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training.batches import Batches, EpochDataset, bucket_widths

LENGTHS = [3, 1, 7, 0, 5, 2, 7, 4, 6, 1, 9]
WIDTHS = (4, 8, 9)


def token_ids(lengths):
    """Row i holds the id i + 1 all along, so that a batch tells which rows it holds."""
    return TokenIds(np.repeat(np.arange(1, len(lengths) + 1, dtype="int32"), lengths), np.cumsum([0, *lengths]))


def batches(batch_size=3, seed=None, **options):
    labels = np.arange(len(LENGTHS), dtype="int32")  # each row's own number
    return Batches(token_ids(LENGTHS), labels, batch_size, WIDTHS, seed=seed, **options)


def rows_of(plan):
    return sorted(itertools.chain.from_iterable(rows.tolist() for _, rows in plan))


def padding(lengths, widths):
    """Positions that hold no token if each row goes to the first width that holds it."""
    return sum(min(width for width in widths if width >= length) - length for length in lengths)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_widths_leave_as_little_padding_as_the_best_of_all_choices(seed, count):
    random = np.random.default_rng(seed)
    # Multiples of 4 up to 64, as the widths are; the longest row may be any.
    lengths = np.append(random.choice([4, 8, 12, 24, 40, 64], size=10), random.integers(64, 70))
    widths = bucket_widths(lengths, count)
    assert len(widths) <= count
    longest = int(lengths.max())
    candidates = {4, 8, 12, 24, 40, 64, longest}
    best = min(
        padding(lengths, (*chosen, longest))
        for number in range(count)
        for chosen in itertools.combinations(candidates, number)
    )
    assert padding(lengths, widths) == best


def test_widths_are_multiples_of_4_then_of_16_but_for_the_longest_row():
    widths = bucket_widths(np.array([1, 3, 6, 30, 65, 90, 101]), 9)
    assert widths == (4, 8, 32, 80, 96, 101)


@pytest.mark.parametrize(("lengths", "widths"), [([], (1,)), ([0, 0], (1,)), ([1], (1,)), ([300], (300,))])
def test_few_or_empty_rows_have_a_width(lengths, widths):
    assert bucket_widths(np.array(lengths, int)) == widths


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("epoch", [0, 1])
def test_each_row_comes_once_an_epoch_in_a_width_that_holds_it(seed, epoch):
    plan = batches(seed=seed).plan(epoch)
    assert rows_of(plan) == list(range(len(LENGTHS)))
    assert all(max(LENGTHS[row] for row in rows) <= width for width, rows in plan)
    assert all(width in WIDTHS for width, _ in plan)


def test_all_batches_are_full_but_one():
    sizes = sorted(len(rows) for _, rows in batches().plan(0))
    assert sizes == [2, 3, 3, 3]  # 11 rows


def test_the_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        return [(width, rows.tolist()) for width, rows in batches(seed=seed).plan(epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_without_a_seed_rows_keep_the_order_of_width_and_position():
    plan = [(width, rows.tolist()) for width, rows in batches().plan(5)]
    # Up to 4 tokens: rows 0, 1, 3, 5, 7, 9; up to 8: 2, 4, 6, 8; up to 9: 10.
    assert plan == [(4, [0, 1, 3]), (4, [5, 7, 9]), (8, [2, 4, 6]), (9, [8, 10])]


def test_a_batch_holds_tokens_labels_and_weights_of_its_rows():
    weights = np.arange(len(LENGTHS), dtype="float32") / 10
    for ids, labels, row_weights in batches(seed=0, weights=weights).epoch(0):
        for row, label, weight in zip(ids, labels, row_weights, strict=True):
            length = LENGTHS[label]
            assert row.tolist() == [label + 1] * length + [0] * (len(row) - length)
            assert weight == weights[label]


def test_several_labels_of_a_row_are_handed_out_as_whole_numbers():
    # Devices that share a batch cannot add bools up.
    targets = np.random.default_rng(0).random((len(LENGTHS), 3)) < 0.5
    several = Batches(token_ids(LENGTHS), targets, 3, WIDTHS, seed=0)
    for (_, labels), (_, rows) in zip(several.epoch(0), several.plan(0), strict=True):
        assert labels.dtype == "int32"
        np.testing.assert_array_equal(labels, targets[rows])
    assert EpochDataset(several).dataset().element_spec[1].dtype.name == "int32"


def test_a_row_longer_than_all_widths_is_cut():
    short = Batches(token_ids([9]), np.zeros(1, "int32"), 3, (4,))
    ((ids, _),) = short.epoch(0)
    assert ids.tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_a_start_within_an_epoch_yields_the_rest_of_it(start):
    whole = list(batches(seed=0).epoch(2))
    rest = list(batches(seed=0).epoch(2, start))
    assert len(rest) == 4 - start
    for (ids, labels), (expected_ids, expected_labels) in zip(rest, whole[start:], strict=True):
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_array_equal(labels, expected_labels)


def test_batch_sizes_are_multiples_of_the_number_of_devices_and_few_rows_sit_out():
    several = batches(seed=0, multiple=2)
    seen = set()
    for epoch in range(8):
        plan = several.plan(epoch)
        assert len(plan) == len(several)
        assert all(len(rows) % 2 == 0 and len(rows) <= 4 for _, rows in plan)
        assert len(rows_of(plan)) == len(set(rows_of(plan))) == 10
        seen.update(rows_of(plan))
    assert seen == set(range(11))


def test_the_dataset_reads_the_epoch_that_is_set_when_it_is_iterated():
    own = EpochDataset(batches(seed=0), start=1)
    dataset = own.dataset()
    assert dataset.cardinality().numpy() == 3
    for own.number in (0, 3):
        found = [labels.numpy().tolist() for _, labels in dataset]
        assert found == [labels.tolist() for _, labels in batches(seed=0).epoch(own.number, 1)]


def test_the_dataset_passes_weights_on():
    weights = np.ones(len(LENGTHS), "float32")
    first = next(iter(EpochDataset(batches(weights=weights)).dataset()))
    assert [part.dtype.name for part in first] == ["int32", "int32", "float32"]


def test_of_long_rows_fewer_are_in_a_batch_for_evaluation():
    ids = TokenIds(np.zeros(20 * 256 + 20 * 1024, "int32"), np.cumsum([0] + [256] * 20 + [1024] * 20))
    made = Batches(ids, np.zeros(40, "int32"), 16, (256, 1024), fewer_of_long=True)
    assert [(width, len(rows)) for width, rows in made.plan(0)] == [(256, 16), *[(1024, 1)] * 24]
    assert sorted(np.concatenate([rows for _, rows in made.plan(0)]).tolist()) == list(range(40))
    devices = Batches(ids, np.zeros(40, "int32"), 16, (256, 1024), multiple=2, fewer_of_long=True)
    assert {len(rows) for _, rows in devices.plan(0)} == {16, 2}
