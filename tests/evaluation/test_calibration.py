import numpy as np
import pytest

from kerasnlp_kit.evaluation.calibration import expected_calibration_error, reliability_bins


def brute_force_error(confidence, correct, bins):
    """Guo et al. (2017), equation 3, one bin and one row at a time."""
    total = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        rows = [row for row, value in enumerate(confidence) if low < value <= high or (index == 0 and value == 0)]
        if rows:
            gap = abs(sum(correct[row] for row in rows) / len(rows) - sum(confidence[row] for row in rows) / len(rows))
            total += gap * len(rows) / len(confidence)
    return total


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_error_agrees_with_a_brute_force_loop(bins):
    generator = np.random.default_rng(bins)
    confidence = generator.uniform(0, 1, 200)
    correct = generator.uniform(0, 1, 200) < confidence**2
    expected = brute_force_error(confidence.tolist(), correct.tolist(), bins)
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(expected)


def test_honest_confidence_has_no_error():
    # Four answers at 75%, three of them right.
    assert expected_calibration_error(np.full(4, 0.75), np.array([1, 1, 1, 0], bool)) == pytest.approx(0.0)


def test_certain_and_always_wrong_has_an_error_of_one():
    assert expected_calibration_error(np.ones(3), np.zeros(3, bool)) == pytest.approx(1.0)


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin():
    bins = reliability_bins(np.array([0.0, 0.25, 0.5, 1.0]), np.ones(4, bool), bins=4)
    assert bins.count == (2, 1, 0, 1)


def test_a_float32_confidence_rounded_above_one_stays_in_the_last_bin():
    bins = reliability_bins(np.array([1.0000001], np.float32), np.ones(1, bool), bins=4)
    assert bins.count == (0, 0, 0, 1)


def test_empty_bins_have_nan_means():
    bins = reliability_bins(np.array([0.9, 0.8]), np.array([True, False]), bins=2)
    assert np.isnan(bins.confidence[0])
    assert np.isnan(bins.accuracy[0])
    assert (bins.confidence[1], bins.accuracy[1]) == pytest.approx((0.85, 0.5))


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        reliability_bins(np.ones(3), np.ones(2, bool))
