"""From files to pairs, tokenizers, token ids and sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.api.preparation import Say, say_reading
from kerasnlp_kit.api.tokenization import fit_tokenizer, kind_of, shortened
from kerasnlp_kit.config import PairConfig
from kerasnlp_kit.constants import UNK
from kerasnlp_kit.data.pairs import Pairs, read_pairs
from kerasnlp_kit.data.split import split_pairs
from kerasnlp_kit.errors import UserError, about
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.text.token_ids import TokenIds

LONGEST = 256  # source tokens; attention costs the square of them
FITTED_ROWS = 200_000  # texts that decide on the kind of tokens
SHARED = 0.8  # of the characters of each side that the other must have for a joint vocabulary


@dataclass(frozen=True)
class PairData:
    """Pairs as read and split; nothing here needs TensorFlow, so that a bad file is told at once."""

    train: Pairs
    dev: Pairs
    test: Pairs | None
    dev_name: str
    test_name: str | None

    def files(self) -> dict[str, Pairs | None]:
        """What was read, by the name of the option that its file was given by."""
        return {"train": self.train, "dev": self.dev, "test": self.test}


@dataclass(frozen=True)
class PairTokens:
    """The pairs as token ids.

    Attributes:
        source: tokenizer of the sources.
        target: tokenizer of the targets; the same object where the vocabulary is joint.
        reasons: why these were taken, for the plan.
        sizes: for the network.
        train: ids of sources and targets.
        dev: likewise.
        rows: training rows that are used: those whose target is not too long.
        max_source: tokens of a source that are read.
        cut: training sources that are longer.
        left_out: training rows whose target is too long to learn.
        unknown: share of the tokens of dev targets that cannot be written.
    """

    source: Any
    target: Any
    reasons: str
    sizes: PairSizes
    train: tuple[TokenIds, TokenIds]
    dev: tuple[TokenIds, TokenIds]
    rows: np.ndarray
    max_source: int
    cut: int
    left_out: int
    unknown: float


def read_pair_data(config: PairConfig, say: Say) -> PairData:
    """Reads, checks and splits.

    Raises:
        UserError: see `read_pairs`; too few rows to hold some out.
    """
    data = config.data
    everything = read_pairs(config.train, data.source_column, data.target_column)
    say_reading(everything, "pairs", say)
    test = _read_other(data.test, config, everything, say) if data.test else None
    if data.dev:
        dev = _read_other(data.dev, config, everything, say)
        name = test.source + (" (test)" if test.source == dev.source else "") if test else None
        return PairData(everything, dev, test, dev.source, name)
    with about(everything.source):
        train_rows, dev_rows = split_pairs(everything.sources, data.dev_fraction, config.training.seed)
    if not len(dev_rows) or not len(train_rows):
        raise UserError(f"{everything.source} has too few rows to hold some out for choosing; give --dev.")
    dev_name = f"dev ({len(dev_rows):,} rows held out)"
    train, dev = everything.take(train_rows), everything.take(dev_rows)
    return PairData(train, dev, test, dev_name, test.source if test else None)


def tokenize_pairs(config: PairConfig, data: PairData, tokenizers: tuple[Any, Any] | None) -> PairTokens:
    """Fits tokenizers, or takes those given, and makes ids.

    Args:
        config: of the run.
        data: from `read_pair_data`.
        tokenizers: of the run that is resumed.

    Raises:
        UserError: see `SubwordTokenizer.fit`; no training row is left.
    """
    train = data.train
    kinds, joint, reasons = choose_tokenizers(config, train.sources, train.targets)
    source, target = tokenizers or _fit(config, kinds, joint, train)
    encoded = [(source.encode(part.sources), target.encode(part.targets)) for part in (train, data.dev)]
    longest = int(encoded[0][0].lengths.max(initial=1))
    limit = config.text.max_length or max(1, min(LONGEST, longest))
    cut = int((encoded[0][0].lengths > limit).sum())
    rows = np.flatnonzero(encoded[0][1].lengths <= max(limit, LONGEST))
    if not len(rows):
        raise UserError(f"{train.source}: every target is longer than {max(limit, LONGEST)} tokens; give --max-length.")
    dev_ids = encoded[1][1].values
    return PairTokens(
        source,
        target,
        reasons,
        PairSizes(source.vocabulary_size, target.vocabulary_size, target is source),
        (shortened(encoded[0][0], limit), encoded[0][1]),
        (shortened(encoded[1][0], limit), encoded[1][1]),
        rows,
        limit,
        cut,
        len(train) - len(rows),
        float((dev_ids == UNK).mean()) if len(dev_ids) else 0.0,
    )


def drawn_anew(
    config: PairConfig, data: PairData, tokens: PairTokens
) -> Callable[[int], tuple[TokenIds, TokenIds]] | None:
    """Subwords of the training pairs by the number of the epoch; None where they are the same in all epochs."""
    from kerasnlp_kit.text.segmentations import SegmentationSampler

    if (power := config.text.subword_sampling) is None:
        return None
    sides = list(
        zip((tokens.source, tokens.target), (data.train.sources, data.train.targets), tokens.train, strict=True)
    )
    samplers = [
        SegmentationSampler(tokenizer, texts, power) if tokenizer.kind == "subwords" else None
        for tokenizer, texts, _ in sides
    ]

    def draw(epoch: int) -> tuple[TokenIds, TokenIds]:
        random = np.random.default_rng((config.training.seed, epoch))
        source, target = (
            sampler.draw(random) if sampler else always for sampler, (_, _, always) in zip(samplers, sides, strict=True)
        )
        # Not after as many as the most probable ones are: others are more.
        return shortened(source, config.text.max_length or LONGEST), target

    return draw


def choose_tokenizers(
    config: PairConfig, sources: Sequence[str], targets: Sequence[str]
) -> tuple[tuple[str, str], bool, str]:
    """What tokens are, by the options and else by the texts.

    Returns:
        Kinds for source and target, whether the vocabulary is joint, and why, in words.
    """
    sides = [list(texts[:FITTED_ROWS]) for texts in (sources, targets)]
    asked = (config.text.source_tokenizer, config.text.target_tokenizer)
    kinds, reasons = [], []
    for side, choice, texts in zip(("source", "target"), asked, sides, strict=True):
        kind, reason = (choice, "as asked") if choice != "auto" else kind_of(texts)
        kinds.append(kind)
        reasons.append(f"{side} {kind} ({reason})")
    same = kinds[0] == kinds[1]
    if config.text.joint == "yes" and not same:
        raise UserError(
            f"--joint yes needs the same tokens on both sides: name --source-tokenizer and --target-tokenizer. "
            f"Received: {kinds[0]} and {kinds[1]}"
        )
    if config.text.subword_sampling and "subwords" not in kinds:
        raise UserError(
            "--subword-sampling draws subwords, and neither side has them; with --source-tokenizer subwords and "
            f"--target-tokenizer subwords both have. Tokens now: {', '.join(reasons)}"
        )
    joint = config.text.joint == "yes" or (config.text.joint == "auto" and same and share_characters(*sides))
    return (kinds[0], kinds[1]), joint, ", ".join(reasons) + (", one vocabulary" if joint else "")


def share_characters(sources: Sequence[str], targets: Sequence[str]) -> bool:
    """Whether most of what either side is written with is also in the other."""
    counts: list[dict[str, int]] = [{}, {}]
    for side, texts in zip(counts, (sources, targets), strict=True):
        for text in texts:
            for character in text:
                side[character] = side.get(character, 0) + 1
    shares = []
    for own, other in (counts, counts[::-1]):
        total = sum(own.values())
        shares.append(sum(number for character, number in own.items() if character in other) / max(1, total))
    return min(shares) >= SHARED


def _fit(config: PairConfig, kinds: tuple[str, str], joint: bool, train: Pairs) -> tuple[Any, Any]:
    vocabulary, seed = config.text.vocabulary, config.training.seed
    if joint:
        tokenizer = fit_tokenizer(kinds[0], [*train.sources, *train.targets], vocabulary, seed)
        return tokenizer, tokenizer
    sides = zip(kinds, (train.sources, train.targets), strict=True)
    source, target = (fit_tokenizer(kind, list(texts), vocabulary, seed) for kind, texts in sides)
    return source, target


def _read_other(source: str, config: PairConfig, train: Pairs, say: Say) -> Pairs:
    data = config.data
    pairs = read_pairs(source, data.source_column, data.target_column, preferred=train.columns)
    say_reading(pairs, "pairs", say)
    return pairs
