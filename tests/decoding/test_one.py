import numpy as np
import pytest

from kerasnlp_kit.constants import EOS, PAD, UNK
from kerasnlp_kit.decoding.one import greedy
from kerasnlp_kit.decoding.protocol import Limits

LIMITS = np.array([6, 3, 1], "int32")


def likeliest(table, row, limit, unknown=False, start=()):
    """The text that takes the most probable token at each step, in plain Python."""
    text = []
    while EOS not in text:
        found = table.walk(row, [*text, EOS])[0][-1]
        tokens = [EOS, *table.pieces, *([UNK] if unknown else [])] if len(text) < limit - 1 else [EOS]
        if len(text) < len(start):
            tokens = [start[len(text)]]
        text.append(max(tokens, key=lambda token: found[token]))
    return tuple(text)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_most_probable_token_at_each_step(make_table, rows_of, seed, unknown):
    table = make_table(seed=seed)
    found = greedy(table, table.memory, LIMITS, 6, unknown=unknown)
    expected = [likeliest(table, row, limit, unknown) for row, limit in enumerate(LIMITS)]
    assert rows_of(found.tokens[:, 0]) == expected
    totals = [table.log_probability(row, text) for row, text in enumerate(expected)]
    np.testing.assert_allclose(found.log_probabilities[:, 0], totals, atol=1e-5)
    np.testing.assert_array_equal(found.scores, found.log_probabilities)
    for row, text in enumerate(expected):
        aligned = np.asarray(found.alignments)[row, 0, : len(text)]
        assert aligned.tolist() == table.walk(row, text)[1].argmax(axis=1).tolist()


def test_greedy_takes_no_more_steps_than_its_longest_text_has_tokens(make_table, rows_of):
    counts = set()
    for seed in range(8):
        table = make_table(seed=seed)
        found = greedy(table, table.memory, LIMITS + 4, 10)
        assert table.steps == max(map(len, rows_of(found.tokens[:, 0])))
        counts.add(table.steps)
    assert len(counts) > 1


def test_what_is_most_probable_is_not_written_if_it_is_unknown_begin_or_padding(table, rows_of):
    table.logits[..., [PAD, UNK, 2]] += 9
    texts = rows_of(greedy(table, table.memory, LIMITS, 6).tokens[:, 0])
    assert all(set(text[:-1]) <= set(table.pieces) for text in texts)
    written = rows_of(greedy(table, table.memory, LIMITS, 6, unknown=True).tokens[:, 0])
    assert written == [(UNK,) * 5 + (EOS,), (UNK,) * 2 + (EOS,), (EOS,)]


def test_a_forced_prefix_begins_the_text_and_an_empty_one_changes_nothing(table, rows_of):
    prefix = np.array([[5, 4, 6], [1, 0, 0], [0, 0, 0]], "int32")
    found = greedy(table, table.memory, LIMITS, 6, prefix=prefix)
    starts = [(5, 4, 6), (1,), ()]
    expected = [likeliest(table, row, limit, start=starts[row]) for row, limit in enumerate(LIMITS)]
    assert rows_of(found.tokens[:, 0]) == expected
    totals = [table.log_probability(row, text) for row, text in enumerate(expected)]
    np.testing.assert_allclose(found.log_probabilities[:, 0], totals, atol=1e-5)


def test_limits_go_by_the_tokens_of_the_source_up_to_the_longest_and_leave_room_for_the_end():
    limits = Limits(ratio=1.5, extra=2, longest=8)
    source = np.array([[4, 5, 6, 0, 0], [4, 4, 4, 4, 4], [0, 0, 0, 0, 0]], "int32")
    # ceil(4.5) + 2 + 1; min(ceil(7.5) + 2, 8) + 1; 0 + 2 + 1
    assert np.asarray(limits.of(source)).tolist() == [8, 9, 3]
    assert [limits.of_length(length) for length in (3, 5, 0)] == [8, 9, 3]


def test_limits_of_a_length_are_the_same_as_a_number_and_in_a_graph():
    for ratio in (0.1, 0.333, 1.0, 1.1, 2.7):
        limits = Limits(ratio, 3, 500)
        lengths = np.arange(300, dtype="int32")
        assert np.asarray(limits.of_lengths(lengths)).tolist() == [limits.of_length(int(length)) for length in lengths]
