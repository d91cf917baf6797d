"""The signatures of a language model and of an autoencoder, against the networks in memory."""

import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.api.memory_autoencoder import BATCH, MemoryAutoencoder
from kerasnlp_kit.api.memory_language import MemoryLanguage
from kerasnlp_kit.export.verify import HARD_TEXTS
from kerasnlp_kit.export.verify_language import MAX_TOKENS
from kerasnlp_kit.models.causal_lm import CausalLm
from kerasnlp_kit.models.text_vae import TextVaeOptions
from kerasnlp_kit.registry import TextSizes
from kerasnlp_kit.tasks.autoencoding_graph import AutoencodingGraph
from kerasnlp_kit.tasks.language_graph import SCORED_ROWS, LanguageGraph
from kerasnlp_kit.text.pieces import PieceTokenizer

CONTEXT = 6
TOKENIZER = PieceTokenizer.fit(["a man rides a bike", "two dogs run , fast"], "words")
SIZES = TextSizes(TOKENIZER.vocabulary_size, CONTEXT)
TEXTS = [
    b"a man runs fast",
    b"",
    b"two dogs run , fast and a man rides a bike and a man runs",  # longer than the context
    *(text for text in HARD_TEXTS if len(text) < 1000),
]


def random_weights(network, scale=0.6):
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=scale, size=weight.shape) for weight in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def language():
    """Graph and memory of a network with random weights."""
    network = random_weights(CausalLm(layers=1, d_model=8, heads=2, feed_forward=8).build(SIZES))
    return LanguageGraph(network, TOKENIZER.graph(), context=CONTEXT), MemoryLanguage(network, TOKENIZER, CONTEXT)


@pytest.fixture(scope="module")
def signatures(language):
    return language[0].signatures()


def texts_of(found):
    return [text.decode() for text in found["text"].numpy()]


def test_texts_are_scored_as_in_memory_also_long_and_hard_ones(language, signatures):
    found = signatures["score"](text=tf.constant(TEXTS))
    expected, tokens = language[1].score(TEXTS)
    np.testing.assert_allclose(found["log_probability"], expected, atol=1e-4, rtol=1e-5)
    np.testing.assert_array_equal(found["tokens"], tokens)


@pytest.mark.parametrize("count", [0, 1, SCORED_ROWS + 1])
def test_any_number_of_texts_is_scored_each_by_itself(signatures, count):
    texts = [TEXTS[row % len(TEXTS)] for row in range(count)]
    found = signatures["score"](text=tf.constant(texts, tf.string, [count]))
    assert found["log_probability"].shape == found["tokens"].shape == (count,)
    for row in range(0, count, 7):
        alone = signatures["score"](text=tf.constant(texts[row : row + 1]))
        np.testing.assert_allclose(alone["log_probability"][0], found["log_probability"][row], atol=1e-4)


@pytest.mark.parametrize("tokens", [1, 9, 10_000])
def test_how_many_texts_are_in_memory_together_changes_no_score(language, signatures, monkeypatch, tokens):
    expected = signatures["score"](text=tf.constant(TEXTS))["log_probability"]
    monkeypatch.setattr("kerasnlp_kit.tasks.language.TOKENS", tokens)
    np.testing.assert_allclose(language[1].score(TEXTS)[0], expected, atol=1e-4, rtol=1e-5)
    monkeypatch.setattr("kerasnlp_kit.tasks.language_graph.SCORED_TOKENS", tokens)
    again = language[0].signatures()["score"](text=tf.constant(TEXTS))["log_probability"]
    np.testing.assert_allclose(again, expected, atol=1e-4, rtol=1e-5)


def test_texts_go_on_as_in_memory(language, signatures):
    most = tf.constant(MAX_TOKENS)
    greedy = signatures["greedy"](prompt=tf.constant(TEXTS), max_tokens=most)
    expected, scores = language[1].greedy(TEXTS)
    assert texts_of(greedy) == expected
    np.testing.assert_allclose(greedy["score"], scores, atol=1e-3)
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    sample = signatures["serving_default"](prompt=tf.constant(TEXTS), max_tokens=most, seed=tf.constant(7), **drawn)
    assert texts_of(sample) == language[1].sample(TEXTS, 7)[0]
    alone = signatures["serving_default"](prompt=tf.constant(TEXTS[2:3]), max_tokens=most, seed=tf.constant(9), **drawn)
    assert texts_of(alone)[0] == texts_of(sample)[2], "text n has the seed + n"


def test_a_prompt_stays_as_it_is_but_for_blanks(signatures):
    prompts = ["a man", "An unknown  zebra , two", "a man \n"]
    found = texts_of(signatures["greedy"](prompt=tf.constant(prompts), max_tokens=tf.constant(3)))
    for text, begin in zip(found, ("a man", "An unknown zebra , two", "a man"), strict=True):
        assert text.startswith(begin)
    assert found[0] == found[2]
    assert texts_of(signatures["greedy"](prompt=tf.constant(prompts), max_tokens=tf.constant(0))) == [
        "a man",
        "An unknown zebra , two",
        "a man",
    ]


