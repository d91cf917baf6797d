"""How well a language model expects texts, from their log-probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.bootstrap import percentile_interval, resampled_sums
from kerasnlp_kit.evaluation.corpus_scores import bleu_tokenizer
from kerasnlp_kit.evaluation.terminal import language_table
from kerasnlp_kit.plain import to_plain

if TYPE_CHECKING:
    from kerasnlp_kit.evaluation.generated import GeneratedQuality
    from kerasnlp_kit.evaluation.latent import LatentQuality

TextUnit = Literal["word", "character"]
Meaning = Literal["exact", "bound", "given vector"]
"""Of log-probabilities: those of the texts; at least these; those of texts whose own vectors are known, which are no
probabilities of texts."""
Interval = tuple[float, float] | None

_MANY_TIMES = 10.0  # as high: from here on a perplexity is told as a multiple


@dataclass(frozen=True, eq=False)
class LanguageMetrics:
    """What the texts of one data set were worth to a model.

    A perplexity is ``exp(-log-probability / units)``; the end of each text is one unit more. `unit` is the one that
    readers compare by, whatever the tokens of a model are: words, or characters of scripts without blanks.
    """

    n: int
    confidence: float  # of the intervals
    unit: TextUnit
    perplexity: float  # by unit
    interval: Interval
    token_perplexity: float
    bits_per_character: float
    log_probability: float  # of all texts
    units: int
    tokens: int
    characters: int
    warnings: tuple[str, ...]
    row_log_probability: np.ndarray  # float (n,)
    row_units: np.ndarray  # int (n,)
    means: Meaning = "exact"

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types, without what is of single rows."""
        return to_plain(
            {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("row_")}
        )

    def first_line(self) -> str:
        """Returns the one line to read: `word perplexity 31.25 [30.11, 32.40] n=1000`."""
        bounds = f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]" if self.interval else ""
        return f"{self.unit} perplexity {self.qualifier}{self.perplexity:.2f}{bounds} n={self.n}"

    @property
    def qualifier(self) -> str:
        """What to say before a perplexity."""
        return {"exact": "", "bound": "at most ", "given vector": "given their vectors "}[self.means]

    def table(self) -> str:
        """Returns all scores as a text for the terminal, several lines, without a final newline."""
        return language_table(self)


def unit_of(texts: Sequence[str]) -> TextUnit:
    """What texts are counted by."""
    return "word" if bleu_tokenizer(list(texts)) == "13a" else "character"


def count_units(texts: Sequence[str], unit: TextUnit) -> np.ndarray:
    """Units of each text, its end among them: int64 (texts,). Blanks count as characters, once in a row."""
    return np.array([(len(text.split()) if unit == "word" else len(" ".join(text.split()))) + 1 for text in texts])


def score_language(
    texts: Sequence[str],
    log_probabilities: np.ndarray,
    tokens: np.ndarray,
    *,
    unknown: float = 0.0,
    means: Meaning = "exact",
    confidence: float = 0.95,
    seed: int = 0,
) -> LanguageMetrics:
    """Scores a model by the log-probabilities that it gave to texts.

    Args:
        texts: n texts.
        log_probabilities: float (n,), natural, the ends included.
        tokens: int (n,), the model's tokens of each, the ends among them.
        unknown: share of the tokens that the model does not know; it need not tell which ones they are.
        means: what they are.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        UserError: there is no text.
    """
    if not len(texts):
        raise UserError("Expected at least one text to evaluate. Received: none. Is the file empty?")
    unit = unit_of(texts)
    units, characters = count_units(texts, unit), count_units(texts, "character")
    found = np.asarray(log_probabilities, np.float64)
    total = float(found.sum())
    draws = resampled_sums(np.stack([found, units], axis=1), seed=seed)
    spread = np.exp(-draws[:, 0] / draws[:, 1])
    warnings = []
    if unknown > 0.05:
        warnings.append(
            f"{unknown:.1%} of the tokens are unknown to the model, which makes the perplexity smaller than it is; "
            "take subwords, or a larger --vocabulary."
        )
    return LanguageMetrics(
        n=len(texts),
        confidence=confidence,
        unit=unit,
        perplexity=float(np.exp(-total / units.sum())),
        interval=percentile_interval(spread, confidence) if np.ptp(spread) else None,
        token_perplexity=float(np.exp(-total / max(1, int(tokens.sum())))),
        bits_per_character=float(-total / np.log(2) / characters.sum()),
        log_probability=total,
        units=int(units.sum()),
        tokens=int(tokens.sum()),
        characters=int(characters.sum()),
        warnings=tuple(warnings),
        row_log_probability=found,
        row_units=units,
        means=means,
    )


