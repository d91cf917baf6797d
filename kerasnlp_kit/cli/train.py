"""``train.py DATA``: trains a model on labelled texts and exports it."""

from kerasnlp_kit.options import parse_run


def main(arguments: list[str], prog: str) -> int:
    """Parses, trains, and prints the result."""
    config, resume = parse_run(arguments, prog)
    from kerasnlp_kit.api.documents import closing_lines  # after parsing: --help must not pay for it
    from kerasnlp_kit.api.train import run_training

    trained = run_training(config, resume=resume)
    data, scores = list(trained.scores.items())[-1]
    print("\n".join(["", scores.metrics.table(), "", *scores.lines(), ""]))
    print(f"seconds     {trained.seconds:.0f}")
    multi_label = scores.selected is not None
    print("\n".join(closing_lines(data, trained.saved_model, trained.report, multi_label)))
    return 0
