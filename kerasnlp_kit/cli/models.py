"""``kerasnlp-kit models``: what can be trained."""

import dataclasses
from dataclasses import dataclass

from kerasnlp_kit import registry
from kerasnlp_kit.cli.parsing import parse
from kerasnlp_kit.config import DEFAULT_MODELS
from kerasnlp_kit.options import to_arguments


@dataclass(frozen=True)
class Options:
    """Lists the models: name, task, what it is, its own options with their defaults, its presets."""


def main(arguments: list[str], prog: str) -> int:
    """Prints the list."""
    parse(Options, arguments, prog)
    for spec in registry.available():
        default = "".join(f" (default for {data})" for data, name in DEFAULT_MODELS.items() if name == spec.name)
        print(f"{spec.name}{default}, {spec.task}: {spec.summary}")
        defaults = [to_arguments({field.name: field.default}) for field in dataclasses.fields(spec.architecture)]
        print(_wrapped([" ".join(words) for words in defaults if words]))
        if spec.defaults:
            print(f"    has its own defaults: {' '.join(to_arguments(spec.defaults))}")
        for name, values in spec.presets.items():
            print(f"    --preset {name}: {' '.join(to_arguments(values))}")
        print()
    print(f"All options of a model: {prog.rpartition(' ')[0] or prog} train --model NAME --help")
    return 0


def _wrapped(flags: list[str], width: int = 100) -> str:
    """Several flags a line; a flag and its value stay together."""
    lines = [""]
    for flag in flags:
        if len(lines[-1]) + len(flag) > width:
            lines.append("")
        lines[-1] += f"  {flag}"
    return "\n".join(f"  {line}" for line in lines)
