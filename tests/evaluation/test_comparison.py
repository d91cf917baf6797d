import json
from math import comb

import numpy as np
import pytest

from kerasnlp_kit.evaluation.comparison import Comparison, compare


def rows(both=0, only_ours=0, only_baseline=0, neither=0):
    """Gold labels and two classifiers' answers with these numbers of rows right."""
    gold = ["a"] * (both + only_ours + only_baseline + neither)
    ours = ["a"] * (both + only_ours) + ["b"] * (only_baseline + neither)
    baseline = ["a"] * both + ["b"] * only_ours + ["a"] * only_baseline + ["c"] * neither
    return gold, ours, baseline


def coin_tosses(won, lost):
    """The exact two-sided McNemar p-value by counting: twice the smaller tail of fair coins, at most 1."""
    n = won + lost
    tail = sum(comb(n, heads) for heads in range(min(won, lost) + 1)) / 2**n
    return min(2 * tail, 1.0)


def test_rows_are_counted_by_who_is_right():
    result = compare(*rows(both=50, only_ours=12, only_baseline=8, neither=30))
    counts = (result.both_right, result.only_ours_right, result.only_baseline_right, result.both_wrong)
    assert counts == (50, 12, 8, 30)
    assert (result.n, result.accuracy, result.baseline_accuracy) == (100, 0.62, 0.58)
    assert result.difference == pytest.approx(0.04)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (12, 8), (8, 12), (3, 30), (7, 7), (60, 35)])
def test_p_value_agrees_with_counting_coin_tosses(won, lost):
    assert compare(*rows(20, won, lost, 20)).p_value == pytest.approx(coin_tosses(won, lost))


def test_rows_both_get_right_or_wrong_do_not_change_the_p_value():
    assert compare(*rows(0, 12, 3, 0)).p_value == compare(*rows(900, 12, 3, 50)).p_value


def test_interval_agrees_with_resampling_row_by_row():
    gold, ours, baseline = map(np.array, rows(both=60, only_ours=25, only_baseline=10, neither=25))
    difference = (ours == gold).astype(int) - (baseline == gold)
    generator = np.random.default_rng(1)
    drawn = [difference[generator.integers(0, 120, 120)].mean() for _ in range(4_000)]
    interval = compare(gold, ours, baseline).difference_interval
    np.testing.assert_allclose(interval, np.quantile(drawn, [0.025, 0.975]), atol=0.01)


def test_answers_paired_with_the_same_rows_give_a_narrower_interval_than_unpaired_ones():
    paired = compare(*rows(both=80, only_ours=6, only_baseline=2, neither=12))
    # The same accuracies, 86% and 82%, but with errors on different rows.
    unpaired = compare(*rows(both=68, only_ours=18, only_baseline=14, neither=0))
    assert np.diff(paired.difference_interval) < np.diff(unpaired.difference_interval) / 1.5


@pytest.mark.parametrize(
    ("counts", "interval"),
    # All rows of one kind: at most 1 - 0.025 ** (1 / 3) = 70.8% of unseen rows are of another.
    [((3, 0, 0, 0), (-0.708, 0.708)), ((0, 3, 0, 0), (-0.415, 1.0)), ((0, 0, 3, 0), (-1.0, 0.415))],
)
def test_three_rows_of_one_kind_do_not_give_certainty(counts, interval):
    assert compare(*rows(*counts)).difference_interval == pytest.approx(interval, abs=0.001)


def test_two_classifiers_that_never_differ_in_right_rows_are_no_certain_tie():
    result = compare(*rows(both=80, neither=20))
    low, high = result.difference_interval
    assert low < 0 < high
    assert result.p_value == 1.0


def test_a_label_both_do_not_know_is_an_error_of_both():
    result = compare(["a", "new"], ["a", "a"], ["b", "b"])
    assert (result.accuracy, result.baseline_accuracy, result.both_wrong) == (0.5, 0.0, 1)


def test_sets_of_labels_are_right_only_as_a_whole():
    gold = [frozenset("ab"), frozenset("a"), frozenset()]
    result = compare(gold, [frozenset("ba"), frozenset("ab"), frozenset()], [frozenset("a")] * 3)
    assert (result.accuracy, result.baseline_accuracy) == pytest.approx((2 / 3, 1 / 3))


def comparison(won, lost, same, p_value):
    return Comparison(same, won, lost, 0, (0.0, 0.0), p_value)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (comparison(20, 9, 971, 0.004), "better than the baseline by 1.1 points, p = 0.004"),
        (comparison(0, 20, 980, 2e-6), "worse than the baseline by 2.0 points, p < 0.001"),
        (comparison(9, 7, 984, 0.61), "not better than the baseline (+0.2 points, p = 0.61)"),
        (comparison(7, 9, 984, 0.61), "not better than the baseline (-0.2 points, p = 0.61)"),
        (comparison(3, 3, 994, 1.0), "not better than the baseline (+0.0 points, p = 1.00)"),
        (comparison(12, 4, 984, 0.077), "not better than the baseline (+0.8 points, p = 0.077)"),
        (comparison(14, 10, 9_976, 0.5), "not better than the baseline (+0.04 points, p = 0.50)"),
        (comparison(60, 20, 99_920, 1e-5), "better than the baseline by 0.04 points, p < 0.001"),
    ],
)
def test_sentence_says_the_verdict_the_points_and_the_chance(result, sentence):
    assert result.sentence("the baseline") == sentence


def test_json_is_strict_and_has_what_was_derived():
    plain = compare(*rows(50, 12, 8, 30)).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain["n"], plain["accuracy"], plain["verdict"]) == (100, 0.62, "not better")


def test_same_seed_gives_the_same_interval():
    case = rows(50, 12, 8, 30)
    assert compare(*case, seed=1) == compare(*case, seed=1)


@pytest.mark.parametrize("case", [([], [], []), (["a"], ["a"], ["a", "b"]), (["a", "b"], ["a"], ["a", "b"])])
def test_answers_for_other_rows_are_refused(case):
    with pytest.raises(ValueError, match="Expected one gold label and two predictions a row"):
        compare(*case)
