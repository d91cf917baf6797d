"""From files to token ids, labels and sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.constants import UNK, UNK_TOKEN
from kerasnlp_kit.data.examples import Examples, read_examples, require_classes
from kerasnlp_kit.data.pairs import Pairs
from kerasnlp_kit.data.split import split_label_sets, split_rows
from kerasnlp_kit.errors import UserError, about
from kerasnlp_kit.evaluation.metrics import unseen_labels
from kerasnlp_kit.evaluation.multilabel import require_some_label
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.text.token_ids import TokenIds

if TYPE_CHECKING:
    from kerasnlp_kit.text.tokenizer import Tokenizer

LONGEST = 256  # tokens; more cost time and rarely help a classifier

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Rows of one side of the split.

    Attributes:
        name: what it is called on the screen and in the report.
        examples: texts and labels.
        labels: int32 (rows,), numbers of the classes, -1 for a label that is not in the training data; or, where a row
            may have several labels, bool (rows, classes).
    """

    name: str
    examples: Examples
    labels: np.ndarray

    def gold(self) -> list[str]:
        """Names of the labels as the file has them."""
        return self.examples.gold()


@dataclass(frozen=True)
class Prepared:
    """All that training needs of the data."""

    label_names: tuple[str, ...]
    train: Part
    dev: Part
    test: Part | None
    outside: Examples | None = None
    """Texts of no class."""

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.train.labels.ndim == 2

    def files(self) -> dict[str, Examples | None]:
        """What was read, by the name of the option that its file was given by."""
        test = self.test.examples if self.test else None
        return {"train": self.train.examples, "dev": self.dev.examples, "test": test, "out_of_scope": self.outside}

    def class_counts(self) -> dict[str, int]:
        """Training rows of each class."""
        labels = self.train.labels
        counts = labels.sum(axis=0) if self.multi_label else np.bincount(labels, minlength=len(self.label_names))
        return {name: int(count) for name, count in zip(self.label_names, counts, strict=True)}


@dataclass(frozen=True)
class Tokens:
    """The texts as token ids, for networks."""

    tokenizer: "Tokenizer"
    sizes: Sizes
    train: TokenIds
    dev: TokenIds
    cut: int
    """Training texts that are longer than the model's length."""
    unknown: float
    """Share of the dev tokens that are not in the vocabulary."""
    vectors: tuple[np.ndarray, np.ndarray] | None = None
    """What the embedding begins with: float32 (vocabulary, dimensions), and bool (vocabulary,): rows that are known."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the batches in training and proof; the last one holds all that the model reads of a text."""
        from kerasnlp_kit.training.batches import bucket_widths

        longest = self.sizes.max_length
        widths = bucket_widths(np.minimum(self.train.lengths, longest))
        return widths if widths[-1] == longest else (*widths, longest)


@dataclass(frozen=True)
class Data:
    """Texts and labels as read and split; nothing here needs TensorFlow, so that a bad file is told at once."""

    train: Examples
    dev: Examples
    test: Examples | None
    dev_name: str
    outside: Examples | None = None
    """Texts of no class."""


def read_data(config: RunConfig, say: Say) -> Data:
    """Reads, checks and splits.

    Args:
        config: of the run.
        say: told what was found out and what was left out.

    Raises:
        UserError: see `read_examples` and `require_classes`; an option that needs one label a row.
    """
    data = config.data
    everything = read_examples(
        config.train,
        data.text_column,
        data.label_column or None,
        label_separator=data.label_separator,
        text_separator=data.text_separator,
    )
    say_reading(everything, "rows", say)
    require_classes(everything)
    if everything.multi_label:
        _require_no_option_of_one_label(config)
    test = _read_other(data.test, config, everything, say) if data.test else None
    outside = _read_outside(config.decision.out_of_scope, config, everything, say)
    if data.dev:
        dev = _read_other(data.dev, config, everything, say)
        return Data(everything, dev, test, dev.source, outside)
    options = (data.dev_fraction, config.training.seed)
    with about(everything.source):
        if everything.targets is not None:
            train_rows, dev_rows = split_label_sets(everything.texts, everything.targets, *options)
        else:
            assert everything.labels is not None
            train_rows, dev_rows = split_rows(everything.texts, everything.labels, *options)
    if not len(dev_rows) or not len(train_rows):
        raise UserError(
            f"{everything.source} has too few rows to hold some out for choosing the best epoch; give --dev."
        )
    dev_name = f"dev ({len(dev_rows):,} rows held out)"
    return Data(everything.take(train_rows), everything.take(dev_rows), test, dev_name, outside)


