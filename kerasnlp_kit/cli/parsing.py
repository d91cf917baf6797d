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
_ASKED_BY = {
    "classification": "predict",
    "seq2seq": "predict",
    "language_model": "generate",
    "autoencoding": "generate",
}
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
    """Makes sure that the command is for models of this task, and only options of the task are given.

    Args:
        options: of the command.
        folder: of the model.
        of_task: names of the options that only models of a task have, for each task that the command is for.

    Returns:
        The task of the model.

    Raises:
        UserError: a model or an option of another task; names it. With such an option, also if the folder is no
            model's.
    """
    from kerasnlp_kit.api.load import task_of_folder

    task = task_of_folder(folder)
    if task not in of_task and task in _ASKED_BY:
        _require_model(folder)
        raise UserError(f"{folder} is for {task}: ask it by `kerasnlp-kit {_ASKED_BY[task]} {folder}`.")
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    known = of_task.get(task, ())
    for name in dict.fromkeys(name for names in of_task.values() for name in names):
        if name not in known and getattr(options, name) != defaults[name]:
            _require_model(folder)
            others = " or ".join(other for other, names in of_task.items() if name in names)
            own = ", ".join(map(_typed, known))
            raise UserError(
                f"{_typed(name)} is for models of another task ({others}); {folder} is for {task}, with the "
                f"options {own}."
            )
    return task


def _require_model(folder: str) -> None:
    """A wrong name is told as such: it has no task."""
    from kerasnlp_kit.export.folder import ModelFolder

    ModelFolder(home_filled_in(folder)).verify()


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