def test_ids_give_logits_and_compile_under_xla(language, signatures):
    ids = tf.constant([[2, 4, 5, 0], [2, 6, 7, 8]])
    found = signatures["ids"](ids=ids)["logits"]
    compiled = tf.function(language[0].logits_of_ids, jit_compile=True)(ids)["logits"]
    np.testing.assert_allclose(compiled, found, atol=1e-4)


@pytest.fixture(scope="module")
def autoencoder():
    """Graph and memory of a network with random weights."""
    network = TextVaeOptions(latent=4, units=8, embedding_dim=8).build(SIZES)
    random_weights(network, 1.0)
    memory = MemoryAutoencoder(network, TOKENIZER, CONTEXT)
    return AutoencodingGraph(network, TOKENIZER.graph(), longest=CONTEXT), memory


def test_nothing_to_score_has_the_shapes_of_something(autoencoder):
    found = autoencoder[1].score(TOKENIZER.encode([]), 0)
    assert found.bound.shape == (0,) and found.mean.shape == found.log_variance.shape == (0, 4)


@pytest.fixture(scope="module")
def latent_signatures(autoencoder):
    return autoencoder[0].signatures()


def test_texts_are_encoded_scored_and_written_again_as_in_memory(autoencoder, latent_signatures):
    memory = autoencoder[1].memory(5)
    said = memory.score(TEXTS)
    found = latent_signatures["score"](text=tf.constant(TEXTS), seed=tf.constant(5))
    np.testing.assert_allclose(found["log_probability"], said.bound, atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(found["divergence"], said.divergence, atol=1e-3, rtol=1e-4)
    np.testing.assert_allclose(found["log_weight"], said.log_weight, atol=1e-3, rtol=1e-4)
    np.testing.assert_array_equal(found["tokens"], memory.tokens(TEXTS))
    encoded = latent_signatures["encode"](text=tf.constant(TEXTS))
    np.testing.assert_allclose(encoded["mean"], said.mean, atol=1e-4)
    again = memory.reconstruct(TEXTS)
    assert texts_of(latent_signatures["serving_default"](text=tf.constant(TEXTS))) == again
    assert texts_of(latent_signatures["decode"](z=encoded["mean"])) == again


def test_new_texts_and_those_between_two_are_as_in_memory(autoencoder, latent_signatures):
    memory = autoencoder[1].memory(5)
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    found = latent_signatures["sample"](count=tf.constant(6), seed=tf.constant(5), **drawn)
    assert texts_of(found) == memory.sample(6)
    ends = {"from_text": tf.constant([TEXTS[0]]), "to_text": tf.constant([TEXTS[2]])}
    line = latent_signatures["interpolate"](**ends, steps=tf.constant(4))["text"].numpy()
    assert line.shape == (1, 4)
    assert [text.decode() for text in line[0]] == memory.interpolate(TEXTS[0], TEXTS[2], 4)
    assert [line[0][0].decode(), line[0][-1].decode()] == memory.reconstruct([TEXTS[0], TEXTS[2]])


def test_many_texts_are_written_some_at_a_time(autoencoder, monkeypatch):
    memory, sizes = autoencoder[1], []
    for writer in (memory._writer, memory._sampler):
        predict = writer.predict_on_batch

        def counted(inputs, predict=predict):
            sizes.append(len(inputs))
            return predict(inputs)

        monkeypatch.setattr(writer, "predict_on_batch", counted)
    vectors = np.random.default_rng(0).normal(size=(BATCH + 3, 4))
    assert memory.decode(vectors) == [memory.decode(vectors[row : row + 1])[0] for row in range(BATCH + 3)]
    assert memory.sample(BATCH + 3, 5)[BATCH:] == memory.sample(3, 5 + BATCH)
    assert max(sizes) == BATCH, "the logits of so many are in memory together"


def test_seeds_begin_anew_behind_the_highest_one(autoencoder, latent_signatures):
    last = 2**31 - 2
    seeds = [last, last + 1, 0]
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    found = texts_of(latent_signatures["sample"](count=tf.constant(3), seed=tf.constant(last), **drawn))
    assert found == [autoencoder[1].sample(1, seed)[0] for seed in seeds] == autoencoder[1].sample(3, last)
    scored = latent_signatures["score"](text=tf.constant(TEXTS[:3]), seed=tf.constant(last))["log_weight"]
    np.testing.assert_allclose(scored, autoencoder[1].memory(last).score(TEXTS[:3]).log_weight, atol=1e-3, rtol=1e-4)


def test_two_lists_of_other_lengths_are_refused(latent_signatures):
    ends = {"from_text": tf.constant(["a"]), "to_text": tf.constant(["a", "b"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="Each from_text needs one to_text"):
        latent_signatures["interpolate"](**ends, steps=tf.constant(4))


def test_nothing_gives_nothing(latent_signatures):
    none = tf.constant([], tf.string)
    assert latent_signatures["serving_default"](text=none)["text"].shape == (0,)
    assert latent_signatures["encode"](text=none)["mean"].shape == (0, 4)
    assert latent_signatures["score"](text=none, seed=tf.constant(0))["log_probability"].shape == (0,)
    assert latent_signatures["decode"](z=tf.zeros([0, 4]))["text"].shape == (0,)
