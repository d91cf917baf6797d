"""What every model must do. Runs over the registry: a new model is tested without a new test."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from kerasnlp_kit import registry
from kerasnlp_kit.config import TrainingOptions
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.tasks.classification import ClassifierGraph, SmoothedCrossEntropy
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.tokenizer import Tokenizer
from kerasnlp_kit.training.optimization import make_optimizer

SPECS = {spec.name: spec for spec in registry.available()}
# Options whose code differs from that of the defaults; a model without an entry is tested with its defaults.
VARIANTS = {
    "lstm_classifier": [
        {"cell": "gru", "layers": 2},
        {"bidirectional": True, "layers": 2},
        *({"pooling": kind} for kind in ("max", "mean", "mean_max", "attention")),
        {"bidirectional": True, "cell": "gru", "pooling": "attention"},
        {"ngrams": 3, "ngram_buckets": 50},
    ],
    "transformer_classifier": [
        {"embedding_dim": 5, "heads": 3},  # 3 do not divide 5
        *({"pooling": kind} for kind in ("last", "max", "mean_max", "attention")),
    ],
    "cnn_classifier": [{"kernels": (2,)}, {"kernels": (5, 2)}],
}
CASES = [(name, options) for name in SPECS for options in [{}, *VARIANTS.get(name, [])]]
NAMES = [" ".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options in CASES]
DEPTHS = ("blocks", "layers")  # options that multiply what XLA has to compile
VOCABULARY = 11
IDS = np.array([[2, 3, 4, 5, 6], [7, 8, 0, 0, 0], [9, 1, 10, 0, 0], [3, 0, 0, 0, 0]], "int32")

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
every_model = pytest.mark.parametrize("name", SPECS)


def build(name, options=None, classes=3):
    """A small network: numbers of things at most 6, no dropout, all weights random (zeros would hide errors)."""
    small = {}
    for field in dataclasses.fields(SPECS[name].architecture):
        if isinstance(field.default, float):
            small[field.name] = 0.0
        elif isinstance(field.default, int) and not isinstance(field.default, bool):
            small[field.name] = min(field.default, 6)
    network = SPECS[name].architecture(**(small | (options or {}))).build(Sizes(VOCABULARY, classes, 9))
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()])
    return network


def logits(network, ids):
    return np.asarray(network(np.asarray(ids, "int32"), training=False))


@every_case
@pytest.mark.parametrize("classes", [2, 3])
def test_it_gives_a_logit_for_each_class(name, options, classes):
    network = build(name, options, classes)
    assert network.name == name
    assert network.output_shape == (None, classes)
    found = logits(network, IDS)
    assert found.shape == (4, classes)
    assert found.dtype == "float32"
    assert np.isfinite(found).all()


@every_case
def test_each_token_counts(name, options):
    network = build(name, options)
    for position in range(IDS.shape[1]):
        other = IDS[:1].copy()
        other[0, position] = 10
        # A maximum over time may pass over a small change; none of these do it.
        assert np.abs(logits(network, other) - logits(network, IDS[:1])).max() > 1e-6, position


@every_case
def test_extra_padding_does_not_change_the_output(name, options):
    network = build(name, options)
    wider = np.pad(IDS, [(0, 0), (0, 4)])
    np.testing.assert_allclose(logits(network, wider), logits(network, IDS), atol=1e-5)


@every_case
def test_neither_the_order_of_a_batch_nor_batch_mates_change_the_output(name, options):
    network = build(name, options)
    together = logits(network, IDS)
    alone = np.concatenate([logits(network, row[None]) for row in IDS])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(logits(network, IDS[::-1])[::-1], together, atol=1e-5)


@every_case
def test_an_empty_row_gives_a_finite_output_of_its_own(name, options):
    network = build(name, options)
    found = logits(network, [[0, 0, 0, 0, 0], IDS[0]])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], logits(network, [[0]]), atol=1e-5)


@every_case
def test_saved_weights_are_loaded_into_a_new_network(name, options, tmp_path):
    network, other = build(name, options), build(name, options)
    path = tmp_path / "model.weights.h5"
    network.save_weights(path)
    other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
    other.load_weights(path)
    np.testing.assert_array_equal(logits(other, IDS), logits(network, IDS))


@every_model
def test_the_loss_falls_on_eight_examples(name):
    network = build(name)
    ids = np.concatenate([IDS, IDS[:, ::-1] % 9 + 1])
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    network.compile(keras.optimizers.Adam(0.02), SmoothedCrossEntropy(), jit_compile=False)
    losses = [network.train_on_batch(ids, labels) for _ in range(40)]
    # train_on_batch gives the mean over all steps so far: the last step's own loss is what it adds.
    last = 40 * losses[-1] - 39 * losses[-2]
    assert last < 0.3 * losses[0]


@every_model
def test_dropout_of_the_defaults_changes_training_and_not_inference(name):
    network = SPECS[name].architecture().build(Sizes(VOCABULARY, 3, 9))
    np.testing.assert_array_equal(logits(network, IDS), logits(network, IDS))
    rates = [field.default for field in dataclasses.fields(SPECS[name].architecture) if "dropout" in field.name]
    if any(rates):
        assert (np.asarray(network(IDS, training=True)) != logits(network, IDS)).any()


# XLA


@every_case
def test_the_network_compiles_under_xla(name, options):
    network = build(name, options)
    compiled = tf.function(lambda ids: network(ids, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(IDS)).numpy(), logits(network, IDS), atol=1e-5)


@every_model
def test_the_training_step_compiles_under_xla_with_the_same_loss_at_each_width(name):
    losses = {}
    for jit in (False, True):
        network = build(name, {option: 1 for option in DEPTHS if hasattr(SPECS[name].architecture, option)})
        optimizer = make_optimizer(TrainingOptions(learning_rate=0.01, weight_decay=0.1), 9)
        network.compile(optimizer, SmoothedCrossEntropy(0.1), jit_compile=jit)
        batches = [(IDS, [0, 1, 2, 0]), (IDS[1:, :3], [1, 2, 0])] * 2
        losses[jit] = [network.train_on_batch(ids, np.array(labels)) for ids, labels in batches]
    np.testing.assert_allclose(losses[True], losses[False], atol=1e-4)
    assert len(set(losses[False])) == 4


# Export


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = Tokenizer(num_words=VOCABULARY, oov_token="<unk>")
    tokenizer.fit_on_texts(["one two three four five six", "seven eight nine one two", "酒店 one"])
    return tokenizer


@pytest.fixture(scope="module", params=SPECS)
def exported(request, tokenizer, tmp_path_factory):
    """A model in memory, and the path of its SavedModel."""
    network = build(request.param)
    graph = ClassifierGraph(network, tokenizer.graph(max_length=9), ["bad", "fair", "好"])
    folder = tmp_path_factory.mktemp("exported")
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(graph, str(folder), signatures=graph.signatures(), options=options)
    return network, folder


def test_the_export_answers_raw_strings_as_the_model_in_memory(exported, tokenizer):
    network, folder = exported
    texts = ["One, two THREE!", "", "never seen", "nine eight seven six five four three two one one one", "酒店好"]
    ids = tokenizer.encode(texts, 9)
    scores = np.exp(logits(network, pad_rows(ids, np.arange(5), 9)))
    expected = scores / scores.sum(axis=1, keepdims=True)
    answers = tf.saved_model.load(str(folder)).signatures["serving_default"](text=tf.constant(texts))
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(answers["probability"], expected.max(axis=1), atol=1e-5)
    names = np.array([name.encode() for name in ["bad", "fair", "好"]], object)
    assert answers["label"].numpy().tolist() == names[expected.argmax(axis=1)].tolist()
    assert answers["labels"].numpy().tolist() == [names.tolist()] * 5


def test_the_signature_of_ids_compiles_under_xla_once_it_is_loaded(exported):
    network, folder = exported
    loaded = tf.saved_model.load(str(folder))
    compiled = tf.function(lambda ids: loaded.signatures["ids"](ids=ids), jit_compile=True)
    for width in (3, 5):
        answers = compiled(tf.constant(IDS[1:, :width]))
        np.testing.assert_allclose(answers["logits"], logits(network, IDS[1:]), atol=1e-5)
        np.testing.assert_allclose(answers["probabilities"].numpy().sum(axis=1), [1, 1, 1], atol=1e-6)


def test_the_exported_graph_holds_core_operations_only_and_nothing_of_this_machine(exported):
    _, folder = exported
    content = (folder / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    operations = set()
    for graph in saved.meta_graphs:
        operations.update(node.op for node in graph.graph_def.node)
        for function in graph.graph_def.library.function:
            operations.update(node.op for node in function.node_def)
    assert "LookupTableFindV2" in operations  # the tokenizer is there
    # No library of further operations is loaded in this process; those that call Python are core operations too.
    unknown = {name for name in operations if op_def_registry.get(name) is None}
    assert not unknown | {name for name in operations if "PyFunc" in name}
    assert not (folder / "debug").exists()
    for trace in (b".py", b"/home", b"site-packages", str(folder).encode()):
        assert trace not in content
