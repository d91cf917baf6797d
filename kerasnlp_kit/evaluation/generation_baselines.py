"""Is it better than the obvious? Texts that need no training to write, and a model set beside them.

A model that learned nothing but to copy may have a chrF of 40 where source and target are much alike, and one that
learned the training rows by heart shines where test rows are near copies of them. Both can be had for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.evaluation.bootstrap import percentile_interval
from kerasnlp_kit.evaluation.comparison import Comparison, compare
from kerasnlp_kit.evaluation.corpus_scores import References, chrf_statistics
from kerasnlp_kit.evaluation.generation import check_rows, exact_matches
from kerasnlp_kit.plain import to_plain

_LEVEL = 0.95
_MOST_ROWS = 50_000  # that are compared with; with all of a million it takes hours
_CHUNK_CELLS = 4_000_000  # similarities at once; their sparse matrix stays below 50 MB


def copy_source(sources: Sequence[str]) -> list[str]:
    """Returns the sources as outputs."""
    return list(sources)


class NearestNeighbour:
    """Answers with the target of the most similar training source; of several the first.

    Of more than 50,000 training rows so many are looked at, evenly spread over them.

    Similarity is the cosine of TF-IDF vectors of n-grams of 2 to 4 characters within words (a text without blanks is
    one word), with the blanks around them. An output is a text that somebody wrote, so it reads well even where it is
    wrong.
    """

    def __init__(self, train_sources: Sequence[str], train_targets: Sequence[str]) -> None:
        """Raises ValueError if there is no training row, or not one target a source."""
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        if not len(train_sources) or len(train_sources) != len(train_targets):
            raise ValueError(
                "Expected one target a training source, for at least one row. "
                f"Received: {len(train_sources)} sources, {len(train_targets)} targets"
            )
        rows = np.linspace(0, len(train_sources) - 1, min(len(train_sources), _MOST_ROWS)).astype(int).tolist()
        train_sources = [train_sources[row] for row in rows]
        self._targets = [train_targets[row] for row in rows]
        # Hashed: no vocabulary in memory, and blank sources are no error. Without norm and sign these are plain counts.
        self._counter = HashingVectorizer(
            analyzer="char_wb",
            ngram_range=(2, 4),
            lowercase=False,
            norm=None,
            alternate_sign=False,
            dtype=np.float32,
        )
        self._weights = TfidfTransformer(sublinear_tf=True)
        vectors = self._weights.fit_transform(self._counter.transform(train_sources))
        self._vectors = vectors.T.tocsr()  # (n-grams, training rows), in the form a product takes

    def predict(self, sources: Sequence[str]) -> list[str]:
        """Returns one output a source."""
        if not len(sources):
            return []
        queries = self._weights.transform(self._counter.transform(sources))
        chunk = max(1, _CHUNK_CELLS // len(self._targets))
        nearest: list[int] = []
        for start in range(0, len(sources), chunk):
            similarity = queries[start : start + chunk] @ self._vectors  # sparse (chunk, training rows)
            similarity.sum_duplicates()  # puts columns in order, so that of equals the first row is taken
            nearest += np.asarray(similarity.argmax(axis=1)).ravel().tolist()
        return [self._targets[row] for row in nearest]


@dataclass(frozen=True)
class GenerationComparison:
    """Two systems' outputs for the same rows: "ours" and a baseline, by exact match and by chrF."""

    exact_match: Comparison
    chrf: float  # 0 to 100
    baseline_chrf: float
    chrf_interval: tuple[float, float] | None  # 95%, of the difference; None if it is the same in every draw

    @property
    def chrf_difference(self) -> float:
        """Ours minus the baseline's, -100 to 100."""
        return self.chrf - self.baseline_chrf

    @property
    def chrf_verdict(self) -> str:
        """Returns "better", "worse" or "not better": whether the interval leaves 0 out."""
        if self.chrf_interval is None:
            return self.exact_match.verdict
        low, high = self.chrf_interval
        return "better" if low > 0 else "worse" if high < 0 else "not better"

    def verdicts(self, name: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Returns what is to be said by exact match and by chrF, each as (verdict, sentence)."""
        return (
            (self.exact_match.verdict, self.exact_match.sentence(name, "exact match")),
            (self.chrf_verdict, self._chrf_sentence(name)),
        )

    def lines(self, name: str) -> tuple[str, str]:
        """Returns the sentences alone: `better than copying the source by 71.2 points exact match, p < 0.001`.

        Args:
            name: of the baseline as it stands in a sentence, such as "the nearest training row".
        """
        by_exact_match, by_chrf = self.verdicts(name)
        return by_exact_match[1], by_chrf[1]

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(
            {
                "exact_match": self.exact_match.to_json(),
                "chrf": self.chrf,
                "baseline_chrf": self.baseline_chrf,
                "chrf_difference": self.chrf_difference,
                "chrf_interval": self.chrf_interval,
                "chrf_verdict": self.chrf_verdict,
            }
        )

    def _chrf_sentence(self, name: str) -> str:
        points, bounds = self.chrf_difference, ""
        if self.chrf_interval is not None:
            low, high = self.chrf_interval
            bounds = f", 95%: {low:+.1f} to {high:+.1f}"
        if self.chrf_verdict == "not better":
            return f"not better than {name} ({points:+.1f} points chrF{bounds})"
        return f"{self.chrf_verdict} than {name} by {abs(points):.1f} points chrF{bounds}"


def compare_generation(
    references: References, predictions: Sequence[str], baseline_predictions: Sequence[str], *, seed: int = 0
) -> GenerationComparison:
    """Compares the outputs of two systems for the same rows.

    Exact match by McNemar's exact test, chrF by a paired bootstrap (Koehn 2004), which draws rows with both outputs.

    Args:
        references: of each of n rows one or more acceptable targets.
        predictions: n outputs, ours.
        baseline_predictions: n outputs of the baseline.
        seed: of the bootstrap.

    Raises:
        UserError: there is no row.
        ValueError: the three are not of one length, or a row has no reference.
    """
    check_rows(references, predictions, baseline_predictions)
    right = exact_matches(references, predictions).tolist()
    baseline_right = exact_matches(references, baseline_predictions).tolist()
    ours, baseline = chrf_statistics(references, predictions), chrf_statistics(references, baseline_predictions)
    differences = ours.resampled(seed) - baseline.resampled(seed)
    return GenerationComparison(
        exact_match=compare([True] * len(right), right, baseline_right, seed=seed),
        chrf=ours.value(),
        baseline_chrf=baseline.value(),
        chrf_interval=percentile_interval(differences, _LEVEL) if np.ptp(differences) else None,
    )
