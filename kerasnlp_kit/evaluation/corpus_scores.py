"""Scores of a whole corpus of texts: BLEU, chrF, error rates and ROUGE-L, each from what every row adds to it.

BLEU is not the mean of its rows. But it depends on them through sums only (n-grams that match, lengths), and so do chrF
and error rates. With these statistics a row, a score of other rows, or of a thousand draws for an interval, is a sum.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.evaluation.bootstrap import percentile_interval, resampled_sums
from kerasnlp_kit.evaluation.sequence_distance import levenshtein, longest_common_subsequence

References = Sequence[tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class CorpusStatistics:
    """What each row adds to a score.

    `score` gives, for the sums of some rows' statistics, the score of these rows.
    """

    rows: np.ndarray  # (rows, columns)
    score: Callable[[list[float]], float]
    signature: str = ""  # how it was computed, in sacreBLEU's form, for a paper

    def value(self, chosen: np.ndarray | None = None) -> float:
        """Returns the score of all rows, or of the chosen ones: bool (rows,) or indices."""
        rows = self.rows if chosen is None else self.rows[chosen]
        return self.score(rows.sum(axis=0).tolist())

    def row_values(self) -> np.ndarray:
        """Returns each row's own score: float (rows,)."""
        return np.array([self.score(row) for row in self.rows.tolist()])

    def resampled(self, seed: int) -> np.ndarray:
        """Returns the scores of 1,000 draws of as many rows: float (1000,). One seed draws the same rows of any."""
        return np.array([self.score(sums) for sums in resampled_sums(self.rows, seed=seed).tolist()])

    def interval(self, level: float, seed: int) -> tuple[float, float] | None:
        """Returns the bootstrap interval; None if every draw scores the same and it would claim certainty."""
        scores = self.resampled(seed)
        return percentile_interval(scores, level) if np.ptp(scores) else None


def bleu_statistics(references: References, predictions: Sequence[str], tokenizer: str) -> CorpusStatistics:
    """Returns the statistics of BLEU (Papineni et al. 2002), 0 to 100, as sacreBLEU (Post 2018) computes it.

    The columns are: length of the output, of the closest reference, matches of 1- to 4-grams, 1- to 4-grams.

    Args:
        references: the acceptable targets of each row, at least one.
        predictions: the outputs.
        tokenizer: as sacreBLEU names it; see `bleu_tokenizer`.
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(tokenize=tokenizer, force=True)  # force: no word on texts that look tokenized
    return _statistics(metric, references, predictions)


def chrf_statistics(references: References, predictions: Sequence[str]) -> CorpusStatistics:
    """Returns the statistics of chrF (Popović 2015), 0 to 100, as sacreBLEU computes it.

    The columns are: n-grams of the output, of the best reference, and those they share, for 1 to 6 characters.
    """
    from sacrebleu.metrics import CHRF

    return _statistics(CHRF(), references, predictions)


def error_statistics(
    references: References, predictions: Sequence[str], split: Callable[[str], Sequence[str]]
) -> CorpusStatistics:
    """Returns the statistics of an error rate: insertions, deletions and substitutions per item of the references.

    The columns are: errors, items of the reference, items of the output. Of several references that with the fewest
    errors counts, among equals the longest. The rate passes 1 where outputs are much too long.

    Args:
        references: the acceptable targets of each row, at least one.
        predictions: the outputs.
        split: gives a text's items: `str.split` for the token (word) error rate, `characters` for that of characters.
    """
    rows = []
    for targets, prediction in zip(references, predictions, strict=True):
        output = split(prediction)
        counts = ((levenshtein(target, output), -len(target)) for target in map(split, targets))
        errors, length = min(counts)
        rows.append((errors, -length, len(output)))
    return CorpusStatistics(np.asarray(rows, dtype=np.float64), lambda sums: sums[0] / max(sums[1], 1.0))


def rouge_l(references: References, predictions: Sequence[str], split: Callable[[str], Sequence[str]]) -> np.ndarray:
    """Returns the ROUGE-L F1 of each row, 0 to 1, for the best of its references: float (rows,).

    It is the harmonic mean of the shares of the output and of the reference that their longest common subsequence
    covers; two empty texts agree. Reference: Lin (2004), ROUGE: A Package for Automatic Evaluation of Summaries. Texts
    are taken as they are, with case and without stemming, which other programs may handle otherwise.
    """

    def f1(target: Sequence[str], output: Sequence[str]) -> float:
        length = len(target) + len(output)
        return 2 * longest_common_subsequence(target, output) / length if length else 1.0

    pairs = zip(references, predictions, strict=True)
    return np.array([max(f1(split(target), split(text)) for target in targets) for targets, text in pairs])


def characters(text: str) -> str:
    """Returns the characters an error rate counts: runs of blanks as one, none at the ends."""
    return " ".join(text.split())


def bleu_tokenizer(texts: Sequence[str]) -> str:
    """Returns sacreBLEU's tokenizer for texts of this script.

    `zh` (each Han character a token) if most letters are Han, `char` for Japanese (a tenth kana will do), Thai, Lao,
    Tibetan, Burmese and Khmer, which have no blanks between words either, else `13a`, the usual one.
    """
    codes, counts = np.unique(
        np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32), return_counts=True
    )
    letters = {"han": 0, "kana": 0, "unblanked": 0, "blanked": 0}
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        script = next((name for first, last, name in _SCRIPTS if first <= code <= last), None)
        if script or chr(code).isalpha():
            letters[script or "blanked"] += count
    if letters["blanked"] >= sum(letters.values()) / 2:
        return "13a"
    if letters["unblanked"] > letters["han"] or letters["kana"] > 0.1 * (letters["han"] + letters["kana"]):
        return "char"
    return "zh"


_SCRIPTS = (
    (0x0E00, 0x0FFF, "unblanked"),  # Thai, Lao, Tibetan
    (0x1000, 0x109F, "unblanked"),  # Burmese
    (0x1780, 0x17FF, "unblanked"),  # Khmer
    (0x3040, 0x30FF, "kana"),
    (0x31F0, 0x31FF, "kana"),
    (0xFF66, 0xFF9F, "kana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xF900, 0xFAFF, "han"),
    (0x20000, 0x323AF, "han"),
)


def _statistics(metric: Any, references: References, predictions: Sequence[str]) -> CorpusStatistics:
    """sacreBLEU's own numbers, before and after the sum over rows, as it uses them for its tests of significance."""
    # Row by row: all at once every row would be filled up to the most references that any row has.
    rows = [
        metric._extract_corpus_statistics([text], [[target] for target in targets])[0]
        for targets, text in zip(references, predictions, strict=True)
    ]
    numbers = set(map(len, references))
    metric.num_refs = numbers.pop() if len(numbers) == 1 else -1  # -1 becomes "var" in the signature
    return CorpusStatistics(
        np.asarray(rows, dtype=np.float64),
        lambda sums: float(metric._compute_score_from_stats(sums).score),
        str(metric.get_signature()),
    )
