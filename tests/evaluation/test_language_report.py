import numpy as np

from kerasnlp_kit.evaluation.generated import GeneratedQuality, Quality
from kerasnlp_kit.evaluation.language import LanguageScores, compare_language, score_language
from kerasnlp_kit.evaluation.language_report import LanguageReportData, language_report_html, write_language_report
from kerasnlp_kit.evaluation.latent import LatentQuality

TEXTS = ["a usual text", "<script>alert(1)</script> strange", "another usual text"]
METRICS = score_language(TEXTS, np.array([-3.0, -30.0, -4.0]), np.array([4, 3, 4]))
QUALITY = Quality(0.5, 0.9, 12.3, 80.0)
GENERATED = GeneratedQuality(100, QUALITY, QUALITY, 0.2, 0.01, 0.0, 0.0)
LATENT = LatentQuality(8, 30.0, 0.1, 0, 0.0, 0.5, 20.0, 0.6, False)


def report(**changed):
    comparisons = {"Kneser-Ney 3-grams": compare_language(METRICS, np.array([-5.0, -31.0, -6.0]))}
    given = {
        "title": "stories",
        "subtitle": "causal_lm",
        "facts": {"model": "causal_lm"},
        "data_name": "dev",
        "scores": LanguageScores(METRICS, comparisons, GENERATED),
        "texts": TEXTS,
        "samples": ["a new text", "<b>bold</b>"],
        "history": {"loss": [3.0, 2.0], "val_loss": [3.1, 2.2]},
        "best_epoch": 2,
        "how_to_load": "import tensorflow",
    }
    return language_report_html(LanguageReportData(**(given | changed)))


def test_it_shows_figures_comparisons_samples_and_what_was_least_expected():
    found = report()
    assert "word perplexity" in found and f"{METRICS.perplexity:.2f}" in found
    assert "Better than Kneser-Ney 3-grams" in found
    assert "a new text" in found and "reverse perplexity" in found
    surprising = found.split("The most surprising texts")[1]
    assert surprising.index("strange") < surprising.index("another usual text") < surprising.index("a usual text")
    assert "20.0% of the generated texts stand in the training texts word for word" in found
    assert found.index("word for word") < found.index("Beside the obvious"), "warnings come first"


def test_of_a_single_text_there_is_no_interval():
    one = score_language(TEXTS[:1], np.array([-3.0]), np.array([4]))
    assert "95%" in report()
    found = report(scores=LanguageScores(one, {}), texts=TEXTS[:1])
    assert "one text: no interval" in found and "95%" not in found


def test_no_text_is_run():
    found = report()
    assert "<script>" not in found and "<b>bold" not in found and "&lt;script&gt;" in found


def test_without_texts_none_is_shown():
    found = report(texts=None, samples=None)
    assert "usual" not in found and "a new text" not in found and "distinct-1" in found


def test_latent_vectors_and_further_sections_have_their_place():
    found = report(scores=LanguageScores(METRICS, {}, GENERATED, LATENT), sections=("<section>between</section>",))
    assert "The latent vectors" in found and "The latent vector carries nothing" in found
    assert found.index("The latent vectors") < found.index("<section>between") < found.index("Generated texts")
    assert "Beside the obvious" not in found


def test_it_is_written_whole(tmp_path):
    path = tmp_path / "report.html"
    data = LanguageReportData("t", "s", {}, "dev", LanguageScores(METRICS, {}))
    write_language_report(path, data)
    assert path.read_text(encoding="utf-8") == language_report_html(data)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
