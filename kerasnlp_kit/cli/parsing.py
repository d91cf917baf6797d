"""Parses the flags of the small commands."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from kerasnlp_kit.config import DATA_HELP
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.flags import flag_of, read_flags
from kerasnlp_kit.paths import home_filled_in

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


def refuse_other_task(options: Any, folder: str, of_task: Mapping[str, Sequence[str]]) -> str:
    """Makes sure that only options of the model's task are given.

    Args:
        options: of the command.
        folder: of the model.
        of_task: names of the options that only models of a task have.

    Returns:
        The task of the model.

    Raises:
        UserError: an option of another task; names it. With such an option, also if the folder is no model's.
    """
    from kerasnlp_kit.api.load import task_of_folder
    from kerasnlp_kit.export.folder import ModelFolder

    task = task_of_folder(folder)
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    known = of_task.get(task, ())
    for name in dict.fromkeys(name for names in of_task.values() for name in names):
        if name not in known and getattr(options, name) != defaults[name]:
            ModelFolder(home_filled_in(folder)).verify()  # a wrong name has no task that the option could be of
            others = " or ".join(other for other, names in of_task.items() if name in names)
            own = ", ".join(map(_typed, known)) or "none"
            raise UserError(
                f"{_typed(name)} is for models of another task ({others}); {folder} is for {task}, with the "
                f"options {own}."
            )
    return task


def _typed(name: str) -> str:
    """What a user types for an option: the prompt stands alone."""
    return "TEXT" if name == "prompt" else flag_of(name)


def refuse_unused(options: Any, unused: Iterable[tuple[bool, Sequence[str], str]]) -> None:
    """Makes sure that no option is given that would change nothing.

    Args:
        options: of the command.
        unused: whether some options are not read, their names, and why.

    Raises:
        UserError: one of them is not as it is by default.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    for idle, names, why in unused:
        for name in names:
            if idle and getattr(options, name) != defaults[name]:
                flag = flag_of(name if defaults[name] is not True else f"no_{name}")
                raise UserError(f"{flag} would change nothing: {why}. Leave it out.")
