import gzip
import json
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from kerasnlp_kit.data import Columns, atomic_write, read_examples, read_table, require_classes, write_table
from kerasnlp_kit.data.examples import texts_of
from kerasnlp_kit.data.writing import number_cells, require_table_name
from kerasnlp_kit.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


def test_labels_are_numbered_in_sorted_order(write):
    examples = read_examples(write("text,label\na,10\nb,9\nc,007\nd,9\n"))
    # As strings: "007" < "10" < "9".
    assert examples.label_names == ("007", "10", "9")
    assert examples.labels.tolist() == [1, 2, 0, 2] and examples.labels.dtype == np.int32
    assert list(examples.texts) == ["a", "b", "c", "d"] and len(examples) == 4


def test_label_codes_agree_with_pandas_over_several_chunks(write):
    labels = [f"class {row * 7 % 301}" for row in range(45_000)]
    examples = read_examples(write("text,label\n" + "".join(f"t,{label}\n" for label in labels)))
    codes, names = pd.factorize(pd.Series(labels, dtype=object), sort=True)
    assert examples.labels.tolist() == codes.tolist() and list(examples.label_names) == list(names)


def test_texts_behave_as_a_sequence(write):
    examples = read_examples(write("text,label\na,x\nb,y\nc,x\nd,y\n"))
    texts = examples.texts
    assert (texts[0], texts[-1], texts[1:3], texts[::2]) == ("a", "d", ["b", "c"], ["a", "c"])
    assert list(texts.chunks(3)) == [["a", "b", "c"], ["d"]]
    with pytest.raises(IndexError):
        texts[4]


def test_taking_rows_keeps_what_belongs_together(write):
    taken = read_examples(write("text,label\na,x\nb,y\nc,z\n")).take(np.array([2, 0]))
    assert list(taken.texts) == ["c", "a"] and taken.labels.tolist() == [2, 0] and taken.rows.tolist() == [4, 2]
    assert taken.label_names == ("x", "y", "z")


def test_rows_with_missing_cells_are_dropped_and_noted(write):
    examples = read_examples(write("text,label\na,x\nb\nc,\n,y\nd,  \n"))
    # b has no label field, c an empty and d a blank one; the empty text with label y stays.
    assert list(examples.texts) == ["a", ""] and examples.rows.tolist() == [2, 5]
    assert any("dropped 3 rows without a label (line 3, 4, 6)" in note for note in examples.notes)


def test_several_text_columns_are_joined_and_gaps_skipped(write):
    lines = [{"title": "A", "body": "b", "label": "x"}, {"title": None, "body": "c", "label": "y"}, {"label": "x"}]
    path = write("".join(json.dumps(line) + "\n" for line in lines), "data.jsonl")
    examples = read_examples(path, ["title", "body"], text_separator=" | ")
    assert list(examples.texts) == ["A | b", "c"] and any("without a text" in note for note in examples.notes)


def test_for_prediction_every_row_has_a_text(write):
    table = read_table(write("title,body\na,b\nc\n"))
    assert list(texts_of(table, ["title", "body"])) == ["a b", "c"]
    assert list(texts_of(table, ["body"])) == ["b", ""]


def test_guesses_single_rows_and_look_alike_labels_are_noted(write):
    rows = "Shall we meet,ham\nYou have won a lot,Ham\nThe train is late,ham\nCall this number,spam\nSee you,ham\n"
    examples = read_examples(write("v2,v1\n" + rows))
    notes = " ".join(examples.notes)
    assert "guessed" in notes and '2 classes have a single row: "Ham", "spam"' in notes
    assert '"Ham" and "ham" differ only' in notes


def test_prediction_needs_no_label_and_drops_no_row_for_one(write):
    examples = read_examples(write("text\nhello\nhow, are you\n"), need_label=False)
    assert list(examples.texts) == ["hello", "how, are you"] and examples.labels is None
    examples = read_examples(write("text,label\na,x\nb,\n"), need_label=False)
    assert len(examples) == 2 and examples.labels is None and "gaps" in examples.notes[0]
    assert read_examples(write("text,label\na,x\nb,y\n"), need_label=False).labels.tolist() == [0, 1]
    assert list(read_examples(write("42\n", "a.txt"), need_label=False).texts) == ["42"]


