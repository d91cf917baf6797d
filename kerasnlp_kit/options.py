"""From flags, a config file or keyword arguments to a RunConfig: one parser for all three."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from kerasnlp_kit import registry
from kerasnlp_kit.config import DATA_HELP, DEFAULT_MODEL, OPTION_GROUPS, RunConfig, option_names
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.flags import FLAG_NAMES, flag_of, nearest, read_flags, value_of

GENERAL_HELP = {
    "model": "Model to train; `python -m kerasnlp_kit models` lists all.",
    "preset": "Options that were found good for the model, under one name.",
    "config": "YAML or JSON file of options, such as an earlier run.json; flags win.",
    "resume": "Continue this unfinished run, to the same weights: models/NAME.",
}
UNFINISHED = ".unfinished"  # end of the folder's name until the model is proven


def parse_run(arguments: Sequence[str], prog: str = "train.py") -> tuple[RunConfig, bool]:
    """Reads the flags of a training run.

    What is named later wins: defaults of the classes, those of the model, the earlier model of ``--from``,
    ``--preset``, ``--config``, flags. ``--resume`` takes all of them from the unfinished run.

    Args:
        arguments: command line without the program's name.
        prog: name of the program in help and messages.

    Returns:
        The options, and whether an unfinished run is to be resumed.

    Raises:
        UserError: an unknown option (names the nearest), a missing value, or one of the wrong type or out of range.
        SystemExit: code 0 after ``--help``.
    """
    arguments = list(arguments)
    resumed = value_of("--resume", arguments)
    if resumed is not None:
        return _resume(resumed, arguments, prog), True
    path = value_of("--config", arguments)
    settings = read_config(path) if path else {}
    earlier = _earlier(value_of("--from", arguments) or settings.get("from_model"))
    model = str(value_of("--model", arguments) or settings.get("model") or earlier.get("model") or DEFAULT_MODEL)
    spec = registry.find(model)
    preset = value_of("--preset", arguments) or settings.get("preset")
    if preset is not None and preset not in spec.presets:
        known = ", ".join(spec.presets) or "none"
        raise UserError(f"{spec.name} has no preset {preset!r}; its presets: {known}.")
    names = list(option_names(spec.architecture))
    for name in settings:
        if name not in names:
            raise UserError(f"{path}: unknown option {name!r}{nearest(name, names, prog)}")
    settings = {name: value for name, value in settings.items() if name not in ("model", "preset")}
    train = settings.pop("train", None)
    own = spec.presets[preset] if preset else {}
    layers = (spec.defaults, earlier if earlier.get("model") == model else {}, own, settings)
    tokens = [token for layer in layers for token in to_arguments({**layer, "model": None})]
    options = _parser_class(spec)
    # Parsed apart from the flags: a list at the end would swallow the name of the data file.
    base: Any = read_flags(options, ["", *tokens], prog, names)
    base = dataclasses.replace(base, train=train or tyro.MISSING)
    parsed: Any = read_flags(options, arguments, prog, [*names, "config", "resume"], base, _of_other_models(spec))
    values = {group: getattr(parsed, group) for group in (*OPTION_GROUPS, "architecture")}
    config = RunConfig(train=parsed.train, model=spec.name, preset=preset, **values)
    _check(config)
    return config, False


def _resume(folder: str, arguments: list[str], prog: str) -> RunConfig:
    """The options of the unfinished run ``folder``."""
    if len(arguments) > 2 or (len(arguments) == 2 and arguments[0] != "--resume"):
        raise UserError("--resume MODEL takes everything from the unfinished run: give no other option with it.")
    path = Path(folder)
    if not path.name.endswith(UNFINISHED):
        path = path.with_name(path.name + UNFINISHED)
    if not (path / "run.json").is_file():
        raise UserError(f"There is no unfinished run {path} to resume.")
    config, _ = parse_run(["--config", str(path / "run.json")], prog)
    output = dataclasses.replace(
        config.output,
        name=path.name.removesuffix(UNFINISHED),
        models=str(path.parent),
        overwrite=not config.output.new_version,
    )
    return dataclasses.replace(config, output=output)


def _earlier(folder: str | None) -> dict[str, Any]:
    """Model and options of an earlier model that one that starts from it must share."""
    if folder is None:
        return {}
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise UserError(f"There is no model folder {folder} to start from (run.json is missing).")
    options = read_config(str(path))
    model = str(options.get("model"))
    if registry.find(model).kind != "build":
        names = ", ".join(spec.name for spec in registry.networks())
        raise UserError(f"--from {folder}: {model} is no single network to start from; these are: {names}.")
    architecture = {field.name for field in dataclasses.fields(registry.find(model).architecture)}
    shared = architecture | {field.name for field in dataclasses.fields(OPTION_GROUPS["text"])} - {"vectors"}
    return {"model": model, **{name: value for name, value in options.items() if name in shared}}


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
            arguments.extend([flag, *map(str, value)])
        elif isinstance(value, (str, int, float, os.PathLike)):
            arguments.extend([flag, str(value)])
        else:
            raise UserError(f"Option {name!r} must be text, a number, true or false, or a list. Received: {value!r}")
    return arguments


def read_config(path: str) -> dict[str, Any]:
    """Option values of a YAML or JSON file, the run.json of an earlier run included.

    Raises:
        UserError: no such file, not YAML or JSON, not a mapping.
    """
    import yaml  # only a run with --config pays for it

    try:
        text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The config file {path} cannot be read: {error}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"The config file {path} must be YAML or JSON: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("options"), dict):
        content = content["options"]  # a run.json
    if not isinstance(content, dict):
        raise UserError(f"The config file {path} must map option names to values, such as `epochs: 5`.")
    fields = {flag: name for name, flag in FLAG_NAMES.items()}
    names = (str(name).lstrip("-").replace("-", "_") for name in content)
    return {fields.get(name, name): value for name, value in zip(names, content.values(), strict=True)}


def _of_other_models(spec: registry.ModelSpec) -> dict[str, str]:
    """Options that only other models have, and what to say to whoever gives one."""
    own = set(option_names(spec.architecture))
    owners: dict[str, list[str]] = {}
    for other in registry.available():
        for name in set(option_names(other.architecture)) - own:
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
        ("model", Annotated[str, tyro.conf.arg(metavar="NAME", help=GENERAL_HELP["model"])], DEFAULT_MODEL),
    ]
    presets = f"{GENERAL_HELP['preset']} {spec.name} has: {', '.join(spec.presets) or 'none'}."
    for name, metavar, text in (
        ("preset", "NAME", presets),
        ("config", "FILE", GENERAL_HELP["config"]),
        ("resume", "FOLDER", GENERAL_HELP["resume"]),
    ):
        shown = tyro.conf.arg(metavar=metavar, help=text, help_behavior_hint="")
        fields.append((name, Annotated[str | None, shown], None))
    for name, group in (*OPTION_GROUPS.items(), ("architecture", spec.architecture)):
        fields.append((name, group, dataclasses.field(default_factory=group)))
    options = dataclasses.make_dataclass("Options", fields, frozen=True)
    options.__doc__ = f"Trains {spec.name} (another one: --model NAME) on labelled texts and exports a SavedModel."
    return options


def _check(config: RunConfig) -> None:
    precision = config.decision.min_precision
    rules = {
        "dev_fraction": (0 < config.data.dev_fraction < 1, "between 0 and 1"),
        "vocabulary": (config.text.vocabulary >= 3, "3 or more"),
        "max_length": (config.text.max_length is None or config.text.max_length >= 1, "1 or more"),
        "epochs": (config.training.epochs >= 1, "1 or more"),
        "batch_size": (config.training.batch_size >= 1, "1 or more"),
        "learning_rate": (config.training.learning_rate > 0, "above 0"),
        "warmup": (0 <= config.training.warmup < 1, "from 0 to below 1"),
        "weight_decay": (config.training.weight_decay >= 0, "0 or more"),
        "clip_norm": (config.training.clip_norm >= 0, "0 or more"),
        "label_smoothing": (0 <= config.training.label_smoothing < 1, "from 0 to below 1"),
        "patience": (config.training.patience >= 1, "1 or more"),
        "min_precision": (precision is None or 0 < precision <= 1, "above 0 and at most 1"),
        "seed": (0 <= config.training.seed < 2**32, "from 0 to 4294967295"),
        "checkpoint_seconds": (config.training.checkpoint_seconds >= 0, "0 or more"),
        "devices": (config.device.devices is None or config.device.devices >= 1, "1 or more"),
    }
    # What a model counts must be there; dropout is a share, and other numbers are sizes.
    for field in dataclasses.fields(config.architecture):
        value = getattr(config.architecture, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and field.name.endswith("dropout"):
                rules[field.name] = (0 <= number < 1, "from 0 to below 1")
            elif isinstance(number, float) and not number > 0:
                rules[field.name] = (False, "above 0")
            elif isinstance(number, int) and number < 1 and not isinstance(number, bool):
                rules[field.name] = (False, "1 or more")
        if value == ():
            rules[field.name] = (False, "one name or several" if field.name == "rungs" else "one number or several")
    values = config.flat()
    for name, (holds, rule) in rules.items():
        if not holds:
            raise UserError(f"{flag_of(name)} must be {rule}. Received: {values[name]}")
