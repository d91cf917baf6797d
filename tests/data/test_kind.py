import gzip
from pathlib import Path

import pytest

from kerasnlp_kit.data import looks_like_pairs
from kerasnlp_kit.data.kind import only_texts

CHECKOUT = Path(__file__).resolve().parents[2]
PUBLIC = CHECKOUT.parent / "shared" / "data"


@pytest.fixture
def write(tmp_path):
    def write(header, row, rows=40, name="data.csv"):
        path = tmp_path / name
        path.write_text(header + "\n" + "".join(row(number) + "\n" for number in range(rows)), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "header",
    ["source,target", "src,tgt", "question,answer", "en,de", "article,summary", "word,pronunciation", "原文,译文"],
)
@pytest.mark.parametrize("rows", [1, 3, 40, 3000])
def test_two_columns_that_are_called_so_are_pairs(write, header, rows):
    assert looks_like_pairs(write(header, lambda row: f"some text {row},anderer Text {row}", rows))


@pytest.mark.parametrize(
    ("header", "alone"),
    [
        *(("text", True), ("id,text", True), ("review", True), ("日期,内容", True)),
        *(("text,label", False), ("text,stars", False), ("text,title", False), ("word", False), ("label", False)),
        *(("text,user_intent", False), ("text,date_category", False)),
    ],
)
def test_a_column_of_texts_and_nothing_to_learn_for_them_are_texts_alone(write, header, alone):
    cells = ",x" * header.count(",")
    assert only_texts(write(header, lambda row: f"some text {row}{cells}")) == alone
    assert not only_texts("https://example.org/a.csv")


@pytest.mark.parametrize(
    ("header", "classes"),
    [("source,target", "a b c d e"), ("question,answer", "yes no"), ("input,output", "0 1"), ("en,de", "x y z")],
)
@pytest.mark.parametrize("rows", [12, 40, 1000])
def test_targets_that_repeat_are_classes(write, header, classes, rows):
    classes = classes.split()
    assert not looks_like_pairs(write(header, lambda row: f"some text {row},{classes[row % len(classes)]}", rows))


def test_long_answers_that_repeat_are_no_classes(write):
    answers = [f"{number}: you will find that in the settings of your account" for number in range(4)]
    assert looks_like_pairs(write("question,answer", lambda row: f"how {row},{answers[row % 4]}"))


@pytest.mark.parametrize(
    ("header", "third", "expected"),
    [
        ("source,target,label", lambda row: "ab"[row % 2], False),
        ("question,answer,category", lambda row: "abc"[row % 3], False),
        ("premise_source,target,intent", lambda row: "ab"[row % 2], False),
        ("reviewText,summary,overall", lambda row: "12345"[row % 5], False),
        ("text,summary,overall", lambda row: "12345"[row % 5], True),
        ("prompt,response,safety_label", lambda row: "ab"[row % 2], False),
        ("text,summary,sentiment_score", lambda row: "123"[row % 3], False),
        ("text,summary,safety_label", lambda row: f"remark {row}", True),
        ("question_text,answer_text,remark", lambda row: f"remark {row}", True),
        # Neither the score of an alignment nor the language is what to learn.
        ("source,target,score", lambda row: f"0.{row}7", True),
        ("source,target,lang", lambda row: "de", True),
    ],
)
def test_a_column_of_labels_beside_makes_it_classification(write, header, third, expected):
    path = write(header, lambda row: f"some text {row},anderer Text {row},{third(row)}")
    assert looks_like_pairs(path) is expected


@pytest.mark.parametrize("header", ["text,label", "text,target", "review,sentiment", "title,text,class", "one,two"])
def test_other_names_are_no_pairs(write, header):
    row = ",".join("some text {0}" for _ in header.split(","))
    assert not looks_like_pairs(write(header, row.format))


def test_compressed_files_and_other_formats_are_looked_into(write, tmp_path):
    path = write("source\ttarget", lambda row: f"text {row}\tText {row}", name="data.tsv")
    assert looks_like_pairs(path) and looks_like_pairs(str(path))
    (tmp_path / "data.tsv.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert looks_like_pairs(tmp_path / "data.tsv.gz")
    assert looks_like_pairs(
        write('{"src": "a", "tgt": "b"}', '{{"src": "a {0}", "tgt": "b {0}"}}'.format, name="a.jsonl")
    )


@pytest.mark.parametrize("lists", ["target", "tags"])
def test_lists_are_several_labels_a_row(write, lists):
    row = {"source": '"text {0}"', "target": '"Text {0}"', lists: '["a", "b"]'}
    line = "{{" + ", ".join(f'"{name}": {cell}' for name, cell in row.items()) + "}}"
    assert not looks_like_pairs(write(line.format(0), line.format, name="data.jsonl"))


def test_what_cannot_be_read_is_no_pairs(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)  # not read either
    for name, content in {
        "empty": b"",
        "blank": b"\n\n",
        "zip": b"PK\x03\x04",
        "nul": b"source,target\na\0,b\n",
    }.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    (tmp_path / "header.csv").write_text("source,target\n")
    (tmp_path / "quote.csv").write_text('source,target\n"a,b\n')
    names = ["empty.csv", "blank.csv", "zip.csv", "nul.csv", "quote.csv", "none.csv", "none/none.csv", "."]
    assert not any(looks_like_pairs(tmp_path / name) for name in names)
    assert not any(map(looks_like_pairs, ["-", "https://example.org/pairs.csv", ""]))


def test_the_samples_are_told_apart():
    found = {path.name for path in (CHECKOUT / "data").glob("*.csv") if looks_like_pairs(path)}
    assert found == {"dates.csv", "dates_test.csv"}


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs the public data sets beside the checkout")
@pytest.mark.skipif(not any(PUBLIC.glob("*/train.csv")), reason="the public data sets are not here")
def test_public_data_sets_are_told_apart():
    pairs = {"multi30k_en_de", "cmudict_g2p", "g2p_eng_us", "tatoeba_en_zh"}
    for path in PUBLIC.glob("*/*.csv"):
        assert looks_like_pairs(path) == (path.parent.name in pairs), path
