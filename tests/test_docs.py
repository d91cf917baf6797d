"""The documentation against the code: what is marked sh or python is run, what is named exists."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import re
import runpy
import shlex
import statistics
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.cli import augment, doctor, evaluate, generate, predict
from kerasnlp_kit.config import option_names
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.options import parse_run

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = ("architecture", "classification", "data", "language_models", "text_to_text", "training")
RUN = ("README.md", "CONTRIBUTING.md", *(f"docs/{page}.md" for page in PAGES))
DOCUMENTS = (*RUN, "docs/serving.md", "CHANGELOG.md", "models/README.md", "data/README.md", "benchmarks/README.md")
MODELS = {
    "README.md": {"support_tickets", "reviews", "train", "hotels", "iso_dates", "teller"},
    "docs/classification.md": {"linear", "careful", "tags", "columns"},
    "docs/data.md": {"quick"},
    "docs/language_models.md": {"stories", "neural", "captions"},
    "docs/text_to_text.md": {"dates", "pairs"},
    "docs/training.md": {"from_file", "again", "topics"},
}
# Flags of other programs.
FOREIGN = {"--check", "--keep", "--help", "--version", "--traceback"}
# Less than the defaults, for each model that learns texts or pairs.
SMALL = {
    "causal_lm": "--epochs 1 --samples 20 --layers 1 --d-model 32",
    "feedforward_lm": "--epochs 1 --samples 20",
    "text_vae": "--epochs 1 --samples 20 --units 16",
    "transformer_seq2seq": "--epochs 2 --no-xla --layers 1 --d-model 32",
}
MINUTES = "--minutes 0.1"  # without a model, training takes all that it is given


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text_of(name), flags=re.MULTILINE | re.DOTALL)


def write_csv(path: Path, header: tuple[str, ...], rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder that looks like the checkout to the commands of a document, with small data."""
    place = tmp_path
    for name in ("train.py", "evaluate.py", "tests", "setup.cfg"):
        (place / name).symlink_to(CHECKOUT / name)
    (place / ".venv").symlink_to(sys.prefix)
    (place / "data").mkdir()
    (place / "models").mkdir()
    samples = {}
    for name in ("support_tickets.csv", "hotel_reviews_zh.csv", "dates.csv"):
        with (CHECKOUT / "data" / name).open(encoding="utf-8", newline="") as file:
            header, *samples[name] = itertools.islice(csv.reader(file), 201)
        write_csv(place / "data" / name, tuple(header), samples[name])
    tickets, dates = samples["support_tickets.csv"], samples["dates.csv"]
    for name, part in (("pairs", dates[:150]), ("pairs_test", dates[150:])):
        write_csv(place / f"{name}.csv", ("source", "target"), part)
    write_csv(place / "new_pairs.csv", ("source",), ((source,) for source, _ in dates[:5]))
    write_csv(place / "reviews.csv", ("text", "label"), tickets[:120])
    for name, part in (("train", tickets[:120]), ("dev", tickets[120:150]), ("test", tickets[150:])):
        write_csv(place / f"{name}.csv", ("id", "body", "topic"), ((str(i), *row) for i, row in enumerate(part)))
    tagged = ((text, f"{label}|new" if number % 3 else label) for number, (text, label) in enumerate(tickets[:120]))
    write_csv(place / "tagged.csv", ("text", "labels"), tagged)
    marked = ((text, int("refund" in label), int("deliv" in label)) for text, label in tickets[:120])
    write_csv(place / "columns.csv", ("text", "refund", "delivery"), marked)
    (place / "stories.txt").write_text("\n".join(text for text, _ in tickets[:100]) + "\n", encoding="utf-8")
    (place / "more.txt").write_text("\n".join(text for text, _ in tickets[100:120]) + "\n", encoding="utf-8")
    write_csv(place / "captions.csv", ("text", "kind"), tickets[:80])
    write_csv(place / "unrelated.csv", ("text",), (("will it rain in Vienna tomorrow",), ("play some jazz",)))
    write_csv(place / "new.csv", ("id", "text"), ((str(i), text) for i, (text, _) in enumerate(tickets[:5])))
    return place


def steps(language: str, content: str) -> Iterator[str]:
    """A block of Python; the commands of a block of shell, training and exporting in less time than they take."""
    if language == "python":
        yield content
        return
    for line in filter(None, content.splitlines()):
        quick = re.sub(r"--minutes [\d.]+", MINUTES, line)
        small = re.sub(r"^python train\.py data/dates\.csv.*$", r"\g<0> --epochs 2 --no-xla --units 32", quick)
        model = re.search(r"^python train\.py .*--model (\w+)", small)
        if model and model[1] in SMALL:
            small = f"{small} {SMALL[model[1]]}"
        yield re.sub(rf"^python train\.py (?!.*({MINUTES}|--model|--config|--from)).*$", rf"\g<0> {MINUTES}", small)


def run(place: Path, language: str, content: str) -> None:
    """As a reader does, in a process of its own."""
    command = ["bash", "-euo", "pipefail", "-c", content] if language == "sh" else [sys.executable, "-c", content]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, f"{content}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def program_of(language: str, step: str) -> str:
    """What runs a step: "python", a script, "-m", or "sh" for what only a shell understands."""
    if language == "python":
        return language
    words = shlex.split(step)
    alone = not re.search(r"[|<>&;$*]", re.sub(r'"[^"]*"', "", step))
    return words[1] if alone and words[0] == "python" else "sh"


