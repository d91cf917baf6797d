import re

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import chisquare

from kerasnlp_kit.api.autoencoder import sample_prior
from kerasnlp_kit.api.generator import sample_with
from kerasnlp_kit.constants import EOS, LOWEST
from kerasnlp_kit.decoding.one import choose, greedy, sample, uniform
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.rules import drawing_rules, require

LIMITS = np.array([6, 5, 6], "int32")
SEEDS = np.array([3, 1, 4], "int32")
PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


def draw(table, seeds=SEEDS, memory=None, limits=LIMITS, **options):
    return sample(table, memory or table.memory, limits, 6, seed=seeds, **(PLAIN | options))


def lowbias32(number):
    """Wellons 2018, in Python's integers."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        number = ((number ^ (number >> shift)) * factor) % 2**32
    return number ^ (number >> 16)


def shares(scores, count=4000, **options):
    """How often each token is chosen by numbers that are spread evenly."""
    numbers = ((np.arange(count) + 0.5) / count).astype("float32")
    repeated = np.repeat(np.float32([scores]), count, axis=0)
    chosen = np.asarray(choose(repeated, numbers, **{"top_k": 0, "top_p": 1.0, **options}))
    return np.bincount(chosen, minlength=len(scores)) / count


def test_fewer_than_one_token_to_choose_from_means_all():
    np.testing.assert_array_equal(shares([1.0, 0.5, 0.0], top_k=-1), shares([1.0, 0.5, 0.0]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1.0}, "--temperature must be 0 or more, and finite. Received: -1.0"),
        ({"temperature": float("nan")}, "--temperature must be 0 or more, and finite. Received: nan"),
        ({"top_k": -1}, "--top-k must be from 0 to 2147483647. Received: -1"),
        ({"top_p": 0.0}, "--top-p must be above 0 and at most 1. Received: 0.0"),
    ],
)
def test_from_python_nonsense_is_refused(options, words):
    with pytest.raises(UserError, match=re.escape(words)):
        require(drawing_rules(**{"temperature": 1.0, "top_k": 0, "top_p": 1.0, **options}))
    with pytest.raises(UserError, match=re.escape(words)):
        sample_with(None, [b""], 5, 0, **options)
    with pytest.raises(UserError, match=re.escape(words)):
        sample_prior(None, 1, 0, **options)


def test_the_same_seed_gives_the_same_text_whatever_its_batch_mates(table):
    together = draw(table)
    np.testing.assert_array_equal(draw(table).tokens, together.tokens)
    backwards = draw(table, SEEDS[::-1], {"rows": table.memory["rows"][::-1]}, LIMITS[::-1])
    np.testing.assert_array_equal(backwards.tokens[::-1], together.tokens)
    alone = draw(table, SEEDS[1:2], {"rows": table.memory["rows"][1:2]}, LIMITS[1:2])
    np.testing.assert_array_equal(alone.tokens[0], together.tokens[1])


def test_other_seeds_give_other_texts(table):
    rows = np.zeros(64, "int32")
    found = draw(table, np.arange(64, dtype="int32"), {"rows": rows}, rows + 6)
    assert len(np.unique(np.asarray(found.tokens)[:, 0], axis=0)) > 20


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"temperature": 1e-6}, {"top_k": 1}, {"top_p": 0.0}])
def test_without_a_choice_it_is_greedy(table, options):
    found, expected = draw(table, **options), greedy(table, table.memory, LIMITS, 6)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_allclose(found.log_probabilities, expected.log_probabilities, atol=1e-5)


def test_the_highest_temperature_chooses_evenly_among_what_may_be_written_and_nothing_else(table):
    count = 2000
    rows = np.zeros(count, "int32")
    prefix = np.full((count, 1), table.pieces[1], "int32")
    hot = {"seeds": np.arange(count, dtype="int32"), "memory": {"rows": rows}, "temperature": float("inf")}
    tokens = np.asarray(draw(table, limits=rows + 3, prefix=prefix, **hot).tokens)[:, 0]
    assert (tokens[:, 0] == table.pieces[1]).all(), "what is forced"
    second = np.bincount(tokens[:, 1], minlength=7)
    assert second[[EOS, *table.pieces]].sum() == count
    assert chisquare(second[[EOS, *table.pieces]]).pvalue > 0.001
    last = tokens[tokens[:, 1] != EOS, 2]
    assert (last == EOS).all(), "the end at the last place"


def test_its_log_probabilities_are_those_of_the_model_whatever_was_left_to_choose_from(table, rows_of):
    found = draw(table, temperature=2.0, top_k=2)
    totals = [table.log_probability(row, text) for row, text in enumerate(rows_of(found.tokens[:, 0]))]
    np.testing.assert_allclose(found.log_probabilities[:, 0], totals, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_first_tokens_of_many_seeds_are_as_frequent_as_the_softmax_says(table, temperature):
    count = 3000
    rows = np.zeros(count, "int32")
    found = draw(table, np.arange(count, dtype="int32"), {"rows": rows}, rows + 2, temperature=temperature)
    tokens = [EOS, *table.pieces]
    expected = softmax(table.walk(0, [EOS])[0][0][tokens] / temperature)
    observed = np.bincount(np.asarray(found.tokens)[:, 0, 0], minlength=7)[tokens]
    assert observed.sum() == count
    assert chisquare(observed, expected * count).pvalue > 0.001


@pytest.mark.parametrize("seed", range(4))
def test_a_token_is_chosen_as_often_as_the_softmax_says(seed):
    scores = np.random.default_rng(seed).normal(scale=2, size=9)
    # Of 4000 numbers each token gets a run: at most one number too many or too few at each of its two ends.
    np.testing.assert_allclose(shares(scores), softmax(scores), atol=1 / 4000 + 1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 5, 9, 20])
def test_of_top_k_only_the_most_probable_are_left_in_their_proportions(top_k):
    scores = np.random.default_rng(7).normal(scale=2, size=9)
    kept = scores >= np.sort(scores)[-min(top_k, 9)]
    expected = np.where(kept, softmax(scores), 0)
    np.testing.assert_allclose(shares(scores, top_k=top_k), expected / expected.sum(), atol=1 / 4000 + 1e-6)


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("seed", range(3))
def test_of_top_p_the_fewest_tokens_that_make_up_this_probability_are_left(top_p, seed):
    scores = np.random.default_rng(seed).normal(scale=1.5, size=8)
    probabilities = softmax(scores)
    order = np.argsort(-probabilities)
    size = next(n for n in range(1, 9) if probabilities[order[:n]].sum() >= top_p)
    expected = np.where(np.isin(np.arange(8), order[:size]), probabilities, 0)
    np.testing.assert_allclose(shares(scores, top_p=top_p), expected / expected.sum(), atol=1 / 4000 + 1e-6)


@pytest.mark.parametrize("spread", [3e-8, 1e-9, 1.0])
def test_however_near_the_logits_are_the_highest_alone_is_left(spread):
    scores = (np.float32(0.1) + np.float32([0, 2, 1, 3, 2]) * np.float32(spread)).astype("float32")
    found = shares(scores, count=100, top_k=1)
    assert found.argmax() == scores.argmax() and found.max() == 1


def test_top_k_and_top_p_together_leave_what_both_leave():
    scores = np.log([0.4, 0.3, 0.2, 0.1])
    assert shares(scores, top_k=3, top_p=0.6).tolist() == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=1e-3)
    assert shares(scores, top_k=1, top_p=0.9).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("top_k", [0, 1, 3, 1000])
@pytest.mark.parametrize("top_p", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("kind", ["spread", "near", "equal", "ruled out"])
def test_what_is_left_of_a_large_vocabulary_is_what_sorting_says(kind, top_p, top_k):
    scores = (
        np.random.default_rng(11).normal(scale={"spread": 5, "near": 0.01}.get(kind, 1), size=150).astype("float32")
    )
    if kind == "equal":
        scores = np.round(scores)
    if kind == "ruled out":
        scores[[0, 2, 149]] = LOWEST
    probabilities = softmax(scores.astype("float64"))
    order = np.argsort(-scores, kind="stable")
    before = np.cumsum(probabilities[order]) - probabilities[order]
    # Decided by rounding: then one more or less would be right as well.
    assert (abs(before[1:] - top_p) > 1e-6).all() or kind == "near" or top_p == 1
    left = (before < top_p) & (np.arange(150) < (top_k or 150))
    left[0] = True
    expected = np.where(np.isin(np.arange(150), order[left]), probabilities, 0)
    found = shares(scores, top_k=top_k, top_p=top_p)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1 / 4000 + 2e-5)
    if kind == "ruled out":
        ends = np.float32([0, 1 - 2**-24])
        first_and_last = choose(np.stack([scores] * 2), ends, top_k=top_k, top_p=top_p)
        assert not set(np.asarray(first_and_last).tolist()) & {0, 2, 149}


def test_a_number_for_a_row_and_a_position_is_that_of_integer_arithmetic():
    seeds = np.array([0, 1, 2, 77, 2**31 - 1, -1, -(2**31)], "int32")
    for position in (0, 1, 5, 1000):
        expected = [
            (lowbias32((lowbias32(int(seed) % 2**32) + position * 0x9E3779B9) % 2**32) >> 8) / 2**24 for seed in seeds
        ]
        assert np.asarray(uniform(seeds, np.int32(position))).tolist() == expected


def test_numbers_are_spread_evenly_over_rows_and_over_positions():
    over_rows = np.asarray(uniform(np.arange(4000, dtype="int32"), np.int32(0)))
    over_positions = np.concatenate([np.asarray(uniform(SEEDS[:1], np.int32(place))) for place in range(500)])
    for numbers in (over_rows, over_positions):
        assert numbers.min() >= 0 and numbers.max() < 1
        assert chisquare(np.histogram(numbers, 10, (0, 1))[0]).pvalue > 0.001
    # Rows and positions beside one another have nothing to do with one another.
    assert abs(np.corrcoef(over_rows[:-1], over_rows[1:])[0, 1]) < 0.05
    assert abs(np.corrcoef(over_positions[:-1], over_positions[1:])[0, 1]) < 0.15


def test_without_heat_the_most_probable_token_is_taken_however_near_the_next_is(make_table):
    tight = make_table()
    tight.logits = tight.logits * 1e-5  # at a temperature of 1e-4, every token would be drawn now and then
    rows = np.zeros(32, "int32")
    found = draw(tight, np.arange(32, dtype="int32"), {"rows": rows}, rows + 6, temperature=0.0)
    np.testing.assert_array_equal(found.tokens, greedy(tight, {"rows": rows}, rows + 6, 6).tokens)
    warm = draw(tight, np.arange(32, dtype="int32"), {"rows": rows}, rows + 6, temperature=1e-4)
    assert len(np.unique(np.asarray(warm.tokens)[:, 0], axis=0)) > 1
