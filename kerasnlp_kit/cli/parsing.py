"""Parses the flags of the small commands."""

import dataclasses
from typing import Annotated, TypeVar

import tyro

from kerasnlp_kit.config import DATA_HELP
from kerasnlp_kit.flags import read_flags

Options = TypeVar("Options")
ModelArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL", help="Model folder: models/NAME.")]
DataArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA", help=DATA_HELP)]


def parse(options: type[Options], arguments: list[str], prog: str) -> Options:
    """Reads a dataclass of options from the command line.

    Raises:
        UserError: an unknown option (names the nearest), a missing or wrong value.
        SystemExit: 0 after ``--help``.
    """
    names = [field.name for field in dataclasses.fields(options)]  # type: ignore[arg-type]
    return read_flags(options, arguments, prog, names)
