import numpy as np
import pytest

from kerasnlp_kit.evaluation.metrics import classification_metrics
from kerasnlp_kit.evaluation.terminal import display_width, fit


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
