"""The list of models: what can be trained, for which task, with which options. Never imports TensorFlow or Keras."""

import dataclasses
import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from kerasnlp_kit.errors import UserError

Architecture = TypeVar("Architecture", bound=type)


_KINDS = ("rungs", "parts", "rules", "build")  # a mixture may inherit the others from its parts


@dataclass(frozen=True)
class Sizes:
    """What a model must know of the data to be built."""

    vocabulary: int
    """Number of token ids; 0 is padding, 1 unknown."""
    classes: int
    max_length: int
    """Most tokens in a row."""


@dataclass(frozen=True)
class PairSizes:
    """Likewise, of source and target."""

    source_vocabulary: int
    """Number of token ids; 0 to 3 are padding, unknown, begin and end."""
    target_vocabulary: int
    joint: bool
    """Whether both share one vocabulary."""


@dataclass(frozen=True)
class TextSizes:
    """Likewise, of texts that are to be continued."""

    vocabulary: int
    """Number of token ids; 0 to 3 are padding, unknown, begin and end."""
    context: int
    """Tokens in sight."""


SIZES: Mapping[str, type] = {  # by task
    "classification": Sizes,
    "seq2seq": PairSizes,
    "language_model": TextSizes,
    "autoencoding": TextSizes,
}


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the registry."""

    name: str
    task: str
    architecture: type
    """Frozen dataclass of the model's own options. What it is shows in its methods:

    - a network: ``build(sizes) -> keras.Model``, of the class that `SIZES` has for the task;
    - a linear model over n-grams: ``rules(lower) -> NgramRules``, and the fields of `NgramLinear`;
    - a mixture: ``parts() -> {model name: its architecture}``;
    - a choice of the best: ``rungs``, names of models to try in turn.
    """
    presets: Mapping[str, Mapping[str, Any]]
    """Values of options, the general ones among them, that make one word of what was found good."""
    defaults: Mapping[str, Any]
    """Values of general options that this model has in place of those in config.py."""

    @property
    def kind(self) -> str:
        """The method, or field, that says what it is: rungs, parts, rules or build."""
        return next(kind for kind in _KINDS if hasattr(self.architecture, kind))

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.architecture.__doc__ or "").strip().partition("\n")[0]


_specs: dict[str, ModelSpec] = {}


def register(
    name: str,
    *,
    task: str,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Callable[[Architecture], Architecture]:
    """Class decorator that enters a model; `ModelSpec.architecture` says what the class must be."""

    def enter(architecture: Architecture) -> Architecture:
        if name in _specs:
            raise ValueError(f"A model's name must be its own. Received: {name!r}, twice")
        kinds = [kind for kind in _KINDS if hasattr(architecture, kind)]
        if not dataclasses.is_dataclass(architecture) or not kinds:
            raise TypeError(f"A model must be a dataclass with one of {_KINDS}. Received: {architecture!r}")
        _specs[name] = ModelSpec(name, task, architecture, presets or {}, defaults or {})
        return architecture

    return enter


@functools.cache
def _discover() -> None:
    models = importlib.import_module("kerasnlp_kit.models")
    for module in pkgutil.iter_modules(models.__path__, models.__name__ + "."):
        importlib.import_module(module.name)


def available(task: str | None = None) -> tuple[ModelSpec, ...]:
    """All models, or those of a task, by name."""
    _discover()
    return tuple(spec for _, spec in sorted(_specs.items()) if task in (None, spec.task))


def networks(task: str | None = None) -> tuple[ModelSpec, ...]:
    """All models that are one network, or those of a task."""
    return tuple(spec for spec in available(task) if spec.kind == "build")


def find(name: str) -> ModelSpec:
    """The model of this name.

    Raises:
        UserError: if there is none; names those that may be meant.
    """
    _discover()
    if name in _specs:
        return _specs[name]
    plain = name.casefold()
    begins = [known for known in _specs if plain and known.startswith(plain)]
    near = begins or difflib.get_close_matches(plain, _specs, 1, 0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(_specs))}."
    raise UserError(f"There is no model {name!r}: {hint} `python -m kerasnlp_kit models` lists all.")
