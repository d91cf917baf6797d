"""Each token of a text follows something in exactly one row."""

import numpy as np
import pytest

from kerasnlp_kit.constants import BOS, EOS
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.windows import scoring_windows, windows, with_ends


def ids_of(*rows):
    values = np.concatenate([np.zeros(0, np.int32), *[np.array(row, np.int32) for row in rows]]).astype(np.int32)
    return TokenIds(values, np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64))


def rows_of(ids):
    return [ids.row(row).tolist() for row in range(len(ids))]


IDS = ids_of([5, 6, 7], [], [8])


def test_each_text_stands_between_begin_and_end():
    assert rows_of(with_ends(IDS)) == [[BOS, 5, 6, 7, EOS], [BOS, EOS], [BOS, 8, EOS]]
    assert rows_of(with_ends(ids_of())) == []


def test_short_texts_are_rows_and_long_ones_are_cut():
    assert rows_of(windows(IDS, 4, packed=False)) == [[BOS, 5, 6, 7, EOS], [BOS, EOS], [BOS, 8, EOS]]
    assert rows_of(windows(IDS, 2, packed=False)) == [[BOS, 5, 6], [6, 7, EOS], [BOS, EOS], [BOS, 8, EOS]]


def test_packed_texts_are_one():
    assert rows_of(windows(IDS, 4, packed=True)) == [[BOS, 5, 6, 7, EOS], [EOS, BOS, EOS, BOS, 8], [8, EOS]]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("context", [1, 2, 3, 7, 100])
def test_nothing_is_lost_and_nothing_comes_twice(context, packed):
    random = np.random.default_rng(0)
    ids = ids_of(*(random.integers(4, 9, random.integers(0, 20)) for _ in range(30)))
    found = windows(ids, context, packed)
    assert found.lengths.min() >= 2 and found.lengths.max() <= context + 1
    followers = [token for row in rows_of(found) for token in row[1:]]
    whole = with_ends(ids)
    expected = whole.values[1:] if packed else np.delete(whole.values, whole.offsets[:-1])
    assert followers == expected.tolist()


@pytest.mark.parametrize("context", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("length", [2, 3, 4, 9, 10, 11, 30])
def test_each_token_is_scored_once_with_half_the_context_or_all_that_there_is(length, context):
    scored = []
    for begin, end, known in scoring_windows(length, context):
        assert end - begin <= context + 1
        for place in range(begin + 1 + known, end):
            scored.append(place)
            assert place - begin >= min(place, max(1, context // 2))
    assert scored == list(range(1, length))
