"""``train.py DATA``: trains a model on labelled texts, or on pairs of texts, and exports it."""

from kerasnlp_kit.api.dispatch import model_for_data, run_training
from kerasnlp_kit.cli.imports import keras_alone
from kerasnlp_kit.options import parse_run
from kerasnlp_kit.training.devices import keep_memory


def main(arguments: list[str], prog: str) -> int:
    """Parses, trains, and prints the result."""
    keep_memory()  # before there are threads, such as those that read a file: each would have its own memory
    config, resume = parse_run(arguments, prog, model_for_data)
    with keras_alone(config.flat()["backend"]):
        trained = run_training(config, resume=resume)
    from kerasnlp_kit.api.documents import closing_lines
    from kerasnlp_kit.api.run import CHOSEN_BY_DEV

    data, scores = list(trained.scores.items())[-1]
    print("\n".join(["", scores.metrics.table(), "", *scores.lines(), ""]))
    print(f"seconds     {trained.seconds:.0f}")
    if len(trained.scores) == 1:
        data += f"; they {CHOSEN_BY_DEV}"
    print("\n".join(closing_lines(data, trained.saved_model, trained.report, trained.load)))
    return 0
