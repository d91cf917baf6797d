"""What generated texts are like: varied or not, copied or not, and whether one could learn from them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.evaluation.corpus_scores import bleu_tokenizer, characters
from kerasnlp_kit.evaluation.degenerate_outputs import repeats
from kerasnlp_kit.evaluation.kneser_ney import KneserNey
from kerasnlp_kit.evaluation.language import count_units, unit_of
from kerasnlp_kit.plain import to_plain

SELF_BLEU_TEXTS = 100  # each against all others
SHORTEST_COPIED = 5  # words; shorter texts are equal by chance
LONGEST_FRESH = 50  # words, or characters; as many in a row are copied (Carlini et al. 2023, section 3.1)
REVERSE_ORDER = 3  # of the n-gram model that learns from what was generated
_MOST_COPIED = 0.05
_MOST_REPETITIVE = 0.05
_MOST_EMPTY = 0.02


@dataclass(frozen=True)
class Quality:
    """Of some texts.

    Attributes:
        distinct_1: different tokens a token (Li et al. 2016, "A Diversity-Promoting Objective Function").
        distinct_2: different pairs of tokens a pair, likewise.
        self_bleu: mean BLEU of a text against the others, 0 to 100 (Zhu et al. 2018, "Texygen"); high: all alike.
        reverse_perplexity: of real texts, by an n-gram model that learnt from these (Zhao et al. 2018, "Adversarially
            Regularized Autoencoders", section 5); by unit; None without real texts.
    """

    distinct_1: float
    distinct_2: float
    self_bleu: float
    reverse_perplexity: float | None


@dataclass(frozen=True)
class GeneratedQuality:
    """Of generated texts, beside as many real ones.

    Attributes:
        texts: how many were generated.
        generated: their quality.
        real: that of as many training texts.
        copied: share of the texts of `SHORTEST_COPIED` words or more that are one of the training texts word for word,
            or hold `LONGEST_FRESH` words in a row that stand in one.
        copied_real: likewise, of the held-out texts: what is copied by chance.
        empty: share of texts without a token.
        repetitive: share of texts that say the same again and again.
    """

    texts: int
    generated: Quality
    real: Quality
    copied: float
    copied_real: float
    empty: float
    repetitive: float

    def warnings(self) -> tuple[str, ...]:
        """Returns a sentence for each thing that a sound model does not do."""
        found = []
        if self.copied > max(_MOST_COPIED, 1.5 * self.copied_real):
            found.append(
                f"{self.copied:.1%} of the generated texts stand in the training texts word for word: the model gives "
                "away what it was trained on. Train for fewer epochs or with more dropout, and mind what is private."
            )
        elif self.copied > _MOST_COPIED:
            found.append(
                f"{self.copied:.1%} of the generated texts stand in the training texts word for word, as do "
                f"{self.copied_real:.1%} of the held-out ones: such texts are common, but mind what is private."
            )
        if self.empty > _MOST_EMPTY:
            found.append(f"{self.empty:.1%} of the generated texts are empty.")
        if self.repetitive > _MOST_REPETITIVE:
            found.append(f"{self.repetitive:.1%} of the generated texts repeat themselves.")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(asdict(self))

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value of the generated texts, that of as many real ones."""
        rows = [
            ("distinct-1", f"{self.generated.distinct_1:.4f}", f"{self.real.distinct_1:.4f}"),
            ("distinct-2", f"{self.generated.distinct_2:.4f}", f"{self.real.distinct_2:.4f}"),
            ("self-BLEU", f"{self.generated.self_bleu:.1f}", f"{self.real.self_bleu:.1f}"),
        ]
        if self.generated.reverse_perplexity is not None and self.real.reverse_perplexity is not None:
            found = (self.generated.reverse_perplexity, self.real.reverse_perplexity)
            rows.append(("reverse perplexity", f"{found[0]:.2f}", f"{found[1]:.2f}"))
        rows.append(("copied word for word", f"{self.copied:.1%}", f"{self.copied_real:.1%}"))
        rows.append(("repetitive", f"{self.repetitive:.1%}", ""))
        return rows

    def lines(self) -> list[str]:
        """For the terminal."""
        lines = [f"{f'{self.texts:,} generated texts':<24}  {'':>9}  real ones"]
        lines += [f"{name:<24}  {value:>9}  {real:>9}".rstrip() for name, value, real in self.rows()]
        return lines + list(self.warnings())


def judge_generated(
    texts: Sequence[str],
    training: Sequence[str],
    held_out: Sequence[str],
    encode: Callable[[Sequence[str]], Sequence[np.ndarray]],
    vocabulary: int,
    *,
    longest: int | None = None,
    as_long: Callable[[Sequence[str]], Sequence[str]] = list,
) -> GeneratedQuality:
    """Judges generated texts beside the training texts of the same number, and beside held-out ones.

    Args:
        texts: generated; at least one.
        training: all texts that were learnt from.
        held_out: texts that were not.
        encode: texts to tokens, each int (tokens,) from 1 on, the end among them.
        vocabulary: the highest token.
        longest: tokens after which a generated text breaks off: where it has so many, its end is none.
        as_long: texts to their beginnings of so many tokens, for training texts to stand beside.
    """
    split = splitter(held_out or training)
    rows = np.linspace(0, len(training) - 1, min(len(texts), len(training))).astype(int)
    some = as_long([training[row] for row in rows])

    def learnt(lot: Sequence[str]) -> list[np.ndarray]:
        return [row[:longest] for row in encode(lot)]

    own, chance = copied([[split(text) for text in lot] for lot in (texts, held_out)], map(split, training))
    return GeneratedQuality(
        texts=len(texts),
        generated=_quality(texts, held_out, encode, vocabulary, split, learnt),
        real=_quality(some, held_out, encode, vocabulary, split, learnt),
        copied=own,
        copied_real=chance,
        empty=float(np.mean([not text.strip() for text in texts])),
        repetitive=float(np.mean([repeats(split(text)) for text in texts])),
    )


def splitter(texts: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """How texts like these are split into what is compared: words, or characters of scripts without blanks."""
    return str.split if unit_of(texts) == "word" else characters


def distinct(tokens: Sequence[Sequence[str]], size: int) -> float:
    """Different n-grams of a size for each n-gram."""
    found = [tuple(text[place : place + size]) for text in tokens for place in range(len(text) - size + 1)]
    return len(set(found)) / max(1, len(found))


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each of the first `SELF_BLEU_TEXTS` texts against the others of them, 0 to 100."""
    from sacrebleu.metrics import BLEU

    some = list(texts[:SELF_BLEU_TEXTS])
    if len(some) < 2:
        return 0.0
    metric = BLEU(tokenize=bleu_tokenizer(some), effective_order=True, force=True)
    scores = [metric.sentence_score(text, some[:place] + some[place + 1 :]).score for place, text in enumerate(some)]
    return float(np.mean(scores))


def reverse_perplexity(
    learnt: Sequence[np.ndarray],
    real: Sequence[str],
    encode: Callable[[Sequence[str]], Sequence[np.ndarray]],
    vocabulary: int,
    order: int = REVERSE_ORDER,
) -> float:
    """Perplexity of real texts, by unit, of an n-gram model that learnt from other tokens."""
    total = KneserNey(learnt, vocabulary, order).log_probabilities(encode(real)).sum()
    return float(np.exp(-total / count_units(real, unit_of(real)).sum()))


def copied(several: Sequence[Sequence[Sequence[str]]], known: Iterable[Sequence[str]]) -> list[float]:
    """Of several lots of texts, the share that repeats known ones; see `GeneratedQuality`.

    Carlini et al. 2023, "Quantifying Memorization Across Neural Language Models".

    Args:
        several: lots of texts, as words; those shorter than `SHORTEST_COPIED` do not count.
        known: texts, as words; read once, and kept as numbers.
    """
    numbers: dict[str, int] = {}
    whole, long = set(), []
    for text in known:
        whole.add(" ".join(text))
        if len(text) >= LONGEST_FRESH:
            long.append(_numbered(text, numbers))
    known_runs = np.unique(_runs(long)[0])
    shares = []
    for texts in several:
        counted = [text for text in texts if len(text) >= SHORTEST_COPIED]
        runs, owner = _runs([_numbered(text, numbers) for text in counted])
        again = np.zeros(len(counted), bool)
        again[owner[np.isin(runs, known_runs)]] = True
        found = sum(" ".join(text) in whole or held for text, held in zip(counted, again, strict=True))
        shares.append(found / max(1, len(counted)))
    return shares


def _numbered(text: Sequence[str], numbers: dict[str, int]) -> np.ndarray:
    return np.array([numbers.setdefault(word, len(numbers) + 1) for word in text], np.uint32)


def _runs(texts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A number for each run of `LONGEST_FRESH` words within a text, equal for equal ones, and the text it is of."""
    words = np.concatenate([np.empty(0, np.uint32), *texts])
    count = max(0, len(words) - LONGEST_FRESH + 1)
    found = np.zeros(count, np.uint64)
    for place in range(LONGEST_FRESH):  # a polynomial of the words modulo 2 ** 64 (Karp & Rabin 1987)
        found *= np.uint64(0x9E3779B97F4A7C15)
        found += words[place : place + count]
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    inside = owner[:count] == owner[LONGEST_FRESH - 1 :]
    return found[inside], owner[:count][inside]


def _quality(
    texts: Sequence[str],
    held_out: Sequence[str],
    encode: Callable[[Sequence[str]], Sequence[np.ndarray]],
    vocabulary: int,
    split: Callable[[str], Sequence[str]],
    learnt: Callable[[Sequence[str]], Sequence[np.ndarray]],
) -> Quality:
    tokens = [split(text) for text in texts]
    reverse = reverse_perplexity(learnt(texts), held_out, encode, vocabulary) if len(held_out) else None
    return Quality(distinct(tokens, 1), distinct(tokens, 2), self_bleu(texts), reverse)
