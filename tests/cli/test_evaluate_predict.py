"""What `evaluate` and `predict` print and write, against scikit-learn and the model itself."""

import csv
import io
import json
import re

import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

import kerasnlp_kit as kit
from kerasnlp_kit import UserError

FIRST_LINE = re.compile(r"^accuracy \d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\] n=\d+$")


@pytest.fixture(scope="module")
def model(trained):
    return kit.load(trained)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_first_line_is_the_accuracy_that_scikit_learn_finds_in_the_predictions(here, command, trained, tickets):
    ran = command("evaluate", trained, tickets, "--predictions", "rows.csv")
    first = ran.out.splitlines()[0]
    assert ran.code == 0 and FIRST_LINE.fullmatch(first), ran
    rows = read_csv(here / "rows.csv")
    gold, predicted = [row["label"] for row in rows], [row["predicted_label"] for row in rows]
    assert first.startswith(f"accuracy {accuracy_score(gold, predicted):.4f} [")
    assert first.endswith(f"n={len(rows)}")
    assert [row["text"] for row in rows] == [row["text"] for row in read_csv(tickets)]


def test_json_is_json_and_nothing_else(command, trained, tickets, model):
    ran = command("evaluate", trained, tickets, "--json")
    measures = json.loads(ran.out)
    rows = read_csv(tickets)
    predicted = model.predict([row["text"] for row in rows])
    gold = [row["label"] for row in rows]
    assert measures["n"] == len(rows)
    assert measures["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    assert measures["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))


@pytest.fixture(scope="module")
def linear(tickets, tmp_path_factory, run_in):
    """The linear baseline as a model of its own: the same rows, scikit-learn's usual strength."""
    folder = tmp_path_factory.mktemp("linear")
    ran = run_in(folder, "train", tickets, "--model", "ngram_linear", "--strengths", "1")
    assert ran.code == 0, ran.err
    return kit.load(folder / "models" / "tickets")


