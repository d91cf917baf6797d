"""``--model auto``: what it tries and takes, and what Ctrl-C and a kill leave of it."""

import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kerasnlp_kit as kit
from kerasnlp_kit import registry
from kerasnlp_kit.api import ladder
from kerasnlp_kit.errors import GivenUp

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
RUNG = re.compile(r"([* ]) (\w+(?: \+ \w+)*) +(\d\.\d{4})  \[(\d\.\d{4}), (\d\.\d{4})\]  .*")
# Every text in batches of one width, so that little has to be compiled.
MUCH_TIME = ("--minutes", "30", "--max-length", "4")


def run_json(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def shown_rungs(out: str) -> list[tuple[str, ...]]:
    """Mark, name, score and interval of each line of the table on the screen."""
    lines = out.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("  model  "))
    found = [RUNG.fullmatch(line) for line in lines[begin + 1 : lines.index("", begin)]]
    return [one.groups() for one in found]


def recorded_rungs(run: dict) -> list[tuple[str, ...]]:
    """The same, of run.json."""
    return [
        ("* "[not one["chosen"]], one["model"], *(f"{n:.4f}" for n in (one["accuracy"], *one["accuracy_interval"])))
        for one in run["tried"]
    ]


def chosen_rung(run: dict) -> dict:
    (chosen,) = (one for one in run["tried"] if one["chosen"])
    return chosen


def assert_explains_dev_best(run: dict) -> None:
    """By the likelihood of the dev rows, less one for each weight that was found on them (Akaike)."""
    rows = run["data"]["dev"]["rows"]
    for one in run["tried"]:
        parts = one["model"].split(" + ")
        weights = one["misfit"] - one["log_loss"] * rows
        assert min(abs(weights - len(parts)), abs(weights - len(parts) - ("ngram_linear" in parts))) < 1e-6, one
    with_linear = [one["misfit"] for one in run["tried"] if "ngram_linear" in one["model"]]
    assert chosen_rung(run)["misfit"] == min(with_linear or [one["misfit"] for one in run["tried"]])


def assert_nothing_of_losers(folder: Path) -> None:
    """The folder holds what the chosen parts need, and the baseline."""
    parts = run_json(folder)["parts"]
    ends = {"linear": ".npz", "network": ".weights.h5"}
    expected = {"baseline.npz", *(part["name"] + ends[part["kind"]] for part in parts)}
    assert {path.name for path in (folder / "weights").iterdir()} == expected
    assert (folder / "tokenizer.json").exists() == any(part["kind"] == "network" for part in parts)


@pytest.fixture(scope="module")
def two_rungs(tmp_path_factory, write_topics, run_in):
    """A run of the linear model and one network: the model's folder, and what was printed."""
    folder = tmp_path_factory.mktemp("auto")
    write_topics(folder / "topics.csv", 120)
    ran = run_in(folder, "train", "topics.csv", "--rungs", "ngram_linear", "cnn_classifier", *MUCH_TIME)
    assert ran.code == 0, ran.err
    return folder / "models" / "topics", ran.out


