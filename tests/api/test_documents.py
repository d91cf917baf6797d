"""What a run writes about itself, also when names and labels are hostile."""

import ast
from pathlib import Path

import numpy as np
import pytest

from kerasnlp_kit.api.documents import data_lines, how_to_load, linear_line, model_card
from kerasnlp_kit.api.preparation import Part, Prepared
from kerasnlp_kit.data import read_examples
from kerasnlp_kit.evaluation.metrics import classification_metrics
from kerasnlp_kit.evaluation.multilabel import multilabel_metrics
from kerasnlp_kit.tasks.linear import LinearModel
from kerasnlp_kit.text.ngrams import NgramRules, count_ngrams
from kerasnlp_kit.training.linear import choose_features

HOSTILE = "<img src=x onerror=alert(1)> `x` a|b [c](d)\r\x1b[2J\n"
NETWORK = {"kind": "network", "sizes": {"max_length": 4}}
LINEAR = {"kind": "linear"}


def run_of(parts=(NETWORK,), **decision):
    """What the model card reads of run.json."""
    return {
        "data": {
            "classes": {HOSTILE: 3, "b": 2},
            "train": {"rows": 5, "source": HOSTILE, "fingerprint": "sha256:0"},
            "dev": {"rows": 4},
        },
        "ancestry": [{"model": HOSTILE, "manifest": HOSTILE}],
        "versions": {"kerasnlp_kit": "0"},
        "parts": list(parts),
        "decision": {"multi_label": False, "thresholds": None, "refit": False, **decision},
    }


SCORE = classification_metrics([HOSTILE], np.array([[0.9, 0.1]]), [HOSTILE, "b"])


def card_of(*parts, **decision):
    return model_card("tiny", run_of(parts, **decision), {"dev": SCORE}, {}, "load")


def test_the_model_card_shows_hostile_labels_and_names_as_they_are():
    card = model_card(HOSTILE, run_of(), {HOSTILE: SCORE}, {"device": HOSTILE}, "load")
    shown = (
        "&lt;img src=x onerror=alert(1)&gt; &#96;x&#96; a&#124;b &#91;c&#93;(d)&#92;r&#92;x1b&#91;2J&#92;n"  # one line
    )
    assert card.count(shown) == 7 and card.startswith(f"# {shown}\n")
    assert f"\n| {shown} | 3 |\n" in card
    assert "<img" not in card and "\x1b" not in card and "\r" not in card


@pytest.mark.parametrize(
    ("parts", "inputs"),
    [([NETWORK], "`ids` int32"), ([LINEAR], "`ngrams` int32"), ([LINEAR, NETWORK], "`ids` and `ngrams` int32")],
)
def test_the_model_card_tells_what_the_signature_of_numbers_takes(parts, inputs):
    card = card_of(*parts)
    assert f"Signature `ids`: {inputs} [n, t]" in card
    assert ("reads the first 4 tokens" in card) == (NETWORK in parts)


def test_the_model_card_tells_whether_the_model_may_abstain():
    assert "Where `abstain` is true, a person should decide." in card_of(LINEAR, thresholds=[0.5, 0.9])
    assert "a person should decide" not in card_of(LINEAR)


def test_the_model_card_tells_when_the_dev_rows_were_trained_on():
    sentence = "the figures on these are of the model before that"
    again = {**LINEAR, "name": "ngram_linear", "training": {"refit_seconds": 1.0}}
    card = card_of(again, refit=True)
    assert sentence in card and "In the end ngram_linear had the dev rows" in card
    assert "(sha256:0); in the end also the 4 dev rows.\n" in card
    assert sentence not in card_of(LINEAR) and "(sha256:0).\n" in card_of(LINEAR)


def test_the_model_card_of_several_labels_a_row_tells_their_scores_and_outputs():
    targets = np.array([[1, 0], [1, 1]], bool)
    score = multilabel_metrics(targets, np.array([[0.9, 0.2], [0.8, 0.7]]), targets, ["a", "b"])
    card = model_card("tiny", run_of([LINEAR], multi_label=True), {"dev": score}, {}, "load")
    assert "any of 2 labels for a text" in card
    assert "`selected` bool [n, 2]" in card and "`abstain`" not in card and "`label` string" not in card
    assert "| data | rows | micro F1 |" in card
    assert "| dev | 2 | 1.0000 |" in card


def test_the_plan_escapes_what_could_steer_the_terminal(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('text,"label\x1b[2J"\na,"x\x1b[2J\ny"\nb,z\n', newline="")
    examples = read_examples(path, ("text",), ("label\x1b[2J",))
    part = Part("train", examples, examples.labels)
    lines = data_lines(Prepared(examples.label_names, part, part, None))
    assert all(line.isprintable() for line in lines)
    assert r"label: label\x1b[2J" in lines[1] and r"x\x1b[2J\ny 1" in lines[2]


def test_the_plan_tells_that_a_row_may_have_several_labels(tmp_path):
    (tmp_path / "data.csv").write_text("text,labels\na,x|y\nb,y\nc,x|y\nd,\n")
    examples = read_examples(tmp_path / "data.csv", ("text",), ("labels",), label_separator="|")
    part = Part("train", examples, examples.targets_for(examples.label_names))
    lines = data_lines(Prepared(examples.label_names, part, part, part))
    assert lines[0] == "rows       train 4, dev 4, test 4"
    assert lines[2] == "classes    2, a row may have several: y 3, x 2"


def test_the_line_of_a_linear_model_tells_what_was_left_out():
    rules = NgramRules(words=1, characters=(2, 3))
    features, _ = choose_features(rules, count_ngrams(rules, ["ab"]), 2)
    model = LinearModel(features, np.zeros((len(features.keys), 1), "float32"), np.zeros(1, "float32"), 2)
    # The word, and of " ab ": " a", "ab", "b ", " ab", "ab ".
    line = "tiny: 6 n-grams{} of up to 1 words and 2 to 3 characters, C 0.3, solved in 2 s"
    assert linear_line("tiny", model, 0.3, 0, 1.6) == line.format("")
    assert linear_line("tiny", model, 0.3, 1234, 1.6) == line.format(" (1,234 more would make it too large)")


def test_how_to_load_is_python_whatever_the_folder_is_called():
    for name in ('a"b', "a\nb\\c", "很好"):
        for multi_label in (False, True):
            code = ast.parse(how_to_load(Path("models") / name, multi_label))
            assert f"models/{name}" in [node.value for node in ast.walk(code) if isinstance(node, ast.Constant)]
