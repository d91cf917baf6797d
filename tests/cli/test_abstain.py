"""When a model leaves a text to a person: thresholds for a precision, and texts that belong to no class."""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

import kerasnlp_kit as kit

LABELS = ("food", "music", "sport")
FILLERS = ("the", "a", "of", "and", "to", "in", "it", "is")
WANTED = 0.9


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Two of three texts hold a word that tells their label; the others hold nothing that does."""
    source = random.Random(seed)
    made = []
    for number in range(count):
        label = LABELS[number % 3]
        words = source.choices(FILLERS, k=5) + [f"{label[0]}{source.randint(0, 3)}"] * (source.random() < 2 / 3)
        source.shuffle(words)
        made.append((" ".join(words), label))
    return made


def write(path: Path, some) -> None:
    """With a column of remarks that is longer and more varied than that of the messages."""
    source = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["remark", "message", "label"])
        for message, label in some:
            writer.writerow([" ".join(f"f{source.randint(0, 9999)}" for _ in range(20)), message, label])


def outside() -> list[tuple[str, str]]:
    source = random.Random(7)
    return [(" ".join(source.choices(FILLERS, k=6)), "none") for _ in range(40)]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("abstain")
    for name, some in (("train", rows(240, 1)), ("dev", rows(180, 2)), ("test", rows(120, 3)), ("out", outside())):
        write(folder / f"{name}.csv", some)
    return folder


@pytest.fixture(scope="module")
def ran(place, run_in):
    """What training with a wanted precision and with texts out of scope printed."""
    files = ("train.csv", "--dev", "dev.csv", "--test", "test.csv", "--out-of-scope", "out.csv", "--name", "careful")
    options = ("--text-column", "message", "--model", "ngram_linear", "--no-refit", "--min-precision", WANTED)
    ran = run_in(place, "train", *files, *map(str, options))
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def model(place, ran):
    return kit.load(place / "models" / "careful")


def counted(abstains, predicted, gold) -> tuple[float, float]:
    """Share of the texts that get an answer, and of these the share that is right."""
    answered = [not one for one in abstains]
    right = [one == true for one, true, answer in zip(predicted, gold, answered, strict=True) if answer]
    return sum(answered) / len(answered), sum(right) / len(right)


def lowest_threshold(confidence, right, least=0.0) -> float:
    """By trying each confidence from the least on: the lowest that only rows reach that are right as wanted."""
    passing = []
    for limit in confidence[confidence >= least]:
        reach = [one for other, one in zip(confidence, right, strict=True) if other >= limit]
        if len(reach) >= 5 and sum(reach) >= WANTED * len(reach):
            passing.append(limit)
    return min(passing)


def test_each_class_and_all_together_have_the_lowest_threshold_with_the_precision_on_dev(model):
    texts, gold = zip(*rows(180, 2), strict=True)
    probabilities = model.predict_proba(texts)
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = np.array([LABELS[answer] == true for answer, true in zip(answers, gold, strict=True)])
    together = lowest_threshold(confidence, right)
    expected = [lowest_threshold(confidence[answers == k], right[answers == k], together) for k in range(3)]
    found = np.array(model.run["decision"]["thresholds"])
    # The rows that set them reach them, also if they are rounded otherwise.
    assert (found < expected).all() and (found > np.subtract(expected, 2e-5)).all()
    abstains = model.abstains(probabilities)
    np.testing.assert_array_equal(abstains, confidence < np.array(expected)[answers])
    assert 0 < abstains.sum() < 180


def test_the_saved_model_and_predict_abstain_below_the_thresholds(place, model, here, command):
    texts = [text for text, _ in rows(120, 3)]
    assert command("predict", model.folder, place / "test.csv", "--output", "out.csv").code == 0
    with (here / "out.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0])[3:] == ["predicted_label", "probability", "abstain"]
    answer = tf.saved_model.load(str(model.saved_model)).signatures["serving_default"](text=tf.constant(texts))
    assert set(answer) == {"label", "probability", "labels", "probabilities", "abstain"}
    assert [row["abstain"] for row in found] == [str(one).lower() for one in answer["abstain"].numpy().tolist()]
    assert [row["predicted_label"] for row in found] == [one.decode() for one in answer["label"].numpy()]
    limits = [model.run["decision"]["thresholds"][LABELS.index(row["predicted_label"])] for row in found]
    sure = [float(row["probability"]) - limit for row, limit in zip(found, limits, strict=True)]
    clear = [number for number, one in enumerate(sure) if abs(one) > 1e-5]
    assert [found[number]["abstain"] == "true" for number in clear] == [sure[number] < 0 for number in clear]
    assert {row["abstain"] for row in found} == {"true", "false"}


def test_what_the_thresholds_mean_is_told_for_the_dev_the_test_and_any_other_file(place, ran, model, here, command):
    shares = {}
    for name, some in (("dev", rows(180, 2)), ("test", rows(120, 3))):
        texts, gold = zip(*some, strict=True)
        shares[name] = counted(model.abstains(model.predict_proba(texts)), model.predict(texts), gold)
    assert shares["dev"][1] >= WANTED
    # By thresholds that did not see the row, fewer of the dev rows are right than by those that were fitted to them.
    (point,) = json.loads((model.folder / "metrics.json").read_text())["dev.csv"]["operating_points"]
    told = f"{point['coverage']:.1%} of the texts get an answer, {point['accuracy']:.1%} of these right"
    assert f"thresholds: on dev {told} (each by thresholds from other dev texts)" in ran.out
    assert point["accuracy"] < shares["dev"][1]
    coverage, right = shares["test"]
    told = f"\nfor a precision of 90%: answers {coverage:.1%} of the texts, {right:.1%} of these right\n"
    assert told in ran.out
    evaluated = command("evaluate", model.folder, place / "test.csv", "--predictions", "rows.csv", "--report", "r.html")
    assert evaluated.code == 0 and told in evaluated.out
    with (here / "rows.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    cells = (
        [row["abstain"] == "true" for row in found],
        *([row[n] for row in found] for n in ("predicted_label", "label")),
    )
    assert counted(*cells) == pytest.approx((coverage, right))
    assert "for a precision of 90%" in (here / "r.html").read_text()


def test_texts_out_of_scope_are_told_apart_as_well_as_scikit_learn_finds(place, ran, model, command):
    inside, others = ([text for text, _ in some] for some in (rows(120, 3), outside()))
    probabilities = [model.predict_proba(texts) for texts in (inside, others)]
    confidence = np.concatenate([one.max(axis=1) for one in probabilities])
    auroc = roc_auc_score([1] * len(inside) + [0] * len(others), confidence)
    rejected = np.mean(model.abstains(probabilities[1]))
    assert 0.5 < auroc < 1 and 0 < rejected < 1
    assert ("\nmost of them get an answer: the thresholds are for" in ran.out) == (rejected < 0.5)
    told = f"texts out of scope: told from the others with AUROC {auroc:.3f}; {rejected:.1%} of 40 rejected\n"
    assert told in ran.out
    # Also here by the column of the training, though another one looks more like texts.
    flags = ("--out-of-scope", place / "out.csv")
    assert told in command("evaluate", model.folder, place / "test.csv", *flags).out
    measures = json.loads(command("evaluate", model.folder, place / "test.csv", *flags, "--json").out)
    assert measures["out_of_scope"]["auroc"] == pytest.approx(auroc)
    assert measures["out_of_scope"]["out_rejected"] == pytest.approx(rejected)
    assert json.loads((model.folder / "metrics.json").read_text())["test.csv"]["out_of_scope"] is not None


def test_after_a_refit_texts_out_of_scope_stand_beside_dev_as_the_model_before_saw_both(place, ran, run_in, model):
    files = ("train.csv", "--dev", "dev.csv", "--out-of-scope", "out.csv", "--name", "refitted")
    options = ("--text-column", "message", "--model", "ngram_linear", "--min-precision", WANTED)
    again = run_in(place, "train", *files, *map(str, options))
    assert again.code == 0, again.err
    found = [
        json.loads((place / "models" / name / "metrics.json").read_text())["dev.csv"]["out_of_scope"]
        for name in ("careful", "refitted")
    ]
    for name in ("n_in", "n_out", "auroc", "in_rejected", "out_rejected", "threshold_at_95"):
        assert found[0][name] == pytest.approx(found[1][name], abs=1e-6), name


def test_texts_of_a_class_that_the_model_does_not_know_are_not_in_scope(place, model, here, command):
    with (place / "test.csv").open(encoding="utf-8", newline="") as file:
        header, *cells = csv.reader(file)
    for name, label in (("known", "food"), ("odd", "chess")):
        with (here / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *cells, *([remark, text, label] for remark, text, _ in cells[:30])])
    flags = ("--out-of-scope", place / "out.csv", "--json")
    found = {
        name: json.loads(command("evaluate", model.folder, file, *flags).out)["out_of_scope"]
        for name, file in (("all", place / "test.csv"), ("known", "known.csv"), ("odd", "odd.csv"))
    }
    assert found["odd"] == found["all"] and found["known"]["n_in"] == found["all"]["n_in"] + 30


def test_the_wanted_precision_is_told_as_it_was_given(place, model, run_in):
    ran = run_in(
        place, "train", "train.csv", "--text-column", "message", "--model", "ngram_linear", "--min-precision", "0.975"
    )
    assert ran.code == 0 and "\nfor a precision of 97.5%: answers " in ran.out
    few = "note: {} of {} classes are the answer to fewer than 20 dev texts each: how precise they are can hardly be"
    assert any(few.format(count, len(model.labels)) in ran.out for count in range(1, len(model.labels) + 1))


def test_texts_out_of_scope_are_in_nothing_that_is_shipped(model):
    for name in ("report.html", "MODEL_CARD.md", "run.json", "metrics.json"):
        content = (model.folder / name).read_text()
        assert not [text for text, _ in outside() if text in content], name


def test_what_is_to_say_of_the_texts_out_of_scope_is_said(place, model, here, command):
    (here / "other.csv").write_text("id,text\n" + "".join(f"{row},tell me a joke {row}\n" for row in range(9)))
    ran = command("evaluate", model.folder, place / "test.csv", "--out-of-scope", "other.csv")
    assert ran.code == 0
    told = 'other.csv: the model was trained on text column "message", which this file lacks; took "text".'
    assert f"note: {told}\n" in ran.out


def test_a_file_out_of_scope_that_is_not_there_is_told_before_the_model_is_asked(place, model, command, monkeypatch):
    monkeypatch.setattr("kerasnlp_kit.api.load.LoadedModel.predict_proba", None)
    ran = command("evaluate", model.folder, place / "test.csv", "--out-of-scope", "mistyped.csv")
    assert ran.code == 2 and "mistyped.csv: there is no such file" in ran.err


def test_without_a_wanted_precision_a_model_never_abstains(here, command, trained):
    (here / "new.csv").write_text("text\nzzz\n")
    assert command("predict", trained, "new.csv", "--output", "out.csv").code == 0
    assert (here / "out.csv").read_text().splitlines()[0] == "text,predicted_label,probability"
    loaded = kit.load(trained)
    assert not loaded.abstains(loaded.predict_proba(["zzz", ""])).any()
    answer = tf.saved_model.load(str(loaded.saved_model)).signatures["serving_default"](text=tf.constant(["zzz", ""]))
    assert not answer["abstain"].numpy().any()
