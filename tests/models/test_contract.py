"""What every model must do. Runs over the registry: a new model is tested without a new test."""

import ast
import dataclasses
import functools
import inspect
import json
import re
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from kerasnlp_kit import registry
from kerasnlp_kit.config import CONFIGS, TrainingOptions, option_names
from kerasnlp_kit.export.folder import ModelFolder, build_network
from kerasnlp_kit.options import parse_run, to_arguments
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.tasks.classification import ClassifierGraph, Decision, NetworkScorer, SmoothedCrossEntropy
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.tokenizer import Tokenizer
from kerasnlp_kit.training.optimization import make_optimizer

MODELS = {spec.name: spec for spec in registry.available()}
NETWORKS = {spec.name: spec for spec in registry.networks("classification")}
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
CASES = [(name, options) for name in NETWORKS for options in [{}, *VARIANTS.get(name, [])]]
NAMES = [" ".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options in CASES]
DEPTHS = ("blocks", "layers")  # options that multiply what XLA has to compile
VOCABULARY = 11
IDS = np.array([[2, 3, 4, 5, 6], [7, 8, 0, 0, 0], [9, 1, 10, 0, 0], [3, 0, 0, 0, 0]], "int32")

every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
every_network = pytest.mark.parametrize("name", NETWORKS)
every_model = pytest.mark.parametrize("name", MODELS)
# Those that are no single network; a network's own way is what all tests of training and export take.
every_composite = pytest.mark.parametrize("name", [name for name, spec in MODELS.items() if spec.kind != "build"])


def build(name, options=None, classes=3):
    """A small network: numbers of things at most 6, no dropout, all weights random (zeros would hide errors)."""
    small = {}
    for field in dataclasses.fields(NETWORKS[name].architecture):
        if isinstance(field.default, float):
            small[field.name] = 0.0
        elif isinstance(field.default, int) and not isinstance(field.default, bool):
            small[field.name] = min(field.default, 6)
    network = NETWORKS[name].architecture(**(small | (options or {}))).build(Sizes(VOCABULARY, classes, 9))
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in network.get_weights()])
    return network


@functools.cache
def _built(name, options, classes):
    return build(name, json.loads(options), classes)


def shared(name, options=None, classes=3):
    """Likewise, for tests that do not change it: one for all."""
    return _built(name, json.dumps(options or {}), classes)


def logits(network, ids):
    return np.asarray(network(np.asarray(ids, "int32"), training=False))


@every_case
@pytest.mark.parametrize("classes", [2, 3])
def test_it_gives_a_logit_for_each_class(name, options, classes):
    network = shared(name, options, classes)
    assert network.name == name
    assert network.output_shape == (None, classes)
    found = logits(network, IDS)
    assert found.shape == (4, classes)
    assert found.dtype == "float32"
    assert np.isfinite(found).all()


@every_case
def test_each_token_counts(name, options):
    network = shared(name, options)
    for position in range(IDS.shape[1]):
        other = IDS[:1].copy()
        other[0, position] = 10
        # A maximum over time may pass over a small change; none of these do it.
        assert np.abs(logits(network, other) - logits(network, IDS[:1])).max() > 1e-6, position


@every_case
def test_extra_padding_does_not_change_the_output(name, options):
    network = shared(name, options)
    for more in (4, 9):  # also beyond the 9 tokens that are read of a text
        wider = np.pad(IDS, [(0, 0), (0, more)])
        np.testing.assert_allclose(logits(network, wider), logits(network, IDS), atol=1e-5)


@every_case
def test_neither_the_order_of_a_batch_nor_batch_mates_change_the_output(name, options):
    network = shared(name, options)
    together = logits(network, IDS)
    alone = np.concatenate([logits(network, row[None]) for row in IDS])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(logits(network, IDS[::-1])[::-1], together, atol=1e-5)


@every_case
def test_an_empty_row_gives_a_finite_output_of_its_own(name, options):
    network = shared(name, options)
    found = logits(network, [[0, 0, 0, 0, 0], IDS[0]])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:1], logits(network, [[0]]), atol=1e-5)


@every_case
def test_what_run_json_says_of_it_is_enough_to_build_it_again(name, options):
    sizes = Sizes(VOCABULARY, 3, 9)
    architecture = NETWORKS[name].architecture(**options)
    part = {"model": name, "architecture": dataclasses.asdict(architecture), "sizes": dataclasses.asdict(sizes)}
    again = build_network(json.loads(json.dumps(part)))
    assert again.get_config() == architecture.build(sizes).get_config()


@every_case
def test_saved_weights_are_loaded_into_a_new_network(name, options, tmp_path):
    network, other = shared(name, options), build(name, options)
    path = tmp_path / "model.weights.h5"
    network.save_weights(path)
    other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
    other.load_weights(path)
    np.testing.assert_array_equal(logits(other, IDS), logits(network, IDS))


