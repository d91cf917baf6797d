"""What every language model and every autoencoder must do. Runs over the registry."""

import dataclasses
import functools
import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from scipy.stats import norm

from kerasnlp_kit import registry
from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.one import normal
from kerasnlp_kit.decoding.protocol import log_probabilities
from kerasnlp_kit.layers.text_vae import divergence, reversed_gradient
from kerasnlp_kit.registry import TextSizes
from kerasnlp_kit.tasks.autoencoding import LatentSearch, bound
from kerasnlp_kit.tasks.language import Continuation, score_next
from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy
from kerasnlp_kit.training import devices

PROGRAM = Path(__file__).with_name("language_tiny.py")
texts_of = runpy.run_path(str(PROGRAM))["texts_of"]
LANGUAGE = [spec.name for spec in registry.networks("language_model")]
LATENT = [spec.name for spec in registry.networks("autoencoding")]
VARIANTS = {
    "causal_lm": [{"blocks": "lstm", "layers": 2}, {"blocks": "gru"}, {"d_model": 5, "heads": 2, "activation": "relu"}],
    "feedforward_lm": [{"direct": True, "tied": False}, {"previous": 1}],
    "text_vae": [{"cell": "gru"}, {"kl_weight": 0.0}],
}
CASES = [(name, options) for name in (*LANGUAGE, *LATENT) for options in [{}, *VARIANTS.get(name, [])]]
NAMES = [" ".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options in CASES]
LANGUAGE_CASES = [(name, options) for name, options in CASES if name in LANGUAGE]
LATENT_CASES = [(name, options) for name, options in CASES if name in LATENT]
CONTEXT = 4
SIZES = TextSizes(9, CONTEXT)
TEXT = np.array([[2, 4, 5, 6, 7, 8], [2, 8, 1, 0, 0, 0], [2, 5, 4, 5, 0, 0], [2, 0, 0, 0, 0, 0]], "int32")
AFTER = np.concatenate([TEXT[:, 1:], np.zeros((4, 1), "int32")], axis=1)
AFTER[np.arange(4), (TEXT != PAD).sum(axis=1) - 1] = EOS

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
every_language_model = pytest.mark.parametrize(
    ("name", "options"),
    LANGUAGE_CASES,
    ids=[name for name, case in zip(NAMES, CASES, strict=True) if case[0] in LANGUAGE],
)
every_autoencoder = pytest.mark.parametrize(
    ("name", "options"), LATENT_CASES, ids=[name for name, case in zip(NAMES, CASES, strict=True) if case[0] in LATENT]
)


def small(name, options=None):
    """A small architecture: numbers of things at most 6, no dropout."""
    values = {}
    for field in dataclasses.fields(registry.find(name).architecture):
        if isinstance(field.default, float) and "dropout" in field.name:
            values[field.name] = 0.0
        elif type(field.default) is int and field.name != "anneal_steps":
            values[field.name] = min(field.default, 2 if "layers" in field.name else 6)
    return registry.find(name).architecture(**(values | (options or {})))


def build(name, options=None):
    """A small network whose weights are all random (zeros would hide errors)."""
    network = small(name, options).build(SIZES)
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()])
    return network


@functools.cache
def _built(name, options):
    return build(name, json.loads(options))


def shared(name, options=None):
    """Likewise, for tests that do not change it: one for all."""
    return _built(name, json.dumps(options or {}))


def logits(network, text=TEXT):
    return np.array(network(np.asarray(text, "int32"), training=False))


def assert_same(found, expected, where=TEXT != PAD):
    """Behind the end of a text anything may stand."""
    np.testing.assert_allclose(found[where], expected[where], atol=1e-5)


def memory_of(network, text=TEXT):
    return network.encode(text)[0] if hasattr(network, "encode") else tf.constant(text)


@every_case
def test_it_gives_logits_of_the_next_token(name, options):
    network = shared(name, options)
    assert network.name == name
    found = logits(network)
    assert found.shape == (4, 6, 9) and found.dtype == "float32" and np.isfinite(found).all()


