"""What the values of options must be, and which of them others make idle."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kerasnlp_kit import registry
from kerasnlp_kit.config import BaseConfig, OptimizationOptions, PairConfig, RunConfig, TextConfig
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.flags import flag_of

Rules = Iterator[tuple[str, bool, str]]  # name of an option, whether its rule holds, the rule


def require_valid(config: BaseConfig) -> None:
    """Makes sure that the options of a run mean something.

    Raises:
        UserError: one does not.
    """
    assert isinstance(config, (RunConfig, PairConfig, TextConfig))
    checked = [*_common_rules(config.training), *_architecture_rules(config.architecture)]
    if isinstance(config, RunConfig):
        checked += _classifier_rules(config)
    else:
        checked += _token_rules(config)
        checked += _pair_rules(config) if isinstance(config, PairConfig) else _text_rules(config)
    devices = config.device.devices
    checked += [
        ("dev_fraction", 0 < config.data.dev_fraction < 1, "between 0 and 1"),
        ("devices", devices is None or devices >= 1, "1 or more"),
    ]
    values = config.flat()
    require((name, values[name], holds, rule) for name, holds, rule in checked)


def _common_rules(training: OptimizationOptions) -> Rules:
    yield "epochs", training.epochs >= 1, "1 or more"
    yield "learning_rate", training.learning_rate > 0, "above 0"
    yield "warmup", 0 <= training.warmup < 1, "from 0 to below 1"
    yield "weight_decay", training.weight_decay >= 0, "0 or more"
    yield "clip_norm", training.clip_norm >= 0, "0 or more"
    yield "label_smoothing", 0 <= training.label_smoothing < 1, "from 0 to below 1"
    yield "patience", training.patience >= 1, "1 or more"
    yield "seed", 0 <= training.seed < 2**32, "from 0 to 4294967295"
    yield "checkpoint_seconds", training.checkpoint_seconds >= 0, "0 or more"


def _classifier_rules(config: RunConfig) -> Rules:
    precision, longest = config.decision.min_precision, config.text.max_length
    yield "vocabulary", config.text.vocabulary >= 3, "3 or more"
    yield "max_length", longest is None or longest >= 1, "1 or more"
    yield "batch_size", config.training.batch_size >= 1, "1 or more"
    yield "min_precision", precision is None or 0 < precision <= 1, "above 0 and at most 1"


def _token_rules(config: PairConfig | TextConfig) -> Rules:
    vocabulary, minutes = config.text.vocabulary, config.training.minutes
    yield "vocabulary", vocabulary is None or vocabulary >= 10, "10 or more"
    yield "minutes", minutes is None or minutes > 0, "above 0"
    yield "batch_tokens", config.training.batch_tokens >= 1, "1 or more"
    yield "accumulate", config.training.accumulate >= 1, "1 or more"
    yield "average_epochs", config.training.average_epochs >= 0, "0 or more"
    yield "devices", config.device.devices in (None, 1), "1: several are for classifiers"


def _text_rules(config: TextConfig) -> Rules:
    context = config.text.context
    if registry.find(config.model).task == "autoencoding":
        yield "packed", config.text.packed != "yes", "auto or no: an autoencoder learns each text by itself"
    yield "context", context is None or context >= 2, "2 or more"
    yield "samples", config.training.samples >= 0, "0 or more"


def _pair_rules(config: PairConfig) -> Rules:
    longest = config.text.max_length
    yield "max_length", longest is None or longest >= 1, "1 or more"
    power = config.text.subword_sampling
    yield "subword_sampling", power is None or 0 < power < math.inf, "above 0 and finite"
    attends = getattr(config.architecture, "attention", "") != "none"
    penalty = config.writing.coverage_penalty
    yield "coverage_penalty", attends or not penalty, "0 with --attention none, which looks at no place of the source"
    yield "dev_rows", config.training.dev_rows >= 1, "1 or more"
    yield "beam", 1 <= config.writing.beam <= 64, "from 1 to 64"
    yield "length_penalty", config.writing.length_penalty >= 0, "0 or more"
    yield "coverage_penalty", config.writing.coverage_penalty >= 0, "0 or more"


def unread(config: BaseConfig) -> Iterator[tuple[bool, Sequence[str], str]]:
    """Options that others make idle: whether they do, the names, and why."""
    assert isinstance(config, (RunConfig, PairConfig, TextConfig))
    yield bool(config.data.dev), ("dev_fraction",), "--dev names the rows to choose on"
    yield config.output.new_version, ("overwrite",), "--new-version keeps what there is"
    architecture = config.architecture
    if isinstance(config, RunConfig):
        yield registry.find(config.model).kind == "parts", ("calibrate",), "a mixture is scaled in any case"
    if (blocks := getattr(architecture, "blocks", None)) in ("lstm", "gru"):  # elsewhere it is a number
        names = ("heads", "feed_forward", "activation", "attention_dropout")
        yield True, names, f"--blocks {blocks} has no attention"
    if not getattr(architecture, "kl_weight", 1.0):
        yield True, ("free_bits", "anneal_steps"), "with --kl-weight 0 there is no divergence"
    if getattr(architecture, "ngrams", 2) == 1:
        yield True, ("ngram_buckets",), "--ngrams 1 has none"


def _architecture_rules(architecture: Any) -> Rules:
    """What a model counts must be there; dropout and the like are shares, and other numbers are sizes."""
    for field in dataclasses.fields(architecture):
        value = getattr(architecture, field.name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and field.name.endswith(("dropout", "sampling")):
                yield field.name, 0 <= number < 1, "from 0 to below 1"
            elif isinstance(number, float) and field.name.endswith(("_weight", "_bits")):
                yield field.name, number >= 0, "0 or more"
            elif isinstance(number, float):
                yield field.name, number > 0, "above 0"
            elif isinstance(number, int) and not isinstance(number, bool):
                yield field.name, number >= 1, "1 or more"
        if field.name == "heads" and (size := getattr(architecture, "d_model", None)):
            rotary = getattr(architecture, "positions", "rotary") == "rotary"
            rotary = rotary and getattr(architecture, "blocks", None) not in ("lstm", "gru")
            yield field.name, not rotary or value < size, "below --d-model, as rotary positions need two numbers a head"
        if field.name == "kernels":
            yield field.name, len(set(value)) == len(value), "different numbers"
        if value == ():
            yield field.name, False, "one name or several" if field.name == "rungs" else "one number or several"


def require(rules: Iterable[tuple[str, Any, bool, str]]) -> None:
    """Makes sure that values mean something.

    Args:
        rules: name of an option, its value, whether the rule holds, the rule.

    Raises:
        UserError: one does not hold.
    """
    for name, value, holds, rule in rules:
        if not holds:
            raise UserError(f"{flag_of(name)} must be {rule}. Received: {value}")


def drawing_rules(temperature: float, top_k: int, top_p: float) -> Iterator[tuple[str, Any, bool, str]]:
    """Of what tokens are drawn by, for `require`."""
    yield "temperature", temperature, 0 <= temperature < math.inf, "0 or more, and finite"
    yield "top_k", top_k, 0 <= top_k < 2**31, "from 0 to 2147483647"
    yield "top_p", top_p, 0 < top_p <= 1, "above 0 and at most 1"
