"""Models that write a text for a text, as a person trains, evaluates and uses them."""

import csv
import io
import json
import re
import shutil
import signal

import pytest

import kerasnlp_kit as kit
from kerasnlp_kit.api import pair_train
from kerasnlp_kit.api.dispatch import model_for_data
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.export.saved_model import seq2seq_graph
from kerasnlp_kit.training import loop

FIRST_LINE = re.compile(r"^exact match \d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\] n=\d+$")
ROWS = [("May 3, 1998", "1998-05-03"), ("6 aug, 2020", "2020-08-06"), ("二〇八八年七月二十九日", "2088-07-29")]


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def train_again(trained_writer, *further):
    """Arguments of a run with the options of the small model."""
    return ("train", "--config", trained_writer / "run.json", *further)


@pytest.fixture(scope="module")
def writer(trained_writer):
    return kit.load(trained_writer)


@pytest.fixture
def loaded_once(writer, monkeypatch):
    """The commands take the model that is loaded already: seconds for each of them."""
    monkeypatch.setattr("kerasnlp_kit.api.pair_evaluate.LoadedWriter", lambda *_, **__: writer)


@pytest.fixture(scope="module")
def written(writer, dates):
    """What the small model writes, by source."""
    sources = [row["source"] for row in read_csv(dates)]
    return dict(zip(sources, writer.predict(sources), strict=True))


# The task


def test_the_task_is_found_out_from_the_columns(here, dates, tickets):
    assert model_for_data(str(dates)) == "lstm_seq2seq"
    assert model_for_data(str(tickets)) == "auto"
    # Neither is read to find out: it could be read once only, or costs a request.
    assert model_for_data("-") == model_for_data("http://127.0.0.1/dates.csv") == "auto"
    assert model_for_data("missing.csv") == "auto"


def test_a_model_that_is_named_wins_over_the_columns(here, refused, dates):
    assert "classes in" in refused("train", dates, "--model", "ngram_linear"), "as a classifier says it of targets"
    write_csv(here / "tickets.csv", ("text", "label"), [("same", "same")] * 9)
    assert "source" in refused("train", "tickets.csv", "--model", "lstm_seq2seq"), "as a writer says it of labels"


# What a run says and leaves


def test_a_run_tells_its_plan(trained_writer):
    lines = (trained_writer.parents[1] / "output.txt").read_text(encoding="utf-8").splitlines()
    rows = next(line for line in lines if line.startswith("rows"))
    # 150 rows with a tenth held out; equal sources stay together.
    assert re.fullmatch(r"rows       train 13\d, dev 1\d", rows)
    assert "columns    source: source; target: target" in lines
    tokens = next(line for line in lines if line.startswith("tokens"))
    assert re.fullmatch(
        r"tokens     source characters \(short texts, median \d+ characters\), target characters "
        r"\(short texts, median 10 characters\)",
        tokens,
    )
    vocabulary = next(line for line in lines if line.startswith("vocabulary"))
    # Padding, unknown, begin, end, ten digits and the hyphen.
    assert re.fullmatch(
        r"vocabulary source \d+ ids, target 15 ids; 0\.0% of the tokens of dev targets are unknown", vocabulary
    )
    assert any(
        re.fullmatch(r"lengths    source median \d+, .*, target median 10, .*; the model reads \d+", line)
        for line in lines
    )
    assert any(re.fullmatch(r"model      transformer_seq2seq, [\d,]+ parameters", line) for line in lines)
    assert any(
        re.fullmatch(r"The SavedModel writes for \d+ texts what the model in memory writes\.", line) for line in lines
    )
    assert any(FIRST_LINE.fullmatch(line) for line in lines)


def test_the_folder_holds_what_it_should(trained_writer):
    ModelFolder(trained_writer).verify()
    assert sorted(path.name for path in trained_writer.iterdir()) == [
        *("MODEL_CARD.md", "history.csv", "manifest.json", "metrics.json", "report.html", "run.json", "saved_model"),
        *("source.json", "target.json", "weights"),
    ]
    run = json.loads((trained_writer / "run.json").read_text())
    (part,) = run["parts"]
    assert (run["task"], run["model"], run["seed"]) == ("seq2seq", "transformer_seq2seq", 0)
    assert run["data"]["columns"] == {"source": "source", "target": "target"}
    assert part["tokenizers"] == {"source": "source.json", "target": "target.json"}
    assert (part["library"], part["copy_unknown"], part["xla"]) == (None, True, True)
    assert part["sizes"]["target_vocabulary"] == 15 and part["sizes"]["joint"] is False
    # Every target has ten characters; ten more may be written.
    assert part["limits"]["longest"] == 20
    assert len(read_csv(trained_writer / "history.csv")) == len(part["training"]["history"]["loss"])
    (metrics,) = json.loads((trained_writer / "metrics.json").read_text()).values()
    assert metrics["n"] == run["data"]["dev"]["rows"]
    scores = part["training"]["history"]["val_score"]
    assert metrics["exact_match"] == pytest.approx(max(scores), abs=1e-6), "the SavedModel's own"


