"""What a run says and writes about itself: the plan, run.json, the model card."""

import html
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import kerasnlp_kit
from kerasnlp_kit.api.preparation import Prepared, Tokens
from kerasnlp_kit.config import BaseConfig, RunConfig
from kerasnlp_kit.constants import LINEAR, NETWORK
from kerasnlp_kit.data.source import shown_name
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics
from kerasnlp_kit.evaluation.multilabel import MultiLabelMetrics
from kerasnlp_kit.evaluation.terminal import fit, printable
from kerasnlp_kit.export.folder import FORMAT, longest_read
from kerasnlp_kit.registry import ModelSpec

if TYPE_CHECKING:
    from kerasnlp_kit.data.examples import Examples
    from kerasnlp_kit.data.pairs import Pairs
    from kerasnlp_kit.tasks.linear import LinearModel

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "jax", "torch")
SHOWN_CLASSES = 12
_LABEL_COLUMNS = 30  # of the terminal
_MARKDOWN = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*[]|"}


def how_to_load(saved_model: Path, multi_label: bool = False) -> str:
    """Three lines of Python, for whoever serves the model."""
    path = saved_model.as_posix()
    shown = json.dumps(path, ensure_ascii=not path.isprintable())
    answer = 'model.signatures["serving_default"](text=tf.constant(["your text"]))'
    wanted = f'{answer}["label"].numpy()[0].decode()'
    if multi_label:
        wanted = f"{{name: value.numpy() for name, value in {answer}.items()}}"
    return f"import tensorflow as tf\nmodel = tf.saved_model.load({shown})\nprint({wanted})"


def closing_lines(data: str, saved_model: Path, report: str | Path, load: str) -> list[str]:
    """Where everything is, and how to load it, for the end of a command's output."""
    return [
        f"data        {printable(data)}",
        f"SavedModel  {printable(str(saved_model))}",
        f"report      {printable(str(report))}",
        "",
        "Load it anywhere:",
        "",
        load,
    ]


