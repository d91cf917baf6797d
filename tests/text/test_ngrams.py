import itertools
import string
import unicodedata
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import CountVectorizer

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text import ngrams
from kerasnlp_kit.text.ngrams import NONE, NgramRules, count_ngrams

TEXTS = {
    "English": "The cat, the DOG! It's the end; isn't it?",
    "Chinese": "这家酒店很好，服务热情。Hello，下次 还会来“的”",
    "Japanese": "東京タワーは高い、か\u3099き",
    "Thai": "ที่นี่ ภาษาไทย",
    "Korean": "한국어 텍스트",
    "emoji": "great 😀👍🏽 👨‍👩‍👧 e\u0301",
    "empty": "",
    "blanks only": " \t\r\n \u3000\u00a0",
    "one character": "a",
    "one Chinese character": "好",
    "repeated": "no no no no",
    "long": "many words " * 9_091,  # 100,000 characters
    "one long word": "x" * 100_000,
    "invalid UTF-8": b"broken \xff\xfe utf-8 \xc3\x28 \xe4\xbd",
    "NUL": b"nul \x00 in\x00side",
    "lone surrogate": "a \ud83d b",
    "blanks of other systems": "good film\r\nbad\xa0end\u2028of \f it",
}
RULES = [
    NgramRules(),
    NgramRules(words=1, characters=(1, 3)),
    NgramRules(words=3, characters=(0, 0)),
    NgramRules(words=3, characters=(2, 2), start=False),
    NgramRules(words=0, characters=(3, 3), lower=False),
    NgramRules(words=0, characters=(1, 1)),
    NgramRules(words=1, characters=(4, 6)),
]

every_rule = pytest.mark.parametrize("rules", RULES, ids=str)


# The same in plain Python: an n-gram is the string of its characters, or the tuple of its words; the start is one.

START = "<start>"  # no word, as it holds punctuation


def normalized(text, rules):
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text.replace("\ud83d", "\ufffd")
    text = text.replace("\0", "\ufffd")
    return text.lower() if rules.lower else text


def words_of(text):
    words, takes = [], ""  # what the last word takes on: marks, all, or nothing
    for character in text:
        without_blanks = unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI"))
        punctuation = character in string.punctuation.replace("'", "") + "，。、“”"
        if character in " \t\n\u3000\r\f\xa0\u2028":
            takes = ""
        elif takes == "marks" and unicodedata.category(character)[0] == "M":
            words[-1] += character
        elif without_blanks or punctuation:
            words.append(character)
            takes = "" if punctuation else "marks"
        elif takes == "all":
            words[-1] += character
        else:
            words.append(character)
            takes = "all"
    return words


def padded_pieces(text):
    blanks = "".join(" " if c in "\t\n\f\r" or unicodedata.category(c)[0] == "Z" else c for c in text)
    return [f" {piece} " for piece in blanks.split(" ") if piece]


def ngrams_of(text, rules):
    """All n-grams of a text as often as they occur, in plain Python."""
    text = normalized(text, rules)
    words = [START] * rules.start + words_of(text)
    found = [
        tuple(words[first : first + length])
        for length in range(1, rules.words + 1)
        for first in range(len(words) - length + 1)
    ]
    shortest, longest = rules.characters
    for piece in padded_pieces(text) if longest else []:
        for length in range(shortest, longest + 1):
            found += [piece[start : start + length] for start in range(len(piece) - length + 1)]
    return Counter(ngram for ngram in found if ngram not in (" ", (START,)))


def table_of(rules, texts):
    """The key of each n-gram of the texts, found where the n-gram begins in a text that holds little else."""
    ngrams = sorted({ngram for text in texts for ngram in ngrams_of(text, rules)}, key=repr)
    alone = [" ".join(ngram).removeprefix(START) if isinstance(ngram, tuple) else ngram.strip() for ngram in ngrams]
    pairs = [(rows.numpy(), keys.numpy()) for rows, keys in rules.keys(tf.constant([to_utf8(text) for text in alone]))]
    table = {}
    for number, ngram in enumerate(ngrams):
        if isinstance(ngram, tuple):
            # The start stands before the text; the n-gram begins with it or after it.
            after = rules.start and rules.words > 1 and ngram[0] != START
            (rows, keys), position, length = pairs[0], int(after), len(ngram) - 1
        else:
            # A blank stands before the text; the n-gram begins with it or after it.
            (rows, keys), position = pairs[-1], 0 if ngram[0] == " " else 1
            length = len(ngram) - rules.characters[0]
        table[ngram] = keys[np.searchsorted(rows, number) + position, length]
    return table