def run_here(place: Path, program: str, step: str) -> None:
    """In this process, which has TensorFlow already."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they end no program outside of tests
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        patch.chdir(place)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            if program == "python":
                exec(compile(step, "block", "exec"), {"__name__": "__main__"})
                return
            _, script, *arguments = shlex.split(step)
            module, arguments = (arguments[0], arguments[1:]) if script == "-m" else (None, arguments)
            patch.setattr("sys.argv", [script, *arguments])
            try:
                runpy.run_module(module, run_name="__main__") if module else runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                assert not end.code, f"{step}\n{said.getvalue()[-4000:]}"


@pytest.fixture(scope="module")
def started() -> set[tuple[str, bool]]:
    """Programs that ran in a process of their own once, and once with language models: subwords need a library."""
    return set()


@pytest.mark.parametrize("name", RUN)
def test_every_command_of_a_document_runs_as_it_stands(place, name, started, proven_here):
    assert blocks(name), "a document that shows no command needs no run"
    for language, content in blocks(name):
        if language == "yaml":
            (place / "options.yaml").write_text(content)
        for step in steps(language, content) if language in ("sh", "python") else ():
            program = program_of(language, step)
            start = (program, name == "docs/language_models.md")
            if start in started and name != "docs/architecture.md":  # which adds a model to the registry
                run_here(place, program, step)
            else:
                run(place, language, step)
                started.update({start} if program != "sh" else ())
    assert {path.name for path in (place / "models").iterdir()} == MODELS.get(name, set())
    if name == "docs/text_to_text.md":
        assert (place / "written.csv").read_text().splitlines()[0] == "source,predicted_target,score"
    if name in ("README.md", "docs/classification.md", "docs/data.md"):
        assert (place / "labelled.csv").read_text().splitlines()[0] == "id,text,predicted_label,probability"
    if name == "docs/classification.md":
        assert (place / "report.html").exists() and (place / "rows.csv").exists()
        assert (place / "findings" / "findings.json").exists()
    if name == "docs/data.md":
        assert len((place / "labelled.jsonl").read_text().splitlines()) == 5


def all_flags() -> set[str]:
    names = {name for spec in registry.available() for name in option_names(spec.task, spec.architecture)}
    names |= {
        field.name
        for options in (augment.Options, doctor.Options, evaluate.Options, generate.Options, predict.Options)
        for field in dataclasses.fields(options)
    }
    return {flag_of(name) for name in names | {"task", "config", "resume"}}


@pytest.mark.parametrize("name", [*DOCUMENTS, "docs/options.md"])
def test_every_flag_that_is_named_exists(name):
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text_of(name))) - FOREIGN
    known = all_flags()
    unknown = {flag for flag in named if flag not in known and flag.replace("--no-", "--", 1) not in known}
    assert not unknown - {"--no-"}


def test_options_md_is_what_the_dataclasses_say():
    script = CHECKOUT / "docs" / "make_options.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stderr}Run: python docs/make_options.py"


def test_every_option_is_in_options_md():
    listed = set(re.findall(r"^\| `(--[\w-]+)", text_of("docs/options.md"), flags=re.MULTILINE))
    positional = {flag_of(name) for name in ("train", "data", "files", "prompt")}
    # --model is an option of train, and a positional argument of the other commands.
    assert all_flags() - positional <= listed


@pytest.mark.parametrize("name", [*DOCUMENTS, "examples/c/README.md", "examples/python/README.md"])
def test_every_link_into_the_checkout_leads_somewhere(name):
    for target in re.findall(r"\]\(([\w./-]+)\)", text_of(name)):
        assert ((CHECKOUT / name).parent / target).exists(), target


def test_every_model_is_in_the_readme():
    for spec in registry.available():
        assert f"| `{spec.name}`" in text_of("README.md")


def makefile() -> dict[str, list[str]]:
    """Targets and the lines of their recipes."""
    targets: dict[str, list[str]] = {}
    for line in text_of("Makefile").splitlines():
        if found := re.match(r"([\w./-]+):(?!=)", line):
            recipe = targets.setdefault(found[1], [])
        elif line.startswith("\t"):
            recipe.append(line.strip())
    return targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_make_target_that_is_named_exists(name):
    for target in re.findall(r"make (\w+)(?= {3,}#|$|`)", text_of(name), flags=re.MULTILINE):
        assert target in makefile()


def test_the_demo_trains_and_then_evaluates_what_it_trained():
    commands = [shlex.split(line.removeprefix("@")) for line in makefile()["demo"]]
    scripts = {words[1]: words[2:] for words in commands if len(words) > 1}
    assert list(scripts) == ["train.py", "evaluate.py"]
    config, _ = parse_run(scripts["train.py"])
    assert (CHECKOUT / config.train).exists()
    assert scripts["evaluate.py"][0] == f"{config.output.models}/{config.output.name}"
    assert config.output.overwrite, "the demo may be run twice"


def test_ci_runs_what_the_readme_says():
    assert {"make lint", "make test"} <= set((CHECKOUT / ".ci" / "run").read_text().splitlines())


def test_the_figures_of_the_default_are_those_of_its_benchmark():
    found = json.loads(text_of("benchmarks/results/classification.json"))
    table = text_of("README.md").partition("| data set | default |")[2].partition("\n\n")[0]
    for name, entry in found.items():
        runs = list(entry["auto"].values())
        accuracy, error, seconds = (
            statistics.fmean(run[key] for run in runs) for key in ("test", "calibration_error", "seconds")
        )
        (row,) = re.findall(rf"^\| {name}\b[^|]*\|(.*)\|$", table, flags=re.MULTILINE)
        cells = [cell.strip(" *") for cell in row.split("|")]
        best = max(entry["classics"].values())
        assert cells == [f"{100 * accuracy:.1f}", f"{100 * best:.1f}", f"{100 * error:.1f}%", f"{seconds:.0f} s"], name
