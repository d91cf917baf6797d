import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.image import imread

from kerasnlp_kit.evaluation import plots
from kerasnlp_kit.evaluation.calibration import reliability_bins
from kerasnlp_kit.evaluation.comparison import compare
from kerasnlp_kit.evaluation.decision import NEVER, operating_point, out_of_scope, risk_coverage
from kerasnlp_kit.evaluation.ladder import Rung
from kerasnlp_kit.evaluation.metrics import classification_metrics
from kerasnlp_kit.evaluation.multilabel import multilabel_metrics
from kerasnlp_kit.evaluation.report import ReportData, report_html, write_report

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """Collects tags, attributes and ids, and fails on a tag closed out of order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(html):
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def report_data(k=3, n=12, *, names=None, **changes):
    names = names or [f"label {index}" for index in range(k)]
    generator = np.random.default_rng(k)
    gold = [names[index % k] for index in range(n)]
    probabilities = generator.dirichlet(np.ones(k), size=n).astype(np.float32)
    fields = {
        "title": "tiny",
        "subtitle": "lstm_classifier, trained on tiny.csv",
        "facts": {"parameters": "12"},
        "data_name": "dev (10% split off)",
        "metrics": classification_metrics(gold, probabilities, names),
        "probabilities": probabilities,
        "gold": gold,
        "texts": [f"text {row}" for row in range(n)],
        "lengths": np.arange(1, 10),
        "max_length": 6,
        "history": {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5], "accuracy": [0.1, 0.5], "val_accuracy": [0.1, 0.4]},
        "best_epoch": 2,
        "how_to_load": "import tensorflow as tf",
    }
    return ReportData(**(fields | changes))


def multilabel_data(k=3, n=12, *, names=None, **changes):
    """A model that is right but for two rows: it adds label 0 to row 2 (0.9) and misses label 1 of row 1 (0.3)."""
    names = names or [f"label {index}" for index in range(k)]
    targets = np.arange(n)[:, None] % k == np.arange(k)
    probabilities = np.where(targets, 0.8, 0.1)
    probabilities[2, 0], probabilities[1, 1] = 0.9, 0.3
    selected = probabilities >= 0.5
    fields = {
        "metrics": multilabel_metrics(targets, probabilities, selected, names),
        "probabilities": probabilities,
        "gold": [[name for name, there in zip(names, row, strict=True) if there] for row in targets],
        "selected": selected,
    }
    return report_data(k, n, names=names, **(fields | changes))


def everything(name="the linear baseline", n=60):
    """All that a report may show beside the metrics."""
    generator = np.random.default_rng(0)
    confidence, correct = generator.random(n), generator.random(n) < 0.7
    return {
        "comparisons": {name: compare(["a"] * n, ["a"] * n, ["b"] * n)},
        "ladder": [
            Rung(name, 0.5, (0.4, 0.6), 0.9, 90.0, 1.0),
            Rung("cnn", 0.7, (0.6, 0.8), 0.6, 61.0, 90, 6.1, 0.4, chosen=True),
        ],
        "calibration_before": 0.1234,
        "coverage": risk_coverage(confidence, correct),
        "operating_points": [operating_point(name, confidence > 0.4, correct, threshold=0.4)],
        "thresholds": [0.4, NEVER, 0.0],
        "out_of_scope": out_of_scope(confidence, confidence / 2, out_accepted=confidence > 0.8),
    }


def section(html, heading):
    """The HTML of one section."""
    return re.search(f"<h2>{heading}</h2>(.*?)</section>", html, re.DOTALL)[1]


def cells(html):
    """The words of each row of a section's tables, without marks."""
    rows = re.findall("<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall("<td[^>]*>(.*?)</td>", row)] for row in rows[1:]]


@pytest.mark.parametrize("k", [2, 12, 26])
def test_report_is_well_formed_and_has_every_section(k):
    html = report_html(report_data(k, n=60))
    outline(html)
    headings = re.findall("<h2>(.*?)</h2>", html)
    confusion = "Most confused classes" if k > 25 else "Confusion matrix"
    assert headings == [
        "The model",
        "Learning curves",
        confusion,
        "Calibration",
        "Classes, worst first",
        "Most confident errors",
        "Text lengths",
        "How to load the model",
    ]


@pytest.mark.parametrize("k", [2, 26])
def test_report_needs_nothing_from_outside(k):
    html = report_html(report_data(k, n=60))
    parsed = outline(html)
    assert not re.search(r"https?://|//[a-z]+\.|@import|@font-face", html)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    addresses = [value for name, value in parsed.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in addresses)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("data", [report_data, multilabel_data])
def test_references_within_pictures_lead_to_one_id_each(data):
    html = report_html(data(**everything()))
    ids = re.findall(r'\bid="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    references = re.findall(r'href="#([^"]*)"', html) + re.findall(r"url\(#([^)]*)\)", html)
    assert references
    assert set(references) <= set(ids)


@pytest.mark.parametrize("k", [3, 26])
def test_hostile_texts_labels_and_names_are_escaped(k):
    names = [f"{HOSTILE}{index}" for index in range(k)]
    data = report_data(
        k,
        n=60,
        names=names,
        title=HOSTILE,
        subtitle=HOSTILE,
        facts={HOSTILE: HOSTILE},
        data_name=HOSTILE,
        texts=[HOSTILE] * 60,
        warnings=[HOSTILE],
        how_to_load=HOSTILE,
    )
    html = report_html(data)
    assert "script" not in outline(html).tags
    assert "<script" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in html


def test_a_label_cannot_break_out_of_its_tooltip():
    name = '" onmouseover="alert(1)" x="' + "long" * 20
    parsed = outline(report_html(report_data(2, names=[name, "b"])))
    assert not any(attribute.startswith("on") for attribute, _ in parsed.attributes)
    assert ("title", name) in parsed.attributes


def test_characters_that_html_or_utf8_forbid_do_not_stop_the_report(tmp_path):
    write_report(tmp_path / "report.html", report_data(texts=["bell \x07 and half a pair \ud83d"] * 12))
    assert "bell \ufffd and half a pair \ufffd" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_texts_no_text_is_shown():
    html = report_html(report_data(texts=None))
    assert '<div class="text"' not in html
    assert "Most confident errors" in html


def test_long_texts_are_cut_at_300_characters():
    shown = re.findall('<div class="text" dir="auto">(.*?)</div>', report_html(report_data(texts=["word" * 100] * 12)))
    assert shown
    assert all(len(text) == 300 and text.endswith("…") for text in shown)


def test_most_confident_error_comes_first():
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2]], np.float32)
    gold = ["a", "a", "a"]
    metrics = classification_metrics(gold, probabilities, ["a", "b"])
    data = report_data(metrics=metrics, probabilities=probabilities, gold=gold, texts=["unsure", "certain", "right"])
    assert re.findall('<div class="text" dir="auto">(.*?)</div>', report_html(data)) == ["certain", "unsure"]


