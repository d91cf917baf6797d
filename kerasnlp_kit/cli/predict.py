"""``kerasnlp-kit predict models/NAME DATA``: labels the texts of a file, or writes a text for each."""

import sys
from dataclasses import dataclass

from kerasnlp_kit.cli.imports import without_keras
from kerasnlp_kit.cli.parsing import DataArgument, ModelArgument, parse, refuse_other_task, refuse_unused
from kerasnlp_kit.config import Names, OptionalFloat, OptionalInt, OptionalName
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.rules import drawing_rules, require

OF_TASK = {
    "classification": ("text_column",),
    "seq2seq": ("source_column", "beam", "length_penalty", "seed", "temperature", "top_k", "top_p", "compiled"),
}


@dataclass(frozen=True)
class Options:
    """Writes all columns of a file and the answers: predicted_label, probability (abstain); predicted_target, score."""

    model: ModelArgument
    data: DataArgument
    output: str = "-"
    """File to write: .csv, .tsv, .jsonl, .parquet, the first three also with .gz; - is standard output, as CSV."""
    text_column: Names = ()
    """Column of the text; default: that of the training, else found."""
    source_column: OptionalName = None
    """Of a model that writes: column of the texts to read; default: that of the training, else found."""
    beam: int = 1
    """Of a model that writes: outputs in sight; 1 takes the most probable token at each step."""
    length_penalty: OptionalFloat = None
    """Of the beam search; default: that of the training's options."""
    seed: OptionalInt = None
    """Of a model that writes: draw tokens; the same seed gives the same texts."""
    temperature: float = 1.0
    """With --seed: towards 0 the most probable tokens only, above 1 more daring."""
    top_k: int = 0
    """With --seed: draw among this many most probable tokens; 0: among all."""
    top_p: float = 1.0
    """With --seed: draw among the fewest tokens that make up this probability."""
    compiled: bool = False
    """Of a model that writes: compile with XLA first, which takes seconds and then is faster where texts end at like
    places: for large files, try a part both ways; with a --beam of 1 or that of the training."""
    spreadsheet_safe: bool = False
    """Put an apostrophe before cells that a spreadsheet would run as a formula."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, labels or writes, and says how many rows were written."""
    options = parse(Options, arguments, prog)
    penalty = options.length_penalty
    require(
        [
            ("beam", options.beam, options.beam >= 1, "1 or more"),
            ("length_penalty", penalty, penalty is None or penalty >= 0, "0 or more"),
            *drawing_rules(options.temperature, options.top_k, options.top_p),
        ]
    )
    drawn = options.seed is not None
    refuse_unused(
        options,
        [
            (drawn, ("beam", "length_penalty", "compiled"), "with --seed tokens are drawn"),
            (not drawn, ("temperature", "top_k", "top_p"), "tokens are drawn with --seed only"),
            (options.beam == 1, ("length_penalty",), "it is for a --beam of 2 or more"),
        ],
    )
    with without_keras():
        rows = _predict(options)
    if options.output != "-":
        print(f"{rows:,} rows written to {options.output}", file=sys.stderr)
    return 0


def _predict(options: Options) -> int:
    def say(line: str) -> None:
        print(printable(line), file=sys.stderr)

    task = refuse_other_task(options, options.model, OF_TASK)
    if task == "seq2seq":
        from kerasnlp_kit.api.pair_evaluate import write_file

        return write_file(
            options.model,
            options.data,
            options.output,
            source_column=options.source_column,
            spreadsheet_safe=options.spreadsheet_safe,
            say=say,
            beam=options.beam,
            length_penalty=options.length_penalty,
            seed=options.seed,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            compiled=options.compiled,
        )
    from kerasnlp_kit.api.evaluate import label_file

    return label_file(
        options.model,
        options.data,
        options.output,
        text_columns=options.text_column,
        spreadsheet_safe=options.spreadsheet_safe,
        say=say,
    )