@every_case
def test_step_by_step_and_all_positions_at_once_are_the_same(name, options):
    network = shared(name, options)
    others = np.where(TEXT > EOS, TEXT % 5 + 4, TEXT)  # what a second beam has written
    memory = memory_of(network)
    if hasattr(network, "decode"):
        whole = [np.asarray(network.decode(text, memory)) for text in (TEXT, others)]
    else:
        whole = [logits(network, text) for text in (TEXT, others)]
    cache = network.start(memory, 2, 6)
    for position in range(6):
        tokens = np.stack([TEXT[:, position], others[:, position]], axis=1)
        found, cache, weights = network.step(tokens, np.int32(position), memory, cache)
        assert weights.shape == (4, 2, 1)
        for beam, expected in enumerate(whole):
            real = TEXT[:, position] != PAD
            np.testing.assert_allclose(np.asarray(found)[real, beam], expected[real, position], atol=1e-5)


def test_a_cache_has_as_many_places_as_are_in_sight_and_a_long_text_is_written_with_it():
    network = shared("causal_lm", {})
    text = np.concatenate([[[2], [2]], np.random.default_rng(0).integers(4, 9, (2, 29))], axis=1).astype("int32")
    cache, expected = network.start(tf.constant(text), 1, 30), logits(network, text)
    assert {part.shape[3] for part in tf.nest.flatten(cache)} == {CONTEXT}
    for position in range(30):
        found, cache, _ = network.step(text[:, position, None], np.int32(position), tf.constant(text), cache)
        np.testing.assert_allclose(found[:, 0], expected[:, position], atol=1e-5)


@pytest.mark.parametrize("previous", [1, 2, 4])
def test_what_stands_before_the_begin_of_a_text_in_a_packed_row_is_out_of_sight(previous):
    network = shared("feedforward_lm", {"previous": previous})
    packed, alone = np.array([[BOS, 4, 5, EOS, BOS, 6, 7, 8, 4]], "int32"), np.array([[BOS, 6, 7, 8, 4]], "int32")
    np.testing.assert_allclose(logits(network, packed)[:, 4:], logits(network, alone), atol=1e-6)
    np.testing.assert_allclose(logits(network, packed)[:, :4], logits(network, packed[:, :4]), atol=1e-6)


RATED = [
    (name, field.name)
    for name in (*LANGUAGE, *LATENT)
    for field in dataclasses.fields(registry.find(name).architecture)
    if "dropout" in field.name
]


@pytest.mark.parametrize(("name", "rate"), RATED, ids=[" ".join(case) for case in RATED])
def test_each_rate_of_dropout_changes_training_and_not_inference(name, rate):
    # Without divergence nothing else is drawn in training.
    plain_options = {"kl_weight": 0.0} if name in LATENT else {}
    plain, network = shared(name, plain_options), build(name, {**plain_options, rate: 0.5})
    np.testing.assert_array_equal(logits(network), logits(plain))
    np.testing.assert_allclose(np.asarray(plain(TEXT, training=True)), logits(plain), atol=1e-5)
    assert np.abs(np.asarray(network(TEXT, training=True)) - logits(plain)).max() > 1e-3


def test_the_weight_of_the_divergence_rises_in_the_steps_it_is_given():
    losses = []
    for done in (0.0, 4.0, 9.0, 50.0):
        network = build("text_vae", {"free_bits": 0.0, "anneal_steps": 10})
        network.steps.assign(done)
        network(TEXT, training=True)
        losses.append(float(network.losses[0]))
        assert float(network.steps.numpy()) == done + 1
    np.testing.assert_allclose(np.array(losses) / losses[-1], [0.1, 0.5, 1.0, 1.0], rtol=1e-5)


