"""What tests of several rooms share: commands, run here or as a person would; small data; a model trained on it."""

import contextlib
import csv
import io
import itertools
import os
import random
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from kerasnlp_kit.cli.main import main
from kerasnlp_kit.export import verify

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLE = CHECKOUT / "data" / "support_tickets.csv"
# Also of the processes that tests start: compiling is what takes the time there, not what is compiled.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.fixture(scope="session")
def tickets(tmp_path_factory) -> Path:
    """Some hundred rows of the sample of tickets: columns text and label, 12 labels."""
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    with SAMPLE.open(encoding="utf-8", newline="") as source, path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(itertools.islice(csv.reader(source), 361))
    return path


@pytest.fixture(scope="session")
def trained(tickets, tmp_path_factory, run_in) -> Path:
    """The finished folder of a small model for the tickets, far from perfect; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    small = {"embedding-dim": 8, "filters": 8, "kernels": 1, "vocabulary": 400, "epochs": 4, "learning-rate": 0.01}
    options = ["--model=cnn_classifier", *(f"--{name}={value}" for name, value in small.items())]
    ran = run_in(folder, "train", tickets, *options)
    assert ran.code == 0, ran.out + ran.err
    return folder / "models" / "tickets"


@pytest.fixture(scope="session")
def write_topics() -> Callable[..., Path]:
    """Writes a CSV of short texts of which one word, a number and the label's first letter, tells the label."""

    def write_topics(path: Path, rows: int, labels: tuple[str, ...] = ("food", "music", "sport")) -> Path:
        source = random.Random(0)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for number in range(rows):
                label = labels[number % len(labels)]
                words = [f"{label[0]}{number}" for number in range(4)]
                text = [source.choice(words), *source.choices([*words, "the", "a", "of"], k=source.randint(0, 8))]
                source.shuffle(text)
                writer.writerow([" ".join(text), label])
        return path

    return write_topics


class ProverHere(verify.Prover):
    """Asks the SavedModel in this process: what is tested is something else, and TensorFlow is imported already."""

    def __init__(self) -> None:
        self._probe = runpy.run_path(str(Path(verify.__file__).with_name("probe.py")))

    def __exit__(self, *_: object) -> None:
        self._probe = {}

    def _ask(self, saved_model: Path, questions: Path, answers: Path) -> None:
        self._probe["main"](str(saved_model), str(questions), str(answers))


@pytest.fixture(autouse=True)
def deterministic_only_in_training():
    """Training makes the operations of its process deterministic, which forbids XLA to the tests that come after it."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework.config import disable_op_determinism

        disable_op_determinism()


@pytest.fixture(scope="module")
def proven_here():
    """The export is proven in this process; runs in a process of their own have the real proof."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasnlp_kit.export.verify.Prover", ProverHere)
        yield


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def run_in():
    """Runs ``kerasnlp-kit ...`` within this process, in a folder: quick where TensorFlow is imported already."""

    def run_in(folder: Path, *arguments, stdin="") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as caught:
            patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # else standard error would be piped through a filter
            patch.setattr("kerasnlp_kit.export.verify.Prover", ProverHere)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            patch.chdir(folder)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([os.fspath(argument) for argument in arguments])
        return Ran(caught.value.code or 0, out.getvalue(), err.getvalue())

    return run_in


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, with nothing but an empty models/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.fixture
def command(here, run_in):
    """Likewise, in the folder of the test."""

    def command(*arguments, stdin="") -> Ran:
        return run_in(here, *arguments, stdin=stdin)

    return command


@pytest.fixture
def shell(here):
    """Runs a program of the checkout in a process of its own, such as ``shell("train.py", ...)``."""

    def shell(script, *arguments, stdin=None, text=True, python=()) -> Ran:
        program = [CHECKOUT / script] if str(script).endswith(".py") else ["-m", script]
        done = subprocess.run(
            [sys.executable, *python, *map(os.fspath, [*program, *arguments])],
            input=stdin,
            capture_output=True,
            encoding="utf-8" if text else None,
            timeout=300,
            cwd=here,
            env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return shell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers begin at the start and in the middle: each begins with half of the longest tests."""
    first, second = {"test_docs.py", "test_train.py", "test_auto.py"}, {"test_devices.py", "test_resume.py"}
    begin, middle = ([item for item in items if item.path.name in names] for names in (first, second))
    others = [item for item in items if item.path.name not in first | second]
    before = max(len(items) // 2 - len(begin), 0)
    items[:] = [*begin, *others[:before], *middle, *others[before:]]
