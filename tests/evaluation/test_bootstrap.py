import numpy as np
import pytest
from scipy.stats import binom

from kerasnlp_kit.evaluation.bootstrap import accuracy_interval, bootstrap_interval


def accuracy(counts: np.ndarray) -> np.ndarray:
    return counts[:, 1] / counts.sum(axis=1)


@pytest.mark.parametrize(("correct", "n"), [(90, 100), (7, 20), (2800, 3080)])
def test_accuracy_interval_agrees_with_the_binomial_quantiles(correct, n):
    expected = binom.ppf([0.025, 0.975], n, correct / n) / n
    np.testing.assert_allclose(accuracy_interval(correct, n), expected, atol=1.01 / n)


def test_generic_interval_of_an_accuracy_agrees_with_the_accuracy_interval():
    generic = bootstrap_interval(np.array([300, 700]), accuracy, resamples=5_000)
    np.testing.assert_allclose(generic, accuracy_interval(700, 1_000), atol=0.003)


def test_generic_interval_agrees_with_resampling_row_by_row():
    kinds = np.repeat([0, 1, 2], [20, 50, 30])
    generator = np.random.default_rng(1)
    drawn = generator.choice(kinds, size=(4_000, 100))
    ratio = (drawn == 1).sum(axis=1) / np.maximum((drawn != 2).sum(axis=1), 1)
    expected = np.quantile(ratio, [0.025, 0.975])
    interval = bootstrap_interval(
        np.array([20, 50, 30]), lambda counts: counts[:, 1] / counts[:, :2].sum(axis=1), resamples=4_000
    )
    np.testing.assert_allclose(interval, expected, atol=0.01)


def test_95_percent_intervals_cover_the_true_accuracy_in_about_95_percent_of_data_sets():
    draws = np.random.default_rng(0).binomial(400, 0.8, size=500)
    intervals = [accuracy_interval(int(correct), 400, resamples=2_000, seed=i) for i, correct in enumerate(draws)]
    coverage = np.mean([low <= 0.8 <= high for low, high in intervals])
    # The standard error over 500 data sets is sqrt(0.95 * 0.05 / 500) = 0.01.
    assert 0.92 <= coverage <= 0.98


def test_same_seed_gives_the_same_interval_whatever_the_number_of_kinds_in_a_chunk(monkeypatch):
    counts = np.array([3, 4, 5])
    first = bootstrap_interval(counts, accuracy, resamples=50, seed=3)
    monkeypatch.setattr("kerasnlp_kit.evaluation.bootstrap._CHUNK_CELLS", 30)
    assert bootstrap_interval(counts, accuracy, resamples=50, seed=3) == first


def test_three_rows_all_right_do_not_give_certainty():
    # Clopper and Pearson: p ** 3 = 0.025 at the lower end.
    low, high = accuracy_interval(3, 3)
    assert high == 1.0
    assert low**3 == pytest.approx(0.025)


def test_three_rows_all_wrong_mirror_three_rows_all_right():
    low, high = accuracy_interval(3, 3)
    assert accuracy_interval(0, 3) == pytest.approx((1 - high, 1 - low))


def test_no_rows_cannot_be_resampled():
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap_interval(np.array([0, 0]), accuracy)
