"""Whether training tells its progress on standard output."""

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar

# Of the thread, so that several may train at once; to send all output elsewhere would hold for all of them.
_SHOWN = ContextVar("shown", default=True)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is told within."""
    token = _SHOWN.set(False)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def tell(line: str) -> None:
    """Writes a line on standard output."""
    if _SHOWN.get():
        print(line, flush=True)


def verbosity() -> int:
    """That of Keras: a bar on a terminal, a line an epoch in a file, or nothing."""
    if not _SHOWN.get():
        return 0
    return 1 if sys.stdout.isatty() else 2
