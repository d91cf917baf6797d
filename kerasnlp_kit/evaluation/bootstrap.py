"""Percentile bootstrap: how far a score may move when other rows of the same kind are drawn.

Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
"""

from collections.abc import Callable

import numpy as np

_CHUNK_CELLS = 2_000_000  # bounds the memory of one block of resamples to about 16 MB


def bootstrap_interval(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2_000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of a statistic that depends on counts of row kinds only.

    Rows of one kind (for example: gold class 3, predicted class 5) are exchangeable, so drawing n rows with
    replacement is one multinomial draw of the kinds' counts. That costs `len(counts)` numbers a resample instead of n.

    Args:
        counts: int (kinds,), how many rows of each kind were seen; at least one row in total.
        statistic: maps counts (resamples, kinds) to values (resamples,). NaN values are left out.
        resamples: how many data sets to draw.
        level: the share of the resampled values that lies within the interval.
        seed: the same seed gives the same interval.
    """
    counts = np.asarray(counts, dtype=np.int64)
    n = int(counts.sum())
    if n == 0:
        raise ValueError("Expected at least one row to resample. Received: counts that sum to 0")
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // len(counts))
    values = [
        np.asarray(statistic(generator.multinomial(n, counts / n, size=min(chunk, resamples - start))))
        for start in range(0, resamples, chunk)
    ]
    return percentile_interval(np.concatenate(values), level)


def accuracy_interval(
    correct: int, n: int, *, resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of an accuracy of `correct` out of `n` rows.

    With all rows right (or all wrong) every resample is the same and the bootstrap would claim certainty, even for
    three rows. There the open end comes from the exact interval of Clopper and Pearson (1934) instead.
    """
    tail = (1 - level) / 2
    if correct == n:
        return float(tail ** (1 / n)), 1.0
    if correct == 0:
        return 0.0, float(1 - tail ** (1 / n))
    draws = np.random.default_rng(seed).binomial(n, correct / n, size=resamples)
    return percentile_interval(draws / n, level)


def resampled_sums(statistics: np.ndarray, *, resamples: int = 1_000, seed: int = 0) -> np.ndarray:
    """Returns the sums over the rows of data sets drawn with replacement: (resamples, columns).

    For scores of a whole corpus, such as BLEU, which depend on the rows through sums only. With one seed the same rows
    are drawn from the statistics of two systems: subtracting their scores, draw by draw, is a paired bootstrap.

    Args:
        statistics: (rows, columns), at least one row.
        resamples: how many data sets to draw.
        seed: the same seed and number of rows give the same draws.
    """
    n = len(statistics)
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_CELLS // n)
    sums = []
    for start in range(0, resamples, chunk):
        # How often each row is drawn, (chunk, rows): counting is faster than a multinomial draw over all rows.
        times = [np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(min(chunk, resamples - start))]
        sums.append(np.asarray(times, dtype=np.float64) @ statistics)
    return np.concatenate(sums)


def percentile_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Returns the bounds between which the share `level` of the resampled values (resamples,) lies, NaN left out."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)
