import itertools

import numpy as np
import pytest

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training.pair_batches import HIDDEN, PairBatches
from kerasnlp_kit.training.plan import filled_up

RANDOM = np.random.default_rng(0)


def ids_of(rows):
    return TokenIds(
        np.array([token for row in rows for token in row], "int32"), np.cumsum([0, *map(len, rows)], dtype="int64")
    )


def some_rows(count, longest):
    return [RANDOM.integers(4, 99, RANDOM.integers(0, longest + 1)).tolist() for _ in range(count)]


SOURCES, TARGETS = some_rows(60, 9), some_rows(60, 7)


def batches(**options):
    return PairBatches(**{"source": ids_of(SOURCES), "target": ids_of(TARGETS), "batch_tokens": 40, **options})


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("seed", [None, 5])
def test_no_batch_has_more_tokens_than_it_may_on_either_side(seed, multiple):
    made = batches(seed=seed, multiple=multiple)
    for inputs, after in made.epoch(2):
        assert max(inputs["source"].size, after.size) <= 40
        assert inputs["source"].shape[1] % multiple == after.shape[1] % multiple == 0
        assert inputs["target"].shape == after.shape


def test_batches_are_as_full_as_they_may_be():
    made = batches()
    widths = [max(len(source), len(target) + 1) for source, target in zip(SOURCES, TARGETS, strict=True)]
    plan = made.plan(0)
    for rows, following in itertools.pairwise(plan):
        assert (len(rows) + 1) * max(widths[row] for row in [*rows, following[0]]) > 40


def test_every_row_is_in_each_epoch_once_and_the_number_of_batches_never_changes():
    made = batches(seed=1)
    for epoch in range(5):
        plan = made.plan(epoch)
        assert sorted(np.concatenate(plan)) == list(range(60))
        assert len(plan) == len(made)


def test_a_pair_longer_than_a_batch_has_one_of_its_own():
    made = batches(batch_tokens=5)
    plan = made.plan(0)
    assert sorted(np.concatenate(plan)) == list(range(60))
    long = [row for row in range(60) if max(len(SOURCES[row]), len(TARGETS[row]) + 1) > 5]
    assert long and all([row] in [rows.tolist() for rows in plan] for row in long)


def test_some_rows_alone_can_take_part():
    rows = np.array([3, 7, 11, 40])
    made = batches(rows=rows, seed=0)
    assert sorted(np.concatenate(made.plan(3))) == rows.tolist()
    assert made.target_tokens == sum(len(TARGETS[row]) + 1 for row in rows)
    assert batches().target_tokens == sum(len(target) + 1 for target in TARGETS)


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return [rows.tolist() for rows in batches(seed=seed).plan(epoch)]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3) != order(2, 3)
    assert order(None, 0) == order(None, 1)


def test_the_target_stands_behind_begin_and_what_follows_before_end():
    made = batches(seed=1)
    for rows, (inputs, after) in zip(made.plan(0), made.epoch(0), strict=True):
        width = max(1, *(len(SOURCES[row]) for row in rows))
        assert inputs["source"].tolist() == [SOURCES[row] + [0] * (width - len(SOURCES[row])) for row in rows]
        width = max(len(TARGETS[row]) for row in rows) + 1
        padding = [[0] * (width - len(TARGETS[row]) - 1) for row in rows]
        targets = [TARGETS[row] for row in rows]
        assert after.tolist() == [[*target, EOS, *rest] for target, rest in zip(targets, padding, strict=True)]
        before = [[BOS, *target, *rest] for target, rest in zip(targets, padding, strict=True)]
        assert inputs["target"].tolist() == before
        assert all(array.dtype == np.int32 for array in (*inputs.values(), after))


def test_an_epoch_can_be_taken_up_where_it_was_left():
    made = batches(seed=1)
    whole, rest = list(made.epoch(4)), list(made.epoch(4, start=3))
    assert len(rest) == len(whole) - 3
    for (inputs, after), (again, after_again) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(inputs["source"], again["source"])
        np.testing.assert_array_equal(after, after_again)


def test_its_specification_is_that_of_its_batches():
    inputs, after = batches().specification()
    found, following = next(batches().epoch(0))
    assert inputs.keys() == found.keys()
    for spec, array in [(after, following), *((inputs[name], found[name]) for name in inputs)]:
        assert (spec.dtype.as_numpy_dtype, spec.shape.rank) == (array.dtype, array.ndim)