def test_each_model_and_all_together_are_tried_and_told_on_the_screen_in_run_json_and_in_the_report(two_rungs):
    folder, out = two_rungs
    run = run_json(folder)
    names = ["ngram_linear", "cnn_classifier", "ngram_linear + cnn_classifier"]
    assert [one["model"] for one in run["tried"]] == names
    assert shown_rungs(out) == recorded_rungs(run)
    # There is time for all epochs of its preset, and for these once more on all rows, if it is taken.
    taken = [part["name"] for part in run["parts"] if part["kind"] == "network"]
    assert run["ladder"] == {"epochs": {"cnn_classifier": 20}, "repeat": taken}
    report = (folder / "report.html").read_text()
    table = report[report.index("Models tried") :].partition("</table>")[0]
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]
    cells = [[re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<td.*?</td>", row)] for row in rows]
    for row, one in zip(cells, run["tried"], strict=True):
        assert row[0] == [*one["model"].split(), *(["chosen"] if one["chosen"] else [])]
        assert row[1] == [f"{one['accuracy']:.4f}"]
    for one in run["tried"]:
        assert one["size_mb"] > 0 and one["latency_ms"] > 0 and one["seconds"] >= 0


def test_the_best_on_dev_is_what_is_exported(two_rungs):
    folder, out = two_rungs
    run = run_json(folder)
    chosen = chosen_rung(run)
    assert_explains_dev_best(run)
    assert " + ".join(part["name"] for part in run["parts"]) == chosen["model"]
    (dev,) = json.loads((folder / "metrics.json").read_text()).values()
    assert dev["accuracy"] == pytest.approx(chosen["accuracy"])
    assert_nothing_of_losers(folder)
    assert run["decision"]["refit"], "unless told otherwise, auto trains on the dev rows too in the end"
    network_is_part = "cnn_classifier" in chosen["model"]
    assert ("cnn_classifier: once more, on training and dev rows" in out) == network_is_part
    assert f"auto: {chosen['model']}, trained on topics.csv" in (folder / "report.html").read_text()
    assert kit.load(folder).predict(["s1 the", "of f3", "m0"]) == ["sport", "food", "music"]


def test_where_time_is_short_there_is_the_linear_model(here, command, write_topics):
    write_topics(here / "topics.csv", 90)
    ran = command("train", "topics.csv", "--minutes", "0.01", "--no-calibrate")
    assert ran.code == 0, ran.err
    run = run_json(here / "models" / "topics")
    networks = ["cnn_classifier", "lstm_classifier", "transformer_classifier"]
    assert run["ladder"] == {"epochs": dict.fromkeys(networks, 0), "repeat": []}
    assert all(f"{name}: no time left" in ran.out for name in networks)
    assert [one["model"] for one in run["tried"]] == ["ngram_linear"]
    assert shown_rungs(ran.out) == recorded_rungs(run)
    assert [(part["name"], part["scale"]) for part in run["parts"]] == [("ngram_linear", 1.0)], "not calibrated"
    assert run["decision"]["refit"], "the linear model is solved again on all rows, which costs no time"
    assert "baseline)" not in ran.out and "linear baseline" not in ran.out, "it is not compared with itself"


@pytest.fixture
def start(here, write_topics):
    """Starts train.py on a file of topics, in a process of its own, and waits until a line is printed."""
    processes = []
    output = here / "output.txt"

    def start(line: str, *arguments) -> subprocess.Popen:
        write_topics(here / "topics.csv", 200)
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        command = [sys.executable, TRAIN, "topics.csv", *arguments]
        with output.open("w") as file:
            process = subprocess.Popen(command, cwd=here, stdout=file, stderr=file, env=environment)
        processes.append(process)
        deadline = time.monotonic() + 240
        while f"\n{line}\n" not in output.read_text():
            assert process.poll() is None and time.monotonic() < deadline, output.read_text()
            time.sleep(0.01)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_ctrl_c_in_a_network_takes_the_best_so_far(here, start):
    rungs = ("ngram_linear", "cnn_classifier", "lstm_classifier")
    process = start("Epoch 3/20", "--rungs", *rungs, *MUCH_TIME)
    process.send_signal(signal.SIGINT)
    code, out = process.wait(timeout=240), (here / "output.txt").read_text()
    assert code == 0, out
    assert "Stopping: the best weights so far are kept and exported" in out
    folder = here / "models" / "topics"
    run = run_json(folder)
    assert [one["model"] for one in run["tried"]] == [*rungs[:2], " + ".join(rungs[:2])], "the LSTM was not begun"
    assert shown_rungs(out) == recorded_rungs(run)
    assert_explains_dev_best(run)
    epochs = (folder / "history-cnn_classifier.csv").read_text().splitlines()[1:]
    assert 3 <= len(epochs) < 20
    assert kit.load(folder).predict(["s1 the", "of f3", "m0"]) == ["sport", "food", "music"]
    assert_nothing_of_losers(folder)
    interrupted = any(part["training"].get("interrupted") for part in run["parts"])
    assert run["decision"]["refit"] == (not interrupted) and "cnn_classifier: once more" not in out


def test_a_killed_ladder_goes_on_as_planned(here, start, command):
    process = start("Epoch 4/20", "--rungs", "cnn_classifier", *MUCH_TIME)
    process.kill()
    process.wait()
    assert not (here / "models" / "topics").exists()
    ran = command("train", "--resume", "models/topics")
    assert ran.code == 0, ran.err
    assert re.search(r"^Resuming after epoch ([3-9]|1\d), batch \d+", ran.out, re.MULTILINE)
    folder = here / "models" / "topics"
    run = run_json(folder)
    assert run["ladder"] == {"epochs": {"cnn_classifier": 20}, "repeat": ["cnn_classifier"]}
    assert len((folder / "history-cnn_classifier.csv").read_text().splitlines()) == 1 + 20
    epochs = run["parts"][0]["training"]["best_epoch"]
    assert f"cnn_classifier: once more, on training and dev rows, {epochs} epochs" in ran.out
    assert run["decision"]["refit"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rungs", "wide_deep_classifier"], "--rungs takes single models. Received: wide_deep_classifier"),
        (["--rungs", "cnn_clasifier"], "did you mean cnn_classifier?"),
        (["--rungs", "ngram_linear", "ngram_linear"], "--rungs takes each model once"),
        (["--epochs", "3"], "--epochs is set by each model of auto for itself"),
        (["--freeze", "convolution"], "--freeze convolution names layers that only some networks have"),
        (["--model", "ngram_linear", "--vectors", "vectors.txt"], "--vectors is for networks; ngram_linear is none"),
        (["--model", "ngram_linear", "--freeze", "embedding"], "--freeze is for networks; ngram_linear is none"),
    ],
)
def test_options_that_make_no_sense_together_are_told_before_anything_is_read(refused, flags, words):
    assert words in refused("train", "missing.csv", *flags)


@pytest.mark.parametrize("model", ["ngram_linear", "cnn_classifier"])
def test_what_class_weights_change_is_told(here, command, write_topics, model):
    write_topics(here / "topics.csv", 150, ("food", "food", "food", "music", "sport"))
    small = ["--epochs", "1", "--filters", "4"] if model == "cnn_classifier" else []
    ran = command("train", "topics.csv", "--model", model, "--class-weights", *small)
    assert ran.code == 0, ran.err
    pattern = r": class weights on dev: (accuracy [\d.]+ to [\d.]+, macro F1 [\d.]+ to [\d.]+, recall of \w+ \(.*\) .*)"
    (told,) = re.findall(pattern, ran.out)
    assert told in (here / "models" / "topics" / "report.html").read_text()


def test_a_network_that_diverges_is_told_in_one_line(refused, here, write_topics):
    write_topics(here / "topics.csv", 90)
    network = ["--model", "cnn_classifier", "--epochs", "1", "--filters", "4", "--kernels", "1"]
    told = refused("train", "topics.csv", *network, "--learning-rate", "1e38", "--clip-norm", "0")
    assert told.startswith("Training diverged: the model gives no numbers. Lower --learning-rate")


def test_a_rung_of_another_task_is_told_before_anything_is_read(command):
    ran = command("train", "missing.csv", "--rungs", "ngram_linear", "causal_lm")
    assert ran.code == 2 and "--rungs takes models that label texts. Received: causal_lm" in ran.err


def test_time_without_limit_is_for_all_epochs(monkeypatch):
    monkeypatch.setattr(ladder, "seconds_an_epoch", lambda *_: 2.0)
    run = SimpleNamespace(say=print, config=SimpleNamespace(architecture=SimpleNamespace(minutes=math.inf)))
    spec, options = registry.find("cnn_classifier"), SimpleNamespace(epochs=7)
    assert ladder._affordable(run, None, lambda: None, spec, None, options, math.inf) == 7
    assert ladder._affordable(run, None, lambda: None, spec, None, options, 13.0) == 6


def test_where_no_time_is_left_no_tokens_are_made(capsys):
    run = SimpleNamespace(say=print, config=SimpleNamespace(architecture=SimpleNamespace(minutes=1.0)))
    spec = registry.find("cnn_classifier")
    assert ladder._affordable(run, None, pytest.fail, spec, None, SimpleNamespace(epochs=7), 9.0) == 0
    told = "cnn_classifier: no time left (--minutes 1, of which 20 s are kept for the export)\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("stopped", ["seconds_an_epoch", "fit_network", "_latency"])
def test_ctrl_c_between_the_trainings_takes_the_best_so_far(here, write_topics, run_in, monkeypatch, stopped):
    write_topics(here / "topics.csv", 200)
    before, calls = getattr(ladder, stopped), []

    def stop(*arguments):
        calls.append(stopped)
        if stopped == "_latency" and len(calls) == 1:  # that of the linear model
            return before(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ladder, stopped, stop)
    ran = run_in(
        here, "train", "topics.csv", "--rungs", "ngram_linear", "cnn_classifier", "lstm_classifier", *MUCH_TIME
    )
    assert ran.code == 0, ran.err
    assert "Stopping: the best so far is exported" in ran.out
    run = run_json(here / "models" / "topics")
    assert [one["model"] for one in run["tried"]] == ["ngram_linear"]
    trained = 20 if stopped == "_latency" else 0
    plan = {"epochs": {"cnn_classifier": trained, "lstm_classifier": 0}, "repeat": []}
    assert run["ladder"] == plan, "a resumed run does not climb on, and nothing is trained again"
    assert kit.load(here / "models" / "topics").predict(["s1 the", "of f3"]) == ["sport", "food"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GivenUp])
