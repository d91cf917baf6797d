"""``kerasnlp-kit doctor FILE...``: looks for what is wrong with a data set."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from kerasnlp_kit.cli.imports import without_keras
from kerasnlp_kit.cli.parsing import parse
from kerasnlp_kit.config import Names, OptionalFolder, OptionalName
from kerasnlp_kit.errors import UserError

_FILES_HELP = (
    "Files of one data set, the training file first: train.csv dev.csv test.csv. CSV, TSV, JSON lines, Parquet."
)
FilesArgument = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="FILE ...", help=_FILES_HELP, help_behavior_hint=""),
]


@dataclass(frozen=True)
class Options:
    """Looks for what is wrong with a data set: leaks, repeats, conflicting and likely wrong labels, damaged texts."""

    files: FilesArgument = ()
    text_column: Names = ()
    """Column of the text, found by name or content if not given; several are joined."""
    label_column: Names = ()
    """Column of the label, found by name or content if not given; several are columns of 0 and 1, a label each."""
    label_separator: OptionalName = None
    """What stands between the labels of a text that may have several, such as "|"."""
    output: OptionalFolder = None
    """Write the rows of each finding to this folder, as CSV files, and findings.json."""
    model: bool = True
    """Train a linear model, for likely wrong labels and the accuracy without leaks; --no-model leaves both out."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, examines, and prints what was found."""
    options = parse(Options, arguments, prog)
    if not options.files:
        raise UserError(f"FILE must be given, before any option: {prog} FILE ...; {prog} --help tells more.")
    from kerasnlp_kit.api.diagnosis import require_folder
    from kerasnlp_kit.api.doctor import doctor
    from kerasnlp_kit.evaluation.terminal import printable

    if options.output:
        require_folder(options.output)
    with without_keras():
        diagnosis = doctor(
            options.files,
            text_columns=options.text_column,
            label_columns=options.label_column,
            label_separator=options.label_separator,
            model=options.model,
        )
    if options.output:
        diagnosis.write(options.output)  # first: whoever reads the table may stop reading
    print(f"\n{diagnosis.table()}\n")
    if options.output:
        print(f"{len(diagnosis.findings)} CSV files and findings.json written to {printable(options.output)}")
    elif diagnosis.findings:
        print("--output FOLDER writes all rows of each finding.")
    return 0