def test_a_model_without_errors_has_a_report():
    probabilities = np.eye(26, dtype=np.float32)
    names = [f"label {index}" for index in range(26)]
    metrics = classification_metrics(names, probabilities, names)
    html = report_html(report_data(26, metrics=metrics, probabilities=probabilities, gold=names, texts=names))
    assert "No errors." in html
    assert "No row was confused." in html


def test_most_confused_pair_leads_the_ranking():
    names = [f"label {index:02d}" for index in range(26)]
    gold = [*names, "label 03", "label 03"]
    probabilities = np.eye(26, dtype=np.float32)[[*range(26), 5, 5]]  # label 03 is twice taken for label 05
    metrics = classification_metrics(gold, probabilities, names)
    html = report_html(report_data(26, metrics=metrics, probabilities=probabilities, gold=gold, texts=gold))
    first = re.search(r"<tbody>\n<tr>(.*?)</tr>", html).group(1)
    # 2 of the 3 rows of label 03.
    assert re.findall(r">([^<]+)<", first) == ["label 03", "label 05", "2", "67%"]


def test_a_report_with_the_least_there_is():
    data = report_data(lengths=None, max_length=None, history=None, best_epoch=None, how_to_load="", facts={})
    headings = re.findall("<h2>(.*?)</h2>", report_html(data))
    assert headings == ["Confusion matrix", "Calibration", "Classes, worst first", "Most confident errors"]


