import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.export import verify
from kerasnlp_kit.export.folder import BASELINE, ModelFolder
from kerasnlp_kit.export.saved_model import decision_of
from kerasnlp_kit.export.verify import HARD_TEXTS, ExportMismatch
from kerasnlp_kit.tasks.classification import ClassifierGraph, Decision, NetworkScorer
from kerasnlp_kit.tasks.linear import LinearScorer
from kerasnlp_kit.text.padding import pad_rows

TEXTS = [*HARD_TEXTS, b"My parcel is late", b"I want my money back"]
ROWS = np.array([row for row, text in enumerate(TEXTS) if len(text) < 1_000])  # what the signature `ids` is asked


@pytest.fixture
def here(monkeypatch, prover_here):
    """The SavedModel is asked in this process: seconds less, where what is compared with it is wrong."""
    monkeypatch.setattr(verify, "Prover", prover_here)


class Model(NamedTuple):
    """A model in memory."""

    network: keras.Model
    ids: np.ndarray
    """Padded, of TEXTS."""
    decision: Decision

    def expected(self):
        """Probabilities of TEXTS."""
        return self.decision.probabilities([self.network.predict_on_batch(self.ids)])

    def prove(self, saved_model, labels, expected=None, ids=None):
        numbers = {"ids": self.ids[ROWS] if ids is None else ids}
        expected = self.expected() if expected is None else expected
        with verify.Prover() as prover:
            return prover.prove(saved_model, TEXTS, ROWS, numbers, expected, labels, self.decision)


@pytest.fixture(scope="module")
def model(trained):
    folder = ModelFolder(trained)
    run = folder.run()
    (part,) = run["parts"]
    ids = folder.tokenizer().encode(TEXTS, part["sizes"]["max_length"])
    padded = pad_rows(ids, np.arange(len(TEXTS)), part["sizes"]["max_length"])
    return Model(folder.build_network(part), padded, decision_of(run))


@pytest.fixture
def saved_model(trained):
    return ModelFolder(trained).saved_model()


@pytest.fixture
def labels(trained):
    return ModelFolder(trained).labels()


