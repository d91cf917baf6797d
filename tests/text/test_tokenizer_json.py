import json

import pytest

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.tokenizer import Tokenizer, tokenizer_from_json

TEXTS = ["The cat, the 狗!", "", "a\ud800b the cat"]


def saved() -> dict:
    tokenizer = Tokenizer(num_words=6, oov_token="[UNK]", keep_punctuation=True)
    tokenizer.fit_on_texts(TEXTS)
    return json.loads(tokenizer.to_json())


def test_a_saved_tokenizer_comes_back_whole():
    tokenizer = Tokenizer(num_words=6, oov_token="[UNK]", keep_punctuation=True)
    tokenizer.fit_on_texts(TEXTS)
    loaded = tokenizer_from_json(tokenizer.to_json(indent=1))
    assert loaded.get_config() == tokenizer.get_config()
    assert loaded.index_word == tokenizer.index_word
    assert loaded.texts_to_sequences(TEXTS) == tokenizer.texts_to_sequences(TEXTS)
    for each in (loaded, tokenizer):
        each.fit_on_texts(["cat cat cat new"])
    assert loaded.get_config() == tokenizer.get_config()


def test_a_tokenizer_is_saved_before_fitting_too():
    assert tokenizer_from_json(Tokenizer(oov_token="?").to_json()).get_config() == Tokenizer(oov_token="?").get_config()


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"class_name": "Other", "config": {}}', "null"])
def test_what_is_no_tokenizer_is_refused(text):
    with pytest.raises(UserError, match="Received: "):
        tokenizer_from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_words", "6"),
        ("num_words", True),
        ("num_words", -1),
        ("filters", None),
        ("lower", 1),
        ("split", ""),
        ("oov_token", 3),
        ("oov_token", "cat"),
        ("document_count", -1),
        ("word_counts", ["the"]),
        ("word_counts", "{"),
        ("word_docs", {"the": 1.5}),
        ("word_docs", {"stranger": 1}),
        ("index_docs", {"the": 1}),
        ("index_docs", {"9" * 5000: 1}),
        ("word_index", {"[UNK]": 1, "the": 3}),
        ("word_index", {"[UNK]": 1, "the": 1}),
        ("word_index", {"[UNK]": 1, "": 2}),
        ("word_index", {"[UNK]": 1, "\ud800": 2}),
        ("word_index", {"[UNK]": 1}),
        ("word_index", None),
        ("analyzer", "rm"),
    ],
)
def test_a_field_that_does_not_fit_is_refused(field, value):
    config = saved()
    config["config"][field] = value
    with pytest.raises(UserError, match="Received: "):
        tokenizer_from_json(json.dumps(config))


def test_a_tokenizer_of_keras_whose_texts_hold_its_unknown_word_is_told_apart_from_a_broken_one():
    config = saved()
    config["config"] |= {"oov_token": "the", "word_index": {"the": 2, "cat": 3}}
    with pytest.raises(UserError, match="hold its `oov_token`, 'the', as a word"):
        tokenizer_from_json(json.dumps(config))
