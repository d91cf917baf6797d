"""What a run writes about itself when names and labels are hostile."""

import ast
from pathlib import Path

import numpy as np

from kerasnlp_kit import registry
from kerasnlp_kit.api.documents import how_to_load, model_card, plan_lines
from kerasnlp_kit.api.preparation import Part, Prepared
from kerasnlp_kit.data import read_examples
from kerasnlp_kit.evaluation.metrics import classification_metrics
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.text.token_ids import TokenIds

HOSTILE = "<img src=x onerror=alert(1)> `x` a|b [c](d)\r\x1b[2J\n"


def test_the_model_card_shows_hostile_labels_and_names_as_they_are():
    score = classification_metrics([HOSTILE], np.array([[0.9, 0.1]]), [HOSTILE, "b"])
    data = {"classes": {HOSTILE: 3, "b": 2}, "train": {"rows": 5, "source": HOSTILE, "fingerprint": "sha256:0"}}
    run = {
        "data": data,
        "ancestry": [{"model": HOSTILE, "manifest": "sha256:0"}],
        "versions": {"kerasnlp_kit": "0"},
        "sizes": {"max_length": 4},
    }
    card = model_card(HOSTILE, run, {HOSTILE: score}, {"device": HOSTILE}, "load")
    shown = (
        "&lt;img src=x onerror=alert(1)&gt; &#96;x&#96; a&#124;b &#91;c&#93;(d)&#92;r&#92;x1b&#91;2J&#92;n"  # one line
    )
    assert card.count(shown) == 6 and card.startswith(f"# {shown}\n")
    assert f"\n| {shown} | 3 |\n" in card
    assert "<img" not in card and "\x1b" not in card and "\r" not in card


def test_the_plan_escapes_what_could_steer_the_terminal(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('text,"label\x1b[2J"\na,"x\x1b[2J\ny"\nb,z\n', newline="")
    examples = read_examples(path, ("text",), "label\x1b[2J")
    part = Part("train", examples, TokenIds(np.array([2, 3], "int32"), np.array([0, 1, 2])), examples.labels)
    prepared = Prepared(None, examples.label_names, Sizes(4, 2, 1), part, part, None, 0, 0.0)
    lines = plan_lines(prepared, registry.find("cnn_classifier"), 1, "CPU", (1,))
    assert all(line.isprintable() for line in lines)
    assert r"label: label\x1b[2J" in lines[1] and r"x\x1b[2J\ny 1" in lines[2]


def test_how_to_load_is_python_whatever_the_folder_is_called():
    for name in ('a"b', "a\nb\\c", "很好"):
        code = ast.parse(how_to_load(Path("models") / name))
        assert f"models/{name}" in [node.value for node in ast.walk(code) if isinstance(node, ast.Constant)]