def test_the_saved_model_answers_hard_texts_as_the_model_in_memory(model, saved_model, labels):
    found = model.prove(saved_model, labels)
    assert found.shape == (len(TEXTS), 12)
    np.testing.assert_allclose(found, model.expected(), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.abs(found[-1] - found[-2]).max() > 0.01  # the order is that of the texts


def test_one_changed_weight_is_noticed(model, saved_model, labels, here):
    layer = model.network.get_layer("logits")
    before = layer.get_weights()
    kernel, bias = (weight.copy() for weight in before)
    bias[3] += 0.01
    layer.set_weights([kernel, bias])
    expected = model.expected()
    layer.set_weights(before)
    with pytest.raises(ExportMismatch, match=r"differs from the model in memory by \d\.\d\de-0\d at text \d+;"):
        model.prove(saved_model, labels, expected)


def test_a_signature_ids_that_answers_otherwise_is_noticed(model, saved_model, labels, here):
    ids = model.ids[ROWS]
    ids[[-1, -2]] = ids[[-2, -1]]  # stands for a graph that mixes up its rows
    with pytest.raises(ExportMismatch, match=r"at text 1[23];"):
        model.prove(saved_model, labels, ids=ids)


def test_swapped_labels_are_noticed(model, saved_model, labels, here):
    swapped = [labels[1], labels[0], *labels[2:]]
    with pytest.raises(ExportMismatch, match=r"labels of .* are not those of the training"):
        model.prove(saved_model, swapped)


def test_a_saved_model_that_cannot_be_loaded_is_noticed(model, tmp_path, labels):
    with pytest.raises(ExportMismatch, match="cannot be used alone"):
        model.prove(tmp_path, labels)


# A mixture, with thresholds

SHORT = [TEXTS[row] for row in ROWS]


class Mixed(NamedTuple):
    """A mixture of a linear model and a network in memory."""

    saved_model: Path
    numbers: dict
    scores: list
    """Of SHORT, by each part."""
    labels: list
    decision: Decision

    def prove(self, **wrong):
        """Proves it; ``wrong`` are parts of the decision that the model in memory has and the SavedModel has not."""
        decision = dataclasses.replace(self.decision, **wrong)
        expected = decision.probabilities(self.scores)
        with verify.Prover() as prover:
            rows = np.arange(len(SHORT))
            return prover.prove(self.saved_model, SHORT, rows, self.numbers, expected, self.labels, decision)

    def other_side(self):
        """The thresholds, but that of one class on the other side of the probability of the last text."""
        probabilities = self.decision.probabilities(self.scores)[-1]
        label, probability = int(probabilities.argmax()), probabilities.max()
        thresholds = np.array(self.decision.thresholds)
        thresholds[label] = probability + (0.01 if probability >= thresholds[label] else -0.01)
        return tuple(thresholds)


both_kinds = pytest.mark.parametrize("mixed", ["one label", "several labels"], indirect=True)
one_kind = pytest.mark.parametrize("mixed", ["one label"], indirect=True)  # what does not differ


@pytest.fixture(scope="module")
def mixed(request, trained, model, tmp_path_factory):
    folder = ModelFolder(trained)
    linear = folder.linear(trained / BASELINE)
    scores = [linear.scores(SHORT), model.network.predict_on_batch(model.ids[ROWS])]
    several = request.param == "several labels"
    # Thresholds that some answers reach and others do not.
    probabilities = Decision((0.8, 1.7), several).probabilities(scores)
    middle = np.median(probabilities, axis=0) if several else [np.median(probabilities.max(axis=1))] * 12
    decision = Decision((0.8, 1.7), several, tuple(float(one) + 1e-3 for one in middle))
    tokenizer = folder.tokenizer().graph(max_length=model.ids.shape[1])
    scorers = [LinearScorer(linear), NetworkScorer(model.network, tokenizer)]
    graph = ClassifierGraph(scorers, folder.labels(), decision)
    path = tmp_path_factory.mktemp("mixed")
    tf.saved_model.save(graph, str(path), signatures=graph.signatures())
    numbers = {"ids": model.ids[ROWS], "ngrams": linear.features.numbers(SHORT)}
    return Mixed(path, numbers, scores, folder.labels(), decision)


@one_kind
def test_a_mixture_answers_as_its_parts_in_memory(mixed):
    found = mixed.prove()
    np.testing.assert_allclose(found, mixed.decision.probabilities(mixed.scores), atol=1e-5)


@one_kind
def test_a_wrong_scale_of_one_part_is_noticed(mixed, here):
    with pytest.raises(ExportMismatch, match="differs from the model in memory"):
        mixed.prove(scales=(0.8, 1.71))


@both_kinds
def test_a_wrong_threshold_is_noticed(mixed, here):
    output = "selected" if mixed.decision.multi_label else "abstain"
    with pytest.raises(ExportMismatch, match=f"`{output}` is not what the thresholds say"):
        mixed.prove(thresholds=mixed.other_side())


@pytest.mark.parametrize("size", [0, 1, 257])
def test_a_batch_of_any_size_is_answered(saved_model, size):
    loaded = tf.saved_model.load(str(saved_model))
    answers = loaded.signatures["serving_default"](text=tf.constant(["My parcel is late"] * size, tf.string, [size]))
    assert {name: tuple(value.shape) for name, value in answers.items()} == {
        "label": (size,),
        "probability": (size,),
        "abstain": (size,),
        "labels": (size, 12),
        "probabilities": (size, 12),
    }


@pytest.mark.parametrize(("count", "sizes"), [(258, [0, 1, 257]), (259, [0, 1, 257, 1]), (600, [0, 1, 257, 256, 86])])
def test_batches_of_0_1_and_257_are_always_asked(count, sizes):
    assert verify.batch_sizes(count) == sizes


def test_long_texts_are_asked_in_smaller_batches_and_the_large_one_is_of_short_ones():
    texts = [b"long " * 1000] * 300 + [b"short"] * 3
    rows = verify.rows_to_ask(texts, enough_short=True)
    lengths = sorted(min(2048, len(texts[row])) for row in rows)
    assert lengths[257] < verify.SHORT and len(rows) == 300 + 258
    sizes = verify.batch_sizes(len(rows), lengths)
    assert sizes[:3] == [0, 1, 257] and sum(sizes) == len(rows)
    # 256 rows of 256 tokens take what 4 of 2048 take, by the square.
    assert set(sizes[3:]) == {4}
    assert verify.batch_sizes(600, [256] * 600) == verify.batch_sizes(600)


def test_a_process_that_the_system_ends_is_told_with_the_signal(tmp_path):
    with verify.Prover() as prover:
        prover._process.kill()
        prover.ask(tmp_path, {})
        with pytest.raises(ExportMismatch, match="was ended by signal 9, as the system does where memory is short"):
            prover.answers()


@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (0, 0)])
def test_the_signature_ids_answers_no_rows_and_rows_without_tokens(saved_model, shape):
    loaded = tf.saved_model.load(str(saved_model))
    found = loaded.signatures["ids"](ids=tf.zeros(shape, tf.int32))["probabilities"].numpy()
    assert found.shape == (shape[0], 12)
    empty = loaded.signatures["serving_default"](text=tf.constant([""]))["probabilities"].numpy()
    np.testing.assert_allclose(found, np.repeat(empty, shape[0], axis=0), atol=1e-6)