def prepare(data: Data, say: Say) -> Prepared:
    """Numbers the labels.

    Args:
        data: from `read_data`.
        say: told what was left out.

    Raises:
        UserError: the dev file has none of the labels; a file to be scored on that cannot be.
    """
    names = data.train.label_names
    for examples in filter(None, (data.dev, data.test)):
        with about(examples.source):  # now, and not when all is trained
            if examples.targets is not None:
                require_some_label(examples.targets, names)
            elif examples is data.test:
                unseen_labels(examples.gold(), names)
    dev = _part(data.dev_name, data.dev, names)
    if dev.labels.ndim == 1 and (dev.labels < 0).any():
        dev = _without_unseen(dev, names, say)
    test = None
    if data.test:
        # Scores go by the name, and of addresses that differ in their query the same is shown.
        name = data.test.source + (" (test)" if data.test.source == data.dev_name else "")
        test = _part(name, data.test, names)
    return Prepared(names, _part(data.train.source, data.train, names), dev, test, data.outside)


def tokenize(config: RunConfig, prepared: Prepared, tokenizer: "Tokenizer | None", max_length: int | None) -> Tokens:
    """Makes token ids of the texts.

    Args:
        config: of the run.
        prepared: from `prepare`.
        tokenizer: of an earlier model or of the run that is resumed; None to fit one on the training texts.
        max_length: of that model.

    Raises:
        UserError: no text holds a token.
    """
    if tokenizer is None:
        tokenizer = fit_tokenizer(config, prepared.train.examples)
    train, dev = tokenizer.encode(prepared.train.examples.texts), tokenizer.encode(prepared.dev.examples.texts)
    longest = int(train.lengths.max(initial=1))
    limit = max_length or max(1, min(config.text.max_length or LONGEST, longest))
    return Tokens(
        tokenizer,
        Sizes(tokenizer.vocabulary_size, len(prepared.label_names), limit),
        train,
        dev,
        cut=int((train.lengths > limit).sum()),
        unknown=float((dev.values == UNK).mean()) if len(dev.values) else 0.0,
    )


def fit_tokenizer(config: RunConfig, train: Examples) -> "Tokenizer":
    """A tokenizer with the vocabulary of the training texts.

    Raises:
        UserError: there is no token in any text.
    """
    from kerasnlp_kit.text.splitting import ALL_FILTERS
    from kerasnlp_kit.text.tokenizer import Tokenizer

    text = config.text
    tokenizer = Tokenizer(
        num_words=text.vocabulary,
        filters=ALL_FILTERS,
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
        data.label_column or None,
        label_separator=data.label_separator,
        text_separator=data.text_separator,
        preferred=train.columns,
        preferred_labels=train.label_names,
    )
    say_reading(examples, "rows", say)
    return examples


def _read_outside(source: str | None, config: RunConfig, train: Examples, say: Say) -> Examples | None:
    """Texts that belong to no class; a label column that they may have is of no interest."""
    if not source:
        return None
    data = config.data
    examples = read_examples(
        source, data.text_column, need_label=False, text_separator=data.text_separator, preferred=train.columns
    )
    say_reading(examples, "texts out of scope", say)
    return examples


def _require_no_option_of_one_label(config: RunConfig) -> None:
    given = {
        "--class-weights": config.training.class_weights,
        "--min-precision": config.decision.min_precision,
        "--out-of-scope": config.decision.out_of_scope,
    }
    for flag, value in given.items():
        if value:
            raise UserError(f"{flag} needs one label a row; here a row may have several.")


def say_reading(data: Examples | Pairs, what: str, say: Say) -> None:
    """Tells what a file is and holds, rows ``what``, and what else is worth knowing of it; a guess is told once."""
    source, reason = data.source, data.columns.reason
    say(printable(f"{source}: {len(data):,} {what} ({data.description}); {reason}"))
    for note in data.notes:
        if note != f"{source}: {reason}.":
            say(f"note: {printable(note)}")


def _part(name: str, examples: Examples, names: tuple[str, ...]) -> Part:
    if examples.multi_label:
        return Part(name, examples, examples.targets_for(names))
    return Part(name, examples, codes_of(examples, names))


def _without_unseen(part: Part, names: tuple[str, ...], say: Say) -> Part:
    """Leaves rows out whose label the model cannot give: they cannot choose between epochs."""
    known = np.flatnonzero(part.labels >= 0)
    if not len(known):
        raise UserError(f"{part.name} has none of the labels of the training file: {', '.join(names[:10])}.")
    unseen = sorted(set(part.examples.gold()) - set(names))
    say(f"{part.name}: {len(part.labels) - len(known)} rows with labels unseen in training left out: {unseen[:10]}")
    return _part(part.name, part.examples.take(known), names)
