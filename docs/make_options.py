"""Writes docs/options.md from the dataclasses of the options; with --check it only compares."""

import ast
import dataclasses
import inspect
import itertools
import sys
import textwrap
import typing
from pathlib import Path

from kerasnlp_kit import registry
from kerasnlp_kit.cli import augment, doctor, evaluate, generate, predict
from kerasnlp_kit.config import CONFIGS
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.options import GENERAL_HELP, to_arguments

PLACE = Path(__file__).with_name("options.md")


def page() -> str:
    """The whole of options.md."""
    parts = [
        "# Options",
        "Written by `docs/make_options.py`; do not edit. In config files and in Python the names have underscores, "
        "`max_length`, and `--from` is `from_model`. A flag without a value is switched off by `--no-`: `--no-lower`.",
        "## train",
        "`python train.py DATA`, `kerasnlp-kit train DATA`, `kit.train(DATA, ...)`.",
        table((flag_of(name), "", text) for name, text in GENERAL_HELP.items()),
    ]
    shown: dict[type, str] = {}  # groups, and the task that they were shown for
    for task, config in CONFIGS.items():
        models = ", ".join(f"`{spec.name}`" for spec in registry.available(task))
        parts += [f"### {task}", f"Models: {models}."]
        for name, group in config.groups().items():
            if group not in shown:
                parts += [f"#### {name}", str(group.__doc__), table(rows(group))]
        again: dict[str, list[str]] = {}
        for name, group in config.groups().items():
            if group in shown:
                again.setdefault(shown[group], []).append(name)
        parts += [f"As for {other}: {', '.join(names)}." for other, names in again.items()]
        shown = dict.fromkeys(config.groups().values(), task) | shown
    for spec in registry.available():
        parts += [f"### --model {spec.name}", spec.summary, table(rows(spec.architecture))]
        named = {"Defaults of its own": spec.defaults} if spec.defaults else {}
        named |= {f"`--preset {name}`": values for name, values in spec.presets.items()}
        if named:
            parts.append("\n".join(f"- {name}: `{' '.join(to_arguments(values))}`" for name, values in named.items()))
    for name, usage, options in (
        ("evaluate", "`python evaluate.py MODEL DATA`, `kerasnlp-kit evaluate MODEL DATA`.", evaluate.Options),
        ("predict", "`kerasnlp-kit predict MODEL DATA`.", predict.Options),
        ("generate", "`kerasnlp-kit generate MODEL [TEXT]`.", generate.Options),
        ("augment", "`kerasnlp-kit augment DATA`.", augment.Options),
        ("doctor", "`kerasnlp-kit doctor FILE ...`.", doctor.Options),
    ):
        parts += [f"## {name}", f"{usage} {options.__doc__}", table(rows(options))]
    return "\n\n".join(parts) + "\n"


def rows(options: type):
    """Flag, default and help of each option of a dataclass."""
    helps = help_texts(options)
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING or field.name in ("files", "prompt"):
            continue  # positional
        value = field.default
        if isinstance(value, bool):
            default = "on" if value else "off"
        elif value is None or value == ():
            default = ""
        else:
            default = f"`{' '.join(map(str, value))}`" if isinstance(value, tuple) else f"`{value}`"
        yield flag_of(field.name), default.replace("` `", "a blank"), helps[field.name] + choices(field.type)


def choices(kind: object) -> str:
    """The values that an option of a Literal type takes."""
    if typing.get_origin(kind) is not typing.Literal:
        return ""
    return f" One of: {', '.join(f'`{value}`' for value in typing.get_args(kind))}."


def help_texts(options: type) -> dict[str, str]:
    """The string below each field, also of the classes it comes from, as the command line shows it."""
    found = {}
    for one in reversed(options.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                found[field.target.id] = " ".join(text.value.value.split())
    return found


def table(lines) -> str:
    """A Markdown table of flag, default and help."""
    cells = [f"| `{flag}` | {default} | {text.replace('|', chr(92) + '|')} |" for flag, default, text in lines]
    return "\n".join(["| option | default | |", "| --- | --- | --- |", *cells])


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(PLACE.read_text(encoding="utf-8") != page() and f"{PLACE} is not what make_options.py writes")
    PLACE.write_text(page(), encoding="utf-8")
