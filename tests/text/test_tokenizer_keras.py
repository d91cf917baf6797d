"""On ASCII texts the tokenizer does what the classic one of Keras does."""

import random

import numpy as np
import pytest
from keras.src.legacy.preprocessing.text import Tokenizer as KerasTokenizer

from kerasnlp_kit.text.tokenizer import Tokenizer

ASCII = [chr(code) for code in range(1, 128)]

OPTIONS = {
    "defaults": {},
    "case kept": {"lower": False},
    "filters with a meaning in patterns": {"filters": "]^-\\ "},
    "no filters": {"filters": ""},
    "filters that are letters": {"filters": "aB"},
    "filters that are runs": {"filters": "--"},
    "split at a filtered character": {"split": "-"},
    "split at a backslash": {"split": "\\", "filters": "a"},
    "split at two characters": {"split": "ab"},
    "split at two characters, one filtered": {"split": "ab", "filters": "b"},
    "split at a character that is not ASCII": {"split": "é"},
    "characters": {"char_level": True},
    "characters, case kept": {"char_level": True, "lower": False, "oov_token": "<unknown>"},
    "unknown words named": {"oov_token": "<unknown>"},
    "few words": {"num_words": 7},
    "few words, unknown ones named": {"num_words": 5, "oov_token": "<unknown>"},
    "no word but the unknown one": {"num_words": 2, "oov_token": "<unknown>"},
    "no word at all": {"num_words": 1},
}


def random_texts(seed: int) -> list[str]:
    generator = random.Random(seed)
    few = list("aAbB \t-\\]^\r\x0b7")
    return [
        "".join(generator.choice(generator.choice([ASCII, few])) for _ in range(generator.choice([0, 1, 6, 40])))
        for _ in range(25)
    ]


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def pair(request):
    """The classic tokenizer and ours, fitted twice, the second time on tokens too."""
    pair = KerasTokenizer(**request.param), Tokenizer(**request.param)
    for tokenizer in pair:
        tokenizer.fit_on_texts(random_texts(0))
        tokenizer.fit_on_texts([*random_texts(1)[:9], ["Ab", "c", "Ab"], "a b", ["7"], []])
    return pair


def test_words_are_counted_and_numbered_as_in_keras(pair):
    keras, ours = pair
    assert list(ours.word_counts.items()) == list(keras.word_counts.items())
    assert list(ours.word_index.items()) == list(keras.word_index.items())
    assert ours.index_word == keras.index_word
    assert ours.word_docs == keras.word_docs
    assert ours.index_docs == keras.index_docs
    assert ours.document_count == keras.document_count


def test_texts_become_the_same_ids_and_texts_again_as_in_keras(pair):
    keras, ours = pair
    texts = [*random_texts(2), ["Ab", "zz"], []]
    ids = keras.texts_to_sequences(texts)
    assert ours.texts_to_sequences(texts) == ids
    assert list(ours.texts_to_sequences_generator(iter(texts))) == ids
    ids.append([0, 3, 999])
    assert ours.sequences_to_texts(ids) == keras.sequences_to_texts(ids)


@pytest.mark.parametrize("mode", ["binary", "count", "freq", "tfidf"])
def test_matrices_are_those_of_keras(pair, mode):
    keras, ours = pair
    np.testing.assert_allclose(
        ours.texts_to_matrix(random_texts(2), mode), keras.texts_to_matrix(random_texts(2), mode), rtol=1e-12
    )


def test_a_tokenizer_saved_by_keras_gives_the_same_ids(pair):
    keras, _ = pair
    loaded = Tokenizer.from_json(keras.to_json())
    assert loaded.word_index == keras.word_index
    assert loaded.texts_to_sequences(random_texts(2)) == keras.texts_to_sequences(random_texts(2))


def test_fitting_on_ids_counts_documents_as_in_keras():
    keras, ours = KerasTokenizer(num_words=4), Tokenizer(num_words=4)
    for tokenizer in (keras, ours):
        tokenizer.fit_on_sequences([[1, 1, 2], [2, 3], []])
    assert ours.index_docs == keras.index_docs
    np.testing.assert_allclose(
        ours.sequences_to_matrix([[1, 2, 2]], "tfidf"), keras.sequences_to_matrix([[1, 2, 2]], "tfidf")
    )
