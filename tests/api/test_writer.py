"""What a loaded model that writes does for Python programs."""

import numpy as np
import pytest

import kerasnlp_kit as kit
from kerasnlp_kit import UserError
from kerasnlp_kit.api import writer as writer_module
from kerasnlp_kit.api.load import LoadedModel
from kerasnlp_kit.api.writer import LoadedWriter

SOURCES = ["3rd of May 1998", "", "二〇八八年七月二十九日", "Mon 6 June 2033", "b", "May 3", b"6 aug, 2020"]


@pytest.fixture(scope="module")
def writer(trained_writer):
    return kit.load(trained_writer)


def test_load_takes_the_class_of_the_models_task(writer, trained):
    assert isinstance(writer, LoadedWriter)
    assert isinstance(kit.load(trained), LoadedModel)


def test_a_model_of_the_other_task_is_the_users_error(trained, trained_writer):
    with pytest.raises(kit.UserError, match=r"must be a model that writes a text for a text. Its task: classification"):
        LoadedWriter(trained)
    with pytest.raises(kit.UserError, match=r"must be a model that labels texts. Its task: seq2seq"):
        LoadedModel(trained_writer)


def test_texts_come_in_the_order_of_their_sources_whatever_the_batches(writer, monkeypatch):
    texts, scores = writer.write(SOURCES)
    assert len(set(texts)) > 2 and scores.shape == (7,) and scores.dtype == "float32" and (scores < 0).all()
    assert writer.predict(SOURCES) == texts
    monkeypatch.setattr(writer_module, "BATCH", 2)
    monkeypatch.setattr(writer_module, "SORTED", 4)  # several portions, each sorted by length
    again, their_scores = writer.write(iter(SOURCES))
    assert again == texts
    np.testing.assert_allclose(their_scores, scores, atol=1e-4)


def test_what_is_drawn_for_a_text_depends_on_seed_and_place_only(writer, monkeypatch):
    drawn = writer.predict(SOURCES, seed=7)
    assert drawn != writer.predict(SOURCES) and drawn != writer.predict(SOURCES, seed=8)
    monkeypatch.setattr(writer_module, "BATCH", 3)
    assert writer.predict(SOURCES, seed=7) == drawn
    # Text n has the seed after it.
    assert [writer.predict([source], seed=7 + n)[0] for n, source in enumerate(SOURCES)] == drawn
    assert writer.predict(SOURCES, seed=7, top_k=1) == writer.predict(SOURCES)
    assert writer.predict(["a"], seed=2**40 + 7) == writer.predict(["a"], seed=7 + 2**40 % 2**31)


def test_several_are_the_best_of_the_beam_best_first(writer):
    found = writer.several(SOURCES[0], beam=3)
    texts, scores = zip(*found, strict=True)
    assert len(set(texts)) == 3 and list(scores) == sorted(scores, reverse=True)
    best, score = writer.write([SOURCES[0]], beam=3)
    assert best == [texts[0]] and score[0] == pytest.approx(scores[0], abs=1e-4)
    # The default is that of the training, 0.6: (5 + tokens, the end among them) / 6 to this power.
    ((text, score),) = writer.several(SOURCES[0], beam=1)
    (own,), (tokens,) = writer.score([SOURCES[0]], [text])
    assert score == pytest.approx(own / ((5 + tokens) / 6) ** 0.6, abs=1e-4)


def test_the_score_of_what_it_wrote_is_that_which_it_gave(writer, monkeypatch):
    texts, scores = writer.write(SOURCES)
    monkeypatch.setattr(writer_module, "BATCH", 3)
    found, tokens = writer.score(SOURCES, texts)
    np.testing.assert_allclose(found, scores, atol=1e-3)
    assert tokens.tolist() == [len(text) + 1 for text in texts]
    assert [part.shape for part in writer.score([], [])] == [(0,), (0,)]