def test_a_model_of_subwords_has_one_tokenizer_and_says_what_a_loader_needs(trained_subword_writer):
    run = ModelFolder(trained_subword_writer).run()
    assert run["parts"][0]["tokenizers"] == {"source": "joint.model", "target": "joint.model"}
    assert run["parts"][0]["library"] == "tensorflow_text" and run["parts"][0]["copy_unknown"] is False
    card = (trained_subword_writer / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "import tensorflow_text\nmodel = tf.saved_model.load(" in card


def test_only_the_report_holds_a_text_of_the_data(trained_writer, trained_subword_writer, dates, sentences):
    for folder, data in ((trained_writer, dates), (trained_subword_writer, sentences)):
        texts = [text.encode() for row in read_csv(data) for text in row.values() if len(text) > 9]
        assert len(texts) > 100
        holding = {
            path.name
            for path in folder.rglob("*")
            if path.is_file() and any(text in path.read_bytes() for text in texts)
        }
        assert holding == {"report.html"}, "it does: the search finds what is there"


def test_without_texts_the_report_shows_none(here, command, trained_writer, dates, loaded_once):
    ran = command("evaluate", trained_writer, dates, "--report", "hidden.html", "--no-texts")
    assert ran.code == 0, ran.err
    hidden = (here / "hidden.html").read_text(encoding="utf-8")
    assert "exact match" in hidden
    assert not [row for row in read_csv(dates) if row["target"] in hidden]


# Evaluation


def test_the_first_line_is_the_share_of_exact_matches_in_the_predictions(here, command, trained_writer, dates, written):
    ran = command("evaluate", trained_writer, dates, "--predictions", "rows.csv")
    assert ran.code == 0, ran.err
    first = ran.out.splitlines()[0]
    assert FIRST_LINE.fullmatch(first)
    rows, data = read_csv(here / "rows.csv"), read_csv(dates)
    assert list(rows[0]) == ["source", "target", "predicted_target", "score"]
    assert [(row["source"], row["target"]) for row in rows] == [(row["source"], row["target"]) for row in data]
    assert [row["predicted_target"] for row in rows] == [written[row["source"]] for row in data]
    targets = {}
    for row in data:
        targets.setdefault(row["source"], set()).add(row["target"])
    right = sum(written[source] in some for source, some in targets.items())
    assert first.startswith(f"exact match {right / len(targets):.4f} [") and first.endswith(f" n={len(targets)}")
    assert "model = tf.saved_model.load(" in ran.out


def test_any_target_of_a_source_is_right_and_that_is_told(here, command, trained_writer, written, loaded_once):
    (one, his), (other, _) = list(written.items())[:2]
    rows = [(one, "wrong"), (one, his), (other, "wrong, too")]
    write_csv(here / "pairs.csv", ("source", "target"), rows)
    ran = command("evaluate", trained_writer, "pairs.csv")
    assert ran.out.startswith("exact match 0.5000 ["), "of two sources one has its text among its targets"
    assert "note: 3 rows with 2 different sources: any target of a source is right" in ran.out


def test_json_is_json_and_nothing_else_with_rouge_and_the_nearest_row(
    command, trained_writer, dates, written, loaded_once
):
    ran = command("evaluate", trained_writer, dates, "--json", "--rouge", "--nearest", dates)
    measures = json.loads(ran.out)
    assert measures["n"] == len(written) and 0 <= measures["rouge_l"] <= 1
    assert set(measures["comparisons"]) == {"copying the source", "the nearest training row"}
    # The nearest row of each source is itself.
    assert measures["comparisons"]["the nearest training row"]["exact_match"]["baseline_accuracy"] == 1
    plain = json.loads(command("evaluate", trained_writer, dates, "--json").out)
    assert plain["rouge_l"] is None and set(plain["comparisons"]) == {"copying the source"}
    assert plain["exact_match"] == measures["exact_match"]


def test_columns_of_other_names_are_taken_as_asked(here, command, trained_writer, written, loaded_once):
    rows = list(written.items())[:9]
    write_csv(here / "pairs.csv", ("a", "b", "c"), [(source, "x", target) for source, target in rows])
    ran = command("evaluate", trained_writer, "pairs.csv", "--source-column", "a", "--target-column", "c")
    assert ran.code == 0 and ran.out.startswith("exact match 1.0000 ["), ran


def test_what_is_beyond_the_model_is_told(here, command, trained_writer, loaded_once):
    write_csv(here / "far.csv", ("source", "target"), [("May 3, 1998", "мая"), ("b" * 300, "1998-05-03"), ("c", "жук")])
    ran = command("evaluate", trained_writer, "far.csv")
    assert "note: 1 source is longer than the " in ran.out
    # Of 3 + 10 + 3 characters six.
    assert "note: 37.5% of the tokens of the targets are unknown: the model can write them by copying only" in ran.out


# Writing for a file


def test_predict_keeps_all_columns_and_the_order_of_the_rows(here, command, trained_writer, writer):
    rows = [("007", "May 3, 1998", "=1+1"), ("1.0", "", "nan"), ("", "6\naug 🙂", "很好"), ("x", "b" * 300, "")]
    write_csv(here / "new.csv", ("id", "source", "note"), rows)
    ran = command("predict", trained_writer, "new.csv", "--output", "out.csv")
    reads = ModelFolder(trained_writer).run()["parts"][0]["max_source"]
    empty = "note: new.csv: one text is empty, and a model's answer to nothing means nothing.\n"
    cut = f"note: 1 source is longer than the {reads} tokens that the model reads: cut there.\n"
    assert (ran.code, ran.out, ran.err) == (0, "", f"{empty}{cut}4 rows written to out.csv\n")
    found = read_csv(here / "out.csv")
    assert list(found[0]) == ["id", "source", "note", "predicted_target", "score"]
    assert [(row["id"], row["source"], row["note"]) for row in found] == rows
    texts, scores = writer.write([source for _, source, _ in rows])
    assert [row["predicted_target"] for row in found] == texts
    assert [float(row["score"]) for row in found] == pytest.approx(scores.tolist(), abs=1e-4)


def test_a_missing_source_is_an_empty_text(here, command, trained_writer, writer, loaded_once):
    (here / "new.jsonl").write_text('{"source": null}\n{"source": "May 3"}\n')
    assert command("predict", trained_writer, "new.jsonl", "--output", "out.csv").code == 0
    assert [row["predicted_target"] for row in read_csv(here / "out.csv")] == writer.predict(["", "May 3"])


def test_the_new_columns_get_free_names(here, command, trained_writer, writer, loaded_once):
    write_csv(here / "new.csv", ("source", "score"), [("May 3", "mine")])
    ran = command("predict", trained_writer, "new.csv", "--output", "out.csv")
    assert "the new ones are predicted_target_2 and score_2" in ran.err
    (row,) = read_csv(here / "out.csv")
    assert (row["score"], [row["predicted_target_2"]]) == ("mine", writer.predict(["May 3"]))


def test_beams_and_draws_are_those_of_the_loaded_model(here, command, trained_writer, writer, loaded_once):
    sources = [source for source, _ in ROWS]
    write_csv(here / "new.csv", ("source",), [(source,) for source in sources])

    def predicted(*options):
        ran = command("predict", trained_writer, "new.csv", *options)
        assert ran.code == 0, ran.err
        return [row["predicted_target"] for row in csv.DictReader(io.StringIO(ran.out))]

    assert predicted("--beam", "3") == writer.predict(sources, beam=3)
    assert predicted("--beam", "3", "--length-penalty", "2") == writer.predict(sources, beam=3, length_penalty=2.0)
    drawn = predicted("--seed", "5")
    assert drawn == predicted("--seed", "5") == writer.predict(sources, seed=5) != predicted("--seed", "6")
    assert predicted("--seed", "5", "--temperature", "0.5", "--top-k", "4", "--top-p", "0.9") == writer.predict(
        sources, seed=5, temperature=0.5, top_k=4, top_p=0.9
    )


# Options of the other task


@pytest.mark.parametrize(
    ("command_line", "flag"),
    [
        (("evaluate", "WRITER", "--label-column", "x"), "--label-column"),
        (("evaluate", "WRITER", "--out-of-scope", "x.csv"), "--out-of-scope"),
        (("predict", "WRITER", "--text-column", "x"), "--text-column"),
        (("evaluate", "CLASSIFIER", "--beam", "3"), "--beam"),
        (("evaluate", "CLASSIFIER", "--rouge"), "--rouge"),
        (("predict", "CLASSIFIER", "--seed", "3"), "--seed"),
        (("predict", "CLASSIFIER", "--compiled"), "--compiled"),
    ],
)
def test_an_option_of_the_other_task_is_refused(refused, trained, trained_writer, dates, command_line, flag):
    name, model, *options = command_line
    folder = {"WRITER": trained_writer, "CLASSIFIER": trained}[model]
    message = refused(name, folder, dates, *options)
    assert message.startswith(f"{flag} is for models of another task")


def test_an_option_of_the_other_task_does_not_hide_that_there_is_no_such_model(refused, dates):
    assert refused("predict", "models/typo", dates, "--beam", "3").startswith("There is no model folder models/typo.")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--beam", "0"], "--beam must be 1 or more. Received: 0"),
        (["--temperature", "-1"], "--temperature must be 0 or more, and finite. Received: -1.0"),
        (["--top-k", "-1"], "--top-k must be from 0 to 2147483647. Received: -1"),
        (["--top-p", "0"], "--top-p must be above 0 and at most 1. Received: 0.0"),
        (["--length-penalty", "-1"], "--length-penalty must be 0 or more. Received: -1.0"),
        (
            ["--length-penalty", "1"],
            "--length-penalty would change nothing: it is for a --beam of 2 or more. Leave it out.",
        ),
        (["--top-k", "3"], "--top-k would change nothing: tokens are drawn with --seed only. Leave it out."),
        (["--seed", "3", "--beam", "2"], "--beam would change nothing: with --seed tokens are drawn. Leave it out."),
    ],
)
def test_a_number_that_means_nothing_is_refused(refused, trained_writer, dates, flags, expected):
    assert refused("predict", trained_writer, dates, *flags) == expected
    if flags[0] == "--beam":
        assert refused("evaluate", trained_writer, dates, *flags) == expected


