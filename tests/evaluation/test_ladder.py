import json

import pytest

from kerasnlp_kit.evaluation.ladder import Rung, duration, ladder_table, number
from kerasnlp_kit.evaluation.terminal import display_width


def test_table_marks_the_chosen_model():
    rungs = [
        Rung("linear", 0.871, (0.857, 0.884), 0.4321, 401.0, 2.31, 4.2, 0.05),
        Rung("线性 + cnn_classifier", 0.9, (0.88, 0.91), 0.4, 372.0, 3_800, 1_048, None, chosen=True),
    ]
    assert ladder_table(rungs).splitlines() == [
        "  model                  dev accuracy               95%  log loss       time     MB  ms/text",
        "  linear                       0.8710  [0.8570, 0.8840]    0.4321      2.3 s    4.2     0.05",
        "* 线性 + cnn_classifier        0.9000  [0.8800, 0.9100]    0.4000  1 h 3 min  1,048        -",
    ]


def test_columns_end_at_the_same_width_whatever_the_score_is_called():
    lines = ladder_table([Rung("退款" * 30, 0.5, (0.4, 0.6), 1.2, 13.0, 1)], "micro F1").splitlines()
    assert len({display_width(line) for line in lines}) == 1
    assert "dev micro F1" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (47.4, "47 s"), (200, "3 min 20 s"), (3_600, "1 h 0 min"), (7_530, "2 h 5 min")],
)
def test_a_time_is_said_as_people_say_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0123, "0.012"), (0.4, "0.4"), (2.24, "2.2"), (48.4, "48"), (1_048.3, "1,048")]
)
def test_a_size_has_the_digits_that_count(value, text):
    assert number(value) == text


def test_json_is_plain():
    plain = Rung("linear", 0.9, (0.8, 1.0), 0.1, 9.0, 2.0).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
