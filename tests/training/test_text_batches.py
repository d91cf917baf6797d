import numpy as np
import pytest

from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.windows import windows
from kerasnlp_kit.training.text_batches import TextBatches

RANDOM = np.random.default_rng(0)
ROWS = [RANDOM.integers(4, 9, size).astype(np.int32) for size in RANDOM.integers(0, 12, 40)]
IDS = TokenIds(np.concatenate(ROWS), np.concatenate([[0], np.cumsum([len(row) for row in ROWS])]).astype(np.int64))


def followers(batches, epoch=0):
    return sorted(token for _, after in batches.epoch(epoch) for token in after[after != PAD].tolist())


@pytest.mark.parametrize("packed", [True, False])
def test_every_token_is_to_be_told_once_and_a_begin_never(packed):
    batches = TextBatches(windows(IDS, 6, packed), 30, 3)
    expected = sorted([*IDS.values.tolist(), *[EOS] * len(IDS)])
    assert followers(batches) == followers(batches, 1) == expected
    assert batches.target_tokens == len(expected)


def test_what_is_read_is_what_comes_before():
    rows = windows(IDS, 6, packed=True)
    batches = TextBatches(rows, 30)
    for members, (read, after) in zip(batches.plan(0), batches.epoch(0), strict=True):
        assert read.shape == after.shape and (read.size <= 30 or len(read) == 1)
        for member, one, other in zip(members, read, after, strict=True):
            row = rows.row(member)
            padding = [PAD] * (len(one) - len(row) + 1)
            assert one.tolist() == [*row[:-1], *padding]
            assert other.tolist() == [*np.where(row[1:] == BOS, PAD, row[1:]), *padding], "a begin is not told"
    (read, after), *_ = TextBatches(windows(IDS, 100, packed=False), 10_000).epoch(0)
    assert (read[:, 0] == BOS).all() and not (read == EOS).any(), "nothing follows an end"
    ends = (after == EOS).sum(axis=1)
    assert (ends == 1).all()


def test_the_order_goes_by_seed_and_epoch_and_widths_by_the_multiple():
    rows = windows(IDS, 6, packed=False)
    one, same, other = (TextBatches(rows, 30, seed).plan(0) for seed in (1, 1, 2))
    assert all(np.array_equal(first, second) for first, second in zip(one, same, strict=True))
    assert [row.tolist() for row in one] != [row.tolist() for row in other]
    assert [row.tolist() for row in one] != [row.tolist() for row in TextBatches(rows, 30, 1).plan(1)]
    assert {read.shape[1] % 4 for read, _ in TextBatches(rows, 64, 1, 4).epoch(0)} == {0}


def test_a_run_goes_on_in_the_middle_of_an_epoch():
    batches = TextBatches(windows(IDS, 6, packed=False), 30, 1)
    whole, rest = list(batches.epoch(2)), list(batches.epoch(2, 3))
    assert len(whole) == len(batches) and len(rest) == len(whole) - 3
    for expected, found in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(expected[0], found[0])