def test_unseen_labels_are_rows_of_the_confusion_matrix_but_not_columns():
    gold, probabilities = ["a", "new"], np.array([[0.9, 0.1], [0.7, 0.3]], np.float32)
    metrics = classification_metrics(gold, probabilities, ["a", "b"])
    html = report_html(report_data(metrics=metrics, probabilities=probabilities, gold=gold, texts=gold))
    matrix = html[html.index('<table class="confusion">') :]
    header, body = matrix[: matrix.index("</table>")].split("<tbody>")
    assert "new" not in header
    assert "new" in body


def test_same_data_gives_the_same_bytes(tmp_path):
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, report_data(26, n=40, **everything()))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_a_failing_report_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="argument"):
        write_report(path, report_data(gold=["label 0"]))  # fewer gold labels than probabilities
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.html", "old")]


def test_sections_beyond_the_metrics_stand_where_they_are_looked_for():
    html = report_html(report_data(**everything()))
    outline(html)
    assert re.findall("<h2>(.*?)</h2>", html) == [
        "Beside the obvious",
        "The model",
        "Models tried",
        "Learning curves",
        "Confusion matrix",
        "Calibration",
        "When it keeps silent",
        "Texts out of scope",
        "Classes, worst first",
        "Most confident errors",
        "Text lengths",
        "How to load the model",
    ]


def test_comparisons_say_the_verdict_and_show_the_counts():
    gold = ["a"] * 40
    named = {
        "always a": compare(gold, ["a"] * 40, ["b"] * 40),
        "the linear baseline": compare(gold, ["a"] * 39 + ["b"], ["b"] + ["a"] * 39),
        "the old model": compare(gold, ["b"] * 40, gold),
    }
    found = section(report_html(report_data(comparisons=named)), "Beside the obvious")
    assert re.findall('<li class="(.*?)">(.*?)</li>', found) == [
        ("better", "Better than always a by 100.0 points, p &lt; 0.001."),
        ("not-better", "Not better than the linear baseline (+0.0 points, p = 1.00)."),
        ("worse", "Worse than the old model by 100.0 points, p &lt; 0.001."),
    ]
    second = cells(found)[1]
    assert second[:3] + second[4:] == ["the linear baseline", "0.9750", "+0.00", "1", "1", "1.00"]


def test_the_chosen_model_stands_out_among_those_tried():
    found = section(report_html(report_data(**everything())), "Models tried")
    assert cells(found) == [
        ["the linear baseline", "0.5000", "0.400–0.600", "", "0.9000", "1.0 s", "-", "-"],
        ["cnn chosen", "0.7000", "0.600–0.800", "", "0.6000", "90 s", "6.1", "0.4"],
    ]
    assert re.findall('<tr class="highlighted"><td><span class="label" dir="auto">(.*?)<', found) == ["cnn"]
    # On a line from 0.4 to 0.8 the second interval takes the right half, with its point in the middle.
    assert '<i style="left: 50.0%; width: 50.0%"></i><b style="left: 75.0%">' in found


def test_calibration_is_shown_before_and_after_scaling():
    data = report_data(calibration_before=0.1234)
    values = re.findall('<div class="value">(.*?)</div>', section(report_html(data), "Calibration"))
    assert values == ["0.1234", f"{data.metrics.calibration_error:.4f}"]


