import collections
import re
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.pieces import UNKNOWN, PieceTokenizer, clean, cut_at_end, same_pieces, split, without_ends

TEXTS = [
    "On 3 May 1932, at noon.",
    "今天天气很好, really!",
    "naïve café — naïve",
    "👩‍👩‍👧 and 😀😀",
    "ราคา 100 บาท",
    "カタカナー ﾃﾞｰﾀ",
    "e\u0301 \u0915\u093f",
    "a_b/c (d) 'e'",
    "x",
    "",
]
# Ranges of scripts without blanks between words: Thai, Hiragana, Katakana (also narrow), Han.
OWN = [(0xE01, 0xE3A), (0xE40, 0xE5B), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x30FC, 0x30FC), (0xFF66, 0xFF9D)]
OWN += [(0x4E00, 0x9FFF)]


def cleaned(text):
    return re.sub(r"[ \t\n\f\r\x1f\xa0\u3000]+", " ", text.replace("\0", "\ufffd")).strip()


def words(text):
    """The words of a text, character by character."""
    text = cleaned(text).replace("▁", "_")
    text = ("▁" + text if text else text).replace(" ", "▁")
    found, place = [], 0

    def run(belongs):
        nonlocal place
        while place < len(text) and belongs(text[place]):
            place += 1

    while place < len(text):
        start = place
        place += text[place] == "▁"
        first = text[place]
        place += 1
        if is_own(first):
            run(lambda character: unicodedata.category(character)[0] == "M" or character in "ﾞﾟ")
        elif unicodedata.category(first)[0] in "LMN":
            run(lambda character: unicodedata.category(character)[0] in "LMN" and not is_own(character))
        found.append(text[start:place])
    return found


def is_own(character):
    return any(first <= ord(character) <= last for first, last in OWN)


def pieces(texts, kind):
    return [[piece.decode() for piece in row] for row in split(tf.constant(texts), kind).to_list()]


def random_texts(count):
    alphabet = [*"aZé9½ß .,!?'-", *"中文はンーｶ가ก็", "😀", "\u200d", "\u0301", "\u3000", "\xa0", *"\t\n\0_▁\x1f⁇"]
    random = np.random.default_rng(0)
    return ["".join(random.choice(alphabet, random.integers(0, 12))) for _ in range(count)]


def test_words_are_those_that_plain_python_finds():
    texts = [*TEXTS, *random_texts(300)]
    assert pieces(texts, "words") == [words(text) for text in texts]


def test_words_keep_the_blank_before_them_and_characters_of_scripts_without_blanks_stand_alone():
    assert pieces(["Hi there, you!", "我有3只cats。"], "words") == [
        ["▁Hi", "▁there", ",", "▁you", "!"],
        ["▁我", "有", "3", "只", "cats", "。"],
    ]


def test_characters_are_code_points_of_the_cleaned_text():
    texts = [*TEXTS, *random_texts(100)]
    assert pieces(texts, "characters") == [list(cleaned(text)) for text in texts]


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_known_texts_come_back_as_they_were_but_for_blanks(kind):
    texts = [*TEXTS, *random_texts(200), "  two  blanks\tand\na line\u3000", "nul\0inside"]
    tokenizer = PieceTokenizer.fit(texts, kind)
    ids = tokenizer.encode(texts)
    rows = [ids.row(number) for number in range(len(texts))]
    assert all((row >= 4).all() for row in rows)
    expected = [cleaned(text) if kind == "characters" else cleaned(text).replace("▁", "_") for text in texts]
    assert tokenizer.decode(rows) == expected
    with_ends = [[BOS, *row, EOS, PAD, PAD] for row in rows]
    assert tokenizer.decode(with_ends) == expected


