import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.image import imread

from kerasnlp_kit.evaluation import plots
from kerasnlp_kit.evaluation.calibration import reliability_bins
from kerasnlp_kit.evaluation.metrics import classification_metrics
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
        "token_lengths": np.arange(1, 10),
        "max_length": 6,
        "history": {"loss": [2.0, 1.0], "val_loss": [2.0, 1.5], "accuracy": [0.1, 0.5], "val_accuracy": [0.1, 0.4]},
        "best_epoch": 2,
        "how_to_load": "import tensorflow as tf",
    }
    return ReportData(**(fields | changes))


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


def test_references_within_pictures_lead_to_one_id_each():
    html = report_html(report_data())
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
    data = report_data(token_lengths=None, max_length=None, history=None, best_epoch=None, how_to_load="", facts={})
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
        write_report(tmp_path / name, report_data(26, n=40))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_a_failing_report_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="argument"):
        write_report(path, report_data(gold=["label 0"]))  # fewer gold labels than probabilities
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("report.html", "old")]


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
    svg = plots.token_length_histogram(np.array(lengths), cut)
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
