"""From files to texts, a tokenizer and rows of token ids, for models that learn texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.preparation import Say, say_reading
from kerasnlp_kit.api.tokenization import fit_tokenizer, kind_of
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.constants import EOS, UNK
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.plain_text import PARAGRAPH, read_texts
from kerasnlp_kit.data.split import split_rows
from kerasnlp_kit.errors import UserError, about
from kerasnlp_kit.registry import TextSizes
from kerasnlp_kit.text.token_ids import TokenIds

LONGEST = 256  # tokens in sight; attention costs the square of them
FITTED_ROWS = 200_000  # texts that decide on the kind of tokens
FEWEST = 2  # times that a word or character must occur: what comes once teaches what an unknown one is


@dataclass(frozen=True)
class TextData:
    """Texts as read and split; nothing here needs TensorFlow, so that a bad file is told at once."""

    train: Examples
    dev: Examples
    test: Examples | None
    dev_name: str
    test_name: str | None

    def files(self) -> dict[str, Examples | None]:
        """What was read, by the name of the option that its file was given by."""
        return {"train": self.train, "dev": self.dev, "test": self.test}


@dataclass(frozen=True)
class TextTokens:
    """The texts as token ids.

    Attributes:
        tokenizer: of the texts.
        reason: why its kind was taken, for the plan.
        sizes: for the network.
        packed: whether all training texts are one.
        train: ids of the training texts, without begin and end.
        dev: likewise.
        cut: training texts that are longer than the context.
        unknown: share of the tokens of dev texts that are unknown.
    """

    tokenizer: Any
    reason: str
    sizes: TextSizes
    packed: bool
    train: TokenIds
    dev: TokenIds
    cut: int
    unknown: float


def read_text_data(config: TextConfig, say: Say) -> TextData:
    """Reads, checks and splits.

    Raises:
        UserError: see `read_texts`; too few rows to hold some out.
    """
    data = config.data
    everything = read_texts(config.train, data.text_column, text_separator=data.text_separator)
    say_reading(everything, "texts", say)
    test = _read_other(data.test, config, everything, say) if data.test else None
    if data.dev:
        dev = _read_other(data.dev, config, everything, say)
        name = test.source + (" (test)" if test.source == dev.source else "") if test else None
        return TextData(everything, dev, test, dev.source, name)
    as_one_class = np.zeros(len(everything), np.int64)
    with about(everything.source):
        train_rows, dev_rows = split_rows(everything.texts, as_one_class, data.dev_fraction, config.training.seed)
    if not len(dev_rows) or not len(train_rows):
        raise UserError(f"{everything.source} has too few texts to hold some out for choosing; give --dev.")
    train, dev = everything.take(train_rows), everything.take(dev_rows)
    return TextData(train, dev, test, f"dev ({len(dev_rows):,} rows held out)", test.source if test else None)


def tokenize_texts(config: TextConfig, data: TextData, tokenizer: Any | None) -> TextTokens:
    """Fits a tokenizer, or takes the one given, and makes ids.

    Args:
        config: of the run.
        data: from `read_text_data`.
        tokenizer: of the run that is resumed.

    Raises:
        UserError: see `SubwordTokenizer.fit`.
    """
    options = config.text
    texts = list(data.train.texts)
    kind, reason = kind_of(texts[:FITTED_ROWS]) if options.tokenizer == "auto" else (options.tokenizer, "as asked")
    if tokenizer is None:
        tokenizer = fit_tokenizer(kind, texts, options.vocabulary, config.training.seed, FEWEST)
    train, dev = tokenizer.encode(texts), tokenizer.encode(data.dev.texts)
    packed = is_packed(config, data)
    longest = int(train.lengths.max(initial=1)) + 1
    context = options.context or (LONGEST if packed else min(LONGEST, longest))
    return TextTokens(
        tokenizer,
        f"{kind} ({reason})",
        TextSizes(tokenizer.vocabulary_size, context),
        packed,
        train,
        dev,
        int((train.lengths >= context + 1).sum()),
        unknown_share(dev),
    )


def is_packed(config: TextConfig, data: TextData) -> bool:
    """Whether the texts are joined to one: as asked, or because they are the paragraphs of a plain text.

    Never for an autoencoder, which has a vector for each.
    """
    if registry.find(config.model).task == "autoencoding":
        return False
    if config.text.packed != "auto":
        return config.text.packed == "yes"
    return data.train.columns.text == (PARAGRAPH,)


def unknown_share(ids: TokenIds) -> float:
    """Share of the tokens that are unknown."""
    return float((ids.values == UNK).mean()) if len(ids.values) else 0.0


def told(ids: TokenIds) -> list[np.ndarray]:
    """Tokens of texts as an n-gram model takes them, the end, EOS, among them: int (tokens,) each, all above 0."""
    return [np.append(ids.row(row), EOS) for row in range(len(ids))]


def _read_other(source: str, config: TextConfig, train: Examples, say: Say) -> Examples:
    data = config.data
    texts = read_texts(source, data.text_column, text_separator=data.text_separator, preferred=train.columns)
    say_reading(texts, "texts", say)
    return texts
