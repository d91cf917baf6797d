"""What the benchmarks share: run train.py in a process of its own, read what it reached, write results down."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.csv

from kerasnlp_kit.data import read_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
SHARED = ROOT.parent / "shared"  # data sets and scripts of the peers, beside the checkout


@dataclass(frozen=True)
class Run:
    """One finished run of train.py."""

    folder: Path
    wall: float
    """Seconds of the whole process, from start to exit."""
    run: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def test_accuracy(self) -> float:
        """Of the SavedModel, on the last file given: the test file."""
        return list(self.metrics.values())[-1]["accuracy"]

    @property
    def dev_accuracy(self) -> float:
        """Of the SavedModel, on the file that choices were made on."""
        return next(iter(self.metrics.values()))["accuracy"]

    @property
    def examples_per_second(self) -> float:
        """Training rows seen in a second, validation and checkpoints included."""
        training = self.run["parts"][0]["training"]
        return self.run["data"]["train"]["rows"] * len(training["history"]["loss"]) / training["seconds"]


def train(data: str, flags: list[str], models: Path, rows: int | None = None) -> Run:
    """Runs train.py on one of the shared data sets, or its first rows, with its dev and test files."""
    folder = SHARED / "data" / data
    name = f"run{len(list(models.glob('run*')))}"
    file = folder / "train.csv"
    if rows:
        first, file = read_table(file).data.slice(0, rows), models / f"{data}.csv"
        pyarrow.csv.write_csv(first, file)
    command = [sys.executable, str(ROOT / "train.py"), str(file), "--dev", str(folder / "dev.csv")]
    command += ["--test", str(folder / "test.csv"), "--models", str(models), "--name", name, *flags]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    made = models / name
    return Run(made, wall, json.loads((made / "run.json").read_text()), json.loads((made / "metrics.json").read_text()))


def evaluate(run: Run, data: str, flags: list[str]) -> dict[str, Any]:
    """What evaluate.py says, in JSON, of a model and the test file of one of the shared data sets."""
    command = [sys.executable, str(ROOT / "evaluate.py"), str(run.folder), str(SHARED / "data" / data / "test.csv")]
    return json.loads(subprocess.run([*command, "--json", *flags], capture_output=True, check=True, cwd=ROOT).stdout)


def texts(data: str, part: str) -> list[str]:
    """Texts of one file of a shared data set, such as "test"."""
    return read_table(SHARED / "data" / data / f"{part}.csv", ["text"]).data["text"].to_pylist()


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for models that goes when the benchmark ends."""
    return tempfile.TemporaryDirectory(prefix="kerasnlp_kit-benchmark-")


def machine() -> str:
    """One line about where the figures come from."""
    day = time.strftime("%Y-%m-%d")
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {day}"


def write_result(name: str, title: str, lines: list[str]) -> None:
    """Prints a result and writes it to results/NAME.md."""
    text = "\n".join([f"# {title}", "", machine(), "", *lines, ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)