def test_what_stands_on_both_sides_is_unknown_in_some_rows_of_training_and_nothing_else_changes():
    # Sources are 4 to 13 and targets the same pieces by other ids, but for 13, which the targets do not know.
    same = np.array([PAD] * 4 + [*range(24, 33), PAD], "int32")
    random = np.random.default_rng(5)
    rows = [random.permutation(np.arange(4, 14))[:5].tolist() for _ in range(2000)]
    rows[::4] = [[4, 4, 5]] * 500
    targets = [[int(same[token]) or 40 for token in row] for row in rows]
    targets[::4] = [[24, 24, 24]] * 500  # 4 stands in neither as often as in the other, and 5 in one: no copies
    made = PairBatches(ids_of(rows), ids_of(targets), 600, seed=1, same=same)
    plain = PairBatches(ids_of(rows), ids_of(targets), 600, seed=1)
    hidden = unequal = 0
    for (inputs, after), (inputs_before, after_before) in zip(made.epoch(1), plain.epoch(1), strict=True):
        for row in range(len(after)):
            source, source_before = inputs["source"][row], inputs_before["source"][row]
            (changed,) = (source != source_before).nonzero()
            for side, before in (
                (after[row], after_before[row]),
                (inputs["target"][row], inputs_before["target"][row]),
            ):
                (places,) = (side != before).nonzero()
                assert (side[places] == UNK).all()
                assert sorted(before[places]) == sorted(same[source_before[changed]])
            assert (source[changed] == UNK).all() and len(set(source_before[changed])) <= 1
            assert not set(source_before[changed]) & {13}
            hidden += len(changed) > 0
            if list(source_before) == [4, 4, 5, 0, 0] or list(source_before) == [4, 4, 5]:
                assert not len(changed)
                unequal += 1
    assert hidden == pytest.approx(1500 * HIDDEN, rel=0.3) and unequal == 500


def test_hidden_pieces_depend_on_seed_epoch_and_batch_and_evaluation_has_none():
    rows = [[4, 5, 6, 7]] * 400
    made = PairBatches(ids_of(rows), ids_of(rows), 200, seed=3, same=np.arange(8, dtype="int32") * (np.arange(8) > 3))

    def sources(epoch, start=0):
        return [inputs["source"].tolist() for inputs, _ in made.epoch(epoch, start)]

    assert sources(0)[2:] == sources(0, 2), "a run that goes on in the middle of an epoch"
    assert sources(0) != sources(1)
    assert all((made.batch(rows)[0]["source"] > UNK).all() for rows in made.plan(0))


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_has_as_many_rows_as_fit_which_trying_each_number_finds(seed):
    source = np.random.default_rng(seed)
    widths = np.sort(source.integers(1, 30, 200))
    found = filled_up(np.arange(200), widths, 60, None)
    begin = 0
    for batch in found:
        fits = [count for count in range(1, 201 - begin) if count * widths[begin + count - 1] <= 60]
        assert batch.tolist() == list(range(begin, begin + max(fits, default=1)))
        begin += len(batch)
    assert begin == 200


def test_tokens_that_are_drawn_anew_make_batches_of_their_own_and_as_many_in_each_epoch():
    def drawn(epoch):
        random = np.random.default_rng(epoch)
        return tuple(ids_of([[4 + epoch] * random.integers(0, 3) + row for row in side]) for side in (SOURCES, TARGETS))

    anew = batches(seed=1, drawn=drawn)
    for epoch in range(5):
        source, target = drawn(epoch)
        plan = batches(source=source, target=target, seed=1).plan(epoch, len(anew))
        made = list(anew.epoch(epoch))
        assert sorted(np.concatenate(plan).tolist()) == list(range(60)) and len(made) == len(anew) == len(plan)
        for (inputs, after), rows in zip(made, plan, strict=True):
            assert max(inputs["source"].size, after.size) <= 50, "about the 40 that were asked for"
            for row, read, written in zip(rows, inputs["source"], after, strict=True):
                assert read[read != PAD].tolist() == source.row(row).tolist()
                assert written[written != PAD].tolist() == [*target.row(row).tolist(), EOS]
        resumed = list(anew.epoch(epoch, 3))
        assert all(np.array_equal(one[1], other[1]) for one, other in zip(made[3:], resumed, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_of_a_number_of_batches_the_largest_is_as_small_as_it_can_be(seed):
    random = np.random.default_rng(seed)
    widths = np.sort(random.integers(1, 20, 30))
    for count in (1, 2, 7, 29, 30):
        made = filled_up(np.arange(30), widths, 0, None, count)
        assert len(made) == count and np.concatenate(made).tolist() == list(range(30))
        largest = max(len(rows) * widths[rows[-1]] for rows in made)
        assert largest == widths[-1] or len(filled_up(np.arange(30), widths, largest - 1, None)) > count
