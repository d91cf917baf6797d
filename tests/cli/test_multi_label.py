"""Several labels a text, from the file to the SavedModel, against scikit-learn."""

import contextlib
import csv
import io
import json
import random
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.preprocessing import MultiLabelBinarizer

import kerasnlp_kit as kit
from kerasnlp_kit.api import finish, scoring
from kerasnlp_kit.evaluation.decision import cross_fitted_thresholds, f1_thresholds
from kerasnlp_kit.export.folder import BASELINE, ModelFolder

LABELS = ("food", "music", "sport")
FIRST_LINE = re.compile(r"micro-F1 (\d\.\d{4}) \[\d\.\d{4}, \d\.\d{4}\] n=(\d+)")


def rows(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Texts in which a word such as f0 tells that they are about food; each label is in four of ten, some have none."""
    source = random.Random(seed)
    made = []
    for _ in range(count):
        labels = [label for label in LABELS if source.random() < 0.4]
        words = [f"{label[0]}{source.randint(0, 3)}" for label in labels]
        words += source.choices(["the", "a", "of", "and"], k=source.randint(1, 6))
        source.shuffle(words)
        made.append((" ".join(words), labels))
    return made


def write(path: Path, header: tuple[str, ...], cells) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *cells])
    return path


def write_joined(path: Path, some) -> Path:
    return write(path, ("text", "labels"), ((text, "|".join(labels)) for text, labels in some))


def write_columns(path: Path, some) -> Path:
    return write(
        path, ("text", *LABELS), ((text, *(int(label in labels) for label in LABELS)) for text, labels in some)
    )


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def matrix(cells, labels=LABELS) -> np.ndarray:
    """Labels joined by "|" as 0 and 1: (rows, labels)."""
    return MultiLabelBinarizer(classes=labels).fit_transform([cell.split("|") if cell else [] for cell in cells])


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the same rows in both ways of writing several labels."""
    folder = tmp_path_factory.mktemp("sets")
    for name, some in (("train", rows(180, 1)), ("test", rows(60, 2))):
        write_joined(folder / f"joined_{name}.csv", some)
        write_columns(folder / f"columns_{name}.csv", some)
    return folder


@pytest.fixture(scope="module")
def joined(place, run_in) -> Path:
    """A small network, far from perfect, trained on labels that are joined in one column."""
    small = ("--embedding-dim=6", "--filters=5", "--kernels=1", "--learning-rate=0.05", "--epochs=6")
    options = ("--label-separator", "|", "--model", "cnn_classifier", "--name", "joined")
    ran = run_in(place, "train", "joined_train.csv", "--test", "joined_test.csv", *options, *small)
    assert ran.code == 0, ran.err
    assert "classes    3, a row may have several: " in ran.out
    assert " - val_f1: " in ran.out and "accuracy: " not in ran.out
    return place / "models" / "joined"


@pytest.fixture(scope="module")
def columns(place, run_in) -> Path:
    """A linear model, trained on a column of 0 and 1 for each label."""
    options = ("--label-column", *LABELS, "--model", "ngram_linear", "--name", "columns")
    ran = run_in(place, "train", "columns_train.csv", *options)
    assert ran.code == 0, ran.err
    assert "columns    text: text; label: food + music + sport" in ran.out
    return place / "models" / "columns"


@pytest.fixture
def model(request) -> Path:
    return request.getfixturevalue(request.param)


both_models = pytest.mark.parametrize("model", ["joined", "columns"], indirect=True)


@both_models
def test_the_first_line_is_the_micro_f1_that_scikit_learn_finds_in_the_predictions(command, here, place, model):
    ran = command("evaluate", model, place / f"{model.name}_test.csv", "--predictions", "rows.csv")
    assert (ran.code, ran.err) == (0, "")
    found = read(here / "rows.csv")
    assert [row["text"] for row in found] == [text for text, _ in rows(60, 2)]
    gold, predicted = matrix(row["label"] for row in found), matrix(row["predicted_label"] for row in found)
    np.testing.assert_array_equal(gold, [[label in labels for label in LABELS] for _, labels in rows(60, 2)])
    score = f1_score(gold, predicted, average="micro")
    assert FIRST_LINE.fullmatch(ran.out.splitlines()[0]).groups() == (f"{score:.4f}", "60")
    precision, recall = (one(gold, predicted, average="micro") for one in (precision_score, recall_score))
    assert f"\nmicro precision {precision:.4f}, recall {recall:.4f}\n" in ran.out
    assert f"\nsubset accuracy {accuracy_score(gold, predicted):.4f}, " in ran.out


def test_the_report_shows_the_course_of_the_micro_f1(joined):
    curves = (joined / "report.html").read_text().partition("Learning curves")[2].partition("</section>")[0]
    assert re.findall(r"<figcaption>(.*?)</figcaption>", curves) == ["loss", "micro F1"]


def test_the_test_file_of_the_training_scores_as_in_evaluate(command, place, joined):
    evaluated = json.loads(command("evaluate", joined, place / "joined_test.csv", "--json").out)
    recorded = json.loads((joined / "metrics.json").read_text())["joined_test.csv"]
    # In batches of other sizes the probabilities are rounded otherwise.
    for measures in (evaluated, recorded):
        del measures["reliability"]
        measures["calibration_error"] = round(measures["calibration_error"], 5)
    assert evaluated == recorded


@both_models
def test_predict_joins_the_labels_that_the_saved_model_selects(command, here, place, model):
    texts = [*(text for text, _ in rows(60, 2)), "nothing of it", ""]
    write(here / "new.csv", ("id", "text"), enumerate(texts))
    assert command("predict", model, "new.csv", "--output", "out.csv").code == 0
    found = read(here / "out.csv")
    assert list(found[0]) == ["id", "text", "predicted_label", "probability"]
    answer = tf.saved_model.load(str(model / "saved_model" / "1")).signatures["serving_default"](
        text=tf.constant(texts)
    )
    assert set(answer) == {"labels", "probabilities", "selected"}
    names = [[name.decode() for name in row] for row in answer["labels"].numpy()]
    assert names == [list(LABELS)] * len(texts)
    probabilities, selected = answer["probabilities"].numpy(), answer["selected"].numpy()
    np.testing.assert_array_equal(matrix(row["predicted_label"] for row in found), selected)
    assert found[-1]["predicted_label"] == found[-1]["probability"] == "", "an empty text has no label"
    for row, numbers, chosen in zip(found, probabilities, selected, strict=True):
        shares = [float(share) for share in row["probability"].split("|") if share]
        np.testing.assert_allclose(shares, numbers[chosen], atol=1e-5)
    thresholds = np.array(json.loads((model / "run.json").read_text())["decision"]["thresholds"])
    clear = np.abs(probabilities - thresholds) > 1e-5
    np.testing.assert_array_equal((probabilities >= thresholds)[clear], selected[clear])
    assert kit.load(model).predict(texts) == [
        row["predicted_label"].split("|") * bool(row["predicted_label"]) for row in found
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_format_that_has_lists_gets_lists_unless_the_labels_were_joined(
    command, here, place, joined, columns, suffix
):
    texts = [*(text for text, _ in rows(60, 2)), ""]
    write(here / "new.csv", ("id", "text"), enumerate(texts))
    found = {}
    for model in (joined, columns):
        assert command("predict", model, "new.csv", "--output", f"out{suffix}").code == 0
        if suffix == ".jsonl":
            found[model] = [json.loads(line) for line in (here / f"out{suffix}").read_text().splitlines()]
        else:
            found[model] = pq.read_table(here / f"out{suffix}").to_pylist()
    answers, shares = kit.load(columns).predict(texts), kit.load(columns).predict_proba(texts)
    assert [row["predicted_label"] for row in found[columns]] == answers
    assert any(len(row) > 1 for row in answers) and answers[-1] == found[columns][-1]["probability"] == []
    for row, numbers in zip(found[columns], shares, strict=True):
        expected = [numbers[LABELS.index(name)] for name in row["predicted_label"]]
        np.testing.assert_allclose(row["probability"], expected, atol=1e-5)
    assert [row["predicted_label"] for row in found[joined]] == [
        "|".join(row) for row in kit.load(joined).predict(texts)
    ]
    flags = ("--predictions", f"rows{suffix}", "--spreadsheet-safe")
    assert command("evaluate", columns, place / "columns_test.csv", *flags).code == 0
    if suffix == ".jsonl":
        gold = [json.loads(line)["label"] for line in (here / f"rows{suffix}").read_text().splitlines()]
    else:
        gold = pq.read_table(here / f"rows{suffix}").column("label").to_pylist()
    assert gold == [[label for label in LABELS if label in labels] for _, labels in rows(60, 2)]


def test_the_printed_lines_load_the_model_and_show_what_it_says(command, place, columns, monkeypatch):
    ran = command("evaluate", columns, place / "columns_test.csv")
    lines = ran.out.partition("Load it anywhere:\n\n")[2]
    monkeypatch.chdir(place)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(lines, "printed", "exec"), {})
    assert "'selected': array([[" in said.getvalue()
    assert lines.strip() in (columns / "MODEL_CARD.md").read_text().replace(f"models/{columns.name}", str(columns))


def test_the_linear_baseline_is_compared_by_rows_that_are_wholly_right(command, here, place, joined):
    comparison = json.loads(command("evaluate", joined, place / "joined_test.csv", "--json").out)["comparisons"]
    assert list(comparison) == ["the linear baseline"], "no label is that of the majority"
    (one,) = comparison.values()
    command("evaluate", joined, place / "joined_test.csv", "--predictions", "rows.csv")
    found = read(here / "rows.csv")
    right = accuracy_score(matrix(row["label"] for row in found), matrix(row["predicted_label"] for row in found))
    assert one["accuracy"] == pytest.approx(right)
    won, lost = one["only_ours_right"], one["only_baseline_right"]
    assert one["p_value"] == pytest.approx(binomtest(won, won + lost).pvalue)
    assert won + one["both_right"] == round(60 * right)


def test_labels_the_model_has_never_seen_are_missed_and_named(command, here, joined):
    some = [(text, [*labels, "chess"] if number < 4 else labels) for number, (text, labels) in enumerate(rows(30, 3))]
    write_joined(here / "odd.csv", some)
    ran = command("evaluate", joined, "odd.csv", "--predictions", "rows.csv")
    assert ran.code == 0, ran.err
    assert 'note: odd.csv: 1 label is unknown to the model: "chess" (4 rows).' in ran.out
    assert "labels the model has never seen, missed in every row that has them:\n  chess: 4" in ran.out
    found, all_labels = read(here / "rows.csv"), (*LABELS, "chess")
    gold = matrix(("|".join(labels) for _, labels in some), all_labels)
    predicted = matrix((row["predicted_label"] for row in found), all_labels)
    assert ran.out.startswith(f"micro-F1 {f1_score(gold, predicted, average='micro'):.4f} [")


def test_a_file_of_which_the_model_knows_no_label_is_not_scored(command, here, joined):
    write_joined(here / "odd.csv", [(text, ["chess"]) for text, _ in rows(9, 3)])
    ran = command("evaluate", joined, "odd.csv")
    assert (ran.code, ran.out) == (2, "") and len(ran.err.splitlines()) == 1
    assert 'none of its labels ("chess") is a label of the model' in ran.err


def test_a_file_that_writes_labels_otherwise_than_the_training_is_scored_alike(command, place, columns):
    ran = command("evaluate", columns, place / "joined_test.csv")
    assert ran.code == 2 and 'lacks label columns of the training: "food", "music", "sport"' in ran.err
    assert "--label-column" in ran.err and "--label-separator" in ran.err
    asked = ("--label-column", "labels", "--label-separator", "|")
    other = command("evaluate", columns, place / "joined_test.csv", *asked)
    assert other.code == 0, other.err
    as_trained = command("evaluate", columns, place / "columns_test.csv")
    assert other.out.partition("\nnote: ")[0] == as_trained.out.partition("\nnote: ")[0]


@pytest.mark.parametrize("flag", ["--dev", "--test"])
def test_a_file_in_which_no_row_has_a_label_is_refused_before_training(refused, here, place, flag):
    write_columns(here / "rare.csv", [(text, []) for text, _ in rows(20, 5)])
    columns = ("--label-column", *LABELS, "--model", "ngram_linear")
    message = refused("train", place / "columns_train.csv", flag, "rare.csv", *columns)
    assert message.startswith(
        "rare.csv: Expected rows with labels such as 'food'. Received: 20 rows without any label."
    )


def test_the_baseline_of_a_file_has_thresholds_of_its_own(joined, place):
    run, found = (json.loads((joined / name).read_text()) for name in ("run.json", "metrics.json"))
    test = read(place / "joined_test.csv")
    baseline = ModelFolder(joined).linear(joined / BASELINE).scores([row["text"] for row in test])
    limits = np.array(run["decision"]["baseline_thresholds"])
    assert limits.shape == (3,)
    right = accuracy_score(matrix(row["labels"] for row in test), 1 / (1 + np.exp(-baseline)) >= limits)
    both = found["joined_test.csv"]["comparisons"]["the linear baseline"]
    assert both["baseline_accuracy"] == pytest.approx(right)


def test_figures_on_dev_are_by_thresholds_of_the_other_rows():
    source = np.random.default_rng(1)
    targets = source.random((40, 3)) < 0.4
    answers, beside = (np.clip(0.3 * targets + 0.6 * source.random((40, 3)), 0.01, 0.99) for _ in range(2))
    examples = SimpleNamespace(targets=targets, label_names=LABELS, targets_for=lambda names: targets, texts=[""] * 40)
    part = SimpleNamespace(examples=examples, labels=targets)
    prepared = SimpleNamespace(multi_label=True, dev=part, label_names=LABELS)
    decision = {"thresholds": [0.5] * 3, "baseline_thresholds": [0.5] * 3}
    record = {"decision": decision, "data": {"classes": {}}}
    run = SimpleNamespace(record=record, config=SimpleNamespace(decision=SimpleNamespace(min_precision=None)))
    baseline = SimpleNamespace(scores=lambda texts: np.log(beside / (1 - beside)))
    scores = finish._score(run, prepared, part, answers, baseline, None, None)
    np.testing.assert_array_equal(scores.selected, answers >= cross_fitted_thresholds(answers, targets, f1_thresholds))
    right = ((beside >= cross_fitted_thresholds(beside, targets, f1_thresholds)) == targets).all(axis=1).mean()
    assert scores.comparisons["the linear baseline"].baseline_accuracy == pytest.approx(right)
    test = finish._score(run, SimpleNamespace(**{**vars(prepared), "dev": None}), part, answers, baseline, None, None)
    np.testing.assert_array_equal(test.selected, answers >= 0.5)


def test_a_row_whose_label_column_is_neither_0_nor_1_is_told(refused, here, place):
    (here / "odd.csv").write_text((place / "columns_train.csv").read_text() + "the end,1,maybe,0\n")
    message = refused("train", "odd.csv", "--label-column", *LABELS)
    assert 'odd.csv: line 182: label column "music" holds "maybe"' in message


@pytest.mark.parametrize("flags", [["--class-weights"], ["--min-precision", "0.9"], ["--out-of-scope", "train.csv"]])
@pytest.mark.parametrize("model", ["ngram_linear", "cnn_classifier", "auto"])
def test_options_of_one_label_a_row_are_refused_before_training(refused, here, place, model, flags):
    (here / "train.csv").write_text((place / "joined_train.csv").read_text())
    message = refused("train", "train.csv", "--label-separator", "|", "--model", model, *flags)
    assert message == f"{flags[0]} needs one label a row; here a row may have several."


def test_texts_out_of_scope_are_refused_where_a_text_may_have_no_label(command, place, joined):
    ran = command("evaluate", joined, place / "joined_test.csv", "--out-of-scope", place / "joined_test.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: --out-of-scope needs one label a row; this model may give a text none of its labels.\n"


def test_a_label_that_neither_model_knows_is_an_error_of_both():
    examples = SimpleNamespace(
        targets=np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0]], bool),
        label_names=("a", "b", "new"),
        targets_for=lambda names: np.array([[1, 0], [0, 1], [1, 0]], bool),
    )
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], "float32")
    scores = scoring._score_several(examples, probabilities, ["a", "b"], None, probabilities - 0.5, None)
    (comparison,) = scores.comparisons.values()
    # All of the first row that can be known is right, but not all of it.
    assert (comparison.both_right, comparison.both_wrong) == (1, 2)
    assert scores.metrics.subset_accuracy == pytest.approx(1 / 3)