def test_options_of_classifiers_are_refused_in_training(refused, dates):
    # That of short texts.
    assert refused("train", dates, "--batch-size", "8").startswith("'--batch-size' is no option of lstm_seq2seq")
    assert "'--d-model' is no option of lstm_seq2seq, but of --model" in refused("train", dates, "--d-model", "8")


def test_models_and_help_name_the_new_models(command, dates):
    listed = command("models").out
    assert "transformer_seq2seq (default for pairs of sentences), seq2seq: " in listed
    assert "lstm_seq2seq (default for pairs of short texts), seq2seq: " in listed
    shown = command("train", dates, "--help").out
    assert "Trains lstm_seq2seq" in shown and "--target-tokenizer" in shown and "--batch-size" not in shown
    assert "--length-penalty" in command("predict", "--help").out


# Where a training ends


def test_minutes_end_a_training_with_what_was_reached(here, command, trained_writer, without_export):
    ran = command(*train_again(trained_writer, "--minutes", "0.0001", "--name", "short"))
    assert ran.code == 0, ran.out + ran.err
    training = ModelFolder(here / "models" / "short").run()["parts"][0]["training"]
    assert len(training["history"]["loss"]) == 1 == training["best_epoch"]
    assert training["interrupted"] is False


def test_ctrl_c_keeps_the_best_weights_so_far_and_adds_them_as_a_new_version(
    here, command, trained_writer, without_export, monkeypatch
):
    shutil.copytree(trained_writer, here / "models" / "dates")
    first = (here / "models" / "dates" / "saved_model" / "1" / "saved_model.pb").read_bytes()
    save = loop.save_checkpoint

    def interrupted_in_the_third_epoch(folder, progress, *state):
        save(folder, progress, *state)
        if progress.epoch == 2 and not progress.step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop, "save_checkpoint", interrupted_in_the_third_epoch)
    ran = command(*train_again(trained_writer, "--new-version"))
    assert ran.code == 0, ran.out + ran.err
    assert "Stopping: the best weights so far are kept and exported" in ran.out
    folder = ModelFolder(here / "models" / "dates")
    folder.verify()
    assert folder.versions() == [1, 2]
    assert (folder.path / "saved_model" / "1" / "saved_model.pb").read_bytes() == first
    training = folder.run()["parts"][0]["training"]
    assert training["interrupted"] is True and 2 <= len(training["history"]["loss"]) <= 3


