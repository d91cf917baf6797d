"""Several labels a row: read, checked, taken, joined, and compared with the labels of a model."""

import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from kerasnlp_kit.data import Columns, find_columns, read_examples, read_table, require_classes
from kerasnlp_kit.data.label_sets import joined_names
from kerasnlp_kit.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


@pytest.fixture
def write_lines(write):
    """Writes JSON lines, one object for each dictionary."""
    return lambda *rows: write("".join(json.dumps(row) + "\n" for row in rows), "data.jsonl")


def label_sets(examples):
    """The labels of each row, the slow way."""
    return [
        {name for name, has in zip(examples.label_names, row, strict=True) if has} for row in examples.targets.tolist()
    ]


def refusal(call, *values, **options):
    with pytest.raises(UserError) as caught:
        call(*values, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# One column, joined


def test_joined_labels_are_split_trimmed_and_merged(write):
    path = write("text,label\na,billing|refund\nb, refund | billing |refund\nc,||bug|\nd,bug\n")
    examples = read_examples(path, label_separator="|")
    assert examples.multi_label and examples.labels is None
    assert examples.label_names == ("billing", "bug", "refund")
    assert examples.targets.dtype == bool
    assert examples.targets.tolist() == [[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert examples.columns == Columns(
        ("text",), "label", examples.columns.reason, multi_label=True, label_separator="|"
    )
    assert 'label column "label" (by name), several labels a row, split at "|"' in examples.columns.reason


@pytest.mark.parametrize(
    ("name", "content", "separator"),
    [
        ("a.tsv", "text\tlabel\na\tx;y\nb\ty\n", ";"),
        ("a.csv", 'text,label\na,"x, y"\nb,y\n', ","),
        ("a.csv", "text,label\na,x y\nb,y\n", " "),
        ("a.csv", "text,label\na,x and y\nb,y\n", " and "),
        ("a.jsonl", '{"text": "a", "label": "x|y"}\n{"text": "b", "label": "y"}\n', "|"),
    ],
)
def test_any_separator_is_taken_in_any_format(write, name, content, separator):
    assert label_sets(read_examples(write(content, name), label_separator=separator)) == [{"x", "y"}, {"y"}]


def test_a_separator_is_no_pattern(write):
    assert label_sets(read_examples(write("text,label\na,x.y\nb,z\n"), label_separator=".")) == [{"x", "y"}, {"z"}]


def test_a_blank_cell_has_none_of_the_labels_and_the_rows_are_counted_aloud(write):
    examples = read_examples(write("text,label\na,x|y\nb,\nc,  \nd,|\ne,y\n"), label_separator="|")
    assert label_sets(examples) == [{"x", "y"}, set(), set(), set(), {"y"}]
    assert any("3 rows have none of the labels" in note for note in examples.notes)
    assert not any("dropped" in note for note in examples.notes)


def test_a_missing_label_is_dropped_and_an_empty_one_is_not(write, write_lines):
    path = write_lines(
        {"text": "a", "label": "x|y"},
        {"text": "b", "label": None},
        {"text": "c", "label": ""},
        {"text": "d"},
        {"label": "x"},
    )
    examples = read_examples(path, label_separator="|")
    assert list(examples.texts) == ["a", "c"] and examples.rows.tolist() == [1, 3]
    assert label_sets(examples) == [{"x", "y"}, set()]
    assert any("dropped 2 rows without a label (line 2, 4)" in note for note in examples.notes)
    assert any("dropped 1 row without a text (line 5)" in note for note in examples.notes)
    # A row of a CSV that ends before its label has none either.
    examples = read_examples(write("text,label\na,x|y\nb\nc,\n"), label_separator="|")
    assert list(examples.texts) == ["a", "c"]


def test_without_a_separator_nothing_is_split(write):
    examples = read_examples(write("text,label\na,x|y\nb,y\n"))
    assert not examples.multi_label and examples.targets is None and examples.label_names == ("x|y", "y")


def test_targets_agree_with_sets_of_python_over_several_chunks(write):
    random = np.random.default_rng(0)
    names = [f"label {number}" for number in range(12)]
    sets = [{names[place] for place in random.integers(0, 12, random.integers(0, 5))} for _ in range(45_000)]
    examples = read_examples(
        write("text,label\n" + "".join(f"t,{';'.join(sorted(row))}\n" for row in sets)), label_separator=";"
    )
    assert examples.label_names == tuple(sorted(names)) and label_sets(examples) == sets


def test_a_hundred_thousand_rows_of_a_hundred_labels_fit(write):
    labels = ["|".join(f"l{(row * 7 + step * 13) % 100}" for step in range(3)) for row in range(100_000)]
    path = write("text,label\n" + "".join(f"t{row},{label}\n" for row, label in enumerate(labels)))
    tracemalloc.start()
    examples = read_examples(path, label_separator="|")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 10 MB of targets, and for each of 300,000 names its row (8 bytes) and its number (4 bytes), a few times over.
    assert examples.targets.nbytes == 10_000_000 and peak < 40_000_000


def test_names_that_cannot_be_labels_are_refused_before_they_fill_the_memory(write):
    rows = "".join(f"t{row},a{row} b{row}\n" for row in range(33_000))
    # 66,000 names in 33,000 rows would be 2.2 GB.
    message = refusal(read_examples, write("text,label\n" + rows), label_separator=" ")
    assert "66,000 distinct labels in 33,000 rows" in message and '"label"' in message


def test_an_empty_separator_is_refused(write):
    assert "--label-separator" in refusal(read_examples, write("text,label\na,x\n"), label_separator="")


def test_a_label_column_of_an_unusual_name_is_found_by_its_separator(write):
    # Ten rows, each with its own combination: too many distinct values for classes, but only four labels.
    rows = ["a", "b", "c", "d", "a|b", "a|c", "a|d", "b|c", "b|d", "a|b|c"]
    lines = [f"This is text {row},{'ab'[row % 2]},{cell}\n" for row, cell in enumerate(rows)]
    path = write("text,from,kinds\n" + "".join(lines))
    columns = find_columns(read_table(path), label_separator="|")
    assert columns.label == "kinds" and "guessed" in columns.reason
    assert find_columns(read_table(path)).label == "from"


# Lists


def test_lists_of_json_lines_are_labels_without_being_asked_for(write_lines):
    path = write_lines(
        {"text": "a", "tags": ["y", " x ", "y", ""]},
        {"text": "b", "tags": []},
        {"text": "c", "tags": None},
        {"text": "d", "tags": "a|b"},
        {"text": "e", "tags": [1, True, None]},
    )
    examples = read_examples(path)
    assert list(examples.texts) == ["a", "b", "d", "e"]
    assert label_sets(examples) == [{"x", "y"}, set(), {"a|b"}, {"1", "true"}]
    assert examples.columns.multi_label and examples.columns.label_separator is None
    assert "as lists" in examples.columns.reason
    assert any("dropped 1 row without a label (line 3)" in note for note in examples.notes)
    # Asked for, a separator splits the items too.
    assert label_sets(read_examples(path, label_separator="|"))[2] == {"a", "b"}


def test_lists_of_parquet_are_labels(tmp_path):
    path = tmp_path / "a.parquet"
    labels = pa.array([["x", "y"], None, [], ["y"]])
    pa.parquet.write_table(pa.table({"text": ["a", "b", "c", "d"], "label": labels}), path)
    examples = read_examples(path)
    assert list(examples.texts) == ["a", "c", "d"] and label_sets(examples) == [{"x", "y"}, set(), {"y"}]
    pa.parquet.write_table(pa.table({"text": ["a", "b"], "label": [[3, 1], [1]]}), path)
    assert label_sets(read_examples(path)) == [{"1", "3"}, {"1"}]


def test_lists_of_an_unusual_name_are_found_by_content(write_lines):
    path = write_lines(*({"text": f"text {row}", "xyz": [["a"], ["b", "a"]][row % 2]} for row in range(6)))
    assert read_examples(path).columns.label == "xyz"


def test_lists_of_zeros_and_ones_are_refused_as_they_name_nothing(write_lines):
    message = refusal(read_examples, write_lines({"text": "a", "label": [0, 1, 0]}, {"text": "b", "label": [1, 1, 0]}))
    assert "lists of 3 zeros and ones" in message and '"label"' in message
    # Of unlike lengths they may well be numbers of labels.
    assert label_sets(read_examples(write_lines({"text": "a", "label": [0, 1]}, {"text": "b", "label": [1]})))


def test_lists_are_no_text(write_lines):
    message = refusal(read_examples, write_lines({"text": ["a", "b"], "label": "x"}))
    assert 'text column "text" holds lists' in message and "--text-column" in message


# Several columns


def test_each_of_several_columns_is_a_label_in_the_order_of_the_file(write):
    path = write("text,refund,n,billing,bug\na,1,7,0,true\nb,No,8,YES,False\nc,1.0,9,,\n")
    examples = read_examples(path, label_column=["bug", "refund", "billing"])
    assert examples.label_names == examples.columns.indicators == ("refund", "billing", "bug")
    assert examples.targets.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]] and examples.targets.dtype == bool
    assert examples.columns.label is None and examples.columns.labels == examples.columns.indicators
    assert 'label columns "refund" + "billing" + "bug" (as asked), several labels a row' in examples.columns.reason


def test_truth_values_of_json_lines_and_parquet_are_labels(tmp_path, write_lines):
    expected = [{"x"}, {"y"}, set()]
    path = write_lines(
        {"text": "a", "x": True, "y": False}, {"text": "b", "y": 1}, {"text": "c", "x": 0, "y": None}, {"text": "d"}
    )
    examples = read_examples(path, label_column=("x", "y"))
    assert label_sets(examples) == expected
    # Only a row without any of them has no label.
    assert any("dropped 1 row without a label (line 4)" in note for note in examples.notes)
    path = tmp_path / "a.parquet"
    columns = {"text": ["a", "b", "c"], "x": [1.0, 0.0, None], "y": [False, True, False]}
    pa.parquet.write_table(pa.table(columns), path)
    assert label_sets(read_examples(path, label_column=("x", "y"))) == expected


@pytest.mark.parametrize("cell", ["2", "maybe", "-1", "truee"])
def test_anything_but_yes_and_no_is_refused_with_its_place(write, cell):
    path = write(f"text,x,y\na,1,0\n\nb,0,1\n,1,1\nc,1,{cell}\n")
    message = refusal(read_examples, path, label_column=["x", "y"])
    assert all(words in message for words in [str(path), "line 6", '"y"', f'"{cell}"', "1 or 0"])


def test_the_line_of_a_wrong_cell_is_right_over_several_chunks(write):
    rows = ["a,1,0\n"] * 50_000
    rows[45_000] = "a,1,z\n"
    message = refusal(read_examples, write("text,x,y\n" + "".join(rows)), label_column=["x", "y"])
    assert "line 45002:" in message and '"z"' in message  # the header is line 1


def test_one_column_of_zeros_and_ones_stays_a_column_of_classes(write):
    examples = read_examples(write("text,x,y\na,1,0\nb,0,1\n"), label_column=["x"])
    assert examples.label_names == ("0", "1") and not examples.multi_label


def test_several_columns_leave_nothing_to_separate(write):
    message = refusal(read_examples, write("text,x,y\na,1,0\n"), label_column=["x", "y"], label_separator="|")
    assert "--label-separator" in message and '"x", "y"' in message


def test_a_column_of_lists_is_no_column_of_zeros_and_ones(write_lines):
    message = refusal(read_examples, write_lines({"text": "a", "x": [1], "y": 0}), label_column=["x", "y"])
    assert '"x" holds lists' in message


def test_a_label_column_that_is_missing_or_is_the_text_is_named(write):
    path = write("text,xxxx,y\na,1,0\n")
    assert 'mean "xxxx"' in refusal(read_examples, path, label_column=["xxx", "y"])
    assert "as text and as label" in refusal(read_examples, path, ["y"], ["xxxx", "y"])


# What belongs together


def test_taking_rows_keeps_their_labels(write):
    taken = read_examples(write("text,label\na,x\nb,x|y\nc,z\n"), label_separator="|").take(np.array([2, 1]))
    assert list(taken.texts) == ["c", "b"] and taken.rows.tolist() == [4, 3]
    assert taken.label_names == ("x", "y", "z") and label_sets(taken) == [{"z"}, {"x", "y"}]


def test_gold_is_joined_as_in_the_file(write, write_lines):
    examples = read_examples(write("text,label\na,y; x\nb,\n"), label_separator=";")
    assert examples.gold() == ["x;y", ""]
    assert read_examples(write_lines({"text": "a", "label": ["y", "x"]})).gold() == ["x|y"]


def test_names_are_joined_by_a_mark_that_none_of_them_holds():
    targets = np.array([[True, True, False], [False, False, True], [False, False, False]])
    assert joined_names(targets, ["a", "b", "c"]) == ["a|b", "c", ""]
    assert joined_names(targets, ["a|1", "b;2", "c"]) == ["a|1,b;2", "c", ""]
    assert joined_names(targets, ["a", "b", "c"], " + ") == ["a + b", "c", ""]


def test_single_labels_are_no_targets(write):
    with pytest.raises(ValueError, match="several labels"):
        read_examples(write("text,label\na,x\nb,y\n")).targets_for(["x"])


# What is said aloud, and what cannot be learnt


def test_odd_labels_are_noted(write):
    rows = "a,1,0,1,1,0\nb,1,0,0,1,0\nc,1,0,0,0,0\nd,1,0,0,0,1\n"
    path = write("text,always,never,once,some,Some\n" + rows)
    notes = "\n".join(read_examples(path, label_column=["always", "never", "once", "some", "Some"]).notes)
    assert '1 label has no row: "never".' in notes
    assert '2 labels have a single row: "once", "Some".' in notes
    assert '1 label has every row: "always".' in notes
    assert '"some" and "Some" differ only in case' in notes
    assert "none of the labels" not in notes


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,\nb,\n", "no label at all"),
        ("a,x|y\nb,y|x\n", 'only labels that every row has ("x", "y")'),
        ("a,x\nb,y\nc,x|z\nd,\ne,\n", "3 labels in 5 rows"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(write, rows, words):
    examples = read_examples(write("text,label\n" + rows), label_separator="|")
    assert words in refusal(require_classes, examples)


def test_several_columns_that_cannot_be_learnt_are_refused(write):
    examples = read_examples(write("text,x,y\na,1,0\nb,1,0\n"), label_column=["x", "y"])
    assert "only labels that every row has" in refusal(require_classes, examples)


def test_labels_that_can_be_learnt_pass(write):
    require_classes(read_examples(write("text,label\na,x|y\nb,y\nc,\n"), label_separator="|"))
    require_classes(read_examples(write("text,x,y\na,1,0\nb,1,1\n"), label_column=["x", "y"]))
    # Three labels in six rows are half as many.
    require_classes(read_examples(write("text,label\na,x\nb,y\nc,z\nd,\ne,\nf,\n"), label_separator="|"))


# A file for a model


TRAINED = Columns(("text",), "tags", "", multi_label=True, label_separator="|")
OF_MODEL = {"preferred": TRAINED, "preferred_labels": ["bug", "billing", "refund"]}


def test_labels_come_in_the_order_of_the_model_and_unknown_ones_are_counted_and_named(write):
    path = write("text,tags\na,refund|spam\nb,billing|ham|spam\nc,\nd,refund\n")
    examples = read_examples(path, **OF_MODEL)
    assert examples.label_names == ("billing", "ham", "refund", "spam")
    assert examples.targets_for(OF_MODEL["preferred_labels"]).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert any('2 labels are unknown to the model: "spam" (2 rows), "ham" (1 row).' in note for note in examples.notes)


def test_known_labels_alone_are_no_news(write):
    examples = read_examples(write("text,tags\na,refund|bug\nb,bug\n"), **OF_MODEL)
    assert not any("unknown" in note for note in examples.notes)


def test_a_file_with_none_of_the_labels_is_refused(write):
    message = refusal(read_examples, write("text,tags\na,refund;bug\nb,bug;billing\n"), **OF_MODEL)
    assert "none of its labels" in message and '"refund;bug"' in message and "separator" in message


def test_a_file_that_joins_its_labels_otherwise_is_read_as_asked(write, write_lines):
    expected = [{"refund", "bug"}, {"bug"}]
    path = write("text,tags\na,refund;bug\nb,bug\n")
    assert label_sets(read_examples(path, label_separator=";", **OF_MODEL)) == expected
    assert (
        label_sets(
            read_examples(
                write_lines({"text": "a", "tags": ["refund", "bug"]}, {"text": "b", "tags": ["bug"]}), **OF_MODEL
            )
        )
        == expected
    )
    path = write("text,refund,bug\na,1,1\nb,0,1\n")
    assert label_sets(read_examples(path, label_column=["refund", "bug"], **OF_MODEL)) == expected


def test_a_column_that_holds_labels_of_the_model_stands_in(write):
    path = write("text,topic,kinds\na,x,refund|bug\nb,y,bug\n")
    examples = read_examples(path, **OF_MODEL)
    assert label_sets(examples) == [{"refund", "bug"}, {"bug"}]
    assert any('trained on label column "tags", which this file lacks; took "kinds"' in note for note in examples.notes)
    assert "no other column holds a label" in refusal(read_examples, write("text,topic\na,x\nb,y\n"), **OF_MODEL)


def test_the_several_columns_of_the_training_are_found_again(write):
    trained = Columns(("body",), None, "", indicators=("x", "y"), multi_label=True)
    options = {"preferred": trained, "preferred_labels": ["x", "y"]}
    examples = read_examples(write("y,text,x,body,label\n1,t,0,a,1\n0,t,1,b,0\n"), **options)
    assert list(examples.texts) == ["a", "b"] and examples.targets_for(["x", "y"]).tolist() == [[0, 1], [1, 0]]
    message = refusal(read_examples, write("body,x\na,1\n"), **options)
    assert '"y"' in message and "--label-separator" in message
    path = write("body,tags\na,x|y\nb,y\n")
    assert label_sets(read_examples(path, label_column="tags", label_separator="|", **options)) == [{"x", "y"}, {"y"}]
    assert label_sets(read_examples(path, label_separator="|", **options)) == [{"x", "y"}, {"y"}]
    assert read_examples(write("body,x\na,1\n"), need_label=False, **options).targets is None


def test_a_model_of_several_labels_takes_a_file_of_single_ones(write):
    trained = Columns(("text",), "tags", "", multi_label=True)  # on lists, which need no separator
    examples = read_examples(write("text,tags\na,x\nb,\nc,y\n"), preferred=trained, preferred_labels=["x", "y"])
    assert label_sets(examples) == [{"x"}, set(), {"y"}] and examples.columns.multi_label


def test_a_model_of_one_label_refuses_several(write, write_lines):
    options = {"preferred": Columns(("text",), "label", ""), "preferred_labels": ["x", "y"]}
    for path, asked in (
        (write_lines({"text": "a", "label": ["x", "y"]}), {}),
        (write("text,label\na,x|y\n"), {"label_separator": "|"}),
        (write("text,x,y\na,1,0\n", "b.csv"), {"label_column": ["x", "y"]}),
    ):
        assert "expected one label a row" in refusal(read_examples, path, **asked, **options)


def test_a_separator_makes_no_labels_where_there_are_none(write):
    path = write("text\nHow are you?\n")
    examples = read_examples(path, need_label=False, label_separator="|")
    assert not examples.multi_label and examples.columns.labels == ()
    assert not find_columns(read_table(path), need_label=False, label_separator="|").multi_label


def test_prediction_leaves_labels_with_gaps_out(write, write_lines):
    path = write_lines({"text": "a", "tags": ["x"]}, {"text": "b"})
    examples = read_examples(path, need_label=False)
    assert len(examples) == 2 and not examples.multi_label and examples.columns.labels == ()
    assert any('"tags" has gaps' in note for note in examples.notes)
    # An empty cell is no gap where a row may have no label.
    examples = read_examples(write("text,tags\na,x\nb,\n"), need_label=False, label_separator="|")
    assert label_sets(examples) == [{"x"}, set()]
