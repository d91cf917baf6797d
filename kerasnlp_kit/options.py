"""From flags, a config file or keyword arguments to a RunConfig: one parser for all three."""

import dataclasses
import json
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro

from kerasnlp_kit import registry
from kerasnlp_kit.config import (
    CONFIGS,
    DATA_HELP,
    DEFAULT_MODEL,
    SOURCES,
    TASK_MODELS,
    BaseConfig,
    PairConfig,
    RunConfig,
    TextConfig,
    option_fields,
    option_names,
)
from kerasnlp_kit.constants import NETWORK, UNFINISHED
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.flags import FLAG_NAMES, flag_of, nearest, read_flags, value_of
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.rules import require_valid

GENERAL_HELP = {
    "model": "Model to train; `python -m kerasnlp_kit models` lists all. Default: auto, for labelled texts; "
    "for pairs of source and target, transformer_seq2seq or, where both are short, lstm_seq2seq; for texts alone, "
    "causal_lm.",
    "task": "What to learn, where neither --model nor the data tell; a URL and standard input are taken for labelled "
    "texts.",
    "preset": "Options that were found good for the model, under one name.",
    "config": "YAML or JSON file of options, such as an earlier run.json; flags win.",
    "resume": "Continue this unfinished run, to the same weights: models/NAME; of other options only the data may be "
    "named, once more.",
}
_NAMES = {"train", "model", "preset", "task", "from_model"}  # options that are needed before all are parsed
_OF_TOKENS = {field.name for field in dataclasses.fields(RunConfig.groups()["text"])} | {"embedding_dim"}
_OF_ONE_RUN = {"overwrite", "new_version"}


def parse_run(
    arguments: Sequence[str], prog: str = "train.py", find_model: Callable[[str], str] | None = None
) -> tuple[BaseConfig, bool]:
    """Reads the flags of a training run.

    What is named later wins: defaults of the classes, those of the model, the earlier model of ``--from``,
    the preset that ``--config`` names, ``--config``, ``--preset``, flags. ``--resume`` takes all of them from the
    unfinished run.

    Args:
        arguments: command line without the program's name.
        prog: name of the program in help and messages.
        find_model: tells the model by the data file, where none is named; by default that of labelled texts.

    Returns:
        The options, of the class that belongs to the model's task, and whether an unfinished run is to be resumed.

    Raises:
        UserError: an unknown option (names the nearest), a missing value, or one of the wrong type or out of range.
        SystemExit: code 0 after ``--help``.
    """
    arguments = list(arguments)
    if value_of("--resume", arguments) is not None:
        return _resume(arguments, prog), True
    path = value_of("--config", arguments)
    settings = read_config(path) if path else {}
    earlier = _earlier(value_of("--from", arguments) or settings.get("from_model"))
    named = value_of("--model", arguments) or settings.get("model") or earlier.get("model")
    task = settings.pop("task", None)
    task = value_of("--task", arguments) or task
    if task is not None and task not in TASK_MODELS:
        raise UserError(f"--task must be one of {', '.join(TASK_MODELS)}. Received: {task}")
    data = _data_file(arguments) or settings.get("train")
    found = TASK_MODELS[task] if task else DEFAULT_MODEL
    labels = value_of("--label-column", arguments) or settings.get("label_column")
    if find_model and data and not named and not task and not labels:
        found = find_model(str(data))
    model = str(named or found)
    spec = registry.find(model)
    if task not in (None, spec.task):
        others = ", ".join(other.name for other in registry.available(task))
        raise UserError(f"{spec.name} is for --task {spec.task}, not for {task}; for that there are: {others}.")
    asked = value_of("--preset", arguments)
    preset = asked or settings.get("preset")
    if preset is not None and preset not in spec.presets:
        known = ", ".join(spec.presets) or "none"
        raise UserError(f"{spec.name} has no preset {preset!r}; its presets: {known}.")
    names = list(option_names(spec.task, spec.architecture))
    for name in settings:
        if name not in names:
            raise UserError(f"{path}: unknown option {name!r}{nearest(name, names, prog, str)}")
    settings = {name: value for name, value in settings.items() if name not in ("model", "preset")}
    for name in _words(spec) & settings.keys():  # YAML takes a bare yes for true
        if isinstance(settings[name], bool):
            settings[name] = "yes" if settings[name] else "no"
    train = settings.pop("train", None)
    own = spec.presets[preset] if preset else {}
    # A model of another name has the tokens in common, whose embedding it may take over.
    alike = earlier.get("model") == model or spec.kind == "parts"
    shared = {name: value for name, value in earlier.items() if name in names and (alike or name in _OF_TOKENS)}
    own = {name: value for name, value in own.items() if name not in shared}  # of it, what trains the weights
    layers = (spec.defaults, shared, *((settings, own) if asked else (own, settings)))
    merged = {name: value for layer in layers for name, value in layer.items() if value is not None}
    tokens = to_arguments({**merged, "model": None})
    options = _parser_class(spec)
    # Parsed apart from the flags: a list at the end would swallow the name of the data file.
    base: Any = read_flags(options, ["", *tokens], prog, names)
    base = dataclasses.replace(base, train=train or tyro.MISSING)
    parsed: Any = read_flags(
        options, arguments, prog, [*names, "task", "config", "resume"], base, _of_other_models(spec)
    )
    kind = CONFIGS[spec.task]
    values = {group: getattr(parsed, group) for group in (*kind.groups(), "architecture")}
    config = kind(train=parsed.train, model=spec.name, preset=preset, **values)
    require_valid(config)
    return config, False


