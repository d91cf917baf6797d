"""The ways in which a run fails on purpose, and whose mistake it was."""

import contextlib
from collections.abc import Iterator


class UserError(ValueError):
    """A mistake in the input, the options or the surroundings that the user can mend.

    The message says what was expected, what came, and what to do, in one or two lines. The command line prints it
    without a traceback and ends with exit code 2.
    """


class ExportMismatch(RuntimeError):
    """The SavedModel does not answer as the model in memory, so it was not put in place; exit code 1."""


class TrainingDiverged(UserError):
    """The weights became infinite or no numbers; going on from them is of no use."""

    def __init__(self) -> None:
        super().__init__("Training diverged: the model gives no numbers. Lower --learning-rate, or keep --clip-norm.")


class GivenUp(KeyboardInterrupt):
    """Ctrl-C where the first one had asked to keep what there is: nothing is to be kept."""


@contextlib.contextmanager
def about(source: str) -> Iterator[None]:
    """Puts the name of what was read before the message of a UserError that comes from within."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
