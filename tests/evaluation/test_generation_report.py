import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kerasnlp_kit.evaluation import generation_sections
from kerasnlp_kit.evaluation.generation import score_generation
from kerasnlp_kit.evaluation.generation_baselines import compare_generation, copy_source
from kerasnlp_kit.evaluation.generation_report import (
    GenerationReportData,
    generation_report_html,
    write_generation_report,
)

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """Collects tags and ids, and fails on a tag closed out of order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(html):
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def report_data(sources=None, references=None, predictions=None, **changes):
    """Three rows, of which the middle one is wrong by a word."""
    sources = sources or ["ein Hund", "eine Katze sitzt", "zwei"]
    references = references or [("a dog", "one dog"), ("a cat is sitting there",), ("two or so",)]
    predictions = predictions or ["one dog", "a cat is lying there", "two or so"]
    fields = {
        "title": "tiny",
        "subtitle": "trained on tiny.csv",
        "facts": {"parameters": "12"},
        "data_name": "test.csv",
        "metrics": score_generation(sources, references, predictions),
        "sources": sources,
        "references": references,
        "predictions": predictions,
        "scores": np.log([0.9, 0.5, 0.8]),
        "history": {
            "loss": [2.0, 1.0],
            "val_loss": [2.0, 1.5],
            "val_score": [0.1, 0.4],
            "learning_rate": [1e-3, 5e-4],
        },
        "best_epoch": 2,
        "comparisons": {"copying the source": compare_generation(references, predictions, copy_source(sources))},
        "attention": (["ein", "Hund"], ["one", "dog"], np.array([[0.9, 0.1], [0.2, 0.8]])),
        "how_to_load": "import tensorflow as tf",
    }
    return GenerationReportData(**(fields | changes))


def section(html, heading):
    return re.search(f"<h2>{heading}</h2>(.*?)</section>", html, re.DOTALL)[1]


def cells(html):
    """The words of each row of a section's tables, without marks."""
    rows = re.findall("<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<td[^>]*>(.*?)</td>", row)] for row in rows[1:]]


def test_report_is_well_formed_and_has_every_section():
    html = generation_report_html(report_data())
    parser = outline(html)
    assert len(parser.ids) == len(set(parser.ids))
    assert re.findall("<h2>(.*?)</h2>", html) == [
        "Beside the obvious",
        "The model",
        "Learning curves",
        "Scores",
        "By length of the source",
        "Sample rows",
        "Worst rows",
        "Attention",
        "How to load the model",
    ]


def test_report_needs_nothing_from_outside():
    html = generation_report_html(report_data())
    assert not re.search(r'(src|href)="(?!#|data:)', html)
    assert "@import" not in html
    assert "<script" not in html


def test_what_is_not_given_has_no_section():
    bare = report_data(
        sources=None, facts={}, history=None, comparisons={}, scores=None, attention=None, how_to_load=""
    )
    headings = re.findall("<h2>(.*?)</h2>", generation_report_html(bare))
    assert headings == ["Scores", "By length of the source", "Sample rows", "Worst rows"]


def test_report_without_texts_shows_none():
    data = report_data()
    silent = GenerationReportData(**(vars(data) | {"sources": None, "references": None, "predictions": None}))
    html = generation_report_html(silent)
    for text in ("Hund", "Katze", "lying", "dog"):
        assert text not in html
    assert "Attention" not in html


def test_cards_hold_the_headline_scores():
    data = report_data()
    cards = dict(
        re.findall('<div class="name">(.*?)</div><div class="value">(.*?)</div>', generation_report_html(data))
    )
    assert cards == {
        "exact match": "0.6667",
        "BLEU": f"{data.metrics.bleu:.2f}",
        "chrF": f"{data.metrics.chrf:.2f}",
        "token error rate": "0.1000",  # one of 2 + 5 + 3 tokens
        "rows": "3",
    }


def test_warnings_are_those_of_the_caller_and_of_the_scores():
    sources = ["a b", "c d", "e f"]
    data = report_data(sources, [("x",), ("y",), ("z",)], ["a b", "c d", "z"], warnings=["Few rows & old."])
    warnings = re.search('<ul class="warnings">(.*?)</ul>', generation_report_html(data))[1]
    assert "Few rows &amp; old." in warnings
    assert "66.7% of the outputs are the source unchanged" in warnings


def test_worst_rows_are_wrong_ones_with_their_confidence():
    data = report_data()
    shown = cells(section(generation_report_html(data), "Worst rows"))
    expected = ["eine Katze sitzt", "a cat is sitting there", "a cat is lying there"]
    assert shown == [[*expected, f"{data.metrics.row_chrf[1]:.1f}", "0.500"]]


def test_equally_bad_rows_are_ordered_by_confidence():
    data = report_data(["a", "b", "c"], [("uv",), ("uv",), ("uv",)], ["xy", "xy", "xy"])
    assert [row[0] for row in cells(section(generation_report_html(data), "Worst rows"))] == ["a", "c", "b"]


