"""Paths as a person writes them."""

import os
from pathlib import Path


def home_filled_in(name: str | os.PathLike[str]) -> Path:
    """The path, with ``~`` put in its place, which a shell does not do in ``--flag=~/place``; see `Path.expanduser`.

    Where nobody has the name after the ``~``, it stays.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)