def test_what_the_discriminator_learns_the_encoder_unlearns():
    network = build("vae_gan", {"kl_weight": 0.0, "adversary_weight": 1.0})
    judge = network.discriminator
    kernel, mean = judge.parts[-1].layer.kernel, network.encoder.mean.kernel
    with tf.GradientTape() as tape:
        network(TEXT, training=True)
        (loss,) = network.losses
    of_judge, of_encoder = tape.gradient(loss, [kernel.value, mean.value])

    def hinge(vectors):
        return float(tf.reduce_mean(tf.nn.relu(1.0 + judge(vectors))))

    def moved(gradient, variable, step):
        before = variable.numpy()
        variable.assign(before + step * gradient.numpy())
        found = hinge(network.encode(TEXT)[0])
        variable.assign(before)
        return found

    # Along the gradient that the optimizer descends, texts are told less well by the encoder.
    assert moved(of_encoder, mean, -1e-3) > hinge(network.encode(TEXT)[0]) > moved(of_encoder, mean, 1e-3)
    assert np.abs(of_judge).max() > 0


def test_in_16_bits_the_discriminator_computes_in_32():
    with devices.precision(True):
        network = small("vae_gan").build(SIZES)
    assert network.decoder.compute_dtype == "bfloat16"
    for part in network.discriminator.parts:
        assert part.compute_dtype == part.layer.compute_dtype == "float32"


@every_language_model
def test_a_future_token_changes_nothing_before_it(name, options):
    network = shared(name, options)
    changed = TEXT.copy()
    changed[0, 3:] = [8, 4, 5]
    np.testing.assert_allclose(logits(network, changed)[0, :3], logits(network)[0, :3], atol=1e-6)
    assert np.abs(logits(network, changed)[0, 3:] - logits(network)[0, 3:]).max() > 1e-3


@every_case
def test_more_padding_and_other_rows_change_nothing(name, options):
    network = shared(name, options)
    wider = np.pad(TEXT, [[0, 0], [0, 3]])
    assert_same(logits(network, wider)[:, :6], logits(network))
    assert_same(logits(network, TEXT[::-1])[::-1], logits(network))


def test_a_token_out_of_the_context_is_out_of_sight():
    one = shared("causal_lm", {"layers": 1})  # with more layers it is seen through the tokens between
    long = np.array([[2, 4, 5, 6, 7, 8, 4, 5]], "int32")
    other = np.array([[2, 8, 5, 6, 7, 8, 4, 5]], "int32")
    difference = np.abs(logits(one, long) - logits(one, other)).max(axis=2)[0]
    assert (difference[1 : 1 + CONTEXT] > 1e-4).all() and (difference[1 + CONTEXT :] < 1e-6).all()
    few = shared("feedforward_lm", {"previous": 2})
    difference = np.abs(logits(few, long) - logits(few, other)).max(axis=2)[0]
    assert (difference[1:3] > 1e-4).all() and (difference[3:] < 1e-6).all()


@every_case
def test_its_loss_falls_on_a_few_texts(name, options):
    keras.utils.set_random_seed(0)
    network = small(name, options).build(SIZES)
    before = float(TokenCrossEntropy()(AFTER, logits(network)))
    network.compile(keras.optimizers.Adam(0.03), TokenCrossEntropy(), jit_compile=False)
    for _ in range(60):
        network.train_on_batch(TEXT, AFTER)
    assert float(TokenCrossEntropy()(AFTER, logits(network))) < 0.6 * before


@every_case
def test_weights_are_saved_and_loaded(name, options, tmp_path):
    network = shared(name, options)
    network.save_weights(tmp_path / "a.weights.h5")
    other = small(name, options).build(SIZES)
    other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(logits(other), logits(network))


@every_case
def test_it_compiles_under_xla(name, options):
    network = shared(name, options)
    compiled = tf.function(lambda ids: network(ids, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(TEXT)).numpy(), logits(network), atol=1e-4)


@every_language_model
def test_greedy_takes_the_most_probable_token_and_begins_with_the_prompt(name, options):
    network = shared(name, options)
    prompt = np.array([[4, 5], [8, 0], [0, 0]], "int32")
    found = Continuation(5).greedy(network, prompt)
    tokens = np.asarray(found.tokens)[:, 0]
    for row, begin in enumerate(([4, 5], [8], [])):
        text = [BOS, *begin]
        for _ in range(5):
            scores = logits(network, np.array([text]))[0, -1]
            scores[[PAD, 1, BOS]] = -np.inf  # not the unknown token either
            text.append(int(scores.argmax()))
            if text[-1] == EOS:
                break
        else:
            text.append(EOS)
        assert tokens[row][: len(text) - 1].tolist() == text[1:]
        after = np.array([text[1:]])
        total = float(np.asarray(score_next(network, np.array([text[:-1]]), after))[0])
        assert np.asarray(found.log_probabilities)[row, 0] == pytest.approx(total, abs=1e-4)


