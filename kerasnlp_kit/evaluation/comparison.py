"""Is it better than the obvious? Two classifiers compared on the same rows.

Two accuracies with an interval each say little about their difference: most rows both get right. What counts are the
rows on which exactly one is right.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.evaluation.bootstrap import bootstrap_interval
from kerasnlp_kit.plain import to_plain

_LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same rows: "ours" and a baseline.

    `p_value` is that of McNemar's test (1947) in its exact form: if both were equally good, each row that only one of
    them gets right would fall to either by the toss of a coin. The verdict follows it, at 5%. The interval is the
    bootstrap's; with few such rows it may leave 0 out while the exact test does not yet.
    """

    both_right: int
    only_ours_right: int
    only_baseline_right: int
    both_wrong: int
    difference_interval: tuple[float, float]  # 95%, of accuracy minus baseline_accuracy
    p_value: float  # two-sided

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.both_right + self.only_ours_right + self.only_baseline_right + self.both_wrong

    @property
    def accuracy(self) -> float:
        """Ours, 0 to 1."""
        return (self.both_right + self.only_ours_right) / self.n

    @property
    def baseline_accuracy(self) -> float:
        """The baseline's, 0 to 1."""
        return (self.both_right + self.only_baseline_right) / self.n

    @property
    def difference(self) -> float:
        """Accuracy minus the baseline's, -1 to 1."""
        return (self.only_ours_right - self.only_baseline_right) / self.n

    @property
    def verdict(self) -> str:
        """Returns "better", "worse" or "not better"."""
        if self.p_value >= 1 - _LEVEL:
            return "not better"
        return "better" if self.difference > 0 else "worse"

    def sentence(self, name: str, score: str = "") -> str:
        """Returns what is to be said: `better than NAME by 1.1 points, p = 0.004`.

        Args:
            name: of the baseline, as it stands in a sentence.
            score: what is counted in points, where it is not plain: `by 1.1 points exact match`.
        """
        points, chance = 100 * self.difference, self.chance()
        unit = f"points {score}".rstrip()
        digits = 2 if 0 < abs(points) < 0.1 else 1
        if self.verdict == "not better":
            return f"not better than {name} ({points:+.{digits}f} {unit}, {chance})"
        return f"{self.verdict} than {name} by {abs(points):.{digits}f} {unit}, {chance}"

    def chance(self) -> str:
        """Returns the p-value to the digits worth reading: `p = 0.61`, `p = 0.004`, `p < 0.001`."""
        if self.p_value < 0.001:
            return "p < 0.001"
        return f"p = {self.p_value:.{3 if self.p_value < 0.1 else 2}f}"

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        derived = {name: getattr(self, name) for name in ("n", "accuracy", "baseline_accuracy", "difference")}
        return to_plain({**derived, **asdict(self), "verdict": self.verdict})


def compare(gold: Sequence[Any], ours: Sequence[Any], baseline: Sequence[Any], *, seed: int = 0) -> Comparison:
    """Compares the answers of two classifiers.

    Args:
        gold: n true labels; a label that neither classifier knows is an error of both. For multi-label rows, the set
            of labels: then a row is right if all of it is.
        ours: n predicted labels.
        baseline: n predicted labels of the other classifier, for the same rows in the same order.
        seed: of the bootstrap interval.

    Raises:
        ValueError: the three are not of one length, or empty.
    """
    if not len(gold) or not len(gold) == len(ours) == len(baseline):
        raise ValueError(
            "Expected one gold label and two predictions a row, for at least one row. "
            f"Received: {len(gold)} gold labels, {len(ours)} and {len(baseline)} predictions"
        )
    we_are = np.array([one == true for one, true in zip(ours, gold, strict=True)], dtype=bool)
    they_are = np.array([one == true for one, true in zip(baseline, gold, strict=True)], dtype=bool)
    won, lost = int((we_are & ~they_are).sum()), int((~we_are & they_are).sum())
    return Comparison(
        both_right=int((we_are & they_are).sum()),
        only_ours_right=won,
        only_baseline_right=lost,
        both_wrong=int((~we_are & ~they_are).sum()),
        difference_interval=_difference_interval(won, lost, len(gold), seed),
        p_value=_mcnemar(won, lost),
    )


def _mcnemar(won: int, lost: int) -> float:
    from scipy.special import bdtr  # scipy.stats has the test itself, and takes a second to import

    # Heads and tails are alike: twice the probability of at most so many of the rarer side.
    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def _difference_interval(won: int, lost: int, n: int, seed: int) -> tuple[float, float]:
    """Paired bootstrap: rows are drawn, each with both its answers, which needs but the counts of three kinds of rows.

    If all rows are of one kind every resample is the same. Then at most a share `1 - tail ** (1 / n)` of unseen rows is
    of another kind (Clopper and Pearson 1934, as in `accuracy_interval`), which moves the difference by that much.
    """
    same = n - won - lost
    if n in (won, lost, same):
        difference, other = (won - lost) / n, 1 - ((1 - _LEVEL) / 2) ** (1 / n)
        reach = other if same else 2 * other  # from "only ours" to "only the baseline's" it is two steps
        return max(difference - reach, -1.0), min(difference + reach, 1.0)
    return bootstrap_interval(
        np.array([won, lost, same]),
        lambda counts: (counts[:, 0] - counts[:, 1]) / n,
        resamples=10_000,
        level=_LEVEL,
        seed=seed,
    )