@every_network
def test_the_loss_falls_on_eight_examples(name):
    network = build(name)
    ids = np.concatenate([IDS, IDS[:, ::-1] % 9 + 1])
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    network.compile(keras.optimizers.Adam(0.02), SmoothedCrossEntropy(), jit_compile=False)
    losses = [network.train_on_batch(ids, labels) for _ in range(40)]
    # train_on_batch gives the mean over all steps so far: the last step's own loss is what it adds.
    last = 40 * losses[-1] - 39 * losses[-2]
    assert last < 0.3 * losses[0]


@every_network
def test_dropout_of_the_defaults_changes_training_and_not_inference(name):
    network = NETWORKS[name].architecture().build(Sizes(VOCABULARY, 3, 9))
    np.testing.assert_array_equal(logits(network, IDS), logits(network, IDS))
    rates = [field.default for field in dataclasses.fields(NETWORKS[name].architecture) if "dropout" in field.name]
    if any(rates):
        assert (np.asarray(network(IDS, training=True)) != logits(network, IDS)).any()


# XLA


@every_case
def test_the_network_compiles_under_xla(name, options):
    network = shared(name, options)
    compiled = tf.function(lambda ids: network(ids, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(IDS)).numpy(), logits(network, IDS), atol=1e-5)


@every_network
def test_the_training_step_compiles_under_xla_with_the_same_loss_at_each_width(name):
    losses = {}
    for jit in (False, True):
        network = build(name, {option: 1 for option in DEPTHS if hasattr(NETWORKS[name].architecture, option)})
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


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, tokenizer, tmp_path_factory):
    """A network in memory, and the path of its SavedModel."""
    network = build(request.param)
    graph = ClassifierGraph(
        [NetworkScorer(network, tokenizer.graph(max_length=9))], ["bad", "fair", "好"], Decision(scales=(0.5,))
    )
    folder = tmp_path_factory.mktemp("exported")
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(graph, str(folder), signatures=graph.signatures(), options=options)
    return network, folder


def test_the_export_answers_raw_strings_as_the_network_in_memory(exported, tokenizer):
    network, folder = exported
    texts = ["One, two THREE!", "", "never seen", "nine eight seven six five four three two one one one", "酒店好"]
    ids = tokenizer.encode(texts, 9)
    scores = np.exp(0.5 * logits(network, pad_rows(ids, np.arange(5), 9)))
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
        np.testing.assert_allclose(answers["logits"], 0.5 * logits(network, IDS[1:]), atol=1e-5)
        np.testing.assert_allclose(answers["probabilities"].numpy().sum(axis=1), [1, 1, 1], atol=1e-6)


