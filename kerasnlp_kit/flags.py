"""Reads flags into dataclasses with tyro; what is wrong with them becomes one line."""

import contextlib
import dataclasses
import difflib
import io
import re
import threading
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import tyro

from kerasnlp_kit.errors import UserError

Options = TypeVar("Options")

# `from` is a word of Python, so the field has another name than the flag.
FLAG_NAMES = {"from_model": "from"}
_KINDS = {"INT": "a whole number", "FLOAT": "a number"}
_STANDARD_ERROR = threading.Lock()  # two threads that redirect it at once would leave it closed


def read_flags(
    options: type[Options],
    arguments: Sequence[str],
    prog: str,
    names: Sequence[str],
    default: Options | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> Options:
    """Reads a dataclass of options from the command line.

    Args:
        options: the dataclass.
        arguments: command line without the program's name.
        prog: name of the program in the help.
        names: of the options that there are, for the hint at the nearest.
        default: values of what is not named; by default those of the class.
        elsewhere: options that are known but not taken here, and what is to be said then.

    Raises:
        UserError: an unknown option, a missing value, or one of the wrong type.
        SystemExit: 0 after ``--help``.
    """
    arguments = _joined(options, arguments)
    given: dict[str, Any] = {} if default is None else {"default": default}
    said = io.StringIO()
    try:
        with _STANDARD_ERROR, contextlib.redirect_stderr(said):
            parsed, unknown = tyro.cli(
                options,
                args=arguments,
                prog=prog,
                return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes,),
                **given,
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        # A misspelt option is told first: it may be why something else is missing.
        known = {flag for name in names for flag in (flag_of(name), flag_of(f"no_{name}"))}
        unknown = [word for word in arguments if re.match(r"--?[A-Za-z]", word) and word.partition("=")[0] not in known]
        if not unknown:
            raise UserError(_one_line(said.getvalue(), arguments, prog, _positional(options))) from None
    if unknown:
        raise _unknown(unknown[0], names, prog, elsewhere or {})
    return parsed


def flag_of(name: str) -> str:
    """The flag of an option's name: ``max_length`` is ``--max-length``."""
    return "--" + FLAG_NAMES.get(name, name).replace("_", "-")


def value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """The last value of a flag, also one typed with underscores, in arguments that are not parsed yet."""
    value = None
    for index, argument in enumerate(arguments):
        if not argument.startswith("--") or _plain(argument) != _plain(flag):
            continue
        _, equals, given = argument.partition("=")
        if equals:
            value = given
        elif index + 1 < len(arguments):
            value = arguments[index + 1]
    return value


def nearest(name: str, names: Sequence[str], prog: str, spell: Callable[[str], str] = flag_of) -> str:
    """The end of a sentence: the option that was meant, as ``spell`` writes it, or where they are listed."""
    near = difflib.get_close_matches(_plain(name), names, 1, 0.5)
    return f"; did you mean {spell(near[0])}?" if near else f"; {prog} --help lists the options."


def _joined(options: type, arguments: Sequence[str]) -> list[str]:
    """The arguments with the values of a list that is named twice in one place: tyro would take the last ones alone."""
    values: dict[str, list[str]] = {name: [] for name in _lists(options)}
    times = dict.fromkeys(values, 0)
    others: list[str] = []
    current: str | None = None
    for argument in arguments:
        if argument.startswith("-") and argument != "-":
            current = None
            name, equals, value = _plain(argument), *argument.partition("=")[1:]
            if name in values:
                times[name] += 1
                values[name] += [value] if equals else []
                current = None if equals else name
                continue
        (others if current is None else values[current]).append(argument)
    if max(times.values(), default=0) < 2:
        return list(arguments)
    return [*others, *(word for name in values if times[name] for word in (flag_of(name), *values[name]))]


def _lists(options: type) -> Iterator[str]:
    """Names of the options that take several values, also in groups."""
    for field in dataclasses.fields(options):
        if dataclasses.is_dataclass(field.type):
            yield from _lists(field.type)  # type: ignore[arg-type]
        elif isinstance(field.default, tuple):
            yield field.name


def _unknown(argument: str, names: Sequence[str], prog: str, elsewhere: Mapping[str, str]) -> UserError:
    if not argument.startswith("-"):
        return UserError(f"{argument!r} is one argument too many; {prog} --help tells what is expected.")
    name = _plain(argument)
    for known in (name, name.removeprefix("no_")):
        if known in elsewhere:
            return UserError(f"{argument!r} {elsewhere[known]}")
    others = [known for known in (*names, *elsewhere) if known != name]  # that is a positional argument
    return UserError(f"unknown option {argument!r}{nearest(argument, others, prog)}")


def _plain(flag: str) -> str:
    return flag.lstrip("-").partition("=")[0].replace("-", "_")


def _positional(options: type) -> list[str]:
    """How the arguments that have no flag are called in help and messages, in their order."""
    hints = typing.get_type_hints(options, include_extras=True)
    marks = [getattr(hints[field.name], "__metadata__", ()) for field in dataclasses.fields(options)]
    return [mark.metavar for each in marks if tyro.conf.Positional in each for mark in each if hasattr(mark, "metavar")]


def _one_line(box: str, arguments: Sequence[str], prog: str, positional: Sequence[str]) -> str:
    """What tyro says in a box of several lines, in one."""
    lines = [line.strip(" │|╭╮╰╯+") for line in re.sub(r"\x1b\[[\d;]*m", "", box).splitlines()]
    parts = [""]
    for line in lines:
        if re.search(r"[─-]{3,}$", line):  # the frame, with the title in its upper line, or a rule
            parts += [line.strip(" ─-"), ""]
        else:
            parts[-1] += f" {line}"
    title, message, usage = (*filter(None, (" ".join(part.split()) for part in parts)), "", "", "")[:3]
    if title == "Required options":
        # Positional arguments are named in capitals, each at the start of its own help.
        missing = [name for name in positional if re.search(rf": (.* )?{re.escape(name)} ", message)]
        return f"{' and '.join(missing)} must be given: {prog} {' '.join(positional)}; {prog} --help tells more."
    if found := re.match(r"Missing value for argument '(--[^']+)'", message):
        return f"{found[1]} needs a value."
    if found := re.match(r"Error parsing (\S+):", message):
        kind = next((words for word, words in _KINDS.items() if re.search(rf"\b{word}\b", usage)), None)
        if kind:
            return f"{found[1]} must be {kind}. Received: {value_of(found[1], arguments)!r}"
    return message[:1].upper() + message[1:]
