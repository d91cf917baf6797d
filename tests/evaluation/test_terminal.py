import numpy as np
import pytest

from kerasnlp_kit.evaluation.metrics import classification_metrics
from kerasnlp_kit.evaluation.multilabel import multilabel_metrics
from kerasnlp_kit.evaluation.terminal import display_width, fit, printable


def perfect(names):
    return classification_metrics(names, np.eye(len(names), dtype=np.float32), names)


def test_columns_of_chinese_and_english_labels_end_at_the_same_width():
    lines = perfect(["退款", "refund request", "é"]).table().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("class"))
    assert len({display_width(line) for line in lines[start:]}) == 1


def test_table_starts_with_accuracy_and_baseline():
    result = classification_metrics(["a", "b"], np.eye(2, dtype=np.float32), ["a", "b"], majority_label="b")
    first, second = result.table().splitlines()[:2]
    assert first == result.first_line()
    assert second == "majority baseline 0.5000 (b)"


def test_table_of_two_labels_names_the_positive_one():
    assert "ROC AUC 1.0000 (positive: spam)" in perfect(["ham", "spam"]).table()


def test_many_classes_show_the_ten_worst():
    names = [f"class {index:02d}" for index in range(31)]
    probabilities = np.eye(31, dtype=np.float32)
    probabilities[7] = probabilities[8]  # class 07 is always taken for class 08
    lines = classification_metrics(names, probabilities, names).table().splitlines()
    start = lines.index("the 10 worst of 31 classes by F1:")
    assert lines[start + 2].startswith("class 07")
    assert len(lines[start + 2 :]) == 10


def test_unseen_labels_are_counted_and_listed():
    gold = ["a", "新", "新"] + [f"x{index:02d}" for index in range(11)]
    table = classification_metrics(gold, np.tile([[0.6, 0.4]], (14, 1)), ["a", "b"]).table()
    assert "13 rows with a label the model has never seen, counted as errors:\n  新: 2\n" in table
    assert table.endswith("and 2 more labels")
    assert "(over the 1 row with a known label)" in table


def test_a_class_that_never_occurs_has_no_scores():
    table = classification_metrics(["a"], np.array([[1.0, 0.0]]), ["a", "b"]).table()
    assert table.splitlines()[-1].split() == ["b", "-", "-", "-", "0"]


def test_a_multilabel_table_starts_with_micro_f1_and_ends_with_the_labels():
    # Row 1 is right, row 2 misses "b": 2 hits, no label added.
    targets, selected = np.array([[1, 0], [1, 1]], bool), np.array([[1, 0], [1, 0]], bool)
    result = multilabel_metrics(targets, np.array([[0.9, 0.1], [0.8, 0.3]]), selected, ["退款", "b"])
    lines = result.table().splitlines()
    assert lines[0] == result.first_line()
    assert lines[1:5] == [
        "micro precision 1.0000, recall 0.6667",
        "macro F1 0.5000, weighted F1 0.6667, samples F1 0.8333",  # F1 of labels 1 and 0, of rows 1 and 2 / 3
        "subset accuracy 0.5000, Hamming loss 0.2500",
        "label ranking average precision 1.0000",
    ]
    assert lines[-3:] == [
        "label  precision  recall      F1  support",
        "退款      1.0000  1.0000  1.0000        2",
        "b         0.0000  0.0000  0.0000        1",
    ]


def test_labels_a_multilabel_model_has_never_seen_are_listed():
    ones = np.ones((2, 1), bool)
    unseen = {"新": np.array([True, True]), "x": np.array([True, False])}
    table = multilabel_metrics(ones, ones * 0.9, ones, ["a"], unseen=unseen).table()
    assert table.endswith("labels the model has never seen, missed in every row that has them:\n  新: 2\n  x: 1")


def test_many_labels_show_the_ten_worst():
    ones = np.ones((2, 31), bool)
    assert (
        "the 10 worst of 31 labels by F1:"
        in multilabel_metrics(ones, ones * 0.9, ones, list(map(str, range(31)))).table()
    )


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("退款", 4), ("ｆｕ", 4), ("e\u0301", 1), ("한국", 4), ("", 0), ("ﾊﾝ", 2)]
)
def test_display_width_counts_terminal_columns(text, width):
    assert display_width(text) == width


def test_a_label_cannot_steer_the_terminal():
    assert fit("\x1b[31mred\nline") == "\\x1b[31mred\\nline"


@pytest.mark.parametrize("label", ["x" * 50, "退" * 50])
def test_a_long_label_is_cut_to_the_columns_it_has(label):
    assert 39 <= display_width(fit(label)) <= 40
    assert fit(label).endswith("…")


def test_joiners_and_blanks_of_other_scripts_are_printed_and_what_steers_the_terminal_is_not():
    harmless = "می\u200cخواهم 👩\u200d💻 a\u3000b\xa0c"
    assert printable(harmless) == harmless
    assert printable("a\x1b[2J\u202eb\u2028c\r\nd") == r"a\x1b[2J\u202eb\u2028c\r\nd"