def _words(spec: registry.ModelSpec) -> set[str]:
    """Options of which yes and no are two of several words."""
    fields = option_fields(spec.task, spec.architecture)
    return {field.name for field in fields if "yes" in get_args(field.type) and "no" in get_args(field.type)}


def _data_file(arguments: Sequence[str]) -> str | None:
    """The data file among arguments whose model is not known yet: the first that is no flag and no flag's value."""
    switches, takes_several = {"--traceback", "--help", "-h"}, set()
    for spec in registry.available():
        for field in option_fields(spec.task, spec.architecture):
            flag = flag_of(field.name)
            if isinstance(field.default, bool):
                switches |= {flag, flag.replace("--", "--no-", 1)}
            elif isinstance(field.default, tuple):
                takes_several.add(flag)
    waiting = iter(arguments)
    swallows = False
    for argument in waiting:
        if argument.startswith("-") and argument != "-":
            swallows = argument in takes_several
            if "=" not in argument and argument not in switches | takes_several:
                next(waiting, None)
        elif not swallows:
            return argument
    return None


@dataclasses.dataclass(frozen=True)
class _Again:
    """Continues an unfinished run. Only the data may be named once more, of which no secret address was kept."""

    train: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")] = None
    resume: str = ""
    dev: str | None = None
    test: str | None = None
    out_of_scope: str | None = None


def _resume(arguments: list[str], prog: str) -> BaseConfig:
    """The options of the unfinished run; data named beside it must have the same bytes, which the run compares."""
    names = [field.name for field in dataclasses.fields(_Again)]
    others = {"preset", "config", "task", "from"}.union(
        *(option_names(spec.task, spec.architecture) for spec in registry.available())
    )
    refusal = (
        "cannot stand beside --resume, which takes everything from the unfinished run; only the data may be named once "
        "more."
    )
    again = read_flags(_Again, arguments, prog, names, elsewhere=dict.fromkeys(others - set(names), refusal))
    path = home_filled_in(again.resume)
    if not path.name:
        raise UserError(f"--resume must name an unfinished run, such as models/reviews. Received: {again.resume!r}")
    if not path.name.endswith(UNFINISHED):
        path = path.with_name(path.name + UNFINISHED)
    if not (path / "run.json").is_file():
        raise UserError(f"There is no unfinished run {path} to resume.")
    config, _ = parse_run(["--config", str(path / "run.json")], prog)
    assert isinstance(config, (RunConfig, PairConfig, TextConfig))
    options = json.loads((path / "run.json").read_text(encoding="utf-8")).get("options", {})
    output = dataclasses.replace(
        config.output,
        name=path.name.removesuffix(UNFINISHED),
        models=str(path.parent),
        **{name: bool(options.get(name)) for name in _OF_ONE_RUN},
    )
    sources = {name: source for name in SOURCES if (source := getattr(again, name)) is not None}
    for name in sources.keys() - config.sources().keys():
        raise UserError(f"The unfinished run {path} has no {flag_of(name)}: leave it out.")
    return dataclasses.replace(config, output=output).with_sources(**sources)


def _earlier(folder: str | None) -> dict[str, Any]:
    """Model and options of an earlier model that one that starts from it must share."""
    if folder is None:
        return {}
    path = home_filled_in(folder) / "run.json"
    if not path.is_file():
        raise UserError(f"There is no model folder {folder} to start from (run.json is missing).")
    options = read_config(str(path))
    model = str(options.get("model"))
    # What auto found, or a mixture, has a network in it, or several.
    networks = [part for part in _parts(path) if part.get("kind") == NETWORK]
    if len(networks) == 1 and isinstance(networks[0].get("architecture"), dict):
        model = str(networks[0].get("model"))
        options |= networks[0]["architecture"]
    if registry.find(model).kind != "build" or registry.find(model).task != "classification":
        names = ", ".join(spec.name for spec in registry.networks("classification"))
        raise UserError(f"--from {folder}: {model} is no single network to start from; these are: {names}.")
    architecture = {field.name for field in dataclasses.fields(registry.find(model).architecture)}
    shared = architecture | {field.name for field in dataclasses.fields(RunConfig.groups()["text"])} - {"vectors"}
    return {"model": model, **{name: value for name, value in options.items() if name in shared}}


