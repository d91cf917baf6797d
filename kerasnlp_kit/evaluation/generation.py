"""Scores of a model that writes a text for a text, from its outputs and the acceptable targets of each row."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.bootstrap import accuracy_interval
from kerasnlp_kit.evaluation.corpus_scores import (
    CorpusStatistics,
    References,
    bleu_statistics,
    bleu_tokenizer,
    characters,
    chrf_statistics,
    error_statistics,
    rouge_l,
)
from kerasnlp_kit.evaluation.degenerate_outputs import DegenerateShares, degenerate_shares
from kerasnlp_kit.evaluation.terminal import generation_table
from kerasnlp_kit.plain import to_plain

Unit = Literal["token", "character"]
Interval = tuple[float, float] | None

_MOST_BINS = 5


@dataclass(frozen=True)
class LengthBin:
    """The rows whose source has so many tokens (or characters)."""

    shortest: int
    longest: int
    rows: int
    exact_match: float
    chrf: float
    error_rate: float  # of the unit of the metrics

    @property
    def name(self) -> str:
        """Returns `5` or `5–8`."""
        return str(self.longest) if self.shortest == self.longest else f"{self.shortest}–{self.longest}"


@dataclass(frozen=True, eq=False)
class GenerationMetrics:
    """All scores of the outputs of one model on one data set.

    An interval is None where all rows score alike and resampling would claim certainty. Exact match, error rates and
    ROUGE-L are shares (an error rate may pass 1); BLEU and chrF go to 100, as everywhere. Blanks at the ends of a text
    and how many there are in a row do not count.

    `unit` is what an error is counted by where one error rate is shown: characters for scripts without blanks and for
    targets of one token, else tokens. `row_chrf` and `row_length_ratio` are those of each row, in the order given.
    """

    n: int
    confidence: float  # of the intervals
    exact_match: float
    exact_match_interval: tuple[float, float]
    bleu: float
    bleu_interval: Interval
    bleu_signature: str
    chrf: float
    chrf_interval: Interval
    chrf_signature: str
    token_error_rate: float
    token_error_interval: Interval
    character_error_rate: float
    character_error_interval: Interval
    rouge_l: float | None  # mean of the rows' F1; None if not asked for
    length_ratio: float  # units of all outputs per unit of all references
    unit: Unit
    source_unit: Unit  # of the length bins
    length_bins: tuple[LengthBin, ...]
    degenerate: DegenerateShares
    warnings: tuple[str, ...]
    row_chrf: np.ndarray  # float (n,)
    row_length_ratio: np.ndarray  # float (n,), NaN where the reference is empty

    @property
    def sequence_error_rate(self) -> float:
        """Share of rows with any error."""
        return 1 - self.exact_match

    @property
    def error_rate(self) -> float:
        """The error rate by `unit`."""
        return self.token_error_rate if self.unit == "token" else self.character_error_rate

    @property
    def error_interval(self) -> Interval:
        """The interval of `error_rate`."""
        return self.token_error_interval if self.unit == "token" else self.character_error_interval

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types, without what is of single rows."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("row_")}
        plain["sequence_error_rate"] = self.sequence_error_rate
        plain["length_bins"] = [asdict(one) for one in self.length_bins]
        plain["degenerate"] = asdict(self.degenerate)
        return to_plain(plain)

    def first_line(self) -> str:
        """Returns the one line to read: `exact match 0.9950 [0.9883, 1.0000] n=600`."""
        low, high = self.exact_match_interval
        return f"exact match {self.exact_match:.4f} [{low:.4f}, {high:.4f}] n={self.n}"

    def table(self) -> str:
        """Returns all scores as a text for the terminal, several lines, without a final newline."""
        return generation_table(self)


def score_generation(
    sources: Sequence[str],
    references: References,
    predictions: Sequence[str],
    *,
    rouge: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> GenerationMetrics:
    """Scores outputs against the acceptable targets.

    Args:
        sources: n inputs, each once.
        references: of each row one or more acceptable targets; the closest counts.
        predictions: n outputs.
        rouge: whether to compute ROUGE-L, which is for summaries.
        confidence: of the intervals.
        seed: of the bootstrap.

    Raises:
        UserError: there is no row.
        ValueError: the three are not of one length, or a row has no reference.
    """
    check_rows(references, sources, predictions)
    targets = [target for row in references for target in row]
    tokenizer = bleu_tokenizer(targets)
    unblanked = tokenizer != "13a"
    unit: Unit = "character" if unblanked or _mean_tokens(targets) < 1.5 else "token"
    split: Callable[[str], Sequence[str]] = str.split if unit == "token" else characters

    exact = exact_matches(references, predictions)
    bleu = bleu_statistics(references, predictions, tokenizer)
    chrf = chrf_statistics(references, predictions)
    tokens = error_statistics(references, predictions, str.split)
    letters = error_statistics(references, predictions, characters)
    errors = tokens if unit == "token" else letters
    degenerate = degenerate_shares(sources, references, predictions, split)
    source_unit: Unit = "character" if bleu_tokenizer(sources) != "13a" or _mean_tokens(sources) < 1.5 else "token"
    lengths = np.array([len(text.split() if source_unit == "token" else characters(text)) for text in sources])
    _, reference_length, output_length = errors.rows.T
    return GenerationMetrics(
        n=len(sources),
        confidence=confidence,
        exact_match=float(exact.mean()),
        exact_match_interval=accuracy_interval(int(exact.sum()), len(exact), level=confidence, seed=seed),
        bleu=bleu.value(),
        bleu_interval=bleu.interval(confidence, seed),
        bleu_signature=bleu.signature,
        chrf=chrf.value(),
        chrf_interval=chrf.interval(confidence, seed),
        chrf_signature=chrf.signature,
        token_error_rate=tokens.value(),
        token_error_interval=tokens.interval(confidence, seed),
        character_error_rate=letters.value(),
        character_error_interval=letters.interval(confidence, seed),
        rouge_l=float(rouge_l(references, predictions, split).mean()) if rouge else None,
        length_ratio=float(output_length.sum() / max(reference_length.sum(), 1)),
        unit=unit,
        source_unit=source_unit,
        length_bins=_length_bins(lengths, exact, chrf, errors),
        degenerate=degenerate,
        warnings=(*degenerate.warnings(), *_empty_bleu(bleu)),
        row_chrf=chrf.row_values(),
        row_length_ratio=np.where(reference_length > 0, output_length / np.maximum(reference_length, 1), np.nan),
    )


def exact_matches(references: References, predictions: Sequence[str]) -> np.ndarray:
    """Tells of each row whether the output is one of its targets, blanks aside: bool (rows,)."""
    pairs = zip(references, predictions, strict=True)
    return np.array([any(text.split() == target.split() for target in targets) for targets, text in pairs])


def check_rows(references: References, *texts: Sequence[str]) -> None:
    """Refuses rows that cannot be scored, as `score_generation` says; each of `texts` has one text a row."""
    if any(len(one) != len(references) for one in texts):
        raise ValueError(
            "Expected one text of each kind and one tuple of references a row. "
            f"Received: {len(references)} tuples; {' and '.join(str(len(one)) for one in texts)} texts"
        )
    if not len(references):
        raise UserError("Expected at least one row with a target to evaluate. Received: none. Is the file empty?")
    for row, targets in enumerate(references):
        if isinstance(targets, str) or not len(targets):
            raise ValueError(f"Expected a tuple of one or more references a row. Received for row {row}: {targets!r}")


def _mean_tokens(texts: Sequence[str]) -> float:
    return sum(len(text.split()) for text in texts) / len(texts)


def _length_bins(
    lengths: np.ndarray, exact: np.ndarray, chrf: CorpusStatistics, errors: CorpusStatistics
) -> tuple[LengthBin, ...]:
    """About five bins with as many rows each; rows of one length are in one bin."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _MOST_BINS + 1)[1:-1], method="lower"))
    bin_of = np.searchsorted(edges, lengths)  # a bin ends with its edge
    bins = []
    for one in np.unique(bin_of).tolist():
        rows = bin_of == one
        inside = lengths[rows]
        bins.append(
            LengthBin(
                shortest=int(inside.min()),
                longest=int(inside.max()),
                rows=int(rows.sum()),
                exact_match=float(exact[rows].mean()),
                chrf=chrf.value(rows),
                error_rate=errors.value(rows),
            )
        )
    return tuple(bins)


def _empty_bleu(bleu: CorpusStatistics) -> tuple[str, ...]:
    """BLEU is a product over 1- to 4-grams; of outputs of three tokens it is 0, however right they are."""
    if bleu.rows[:, -1].any() or not bleu.rows[:, 2].any():
        return ()
    return ("BLEU is 0 because no output has four tokens; go by exact match, chrF and the error rates.",)
