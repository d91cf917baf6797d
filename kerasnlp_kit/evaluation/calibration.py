"""Calibration: of the answers a model gives with 80% confidence, are 80% right?

Reference: Guo et al. (2017), On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReliabilityBins:
    """Rows grouped by confidence into equal-width bins; bin i holds edges[i] < confidence <= edges[i + 1].

    `confidence` and `accuracy` are the means within a bin, NaN where `count` is 0.
    """

    edges: tuple[float, ...]  # bins + 1 values from 0 to 1
    count: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance between confidence and accuracy, each bin weighted by its rows."""
        count = np.asarray(self.count)
        filled = count > 0
        gap = np.abs(np.asarray(self.confidence) - np.asarray(self.accuracy))[filled]
        return float(np.sum(gap * count[filled]) / count.sum())


def reliability_bins(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> ReliabilityBins:
    """Groups rows by confidence.

    Args:
        confidence: float (n,), the probability of the predicted label, 0 to 1.
        correct: bool (n,), whether the predicted label is the gold label.
        bins: how many bins of equal width.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    correct = np.asarray(correct, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise ValueError(
            "Expected confidence and correct of one shape (n,) with n > 0. "
            f"Received: {confidence.shape} and {correct.shape}"
        )
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Searching the inner edges only keeps 0.0 in the first bin and a probability rounded above 1.0 in the last.
    index = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is the NaN we want
        mean_confidence = np.bincount(index, weights=confidence, minlength=bins) / count
        accuracy = np.bincount(index, weights=correct, minlength=bins) / count
    return ReliabilityBins(
        edges=tuple(edges.tolist()),
        count=tuple(count.tolist()),
        confidence=tuple(mean_confidence.tolist()),
        accuracy=tuple(accuracy.tolist()),
    )


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Returns the expected calibration error, 0 (honest) to 1. See `reliability_bins` for the arguments."""
    return reliability_bins(confidence, correct, bins).expected_calibration_error


def answers_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The same of the answers: the class of highest probability, of float (n, K), where the labels are int (n,)."""
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
