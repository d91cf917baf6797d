"""From files to token ids, labels and sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.constants import UNK, UNK_TOKEN
from kerasnlp_kit.data.examples import Examples, read_examples, require_classes
from kerasnlp_kit.data.split import split_rows
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.text.token_ids import TokenIds

if TYPE_CHECKING:
    from kerasnlp_kit.text.tokenizer import Tokenizer

BLANKS = "\r\v\f\u00a0"  # the classic filters know only the tabulator and the line feed
LONGEST = 256  # tokens; more cost time and rarely help a classifier

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Rows of one side of the split, ready for the network.

    Attributes:
        name: what it is called on the screen and in the report.
        examples: texts and labels.
        ids: tokens, not cut.
        labels: int32 (rows,), numbers of the classes; -1 for a label that is not in the training data.
    """

    name: str
    examples: Examples
    ids: TokenIds
    labels: np.ndarray

    def gold(self) -> list[str]:
        """Names of the labels as the file has them."""
        return self.examples.gold()


@dataclass(frozen=True)
class Prepared:
    """All that training needs of the data."""

    tokenizer: "Tokenizer"
    label_names: tuple[str, ...]
    sizes: Sizes
    train: Part
    dev: Part
    test: Part | None
    cut: int
    """Training texts that are longer than the model's length."""
    unknown: float
    """Share of the dev tokens that are not in the vocabulary."""

    def class_counts(self) -> dict[str, int]:
        """Training rows of each class."""
        counts = np.bincount(self.train.labels, minlength=len(self.label_names))
        return {name: int(count) for name, count in zip(self.label_names, counts, strict=True)}


@dataclass(frozen=True)
class Data:
    """Texts and labels as read and split; nothing here needs TensorFlow, so that a bad file is told at once."""

    train: Examples
    dev: Examples
    test: Examples | None
    dev_name: str


def read_data(config: RunConfig, say: Say) -> Data:
    """Reads, checks and splits.

    Args:
        config: of the run.
        say: told what was found out and what was left out.

    Raises:
        UserError: see `read_examples` and `require_classes`.
    """
    data = config.data
    everything = read_examples(config.train, data.text_column, data.label_column, text_separator=data.text_separator)
    _say_reading(everything, say)
    require_classes(everything)
    test = _read_other(data.test, config, everything, say) if data.test else None
    if data.dev:
        dev = _read_other(data.dev, config, everything, say)
        return Data(everything, dev, test, dev.source)
    assert everything.labels is not None
    train_rows, dev_rows = split_rows(everything.texts, everything.labels, data.dev_fraction, config.training.seed)
    if not len(dev_rows) or not len(train_rows):
        raise UserError(
            f"{everything.source} has too few rows to hold some out for choosing the best epoch; give --dev."
        )
    dev_name = f"dev ({len(dev_rows):,} rows held out)"
    return Data(everything.take(train_rows), everything.take(dev_rows), test, dev_name)


def prepare(config: RunConfig, data: Data, say: Say, tokenizer: "Tokenizer | None", max_length: int | None) -> Prepared:
    """Makes token ids of the texts.

    Args:
        config: of the run.
        data: from `read_data`.
        say: told what was left out.
        tokenizer: of an earlier model or of the run that is resumed; None to fit one on the training texts.
        max_length: of that model.

    Raises:
        UserError: no text holds a token; the dev file has none of the labels.
    """
    names = data.train.label_names
    if tokenizer is None:
        tokenizer = fit_tokenizer(config, data.train)
    train_ids = tokenizer.encode(data.train.texts)
    longest = int(train_ids.lengths.max(initial=1))
    limit = max_length or max(1, min(config.text.max_length or LONGEST, longest))
    dev = _part(data.dev_name, data.dev, tokenizer, names)
    if (dev.labels < 0).any():
        dev = _without_unseen(dev, tokenizer, names, say)
    test = None
    if data.test:
        # Scores go by the name, and of addresses that differ in their query the same is shown.
        name = data.test.source + (" (test)" if data.test.source == data.dev_name else "")
        test = _part(name, data.test, tokenizer, names)
    assert data.train.labels is not None
    return Prepared(
        tokenizer=tokenizer,
        label_names=names,
        sizes=Sizes(tokenizer.vocabulary_size, len(names), limit),
        train=Part(data.train.source, data.train, train_ids, np.asarray(data.train.labels, "int32")),
        dev=dev,
        test=test,
        cut=int((train_ids.lengths > limit).sum()),
        unknown=float((dev.ids.values == UNK).mean()) if len(dev.ids.values) else 0.0,
    )


def fit_tokenizer(config: RunConfig, train: Examples) -> "Tokenizer":
    """A tokenizer with the vocabulary of the training texts.

    Raises:
        UserError: there is no token in any text.
    """
    from kerasnlp_kit.text.splitting import DEFAULT_FILTERS
    from kerasnlp_kit.text.tokenizer import Tokenizer

    text = config.text
    tokenizer = Tokenizer(
        num_words=text.vocabulary,
        filters=DEFAULT_FILTERS + BLANKS,
        lower=text.lower,
        char_level=text.char_level,
        oov_token=UNK_TOKEN,
        keep_punctuation=text.keep_punctuation,
    )
    tokenizer.fit_on_texts(train.texts)
    tokenizer.forget_rare_words()
    if tokenizer.vocabulary_size <= 2:
        raise UserError(
            f"No text of {train.source} holds a word once punctuation is left out; "
            "try --keep-punctuation or --char-level, or name another --text-column."
        )
    return tokenizer


def codes_of(examples: Examples, names: tuple[str, ...]) -> np.ndarray:
    """Numbers of the labels of another file among the classes ``names``; -1 for unseen ones: int32 (rows,)."""
    number = {name: code for code, name in enumerate(names)}
    table = np.array([number.get(name, -1) for name in examples.label_names], "int32")
    return table[np.asarray(examples.labels)] if len(table) else np.zeros(0, "int32")


def _read_other(source: str, config: RunConfig, train: Examples, say: Say) -> Examples:
    data = config.data
    examples = read_examples(
        source,
        data.text_column,
        data.label_column,
        text_separator=data.text_separator,
        preferred=train.columns,
        preferred_labels=train.label_names,
    )
    _say_reading(examples, say)
    return examples


def _say_reading(examples: Examples, say: Say) -> None:
    say(printable(f"{examples.source}: {len(examples):,} rows ({examples.description}); {examples.columns.reason}"))
    for note in examples.notes:
        say(f"note: {printable(note)}")


def _part(name: str, examples: Examples, tokenizer: "Tokenizer", names: tuple[str, ...]) -> Part:
    return Part(name, examples, tokenizer.encode(examples.texts), codes_of(examples, names))


def _without_unseen(part: Part, tokenizer: "Tokenizer", names: tuple[str, ...], say: Say) -> Part:
    """Leaves rows out whose label the model cannot give: they cannot choose between epochs."""
    known = np.flatnonzero(part.labels >= 0)
    if not len(known):
        raise UserError(f"{part.name} has none of the labels of the training file: {', '.join(names[:10])}.")
    unseen = sorted(set(part.examples.gold()) - set(names))
    say(f"{part.name}: {len(part.labels) - len(known)} rows with labels unseen in training left out: {unseen[:10]}")
    return _part(part.name, part.examples.take(known), tokenizer, names)