def test_the_columns_of_training_are_preferred_and_their_absence_noted(write):
    trained = Columns(("body",), "kind", "")
    path = write("text,body,label,kind\na,b,x,y\n")
    examples = read_examples(path, preferred=trained)
    assert (
        list(examples.texts) == ["b"]
        and examples.label_names == ("y",)
        and not any("lacks" in note for note in examples.notes)
    )
    known = 'text column "body" (as in the data before), label column "kind" (as in the data before)'
    assert examples.columns.reason == known, "nobody asked for them"
    assert "(as asked)" in read_examples(path, "text", preferred=trained).columns.reason
    examples = read_examples(write("text,label\na,x\n"), preferred=trained, preferred_labels=["x", "y"])
    assert list(examples.texts) == ["a"]
    assert any('text column "body", which this file lacks; took "text".' in note for note in examples.notes)
    for header, labels, told in (
        ("text,label", "text", 'trained on text column "text"; took "label".'),
        ("body,x", "x", 'trained on text column "title" + "body", and this file lacks "title"; took "body".'),
    ):
        before = Columns(("text",) if labels == "text" else ("title", "body"), "kind", "")
        found = read_examples(write(f"{header}\na b,x\nc d,y\n"), (), labels, preferred=before)
        assert any(told in note for note in found.notes), found.notes
    with pytest.raises(UserError, match=r'data\.csv: column "text" is asked for as text and as label'):
        read_examples(write("text,label\na,x\n"), "text", "text")


