"""``kerasnlp-kit augment FILE``: writes new labelled texts."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.cli.imports import keras_alone
from kerasnlp_kit.cli.parsing import DataArgument, parse
from kerasnlp_kit.config import Names, OptionalFloat, OptionalInt, OptionalName
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.rules import require
from kerasnlp_kit.training.devices import keep_memory


@dataclass(frozen=True)
class Options:
    """Writes new labelled texts, made from those of a file; whether they help a classifier has to be tried."""

    data: DataArgument
    by: Literal["language_model", "text_vae"] = "language_model"
    """What makes them: a language model that writes behind a label, or an autoencoder, between two texts of a class."""
    output: str = "augmented.csv"
    """File to write: .csv, .tsv, .jsonl, .parquet, the first three also with .gz; columns as in the data."""
    text_column: Names = ()
    """Column of the text, found by name or content if not given; several are joined."""
    label_column: OptionalName = None
    """Column of the label, found by name or content if not given."""
    count: OptionalInt = None
    """New texts for each class, at most; default: as many as it has."""
    seed: int = 0
    """Of the training and of what is drawn."""
    epochs: OptionalInt = None
    """Passes over the texts, at most; default: 30."""
    minutes: OptionalFloat = None
    """Minutes of training, at most."""
    spreadsheet_safe: bool = False
    """Put an apostrophe before cells that a spreadsheet would run as a formula."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, trains, draws and writes."""
    options = parse(Options, arguments, prog)
    require(
        [
            ("count", options.count, options.count is None or options.count >= 1, "1 or more"),
            ("epochs", options.epochs, options.epochs is None or options.epochs >= 1, "1 or more"),
            ("output", options.output, options.output != "-", "the name of a file: the training tells its progress"),
            ("minutes", options.minutes, options.minutes is None or options.minutes > 0, "above 0"),
            ("seed", options.seed, 0 <= options.seed < 2**31, "from 0 to 2147483647"),
        ]
    )
    keep_memory()  # before there are threads: each would have its own memory
    from kerasnlp_kit.api.augment import augment_file

    given = {"epochs": options.epochs, "minutes": options.minutes}
    with keras_alone("tensorflow"):
        found = augment_file(
            options.data,
            options.output,
            spreadsheet_safe=options.spreadsheet_safe,
            by=options.by,
            text_columns=options.text_column,
            label_column=options.label_column,
            count=options.count,
            seed=options.seed,
            **{name: value for name, value in given.items() if value is not None},
        )
    print("\n".join(["", *found.lines(), f"written to  {printable(options.output)}"]))
    return 0
