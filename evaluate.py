"""Scores a model on a CSV: ``python evaluate.py models/NAME test.csv``; ``--help`` tells more."""

from kerasnlp_kit.cli.main import run_command

if __name__ == "__main__":
    run_command("evaluate", prog="evaluate.py")
