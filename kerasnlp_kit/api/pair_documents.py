"""What the training of a model that writes says and writes about itself: the plan, run.json, the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit.api.documents import cell, loading_code, needed_library, new_record
from kerasnlp_kit.api.pair_preparation import PairData, PairTokens
from kerasnlp_kit.config import PairConfig
from kerasnlp_kit.evaluation.generation import GenerationMetrics
from kerasnlp_kit.evaluation.terminal import fit
from kerasnlp_kit.registry import ModelSpec


def how_to_load_writer(saved_model: Path, library: str | None) -> str:
    """Three lines of Python, for whoever serves the model; four if the tokens are subwords."""
    answer = 'model.signatures["serving_default"](source=tf.constant(["your text"]))["target"]'
    return loading_code(saved_model, library, answer)


def pair_plan(data: PairData, tokens: PairTokens, model: str, parameters: int, device: str) -> list[str]:
    """What is about to be learnt: rows, columns, tokens, lengths, model, device."""
    test = f", test {len(data.test):,}" if data.test else ""
    columns, sizes = data.train.columns, tokens.sizes
    lengths = [
        f"{side} median {int(np.median(ids.lengths))}, 95% up to {int(np.percentile(ids.lengths, 95))}"
        for side, ids in zip(("source", "target"), tokens.train, strict=True)
    ]
    cut = f"; {tokens.cut:,} sources are cut there" if tokens.cut else ""
    left = f"; {tokens.left_out:,} rows with longer targets are left out" if tokens.left_out else ""
    ids = (
        f"{sizes.source_vocabulary:,} ids"
        if sizes.joint
        else (f"source {sizes.source_vocabulary:,} ids, target {sizes.target_vocabulary:,} ids")
    )
    return [
        f"rows       train {len(data.train):,}, dev {len(data.dev):,}{test}",
        f"columns    source: {fit(columns.source)}; target: {fit(columns.target or '')}",
        f"tokens     {tokens.reasons}",
        f"vocabulary {ids}; {tokens.unknown:.1%} of the tokens of dev targets are unknown",
        f"lengths    {', '.join(lengths)}; the model reads {tokens.max_source}{cut}{left}",
        f"model      {model}, {parameters:,} parameters",
        f"device     {device}",
    ]


def pair_record(config: PairConfig, spec: ModelSpec, data: PairData) -> dict[str, Any]:
    """Content of run.json; see `new_record`."""
    columns = {"source": data.train.columns.source, "target": data.train.columns.target}
    return new_record(config, spec, data.files(), columns)


def writer_card(
    name: str, run: Mapping[str, Any], metrics: Mapping[str, GenerationMetrics], facts: Mapping[str, str], load: str
) -> str:
    """MODEL_CARD.md (Mitchell et al. 2019, "Model Cards for Model Reporting"); no text of the data."""
    (part,), train = run["parts"], run["data"]["train"]
    rows = "\n".join(f"| {key} | {cell(value)} |" for key, value in facts.items())
    compiled = (
        "\n- `greedy_xla`: as `serving_default`, and `beam_xla`: `source`, `length_penalty` float [], as `beam` with "
        f"{part['beam']} outputs; faster, where the loader can compile with XLA"
        if part["xla"]
        else ""
    )
    return f"""# {cell(name)}

Writes a text for a text. Made with kerasnlp_kit {run["versions"]["kerasnlp_kit"]}.

## Use

`saved_model/` needs {needed_library(part["library"])}. Signatures:

- `serving_default`: `source` string [n] to `target` string [n], `score` float [n], its log-probability
- `beam`: `source`, `beam_size` int32 [], `length_penalty` float [] to `targets` string [n, beams], `scores`
- `sample`: `source`, `seed` int32 [], `temperature` float [], `top_k` int32 [], `top_p` float [] to `target`, `score`
- `score`: `source`, `target` to `log_probability` float [n], `tokens` int32 [n]
- `prefix`: `source`, `prefix` string [n] to `target`, which begins with it, `score`
- `attention`: `source` to `target`, `source_tokens`, `target_tokens`, `weights` float [n, target, source tokens]
- `ids`: `ids` int32 [n, t], source tokens padded with 0 on the right, to `tokens` int32 [n, T], `score`; it holds no
  string operation{compiled}

```python
{load}
```

## Results

Of the SavedModel itself, which a fresh process loaded without this package; written greedily.

{_results(metrics)}

## Model

| | |
| --- | --- |
{rows}

## Training data

{train["rows"]:,} pairs of {cell(train["source"])} ({train["fingerprint"]}).

## Limits

The model reads the first {part["max_source"]} tokens of a text. It writes what is probable after its training pairs,
also for texts that are unlike them. Where it went wrong is in `report.html`.
"""


def _results(metrics: Mapping[str, GenerationMetrics]) -> str:
    lines = ["| data | rows | exact match | 95% interval | BLEU | chrF | error rate |", "| --- " * 7 + "|"]
    for data, one in metrics.items():
        low, high = one.exact_match_interval
        lines.append(
            f"| {cell(data)} | {one.n:,} | {one.exact_match:.4f} | {low:.4f} to {high:.4f} | {one.bleu:.1f} | "
            f"{one.chrf:.1f} | {one.error_rate:.4f} ({one.unit}s) |"
        )
    signatures = {f"BLEU {one.bleu_signature}, chrF {one.chrf_signature}" for one in metrics.values()}
    return "\n".join([*lines, "", f"sacreBLEU: {'; '.join(sorted(signatures))}"])