@every_autoencoder
def test_the_bound_is_reconstruction_less_divergence(name, options):
    network = shared(name, options)
    seeds = np.arange(4, dtype="int32")
    gained, lost, weight = (np.asarray(found) for found in bound(network, TEXT, AFTER, seeds))
    mean, log_variance = (np.asarray(found, "float64") for found in network.encode(TEXT))
    plain = options.get("kl_weight") == 0
    expected = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)
    np.testing.assert_allclose(lost, 0 * expected if plain else expected, rtol=1e-4)
    if plain:
        found = logits(network).astype("float64")
        found[:, :, [PAD, BOS]] = -np.inf
        found -= np.log(np.exp(found).sum(axis=-1, keepdims=True))
        picked = np.take_along_axis(found, AFTER[:, :, None], axis=-1)[:, :, 0]
        np.testing.assert_allclose(gained, np.where(AFTER == PAD, 0, picked).sum(axis=1), atol=1e-4)
        np.testing.assert_array_equal(weight, gained)
    else:
        deviation = np.exp(0.5 * log_variance)
        vector = mean + deviation * np.asarray(normal(seeds, network.latent))
        ratio = norm.logpdf(vector) - norm.logpdf(vector, mean, deviation)
        np.testing.assert_allclose(weight, gained + ratio.sum(axis=1), rtol=1e-4)
        other = np.asarray(bound(network, TEXT, AFTER, np.arange(4, 8, dtype="int32"))[0])
        assert np.abs(gained - other).max() > 1e-4, "another seed draws another vector"


@every_autoencoder
def test_new_texts_are_the_same_for_a_seed_whatever_comes_with_them(name, options):
    network = shared(name, options)
    drawn = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    some = np.asarray(LatentSearch(6).prior(network, 3, 5, **drawn).tokens)[:, 0]
    alone = np.asarray(LatentSearch(6).prior(network, 5, 1, **drawn).tokens)[0, 0]
    width = min(some.shape[1], len(alone))
    assert some[2][:width].tolist() == alone[:width].tolist()
    assert len({tuple(row) for row in some.tolist()}) > 1


# A plain autoencoder gives texts no probability.
@pytest.mark.parametrize(("name", "options"), [case for case in LATENT_CASES if case[1].get("kl_weight") != 0])
def test_the_mean_of_the_weights_is_the_probability(name, options):
    """Whatever the encoder says: vectors drawn from the prior give the same, only with more of them."""
    network, count = build(name, options), 4000
    # Posteriors that are much narrower than the prior would need far more vectors.
    network.set_weights([weights * 0.4 for weights in network.get_weights()])
    read, after = (np.repeat(rows[:1], count, axis=0) for rows in (TEXT, AFTER))
    weights = np.asarray(bound(network, read, after, np.arange(count, dtype="int32")).log_weight, "float64")
    vectors = np.random.default_rng(0).normal(size=(count, network.latent)).astype("float32")
    found = np.asarray(log_probabilities(network.decode(read, vectors)), "float64")
    given = np.where(after == PAD, 0, np.take_along_axis(found, after[:, :, None], axis=-1)[:, :, 0]).sum(axis=1)
    assert given.std() > 0.01, "the vector matters"
    assert logsumexp(weights) == pytest.approx(logsumexp(given), abs=0.05)


def test_the_divergence_is_that_of_gaussians():
    random = np.random.default_rng(0)
    mean, log_variance = random.normal(size=(2, 1)), random.normal(size=(2, 1))
    draws = mean + np.exp(0.5 * log_variance) * random.normal(size=(2, 400_000))
    own = -0.5 * (np.log(2 * np.pi) + log_variance + (draws - mean) ** 2 / np.exp(log_variance))
    prior = -0.5 * (np.log(2 * np.pi) + draws**2)
    np.testing.assert_allclose(divergence(mean, log_variance)[:, 0], (own - prior).mean(axis=1), atol=0.02)