def test_a_name_that_is_taken_is_refused_before_training_unless_it_is_to_be_replaced(
    here, command, trained_writer, without_export
):
    shutil.copytree(trained_writer, here / "models" / "dates")
    ran = command(*train_again(trained_writer))
    assert (ran.code, ran.err) == (
        2,
        "error: models/dates exists: give --overwrite, --new-version, or another --name.\n",
    )
    ran = command(*train_again(trained_writer, "--overwrite", "--epochs", "1"))
    assert ran.code == 0, ran.err
    folder = ModelFolder(here / "models" / "dates")
    folder.verify()
    assert folder.versions() == [1] and (folder.saved_model() / "saved_model.pb").read_text() == "version 1"
    assert [path.name for path in (here / "models").iterdir()] == ["dates"]


def test_without_attention_nothing_is_copied(command, here, dates, without_export):
    small = ("--model=lstm_seq2seq", "--units=8", "--embedding-dim=8", "--epochs=1", "--no-xla")
    ran = command("train", dates, *small, "--attention=none")
    assert ran.code == 0, ran.err
    (part,) = ModelFolder(here / "models" / "dates").run()["parts"]
    assert part["copy_unknown"] is False, "it looks at no place of the source"


def test_the_dev_score_asks_for_sources_and_knows_all_their_targets(command, here, without_export, monkeypatch):
    write_csv(here / "pairs.csv", ("source", "target"), [(f"a{row}", f"b{row}") for row in range(30)])
    write_csv(here / "dev.csv", ("source", "target"), [(f"a{row % 10}", f"b{row}") for row in range(40)])
    asked = []
    measure = pair_train._measure

    def told(*arguments):
        score = measure(*arguments)
        return lambda references, outputs: asked.append(references) or score(references, outputs)

    monkeypatch.setattr(pair_train, "_measure", told)
    small = ("--model=lstm_seq2seq", "--units=8", "--embedding-dim=8", "--epochs=1", "--dev-rows=5")
    ran = command("train", "pairs.csv", "--dev", "dev.csv", *small)
    assert ran.code == 0, ran.err
    (references,) = asked
    assert [len(targets) for targets in references] == [4] * 5


