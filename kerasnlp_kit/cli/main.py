"""``kerasnlp-kit COMMAND``: finds the command, and turns errors into one line and an exit code."""

import contextlib
import errno
import gc
import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from kerasnlp_kit import __version__
from kerasnlp_kit.cli.quiet import silence_notices
from kerasnlp_kit.errors import ExportMismatch, UserError
from kerasnlp_kit.evaluation.terminal import printable

COMMANDS = {
    "train": "train a model on a CSV and export it",
    "evaluate": "score a model's SavedModel on labelled texts",
    "predict": "label the texts of a file, or write a text for each",
    "generate": "continue a text, or write new ones",
    "augment": "make new labelled texts from those of a file",
    "doctor": "look for what is wrong with a data set",
    "models": "list what can be trained, with defaults",
}
TRACEBACK = "--traceback"
_OF_BOTH = (errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP)
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 for success, 1 for a failed export, 2 for the user's mistake, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        _end(lambda: _told(_overview(), 0 if arguments else 2))
    if arguments[0] == "--version":
        _end(lambda: _told(__version__, 0))
    name = arguments[0]
    if name not in COMMANDS:
        _fail(f"unknown command {name!r}; the commands: {', '.join(COMMANDS)}.")
    run_command(name, arguments[1:], f"kerasnlp-kit {name}")


def _told(text: str, code: int) -> int:
    print(text)
    return code


def run_command(name: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Runs one command and exits; the scripts train.py and evaluate.py come in here.

    Args:
        name: of the command.
        arguments: without the program's name; those of the process if None.
        prog: name of the program in the help.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with_traceback = TRACEBACK in arguments
    arguments = [argument for argument in arguments if argument != TRACEBACK]
    silence_notices()
    collect_rarely()

    def command() -> int:
        found: Callable[[list[str], str], int] = importlib.import_module(f"kerasnlp_kit.cli.{name}").main
        return found(arguments, prog or f"{name}.py")

    _end(command, with_traceback)


def _end(command: Callable[[], int], with_traceback: bool = False) -> NoReturn:
    """Runs it and exits; what it wrote is out by then, or its failure told."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: what lacks a character ends no training
    code: Any
    try:
        try:
            code = command()
        except SystemExit as end:  # after --help
            code = end.code
        if sys.stdout is not None:  # closed from the start
            sys.stdout.flush()
    except (UserError, ExportMismatch) as error:
        _fail(str(error), 2 if isinstance(error, UserError) else 1, with_traceback)
    except BrokenPipeError:
        _drop_output()  # the reader of our output went away: nobody to tell
        code = 141
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        code = 130
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == __name__.partition(".")[0]:
            raise
        _fail(
            f"{error.name} is not installed for {sys.executable}. In the checkout, `make install` installs all that is "
            "needed, and `. .venv/bin/activate` takes the Python that has it.",
            2,
            with_traceback,
        )
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        _drop_output()
        _fail(refusal, 2, with_traceback)
    sys.exit(code)


def _drop_output() -> None:
    """Has Python not try once more, when it ends, to write what nobody reads or no disk has room for."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def collect_rarely() -> None:
    """Has Python look for garbage after every 100,000 new objects that may be in a cycle, and not after 700.

    Importing TensorFlow and tracing graphs make a million of them and hardly any garbage: to look for it as often as
    Python does is a tenth of the time before the first step.
    """
    gc.set_threshold(100_000, 50, 100)


def _fail(message: str, code: int = 2, with_traceback: bool = False) -> NoReturn:
    if with_traceback:
        traceback.print_exc()
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(code)


def _refusal(error: BaseException | None) -> str | None:
    """What to say if the system refused to read or write, as on a full disk; None if it did not."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            what = "read or written" if error.errno in _OF_BOTH else "written"
            return f"{error.filename or 'a file'} cannot be {what}: {os.strerror(error.errno)}."
        # TensorFlow and HDF5 tell it in words only.
        for number in _REFUSALS[:3]:
            if os.strerror(number) in str(error):
                return f"a file cannot be written: {os.strerror(number)}."
        error = error.__cause__ or error.__context__
    return None


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: kerasnlp-kit COMMAND ...   (or: python -m kerasnlp_kit COMMAND ...)",
            "",
            "From a CSV of texts to a proven SavedModel.",
            "",
            *lines,
            "",
            "kerasnlp-kit COMMAND --help tells more; --traceback after any command shows where an error came from.",
        ]
    )
