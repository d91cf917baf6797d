from pathlib import Path

import numpy as np
import pytest

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.agreement import compare_texts

PLACE = Path("saved_model/1")


def compare(texts, expected, hard=0, scores=None, expected_scores=None):
    compare_texts(PLACE, "greedy", texts, scores, expected, expected_scores, hard)


@pytest.mark.parametrize(("others", "hard", "allowed"), [(6, 0, True), (7, 0, False), (1, 12, True), (2, 12, False)])
def test_so_many_texts_may_be_as_probable_and_of_hard_ones_one(others, hard, allowed):
    expected = [f"text {number}" for number in range(64)]
    found = ["another"] * others + expected[others:]
    if allowed:
        compare(found, expected, hard)
    else:
        with pytest.raises(ExportMismatch, match=f"writes {others} of 64 texts otherwise"):
            compare(found, expected, hard)


def test_of_few_texts_one_may_be_as_probable():
    compare(["a", "b", "c", "x"], ["a", "b", "c", "d"])
    with pytest.raises(ExportMismatch):
        compare(["a", "b", "y", "x"], ["a", "b", "c", "d"])


def test_equal_texts_must_have_equal_scores_and_others_need_not():
    scores = np.array([-1.0, -2.0])
    compare(["a", "x"], ["a", "b"], 0, scores, scores - [0, 1])
    with pytest.raises(ExportMismatch, match="scores text 1 with"):
        compare(["a", "b"], ["a", "b"], 0, scores, scores - [0, 1])
