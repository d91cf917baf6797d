import numpy as np
import pytest

from kerasnlp_kit.evaluation.generated import (
    GeneratedQuality,
    Quality,
    copied,
    distinct,
    judge_generated,
    reverse_perplexity,
    self_bleu,
)

VOCABULARY = "<end> a man rides his bike down the street dog runs"
WORDS = {word: number for number, word in enumerate(VOCABULARY.split(), 1)}
TRAINING = ["a man rides his bike down the street", "a dog runs down the street"] * 10
HELD_OUT = ["a man runs down the street", "a dog rides a bike"]


def encode(texts):
    return [np.array([*(WORDS[word] for word in text.split()), 1]) for text in texts]


def judge(texts, training=TRAINING):
    return judge_generated(texts, training, HELD_OUT, encode, len(WORDS))


def test_distinct_counts_different_ngrams():
    tokens = [["a", "b", "a"], ["a", "b"]]
    assert distinct(tokens, 1) == 2 / 5
    assert distinct(tokens, 2) == 2 / 3
    assert distinct([["a"]], 2) == 0


def test_self_bleu_is_100_where_all_texts_are_one_and_low_where_none_is_like_another():
    assert self_bleu(["a man rides his bike"] * 3) == pytest.approx(100)
    assert self_bleu(["a man rides his bike", "dogs run in the snow"]) < 5
    assert self_bleu(["alone"]) == 0


def test_texts_of_training_are_copies_and_short_ones_are_not_counted():
    found = judge([TRAINING[0], "a man  rides his bike down the street", "a dog", "the street the dog runs down"])
    assert found.copied == pytest.approx(2 / 3), "blanks aside; two words are no copy"
    assert found.copied_real == 0
    (warning,) = found.warnings()
    assert "66.7% of the generated texts stand in the training texts word for word" in warning


def test_fifty_words_in_a_row_of_a_training_text_are_a_copy_too():
    random = np.random.default_rng(0)
    known = [[str(word) for word in random.integers(0, 40, length)] for length in (30, 80, 120, 400)]
    fresh = [str(word) for word in random.integers(0, 40, 60)]
    texts = [
        [*fresh[:7], *known[2][33:83], *fresh[:3]],  # fifty in a row
        [*fresh[:7], *known[2][33:82], *fresh[:3]],  # one too few
        [*known[1][-30:], *known[2][:30]],  # of two texts
        known[0],  # short, and whole
        known[0][:29],
        known[3][:200],
    ]
    slow = [
        text in known
        or any(" ".join(text[place : place + 50]) in " ".join(one) for one in known for place in range(len(text) - 49))
        for text in texts
    ]
    assert slow == [True, False, False, True, False, True]
    assert copied([texts, texts[:2]], known) == [pytest.approx(np.mean(slow)), 0.5]
    assert copied([[text] for text in texts], iter(known)) == slow
    assert copied([[]], known) == [0] and copied([texts], []) == [0]


def test_what_is_common_is_warned_of_more_mildly():
    quality = Quality(0.1, 0.1, 10.0, None)
    found = GeneratedQuality(10, quality, quality, 0.08, 0.08, 0.0, 0.0)
    assert "such texts are common" in found.warnings()[0]
    assert not GeneratedQuality(10, quality, quality, 0.04, 0.0, 0.0, 0.0).warnings()


def test_empty_and_repetitive_texts_are_warned_of():
    found = judge(["", "a a a a a a", "a dog runs"])
    assert (found.empty, found.repetitive) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert len(found.warnings()) == 2


def test_who_learns_from_good_texts_expects_real_ones():
    good = reverse_perplexity(encode(TRAINING), HELD_OUT, encode, len(WORDS))
    bad = reverse_perplexity(encode(["street street street"] * 20), HELD_OUT, encode, len(WORDS))
    assert good < bad
    found = judge(TRAINING[:4])
    assert found.generated.reverse_perplexity == pytest.approx(
        reverse_perplexity(encode(TRAINING[:4]), HELD_OUT, encode, len(WORDS))
    )
    assert found.to_json()["generated"]["distinct_1"] == found.generated.distinct_1
    assert found.lines()[0].startswith("4 generated texts")


def test_texts_that_were_broken_off_stand_beside_as_long_ones_and_their_end_is_none():
    cut = [" ".join(text.split()[:3]) for text in TRAINING]
    found = judge_generated(
        cut,
        TRAINING,
        HELD_OUT,
        encode,
        len(WORDS),
        longest=3,
        as_long=lambda some: [" ".join(text.split()[:3]) for text in some],
    )
    assert found.generated == found.real
    learnt = [row[:3] for row in encode(TRAINING)]
    assert found.real.reverse_perplexity == reverse_perplexity(learnt, HELD_OUT, encode, len(WORDS))
