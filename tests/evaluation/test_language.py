import dataclasses
import math

import numpy as np
import pytest

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.language import compare_language, score_language

TEXTS = ["one two three", "four", "five  six"]
FOUND = np.array([-8.0, -3.0, -4.0])
TOKENS = np.array([5, 2, 3])


def test_perplexities_and_bits_are_by_hand_what_they_should_be():
    metrics = score_language(TEXTS, FOUND, TOKENS)
    assert (metrics.n, metrics.unit, metrics.units, metrics.tokens) == (3, "word", 6 + 3, 10)
    assert metrics.perplexity == pytest.approx(math.exp(15 / 9))
    assert metrics.token_perplexity == pytest.approx(math.exp(15 / 10))
    # Blanks in a row count once; each end is a character more.
    assert metrics.characters == 14 + 5 + 9
    assert metrics.bits_per_character == pytest.approx(15 / math.log(2) / 28)
    low, high = metrics.interval
    assert low < metrics.perplexity < high
    assert metrics.first_line() == f"word perplexity 5.29 [{low:.2f}, {high:.2f}] n=3"
    assert metrics.table().splitlines()[0] == metrics.first_line()
    assert metrics.to_json()["token_perplexity"] == metrics.token_perplexity
    assert not {"row_units", "row_log_probability"} & set(metrics.to_json())


def test_texts_without_blanks_are_counted_by_characters_and_what_is_no_probability_is_called_so():
    metrics = score_language(["今天天气很好"], np.array([-7.0]), np.array([4]), means="bound")
    assert metrics.perplexity == pytest.approx(math.e)
    assert metrics.first_line() == "character perplexity at most 2.72 n=1", "one text has no interval"
    given = score_language(["今天天气很好"], np.array([-7.0]), np.array([4]), means="given vector")
    assert given.first_line() == "character perplexity given their vectors 2.72 n=1"


def test_unknown_tokens_are_warned_of():
    assert not score_language(TEXTS, FOUND, TOKENS, unknown=0.05).warnings
    (warning,) = score_language(TEXTS, FOUND, TOKENS, unknown=0.051).warnings
    assert warning.startswith("5.1% of the tokens are unknown")


def test_no_text_is_the_users_error():
    with pytest.raises(UserError, match="Is the file empty"):
        score_language([], np.zeros(0), np.zeros(0, int))


def test_a_comparison_says_by_how_much_and_whether_it_is_sure():
    random = np.random.default_rng(0)
    texts = ["a b c"] * 200
    found = -8 + random.normal(size=200)
    metrics = score_language(texts, found, np.full(200, 4))
    worse = compare_language(metrics, found - 1 + random.normal(scale=0.1, size=200))
    assert worse.difference == pytest.approx(1 - math.exp(-1 / 4), abs=0.01) and worse.verdict == "better"
    assert worse.perplexity == pytest.approx(metrics.perplexity * math.exp(1 / 4), rel=0.01)
    assert worse.sentence("n-grams").startswith(f"better than n-grams ({worse.perplexity:.2f}): perplexity 22.")
    same = compare_language(metrics, found)
    assert (same.difference, same.interval, same.verdict) == (0, None, "not better")
    better = compare_language(metrics, found + 1 + random.normal(scale=0.1, size=200))
    assert better.verdict == "worse" and "higher" in better.sentence("n-grams")
    far = compare_language(metrics, found + 16)
    assert f"worse than n-grams ({far.perplexity:.2f}): perplexity {math.exp(4):.0f} times as high" in (
        far.sentence("n-grams")
    )
    several = dataclasses.replace(far, interval=(-99.4, -19.6))
    assert several.sentence("n-grams").endswith("perplexity 55 times as high [21, 100]")
    at_most = compare_language(dataclasses.replace(metrics, means="bound"), found + 1)
    assert at_most.verdict == "not better", "a bound may be far from what it bounds"
    assert at_most.sentence("n-grams").startswith(
        "not better than n-grams"
    ) and "perplexity at most 28" in at_most.sentence("")
    at_least = compare_language(dataclasses.replace(metrics, means="bound"), found - 1)
    assert at_least.verdict == "better" and "perplexity at least 22.1% lower" in at_least.sentence("")
    near = compare_language(metrics, random.permutation(found))
    assert near.verdict == "not better" and near.interval[0] < 0 < near.interval[1]