def test_no_errors_are_said_to_be_none():
    data = report_data(predictions=["a dog", "a cat is sitting there", "two or so"])
    assert "No errors." in section(generation_report_html(data), "Worst rows")


def test_what_differs_from_the_reference_is_marked():
    data = report_data(predictions=["dog", "a cat is lying there", "two or so"])
    rows = section(generation_report_html(data), "Sample rows")
    assert 'a cat is <span class="off">lying</span> there' in rows
    assert '<span class="gap"></span> dog' in rows
    assert ">two or so<" in rows


def test_closest_reference_comes_first_and_others_are_counted():
    references = [("a dog", "one dog", "dog", "the dog is here"), ("a cat is sitting there",), ("two or so",)]
    row = cells(section(generation_report_html(report_data(references=references)), "Sample rows"))[0]
    assert row[1] == "one doga dogdogand 1 more"


def test_sample_rows_are_the_same_every_time_and_at_most_twenty():
    sources = [f"source {row}" for row in range(50)]
    data = report_data(sources, [("a b c",)] * 50, ["a b c"] * 50, scores=None)
    html = generation_report_html(data)
    assert html == generation_report_html(data)
    assert len({row[0] for row in cells(section(html, "Sample rows"))}) == 20


def test_verdicts_stand_by_exact_match_and_by_chrf():
    html = section(generation_report_html(report_data()), "Beside the obvious")
    assert (
        '<li class="not-better">Not better than copying the source (+66.7 points exact match, p = 0.50).</li>' in html
    )
    assert '<li class="better">Better than copying the source by ' in html


def test_curves_are_drawn_of_what_the_history_has():
    html = section(generation_report_html(report_data()), "Learning curves")
    assert re.findall("<figcaption>(.*?)</figcaption>", html) == ["loss", "score", "learning rate"]


def test_attention_is_a_table_with_a_row_for_each_target_token():
    html = section(generation_report_html(report_data()), "Attention")
    rows = re.findall("<tr>(.*?)</tr>", html)
    assert [re.sub("<[^>]*>", "", row) for row in rows] == ["einHund", "one", "dog"]
    assert re.findall(r"--blue-cells\), (.*?)\)", html) == ["0.90", "0.10", "0.20", "0.80"]


def test_attention_of_any_script_and_without_numbers_is_drawn():
    weights = np.array([[np.nan, 1.5, -1], [0, 0.004, np.inf]])
    data = report_data(attention=(["👍", "你好", HOSTILE], ["สวัสดี", ""], weights))
    html = generation_report_html(data)
    outline(html)
    # 1.5 and infinity are 1; what is no number, negative or next to nothing has no colour.
    assert re.findall(r"--blue-cells\), (.*?)\)", section(html, "Attention")) == ["1.00", "1.00"]


def test_long_attention_is_cut():
    tokens = [str(number) for number in range(90)]
    html = section(generation_report_html(report_data(attention=(tokens, tokens, np.eye(90)))), "Attention")
    assert "first 80 tokens" in html
    assert len(re.findall("<td", html)) == 80 * 80


def test_attention_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*Received: \(2, 1\)"):
        generation_report_html(report_data(attention=(["a", "b"], ["c"], np.ones((2, 1)))))


def test_attention_of_nothing_has_no_section():
    html = generation_report_html(report_data(attention=([], ["a"], np.ones((1, 0)))))
    assert "Attention" not in html


def test_hostile_texts_are_shown_as_text():
    data = report_data(
        [HOSTILE, "\x00\ud800", "</table>"],
        [(HOSTILE, HOSTILE + "b"), ("<b>",), ("x",)],
        ["<img src=x>", HOSTILE * 90, "\x1b[31m"],
        title=HOSTILE,
        subtitle=HOSTILE,
        facts={HOSTILE: HOSTILE},
        data_name=HOSTILE,
        warnings=[HOSTILE],
        how_to_load=HOSTILE,
        comparisons={HOSTILE: report_data().comparisons["copying the source"]},
        attention=([HOSTILE], [HOSTILE], np.ones((1, 1))),
    )
    html = generation_report_html(data)
    parser = outline(html)
    assert not {"script", "img", "b"} & set(parser.tags)
    html.encode("utf-8")


@pytest.mark.parametrize("text", ["", "👍", "你好", "a"])
def test_one_row_makes_a_report(text):
    outline(generation_report_html(report_data([text], [(text,)], [text], scores=[-0.1], comparisons={})))


def test_rows_other_than_those_of_the_scores_are_refused():
    with pytest.raises(ValueError, match="Expected the 3 rows"):
        generation_report_html(report_data(scores=[-0.1]))


def test_report_is_written_whole(tmp_path):
    path = tmp_path / "report.html"
    write_generation_report(path, report_data())
    assert path.read_text(encoding="utf-8") == generation_report_html(report_data())
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_without_attention_there_is_no_picture_of_it():
    assert generation_sections.attention(["a", "b"], ["c"], np.zeros((1, 2))) == ""
