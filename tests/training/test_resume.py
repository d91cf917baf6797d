"""Kills train.py at several moments; what it finishes to in the end must be what it had been without."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasnlp_kit.export.folder import CHECKPOINTS, ModelFolder
from kerasnlp_kit.training import loop
from kerasnlp_kit.training.checkpoint import Progress, checkpoints, save_checkpoint

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
SMALL = {
    "embedding-dim": 4,
    "filters": 4,
    "kernels": 2,
    "dropout": 0.3,
    "embedding-dropout": 0.2,
    "word-dropout": 0.1,
    "batch-size": 4,
    "learning-rate": 0.01,
    "patience": 99,
    "checkpoint-seconds": 0.01,
}
OPTIONS = [f"--{name}={value}" for name, value in SMALL.items()]
CNN = ["--model", "cnn_classifier", *OPTIONS]


class Run:
    """A train.py in a process of its own."""

    def __init__(self, folder, *arguments):
        self.output = folder / "output.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_CPP")}
        with self.output.open("w") as file:
            command = [sys.executable, TRAIN, *arguments]
            self.process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=environment)

    def send(self, number, moment):
        """Sends a signal as soon as ``moment()`` is true, and waits for the end of the process."""
        deadline = time.monotonic() + 120
        while not moment():
            assert self.process.poll() is None and time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.002)
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(timeout=120)
        finally:
            self.process.kill()
            self.process.wait()


def arrays(folder):
    """All weights of all files."""
    found = {}
    for path in sorted((folder / "weights").iterdir()):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                found.update({f"{path.name}/{name}": file[name] for name in file.files})
            continue
        with h5py.File(path) as file:
            names: list[str] = []
            file.visit(names.append)  # what returns something ends the visit
            sets = {name: file[name] for name in names if isinstance(file[name], h5py.Dataset)}
            found.update({f"{path.name}/{name}": item[()] for name, item in sets.items()})
            assert sets
    return found


def beyond(unfinished, epoch, step, training="cnn_classifier"):
    """Whether a checkpoint was taken at or after this batch of this epoch."""

    def reached():
        found = checkpoints(unfinished / "checkpoints" / training)
        return bool(found) and found[-1].name >= f"{epoch:05d}-{step:09d}"

    return reached


def places(output):
    """Epoch and batch after which each training was resumed."""
    found = re.findall(r"Resuming after epoch (\d+), batch (\d+)", output)
    return [tuple(map(int, place)) for place in found]


def assert_same_models(one, other):
    for folder in (one, other):
        ModelFolder(folder).verify()
    expected, found = arrays(one), arrays(other)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (one, other)]
    assert files[0] == files[1], "nothing of the kills is left"
    for name in ("metrics.json", *(path.name for path in one.glob("history*.csv"))):
        assert (other / name).read_bytes() == (one / name).read_bytes()


@pytest.fixture
def at(monkeypatch):
    """Has something done after a checkpoint of a training, at or after this batch of this epoch, in this process."""

    def at(training, epoch, step, action):
        save = loop.save_checkpoint

        def saved(folder, progress, *state):
            save(folder, progress, *state)
            if folder.name == training and (progress.epoch, progress.step) >= (epoch, step):
                monkeypatch.setattr(loop, "save_checkpoint", save)
                action()

        monkeypatch.setattr(loop, "save_checkpoint", saved)

    return at


class Killed(BaseException):
    """Ends a run at once, in this process."""


def killed():
    raise Killed


@pytest.fixture
def topics(write_topics, tmp_path):
    write_topics(tmp_path / "topics.csv", 300)
    return tmp_path


def test_a_run_killed_at_its_start_in_an_epoch_in_the_refit_and_in_the_export_ends_as_if_never_stopped(topics, run_in):
    # With word vectors, which a run that is killed before its first checkpoint must begin with again.
    words = sorted(set((topics / "topics.csv").read_text().replace(",", " ").split()))
    lines = [f"{word} {number % 7 / 7} {number % 5 / 5} {number % 3 / 3} 0.5" for number, word in enumerate(words)]
    (topics / "vectors.txt").write_text("\n".join(lines))
    options = [*CNN, "--epochs", "3", "--vectors", "vectors.txt", "--refit"]
    assert run_in(topics, "train", "topics.csv", "--name", "whole", *options).code == 0
    run_json = ModelFolder(topics / "models" / "whole").run()
    best = run_json["parts"][0]["training"]["best_epoch"]
    assert run_json["decision"]["refit"] is True

    models, unfinished = topics / "models", topics / "models" / "broken.unfinished"
    run = Run(topics, "topics.csv", "--name", "broken", *options)
    assert run.send(signal.SIGKILL, (unfinished / "run.json").exists) == -signal.SIGKILL
    assert not checkpoints(unfinished / "checkpoints" / "cnn_classifier")
    run = Run(topics, "--resume", "models/broken")
    # 270 rows in batches of 4 are 68 steps an epoch; with the dev rows 75.
    assert run.send(signal.SIGKILL, beyond(unfinished, 1, 20)) == -signal.SIGKILL
    for moment in (beyond(unfinished, 0, 20, "cnn_classifier-refit"), (unfinished / "saved_model").exists):
        # A kill also leaves the lock, which the next run takes over.
        assert sorted(path.name for path in models.iterdir()) == [".broken.lock", "broken.unfinished", "whole"]
        run = Run(topics, "--resume", "models/broken")
        assert run.send(signal.SIGKILL, moment) == -signal.SIGKILL
        assert places(run.output.read_text())[-1][1] > 0, "a checkpoint within an epoch was resumed"
    assert places(run.output.read_text())[0] == (3, 0), "in the refit the training before is not repeated"
    run = Run(topics, "--resume", "models/broken")
    assert run.wait() == 0, run.output.read_text()
    assert places(run.output.read_text()) == [(3, 0), (best, 0)]
    assert sorted(path.name for path in models.iterdir()) == ["broken", "whole"]
    assert_same_models(models / "whole", models / "broken")


def test_a_mixture_that_ends_in_the_refit_is_resumed_as_if_never_stopped(topics, run_in, at):
    options = ["--model", "wide_deep_classifier", *OPTIONS, "--epochs", "2"]
    assert run_in(topics, "train", "topics.csv", "--name", "whole", *options).code == 0
    models, unfinished = topics / "models", topics / "models" / "broken.unfinished"
    at("cnn_classifier-refit", 0, 5, killed)
    with pytest.raises(Killed):
        run_in(topics, "train", "topics.csv", "--name", "broken", *options)
    # By now the linear part is that of all rows; the mixture is chosen with that of the training rows.
    linear, baseline = ((unfinished / "weights" / f"{name}.npz").read_bytes() for name in ("ngram_linear", "baseline"))
    assert linear != baseline
    ran = run_in(topics, "train", "--resume", "models/broken")
    assert ran.code == 0, ran.err
    (first, (epoch, step)) = places(ran.out)
    assert first == (2, 0) and epoch == 0 and step >= 5
    assert_same_models(models / "whole", models / "broken")
    scales = [[part["scale"] for part in ModelFolder(models / name).run()["parts"]] for name in ("whole", "broken")]
    assert scales[0] == scales[1]


def test_ctrl_c_keeps_the_best_weights_so_far_and_exports_them(topics):
    unfinished = topics / "models" / "topics.unfinished"
    run = Run(topics, "topics.csv", *CNN, "--epochs", "500")
    code = run.send(signal.SIGINT, beyond(unfinished, 2, 0))
    output = run.output.read_text()
    assert code == 0, output
    assert "Stopping: the best weights so far are kept and exported" in output
    assert "SavedModel answers" in output
    folder = topics / "models" / "topics"
    ModelFolder(folder).verify()
    training = ModelFolder(folder).run()["parts"][0]["training"]
    with (folder / "history.csv").open(newline="") as file:
        epochs = list(csv.DictReader(file))
    assert training["interrupted"] is True
    assert 2 <= len(epochs) < 500
    accuracies = [float(epoch["val_accuracy"]) for epoch in epochs]
    assert accuracies[training["best_epoch"] - 1] == max(accuracies)
    metrics = json.loads((folder / "metrics.json").read_text())
    (dev,) = metrics.values()
    assert dev["accuracy"] == pytest.approx(max(accuracies), abs=1e-6)


def test_ctrl_c_in_the_refit_keeps_the_weights_of_the_training_rows(topics, run_in, at):
    at("cnn_classifier-refit", 0, 5, lambda: signal.raise_signal(signal.SIGINT))
    ran = run_in(topics, "train", "topics.csv", *CNN, "--epochs", "2", "--refit")
    assert ran.code == 0 and "Stopping: the best weights so far are kept and exported" in ran.out, ran.err
    folder = topics / "models" / "topics"
    ModelFolder(folder).verify()
    run_json = ModelFolder(folder).run()
    assert run_json["decision"]["refit"] is False
    (dev,) = json.loads((folder / "metrics.json").read_text()).values()
    accuracies = run_json["parts"][0]["training"]["history"]["val_accuracy"]
    assert dev["accuracy"] == pytest.approx(max(accuracies), abs=1e-6), "the SavedModel's own"


@pytest.mark.parametrize("changed", ["topics.csv", "test.csv", "outside.csv"])
def test_a_run_whose_data_changed_is_not_resumed(topics, write_topics, run_in, at, changed):
    at("cnn_classifier", 0, 1, killed)
    for name in ("test.csv", "outside.csv"):
        write_topics(topics / name, 20)
    files = ["topics.csv", "--test", "test.csv", "--out-of-scope", "outside.csv"]
    with pytest.raises(Killed):
        run_in(topics, "train", *files, *CNN, "--epochs", "500")
    write_topics(topics / changed, 19)
    ran = run_in(topics, "train", *files, "--resume", "models/topics")
    assert ran.code == 2
    assert f"{changed} is not what it was when the run began" in ran.err
    assert beyond(topics / "models" / "topics.unfinished", 0, 1)(), "the checkpoints are kept"


# Models that write a text for a text


def assert_same_writers(one, other):
    """The same weights, the averaged ones, and the same history."""
    expected, found = arrays(one), arrays(other)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert (other / "history.csv").read_bytes() == (one / "history.csv").read_bytes()


def test_a_writer_that_breaks_off_between_two_added_up_steps_is_resumed_to_the_same_weights_and_history(
    trained_writer, run_in, tmp_path, without_export, monkeypatch, at
):
    at("transformer_seq2seq", 2, 3, killed)  # of the two steps that are added up one is done
    with pytest.raises(Killed):
        run_in(tmp_path, "train", "--config", trained_writer / "run.json", "--checkpoint-seconds", "1e-9")
    monkeypatch.setattr(loop, "save_checkpoint", lambda *_: None)  # there is one after each step
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["dates.unfinished"]
    ran = run_in(tmp_path, "train", "--resume", "models/dates")
    assert ran.code == 0, ran.err
    assert "Resuming after epoch 2, batch 3" in ran.out
    options = ModelFolder(trained_writer).run()["options"]
    assert (options["accumulate"], options["average_epochs"], options["epochs"]) == (2, 1.0, 8)
    # So much also for run.json: as a config file it repeats the run.
    assert_same_writers(trained_writer, tmp_path / "models" / "dates")


def test_a_writer_whose_pairs_changed_is_not_resumed(trained_writer, dates, run_in, tmp_path, monkeypatch):
    (tmp_path / "dates.csv").write_bytes(dates.read_bytes())

    def killed(run, *_):
        folder = run.places.work.path / CHECKPOINTS / "transformer_seq2seq"
        save_checkpoint(folder, Progress(epoch=1), [np.zeros(1)], None)
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasnlp_kit.api.pair_train._fit", killed)
    ran = run_in(tmp_path, "train", "dates.csv", "--config", trained_writer / "run.json")
    assert ran.code == 130 and "continue with --resume models/dates." in ran.out
    (tmp_path / "dates.csv").write_bytes(dates.read_bytes() + b"May 1,1998-05-01\n")
    ran = run_in(tmp_path, "train", "--resume", "models/dates")
    assert ran.code == 2 and "dates.csv is not what it was when the run began; start it anew." in ran.err
