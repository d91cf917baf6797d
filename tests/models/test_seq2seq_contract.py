"""What every network from text to text must do. Runs over the registry: a new one is tested without a new test."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit import registry
from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.one import greedy
from kerasnlp_kit.decoding.protocol import Limits
from kerasnlp_kit.layers.cache import compiled
from kerasnlp_kit.layers.encoder_decoder import source_mask
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.tasks.seq2seq import Search
from kerasnlp_kit.tasks.token_loss import TokenCrossEntropy

PROGRAM = Path(__file__).with_name("write_tiny.py")
NETWORKS = {spec.name: spec for spec in registry.networks("seq2seq")}
# Options whose code differs from that of the defaults; a network without an entry is tested with its defaults.
VARIANTS = {
    "transformer_seq2seq": [
        {"positions": "rotary", "tied": False, "decoder_layers": 1},
        {"d_model": 7, "heads": 3, "activation": "gelu"},  # 3 do not divide 7
        {"d_model": 5, "heads": 2, "positions": "rotary"},  # ceil(5 / 2) is odd: not all features make pairs
    ],
    "lstm_seq2seq": [
        {"cell": "gru", "layers": 2, "attention": "additive", "tied": False},
        {"attention": "none", "layers": 2, "bidirectional": False},
        {"input_feeding": False, "layers": 2},
    ],
}
CASES = [(name, options) for name in NETWORKS for options in [{}, *VARIANTS.get(name, [])]]
NAMES = [" ".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options in CASES]
SIZES = PairSizes(source_vocabulary=11, target_vocabulary=9, joint=False)
SOURCE = np.array([[4, 5, 6, 7, 8], [9, 10, 0, 0, 0], [4, 1, 7, 0, 0], [5, 0, 0, 0, 0]], "int32")
TARGET = np.array([[2, 4, 5, 6, 7, 8], [2, 8, 1, 0, 0, 0], [2, 5, 4, 5, 0, 0], [2, 0, 0, 0, 0, 0]], "int32")
AFTER = np.concatenate([TARGET[:, 1:], np.zeros((4, 1), "int32")], axis=1)
AFTER[np.arange(4), (TARGET != PAD).sum(axis=1) - 1] = EOS

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
every_network = pytest.mark.parametrize("name", NETWORKS)


def small(name, options=None):
    """A small architecture: numbers of things at most 6, no dropout."""
    values = {}
    for field in dataclasses.fields(NETWORKS[name].architecture):
        if isinstance(field.default, float):
            values[field.name] = 0.0
        elif type(field.default) is int:
            values[field.name] = min(field.default, 2 if "layers" in field.name else 6)
    return NETWORKS[name].architecture(**(values | (options or {})))


def build(name, options=None, sizes=SIZES):
    """A small network whose weights are all random (zeros would hide errors)."""
    network = small(name, options).build(sizes)
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()])
    return network


@functools.cache
def _built(name, options):
    return build(name, json.loads(options))


def shared(name, options=None):
    """Likewise, for tests that do not change it: one for all."""
    return _built(name, json.dumps(options or {}))


def attend(network, source, target):
    """Logits and attention of all positions."""
    return [np.asarray(found) for found in network.attend(np.asarray(source, "int32"), np.asarray(target, "int32"))]


def logits(network, source=SOURCE, target=TARGET):
    return attend(network, source, target)[0]


def assert_same(found, expected, where=TARGET != PAD):
    """Behind the end of a target anything may stand."""
    np.testing.assert_allclose(found[where], expected[where], atol=1e-5)


@every_case
def test_it_gives_logits_of_the_next_token_and_attention_to_the_source(name, options):
    network = shared(name, options)
    assert network.name == name
    found, weights = attend(network, SOURCE, TARGET)
    assert found.shape == (4, 6, 9) and found.dtype == "float32" and np.isfinite(found).all()
    assert weights.shape == (4, 6, 5) and weights.dtype == "float32"
    total = 0 if options.get("attention") == "none" else 1
    np.testing.assert_allclose(weights.sum(axis=2), np.full((4, 6), total), atol=1e-5)
    assert (weights.transpose(0, 2, 1)[SOURCE == PAD] == 0).all()
    called = network({"source": SOURCE, "target": TARGET}, training=False)
    np.testing.assert_array_equal(np.asarray(called), found)


@every_case
def test_step_by_step_and_all_positions_at_once_are_the_same(name, options):
    network = shared(name, options)
    others = np.where(TARGET > EOS, TARGET % 5 + 4, TARGET)  # what a second beam has written
    whole = [attend(network, SOURCE, target) for target in (TARGET, others)]
    memory = network.remember(SOURCE)
    cache = network.start(memory, 2, 6)
    for position in range(6):
        tokens = np.stack([TARGET[:, position], others[:, position]], axis=1)
        found, cache, weights = network.step(tokens, np.int32(position), memory, cache)
        for beam, expected in enumerate(whole):
            real = (TARGET[:, position] != PAD,)
            assert_same(np.asarray(found)[:, beam], expected[0][:, position], real)
            assert_same(np.asarray(weights)[:, beam], expected[1][:, position], real)


@every_case
def test_a_token_of_the_target_changes_what_comes_after_it_and_nothing_before(name, options):
    others = np.repeat(TARGET[:1], 6, axis=0)  # row n has another token at position n
    others[np.arange(1, 6), np.arange(1, 6)] = 3
    before, *after = logits(shared(name, options), np.repeat(SOURCE[:1], 6, axis=0), others)
    for position, found in enumerate(after, 1):
        changed = np.abs(found - before).max(axis=1)
        np.testing.assert_allclose(changed[:position], 0, atol=1e-6)
        assert (changed[position:] > 1e-6).all(), position


@every_case
def test_each_token_of_the_source_changes_each_position(name, options):
    others = np.repeat(SOURCE[:1], 6, axis=0)
    others[np.arange(1, 6), np.arange(5)] = 10
    before, *after = logits(shared(name, options), others, np.repeat(TARGET[:1], 6, axis=0))
    for position, found in enumerate(after):
        assert (np.abs(found - before).max(axis=1) > 1e-6).all(), position


@every_case
def test_padding_does_not_change_the_output(name, options):
    network = shared(name, options)
    expected = attend(network, SOURCE, TARGET)
    found = attend(network, np.pad(SOURCE, [(0, 0), (0, 4)]), np.pad(TARGET, [(0, 0), (0, 3)]))
    assert_same(found[0][:, :6], expected[0])
    assert_same(found[1][:, :6, :5], expected[1])
    assert not found[1][:, :, 5:].any()


@every_case
def test_neither_the_order_of_a_batch_nor_batch_mates_change_the_output(name, options):
    network = shared(name, options)
    together = logits(network)
    for row in (slice(0, 1), slice(3, 4)):
        assert_same(logits(network, SOURCE[row], TARGET[row]), together[row], TARGET[row] != PAD)
    assert_same(logits(network, SOURCE[::-1], TARGET[::-1])[::-1], together)


@every_case
def test_an_empty_source_gives_a_finite_output_of_its_own(name, options):
    network = shared(name, options)
    found = logits(network, [[0, 0, 0, 0, 0], SOURCE[0]], TARGET[:2])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], logits(network, [[0]], TARGET[:1]), atol=1e-5)


@every_case
def test_its_options_as_json_are_enough_to_build_it_again(name, options):
    values, sizes = json.loads(json.dumps([dataclasses.asdict(small(name, options)), dataclasses.asdict(SIZES)]))
    again = registry.find(name).architecture(**values).build(PairSizes(**sizes))
    weights = [(weight.path, weight.shape) for weight in again.weights]
    assert weights == [(weight.path, weight.shape) for weight in shared(name, options).weights]


@every_network
def test_a_joint_vocabulary_has_one_embedding_for_both(name):
    apart = {weight.path for weight in shared(name).weights}
    network = build(name, sizes=PairSizes(11, 11, joint=True))
    assert apart - {weight.path for weight in network.weights} == {"source_embedding/embedding"}
    assert np.isfinite(logits(network)).all()


@every_case
def test_saved_weights_are_loaded_into_a_new_network(name, options, tmp_path):
    network, other = shared(name, options), small(name, options).build(SIZES)
    network.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(logits(other), logits(network))


@every_network
def test_the_loss_falls_on_eight_examples_under_xla_too(name):
    # Without XLA it is trained in test_seq2seq_learns.py.
    network, loss = build(name, {"layers": 1}), TokenCrossEntropy(0.1)
    source, target = np.concatenate([SOURCE, SOURCE[::-1] % 6 + 4]), np.concatenate([TARGET, TARGET])
    after = np.concatenate([AFTER, AFTER])
    expected = float(loss(after, logits(network, source, target)))
    network.compile(keras.optimizers.Adam(0.03), loss, jit_compile=True)
    losses = [network.train_on_batch({"source": source, "target": target}, after) for _ in range(40)]
    assert losses[0] == pytest.approx(expected, abs=1e-5)
    # train_on_batch gives the mean over all steps so far: the last step's own loss is what it adds.
    last = 40 * losses[-1] - 39 * losses[-2]
    # No loss is below 0.48, the entropy of the smoothed target: once 0.9 + 0.1 / 9, eight times 0.1 / 9.
    assert last - 0.48 < 0.4 * (losses[0] - 0.48)


@every_network
def test_dropout_changes_training_and_not_inference(name):
    fields = dataclasses.fields(NETWORKS[name].architecture)
    rates = {field.name: 0.5 for field in fields if "dropout" in field.name}
    network, inputs = build(name, {**rates, "layers": 2}), {"source": SOURCE, "target": TARGET}
    plain = build(name, {"layers": 2})
    np.testing.assert_array_equal(logits(network), logits(plain))
    assert (np.asarray(network(inputs, training=True)) != logits(plain)).any()
    np.testing.assert_allclose(np.asarray(plain(inputs, training=True)), logits(plain), atol=1e-5)


@every_network
@pytest.mark.parametrize(("policy", "apart"), [("mixed_bfloat16", 0.5), ("mixed_float16", 0.1)])
def test_in_16_bits_it_says_about_the_same_and_learns(name, policy, apart):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = build(name, {"layers": 2})
    finally:
        keras.config.set_dtype_policy(before)
    plain = build(name, {"layers": 2})
    assert np.abs(logits(network) - logits(plain)).max() < apart
    with tf.GradientTape() as tape:
        loss = TokenCrossEntropy()(AFTER, network({"source": SOURCE, "target": TARGET}, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in network.trainable_variables])
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


@every_network
def test_scheduled_sampling_reads_its_own_tokens_in_training_only(name):
    network, plain = build(name, {"scheduled_sampling": 1.0}), shared(name)
    np.testing.assert_array_equal(logits(network), logits(plain))
    own, scores = TARGET.copy(), logits(plain).copy()
    scores[:, :, [PAD, BOS]] = -np.inf  # which are never written
    own[:, 1:] = np.where(TARGET[:, 1:] == PAD, PAD, scores.argmax(axis=2)[:, :-1])
    assert (own != TARGET).any() and (own[:, 0] == BOS).all()
    found = np.asarray(network({"source": SOURCE, "target": TARGET}, training=True))
    assert_same(found, logits(plain, target=own))


# XLA, JAX


@every_network
def test_greedy_writing_compiles_under_xla_and_says_what_the_plain_graph_says(name):
    network, limits = shared(name), Limits(1.0, 2, 6)
    plain = tf.function(
        lambda source: Search(limits, False, fixed=False).greedy(network, source),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )

    @tf.function(jit_compile=True)
    def under_xla(source):
        with compiled():
            return greedy(network, network.remember(source), limits.of(source), 7)

    found, expected = under_xla(tf.constant(SOURCE)), plain(tf.constant(SOURCE))
    written = expected.tokens.shape[2]
    np.testing.assert_array_equal(found.tokens[:, :, :written], expected.tokens)
    assert not found.tokens.numpy()[:, :, written:].any()
    np.testing.assert_allclose(found.log_probabilities, expected.log_probabilities, atol=1e-5)
    np.testing.assert_array_equal(found.alignments[:, :, :written], expected.alignments)


def test_on_jax_the_same_weights_give_the_same_logits_tokens_and_losses(tmp_path):
    cases = {}
    for name in NETWORKS:
        network = shared(name)
        network.save_weights(tmp_path / f"{name}.weights.h5")
        decoded = Search(Limits(1.0, 2, 6), False, fixed=True).greedy(network, tf.constant(SOURCE))
        cases[name] = {
            "architecture": dataclasses.asdict(small(name)),
            "sizes": dataclasses.asdict(SIZES),
            "logits": np.where((TARGET != PAD)[:, :, None], logits(network), 0).tolist(),
            "tokens": decoded.tokens.numpy()[:, 0].tolist(),
            "log_probabilities": decoded.log_probabilities.numpy()[:, 0].tolist(),
            "loss": float(TokenCrossEntropy()(AFTER, logits(network))),
        }
    pairs = {"source": SOURCE.tolist(), "target": TARGET.tolist(), "after": AFTER.tolist()}
    (tmp_path / "cases.json").write_text(json.dumps({"pairs": pairs, "cases": cases}))
    command = [sys.executable, PROGRAM, "jax", tmp_path]
    # Small networks take longer to compile well than to run.
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | quick)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers.keys() == cases.keys()
    for name, expected in cases.items():
        found = answers[name]
        np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-4)
        assert found["tokens"] == expected["tokens"]
        np.testing.assert_allclose(found["log_probabilities"], expected["log_probabilities"], atol=1e-4)
        np.testing.assert_allclose(found["losses"][0], expected["loss"], atol=1e-4)
        assert found["losses"][1] < found["losses"][0]


def test_the_first_position_of_a_source_always_counts():
    assert np.asarray(source_mask(np.array([[0, 0], [5, 0], [5, 6]]))).tolist() == [
        [True, False],
        [True, False],
        [True, True],
    ]
