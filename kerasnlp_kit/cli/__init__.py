"""The command line: each command only parses and hands over to the function of the same name in ``api``."""

from kerasnlp_kit.cli.main import main

__all__ = ["main"]
