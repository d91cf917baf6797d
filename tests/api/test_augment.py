import csv
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnlp_kit.api import augment as module
from kerasnlp_kit.api.augment import Augmentation, augment, augment_file
from kerasnlp_kit.data.examples import read_examples
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.pieces import PieceTokenizer

ROWS = [(f"the {word} is {number} days late", "parcel") for number in range(9) for word in ("parcel", "box")]
ROWS += [(f"my {word} was charged {number} times", "card") for number in range(9) for word in ("card", "account")]
NEW = {
    0: [
        "the parcel is 12 days late",
        "the parcel is 12 days late",
        "the box is 3 days late",
        "",
        "a card, charged twice",
    ],
    1: ["my card was charged 12 times", "MY  card was charged 12 times", "my box is a parcel and late"],
}


@pytest.fixture
def data(tmp_path):
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("body", "topic"), *ROWS])
    return tmp_path / "rows.csv"


@pytest.fixture
def written(monkeypatch):
    """What stands in for the models: it writes known texts, with the names of the labels as they are numbered."""
    asked = []

    def made(examples, place, seed, say, options):
        order = [["parcel", "card"].index(name) for name in examples.label_names]

        def draw(label, count, before):
            asked.append((examples.label_names[label], count, before))
            return NEW[order[label]] if not before else []

        return draw

    monkeypatch.setattr(module, "_by_language_model", made)
    return asked


def test_copies_and_what_looks_like_another_class_are_dropped_and_counted(data, written):
    found = augment(data)
    rows = list(zip(found.texts, found.labels, strict=True))
    assert sorted(rows) == [("my card was charged 12 times", "card"), ("the parcel is 12 days late", "parcel")]
    assert (found.drawn, found.copies, found.doubtful) == (8, 4, 2)
    assert found.columns == ("body", "topic")
    wanted = [number for _, number, _ in written]
    assert wanted == [54, 51, 54, 51], "three times what a class has, and what it lacks once more"


def test_no_more_than_asked_for_and_in_the_columns_of_the_data(data, written, tmp_path):
    assert [count for _, count, _ in written] == []
    found = augment_file(data, tmp_path / "more.csv", count=1)
    assert [count for _, count, _ in written] == [3, 3]
    with (tmp_path / "more.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["body"], row["topic"]) for row in rows] == list(zip(found.texts, found.labels, strict=True))
    assert len(rows) == 2


def test_nothing_new_is_told_and_nothing_is_written(data, written, monkeypatch, tmp_path):
    monkeypatch.setitem(NEW, 0, [ROWS[0][0]])
    monkeypatch.setitem(NEW, 1, [""])
    with pytest.raises(UserError, match="nothing is written"):
        augment_file(data, tmp_path / "more.csv")
    assert not (tmp_path / "more.csv").exists()


def test_a_label_column_that_is_missing_is_told(data):
    with pytest.raises(UserError, match="kind"):
        augment(data, label_column="kind")


def test_the_judge_is_one_of_the_texts_themselves():
    labels = np.array([0] * 18 + [1] * 18)
    judge = module._judge([text for text, _ in ROWS], labels)
    assert judge(["the parcel is late", "my card was charged"]).tolist() == [0, 1]


def test_an_autoencoder_writes_from_between_two_texts_of_a_class(data, monkeypatch, tmp_path):
    from kerasnlp_kit.api import autoencoder
    from kerasnlp_kit.data.examples import read_examples

    examples = read_examples(data, (), None)
    labels = np.array(examples.labels)
    places = np.random.default_rng(0).uniform(-1, 1, (len(labels), 3)) + 10 * labels[:, None]
    decoded = []

    class Model:
        def __init__(self, folder):
            assert folder == tmp_path

        def encode(self, texts):
            return places, np.full_like(places, -30.0)  # all but certain

        def decode(self, vectors):
            decoded.append(vectors)
            return [str(number) for number in range(len(vectors))]

    monkeypatch.setattr(autoencoder, "LoadedAutoencoder", Model)
    monkeypatch.setattr(module, "_trained", lambda *_: tmp_path)
    draw = module._by_autoencoder(examples, tmp_path, 3, print, {})
    for label in (0, 1):
        assert draw(label, 20, 0) == [str(number) for number in range(20)]
        own = places[labels == label]
        assert (decoded[-1] >= own.min(axis=0) - 1e-3).all() and (decoded[-1] <= own.max(axis=0) + 1e-3).all()
        assert len(np.unique(decoded[-1].round(6), axis=0)) == 20
        draw(label, 20, 20)
        assert not np.isclose(decoded[-1], decoded[-2]).all(axis=1).any(), "what comes later is drawn anew"


def test_a_text_that_breaks_off_is_none(data, tmp_path, monkeypatch):
    tokenizer = PieceTokenizer.fit([text for text, _ in ROWS], "words")
    asked = []

    class Written:
        def __init__(self, folder):
            self.files = SimpleNamespace(text_tokenizer=lambda part: tokenizer)
            self.run = {"parts": [{}]}

        def generate(self, prompts, *, max_tokens, **_):
            asked.append(max_tokens)
            return [f"{prompts[0]} the box is late", prompts[0] + " late" * max_tokens]

    monkeypatch.setattr("kerasnlp_kit.api.generator.LoadedGenerator", Written)
    monkeypatch.setattr(module, "_trained", lambda *_: tmp_path)
    draw = module._by_language_model(read_examples(data, (), None), tmp_path, 0, print, {})
    assert draw(1, 2, 0) == ["the box is late", ""]
    longest = max(len(tokenizer.encode([f"§0§ {text}"]).values) for text, _ in ROWS)
    assert asked == [longest + module.MARGIN]


def test_labels_are_safe_to_print():
    found = Augmentation(["a"], ["x\x1b[2J"], 1, 0, 0, ("text", "label"))
    assert found.lines()[1] == r"classes     x\x1b[2J 1" and len(found.lines()) == 2
    lacking = Augmentation(["a"], ["x"], 1, 0, 0, ("text", "label"), ("y\x1b[2J", "z"))
    assert lacking.lines()[2] == r"without any y\x1b[2J, z"