def test_ctrl_c_before_anything_is_there_or_for_the_second_time_gives_up(
    here, write_topics, run_in, monkeypatch, error
):
    def stop(*_):
        raise error

    write_topics(here / "topics.csv", 200)
    rungs = ["ngram_linear", "cnn_classifier"]
    monkeypatch.setattr(ladder, "fit_network" if error is GivenUp else "fit_linear", stop)
    monkeypatch.setattr(ladder, "seconds_an_epoch", lambda *_: 0.1)
    ran = run_in(here, "train", "topics.csv", "--rungs", *rungs, *MUCH_TIME)
    assert ran.code == 130 and "Stopped." in ran.err and not (here / "models" / "topics").exists()


def test_where_all_rungs_diverge_the_reason_is_not_the_time(refused, here, write_topics, monkeypatch):
    fit = ladder.fit_network

    def diverged(*arguments):
        part = fit(*arguments)
        return dataclasses.replace(part, dev_scores=np.full_like(part.dev_scores, np.nan))

    write_topics(here / "topics.csv", 90)
    monkeypatch.setattr(ladder, "fit_network", diverged)
    monkeypatch.setattr(ladder, "_affordable", lambda *_: 1)
    assert refused("train", "topics.csv", "--rungs", "cnn_classifier").startswith("Training diverged")
