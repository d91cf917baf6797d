"""Parses the flags of the small commands."""

import dataclasses
from typing import TypeVar

import tyro

from kerasnlp_kit.options import require_known

Options = TypeVar("Options")


def parse(options: type[Options], arguments: list[str], prog: str) -> Options:
    """Reads a dataclass of options from the command line.

    Raises:
        UserError: unknown option; names the nearest.
        SystemExit: 0 after ``--help``, 2 for a missing or wrong value.
    """
    parsed, unknown = tyro.cli(options, args=arguments, prog=prog, return_unknown_args=True)
    names = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]
    for argument in unknown:
        require_known(argument, names, "")
    return parsed
