"""The one exception that means: the user can mend this."""


class UserError(ValueError):
    """A mistake in the input, the options or the surroundings that the user can mend.

    The message says what was expected, what came, and what to do, in one or two lines. The command line prints it
    without a traceback and ends with exit code 2.
    """
