"""What the training of a model that learns texts says and writes about itself: the plan, run.json, the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit.api.documents import cell, loading_code, needed_library, new_record
from kerasnlp_kit.api.text_preparation import TextData, TextTokens
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.data.plain_text import PARAGRAPH
from kerasnlp_kit.evaluation.language import LanguageScores
from kerasnlp_kit.evaluation.terminal import fit
from kerasnlp_kit.registry import ModelSpec


def how_to_load_text_model(saved_model: Path, library: str | None, call: str) -> str:
    """A few lines of Python, for whoever serves the model; ``call`` asks ``model`` for a text."""
    return loading_code(saved_model, library, f'{call}["text"]')


def text_plan(data: TextData, tokens: TextTokens, longer: str, model: str, parameters: int, device: str) -> list[str]:
    """What is about to be learnt: rows, columns, tokens, lengths and what becomes of longer texts, model, device."""
    test = f", test {len(data.test):,}" if data.test else ""
    lengths, columns = tokens.train.lengths, data.train.columns.text
    packed = ", joined to one" if tokens.packed else ""
    cut = f"; {tokens.cut:,} longer texts are {longer}" if tokens.cut and not tokens.packed else ""
    return [
        f"rows       train {len(data.train):,}, dev {len(data.dev):,}{test}",
        *([] if columns == (PARAGRAPH,) else [f"column     {fit(' + '.join(columns))}"]),
        f"tokens     {tokens.reason}; {len(tokens.train.values):,} in training",
        f"vocabulary {tokens.sizes.vocabulary:,} ids; {tokens.unknown:.1%} of the tokens of dev texts are unknown",
        f"lengths    median {int(np.median(lengths))}, 95% up to {int(np.percentile(lengths, 95))} tokens{packed}; "
        f"{tokens.sizes.context} in sight{cut}",
        f"model      {model}, {parameters:,} parameters",
        f"device     {device}",
    ]


def text_record(config: TextConfig, spec: ModelSpec, data: TextData) -> dict[str, Any]:
    """Content of run.json; see `new_record`."""
    columns = {"text": list(data.train.columns.text), "label": data.train.columns.label}
    return new_record(config, spec, data.files(), columns)


def text_card(
    name: str,
    run: Mapping[str, Any],
    scores: Mapping[str, LanguageScores],
    facts: Mapping[str, str],
    load: str,
    does: str,
    signatures: str,
) -> str:
    """MODEL_CARD.md (Mitchell et al. 2019, "Model Cards for Model Reporting"); no text of the data.

    Args:
        name: of the model.
        run: content of run.json.
        scores: of each part.
        facts: of the model and its training.
        load: Python that loads the model.
        does: what it does, without a full stop.
        signatures: of the SavedModel, as a list.
    """
    (part,), train = run["parts"], run["data"]["train"]
    rows = "\n".join(f"| {key} | {cell(value)} |" for key, value in facts.items())
    return f"""# {cell(name)}

{does}. Made with kerasnlp_kit {run["versions"]["kerasnlp_kit"]}.

## Use

`saved_model/` needs {needed_library(part["library"])}. Signatures:

{signatures}

```python
{load}
```

## The model

| | |
| --- | --- |
{rows}
| trained on | {cell(train["source"])}, {train["rows"]:,} texts |
| tokens in sight | {part["sizes"]["context"]} |

## Evaluation

{_scores(scores)}

The perplexities are of the exported SavedModel itself. It expects texts like those it was trained on; what it writes is
made up, and may be wrong, unfair, or a text of the training data.
"""


def _scores(scores: Mapping[str, LanguageScores]) -> str:
    lines = ["| data | texts | perplexity | 95% interval | token perplexity | bits a character |", "| --- " * 6 + "|"]
    for data, one in scores.items():
        metrics = one.metrics
        bounds = f"{metrics.interval[0]:.2f} to {metrics.interval[1]:.2f}" if metrics.interval else ""
        perplexity = f"{metrics.qualifier}{metrics.perplexity:.2f} ({metrics.unit}s)"
        lines.append(
            f"| {cell(data)} | {metrics.n:,} | {perplexity} | {bounds} | {metrics.token_perplexity:.2f} | "
            f"{metrics.bits_per_character:.3f} |"
        )
    for one in scores.values():
        lines += [
            "",
            *(f"{cell(sentence[:1].upper() + sentence[1:])}." for sentence in one.lines()[: len(one.comparisons)]),
        ]
    return "\n".join(lines)
