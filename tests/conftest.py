"""What tests of several rooms share: a small file of tickets and a model trained on it."""

import csv
import itertools
import random
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kerasnlp_kit.export import verify

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLE = CHECKOUT / "data" / "support_tickets.csv"


@pytest.fixture(scope="session")
def tickets(tmp_path_factory) -> Path:
    """Some hundred rows of the sample of tickets: columns text and label, 12 labels."""
    path = tmp_path_factory.mktemp("data") / "tickets.csv"
    with SAMPLE.open(encoding="utf-8", newline="") as source, path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(itertools.islice(csv.reader(source), 361))
    return path


@pytest.fixture(scope="session")
def trained(tickets, tmp_path_factory) -> Path:
    """The finished folder of a small model for the tickets, far from perfect; not to be changed."""
    models = tmp_path_factory.mktemp("models")
    small = {"embedding-dim": 8, "filters": 8, "kernels": 1, "vocabulary": 400, "epochs": 4, "learning-rate": 0.01}
    options = ["--model=cnn_classifier", *(f"--{name}={value}" for name, value in small.items())]
    # A process of its own: training sets seeds, determinism and the environment of its process.
    command = [sys.executable, CHECKOUT / "train.py", tickets, "--models", models, "--name", "tickets", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return models / "tickets"


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


@pytest.fixture(scope="session")
def prover_here() -> type[verify.Prover]:
    """In place of the process that proves the export; runs in a process of their own have the real one."""
    return ProverHere


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests go first, so that no worker ends with one of them while the others wait."""
    longest = ("test_docs.py", "test_devices.py", "test_resume.py", "test_train.py", "test_auto.py")
    items.sort(key=lambda item: longest.index(item.path.name) if item.path.name in longest else len(longest))
