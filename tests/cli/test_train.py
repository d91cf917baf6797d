"""Whole runs as a person starts them: what they leave behind, and that three ways of starting give one model."""

import csv
import gzip
import http.server
import json
import os
import shutil
import threading
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

import kerasnlp_kit as kit
from kerasnlp_kit.export.folder import BASELINE
from kerasnlp_kit.tasks.linear import LinearModel
from kerasnlp_kit.text.ngrams import count_ngrams

SMALL = ("--model=cnn_classifier", "--embedding-dim=6", "--filters=5", "--kernels=1", "--learning-rate=0.05")


def test_the_command_the_installed_program_and_python_give_the_same_model(here, shell, reviews, proven_here):
    flags = ["--epochs", "2", "--seed", "3", *SMALL]
    script = shell("train.py", reviews, *flags, "--name", "by_script")
    importtime = ["-X", "importtime"]
    program = shell("kerasnlp_kit", "train", "reviews.csv", *flags, "--name", "by_program", python=importtime)
    small = {"embedding_dim": 6, "filters": 5, "kernels": (1,), "learning_rate": 0.05}
    kit.train("reviews.csv", model="cnn_classifier", epochs=2, seed=3, **small, name="by_python")
    assert (script.code, program.code) == (0, 0), script.err + program.err
    imports = [line for line in program.err.splitlines() if line.startswith("import time:")]
    assert script.err == "" and len(imports) == len(program.err.splitlines()), "nothing is wrong, nothing is said"
    # In the order of their ends: what is imported by another stands before it.
    order = [line.rpartition("|")[2].strip() for line in imports]
    assert not {"jax.numpy", "matplotlib.figure"} & set(order[: order.index("tensorflow")])
    assert "matplotlib.figure" in order, "for the report"
    metrics = [(here / "models" / f"by_{way}" / "metrics.json").read_text() for way in ("script", "program", "python")]
    assert metrics[0] == metrics[1] == metrics[2]
    texts = ["the room was clean", "the room was dirty", "neither"]
    probabilities = [
        kit.load(here / "models" / f"by_{way}").predict_proba(texts) for way in ("script", "program", "python")
    ]
    assert (probabilities[0] == probabilities[1]).all() and (probabilities[0] == probabilities[2]).all()
    assert sorted(path.name for path in (here / "models" / "by_script").iterdir()) == [
        *("MODEL_CARD.md", "history.csv", "labels.json", "manifest.json", "metrics.json", "report.html", "run.json"),
        *("saved_model", "tokenizer.json", "weights"),
    ]
    assert sorted(path.name for path in (here / "models").iterdir()) == ["by_program", "by_python", "by_script"]