def data_lines(prepared: Prepared) -> list[str]:
    """What is about to be learnt: rows, columns, classes with counts."""
    counts = sorted(prepared.class_counts().items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{fit(name, _LABEL_COLUMNS)} {count:,}" for name, count in counts[:SHOWN_CLASSES])
    more = f", ... and {len(counts) - SHOWN_CLASSES} more down to {counts[-1][1]:,}" if counts[SHOWN_CLASSES:] else ""
    test = f", test {len(prepared.test.labels):,}" if prepared.test else ""
    columns = prepared.train.examples.columns
    several = ", a row may have several" if prepared.multi_label else ""
    return [
        f"rows       train {len(prepared.train.labels):,}, dev {len(prepared.dev.labels):,}{test}",
        f"columns    text: {' + '.join(map(fit, columns.text))}; label: {' + '.join(map(fit, columns.labels))}",
        f"classes    {len(counts)}{several}: {shown}{more}",
    ]


def network_lines(tokens: Tokens, model: str, parameters: int, device: str) -> list[str]:
    """What is about to be trained: token lengths, vocabulary, model, device."""
    lengths = tokens.train.lengths
    middle, high = np.percentile(lengths, [50, 95]).astype(int) if len(lengths) else (0, 0)
    cut = f"; {tokens.cut:,} texts are cut there" if tokens.cut else ""
    return [
        f"tokens     median {middle}, 95% up to {high}, longest {int(lengths.max(initial=0)):,}; "
        f"the model reads {tokens.sizes.max_length}{cut}",
        f"vocabulary {tokens.sizes.vocabulary:,} ids; {tokens.unknown:.1%} of the dev tokens are unknown",
        f"model      {model}, {parameters:,} parameters; batches {', '.join(map(str, tokens.widths))} tokens wide",
        f"device     {device}",
    ]


def linear_line(name: str, model: "LinearModel", strength: float, left_out: int, seconds: float) -> str:
    """What was solved."""
    rules = model.features.rules
    size = f" ({left_out:,} more would make it too large)" if left_out else ""
    case = "" if rules.lower else ", case kept"
    return (
        f"{name}: {len(model.features.keys):,} n-grams{size} of up to {rules.words} words and {rules.characters[0]} to "
        f"{rules.characters[1]} characters{case}, C {strength:g}, solved in {seconds:.0f} s"
    )


def run_record(
    config: RunConfig,
    spec: ModelSpec,
    prepared: Prepared,
    ancestors: list[dict[str, Any]],
) -> dict[str, Any]:
    """Content of run.json; see `new_record`."""
    columns = prepared.train.examples.columns
    return new_record(
        config,
        spec,
        prepared.files(),
        {
            "text": list(columns.text),
            "label": columns.label,
            "indicators": list(columns.indicators),
            "multi_label": prepared.multi_label,
            "label_separator": columns.label_separator,
        },
        {"text_separator": config.data.text_separator, "classes": prepared.class_counts()},
        ancestors,
    )


def new_record(
    config: BaseConfig,
    spec: ModelSpec,
    parts: "Mapping[str, Examples | Pairs | None]",
    columns: Mapping[str, Any],
    further: Mapping[str, Any] | None = None,
    ancestors: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Content of run.json of a run that begins: options, sizes, packages, data; no text of the data.

    Args:
        config: all options.
        spec: of the model.
        parts: the files, by name.
        columns: what they are read from.
        further: what else is told of the data.
        ancestors: of the model that this one starts from.
    """
    described = {name: None if part is None else _describe(part) for name, part in parts.items()}
    options = _shown_options(config)
    return {
        "format": FORMAT,
        "model": spec.name,
        "task": spec.task,
        "options": options,
        "parts": [],
        "decision": {},
        "seed": options["seed"],
        "data": {**described, "columns": dict(columns), **(further or {})},
        "ancestry": list(ancestors),
        **_surroundings(),
        "finished": None,
    }


def _surroundings() -> dict[str, Any]:
    """Packages, machine and commit, for run.json."""
    return {
        "versions": {"kerasnlp_kit": kerasnlp_kit.__version__, "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "git": _git_commit(),
    }


def _shown_options(config: BaseConfig) -> dict[str, Any]:
    """All options, for run.json; addresses without what may be secret."""
    return config.flat() | {name: shown_name(source) for name, source in config.sources().items()}


def trained_on_dev(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the parts of run.json that were fitted once more, on training and dev rows."""
    return [part["name"] for part in parts if "refit_seconds" in part["training"]]


def model_card(
    name: str,
    run: Mapping[str, Any],
    scores: Mapping[str, ClassificationMetrics | MultiLabelMetrics],
    facts: Mapping[str, str],
    load: str,
) -> str:
    """MODEL_CARD.md (Mitchell et al. 2019, "Model Cards for Model Reporting"); no text of the data."""
    classes, train, decision = run["data"]["classes"], run["data"]["train"], run["decision"]
    rows = "\n".join(f"| {key} | {cell(value)} |" for key, value in facts.items())
    counts = "\n".join(f"| {cell(label)} | {count:,} |" for label, count in classes.items())
    ancestors = "\n".join(f"- {cell(entry['model'])} ({cell(entry['manifest'])})" for entry in run["ancestry"])
    longest = longest_read(run)
    reads = f" Its network reads the first {longest} tokens of a text." if longest else ""
    if decision["multi_label"]:
        what = f"any of {len(classes)} labels"
        answer = f"`selected` bool [n, {len(classes)}]"
        limit = "The model knows the labels above and no other."
    else:
        what = f"one of {len(classes)} labels"
        answer = "`label` string [n], `probability` float [n], `abstain` bool [n]"
        limit = (
            "The model knows the labels above and gives one of them to every text, also to texts that belong to none."
        )
        if decision["thresholds"]:
            limit += " Where `abstain` is true, a person should decide."
    inputs = [
        name for name, kind in (("ids", NETWORK), ("ngrams", LINEAR)) if any(p["kind"] == kind for p in run["parts"])
    ]
    on_all = (
        f"\nIn the end {' and '.join(trained_on_dev(run['parts']))} had the dev rows to learn from, too; the figures "
        "on these are of the model before that.\n"
        if decision.get("refit")
        else ""
    )
    and_dev = f"; in the end also the {run['data']['dev']['rows']:,} dev rows" if decision.get("refit") else ""
    if decision["multi_label"]:
        on_all += "\nOn dev rows, labels are selected by thresholds that the other dev rows gave.\n"
    return f"""# {cell(name)}

A text classifier: {what} for a text. Made with kerasnlp_kit {run["versions"]["kerasnlp_kit"]}.

## Use

`saved_model/` needs TensorFlow's core operations only. Signature `serving_default`: `text` string [n] to {answer},
`labels` string [n, {len(classes)}], `probabilities` float [n, {len(classes)}].
Signature `ids`: {" and ".join(f"`{name}`" for name in inputs)} int32 [n, t], numbers padded with 0 on the right, to
`logits` and `probabilities`; it holds no string operation.

```python
{load}
```

## Results

Of the SavedModel itself, which a fresh process loaded without this package.
{on_all}
{_results(scores)}

## Model

| | |
| --- | --- |
{rows}

{"Fine-tuned from:" + chr(10) + chr(10) + ancestors + chr(10) if ancestors else ""}
## Training data

{train["rows"]:,} rows of {cell(train["source"])} ({train["fingerprint"]}){and_dev}.

| label | rows |
| --- | --- |
{counts}

## Limits

{limit}{reads} Its errors, by class, are in `report.html` and `metrics.json`.
"""


def _results(scores: Mapping[str, ClassificationMetrics | MultiLabelMetrics]) -> str:
    lines = []
    for data, score in scores.items():
        if isinstance(score, MultiLabelMetrics):
            header = "| data | rows | micro F1 | 95% interval | macro F1 | exact match | calibration error |"
            cells = (score.micro_f1, score.micro_f1_interval, score.macro_f1, score.subset_accuracy)
            last = score.calibration_error
        else:
            header = "| data | rows | accuracy | 95% interval | macro F1 | calibration error | majority baseline |"
            cells = (score.accuracy, score.accuracy_interval, score.macro_f1, score.calibration_error)
            last = score.majority_accuracy
        first, (low, high), third, fourth = cells
        lines.append(
            f"| {cell(data)} | {score.n:,} | {first:.4f} | {low:.4f} to {high:.4f} | {third:.4f} | {fourth:.4f} | "
            f"{last:.4f} |"
        )
    return "\n".join([header, "| --- | --- | --- | --- | --- | --- | --- |", *lines])


def _describe(part: "Examples | Pairs") -> dict[str, Any]:
    return {
        "source": part.source,
        "fingerprint": part.fingerprint,
        "rows": len(part),
        "description": part.description,
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


def cell(text: str) -> str:
    """Text that Markdown and HTML show as it is, in one line."""
    return html.escape(printable(text)).translate(_MARKDOWN)


def loading_code(saved_model: Path, library: str | None, answer: str) -> str:
    """Python for whoever serves a model that writes; ``answer`` asks ``model`` for texts."""
    path = saved_model.as_posix()
    shown = json.dumps(path, ensure_ascii=not path.isprintable())
    imports = "import tensorflow as tf\n" + (f"import {library}\n" if library else "")
    return f"{imports}model = tf.saved_model.load({shown})\nprint({answer}.numpy()[0].decode())"


def needed_library(library: str | None) -> str:
    """What a loader needs, in words."""
    if library is None:
        return "TensorFlow's core operations only"
    return (
        f"the operations of {library} beside TensorFlow's own: `import {library}` in Python, and the library that this "
        "package ships elsewhere"
    )
