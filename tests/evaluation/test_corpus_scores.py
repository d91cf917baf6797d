import random

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

from kerasnlp_kit.evaluation.bootstrap import resampled_sums
from kerasnlp_kit.evaluation.corpus_scores import (
    bleu_statistics,
    bleu_tokenizer,
    characters,
    chrf_statistics,
    error_statistics,
    rouge_l,
)

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs"]


def corpus(n=40, seed=0):
    """Sentences, and outputs of which one word in five is another."""
    generator = random.Random(seed)
    targets = [[generator.choice(WORDS) for _ in range(generator.randrange(3, 11))] for _ in range(n)]
    outputs = [[generator.choice(WORDS) if generator.random() < 0.2 else word for word in row] for row in targets]
    return [(" ".join(row),) for row in targets], [" ".join(row) for row in outputs]


def streams(references):
    """As sacreBLEU wants them: all first references, all second ones."""
    most = max(map(len, references))
    return [[row[index] if index < len(row) else None for row in references] for index in range(most)]


@pytest.mark.parametrize("tokenizer", ["13a", "zh", "char"])
def test_bleu_and_its_signature_are_those_of_sacrebleu(tokenizer):
    references, outputs = corpus()
    ours = bleu_statistics(references, outputs, tokenizer)
    metric = BLEU(tokenize=tokenizer)
    assert ours.value() == pytest.approx(metric.corpus_score(outputs, streams(references)).score)
    assert ours.signature == str(metric.get_signature())


def test_chrf_and_its_signature_are_those_of_sacrebleu():
    references, outputs = corpus()
    ours = chrf_statistics(references, outputs)
    metric = CHRF()
    assert ours.value() == pytest.approx(metric.corpus_score(outputs, streams(references)).score)
    assert ours.signature == str(metric.get_signature())


def test_rows_may_have_different_numbers_of_references():
    references = [("a cat sat here now", "the cat sat here now"), ("two dogs saw a mat",), ("x", "y", "z")]
    outputs = ["the cat sat here", "two dogs saw the mat", "z"]
    pairs = ((bleu_statistics(references, outputs, "13a"), BLEU()), (chrf_statistics(references, outputs), CHRF()))
    for ours, metric in pairs:
        assert ours.value() == pytest.approx(metric.corpus_score(outputs, streams(references)).score)
        assert ours.signature == str(metric.get_signature())


def test_score_of_chosen_rows_is_that_of_these_rows_alone():
    references, outputs = corpus()
    chosen = np.array([3, 5, 8])
    alone = sacrebleu.corpus_bleu([outputs[row] for row in chosen], [[references[row][0] for row in chosen]]).score
    assert bleu_statistics(references, outputs, "13a").value(chosen) == pytest.approx(alone)


def test_rows_own_chrf_is_that_of_sacrebleu():
    references, outputs = corpus(n=10)
    expected = [sacrebleu.sentence_chrf(output, row).score for output, row in zip(outputs, references, strict=True)]
    np.testing.assert_allclose(chrf_statistics(references, outputs).row_values(), expected)


def test_bleu_interval_agrees_with_scoring_drawn_rows_anew():
    references, outputs = corpus()
    generator = np.random.default_rng(5)
    scores = []
    for _ in range(300):
        drawn = generator.integers(0, len(outputs), len(outputs))
        scores.append(
            sacrebleu.corpus_bleu([outputs[row] for row in drawn], [[references[row][0] for row in drawn]]).score
        )
    interval = bleu_statistics(references, outputs, "13a").interval(0.95, seed=0)
    spread = np.ptp(np.quantile(scores, [0.025, 0.975]))
    np.testing.assert_allclose(interval, np.quantile(scores, [0.025, 0.975]), atol=0.15 * spread)


def test_rows_that_score_alike_have_no_interval():
    assert chrf_statistics([("a cat",)] * 5, ["a cat"] * 5).interval(0.95, seed=0) is None


def test_sums_of_draws_are_sums_of_whole_rows():
    # Columns: 1 for each row, and its number. Sums of five draws of rows 0 to 4: five, and from 0 to 20.
    sums = resampled_sums(np.stack([np.ones(5), np.arange(5)], axis=1), resamples=2_000)
    assert (sums[:, 0] == 5).all()
    assert (sums[:, 1].min(), sums[:, 1].max()) >= (0, 15)
    assert sums[:, 1].mean() == pytest.approx(10, abs=0.3)  # 5 draws with mean 2; error of the mean 0.07


def test_one_seed_draws_the_same_rows_from_other_statistics():
    rows = np.random.default_rng(0).random((7, 1))
    np.testing.assert_allclose(resampled_sums(rows, seed=3) * 2, resampled_sums(rows * 2, seed=3))


def test_error_rate_counts_errors_of_all_rows_over_items_of_all_references():
    # One substitution in 3 tokens, one insertion to 1 token, nothing in 2: 2 errors in 6.
    statistics = error_statistics([("K AE T",), ("a",), ("x y",)], ["K AH T", "a b", "x y"], str.split)
    assert statistics.value() == pytest.approx(2 / 6)
    np.testing.assert_array_equal(statistics.rows, [[1, 3, 3], [1, 1, 2], [0, 2, 2]])


def test_reference_with_the_fewest_errors_counts_and_of_equals_the_longest():
    # "a b" is one error from "a" and from "a b c"; "x y z" is three from it.
    statistics = error_statistics([("x y z", "a", "a b c")], ["a b"], str.split)
    np.testing.assert_array_equal(statistics.rows, [[1, 3, 2]])


def test_characters_are_counted_without_blanks_at_the_ends_and_runs_of_them():
    assert characters("  a  b\n") == "a b"
    assert error_statistics([("我爱北京",)], ["我爱南京 "], characters).value() == pytest.approx(1 / 4)


def test_error_rate_of_empty_references_is_the_number_of_errors():
    assert error_statistics([("",)], [""], str.split).value() == 0
    assert error_statistics([("",)], ["a b"], str.split).value() == 2


def test_rouge_l_is_the_harmonic_mean_of_both_shares():
    # Lin (2004), section 3.1: "police killed the gunman" against "police kill the gunman" shares 3 of 4 and 4 words.
    # "the gunman kill police" shares 2 in order. Of two references the better counts; empty texts agree.
    references = [("police killed the gunman",), ("police killed the gunman",), ("x", "police kill"), ("",), ("a",)]
    outputs = ["police kill the gunman", "the gunman kill police", "police kill", "", ""]
    np.testing.assert_allclose(rouge_l(references, outputs, str.split), [0.75, 0.5, 1, 1, 0])


@pytest.mark.parametrize(
    ("texts", "tokenizer"),
    [
        (["A man in a hat."], "13a"),
        (["K AE1 T"], "13a"),
        (["你好，世界。", "OK"], "zh"),
        (["私は猫が好きです。"], "char"),
        (["東京都に行く"], "char"),
        (["สวัสดีครับ"], "char"),
        (["안녕 하세요"], "13a"),
        (["The name 北京 means northern capital"], "13a"),
        (["123", ""], "13a"),
        (["👍👍"], "13a"),
        (["\ud800"], "13a"),
    ],
)
def test_tokenizer_follows_the_script(texts, tokenizer):
    assert bleu_tokenizer(texts) == tokenizer
