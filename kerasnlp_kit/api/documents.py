"""What a run says and writes about itself: the plan, run.json, the model card."""

import html
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import kerasnlp_kit
from kerasnlp_kit.api.preparation import Part, Prepared
from kerasnlp_kit.config import RunConfig
from kerasnlp_kit.data.source import shown_name
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics
from kerasnlp_kit.evaluation.terminal import fit, printable
from kerasnlp_kit.export.folder import FORMAT
from kerasnlp_kit.registry import ModelSpec

PACKAGES = ("tensorflow", "keras", "numpy", "jax", "torch")
SHOWN_CLASSES = 12
_LABEL_COLUMNS = 30  # of the terminal
_MARKDOWN = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*[]|"}
_SOURCES = ("train", "dev", "test")  # options that may be addresses


def how_to_load(saved_model: Path) -> str:
    """Three lines of Python, for whoever serves the model."""
    path = saved_model.as_posix()
    return (
        "import tensorflow as tf\n"
        f"model = tf.saved_model.load({json.dumps(path, ensure_ascii=not path.isprintable())})\n"
        'print(model.signatures["serving_default"](text=tf.constant(["your text"]))["label"].numpy()[0].decode())'
    )


def closing_lines(data: str, saved_model: Path, report: str | Path) -> list[str]:
    """Where everything is, for the end of a command's output."""
    return [
        f"data        {data}",
        f"SavedModel  {saved_model}",
        f"report      {report}",
        "",
        "Load it anywhere:",
        "",
        how_to_load(saved_model),
    ]


def plan_lines(prepared: Prepared, spec: ModelSpec, parameters: int, device: str, widths: tuple[int, ...]) -> list[str]:
    """What is about to happen: rows, classes, token lengths, model, parameters, device."""
    lengths = prepared.train.ids.lengths
    counts = sorted(prepared.class_counts().items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{fit(name, _LABEL_COLUMNS)} {count:,}" for name, count in counts[:SHOWN_CLASSES])
    more = f", ... and {len(counts) - SHOWN_CLASSES} more down to {counts[-1][1]:,}" if counts[SHOWN_CLASSES:] else ""
    test = f", test {len(prepared.test.labels):,}" if prepared.test else ""
    columns = prepared.train.examples.columns
    middle, high = np.percentile(lengths, [50, 95]).astype(int) if len(lengths) else (0, 0)
    cut = f"; {prepared.cut:,} texts are cut there" if prepared.cut else ""
    return [
        f"rows       train {len(prepared.train.labels):,}, dev {len(prepared.dev.labels):,}{test}",
        f"columns    text: {' + '.join(map(fit, columns.text))}; label: {fit(str(columns.label))}",
        f"classes    {len(counts)}: {shown}{more}",
        f"tokens     median {middle}, 95% up to {high}, longest {int(lengths.max(initial=0)):,}; "
        f"the model reads {prepared.sizes.max_length}{cut}",
        f"vocabulary {prepared.sizes.vocabulary:,} ids; {prepared.unknown:.1%} of the dev tokens are unknown",
        f"model      {spec.name}, {parameters:,} parameters; batches {', '.join(map(str, widths))} tokens wide",
        f"device     {device}",
    ]


def run_record(
    config: RunConfig,
    spec: ModelSpec,
    architecture: Mapping[str, Any],
    prepared: Prepared,
    ancestors: list[dict[str, Any]],
) -> dict[str, Any]:
    """Content of run.json: options, sizes, packages, data; no text of the data."""
    return {
        "format": FORMAT,
        "model": spec.name,
        "task": spec.task,
        "options": {
            name: shown_name(value) if value and name in _SOURCES else value for name, value in config.flat().items()
        },
        "architecture": dict(architecture),
        "sizes": {
            "vocabulary": prepared.sizes.vocabulary,
            "classes": prepared.sizes.classes,
            "max_length": prepared.sizes.max_length,
        },
        "seed": config.training.seed,
        "data": {
            "train": _describe(prepared.train),
            "dev": _describe(prepared.dev),
            "test": _describe(prepared.test) if prepared.test else None,
            "columns": {
                "text": list(prepared.train.examples.columns.text),
                "label": prepared.train.examples.columns.label,
            },
            "text_separator": config.data.text_separator,
            "classes": prepared.class_counts(),
        },
        "ancestry": ancestors,
        "versions": {"kerasnlp_kit": kerasnlp_kit.__version__, "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "git": _git_commit(),
        "finished": None,
    }


def model_card(
    name: str, run: Mapping[str, Any], scores: Mapping[str, ClassificationMetrics], facts: Mapping[str, str], load: str
) -> str:
    """MODEL_CARD.md (Mitchell et al. 2019, "Model Cards for Model Reporting"); no text of the data."""
    classes, train = run["data"]["classes"], run["data"]["train"]
    results = "\n".join(
        f"| {_cell(data)} | {score.n:,} | {score.accuracy:.4f} | {score.accuracy_interval[0]:.4f} to "
        f"{score.accuracy_interval[1]:.4f} | {score.macro_f1:.4f} | {score.calibration_error:.4f} | "
        f"{score.majority_accuracy:.4f} |"
        for data, score in scores.items()
    )
    rows = "\n".join(f"| {key} | {_cell(value)} |" for key, value in facts.items())
    counts = "\n".join(f"| {_cell(label)} | {count:,} |" for label, count in classes.items())
    ancestors = "\n".join(f"- {_cell(entry['model'])} ({entry['manifest']})" for entry in run["ancestry"])
    return f"""# {_cell(name)}

A text classifier: one of {len(classes)} labels for a text. Made with kerasnlp_kit {run["versions"]["kerasnlp_kit"]}.

## Use

`saved_model/` needs TensorFlow's core operations only. Signature `serving_default`: `text` string [n] to `label`
string [n], `probability` float [n], `labels` string [n, {len(classes)}], `probabilities` float [n, {len(classes)}].
Signature `ids`: token ids int32 [n, t], padded with 0 on the right, to `logits` and `probabilities`; it holds no string
operation.

```python
{load}
```

## Results

Of the SavedModel itself, which a fresh process loaded without this package.

| data | rows | accuracy | 95% interval | macro F1 | calibration error | majority baseline |
| --- | --- | --- | --- | --- | --- | --- |
{results}

## Model

| | |
| --- | --- |
{rows}

{"Fine-tuned from:" + chr(10) + chr(10) + ancestors + chr(10) if ancestors else ""}
## Training data

{train["rows"]:,} rows of {_cell(train["source"])} ({train["fingerprint"]}).

| label | rows |
| --- | --- |
{counts}

## Limits

The model knows the labels above and gives one of them to every text, also to texts that belong to none. It reads the
first {run["sizes"]["max_length"]} tokens of a text. Its errors, by class, are in `report.html` and `metrics.json`.
"""


def _describe(part: Part) -> dict[str, Any]:
    examples = part.examples
    return {
        "source": examples.source,
        "fingerprint": examples.fingerprint,
        "rows": len(part.labels),
        "description": examples.description,
    }


def _versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _git_commit() -> str | None:
    """Commit of the folder in which the program was started, if it is under git."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cell(text: str) -> str:
    """Text that Markdown and HTML show as it is, in one line."""
    return html.escape(printable(text)).translate(_MARKDOWN)