def test_invalid_bytes_and_nul_become_the_replacement_character():
    texts = [b"a\xffb", b"\x00", b"\xe4\xb8"]
    assert clean(tf.constant(texts)).numpy().tolist() == ["a\ufffdb".encode(), "\ufffd".encode(), "\ufffd".encode()]
    tokenizer = PieceTokenizer.fit(texts, "characters")
    ids = tokenizer.encode(texts)
    assert tokenizer.decode([ids.row(0), ids.row(1)]) == ["a\ufffdb", "\ufffd"]


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_pieces_are_numbered_by_falling_count_and_then_by_code_points_up_to_a_size(kind):
    counts = collections.Counter(piece for text in TEXTS for piece in (words if kind == "words" else cleaned)(text))
    expected = sorted(counts, key=lambda piece: (-counts[piece], piece))
    whole, cut = PieceTokenizer.fit(TEXTS, kind), PieceTokenizer.fit(TEXTS, kind, size=9)
    assert list(whole.pieces) == expected and whole.vocabulary_size == 4 + len(expected)
    assert list(cut.pieces) == expected[:5] and cut.vocabulary_size == 9
    numbers = {piece: number for number, piece in enumerate(expected[:5], 4)}
    ids = cut.encode(TEXTS)
    for number, text in enumerate(TEXTS):
        found = (words if kind == "words" else cleaned)(text)
        assert ids.row(number).tolist() == [numbers.get(piece, UNK) for piece in found]


def test_an_unknown_piece_is_shown_or_replaced_by_what_is_given():
    tokenizer = PieceTokenizer("words", ["▁one", "▁two"])
    ids = tokenizer.encode(["one three two"])
    assert ids.row(0).tolist() == [4, UNK, 5]
    assert tokenizer.decode([ids.row(0)]) == [f"one{UNKNOWN} two"]
    given = tf.ragged.constant([["", "▁three", ""]])
    rows = tf.ragged.constant([ids.row(0).tolist()], tf.int32)
    assert tokenizer.graph().decode(rows, given).numpy().tolist() == [b"one three two"]


def test_ids_have_names():
    named = PieceTokenizer("characters", ["a", "好"]).graph().name(tf.constant([[0, 1, 2], [3, 4, 5]]))
    assert [name.decode() for name in named.numpy().ravel()] == ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "好"]


def test_rows_are_cut_at_their_end_in_a_graph_and_in_numpy():
    ids = np.array(
        [[5, 6, EOS, 0, 0], [5, 6, 7, 8, 9], [EOS, 0, 0, 0, 0], [4, 0, 0, 0, 0], [4, EOS, 5, EOS, 6]], "int32"
    )
    expected = [[5, 6], [5, 6, 7, 8, 9], [], [4], [4]]
    assert cut_at_end(tf.constant(ids)).to_list() == expected
    assert [row.tolist() for row in without_ends(ids)] == expected


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_a_saved_tokenizer_is_loaded_as_it_was(kind):
    tokenizer = PieceTokenizer.fit(TEXTS, kind)
    again = PieceTokenizer.load(tokenizer.save())
    assert (again.kind, again.pieces) == (tokenizer.kind, tokenizer.pieces)
    np.testing.assert_array_equal(again.encode(TEXTS).values, tokenizer.encode(TEXTS).values)


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"3",
        b"[" * 100_000,
        b'{"kind": "words"}',
        b'{"kind": "syllables", "pieces": []}',
        b'{"kind": ["words"], "pieces": []}',
        b'{"kind": "words", "pieces": "abc"}',
        b'{"kind": "words", "pieces": ["a", 1]}',
        b'{"kind": "words", "pieces": ["a", ""]}',
        b'{"kind": "words", "pieces": ["a", "a"]}',
        b'{"kind": "words", "pieces": ["\\ud800", "\\ufffd"]}',  # the same once they are bytes
    ],
)
def test_what_is_no_saved_tokenizer_is_refused(saved):
    with pytest.raises(UserError, match="A saved tokenizer must"):
        PieceTokenizer.load(saved)


def test_the_same_piece_of_the_other_side_is_found_by_its_text():
    source, target = PieceTokenizer("words", ["▁a", "▁好", "b"]), PieceTokenizer("words", ["b", "c", "▁a"])
    assert same_pieces(source, target).tolist() == [PAD, PAD, PAD, PAD, 6, PAD, 4]
    assert same_pieces(target, target).tolist() == [PAD, PAD, PAD, PAD, 4, 5, 6]