def _parts(path: Path) -> list[dict[str, Any]]:
    """Parts of a model by its run.json; none where it tells none."""
    content = json.loads(path.read_text(encoding="utf-8"))
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def to_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Writes option values as flags: ``{"units": 5, "lower": False}`` is ``["--units", "5", "--no-lower"]``."""
    arguments = []
    for name, value in settings.items():
        flag = flag_of(name)
        if value is None:
            continue
        if isinstance(value, bool):
            arguments.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (list, tuple)):
            if not all(_is_plain(one) for one in value):
                raise UserError(f"Option {name!r} must be a list of texts or numbers. Received: {value!r:.200}")
            arguments.extend([flag, *map(str, value)])
        elif _is_plain(value):
            word = str(value)  # that begins with a hyphen would be taken for a flag
            arguments.extend([f"{flag}={word}"] if word.startswith("-") else [flag, word])
        else:
            raise UserError(
                f"Option {name!r} must be text, a number, true or false, or a list. Received: {value!r:.200}"
            )
    return arguments


def _is_plain(value: Any) -> bool:
    # NumPy's numbers come from a grid of options.
    return isinstance(value, (str, numbers.Number, os.PathLike)) and not isinstance(value, bool)


def read_config(path: str) -> dict[str, Any]:
    """Option values of a YAML or JSON file, the run.json of an earlier run included.

    That an earlier run was to replace a model is not taken over.

    Raises:
        UserError: no such file, not YAML or JSON, not a mapping, no names where names are expected.
    """
    import yaml  # only a run with --config pays for it

    try:
        text = home_filled_in(path).read_text(encoding="utf-8")
        content = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The config file {path} cannot be read: {error}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"The config file {path} must be YAML or JSON: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("options"), dict):
        # A run.json. Who repeats a run has not asked yet to replace what it made.
        content = {name: value for name, value in content["options"].items() if name not in _OF_ONE_RUN}
    if not isinstance(content, dict):
        raise UserError(f"The config file {path} must map option names to values, such as `epochs: 5`.")
    fields = {flag: name for name, flag in FLAG_NAMES.items()}
    names = (str(name).lstrip("-").replace("-", "_") for name in content)
    settings = {fields.get(name, name): value for name, value in zip(names, content.values(), strict=True)}
    for name in _NAMES & settings.keys():
        if settings[name] is not None and not isinstance(settings[name], str):
            raise UserError(
                f"{path}: {FLAG_NAMES.get(name, name)} must be a name, in quotes. Received: {settings[name]!r:.200}"
            )
    return settings


def _of_other_models(spec: registry.ModelSpec) -> dict[str, str]:
    """Options that only other models have, and what to say to whoever gives one."""
    own = set(option_names(spec.task, spec.architecture))
    owners: dict[str, list[str]] = {}
    for other in registry.available():
        for name in set(option_names(other.task, other.architecture)) - own:
            owners.setdefault(name, []).append(other.name)
    return {name: f"is no option of {spec.name}, but of --model {' or '.join(owners[name])}." for name in owners}


def _parser_class(spec: registry.ModelSpec) -> type:
    """A dataclass of all groups for this model; its fields' docstrings make the help."""
    positional = Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="DATA", help=DATA_HELP),
    ]
    fields: list[Any] = [
        ("train", positional),
        ("model", Annotated[str, tyro.conf.arg(metavar="NAME", help=GENERAL_HELP["model"])], spec.name),
    ]
    presets = f"{GENERAL_HELP['preset']} {spec.name} has: {', '.join(spec.presets) or 'none'}."
    for name, metavar, text in (
        ("task", "NAME", f"{GENERAL_HELP['task']} One of: {', '.join(TASK_MODELS)}."),
        ("preset", "NAME", presets),
        ("config", "FILE", GENERAL_HELP["config"]),
        ("resume", "FOLDER", GENERAL_HELP["resume"]),
    ):
        shown = tyro.conf.arg(metavar=metavar, help=text, help_behavior_hint="")
        fields.append((name, Annotated[str | None, shown], None))
    for name, group in (*CONFIGS[spec.task].groups().items(), ("architecture", spec.architecture)):
        fields.append((name, group, dataclasses.field(default_factory=group)))
    options = dataclasses.make_dataclass("Options", fields, frozen=True)
    what = _LEARNS_FROM[spec.task]
    options.__doc__ = f"Trains {spec.name} (another one: --model NAME) on {what} and exports a SavedModel."
    return options


_LEARNS_FROM = {
    "classification": "labelled texts",
    "seq2seq": "pairs of source and target",
    "language_model": "texts",
    "autoencoding": "texts",
}