def test_only_a_column_with_labels_of_the_training_stands_in_for_its_label_column(write):
    trained = Columns(("text",), "label", "")
    options = {"preferred": trained, "preferred_labels": ["good", "bad"]}
    # By name alone "language" would be taken, and by content too: both have few short values.
    examples = read_examples(write("text,language,mark\na,en,good\nb,de,odd\nc,en,bad\n"), **options)
    assert examples.gold() == ["good", "odd", "bad"]
    assert any('"label", which this file lacks; took "mark"' in note for note in examples.notes)
    with pytest.raises(UserError, match=r'"label", which this file lacks.*"text", "language".*--label-column'):
        read_examples(write("text,language\na,en\nb,de\nc,en\n"), **options)
    asked = read_examples(write("text,language\na,en\nb,de\nc,en\n"), label_column="language", **options)
    assert asked.gold() == ["en", "de", "en"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,x\nb,x\n", "one class only"),
        ("a,1.5\nb,2.5\nc,3.5\nd,1.5\n", "3 classes in 4 rows"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(write, rows, words):
    with pytest.raises(UserError, match=words):
        require_classes(read_examples(write("text,label\n" + rows)))


def test_classes_that_can_be_learnt_pass(write):
    require_classes(read_examples(write("text,label\na,x\nb,y\nc,x\n")))


def test_nothing_but_blank_texts_is_refused(write):
    with pytest.raises(UserError, match="all texts"):
        read_examples(write('text,label\n"  ",x\n,y\n'))


def test_no_complete_row_is_refused(write):
    with pytest.raises(UserError, match="no row has both"):
        read_examples(write("text,label\na\nb,\n"))


# Writing


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".tsv.gz", ".jsonl.gz"])
def test_what_is_written_reads_back(tmp_path, suffix):
    columns = {"text": ['a "quoted", text', "two\nlines", "很好🙂", "nan", ""], "label": ["x", "007", "y", "null", "x"]}
    path = tmp_path / f"out{suffix}"
    write_table(path, columns)
    assert read_table(path).data.to_pydict() == columns
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_numbers_truth_values_and_gaps_are_written(tmp_path):
    columns = {"text": ["a", None], "share": np.array([0.5, 1.0], np.float64), "good": [True, False]}
    write_table(tmp_path / "a.jsonl", columns)
    assert read_table(tmp_path / "a.jsonl").data.to_pydict() == {
        "text": ["a", None],
        "share": ["0.5", "1.0"],
        "good": ["true", "false"],
    }
    write_table(tmp_path / "a.csv", columns)
    assert (tmp_path / "a.csv").read_text() == "text,share,good\na,0.5,true\n,1.0,false\n"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_lists_are_written_as_lists_or_in_a_cell_as_json(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    tags = [["x", "很好"], [], None]
    write_table(path, {"text": ["a", "b", "c"], "tags": pa.chunked_array([tags])}, spreadsheet_safe=True)
    expected = ['["x", "很好"]', "[]", ""] if suffix == ".csv" else tags
    assert read_table(path).data["tags"].to_pylist() == expected


def test_formulas_are_disarmed_for_spreadsheets_on_request(tmp_path):
    cells = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1", ""]
    path = tmp_path / "a.csv"
    write_table(path, {"text": cells, "score": [-1] * 8}, spreadsheet_safe=True)
    table = read_table(path).data
    assert table["text"].to_pylist() == [f"'{cell}" for cell in cells[:6]] + cells[6:]
    assert set(table["score"].to_pylist()) == {"-1"}  # a number is no formula
    write_table(path, {"text": cells})
    assert read_table(path).data["text"].to_pylist() == cells


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("safe", [False, True])
def test_arrow_columns_are_written_without_becoming_python_objects_all_at_once(tmp_path, suffix, safe):
    texts = pa.chunked_array([[f"=text {row}" for row in range(60_001)], [None] * 39_999])
    path = tmp_path / f"a{suffix}"
    tracemalloc.start()
    write_table(path, {"text": texts}, spreadsheet_safe=safe)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 60,000 strings of 60 bytes and 100,000 places in a list are 4.4 MB; of 10,000 rows, 0.7 MB.
    assert peak < 3_000_000
    found = read_table(path).data["text"].to_pylist()
    mark, gap = "'" if safe else "", "" if suffix == ".csv" else None
    assert found == [f"{mark}=text {row}" for row in range(60_001)] + [gap] * 39_999


def test_standard_output_takes_csv(capsys):
    write_table("-", {"text": ["a,b"], "label": ["x"]})
    assert capsys.readouterr().out == 'text,label\n"a,b",x\n'


def test_equal_tables_give_equal_bytes(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_table(tmp_path / name, {"text": ["a"]})
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == b"text\na\n"


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.csv, \.tsv"):
        write_table(tmp_path / "a.xlsx", {"text": ["a"]})


def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*Free some space"):
        write_table(path, {"text": ["a"]})
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def test_what_a_spreadsheet_with_another_delimiter_would_part_stays_in_quotes(tmp_path):
    columns = {"text": ["hi;=1+1", None], "score": pa.array([-31.2, 1.0]), "abstain": [True, False]}
    write_table(tmp_path / "safe.csv", columns, spreadsheet_safe=True)
    lines = (tmp_path / "safe.csv").read_text().splitlines()
    assert lines == ['"text","score","abstain"', '"hi;=1+1",-31.2,"true"', '"",1.0,"false"']


def test_numbers_are_numbers_in_every_format(tmp_path):
    scores = number_cells(np.float32([-31.23456789, 0.5]))
    for safe in (False, True):
        write_table(tmp_path / "a.jsonl", {"score": scores}, spreadsheet_safe=safe)
        assert (tmp_path / "a.jsonl").read_text() == '{"score": -31.234568}\n{"score": 0.5}\n'
        write_table(tmp_path / "a.parquet", {"score": scores}, spreadsheet_safe=safe)
        assert pa.parquet.read_table(tmp_path / "a.parquet").to_pydict() == {"score": [-31.234568, 0.5]}
        write_table(tmp_path / "a.csv", {"score": scores}, spreadsheet_safe=safe)
        assert (tmp_path / "a.csv").read_text().splitlines()[1:] == ["-31.234568", "0.5"]


def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file.csv").write_text("text,label\na,b\n")
    address = f"https://host/{'x' * 300}.csv?signature={'y' * 300}"
    require_table_name(tmp_path / "new" / "out.csv", tmp_path / "file.csv", address, "-")
    for read in ("~/file.csv", (tmp_path / "file.csv").as_uri(), tmp_path / "file.csv"):
        with pytest.raises(UserError, match="is the file that is read"):
            require_table_name("~/file.csv", read)
    with pytest.raises(UserError, match="nothing may be put into"):
        require_table_name(tmp_path / "file.csv" / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="this is a folder"):
        require_table_name(tmp_path / "folder.csv")


def test_a_tilde_is_the_home_in_what_is_written_as_in_what_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_table("~/a.csv", {"text": ["a"]})
    assert (tmp_path / "a.csv").read_text() == "text\na\n"


def test_a_device_is_written_to_and_not_replaced():
    with (
        pytest.raises(UserError, match="No space left on device"),
        atomic_write("/dev/full") as temporary,
        temporary.open("w") as file,
    ):
        file.write("x" * 100_000)


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_folder_cannot_be_written_as_a_file(tmp_path):
    with pytest.raises(UserError, match="folder"), atomic_write(tmp_path):
        pass


def test_names_of_columns_are_no_formulas_either(tmp_path):
    write_table(tmp_path / "safe.csv", {"=1+1": ["=2"], "text": ["a"]}, spreadsheet_safe=True)
    assert (tmp_path / "safe.csv").read_text().splitlines() == ['"\'=1+1","text"', '"\'=2","a"']