def test_a_reversed_gradient_has_the_other_sign():
    values = tf.Variable([1.0, -2.0])
    with tf.GradientTape() as tape:
        found = reversed_gradient(values)
        total = tf.reduce_sum(found * [3.0, 4.0])
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(tape.gradient(total, values), [-3.0, -4.0])


def test_free_bits_stop_the_divergence_from_falling_further():
    network = build("text_vae", {"free_bits": 100.0, "anneal_steps": 1})
    network.steps.assign(5.0)
    with tf.GradientTape() as tape:
        network(TEXT, training=True)
        (loss,) = network.losses
    assert float(loss) == pytest.approx(100.0 * 6 / (TEXT != PAD).sum() * len(TEXT), rel=1e-5)
    gradients = tape.gradient(loss, network.encoder.mean.kernel)
    assert gradients is None or not np.asarray(gradients).any()


def test_the_gradient_of_the_embedding_is_that_of_finite_differences():
    network = build("feedforward_lm")
    loss, vectors = TokenCrossEntropy(), network.decoder.embedding.vectors

    def value(weights):
        vectors.assign(weights)
        return float(loss(AFTER, network(TEXT)))

    weights = np.asarray(vectors.numpy(), "float64")
    with tf.GradientTape() as tape:
        total = loss(AFTER, network(TEXT))
    found = tf.convert_to_tensor(tape.gradient(total, vectors.value)).numpy()
    step, random = 1e-2, np.random.default_rng(0)
    for row, column in zip(random.integers(0, 9, 12), random.integers(0, weights.shape[1], 12), strict=True):
        moved = np.zeros_like(weights)
        moved[row, column] = step
        expected = (value(weights + moved) - value(weights - moved)) / (2 * step)
        assert found[row, column] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_gives_the_same_logits_losses_and_texts(backend, tmp_path):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    cases = {}
    for name in (*LANGUAGE, *LATENT):
        network = build(name)
        network.save_weights(tmp_path / f"{name}.weights.h5")
        drawn = texts_of(network, TEXT)
        cases[name] = {"architecture": dataclasses.asdict(small(name)), "logits": logits(network), "drawn": drawn}
    content = {
        "sizes": dataclasses.asdict(SIZES),
        "text": TEXT.tolist(),
        "after": AFTER.tolist(),
        "architectures": {name: case["architecture"] for name, case in cases.items()},
    }
    (tmp_path / "cases.json").write_text(json.dumps(content))
    command = [sys.executable, PROGRAM, backend, tmp_path]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | quiet)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, case in cases.items():
        assert_same(np.array(found[name]["logits"]), case["logits"])
        assert found[name]["drawn"] == case["drawn"]
        assert np.isfinite(found[name]["losses"]).all()
        if name in LANGUAGE:  # an autoencoder's loss is of drawn vectors
            assert found[name]["losses"][1] < found[name]["losses"][0]
            expected = float(TokenCrossEntropy()(AFTER, logits(shared(name))))
            assert found[name]["losses"][0] == pytest.approx(expected, abs=1e-4)


@every_case
def test_it_is_trained_in_16_bits_and_its_steps_are_counted_whole(name, options):
    with devices.precision(True):
        network = small(name, options).build(SIZES)
    network.compile("sgd", TokenCrossEntropy(), jit_compile=False)
    for _ in range(2):
        assert np.isfinite(network.train_on_batch(TEXT, AFTER))
    assert logits(network).dtype == "float32"
    for weight in network.weights:
        assert weight.dtype in ("float32", "uint32", "int32")
    if hasattr(network, "steps") and small(name, options).kl_weight:
        network.steps.assign(1000.0)  # beyond what 16 bits can count
        network.train_on_batch(TEXT, AFTER)
        assert float(network.steps) == 1001