def to_utf8(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def counted(counts, row):
    own = counts.rows == row
    return dict(zip(counts.keys[own].tolist(), counts.counts[own].tolist(), strict=True))


# One n-gram, one key


@every_rule
def test_each_ngram_is_counted_under_a_key_of_its_own(rules):
    texts = list(TEXTS.values())
    table = table_of(rules, texts)
    assert NONE not in table.values()
    assert len(set(table.values())) == len(table), "different n-grams have different keys"
    counts = count_ngrams(rules, texts)
    assert counts.texts == len(texts)
    for row, (name, text) in enumerate(TEXTS.items()):
        expected = {table[ngram]: count for ngram, count in ngrams_of(text, rules).items()}
        assert counted(counts, row) == expected, name
    assert len({*zip(counts.rows.tolist(), counts.keys.tolist(), strict=True)}) == len(counts.keys)


@pytest.mark.parametrize("lengths", [(2, 5), (3, 3), (2, 2)])
def test_character_ngrams_are_those_of_scikit_learn(lengths):
    texts = ["the cat, the dog!", "这家酒店很好 ok a", "", "b", "no  no\tno"]
    vectorizer = CountVectorizer(analyzer="char_wb", ngram_range=lengths)
    expected = vectorizer.fit_transform(texts).toarray()
    counts = count_ngrams(NgramRules(words=0, characters=lengths), texts)
    found = np.zeros((len(texts), len(np.unique(counts.keys))), int)
    found[counts.rows, np.unique(counts.keys, return_inverse=True)[1]] = counts.counts
    # Which key belongs to which n-gram is not known here; columns are equal but for their order.
    assert sorted(map(tuple, found.T.tolist())) == sorted(map(tuple, expected.T.tolist()))


def test_many_short_ngrams_have_keys_of_their_own():
    symbols = [*string.ascii_lowercase, *"äöüßéè", *map(chr, range(0x4E00, 0x4E08))]
    text = " ".join(map("".join, itertools.product(symbols, repeat=3)))
    rules = NgramRules(words=0, characters=(1, 5))
    n = len(symbols)
    # a, " a", "a ", ab, " ab", "ab ", abc, " abc", "abc ", " abc "
    assert len(count_ngrams(rules, [text]).keys) == 3 * n + 3 * n**2 + 4 * n**3


def test_keys_of_words_are_negative_and_keys_of_characters_positive():
    for text in TEXTS.values():
        assert (count_ngrams(NgramRules(characters=(0, 0)), [text]).keys < 0).all()
        assert (count_ngrams(NgramRules(words=0), [text]).keys > 0).all()


def test_keys_are_what_they_were_when_earlier_models_were_exported():
    # FarmHash's fingerprint of "a" modulo 2**63 - 1, with the sign bit; and a polynomial in 0x5851F42D4C957F2D.
    factor = 0x5851F42D4C957F2D
    (_, words), (_, characters) = NgramRules(words=1, characters=(1, 2)).keys(tf.constant(["a"]))
    fingerprint = int(tf.fingerprint(tf.constant([b"a"])).numpy().view("uint64").item())
    assert words.numpy().tolist() == [[fingerprint % (2**63 - 1) - 2**63]]
    first, second = ((32 * factor + 97) % 2**63, (97 * factor + 32) % 2**63)
    assert characters.numpy().tolist() == [[NONE, first], [97, second], [NONE, NONE]]


def test_what_a_text_begins_with_is_an_ngram_of_its_own():
    first, later, none = (
        counted(count_ngrams(NgramRules(characters=(0, 0)), [text]), 0) for text in ("what is", "is what", "")
    )
    assert len(first) == len(later) == 4, "two words, the two together, the first one with the start"
    assert len(first.keys() & later.keys()) == 2, "the words alone"
    assert not none, "the start alone is none"
    without = counted(count_ngrams(NgramRules(characters=(0, 0), start=False), ["what is"]), 0)
    assert len(without) == 3
    assert without.keys() < first.keys(), "the start changes no other key"


def test_case_counts_only_if_asked_for():
    assert counted(count_ngrams(NgramRules(), ["ÉTÉ The"]), 0) == counted(count_ngrams(NgramRules(), ["été the"]), 0)
    rules = NgramRules(lower=False)
    keys = [counted(count_ngrams(rules, [text]), 0).keys() for text in ("A", "a")]
    assert not keys[0] & keys[1]


# Batches


@every_rule
def test_neither_batch_mates_nor_their_order_change_the_ngrams(rules):
    texts = list(TEXTS.values())
    together = count_ngrams(rules, texts)
    backwards = count_ngrams(rules, texts[::-1])
    for row, text in enumerate(texts):
        alone = counted(count_ngrams(rules, [text]), 0)
        assert counted(together, row) == alone
        assert counted(backwards, len(texts) - 1 - row) == alone


@pytest.mark.parametrize(("limit", "value"), [("_TEXTS_AT_ONCE", 3), ("_BYTES_AT_ONCE", 40)])
def test_portions_do_not_change_the_counts(monkeypatch, limit, value):
    texts = [text for name, text in TEXTS.items() if "long" not in name]
    expected = count_ngrams(NgramRules(), texts)
    monkeypatch.setattr(ngrams, limit, value)
    found = count_ngrams(NgramRules(), iter(texts))
    assert found.texts == expected.texts
    for row in range(len(texts)):
        assert counted(found, row) == counted(expected, row)


def test_no_text_has_no_ngram():
    counts = count_ngrams(NgramRules(), [])
    assert (counts.texts, counts.rows.tolist(), counts.keys.tolist(), counts.counts.tolist()) == (0, [], [], [])


@every_rule
def test_rows_rise_and_each_position_has_a_key_for_each_length(rules):
    texts = [to_utf8(text) for text in TEXTS.values()]
    lengths = [count for count in (rules.words, rules.characters[1] and 1 + np.ptp(rules.characters)) if count]
    for (rows, keys), count in zip(rules.keys(tf.constant(texts)), lengths, strict=True):
        assert (rows.dtype, keys.dtype) == (tf.int64, tf.int64)
        assert keys.shape == (len(rows), count)
        assert (np.diff(rows) >= 0).all()


@pytest.mark.parametrize(
    ("words", "characters"), [(-1, (2, 5)), (2, (5, 2)), (2, (0, 3)), (2, (-2, -1)), (0, (0, 0)), (2, (3, 0))]
)
def test_lengths_that_make_no_sense_are_refused(words, characters):
    with pytest.raises(UserError, match=f"Received: {words} words, {characters[0]} to {characters[1]}"):
        NgramRules(words=words, characters=characters)
