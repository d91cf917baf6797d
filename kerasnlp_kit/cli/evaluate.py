"""``evaluate.py models/NAME DATA``: scores the exported SavedModel."""

import json
from dataclasses import dataclass

from kerasnlp_kit.cli.parsing import DataArgument, ModelArgument, parse
from kerasnlp_kit.cli.without_keras import without_keras
from kerasnlp_kit.config import Names, OptionalFile, OptionalName


@dataclass(frozen=True)
class Options:
    """Scores the SavedModel of a model folder on labelled texts: accuracy with its 95% interval on the first line."""

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
    json: bool = False
    """Print all measures as JSON and nothing else."""
    predictions: OptionalFile = None
    """Write text, label, predicted_label and probability of each row to this file."""
    report: OptionalFile = None
    """Write an HTML report to this file."""
    texts: bool = True
    """Show texts in the report; --no-texts leaves them out."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, evaluates, and prints the result."""
    options = parse(Options, arguments, prog)
    from kerasnlp_kit.api.documents import closing_lines
    from kerasnlp_kit.api.evaluate import evaluate
    from kerasnlp_kit.data.writing import require_table_name
    from kerasnlp_kit.evaluation.terminal import printable

    if options.predictions:
        require_table_name(options.predictions)
    with without_keras():
        result = evaluate(
            options.model,
            options.data,
            text_columns=options.text_column,
            label_columns=options.label_column,
            label_separator=options.label_separator,
            out_of_scope=options.out_of_scope,
        )
    if options.json:
        print(json.dumps(result.scores.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join([result.metrics.table(), "", *result.scores.lines()]))
        for note in result.examples.notes:
            print(f"note: {printable(note)}")
    if options.predictions:
        result.write_predictions(options.predictions)
    if options.report:
        result.write_report(options.report, texts=options.texts)
    if not options.json:
        report = options.report or result.model.folder / "report.html"
        lines = closing_lines(result.examples.source, result.model.saved_model, report, result.model.multi_label)
        print("\n" + "\n".join(lines))
    return 0
