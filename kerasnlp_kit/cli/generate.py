"""``kerasnlp-kit generate models/NAME TEXT``: continues a text, or writes new ones."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from kerasnlp_kit.cli.imports import without_keras
from kerasnlp_kit.cli.parsing import ModelArgument, parse, refuse_other_task, refuse_unused
from kerasnlp_kit.config import Names, OptionalFile
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.terminal import printable
from kerasnlp_kit.rules import drawing_rules, require

PromptArgument = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="[TEXT]", help="How the texts begin; nothing: new ones.")
]
MOST = 1_000_000  # texts, tokens, steps

OF_TASK: Mapping[str, Sequence[str]] = {
    "language_model": ("prompt", "max_tokens", "greedy", "prompts"),
    "autoencoding": ("interpolate", "steps"),
}


@dataclass(frozen=True)
class Options:
    """Writes texts with a language model or an autoencoder, each on a line of its own."""

    model: ModelArgument
    prompt: PromptArgument = ""
    count: int = 1
    """Texts to write, for each prompt."""
    max_tokens: int = 100
    """Tokens that are added at most."""
    seed: int = 0
    """Of what is drawn: the same seed gives the same texts; text n has the seed + n."""
    temperature: float = 1.0
    """Towards 0 the most probable tokens only, above 1 more daring."""
    top_k: int = 0
    """Draw among this many most probable tokens; 0: among all."""
    top_p: float = 1.0
    """Draw among the fewest tokens that make up this probability."""
    greedy: bool = False
    """Take the most probable token each time, in place of drawing."""
    prompts: OptionalFile = None
    """File of texts to continue, one a line, in place of TEXT."""
    interpolate: Names = ()
    """Of an autoencoder: two texts, to write those that lie between them."""
    steps: int = 7
    """Texts of such a line, both ends among them."""
    json: bool = False
    """Print each text as a line of JSON, which keeps what a terminal could not show."""


def main(arguments: list[str], prog: str) -> int:
    """Parses, writes, and prints."""
    options = parse(Options, arguments, prog)
    require(
        [
            ("count", options.count, 1 <= options.count <= MOST, f"from 1 to {MOST}"),
            ("max_tokens", options.max_tokens, 1 <= options.max_tokens <= MOST, f"from 1 to {MOST}"),
            ("seed", options.seed, 0 <= options.seed < 2**31, "from 0 to 2147483647"),
            *drawing_rules(options.temperature, options.top_k, options.top_p),
            ("prompts", options.prompts, not (options.prompts and options.prompt), "in place of TEXT, not beside it"),
            ("interpolate", options.interpolate, len(options.interpolate) in (0, 2), "two texts"),
            ("steps", options.steps, 2 <= options.steps <= MOST, f"from 2 to {MOST}"),
        ]
    )
    drawn = ("seed", "temperature", "top_k", "top_p")
    refuse_unused(
        options,
        [
            (options.greedy, drawn, "with --greedy nothing is drawn"),
            (bool(options.interpolate), ("count", *drawn), "with --interpolate nothing is drawn"),
            (not options.interpolate, ("steps",), "it is for --interpolate"),
        ],
    )
    with without_keras():
        texts = _texts(options)
    for text in texts:
        sys.stdout.write((json.dumps({"text": text}, ensure_ascii=False) if options.json else printable(text)) + "\n")
    return 0


def _texts(options: Options) -> list[str]:
    from kerasnlp_kit.api.autoencoder import LoadedAutoencoder
    from kerasnlp_kit.api.generator import LoadedGenerator

    how: dict[str, Any] = {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    if refuse_other_task(options, options.model, OF_TASK) == LoadedAutoencoder.task:
        model = LoadedAutoencoder(options.model)
        if options.interpolate:
            return model.interpolate(options.interpolate[0], options.interpolate[1], options.steps)
        return model.sample(options.count, seed=options.seed, **how)
    prompts = _lines(options.prompts) if options.prompts else [options.prompt]
    return LoadedGenerator(options.model).generate(
        prompts,
        count=options.count,
        max_tokens=options.max_tokens,
        seed=None if options.greedy else options.seed,
        **how,
    )


def _lines(path: str) -> list[str]:
    """The lines of a file that are not blank."""
    from kerasnlp_kit.data.lines import Lines
    from kerasnlp_kit.data.source import open_source

    with open_source(path) as source, source.open() as stream:
        found = [line.strip() for line in Lines(stream, source.name) if line.strip()]
    if not found:
        raise UserError(f"{source.name}: holds nothing but blank lines. Expected prompts, one a line.")
    return found