def test_a_label_that_holds_the_usual_separator_is_joined_by_another_on_both_sides(here, run_in, command):
    words = {"a|b": "alpha", "c": "gamma", "d": "delta"}
    source = random.Random(5)
    cells = [[int(source.random() < 0.5) for _ in words] for _ in range(120)]
    texts = [" ".join(word for word, one in zip(words.values(), row, strict=True) if one) + " x" for row in cells]
    write(here / "odd.csv", ("text", *words), [(text, *row) for text, row in zip(texts, cells, strict=True)])
    ran = run_in(here, "train", "odd.csv", "--model", "ngram_linear", "--label-column", *words, "--name", "odd")
    assert ran.code == 0, ran.err
    ran = command("evaluate", "models/odd", "odd.csv", "--label-column", *words, "--predictions", "rows.csv")
    assert ran.code == 0, ran.err
    assert re.search(r"^not better|^better|^worse", ran.out, re.MULTILINE) is None, "it is the baseline"
    rows = read(here / "rows.csv")
    both = [row["predicted_label"] for row in rows if row["label"] == "a|b;c"]
    assert both and set(both) == {"a|b;c"}


def test_what_is_compared_with_the_baseline_is_named(joined, place, command):
    ran = command("evaluate", joined, place / "joined_test.csv")
    assert re.search(r"than the linear baseline .*points exact match, p", ran.out), ran.out


def test_the_ladder_climbs_with_several_labels_too(place, run_in, monkeypatch):
    monkeypatch.setattr("kerasnlp_kit.api.ladder._affordable", lambda *_: 2)  # epochs, whatever the time
    rungs = ("ngram_linear", "cnn_classifier")
    ran = run_in(place, "train", "joined_train.csv", "--label-separator", "|", "--rungs", *rungs, "--name", "climbed")
    assert ran.code == 0, ran.err
    run = json.loads((place / "models" / "climbed" / "run.json").read_text())
    assert [one["model"] for one in run["tried"]] == [*rungs, " + ".join(rungs)]
    (chosen,) = [one["model"] for one in run["tried"] if one["chosen"]]
    assert chosen.startswith("ngram_linear") and [part["name"] for part in run["parts"]] == chosen.split(" + ")
    assert kit.load(place / "models" / "climbed").predict(["f0 the s1", "of m2"]) == [["food", "sport"], ["music"]]
