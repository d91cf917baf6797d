import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.tokenizer import Tokenizer, TokenizerGraph

HARD_TEXTS = [
    "",
    " ",
    "The cat, the DOG!",
    "我爱北京。Hello",
    b"caf\xc3\xa9 \xff b\xe4\xb8",
    "a \ud83d b",
    "nul\0nul",
    "👩‍👩‍👧 🇩🇪",
    "e\u0301 İstanbul ΟΔΟΣ",
    "unseen",
]


def tokens_of(text: str | bytes, **options) -> list[str]:
    return [token.decode() for token in Tokenizer(**options).tokenize(tf.constant([text])).values.numpy()]


@pytest.fixture
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(oov_token="[UNK]")
    tokenizer.fit_on_texts(HARD_TEXTS[:-1])
    return tokenizer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我爱北京。", ["我", "爱", "北", "京"]),
        ("用Python3写", ["用", "python3", "写"]),
        ("ラーメンを", ["ラ", "ー", "メ", "ン", "を"]),
        ("時々、行く", ["時", "々", "行", "く"]),
        ("か\u3099き", ["か\u3099", "き"]),  # a voiced mark that stands alone in Unicode
        ("ｶﾞｷｰ", ["ｶﾞ", "ｷ", "ｰ"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("ที่", ["ที่"]),  # vowel and tone above the consonant
        ("你\u3000好", ["你", "好"]),
        ("“你好”……", ["你", "好"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),  # Korean has blanks
        ("it’s 👍🏽 ok", ["it’s", "👍🏽", "ok"]),
    ],
)
def test_scripts_without_blanks_are_split_into_characters(text, expected):
    assert tokens_of(text) == expected


def test_characters_stay_together_if_not_split():
    assert tokens_of("我爱，北京 ok", split_characters=False) == ["我爱，北京", "ok"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Why?!\tNo.", ["why", "?", "!", "no", "."]),
        ("好。“吗”？", ["好", "。", "“", "吗", "”", "？"]),
        ("a\u3000b", ["a", "b"]),
        ("it's", ["it's"]),  # the apostrophe is no filter
    ],
)
def test_punctuation_can_be_kept(text, expected):
    assert tokens_of(text, keep_punctuation=True) == expected


def test_the_separator_is_never_kept_as_punctuation():
    assert tokens_of("a,b;c", keep_punctuation=True, split=",") == ["a", "b", ";", "c"]


def test_without_filters_nothing_is_left_out():
    assert tokens_of("a, 好。", filters="") == ["a,", "好", "。"]


@pytest.mark.parametrize(
    "alphabet",
    ["ÀÉÎÕÜÇÑŠŽŁØÅÆŒÐÞẞ", "АБВГДЕЁЖЗЩЪЫЬЭЮЯЇЄҐ", "ΑΒΓΔΩΆΈΏΪ", "ԱԲԳ", "ႠႡ", "ＡＢＣ", "İIÌÍĨĮ", "ẠỐỬỸ", "ΟΔΟΣ ΣΑΣ"],
)
def test_lower_case_is_that_of_python(alphabet):
    assert tokens_of(alphabet) == alphabet.lower().split()


@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", "lt_LT.UTF-8"])
def test_lower_case_does_not_depend_on_the_locale(locale):
    # ICU reads the locale once in a process. In Turkish it makes "ı" of "I", in Lithuanian it adds dots to "Ì".
    program = (
        "import tensorflow as tf; from kerasnlp_kit.text.tokenizer import Tokenizer;"
        "print(ascii(b' '.join(Tokenizer().tokenize(tf.constant(['TITLE İI ÌÍĨ'])).values.numpy()).decode()))"
    )
    environment = {**os.environ, "LC_ALL": locale}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ascii("title i\u0307i ìíĩ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff", ["\ufffd"]),
        (b"a\xffb", ["a\ufffdb"]),
        (b"\xe4\xb8", ["\ufffd"]),  # a character cut off
        ("a\0B", ["a\ufffdb"]),
    ],
)
def test_broken_texts_get_the_replacement_character(text, expected):
    assert tokens_of(text) == expected


def test_lone_surrogates_become_the_replacement_character_and_pairs_one_character(tokenizer):
    tokenizer.fit_on_texts(["\udc00", "\ud83d\ude00"])
    assert {"\ufffd", "😀"} <= set(tokenizer.word_index)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "!" * 100_000, "字" * 100_000, "\u0301" * 100_000, "A b " * 250_000])