def assert_core_operations_only_and_nothing_of_this_machine(folder):
    content = (folder / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    operations = set()
    for graph in saved.meta_graphs:
        operations.update(node.op for node in graph.graph_def.node)
        for function in graph.graph_def.library.function:
            operations.update(node.op for node in function.node_def)
    assert "LookupTableFindV2" in operations  # the way from strings to numbers is there
    # No library of further operations is loaded in this process; those that call Python are core operations too.
    unknown = {name for name in operations if op_def_registry.get(name) is None}
    assert not unknown | {name for name in operations if "PyFunc" in name}
    assert not (folder / "debug").exists()
    for trace in (b".py", b"/home", b"site-packages", str(folder).encode()):
        assert trace not in content


def test_the_exported_graph_holds_core_operations_only_and_nothing_of_this_machine(exported):
    assert_core_operations_only_and_nothing_of_this_machine(exported[1])


# All models, networks or not


def own_fields(architecture):
    """Fields that the class itself declares, and whether a string stands below each."""
    (body,) = (node.body for node in ast.parse(textwrap.dedent(inspect.getsource(architecture))).body)
    following = [*body[1:], None]
    return {
        node.target.id: isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and bool(after.value.value)
        for node, after in zip(body, following, strict=True)
        if isinstance(node, ast.AnnAssign)
    }


@every_model
def test_it_and_its_options_are_described_and_have_defaults(name):
    spec = MODELS[name]
    assert spec.summary[0].isupper() and spec.summary.endswith(".")
    assert all(own_fields(spec.architecture).values())
    assert dataclasses.is_dataclass(spec.architecture()), "each option has a default"
    groups = CONFIGS[spec.task].groups().values()
    general = {option.name for group in groups for option in dataclasses.fields(group)}
    assert not general & {field.name for field in dataclasses.fields(spec.architecture)}


@every_model
def test_its_defaults_and_presets_are_values_that_the_command_line_takes(name):
    spec = MODELS[name]
    for preset in (None, *spec.presets):
        chosen = {**spec.defaults, **(spec.presets[preset] if preset else {})}
        assert set(chosen) <= set(option_names(spec.task, spec.architecture))
        config, _ = parse_run(["a.csv", "--model", name, *(["--preset", preset] if preset else [])])
        found = config.flat()
        assert {option: found[option] for option in chosen} == chosen


@every_model
def test_what_it_is_made_of_are_single_models_of_the_registry(name):
    architecture = MODELS[name].architecture()
    for rung in getattr(architecture, "rungs", ()):
        assert MODELS[rung].kind in ("rules", "build")
    parts = architecture.parts() if MODELS[name].kind == "parts" else {}
    for part, own in parts.items():
        assert MODELS[part].kind in ("rules", "build")
        assert own == MODELS[part].architecture()
        for field in dataclasses.fields(own):
            assert hasattr(architecture, field.name), "each option of a part is one of the whole"


def small(spec):
    """Options of a small model: numbers of things at most 6, no dropout, of several rungs the first."""
    options = {"epochs": 4, "patience": 4, "learning_rate": 0.03, "batch_size": 16} if spec.kind == "parts" else {}
    for field in dataclasses.fields(spec.architecture):
        if field.name.endswith("dropout"):
            options[field.name] = 0.0
        elif type(field.default) is int:
            options[field.name] = min(field.default, 6)
        elif field.name == "rungs":
            options[field.name] = field.default[:1]
    return options


@every_composite
def test_it_is_trained_from_a_file_to_a_folder_that_is_proven_and_answers_alone(name, write_topics, command, tmp_path):
    write_topics(tmp_path / "topics.csv", 90)
    options = ["--model", name, "--models", tmp_path, "--name", "tiny", *to_arguments(small(MODELS[name]))]
    ran = command("train", tmp_path / "topics.csv", *options)
    assert ran.code == 0, ran.out + ran.err
    assert re.search(r"The SavedModel answers \d+ texts as the model in memory does", ran.out)
    folder = ModelFolder(tmp_path / "tiny")
    folder.verify()
    # One word tells the label; always the same answer would be right on a third of the rows.
    (dev,) = folder.read_json("metrics.json").values()
    assert dev["accuracy"] >= 0.8
    assert_run_json_describes_the_parts(name, folder)
    saved_model = folder.saved_model()
    loaded = tf.saved_model.load(str(saved_model))
    assert_a_text_has_its_answer_whatever_is_asked_beside_it(loaded)
    assert_the_signature_of_numbers_compiles_under_xla(loaded)
    assert_core_operations_only_and_nothing_of_this_machine(saved_model)


def assert_run_json_describes_the_parts(name, folder):
    run = folder.run()
    assert (run["model"], run["task"]) == (name, MODELS[name].task)
    weights = {folder.weights(part).name for part in run["parts"]}
    assert weights <= {path.name for path in (folder.path / "weights").iterdir()}
    assert all(part["scale"] >= 0 for part in run["parts"]) and any(part["scale"] > 0 for part in run["parts"])
    for part in run["parts"]:
        if part["kind"] == "linear":
            model = folder.linear(folder.weights(part))
            assert part["features"] == len(model.features.keys), "of the model that is exported"
            assert part["training"]["parameters"] == model.weights.size + model.bias.size
            assert part["strength"] in part["architecture"]["strengths"]


def assert_a_text_has_its_answer_whatever_is_asked_beside_it(loaded):
    classify = loaded.signatures["serving_default"]
    texts = ["f1 the f2", "", "m0", "S3 a a of s1 s1 s2 s3 the the m1", "\x00", "很好", "f1 " * 300]
    together = classify(text=tf.constant(texts))["probabilities"].numpy()
    np.testing.assert_allclose(together.sum(axis=1), np.ones(7), atol=1e-6)
    alone = np.concatenate([classify(text=tf.constant([text]))["probabilities"].numpy() for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    backwards = classify(text=tf.constant(texts[::-1]))["probabilities"].numpy()[::-1]
    np.testing.assert_allclose(backwards, together, atol=1e-6)


def assert_the_signature_of_numbers_compiles_under_xla(loaded):
    signature = loaded.signatures["ids"]
    inputs = {put: tf.constant(IDS % 5) for put in signature.structured_input_signature[1]}
    assert set(inputs) <= {"ids", "ngrams"}
    compiled, plain = tf.function(lambda: signature(**inputs), jit_compile=True)(), signature(**inputs)
    for output in ("logits", "probabilities"):
        np.testing.assert_allclose(compiled[output], plain[output], atol=1e-5)
        assert np.isfinite(plain[output]).all()