@dataclass(frozen=True)
class LanguageComparison:
    """A model beside another one on the same texts.

    Attributes:
        perplexity: of the other one, by the unit of the metrics.
        difference: by what share the model's perplexity is lower; below 0: higher.
        interval: of the difference, from a paired bootstrap over the texts.
        bound: whether the model's perplexity is an upper bound, which can show that it is better and never that it is
            worse.
    """

    perplexity: float
    difference: float
    interval: Interval
    bound: bool = False

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `not better`."""
        if self.interval is None:
            return "not better"
        if self.interval[0] > 0:
            return "better"
        return "worse" if self.interval[1] < 0 and not self.bound else "not better"

    def sentence(self, name: str) -> str:
        """`better than Kneser-Ney, 5-grams (55.20): perplexity 30.1% lower [29.0, 31.2]`."""
        lower = self.difference >= 0
        sure = "" if not self.bound else "at least " if lower else "at most "
        if 1 - self.difference >= _MANY_TIMES:
            unit, shown = " times as high", lambda difference: f"{1 - difference:,.0f}"
        elif lower:
            unit, shown = "% lower", lambda difference: f"{100 * difference:.1f}"
        else:
            unit, shown = "% higher", lambda difference: f"{-100 * difference:.1f}"
        share, bounds = f"{sure}{shown(self.difference)}{unit}", ""
        if self.interval:
            low, high = map(shown, self.interval if lower else reversed(self.interval))
            bounds = f" [{low}, {high}]"
        return f"{self.verdict} than {name} ({self.perplexity:.2f}): perplexity {share}{bounds}"

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(
            {
                "perplexity": self.perplexity,
                "difference": self.difference,
                "interval": self.interval,
                "verdict": self.verdict,
            }
        )


def compare_language(metrics: LanguageMetrics, other: np.ndarray, *, seed: int = 0) -> LanguageComparison:
    """Compares with the log-probabilities that another model gave to the same texts: float (n,)."""
    other = np.asarray(other, np.float64)
    rows = np.stack([metrics.row_log_probability, other, metrics.row_units], axis=1)
    draws = resampled_sums(rows, seed=seed)
    spread = 1 - np.exp((draws[:, 1] - draws[:, 0]) / draws[:, 2])
    sums = rows.sum(axis=0)
    return LanguageComparison(
        float(np.exp(-sums[1] / sums[2])),
        float(1 - np.exp((sums[1] - sums[0]) / sums[2])),
        percentile_interval(spread, metrics.confidence) if np.ptp(spread) else None,
        bound=metrics.means == "bound",
    )


@dataclass(frozen=True)
class LanguageScores:
    """Scores, comparisons, and what generated texts and latent vectors are like, where there are such."""

    metrics: LanguageMetrics
    comparisons: Mapping[str, LanguageComparison]
    generated: "GeneratedQuality | None" = None
    latent: "LatentQuality | None" = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            **self.metrics.to_json(),
            "comparisons": {name: one.to_json() for name, one in self.comparisons.items()},
            "generated": self.generated.to_json() if self.generated else None,
            **({"latent": self.latent.to_json()} if self.latent else {}),
        }

    def lines(self) -> list[str]:
        """For the terminal, after the table of the metrics."""
        lines = [one.sentence(name) for name, one in self.comparisons.items()]
        for more in (self.latent, self.generated):
            lines += ["", *more.lines()] if more else []
        return lines