def test_the_probe_can_import_neither_this_package_nor_keras():
    probe = Path(verify.__file__).with_name("probe.py")
    program = (
        f"import runpy; runpy.run_path({str(probe)!r}, run_name='__main__')\n"
        "for name in ('keras', 'kerasnlp_kit', 'kerasnlp_kit.models'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ImportError:\n"
        "        print(name, 'is barred')\n"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["keras is barred", "kerasnlp_kit is barred", "kerasnlp_kit.models is barred"]


# The comparison itself, on answers made up

EXPECTED = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]])


def compare(found, label=(0, 0), probability=None, abstain=(False, False), thresholds=None):
    found = np.asarray(found, "float32")
    label = np.array(label)
    chosen = found[np.arange(len(label)), label] if probability is None else np.float32(probability)
    answers = {"probabilities": found, "label": label, "probability": chosen, "abstain": np.array(abstain)}
    verify._compare(Path("saved"), found, EXPECTED, np.array([7, 5]))
    verify._compare_labels(Path("saved"), answers, EXPECTED, Decision(thresholds=thresholds))


@pytest.mark.parametrize("label", [(0, 0), (0, 1)])
def test_of_two_classes_as_probable_as_each_other_either_is_right(label):
    compare(EXPECTED, label)


def test_differences_within_the_tolerance_are_allowed():
    compare(EXPECTED + 5e-6)


@pytest.mark.parametrize("wrong", [2e-5, np.nan, np.inf])
def test_any_other_difference_is_not_and_the_text_is_named_by_its_number(wrong):
    found = EXPECTED.copy()
    found[1, 2] += wrong
    with pytest.raises(ExportMismatch, match="at text 5;"):
        compare(found)


def test_another_label_than_the_most_probable_is_noticed():
    with pytest.raises(ExportMismatch, match="another label"):
        compare(EXPECTED, (1, 0))


def test_a_probability_that_is_not_that_of_the_label_is_noticed():
    with pytest.raises(ExportMismatch, match="is not that of `label`"):
        compare(EXPECTED, probability=(0.7, 0.2))


def test_another_number_of_classes_is_noticed():
    with pytest.raises(ExportMismatch, match=r"\(2, 2\) probabilities; expected \(2, 3\)"):
        compare(EXPECTED[:, :2])


def test_a_model_without_thresholds_never_abstains():
    with pytest.raises(ExportMismatch, match="`abstain` is not"):
        compare(EXPECTED, abstain=(False, True))


@pytest.mark.parametrize("abstain", [(False, False), (True, True), (True, False)])
def test_who_abstains_is_what_the_threshold_of_the_labels_class_says(abstain):
    thresholds = (0.6, 0.3, 0.1)
    compare(EXPECTED, (0, 1), abstain=(False, False), thresholds=thresholds)
    compare(EXPECTED, (0, 0), abstain=(False, True), thresholds=thresholds)
    with pytest.raises(ExportMismatch, match="`abstain` is not"):
        compare(EXPECTED, (0, 0), abstain=abstain, thresholds=thresholds)


@pytest.mark.parametrize(
    ("thresholds", "selected"), [(None, [[1, 0, 0], [0, 0, 0]]), ((0.7, 0.3, 0.2), [[1, 0, 0], [0, 1, 1]])]
)
def test_what_is_selected_is_what_the_thresholds_say(thresholds, selected):
    decision = Decision(multi_label=True, thresholds=thresholds)
    answers = {"probabilities": EXPECTED.astype("float32"), "selected": np.array(selected, bool)}
    verify._compare_selected(Path("saved"), answers, decision)
    for row, label in np.ndindex(2, 3):
        wrong = {**answers, "selected": answers["selected"].copy()}
        wrong["selected"][row, label] ^= True
        with pytest.raises(ExportMismatch, match="`selected` is not"):
            verify._compare_selected(Path("saved"), wrong, decision)


@pytest.mark.parametrize("count", [3, 300])
def test_few_texts_are_asked_several_times_but_long_ones_once(count):
    texts = [b"long " * 1000, *(b"%d" % number for number in range(count))]
    rows = verify.rows_to_ask(texts)
    assert len(rows) == max(258, len(texts)) == sum(verify.batch_sizes(len(rows)))
    assert rows[: len(texts)].tolist() == list(range(len(texts))) and (rows == 0).sum() == 1
