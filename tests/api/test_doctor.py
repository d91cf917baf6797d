import csv
import json
import random

import numpy as np
import pytest

import kerasnlp_kit as kit
from kerasnlp_kit.api import doctor as module
from kerasnlp_kit.api.diagnosis import require_folder
from kerasnlp_kit.api.doctor import doctor, out_of_fold_probabilities, predicted_classes
from kerasnlp_kit.errors import UserError


def topics(rows, classes=3, seed=0):
    """Texts of distinct words with one that tells the class, and their classes in turn."""
    source = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"

    def word():
        return "".join(source.choices(letters, k=6))

    clues = ("goalkeeper", "symphony", "casserole", "parliament")
    texts = [f"{word()} {clues[row % classes]} {word()} {word()}" for row in range(rows)]
    return texts, np.arange(rows) % classes


def write(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def diagnose(tmp_path):
    """Diagnoses train.csv, dev.csv and test.csv of rows of text and label; keeps what was said."""

    def diagnose(*files, **options):
        paths = [
            write(tmp_path / f"{name}.csv", rows) for name, rows in zip(("train", "dev", "test"), files, strict=False)
        ]
        return doctor(paths, say=diagnose.said.append, **options)

    diagnose.said = []
    return diagnose


def finding(diagnosis, name):
    return next(one for one in diagnosis.findings if one.name == name)


def named(texts, labels):
    return [(text, ("sport", "music", "food", "law")[label]) for text, label in zip(texts, labels, strict=True)]


# The linear model


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_out_of_fold_are_right_and_sum_to_one(classes):
    texts, labels = topics(60, classes)
    probabilities = out_of_fold_probabilities(texts, labels, classes)
    assert probabilities.shape == (60, classes) and (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9


def test_no_row_is_judged_by_a_model_that_has_seen_its_text_in_any_dress():
    # Labels by chance: only who has seen a text can know its label.
    texts, _ = topics(150)
    labels = np.random.default_rng(0).integers(0, 2, 150)
    twice = [*texts, *(text.upper() + "!" for text in texts)]
    probabilities = out_of_fold_probabilities(twice, np.tile(labels, 2), 2)
    assert (probabilities.argmax(axis=1) == np.tile(labels, 2)).mean() < 0.65


def test_probabilities_are_as_sure_as_they_are_right():
    # A fifth of the labels is wrong, so no answer should be much surer than 80%.
    texts, labels = topics(600, 3)
    chance = np.random.default_rng(1)
    labels = np.where(chance.random(600) < 0.3, chance.integers(0, 3, 600), labels)
    probabilities = out_of_fold_probabilities(texts, labels, 3)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert 0.7 < accuracy < 0.9 and probabilities.max(axis=1).mean() == pytest.approx(accuracy, abs=0.05)


def test_equal_seeds_give_equal_probabilities():
    texts, labels = topics(40)
    first = out_of_fold_probabilities(texts, labels, 3, seed=1)
    assert (first == out_of_fold_probabilities(texts, labels, 3, seed=1)).all()
    assert (first != out_of_fold_probabilities(texts, labels, 3, seed=2)).any()


def test_a_class_of_one_text_has_no_probability_where_it_is_held_out():
    texts, labels = topics(20, 2)
    probabilities = out_of_fold_probabilities([*texts, "lonely", "lonely"], np.array([*labels, 2, 2]), 4)
    assert np.isfinite(probabilities).all()
    assert (probabilities[20:, 2] == 0).all() and (probabilities[:, 3] == 0).all()


def test_every_fold_has_its_share_of_every_class():
    keys = np.arange(100, dtype=np.uint64) // 2  # each text twice
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    folds = module._folds(keys, labels, seed=0)
    assert (folds[::2] == folds[1::2]).all()
    for label, share in ((0, 10), (1, 6), (2, 4)):
        assert np.bincount(folds[labels == label], minlength=5).tolist() == [share] * 5


def test_other_texts_are_classified():
    texts, labels = topics(30)
    others, expected = topics(9, seed=1)
    assert predicted_classes(texts, labels, others, 3).tolist() == expected.tolist()


def test_of_many_classes_few_texts_are_scored_at_once_and_too_many_labels_are_not_judged(diagnose, monkeypatch):
    monkeypatch.setattr(module, "_MOST_SCORES", 12)
    texts, labels = topics(30)
    others, expected = topics(9, seed=1)
    assert predicted_classes(texts, labels, others, 3).tolist() == expected.tolist()
    assert predicted_classes(texts, labels, [], 3).tolist() == []
    labels[0] = 1  # wrong, and found where there are not too many
    told = diagnose(named(texts, labels), named(*topics(9, seed=1)))
    assert "likely_wrong_labels" not in {one.name for one in told.findings}
    assert "note: likely wrong labels are not looked for: 39 rows of 3 classes are too many." in diagnose.said
    assert finding(told, "accuracy").head(1)


def test_a_single_file_and_a_single_column_may_stand_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text(
        "body,topic\n" + "".join(f"text {n} of one kind,a\nother {n},b\n" for n in range(9))
    )
    said = []
    kit.doctor("a.csv", text_columns="body", label_columns="topic", model=False, say=said.append)
    assert 'text column "body" (as asked), label column "topic" (as asked)' in said[0]


# Findings of the model


def test_flipped_labels_are_told_with_the_better_one(diagnose):
    texts, labels = topics(90)
    rows = named(texts, labels)
    for row in (7, 40):
        rows[row] = (rows[row][0], "law" if row == 7 else "food")
    rows += [(f"the court and parliament {word}", "law") for word in ("one", "two", "three", "four", "five")]
    suspects = finding(diagnose(rows), "likely_wrong_labels").head(10)
    # A row's line is its place and two: the header, and lines count from 1.
    assert {row["line"] for row in suspects[:2]} == {9, 42}
    assert {row["line"]: row["suggested_label"] for row in suspects[:2]} == {
        row + 2: named(texts, labels)[row][1] for row in (7, 40)
    }
    assert all(row["probability_of_label"] < row["probability_of_suggested_label"] for row in suspects)


def test_classes_with_fewer_texts_than_folds_are_not_judged(diagnose):
    rows = named(*topics(60, 2))
    rows[7] = (rows[7][0], "sport")
    # Five rows, but one of them only in another dress.
    small = [(f"goalkeeper {word}", "law") for word in ("one", "two", "three", "four", "Four!")]
    suspects = finding(diagnose([*rows, *small]), "likely_wrong_labels")
    assert "of 60 that a linear model judged" in suspects.headline and "law" not in suspects.table["label"]
    suspects = finding(diagnose([*rows, *small, ("goalkeeper five", "law")]), "likely_wrong_labels")
    assert "of 66 that" in suspects.headline


def test_accuracy_is_told_with_and_without_the_rows_of_the_training_file(diagnose):
    # Labels by chance: what is right beyond chance was learnt by heart.
    source = random.Random(0)
    train = [(text, source.choice(("sport", "food"))) for text in topics(120)[0]]
    fresh = [(text, source.choice(("sport", "food"))) for text in topics(60, seed=1)[0]]
    known = [*train[:30], *((text.upper(), label) for text, label in train[30:60])]
    accuracy = finding(diagnose(train, [*fresh, *known]), "accuracy")
    row = accuracy.head(1)[0]
    assert (row["file"], row["rows"], row["rows_not_in_training"], row["rows_in_training"]) == ("dev.csv", 120, 60, 60)
    assert row["accuracy_in_training"] == 1 and row["accuracy_not_in_training"] < 0.7
    assert row["accuracy"] == pytest.approx(
        (row["accuracy_in_training"] + row["accuracy_not_in_training"]) / 2, abs=1e-4
    )
    assert accuracy.severity == "serious" and accuracy.count == 60
    assert f"{row['accuracy_not_in_training']:.4f} without the 60 in the training file" in accuracy.headline


def test_labels_unseen_in_training_are_errors(diagnose):
    texts, labels = topics(40)
    row = finding(diagnose(named(texts, labels), [(texts[0], "sport"), (texts[3], "law")]), "accuracy").head(1)[0]
    assert row["accuracy"] == 0.5


def test_many_rows_are_judged_by_a_sample(diagnose, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ROWS", 30)
    texts, labels = topics(90)
    headline = finding(diagnose(named(texts, labels), named(*topics(9, seed=1))), "accuracy").headline
    assert "trained on 30 rows of train.csv" in headline


def test_without_the_model_nothing_is_judged_by_one(diagnose):
    texts, labels = topics(30)
    names = {one.name for one in diagnose(named(texts, labels), named(texts, labels), model=False).findings}
    assert "leaks" in names and not names & {"accuracy", "likely_wrong_labels"}


# Reading


def test_a_file_without_labels_is_examined_for_its_texts(tmp_path):
    texts, labels = topics(30)
    train = write(tmp_path / "train.csv", named(texts, labels))
    new = write(tmp_path / "new.csv", [(text, "en") for text in texts[:3]], ("text", "language"))
    said = []
    diagnosis = doctor([train, new], say=said.append)
    assert finding(diagnosis, "leaks").count == 3
    assert diagnosis.examples[1].labels is None and "unseen_labels" not in {one.name for one in diagnosis.findings}
    assert any("looked at without labels" in line and "language" in line for line in said)


def test_a_training_file_without_labels_is_examined_too(tmp_path):
    texts, labels = topics(10)
    train = write(tmp_path / "train.csv", [(text,) for text in texts], ("text",))
    test = write(tmp_path / "test.csv", named(texts, labels))
    assert finding(doctor([train, test], say=lambda _: None), "leaks").count == 10


def test_several_labels_a_row_are_examined_without_a_model(tmp_path):
    texts, _ = topics(30)
    path = write(tmp_path / "a.csv", [(text, ("a|b", "b", "")[row % 3]) for row, text in enumerate([*texts, texts[0]])])
    said: list[str] = []
    diagnosis = doctor([path], label_separator="|", say=said.append)
    assert {one.name for one in diagnosis.findings} == {"repeats"}
    assert said[-1].startswith("note: with several labels a row, wrong labels and the accuracy without leaks are not")
    columns = write(tmp_path / "b.csv", [(text, row % 2, 1) for row, text in enumerate(texts)], ("text", "x", "y"))
    assert doctor([columns], label_columns=("x", "y"), say=lambda _: None).findings == ()


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ([], {}, "expected a file"),
        (["a.csv", "a.csv"], {}, "named twice"),
        (["a.csv", "b.csv"], {}, "there is no such file"),
        (["a.csv"], {"label_columns": ("topic",)}, 'no column "topic"'),
        (["a.csv"], {"text_columns": ("body",)}, 'no column "body"'),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch, files, options, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", named(*topics(10)))
    with pytest.raises(UserError, match=words):
        doctor(files, say=lambda _: None, **options)


# Writing


def test_each_finding_has_its_file_and_findings_json_lists_them(diagnose, tmp_path):
    texts, labels = topics(30)
    rows = named(texts, labels)
    diagnosis = diagnose([*rows, ("=1+1", "sport"), ("=1+1", "food")], [*rows[:2], ("=1+1", "@law")])
    diagnosis.write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "findings.json",
        *(one["file"] for one in content["findings"]),
    }
    assert [one["name"] for one in content["findings"]] == [one.name for one in diagnosis.findings]
    assert [(one["name"], one["rows"]) for one in content["files"]] == [("train.csv", 32), ("dev.csv", 3)]
    assert not any(text in json.dumps(content) for text in texts), "texts are in the CSV files alone"
    for one in diagnosis.findings:
        with (tmp_path / "out" / f"{one.name}.csv").open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        assert len(written) == one.rows and list(written[0]) == list(one.table)
        cells = [cell for row in written for cell in row.values()]
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
        assert one.name != "leaks" or {"'=1+1", "'@law"} <= set(cells)


def test_a_later_diagnosis_replaces_what_the_earlier_one_wrote_and_nothing_else(diagnose, tmp_path):
    rows = named(*topics(30))
    out = tmp_path / "out"
    diagnose(rows, rows[:2]).write(out)
    (out / "mine.csv").write_text("my notes")
    assert (out / "leaks.csv").exists()
    diagnose(rows).write(out)
    assert not (out / "leaks.csv").exists() and (out / "mine.csv").read_text() == "my notes"


def test_a_strange_findings_json_leads_nowhere_else(diagnose, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "other.csv").write_text("keep me")
    (tmp_path / "out" / "findings.json").write_text(json.dumps({"findings": [{"name": "../other"}]}))
    diagnose(named(*topics(30))).write(tmp_path / "out")
    assert (tmp_path / "other.csv").read_text() == "keep me"


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        require_folder(tmp_path)
    with pytest.raises(UserError, match="this is a file"):
        require_folder(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    require_folder(tmp_path / "empty")
    require_folder(tmp_path / "new" / "folder")
    with pytest.raises(UserError, match="nothing may be put into"):
        require_folder(tmp_path / "notes.txt" / "folder")


def test_a_tilde_is_the_home_of_the_findings_too(diagnose, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UserError, match="this is a file"):
        require_folder("~/taken")
    diagnose(named(*topics(9)), model=False).write("~/found")
    assert (tmp_path / "found" / "findings.json").is_file()


# The table


def test_the_table_shows_where_texts_differ_in_lines_of_bounded_width(diagnose):
    from kerasnlp_kit.evaluation.terminal import display_width

    long = "".join(chr(0x4E00 + code) for code in range(150))
    rows = [
        *named(*topics(30)),
        (f"{long}一", "sport"),
        (f"{long}二", "food"),
        ("x" * 500, "sport"),
        ("x" * 500, "law"),
    ]
    table = diagnose(rows).table()
    assert '一"' in table and '二"' in table
    assert max(map(display_width, table.splitlines())) <= 160


def test_texts_and_labels_cannot_steer_the_terminal(diagnose):
    rows = [*named(*topics(30)), ("red \x1b[31m\n", "a\x1bb"), ("red \x1b[31m\n", "sport")]
    diagnosis = diagnose(rows, [("new word", "c\x1bd"), ("red \x1b[31m\n", "A\x1bb")])
    assert "\x1b" not in diagnosis.table() and r"\x1b[31m" in diagnosis.table()


def test_no_finding_is_said_to_be_none(diagnose):
    assert diagnose(named(*topics(60))).table() == "Nothing was found."


def test_one_file_under_two_names_is_named_twice(tmp_path, monkeypatch):
    write(tmp_path / "a.csv", named(*topics(9)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"\./a\.csv is named twice"):
        doctor(["a.csv", "./a.csv"], say=print)


def test_classes_that_a_sample_of_the_rows_has_too_few_of_are_not_judged(diagnose, monkeypatch):
    monkeypatch.setattr(module, "_MOST_ROWS", 60)
    texts, labels = topics(400, 3)
    rare, _ = topics(5, 1, seed=9)  # enough for the folds, until rows are drawn
    wrong = np.where(np.arange(400) % 20 == 0, (labels + 1) % 3, labels)
    diagnosis = diagnose([*named(texts, wrong), *((text + " x", "law") for text in rare)])
    found = finding(diagnosis, "likely_wrong_labels")
    assert 0 < found.count <= 8 and "of 60 that" not in found.headline
