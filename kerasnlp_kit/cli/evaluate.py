"""``evaluate.py models/NAME DATA``: scores the exported SavedModel."""

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerasnlp_kit.cli.imports import without_keras
from kerasnlp_kit.cli.parsing import DataArgument, ModelArgument, parse, refuse_other_task, refuse_unused
from kerasnlp_kit.config import Names, OptionalFile, OptionalName
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.rules import require

if TYPE_CHECKING:
    from kerasnlp_kit.api.evaluate import Evaluation
    from kerasnlp_kit.api.pair_evaluate import PairEvaluation
    from kerasnlp_kit.api.text_evaluate import TextEvaluation

OF_TASK = {
    "classification": ("text_column", "label_column", "label_separator", "out_of_scope"),
    "seq2seq": ("source_column", "target_column", "beam", "rouge", "nearest"),
    "language_model": ("text_column", "trained_on", "samples"),
    "autoencoding": ("text_column", "trained_on", "samples", "vectors"),
}


@dataclass(frozen=True)
class Options:
    """Scores the SavedModel of a model folder, the measure that counts with its 95% interval on the first line."""

    model: ModelArgument
    data: DataArgument
    text_column: Names = ()
    """Column of the text; default: that of the training, else found."""
    label_column: Names = ()
    """Column of the label, or columns; default: those of the training, else found."""
    label_separator: OptionalName = None
    """What stands between the labels of a text that may have several; default: that of the training."""
    out_of_scope: OptionalFile = None
    """File of texts that belong to no class: how many of them the model would abstain from is measured."""
    source_column: OptionalName = None
    """Of a model that writes: column of the texts to read; default: that of the training, else found."""
    target_column: OptionalName = None
    """Of a model that writes: column of the texts to be written, likewise."""
    beam: int = 1
    """Of a model that writes: outputs in sight; 1 takes the most probable token at each step."""
    rouge: bool = False
    """Of a model that writes: compute ROUGE-L, too, which is for summaries."""
    nearest: OptionalFile = None
    """Of a model that writes: file of training pairs, to set the target of the most similar source beside the model."""
    trained_on: OptionalFile = None
    """Of a model that learnt texts: file of these, to set n-gram models beside it and to look for copies."""
    samples: int = 0
    """Likewise: texts to draw and judge; with --trained-on."""
    vectors: int = 1
    """Of an autoencoder: vectors drawn for each text; the perplexity that is "at most" gets closer with each."""
    json: bool = False
    """Print all measures as JSON and nothing else; notes go to standard error."""
    predictions: OptionalFile = None
    """Write each row to this file: text, label and answer, source, target and output, or text and log-probability."""
    spreadsheet_safe: bool = False
    """In --predictions, put an apostrophe before cells that a spreadsheet would run as a formula."""
    report: OptionalFile = None
    """Write an HTML report to this file."""
    texts: bool = True
    """Show texts in the report; --no-texts leaves them out."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, evaluates, and prints the result."""
    options = parse(Options, arguments, prog)
    samples = options.samples
    require(
        [
            ("beam", options.beam, options.beam >= 1, "1 or more"),
            ("vectors", options.vectors, options.vectors >= 1, "1 or more"),
            ("samples", samples, samples == 0 or (samples > 0 and options.trained_on is not None), "with --trained-on"),
        ]
    )
    from kerasnlp_kit.api.documents import closing_lines
    from kerasnlp_kit.data.writing import require_free_place, require_table_name, written_path
    from kerasnlp_kit.evaluation.terminal import printable

    read = [file for file in (options.data, options.out_of_scope, options.nearest, options.trained_on) if file]
    if options.predictions:
        if options.predictions == "-":
            raise UserError("--predictions must be the name of a file: standard output tells the scores. Received: -")
        require_table_name(options.predictions, *read)
    if options.report:
        require_free_place(options.report, *read)
    if options.predictions and options.report and written_path(options.predictions) == written_path(options.report):
        raise UserError(f"--predictions and --report must be two files. Received: {options.report} twice")
    refuse_unused(
        options,
        [
            (not options.predictions, ("spreadsheet_safe",), "it is for --predictions"),
            (not options.report, ("texts",), "it is for --report"),
        ],
    )
    with without_keras():
        result = _evaluate(options)
    # First, as whoever reads what is printed may stop after a line.
    if options.predictions:
        result.write_predictions(options.predictions, spreadsheet_safe=options.spreadsheet_safe)
    if options.report:
        result.write_report(options.report, texts=options.texts)
    if options.json:
        print(json.dumps(result.scores.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join([result.metrics.table(), "", *result.scores.lines()]))
    for note in result.notes:
        print(f"note: {printable(note)}", file=sys.stderr if options.json else sys.stdout)
    if not options.json:
        of_training = f"{result.model.folder / 'report.html'} (of the training; --report FILE writes one of these data)"
        report = options.report or of_training
        lines = closing_lines(result.data, result.model.saved_model, report, result.how_to_load())
        print("\n" + "\n".join(lines))
    return 0


def _evaluate(options: Options) -> "Evaluation | PairEvaluation | TextEvaluation":
    task = refuse_other_task(options, options.model, OF_TASK)
    if task in ("language_model", "autoencoding"):
        from kerasnlp_kit.api.text_evaluate import evaluate_text_model

        return evaluate_text_model(
            options.model,
            options.data,
            text_columns=options.text_column,
            trained_on=options.trained_on,
            samples=options.samples,
            vectors=options.vectors,
        )
    if task == "seq2seq":
        from kerasnlp_kit.api.pair_evaluate import evaluate_writer

        return evaluate_writer(
            options.model,
            options.data,
            source_column=options.source_column,
            target_column=options.target_column,
            beam=options.beam,
            rouge=options.rouge,
            nearest=options.nearest,
        )
    from kerasnlp_kit.api.evaluate import evaluate

    return evaluate(
        options.model,
        options.data,
        text_columns=options.text_column,
        label_columns=options.label_column,
        label_separator=options.label_separator,
        out_of_scope=options.out_of_scope,
    )
