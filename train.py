"""Trains a model on a CSV: ``python train.py data.csv``; ``--help`` tells more."""

from kerasnlp_kit.cli.main import run_command

if __name__ == "__main__":
    run_command("train", prog="train.py")