def test_a_target_alphabet_unseen_in_training_and_a_long_source_are_told_of_test_rows(command, here, without_export):
    write_csv(here / "pairs.csv", ("source", "target"), [(f"a{row}", f"b{row}") for row in range(30)])
    write_csv(here / "test.csv", ("source", "target"), [("a1", "жук"), ("a" * 99, "b1")])
    small = ("--model=lstm_seq2seq", "--units=8", "--embedding-dim=8", "--epochs=1")
    ran = command("train", "pairs.csv", "--test", "test.csv", *small)
    assert ran.code == 0, ran.err
    assert "note: test.csv: 1 source is longer than the 3 tokens that the model reads: cut there." in ran.out
    assert (
        "note: test.csv: 60.0% of the tokens of the targets are unknown: the model can write them by copying only"
        in ran.out
    )
    ran = command("train", "pairs.csv", "--test", "test.csv", *small, "--no-copy-unknown", "--overwrite")
    assert "are unknown: the model can write none of them." in ran.out


def test_the_penalty_for_coverage_is_that_of_the_training(command, here, dates, without_export, monkeypatch):
    graphs = []
    small = ("--model=lstm_seq2seq", "--units=8", "--embedding-dim=8", "--epochs=1")
    ran = command("train", dates, *small, "--coverage-penalty", "0.3")
    assert ran.code == 0, ran.err
    folder = ModelFolder(here / "models" / "dates")
    (part,) = folder.run()["parts"]
    assert part["coverage_penalty"] == 0.3
    monkeypatch.setattr("kerasnlp_kit.tasks.seq2seq_graph.Seq2SeqGraph", lambda *_, **options: graphs.append(options))
    seq2seq_graph(folder, folder.run())
    del part["coverage_penalty"]  # as in folders of earlier versions
    seq2seq_graph(folder, {"parts": [part]})
    assert [one["coverage_penalty"] for one in graphs] == [0.3, 0.0]