@pytest.mark.parametrize(
    ("won", "lost", "sentence"),
    [
        # Of 40 rows. Of w heads and l tails of a coin: p = 2 / 2**12; 1; 2 * (1 + 12) / 2**12 = 0.0063.
        (12, 0, "better than the linear baseline by 30.0 points, p < 0.001"),
        (3, 2, "not better than the linear baseline (+2.5 points, p = 1.00)"),
        (1, 11, "worse than the linear baseline by 25.0 points, p = 0.006"),
    ],
)
def test_a_model_is_compared_with_the_linear_baseline(
    here, command, trained, model, linear, won, lost, sentence, tickets
):
    texts = [row["text"] for row in read_csv(tickets)]
    pairs = list(zip(texts, model.predict(texts), linear.predict(texts), strict=True))
    different, alike = ([row for row in pairs if (row[1] == row[2]) == same] for same in (False, True))
    # Labels that make the one right, or the other, or both.
    rows = [(text, ours) for text, ours, _ in different[:won]]
    rows += [(text, theirs) for text, _, theirs in different[won : won + lost]]
    rows += [(text, ours) for text, ours, _ in alike[: 40 - won - lost]]
    with (here / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    ran = command("evaluate", trained, "rows.csv")
    assert ran.code == 0 and f"\n{sentence}\n" in ran.out, ran
    one = json.loads(command("evaluate", trained, "rows.csv", "--json").out)["comparisons"]["the linear baseline"]
    assert (one["only_ours_right"], one["only_baseline_right"], one["both_right"]) == (won, lost, 40 - won - lost)
    gold = [label for _, label in rows]
    for name, judged in (("accuracy", model), ("baseline_accuracy", linear)):
        assert one[name] == pytest.approx(accuracy_score(gold, judged.predict([text for text, _ in rows])))
    assert one["p_value"] == pytest.approx(binomtest(won, won + lost).pvalue)
    low, high = one["difference_interval"]
    assert one["difference"] == pytest.approx((won - lost) / 40) and low < one["difference"] < high


def test_a_model_is_compared_with_the_majority_of_its_training_and_the_linear_one_not_with_itself(
    command, linear, tickets
):
    ran = command("evaluate", linear.folder, tickets, "--json")
    comparisons = json.loads(ran.out)["comparisons"]
    assert list(comparisons) == ["the majority"]
    (one,) = comparisons.values()
    counts = linear.run["data"]["classes"]
    majority = max(counts, key=counts.get)
    gold = [row["label"] for row in read_csv(tickets)]
    predicted = linear.predict([row["text"] for row in read_csv(tickets)])
    won = sum(label == true != majority for label, true in zip(predicted, gold, strict=True))
    lost = sum(label != true == majority for label, true in zip(predicted, gold, strict=True))
    assert (one["only_ours_right"], one["only_baseline_right"]) == (won, lost)
    assert one["baseline_accuracy"] == pytest.approx(accuracy_score(gold, [majority] * len(gold)))
    assert one["p_value"] == pytest.approx(binomtest(won, won + lost).pvalue)


def test_labels_the_model_has_never_seen_are_errors_and_named(here, command, trained, model):
    texts = ["where is my parcel", "I want my money back"]
    known = model.predict(texts)
    rows = [*zip(texts, known, strict=True), (texts[0], "unheard of")]
    (here / "odd.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    ran = command("evaluate", trained, "odd.csv")
    assert ran.code == 0
    assert ran.out.startswith("accuracy 0.6667 ["), "2 of 3 rows are right"
    assert "1 row with a label the model has never seen, counted as errors:\n  unheard of: 1" in ran.out


def test_rows_that_lack_a_cell_are_left_out_and_told(here, command, trained):
    (here / "gaps.csv").write_text('text,label\nmy parcel is late,delivery_delay\nno label,\n"",delivery_delay\n')
    ran = command("evaluate", trained, "gaps.csv")
    assert ran.code == 0
    assert ran.out.splitlines()[0].endswith(" n=2"), "an empty text is a text, a blank label is none"
    assert "dropped 1 row without a label (line 3)" in ran.out
    empty = "gaps.csv: one text is empty, and a model's answer to nothing means nothing."
    assert f"note: {empty}\n" in ran.out
    report = trained / "report.html"
    assert f"report      {report} (of the training; --report FILE writes one of these data)\n" in ran.out
    ran = command("predict", trained, "gaps.csv", "--output", "labelled.csv")
    assert ran.code == 0 and f"note: {empty}\n" in ran.err
    assert len(read_csv(here / "labelled.csv")) == 3, "each row is labelled all the same"


def test_other_columns_than_those_of_the_training_are_found_and_told(here, command, trained):
    (here / "other.csv").write_text("topic,body\ndelivery_delay,my parcel is late\ncompliment,thank you\n")
    ran = command("evaluate", trained, "other.csv")
    assert ran.code == 0
    assert 'other.csv: the model was trained on text column "text", which this file lacks; took "body".' in ran.out


def test_an_evaluation_file_without_labels_is_refused(here, command, trained):
    (here / "new.csv").write_text("text\nmy parcel is late\nwhere is it\n")
    ran = command("evaluate", trained, "new.csv")
    assert ran.code == 2 and len(ran.err.splitlines()) == 1
    assert "found no label column" in ran.err and ran.out == ""


def test_a_column_without_labels_of_the_model_is_not_scored(here, command, trained):
    (here / "new.csv").write_text("text,language\nmy parcel is late,en\nwo ist mein paket,de\nthank you,en\n")
    ran = command("evaluate", trained, "new.csv")
    assert ran.code == 2 and ran.out == "" and len(ran.err.splitlines()) == 1
    assert '"label", which this file lacks' in ran.err and "--label-column" in ran.err
    assert command("evaluate", trained, "new.csv", "--label-column", "language").out.startswith("accuracy 0.0000 [")


def test_the_report_of_an_evaluation_shows_texts_unless_asked_not_to(here, command, trained, tickets, model):
    assert command("evaluate", trained, tickets, "--report", "with.html").code == 0
    assert command("evaluate", trained, tickets, "--report", "without.html", "--no-texts").code == 0
    rows = read_csv(tickets)
    predicted = model.predict([row["text"] for row in rows])
    pairs = zip(rows, predicted, strict=True)
    # Letters and blanks only: nothing that HTML would write otherwise.
    starts = [
        row["text"][:40] for row, label in pairs if label != row["label"] and re.match("[A-Za-z ]{40}", row["text"])
    ]
    assert starts, "the small model makes errors, of which the report shows some"
    shown, hidden = (here / "with.html").read_text(), (here / "without.html").read_text()
    assert any(start in shown for start in starts)
    assert not any(start in hidden for start in starts)


def test_predict_keeps_all_columns_and_the_order_of_the_rows(here, command, trained, model):
    rows = [
        {"id": "007", "text": "where is my parcel", "note": "=1+1"},
        {"id": "1.0", "text": "", "note": "nan"},
        {"id": "", "text": 'a "quoted", text\nin two lines', "note": "很好 🙂"},
    ]
    with (here / "new.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "note"])
        writer.writeheader()
        writer.writerows(rows)
    ran = command("predict", trained, "new.csv", "--output", "out.csv")
    empty = "note: new.csv: one text is empty, and a model's answer to nothing means nothing.\n"
    assert (ran.code, ran.out, ran.err) == (0, "", f"{empty}3 rows written to out.csv\n")
    found = read_csv(here / "out.csv")
    assert list(found[0]) == ["id", "text", "note", "predicted_label", "probability"]
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    texts = [row["text"] for row in rows]
    assert [row["predicted_label"] for row in found] == model.predict(texts)
    best = model.predict_proba(texts).max(axis=1).tolist()
    assert [float(row["probability"]) for row in found] == pytest.approx(best, abs=1e-6)


def test_predict_keeps_numbers_as_numbers(here, command, trained, trained_writer):
    row = {"text": "where is my parcel", "source": "May 3, 1998", "id": 7, "meta": {"stars": [5]}}
    (here / "new.jsonl").write_text(json.dumps(row) + "\n")
    for folder in (trained, trained_writer):
        assert command("predict", folder, "new.jsonl", "--output", "out.jsonl").code == 0
        assert list(json.loads((here / "out.jsonl").read_text()).items())[:4] == list(row.items())
        assert command("predict", folder, "new.jsonl", "--output", "out.csv").code == 0
        assert read_csv(here / "out.csv")[0]["id"] == "7"


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet", "csv.gz"])
def test_predict_reads_what_it_writes_in_every_format(here, command, trained, tickets, suffix):
    assert command("predict", trained, tickets, "--output", f"out.{suffix}").code == 0
    ran = command("evaluate", trained, f"out.{suffix}", "--label-column", "predicted_label")
    assert ran.out.startswith("accuracy 1.0000 ["), "its own answers are all right"


def test_predict_keeps_the_columns_of_an_earlier_answer(here, command, trained, model):
    (here / "new.csv").write_text("text,probability\nmy parcel is late,mine\n")
    assert "predicted_label_2 and probability_2" in command("predict", trained, "new.csv", "--output", "a.csv").err
    first = read_csv(here / "a.csv")[0]
    assert list(first) == ["text", "probability", "predicted_label_2", "probability_2"]
    assert first["probability"] == "mine" and [first["predicted_label_2"]] == model.predict(["my parcel is late"])
    assert command("predict", trained, "a.csv", "--output", "b.csv").code == 0
    again = read_csv(here / "b.csv")[0]
    assert {name: again[name] for name in first} == first
    assert list(again)[4:] == ["predicted_label_3", "probability_3"]


def test_predict_tells_of_other_columns_than_those_of_the_training(here, command, trained):
    (here / "new.csv").write_text("id,body\n1,my parcel is late\n2,where is it\n")
    ran = command("predict", trained, "new.csv", "--output", "a.csv")
    told = 'note: new.csv has no "text", which the model was trained on; "body" is taken. --text-column says otherwise.'
    assert ran.code == 0 and told in ran.err.splitlines()
    assert command("predict", trained, "new.csv", "--output", "a.csv", "--text-column", "body").err == (
        "2 rows written to a.csv\n"
    )


def test_the_file_that_is_read_is_not_replaced(here, command, trained):
    (here / "new.csv").write_text("text,label\nmy parcel is late,refund_request\n")
    (here / "link.csv").symlink_to(here / "new.csv")
    for ran in (
        command("predict", trained, "new.csv", "--output", "link.csv"),
        command("evaluate", trained, "new.csv", "--predictions", "./new.csv"),
    ):
        assert ran.code == 2 and "is the file that is read, and would be replaced. Give another name." in ran.err
    assert (here / "new.csv").read_text() == "text,label\nmy parcel is late,refund_request\n"
    report = command("evaluate", trained, "new.csv", "--report", "new.csv")
    assert report.code == 2 and "is the file that is read" in report.err


def test_a_classifier_is_not_asked_for_new_texts(command, trained):
    ran = command("generate", trained, "my parcel")
    assert ran.code == 2 and f"is for classification: ask it by `kerasnlp-kit predict {trained}`." in ran.err


def test_report_and_predictions_of_one_name_are_refused_however_it_is_written(here, command, trained, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "new.csv").write_text("text,label\nmy parcel is late,refund_request\n")
    for name in ("out.csv", "./out.csv", here / "out.csv"):
        ran = command("evaluate", trained, "new.csv", "--predictions=~/out.csv", "--report", name)
        assert ran.code == 2 and "--predictions and --report must be two files" in ran.err
    assert not (here / "out.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--report", "report.html"),
        ("evaluate", "--predictions", "rows.csv"),
        ("predict", "--output", "saved_model/1/out.csv"),
    ],
)
def test_nothing_is_written_into_a_model_folder(here, command, trained, tickets, arguments):
    name, flag, file = arguments
    ran = command(name, trained, tickets, flag, trained / file)
    assert ran.code == 2 and f"is within the model folder {trained}, which could not be loaded any more" in ran.err
    assert command("evaluate", trained, tickets, "--predictions", trained / ".." / ".." / "rows.csv").code == 0
    (trained.parent.parent / "rows.csv").unlink()
    (here / "manifest.json").write_text("{}")  # that of a program of another kind
    assert command("evaluate", trained, tickets, "--predictions", "rows.csv").code == 0


def test_evaluating_costs_no_import_of_keras(shell, trained, tickets):
    ran = shell("evaluate.py", trained, tickets, "--out-of-scope", tickets, python=["-X", "importtime"])
    assert ran.code == 0, ran.err
    imported = {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}
    assert "tensorflow" in imported
    assert not {"keras", "sklearn", "matplotlib"} & imported


def test_predict_reads_standard_input_and_writes_standard_output(shell, trained, model):
    ran = shell("kerasnlp_kit", "predict", trained, "-", stdin="text\nwhere is my parcel\n我要退款 😡\n")
    assert (ran.code, ran.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["text"] for row in rows] == ["where is my parcel", "我要退款 😡"]
    assert [row["predicted_label"] for row in rows] == model.predict(["where is my parcel", "我要退款 😡"])


def test_formulas_become_harmless_on_demand(here, command, trained):
    (here / "new.csv").write_text('text,label\n"=HYPERLINK(""http://x"")",-1\nplain words,2\n')
    assert command("predict", trained, "new.csv", "--output", "out.csv", "--spreadsheet-safe").code == 0
    first = read_csv(here / "out.csv")[0]
    assert (first["text"], first["label"]) == ('\'=HYPERLINK("http://x")', "'-1")
    (here / "new.csv").write_text("text,label\n\uff1d1+1,refund_request\nplain words,refund_request\n")
    assert command("evaluate", trained, "new.csv", "--predictions", "rows.csv", "--spreadsheet-safe").code == 0
    assert [row["text"] for row in read_csv(here / "rows.csv")] == ["'\uff1d1+1", "plain words"]
    alone = command("evaluate", trained, "new.csv", "--spreadsheet-safe")
    assert alone.code == 2 and "--spreadsheet-safe would change nothing: it is for --predictions." in alone.err


def test_a_full_disk_is_told_and_leaves_nothing(here, command, trained, tickets, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    ran = command("predict", trained, tickets, "--output", "out.csv")
    assert ran.code == 2
    expected = "out.csv: cannot be written: No space left on device. Free some space, or choose another folder."
    assert ran.err.startswith("error: ") and ran.err.endswith(f"{expected}\n")
    assert sorted(path.name for path in here.iterdir()) == ["models"]


def test_predict_knows_a_header_by_the_name_of_the_column_that_is_asked_for(here, command, trained, trained_writer):
    (here / "new.csv").write_text("Kommentar\nwhere is my parcel\nmy card was charged twice\n")
    for model, flag in ((trained, "--text-column"), (trained_writer, "--source-column")):
        ran = command("predict", model, "new.csv", "--output", "out.csv", flag, "Kommentar")
        assert ran.code == 0 and ran.err.startswith("2 rows"), ran.out + ran.err
        assert [row["Kommentar"] for row in read_csv(here / "out.csv")] == [
            "where is my parcel",
            "my card was charged twice",
        ]


def test_the_report_of_an_evaluation_has_curves_and_lengths(here, command, trained, linear, tickets):
    assert command("evaluate", trained, tickets, "--report", "network.html").code == 0
    assert command("evaluate", linear.folder, tickets, "--report", "linear.html").code == 0
    network, plain = ((here / f"{name}.html").read_text() for name in ("network", "linear"))
    assert "Learning curves" in network and "Learning curves" not in plain
    assert re.search(r"These texts: median \d+ tokens, longest", network)
    assert re.search(r"These texts: median \d+ characters, longest", plain)
    # So has that of the training.
    assert re.search(r"Training texts: median \d+ characters, longest", (linear.folder / "report.html").read_text())


@pytest.mark.parametrize("program", [("evaluate.py",), ("kerasnlp_kit", "predict")])
def test_a_file_that_is_not_there_is_told_before_tensorflow_is_imported(shell, trained, program):
    ran = shell(*program, trained, "mistyped.csv", python=["-X", "importtime"])
    assert ran.code == 2 and "mistyped.csv: there is no such file" in ran.err
    assert "tensorflow" not in {line.rpartition("|")[2].strip() for line in ran.err.splitlines()}


def test_notes_go_to_standard_error_where_json_is_asked_for(here, command, trained):
    (here / "new.csv").write_text("text,label\nmy parcel is late,delivery_delay\nno label,\n")
    ran = command("evaluate", trained, "new.csv", "--json")
    assert json.loads(ran.out)["n"] == 1 and "note: new.csv: dropped 1 row without a label (line 3)" in ran.err


def test_no_file_that_is_read_is_replaced_and_no_two_outputs_are_one(here, command, trained, tickets):
    (here / "outside.csv").write_text("text\nhello\n")
    for flag in ("--predictions", "--report"):
        ran = command("evaluate", trained, tickets, "--out-of-scope", "outside.csv", flag, "outside.csv")
        assert ran.code == 2 and "is the file that is read" in ran.err
    ran = command("evaluate", trained, tickets, "--predictions", "a.csv", "--report", "./a.csv")
    assert ran.code == 2 and "must be two files" in ran.err
    ran = command("evaluate", trained, tickets, "--json", "--predictions", "-")
    assert ran.code == 2 and "--predictions must be the name of a file" in ran.err
    result = kit.evaluate(trained, tickets)
    for write in (result.write_predictions, result.write_report):
        with pytest.raises(UserError, match="is the file that is read"):
            write(tickets)
    with pytest.raises(UserError, match="is within the model folder"):
        result.write_report(trained / "report.html")
    ran = command("evaluate", trained, tickets, "--no-texts")
    assert ran.code == 2 and "--no-texts would change nothing: it is for --report" in ran.err


def test_files_are_written_before_anything_is_printed(here, command, trained, tickets, monkeypatch):
    seen = []
    monkeypatch.setattr("builtins.print", lambda *_, **__: seen.append((here / "rows.csv").exists()))
    command("evaluate", trained, tickets, "--predictions", "rows.csv")
    assert seen and all(seen)


def test_what_is_no_text_is_refused_with_its_row(model):
    with pytest.raises(TypeError, match=r"texts must hold strings\. Received: None at row 1"):
        model.predict(["where is it", None])
    with pytest.raises(TypeError, match=r"texts must be several texts, such as a list\. Received: 'where is it'"):
        model.predict("where is it")