def test_very_long_texts_are_tokenized(text):
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts([text])
    assert tokenizer.word_counts == {token: tokens_of(text).count(token) for token in set(tokens_of(text))}


def test_a_word_equal_to_the_unknown_token_shares_its_id():
    tokenizer = Tokenizer(oov_token="unk")
    tokenizer.fit_on_texts(["unk cat unk"])
    assert tokenizer.word_index == {"unk": 1, "cat": 2}
    assert tokenizer.texts_to_sequences(["cat unk dog"]) == [[2, 1, 1]]


def test_counts_do_not_depend_on_how_texts_are_portioned(monkeypatch):
    texts = [f"common {number % 7} {number}" for number in range(40)]
    whole, portioned = Tokenizer(), Tokenizer()
    whole.fit_on_texts(texts)
    monkeypatch.setattr("kerasnlp_kit.text.tokenizer._TEXTS_AT_ONCE", 3)
    portioned.fit_on_texts(iter(texts))
    assert portioned.get_config() == whole.get_config()
    assert list(portioned.word_counts) == list(whole.word_counts)
    ids = portioned.encode(iter(texts))
    assert [ids.row(row).tolist() for row in range(len(ids))] == whole.texts_to_sequences(texts)


@pytest.mark.parametrize("oov_token", [None, "[UNK]"])
def test_rows_are_cut_after_unknown_words_have_gone(oov_token):
    tokenizer = Tokenizer(oov_token=oov_token)
    tokenizer.fit_on_texts(["a a a b b c"])
    first = 1 if oov_token is None else 2
    unknown = [] if oov_token is None else [1]
    expected = [[*unknown, first, first + 1][:2], [], [first + 2]]
    graph = tokenizer.graph(max_length=2)
    assert graph(tf.constant(["x a b c", "", "c"])).to_list() == expected
    encoded = tokenizer.encode(["x a b c", "", "c"], max_length=2)
    assert [encoded.row(row).tolist() for row in range(3)] == expected
    assert encoded.values.dtype == np.int32
    assert encoded.offsets.dtype == np.int64


def test_an_empty_batch_gives_no_rows(tokenizer):
    assert tokenizer.graph(max_length=3)(tf.constant([], tf.string)).shape[0] == 0
    assert len(tokenizer.encode([])) == 0
    assert tokenizer.texts_to_sequences([]) == []


def test_texts_without_any_word_can_be_fitted():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["", "!"])
    assert tokenizer.vocabulary() == [""]
    assert tokenizer.texts_to_sequences(["cat"]) == [[]]


def test_the_vocabulary_lists_words_by_id(tokenizer):
    vocabulary = tokenizer.vocabulary()
    assert vocabulary[:2] == ["", "[UNK]"]
    assert len(vocabulary) == tokenizer.vocabulary_size
    assert tokenizer.texts_to_sequences([vocabulary[2]]) == [[2]]


def test_changing_the_number_of_words_takes_effect_at_once(tokenizer):
    tokenizer.texts_to_sequences(["the cat"])
    tokenizer.num_words = 3
    assert tokenizer.texts_to_sequences(["the cat"]) == [[2, 1]]  # "the" is the most frequent word


def test_the_exported_graph_gives_the_ids_of_the_tokenizer(tokenizer, tmp_path):
    class Exported(tf.Module):
        def __init__(self, graph: TokenizerGraph) -> None:
            super().__init__()
            self.graph = graph

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def ids(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
            ragged = self.graph(texts)
            return {"values": ragged.values, "offsets": ragged.row_splits}

    tf.saved_model.save(Exported(tokenizer.graph()), tmp_path)
    texts = [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in HARD_TEXTS]
    result = tf.saved_model.load(tmp_path).ids(tf.constant(texts))
    expected = tokenizer.encode(texts)
    assert expected.lengths[0] == 0
    np.testing.assert_array_equal(result["values"], expected.values)
    np.testing.assert_array_equal(result["offsets"], expected.offsets)


@pytest.mark.parametrize(
    "options", [{"num_words": 0}, {"num_words": 1, "oov_token": "?"}, {"split": ""}, {"oov_token": ""}]
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(UserError, match="Received: "):
        Tokenizer(**options)


@pytest.mark.parametrize("texts", ["one text", [None], [float("nan")]])
def test_what_is_no_list_of_texts_is_refused(texts):
    with pytest.raises(ValueError, match="Received: "):
        Tokenizer().fit_on_texts(texts)


def test_ids_need_a_fitted_tokenizer():
    with pytest.raises(ValueError, match="fit_on_texts"):
        Tokenizer().texts_to_sequences(["cat"])