def test_coverage_shows_thresholds_in_use_and_what_others_would_give():
    confidence, correct = np.linspace(1, 0.1, 10), np.arange(10) < 8
    points = [
        operating_point("precision 90%", confidence > 0.25, correct, threshold=0.3),
        operating_point("nothing", confidence > 2, correct, threshold=NEVER),
        operating_point("by class", confidence > 0.35, correct),
    ]
    data = report_data(coverage=risk_coverage(confidence, correct), operating_points=points)
    found = section(report_html(data), "When it keeps silent")
    assert cells(found) == [
        ["1 precision 90%", "0.300", "80.0%", "100.0%"],
        ["nothing", "never", "0.0%", "–"],
        ["2 by class", "per class", "70.0%", "100.0%"],
        ["the most confident 50%", "0.600", "50.0%", "100.0%"],
        ["the most confident 80%", "0.300", "80.0%", "100.0%"],
        ["the most confident 90%", "0.200", "90.0%", "88.9%"],  # 8 of 9
        ["all rows", "", "100.0%", "80.0%"],
    ]
    assert {">1</text>", ">2</text>"} <= set(re.findall(">[^<>]*</text>", found))


def test_a_class_that_never_answers_says_so():
    data = report_data(thresholds=[0.4, NEVER, 0.0])
    found = cells(section(report_html(data), "Classes, worst first"))
    assert {row[0]: row[-1] for row in found} == {"label 0": "0.400", "label 1": "never", "label 2": "always"}


def test_an_unseen_label_has_no_threshold():
    gold, probabilities = ["a", "new"], np.array([[0.9, 0.1], [0.7, 0.3]], np.float32)
    metrics = classification_metrics(gold, probabilities, ["a", "b"])
    html = report_html(report_data(metrics=metrics, probabilities=probabilities, gold=gold, thresholds=[0.4, 0.6]))
    found = cells(section(html, "Classes, worst first"))
    assert {row[0]: row[-1] for row in found} == {"a": "0.400", "b": "0.600", "new (unseen in training)": "–"}


def test_texts_out_of_scope_have_their_figures():
    scope = out_of_scope(np.array([0.9, 0.8]), np.array([0.1, 0.85, 0.2, 0.3]), out_accepted=np.array([0, 1, 0, 0]))
    found = section(report_html(report_data(out_of_scope=scope)), "Texts out of scope")
    # 7 of 8 pairs in order; 95% of two rows are both, from 0.8 on, where 1 of 4 is; 3 of 4 rejected.
    assert re.findall('<div class="value">(.*?)</div>', found) == ["0.8750", "25.0%", "75.0%"]
    assert "2 texts in scope upwards, 4 out of scope downwards" in found


def test_a_multilabel_report_has_labels_in_place_of_classes():
    html = report_html(multilabel_data(**everything()))
    outline(html)
    assert re.findall("<h2>(.*?)</h2>", html) == [
        "Beside the obvious",
        "The model",
        "Models tried",
        "Learning curves",
        "Number of labels",
        "Calibration",
        "When it keeps silent",
        "Texts out of scope",
        "Labels, worst first",
        "Decisions furthest off",
        "Text lengths",
        "How to load the model",
    ]
    assert ">share present</text>" in section(html, "Calibration")
    assert "exact match" in section(html, "Beside the obvious")


def test_the_wrong_decision_furthest_off_comes_first():
    found = section(report_html(multilabel_data()), "Decisions furthest off")
    assert "2 of 12 rows have a wrong label" in found
    assert cells(found) == [
        ["text 2", "label 2", "label 0label 2", "adds label 0", "0.900"],
        ["text 1", "label 1", "none", "misses label 1", "0.300"],
    ]
    assert re.findall('<span class="off"><span class="label" dir="auto">(.*?)<', found) == ["label 0", "label 1"]


def test_a_row_with_a_label_the_model_does_not_know_is_wrong():
    targets = np.ones((2, 1), bool)
    metrics = multilabel_metrics(targets, targets * 0.9, targets, ["a"], unseen={"new": np.array([True, False])})
    gold = [["a", "new"], ["a"]]
    data = multilabel_data(metrics=metrics, probabilities=targets * 0.9, selected=targets, gold=gold, texts=None)
    found = section(report_html(data), "Decisions furthest off")
    assert "1 of 2 rows have a wrong label" in found


