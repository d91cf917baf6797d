"""``kerasnlp-kit predict models/NAME DATA``: labels the texts of a file."""

import sys
from dataclasses import dataclass

from kerasnlp_kit.cli.parsing import DataArgument, ModelArgument, parse
from kerasnlp_kit.cli.without_keras import without_keras
from kerasnlp_kit.config import Names


@dataclass(frozen=True)
class Options:
    """Labels texts: writes all columns of the file, and predicted_label and probability."""

    model: ModelArgument
    data: DataArgument
    output: str = "-"
    """File to write: .csv, .tsv, .jsonl, .parquet, the first three also with .gz; - is standard output, as CSV."""
    text_column: Names = ()
    """Column of the text; default: that of the training, else found."""
    spreadsheet_safe: bool = False
    """Put an apostrophe before cells that a spreadsheet would run as a formula."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, labels, and says how many rows were written."""
    options = parse(Options, arguments, prog)
    from kerasnlp_kit.api.evaluate import label_file

    with without_keras():
        rows = label_file(
            options.model,
            options.data,
            options.output,
            text_columns=options.text_column,
            spreadsheet_safe=options.spreadsheet_safe,
            say=lambda line: print(line, file=sys.stderr),
        )
    if options.output != "-":
        print(f"{rows:,} rows written to {options.output}", file=sys.stderr)
    return 0
