import itertools
import random

import numpy as np
import pytest

from kerasnlp_kit.data import near_duplicates as module
from kerasnlp_kit.data.near_duplicates import near_duplicates, plain_text, text_keys


def trigrams(text):
    padded = f" {text} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}


def jaccard(one, other):
    one, other = trigrams(one), trigrams(other)
    return len(one & other) / len(one | other) if one | other else 0.0


def edited_texts(
    count, seed, words=("red", "green", "blue", "card", "lost", "where", "is", "my", "money", "我要", "退款")
):
    """Distinct texts, many of which are an earlier one with a letter changed, a word left out or added."""
    source = random.Random(seed)
    texts = []
    while len(texts) < count:
        text = " ".join(source.choices(words, k=source.randint(0, 30)))
        if texts and source.random() < 0.6:
            text = source.choice(texts)
            place = source.randint(0, len(text))
            text = text[:place] + source.choice(["", "x", " so ", "款"]) + text[place + source.randint(0, 2) :]
        if text not in texts:
            texts.append(text)
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 1.0])
def test_a_near_duplicate_is_found_exactly_where_comparing_all_pairs_finds_one(threshold):
    texts = edited_texts(150, seed=int(threshold * 10))
    in_file = np.random.default_rng(0).random((150, 3)) < 0.4  # in several files, in one, or in none
    found = near_duplicates(texts, in_file, threshold)
    pairs = {pair: jaccard(*(texts[place] for place in pair)) for pair in itertools.permutations(range(150), 2)}
    expected = np.zeros((150, 3), bool)
    for (one, other), similarity in pairs.items():
        if similarity >= threshold:
            expected[one] |= in_file[other]
    assert expected.any() or threshold == 1.0
    assert ((found.other >= 0) == expected).all()
    for one, file in np.argwhere(found.other >= 0).tolist():
        other = int(found.other[one, file])
        assert in_file[other, file]
        assert found.similarity[one, file] == pytest.approx(pairs[one, other]) and pairs[one, other] >= threshold


def test_pieces_of_any_size_give_the_same(monkeypatch):
    texts, in_file = edited_texts(60, seed=1), np.ones((60, 1), bool)
    whole = near_duplicates(texts, in_file, 0.8)
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", 50)
    monkeypatch.setattr(module, "_CHUNK_TEXTS", 7)
    pieces = near_duplicates(texts, in_file, 0.8)
    assert (whole.other == pieces.other).all() and (whole.other >= 0).any()


def test_of_a_crowd_of_look_alikes_each_has_a_near_duplicate(monkeypatch):
    monkeypatch.setattr(module, "_MOST_NEIGHBOURS", 2)
    texts = [f"we are sorry to hear that your order did not arrive in time, dear {a}{b}" for a in "kqxz" for b in "vwj"]
    found = near_duplicates(texts, np.ones((12, 1), bool), 0.8)
    assert (found.other >= 0).all()


@pytest.mark.parametrize("texts", [[], [""], ["", "a"], ["ab", "ba", "", "b"]])
def test_texts_too_short_to_be_similar_have_no_near_duplicate(texts):
    assert (near_duplicates(texts, np.ones((len(texts), 2), bool)).other == -1).all()


def test_one_letter_in_sixty_leaves_texts_nearly_equal():
    # 60 characters and a blank at both ends are 60 trigrams; 3 of them hold the changed letter: 57 / 63 = 0.905.
    text = "".join(random.Random(0).sample([chr(0x4E00 + code) for code in range(500)], 60))
    found = near_duplicates([text, text[:30] + "x" + text[31:]], np.ones((2, 1), bool))
    assert found.other.tolist() == [[1], [0]]
    assert found.similarity[0, 0] == pytest.approx(57 / 63)
    # With one letter less 56 / 62 = 0.903 is still enough, with 56 characters 53 / 59 = 0.898 is not.
    short = text[:56]
    assert (near_duplicates([short, short[:30] + "x" + short[31:]], np.ones((2, 1), bool)).other == -1).all()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Order  No. 17!", "order no 0"),
        ("order\tno\u00a04", "order no 0"),
        ("ＡＢＣ　ﬁ １２", "abc fi 0"),
        ("don’t", "don t"),
        ("don\x92t", "don t"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("很好！！", "很好"),
        ("straße", "strasse"),
        ("किताब", "किताब"),  # vowel signs belong to the letters
        ("good 🙂", "good 🙂"),  # all that may tell it from "good 🙁"
        ("12", "12"),
        ("1 3", "1 3"),
        (" :-) ", ":-)"),
        ("", ""),
    ],
)
def test_plain_text(text, plain):
    assert plain_text(text) == plain


def test_keys_are_equal_for_equal_texts_alone():
    texts = ["a", "b", "a", "", "a ", "", "\ud800"]
    keys = text_keys(texts)
    assert keys.dtype == np.uint64
    for one, other in itertools.product(range(7), repeat=2):
        assert (keys[one] == keys[other]) == (texts[one] == texts[other])