def test_labels_that_look_like_numbers_or_nothing_and_hard_texts_survive(here, command):
    labels = ["nan", "null", "1", "1.0", "007", "真", "None", " x"]
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "很好", "🙂", "omega"]
    rows = [(f"{word} {word}", label) for label, word in zip(labels, words, strict=True) for _ in range(12)]
    rows += [("alpha " * 170_000, "nan"), ("", "null"), ("never again", "a class with one row")]
    with (here / "odd.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    capacity = ("--embedding-dim=16", "--filters=32", "--dropout=0", "--embedding-dropout=0")
    ran = command("train", "odd.csv", *SMALL, "--epochs", "20", "--patience", "20", "--max-length", "10", *capacity)
    assert ran.code == 0, ran.err
    assert 'note: odd.csv: 1 class has a single row: "a class with one row".' in ran.out
    model = kit.load(here / "models" / "odd")
    assert sorted(model.labels) == sorted([*labels, "a class with one row"])
    assert model.predict([text for text, _ in rows[: 12 * len(labels) : 12]]) == labels
    assert model.predict(["alpha " * 170_000]) == ["nan"], "a text of 1 MB"


def test_three_files_of_three_formats_with_columns_of_other_names(here, command):
    def row(number):
        word, topic = (("clean", "praise"), ("dirty", "blame"))[number % 2]
        return {"id": str(number), "title": f"{word} {number}", "body": f"secretword{number}", "topic": topic}

    train = "".join(f"{r['id']}\t{r['title']}\t{r['body']}\t{r['topic']}\n" for r in map(row, range(60)))
    gaps = "60\t\t\tpraise\n61\tno topic\tx\t\n"
    with gzip.open(here / "dev.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row(number)) + "\n" for number in range(60, 80))
    test = [row(number) for number in range(80, 90)] + [{"id": "90", "title": "x", "body": "y", "topic": "new"}]
    pyarrow.parquet.write_table(pa.Table.from_pylist(test), here / "test.parquet")
    columns = ("--text-column", "title", "body", "--label-column", "topic")
    files = ("-", "--dev", "dev.jsonl.gz", "--test", "test.parquet", "--name", "topics", "--no-texts")
    stdin = "id\ttitle\tbody\ttopic\n" + train + gaps
    ran = command("train", *files, *columns, "--epochs", "6", "--batch-size", "8", *SMALL, stdin=stdin)
    assert ran.code == 0, ran.err
    assert "dropped 1 row without a label (line 63)" in ran.out
    assert "accuracy 0.9091 [" in ran.out, "10 of 11 test rows are right; the label of one is unseen"
    assert "1 row with a label the model has never seen, counted as errors:\n  new: 1" in ran.out
    folder = here / "models" / "topics"
    assert list(json.loads((folder / "metrics.json").read_text())) == ["dev.jsonl.gz", "test.parquet"]
    run = json.loads((folder / "run.json").read_text())
    columns = run["data"]["columns"]
    assert (columns["text"], columns["label"], columns["multi_label"]) == (["title", "body"], "topic", False)
    assert (run["data"]["dev"]["rows"], run["data"]["test"]["rows"]) == (20, 11)
    for name in ("report.html", "MODEL_CARD.md", "run.json", "metrics.json"):
        assert "secretword8" not in (folder / name).read_text(), f"{name} holds a text of the data"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Its log would be taken for what the command says."""

    def log_message(self, *_):
        pass


def test_what_an_address_keeps_secret_is_written_nowhere(here, command, reviews):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=here)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/reviews.csv"
        parts = [f"{address}?X-Signature=s3cret{part}" for part in ("train", "dev", "test")]
        flags = ("--name", "signed", "--epochs", "1", *SMALL)
        outside = ("--out-of-scope", f"{address}?X-Signature=s3cretoutside")
        ran = command("train", parts[0], "--dev", parts[1], "--test", parts[2], *outside, *flags)
        server.shutdown()
    assert ran.code == 0 and "s3cret" not in ran.out + ran.err, ran
    folder = here / "models" / "signed"
    run = json.loads((folder / "run.json").read_text())
    shown = f"{address}?..."
    assert [run["options"][name] for name in ("train", "dev", "test", "out_of_scope")] == [shown] * 4
    assert run["data"]["train"]["source"] == shown
    assert list(json.loads((folder / "metrics.json").read_text())) == [shown, f"{shown} (test)"]
    for name in ("run.json", "metrics.json", "MODEL_CARD.md", "manifest.json", "report.html"):
        assert "s3cret" not in (folder / name).read_text()


def test_overwrite_replaces_and_new_version_adds(here, reviews, proven_here):
    def train(filters, **options):
        small = {"model": "cnn_classifier", "epochs": 1, "embedding_dim": 6, "kernels": (1,), "filters": filters}
        kit.train(reviews, name="m", **small, **options)
        versions = {path.name for path in (here / "models" / "m" / "saved_model").iterdir()}
        return versions, (here / "models" / "m" / "saved_model" / "1" / "variables" / "variables.index").read_bytes()

    versions, first = train(5)
    assert versions == {"1"}
    versions, kept = train(4, new_version=True)
    assert versions == {"1", "2"}
    assert kept == first
    versions, replaced = train(3, overwrite=True)
    assert versions == {"1"}
    assert replaced != first
    assert [path.name for path in (here / "models").iterdir()] == ["m"]
    assert kit.load(here / "models" / "m").run["parts"][0]["architecture"]["filters"] == 3


def test_the_linear_model_needs_seconds_and_leaves_nothing_that_only_networks_have(here, command, reviews):
    ran = command(
        "train", reviews, "--model", "ngram_linear", "--solver", "logistic", "--strengths", "1", "3", "--no-refit"
    )
    assert ran.code == 0, ran.err
    folder = here / "models" / "reviews"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("MODEL_CARD.md", "labels.json", "manifest.json", "metrics.json", "report.html", "run.json", "saved_model"),
        "weights",
    ]
    (part,) = json.loads((folder / "run.json").read_text())["parts"]
    assert (part["name"], part["kind"], part["architecture"]["solver"]) == ("ngram_linear", "linear", "logistic")
    assert part["strength"] in (1.0, 3.0) and part["scale"] > 0
    assert f"ngram_linear: {part['features']:,} n-grams of up to 2 words and 2 to 5 characters, C " in ran.out
    assert "linear baseline" not in ran.out, "it is not compared with itself"
    assert "better than the majority" in ran.out
    assert kit.load(folder).predict(["the room was clean", "the room was dirty"]) == ["good", "bad"]


def test_the_linear_model_is_the_sum_of_what_scikit_learn_finds_on_all_rows(here, command, tickets):
    header, *rows = tickets.read_text(encoding="utf-8").splitlines(keepends=True)
    for name, some in (("train", rows[:300]), ("dev", rows[300:])):
        (here / f"{name}.csv").write_text("".join([header, *some]), encoding="utf-8")
    # A machine that is regularised so much leaves something to naive Bayes.
    flags = ("--model", "ngram_linear", "--strengths", "0.1", "--name", "m")
    ran = command("train", "train.csv", "--dev", "dev.csv", *flags)
    assert ran.code == 0, ran.err
    folder = here / "models" / "m"
    (part,) = json.loads((folder / "run.json").read_text())["parts"]
    of_machine, of_bayes = part["shares"]
    assert of_machine == 1 and of_bayes > 0
    decision = json.loads((folder / "run.json").read_text())["decision"]
    assert part["scale"] > 1.5 and decision["calibration_error_before"] > 2 * decision["calibration_error_after"]
    model = LinearModel.load(folder / "weights" / "ngram_linear.npz")
    with tickets.open(encoding="utf-8", newline="") as file:
        texts, labels = zip(*((row["text"], row["label"]) for row in csv.DictReader(file)), strict=True)
    matrix = model.features.matrix(count_ngrams(model.features.rules, texts))
    machine = LinearSVC(C=part["strength"], dual=True, random_state=0, tol=0.01).fit(matrix, labels)
    bayes = MultinomialNB(alpha=0.1, fit_prior=False).fit(matrix, labels)
    expected = of_machine * machine.decision_function(matrix) + of_bayes * bayes.predict_joint_log_proba(matrix)
    # What all classes have in common changes no answer.
    found, expected = (scores - scores.mean(axis=1, keepdims=True) for scores in (model.scores(texts), expected))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_mixture_is_trained_on_all_rows_in_the_end_with_what_was_chosen_on_dev(here, run_in, write_topics):
    write_topics(here / "all.csv", 160)
    header, *rows = (here / "all.csv").read_text().splitlines(keepends=True)
    (here / "train.csv").write_text("".join([header, *rows[:100]]))
    (here / "dev.csv").write_text("".join([header, *rows[100:]]))
    small = ("--embedding-dim=6", "--filters=5", "--kernels=1", "--epochs=3", "--dropout=0")
    files = ("train.csv", "--dev", "dev.csv", "--model", "wide_deep_classifier", "--no-naive-bayes", *small)
    first = run_in(here, "train", *files, "--name", "first", "--no-refit")
    again = run_in(here, "train", *files, "--name", "again")
    assert (first.code, again.code) == (0, 0), first.err + again.err
    folders = [here / "models" / name for name in ("first", "again")]
    runs = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [run["decision"]["refit"] for run in runs] == [False, True]
    for run in runs:
        assert [part["name"] for part in run["parts"]] == ["ngram_linear", "cnn_classifier"]
    assert [part["scale"] for part in runs[0]["parts"]] == pytest.approx([part["scale"] for part in runs[1]["parts"]])
    epochs = runs[1]["parts"][1]["training"]["best_epoch"]
    assert f"cnn_classifier: once more, on training and dev rows, {epochs} epochs" in again.out
    dev_rows = f"; in the end also the {runs[1]['data']['dev']['rows']:,} dev rows.\n"
    assert dev_rows in (folders[1] / "MODEL_CARD.md").read_text()
    told = [" rows and in the end " in (folder / "report.html").read_text() for folder in folders]
    assert told == [False, True]
    assert "once more" not in first.out
    # Scores on dev are of the model that has not seen these rows.
    metrics = [json.loads((folder / "metrics.json").read_text())["dev.csv"] for folder in folders]
    assert metrics[0]["accuracy"] == metrics[1]["accuracy"]
    assert metrics[0]["log_loss"] == pytest.approx(metrics[1]["log_loss"], rel=1e-4)
    assert "the linear baseline" in metrics[0]["comparisons"]
    texts = [row.partition(",")[0] for row in rows]
    probabilities = [kit.load(folder).predict_proba(texts) for folder in folders]
    assert np.abs(probabilities[0] - probabilities[1]).max() > 0.01
    # The linear part, solved again, is the linear model of all rows.
    strength = runs[1]["parts"][0]["strength"]
    flags = ("--dev", "dev.csv", "--model", "ngram_linear", "--no-refit", "--no-naive-bayes", "--strengths", strength)
    alone = run_in(here, "train", "all.csv", *map(str, flags))
    assert alone.code == 0, alone.err
    with np.load(folders[1] / "weights" / "ngram_linear.npz") as refitted:
        with np.load(here / "models" / "all" / "weights" / "ngram_linear.npz") as expected:
            np.testing.assert_array_equal(refitted["keys"], expected["keys"])
            for name in ("idf", "weights", "bias"):
                np.testing.assert_allclose(refitted[name], expected[name], rtol=1e-3, atol=1e-4)
        with np.load(folders[0] / "weights" / "ngram_linear.npz") as before:
            assert len(before["keys"]) < len(refitted["keys"])
    # What is set beside the model has learnt from the same rows as its linear part.
    for folder in folders:
        assert (folder / BASELINE).read_bytes() == (folder / "weights" / "ngram_linear.npz").read_bytes()


def test_the_baseline_of_a_network_that_learns_from_dev_rows_does_so_too(here, run_in, write_topics):
    write_topics(here / "train.csv", 100)
    write_topics(here / "dev.csv", 60, ("chess", "dance", "yoga"))
    texts = [row.rpartition(",")[0] for row in (here / "dev.csv").read_text().splitlines()[1:]]
    # The same classes, other words.
    labels = ("food", "music", "sport") * 20
    lines = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    (here / "dev.csv").write_text("\n".join(["text,label", *lines, ""]))
    small = ("--model", "cnn_classifier", "--embedding-dim=6", "--filters=5", "--kernels=1", "--epochs=2")
    features = []
    for name, flags in (("plain", ()), ("refitted", ("--refit",))):
        ran = run_in(here, "train", "train.csv", "--dev", "dev.csv", "--name", name, *small, *flags)
        assert ran.code == 0, ran.err
        with np.load(here / "models" / name / BASELINE) as baseline:
            features.append(len(baseline["keys"]))
        assert ("baseline: once more, on training and dev rows" in ran.out) == bool(flags)
    assert features[0] < features[1]


def test_options_that_a_linear_model_has_no_use_for_are_told(here, command, reviews):
    ran = command("train", reviews, "--model", "ngram_linear", "--epochs", "5", "--char-level", "--class-weights")
    assert ran.code == 0, ran.err
    assert "note: ngram_linear is no network: nothing is changed by --char-level, --epochs.\n" in ran.out
    assert "note" not in command("train", reviews, "--model", "ngram_linear", "--no-lower", "--name", "b").out
    ran = command("train", reviews, "--model", "ngram_linear", "--dev", reviews, "--dev-fraction", "0.2", "--name", "c")
    assert "note: nothing is changed by --dev-fraction: --dev names the rows to choose on.\n" in ran.out


def test_a_name_that_is_no_utf_8_is_read_and_told(here, command, reviews):
    odd = os.fsdecode(b"caf\xe9.csv")
    shutil.copyfile(reviews, odd)
    ran = command("train", odd, "--model", "ngram_linear", "--name", "odd", "--test", odd)
    assert ran.code == 0, ran.err
    assert json.loads((here / "models" / "odd" / "run.json").read_text())["data"]["train"]["source"] == odd
    evaluated = command("evaluate", "models/odd", odd, "--report", "r.html")
    assert evaluated.code == 0 and "\ndata        caf" in evaluated.out
    assert "caf" in (here / "r.html").read_text()


def test_the_linear_model_keeps_case_where_that_fits_dev_better(here, run_in):
    words = ("rose", "mark", "bill", "grace", "hope", "will")
    rows = [f"{('we met', 'we saw')[row % 2]} a {words[row // 2 % 6]} {row},thing" for row in range(60)]
    rows += [f"{('we met', 'we saw')[row % 2]} a {words[row // 2 % 6].title()} {row},person" for row in range(60)]
    (here / "names.csv").write_text("\n".join(["text,label", *rows, ""]))
    (here / "lower.csv").write_text("\n".join(["text,label", *rows, ""]).replace("person", "thing2").lower())
    lower = {}
    for name, data, flags in (
        ("kept", "names.csv", ()),
        ("never", "names.csv", ("--no-try-case",)),
        ("always", "names.csv", ("--no-lower",)),
        ("none", "lower.csv", ()),
    ):
        ran = run_in(here, "train", data, "--model", "ngram_linear", "--name", name, *flags)
        assert ran.code == 0, ran.err
        (part,) = json.loads((here / "models" / name / "run.json").read_text())["parts"]
        lower[name] = part["lower"]
        assert ("case kept" in ran.out) == (not part["lower"])
    assert lower == {"kept": False, "never": True, "always": False, "none": True}
    model = kit.load(here / "models" / "kept")
    assert model.predict(["we met a Rose 7", "we met a rose 7"]) == ["person", "thing"]


def test_case_is_solved_for_only_where_naive_bayes_gains_by_it(here, run_in, monkeypatch):
    from kerasnlp_kit.training import linear

    told, chance = [], []
    for row in range(120):
        word = ("rose", "mark")[row // 2 % 2]
        told.append(f"a {word.title() if row % 2 else word} {row // 2},{row % 2}")
        # Every other text begins with a capital, whatever its label is.
        chance.append(f"{'A' if row // 4 % 2 else 'a'} {word} {row},{row // 2 % 2}")
    solved: list[float] = []
    solve = linear.solve

    def counted(matrix, labels, classes, strength, *further):
        solved.append(strength)
        return solve(matrix, labels, classes, strength, *further)

    monkeypatch.setattr(linear, "solve", counted)
    times = {}
    for name, rows in (("told", told), ("chance", chance)):
        (here / f"{name}.csv").write_text("\n".join(["text,label", *rows, ""]))
        for flag in ("--try-case", "--no-try-case"):
            solved.clear()
            options = ("--model", "ngram_linear", "--no-refit", flag, "--overwrite")
            ran = run_in(here, "train", f"{name}.csv", *options)
            assert ran.code == 0, ran.err
            times[name, flag] = len(solved)
    assert times["told", "--try-case"] == times["told", "--no-try-case"] + 1
    assert times["chance", "--try-case"] == times["chance", "--no-try-case"]


def test_a_disk_that_is_full_in_training_is_told_in_one_line_and_leaves_nothing(here, shell, reviews):
    # A process may write no file above 30 kB: run.json has about 3 kB, a checkpoint of 15,000 parameters 180 kB.
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "from kerasnlp_kit.cli import main\n"
        "main()\n"
    )
    (here / "limited.py").write_text(code)
    sizes = ("--model=cnn_classifier", "--embedding-dim=90", "--filters=20")
    ran = shell(here / "limited.py", "train", reviews, "--epochs", "2", *sizes)
    assert ran.code == 2, ran
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("error: ") and ran.err.endswith("cannot be written: File too large.\n")
    assert not any((here / "models").iterdir())