def test_a_multilabel_model_without_errors_has_a_report():
    targets = np.eye(3, dtype=bool)
    metrics = multilabel_metrics(targets, targets * 0.9, targets, "abc")
    data = multilabel_data(metrics=metrics, probabilities=targets * 0.9, selected=targets, gold=list("abc"), texts=None)
    assert "No errors." in report_html(data)


@pytest.mark.parametrize("data", [report_data, multilabel_data])
def test_hostile_names_are_escaped_wherever_else_they_stand(data):
    names = [f"{HOSTILE}{index}" for index in range(3)]
    html = report_html(data(names=names, texts=[HOSTILE] * 12, **everything(HOSTILE)))
    assert "script" not in outline(html).tags
    assert "<script" not in html


def test_a_multilabel_report_without_texts_shows_none():
    html = report_html(multilabel_data(texts=None))
    assert '<div class="text"' not in html
    assert "misses" in html


def test_a_multilabel_report_needs_the_selected_labels():
    with pytest.raises(ValueError, match="selected labels"):
        report_html(multilabel_data(selected=None))


@pytest.mark.parametrize("n", [1, 3, 30, 5_000])
def test_coverage_is_drawn_for_any_number_of_rows(n):
    generator = np.random.default_rng(n)
    curve = risk_coverage(generator.random(n), generator.random(n) < 0.5)
    svg = plots.coverage_curve(curve, [(1.0, 0.5)])
    assert svg.startswith("<svg viewBox=")
    assert len(svg) < 60_000  # no more points than can be told apart


def test_many_labels_of_a_text_are_counted_in_the_last_bar():
    svg = plots.label_count_histogram([100] * 31, [200] * 31)
    assert ">15+</text>" in svg
    assert ">16</text>" not in svg


def test_curves_are_drawn_for_what_the_history_has():
    nan = float("nan")
    history = {"loss": [1.0, nan, 0.5], "val_loss": [nan, nan, nan], "learning_rate": [0.1, 0.1, 0.1], "other": [1.0]}
    (caption, svg), *rest = plots.learning_curves(history, best_epoch=3)
    assert (caption, rest) == ("loss", [])  # a constant learning rate is no picture
    assert ">training<" in svg
    assert ">dev<" not in svg
    assert ">kept: epoch 3<" in svg


def test_a_single_epoch_has_a_visible_point():
    (_, svg), *_ = plots.learning_curves({"loss": [1.0]}, best_epoch=1)
    assert "<use" in svg  # a marker


@pytest.mark.parametrize(("lengths", "cut"), [([0], 5), ([1, 2, 3], None), ([3] * 500 + [100_000], 200), ([9, 9], 2)])
def test_length_histogram_is_drawn_for_odd_lengths(lengths, cut):
    svg = plots.length_histogram(np.array(lengths), cut)
    assert svg.startswith("<svg viewBox=")
    assert (f"cut at {cut}" in svg) == (cut is not None and max(lengths) > cut)


def test_pictures_take_the_pages_colour_and_keep_words_as_text():
    svg = plots.reliability_diagram(reliability_bins(np.array([0.9, 0.4]), np.array([True, False])))
    assert "currentColor" in svg
    assert ">confidence</text>" in svg
    assert "<metadata" not in svg


def test_heat_map_has_a_pixel_a_cell():
    address = plots.confusion_heat_map(np.array([[1.0, 0.0], [0.25, 0.75], [0.0, 0.0]]))
    pixels = imread(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,"))))
    assert pixels.shape == (3, 2, 4)
    # Opacity is the root of the share; 8 bits of it.
    np.testing.assert_allclose(pixels[..., 3], np.sqrt([[1.0, 0.0], [0.25, 0.75], [0.0, 0.0]]), atol=1 / 255)