def test_attention_has_a_row_for_each_token_with_the_end(writer):
    source, target, weights = writer.attention(SOURCES[0])
    assert "".join(source) == SOURCES[0]
    assert target[-1] == "[EOS]" and "".join(target[:-1]) == writer.predict(SOURCES[:1])[0]
    assert weights.shape == (len(target), len(source))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_a_single_text_in_place_of_several_is_told(writer):
    with pytest.raises(TypeError, match=r"sources must be several texts, such as a list. Received: 'May 3'"):
        writer.predict("May 3")
    with pytest.raises(TypeError, match="targets must be several texts"):
        writer.score(["May 3"], "1998-05-03")


@pytest.mark.parametrize("ask", [lambda one: one.predict(["a"], beam=0), lambda one: one.several("a", beam=0)])
def test_a_beam_of_nothing_is_refused(writer, ask):
    with pytest.raises(UserError, match="--beam must be 1 or more"):
        ask(writer)


def test_half_of_a_surrogate_pair_is_a_character_like_others(writer):
    assert writer.several("May \ud800", beam=1)[0][0] == writer.predict(["May \ufffd"], beam=1)[0]


def test_nothing_to_write_for_is_no_error(writer):
    texts, scores = writer.write([])
    assert texts == [] and scores.shape == (0,)


@pytest.mark.parametrize("beam", [1, 2])
def test_compiled_signatures_write_what_the_plain_ones_do(writer, beam):
    texts, scores = writer.write(SOURCES, beam=beam, compiled=True)
    expected, their_scores = writer.write(SOURCES, beam=beam)
    assert texts == expected
    np.testing.assert_allclose(scores, their_scores, atol=1e-4)


def test_targets_are_scored_in_their_order_whatever_the_batches(writer, monkeypatch):
    targets = ["1998-05-03", "", "2088-07-29 and more", "x" * 50, "b", "1", "2020-08-06"]
    totals, tokens = writer.score(SOURCES, targets)
    assert tokens.tolist() == [len(target) + 1 for target in targets]
    monkeypatch.setattr(writer_module, "SCORED_CHARACTERS", 60)
    again, their_tokens = writer.score(SOURCES, targets)
    assert their_tokens.tolist() == tokens.tolist()
    np.testing.assert_allclose(again, totals, rtol=1e-5)


def test_compiled_signatures_that_were_not_exported_cannot_be_asked(trained_subword_writer):
    writer = kit.load(trained_subword_writer)
    assert "greedy_xla" not in writer.signatures
    for beam in (1, 4):
        with pytest.raises(kit.UserError, match=r"holds nothing compiled: it was trained with --no-xla"):
            writer.predict(SOURCES, beam=beam, compiled=True)


def test_evaluation_by_python_is_that_of_the_command(trained_writer, dates, run_in, tmp_path):
    result = kit.evaluate_writer(trained_writer, dates, beam=2)
    assert result.data == str(dates) and len(result.outputs) == len(result.rows.sources)
    ran = run_in(tmp_path, "evaluate", trained_writer, dates, "--beam", "2")
    assert ran.out.splitlines()[0] == result.metrics.first_line()


def test_the_report_of_a_beam_search_shows_the_mean_probability_of_a_token(
    trained_writer, dates, monkeypatch, tmp_path
):
    result = kit.evaluate_writer(trained_writer, dates, beam=2)
    shown = []
    monkeypatch.setattr(
        "kerasnlp_kit.evaluation.generation_report.write_generation_report", lambda path, data: shown.append(data)
    )
    result.write_report(tmp_path / "report.html")
    lengths = np.array([len(text) + 1 for text in result.outputs])
    # The totals are divided by the penalty: Wu et al. 2016, equation 14.
    expected = result.totals * ((5 + lengths) / 6) ** 0.6 / lengths
    np.testing.assert_allclose(shown[0].scores, expected, atol=1e-3)


def test_what_cannot_be_done_together_is_refused(writer):
    with pytest.raises(ValueError, match=r"Each source needs one target\. Received: 2 and 1"):
        writer.score(["a", "b"], ["c"])
    with pytest.raises(kit.UserError, match="With a seed tokens are drawn"):
        writer.write(["a"], seed=1, beam=3)
