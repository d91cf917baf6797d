"""What tests of several rooms share: commands, run here or as a person would; small data; a model trained on it."""

import contextlib
import csv
import fcntl
import gc
import io
import itertools
import os
import random
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kerasnlp_kit.cli.main import collect_rarely, main
from kerasnlp_kit.export import verify
from kerasnlp_kit.options import to_arguments

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLE = CHECKOUT / "data" / "support_tickets.csv"
DATES = CHECKOUT / "data" / "dates.csv"
# Also of the processes that tests start: compiling is what takes the time there, not what is compiled.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
collect_rarely()  # as the commands do, when they begin


@pytest.fixture
def collect():
    """Collects the garbage of this test alone: that of earlier ones, TensorFlow's graphs, would take a minute."""
    gc.freeze()
    yield gc.collect
    gc.unfreeze()


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Makes a folder once for all workers: ``once(name, make)`` calls ``make(folder)`` in the first that asks."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared / f"once-{name}"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def tickets(tmp_path_factory) -> Path:
    """Some hundred rows of the sample of tickets: columns text and label, 12 labels."""
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    with SAMPLE.open(encoding="utf-8", newline="") as source, path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(itertools.islice(csv.reader(source), 361))
    return path


@pytest.fixture(scope="session")
def trained(tickets, once, run_in) -> Path:
    """The finished folder of a small model for the tickets, far from perfect; not to be changed."""
    small = {"embedding-dim": 8, "filters": 8, "kernels": 1, "vocabulary": 400, "epochs": 4, "learning-rate": 0.01}
    options = ["--model=cnn_classifier", *(f"--{name}={value}" for name, value in small.items())]

    def make(folder: Path) -> None:
        ran = run_in(folder, "train", tickets, *options)
        assert ran.code == 0, ran.out + ran.err

    return once("trained", make) / "models" / "tickets"


def small_writer(model="transformer_seq2seq", **further) -> list[str]:
    """Flags of a small model that writes; what is named here wins."""
    options = {"model": model, "learning_rate": 0.02, "batch_tokens": 512, "xla": False, "dropout": 0.0}
    if model == "transformer_seq2seq":
        options |= {"layers": 1, "d_model": 16, "heads": 2, "feed_forward": 32, "attention_dropout": 0.0}
    else:  # half the time to trace
        options |= {"units": 8, "embedding_dim": 8, "bidirectional": False, "input_feeding": False}
    return to_arguments(options | further)


@pytest.fixture(scope="session")
def dates(tmp_path_factory) -> Path:
    """The first 150 rows of the sample of dates: columns source and target, short texts."""
    path = tmp_path_factory.mktemp("data") / "dates.csv"
    with DATES.open(encoding="utf-8") as file:
        path.write_text("".join(itertools.islice(file, 151)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_writer(dates, once, run_in) -> Path:
    """The finished folder of a small model that writes dates by characters, far from perfect; not to be changed.

    What the run said is in output.txt beside models/.
    """
    # With all that a run which is broken off and resumed must put back.
    options = small_writer(epochs=8, patience=8, batch_tokens=256, accumulate=2, dropout=0.05, xla=True, beam=2)

    def make(folder: Path) -> None:
        ran = run_in(folder, "train", dates, *options)
        assert ran.code == 0, ran.out + ran.err
        (folder / "output.txt").write_text(ran.out, encoding="utf-8")

    return once("trained_writer", make) / "models" / "dates"


@pytest.fixture
def without_export(monkeypatch):
    """Nothing is exported and proven where a model writes, which takes most of the time: the training is tested."""

    def export(folder, version):
        saved_model = folder.path / "saved_model" / str(version)
        saved_model.mkdir(parents=True)
        (saved_model / "saved_model.pb").write_text(f"version {version}")
        return saved_model

    def prove(prover, saved_model, sources, memory, **_):
        return [source.decode("utf-8", "replace")[:9] for source in sources], np.full(len(sources), -1, "float32")

    picture = (["a"], ["b"], np.ones((1, 1), "float32"))
    monkeypatch.setattr("kerasnlp_kit.export.saved_model.export_saved_model", export)
    monkeypatch.setattr("kerasnlp_kit.export.verify_seq2seq.prove_seq2seq", prove)
    monkeypatch.setattr("kerasnlp_kit.api.memory_writer.MemoryWriter.attention", lambda *_: picture)


@pytest.fixture(scope="session")
def sentences(tmp_path_factory) -> Path:
    """Sentences of a few words and the same with the words the other way round: columns source and target."""
    path = tmp_path_factory.mktemp("data") / "sentences.csv"
    source = random.Random(0)
    kinds = (["the", "a", "every"], ["small", "old", "green"], ["dog", "house", "teacher"], ["sees", "likes", "finds"])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "target"])
        for _ in range(80):
            words = [source.choice(kind) for kind in (*kinds, *kinds[:3])]
            writer.writerow([" ".join(words), " ".join(words[::-1])])
    return path


@pytest.fixture(scope="session")
def trained_subword_writer(sentences, once, run_in) -> Path:
    """Likewise, of a model whose tokens are subwords, with one vocabulary for both sides."""

    def make(folder: Path) -> None:
        further = {"epochs": 3, "vocabulary": 60, "subword_sampling": 0.3, "coverage_penalty": 0.3}
        ran = run_in(folder, "train", sentences, *small_writer("lstm_seq2seq", **further))
        assert ran.code == 0, ran.out + ran.err

    return once("trained_subword_writer", make) / "models" / "sentences"


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

    def _start(self) -> None:
        self._probe = runpy.run_path(str(Path(verify.__file__).with_name("probe.py")))

    def _send(self, *paths: Path) -> None:
        self._paths = paths

    def _wait(self) -> None:
        self._probe["main"](*map(str, self._paths))


@pytest.fixture(scope="session")
def prover_here() -> type[verify.Prover]:
    """See `ProverHere`."""
    return ProverHere


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
