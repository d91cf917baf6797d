import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.export import verify
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.export.verify import HARD_TEXTS, ExportMismatch, prove
from kerasnlp_kit.tasks.classification import predict_probabilities
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.tokenizer import Tokenizer

TEXTS = [*HARD_TEXTS, b"My parcel is late", b"I want my money back"]


@pytest.fixture(scope="module")
def model(trained):
    """The network, what asks it for the probabilities of TEXTS, and their padded ids."""
    folder = ModelFolder(trained)
    tokenizer = Tokenizer.from_json((trained / "tokenizer.json").read_text())
    ids = tokenizer.encode(TEXTS, folder.run()["sizes"]["max_length"])
    network = folder.build_network()
    plan = [(max(1, int(ids.lengths.max())), np.arange(len(TEXTS)))]
    return network, lambda: predict_probabilities(network, ids, plan), pad_rows(ids, np.arange(len(TEXTS)), plan[0][0])


@pytest.fixture
def saved_model(trained):
    return ModelFolder(trained).saved_model()


@pytest.fixture
def labels(trained):
    return ModelFolder(trained).labels()


def test_the_saved_model_answers_hard_texts_as_the_model_in_memory(model, saved_model, labels):
    _, ask, _ = model
    found = prove(saved_model, TEXTS, model[2], ask(), labels)
    assert found.shape == (len(TEXTS), 12)
    np.testing.assert_allclose(found, ask(), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.abs(found[-1] - found[-2]).max() > 0.01  # the order is that of the texts


def test_one_changed_weight_is_noticed(model, saved_model, labels):
    network, ask, _ = model
    layer = network.get_layer("logits")
    before = layer.get_weights()
    kernel, bias = (weight.copy() for weight in before)
    bias[3] += 0.01
    layer.set_weights([kernel, bias])
    expected = ask()
    layer.set_weights(before)
    with pytest.raises(ExportMismatch, match=r"differs from the model in memory by \d\.\d\de-0\d at text \d+ of 14;"):
        prove(saved_model, TEXTS, model[2], expected, labels)


def test_a_signature_ids_that_answers_otherwise_is_noticed(model, saved_model, labels):
    ids = model[2].copy()
    ids[[-1, -2]] = ids[[-2, -1]]  # stands for a graph that mixes up its rows
    with pytest.raises(ExportMismatch, match=r"at text 1[23] of 14"):
        prove(saved_model, TEXTS, ids, model[1](), labels)


def test_swapped_labels_are_noticed(model, saved_model, labels):
    swapped = [labels[1], labels[0], *labels[2:]]
    with pytest.raises(ExportMismatch, match=r"labels of .* are not those of the training"):
        prove(saved_model, TEXTS, model[2], model[1](), swapped)


def test_a_saved_model_that_cannot_be_loaded_is_noticed(model, tmp_path, labels):
    with pytest.raises(ExportMismatch, match="cannot be used alone"):
        prove(tmp_path, TEXTS, model[2], model[1](), labels)


@pytest.mark.parametrize("size", [0, 1, 257])
def test_a_batch_of_any_size_is_answered(saved_model, size):
    loaded = tf.saved_model.load(str(saved_model))
    answers = loaded.signatures["serving_default"](text=tf.constant(["My parcel is late"] * size, tf.string, [size]))
    assert {name: tuple(value.shape) for name, value in answers.items()} == {
        "label": (size,),
        "probability": (size,),
        "labels": (size, 12),
        "probabilities": (size, 12),
    }


@pytest.mark.parametrize(("count", "sizes"), [(258, [0, 1, 257]), (259, [0, 1, 257, 1]), (600, [0, 1, 257, 256, 86])])
def test_batches_of_0_1_and_257_are_always_asked(count, sizes):
    assert verify._batch_sizes(count) == sizes


def test_the_probe_can_import_neither_this_package_nor_keras():
    probe = Path(verify.__file__).with_name("probe.py")
    program = (
        f"import runpy; runpy.run_path({str(probe)!r})\n"
        "for name in ('keras', 'kerasnlp_kit', 'kerasnlp_kit.models'):\n"
        "    try:\n"
        "        __import__(name)\n"
        "    except ImportError:\n"
        "        print(name, 'is barred')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["keras is barred", "kerasnlp_kit is barred", "kerasnlp_kit.models is barred"]


# The comparison itself, on answers made up

EXPECTED = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]])


def compare(found, label=(0, 0), probability=None):
    found = np.asarray(found, "float32")
    label = np.array(label)
    chosen = found[np.arange(len(label)), label] if probability is None else np.float32(probability)
    verify._compare(Path("saved"), found, EXPECTED, np.array([7, 5]))
    verify._compare_labels(Path("saved"), found, label, chosen, EXPECTED)


@pytest.mark.parametrize("label", [(0, 0), (0, 1)])
def test_of_two_classes_as_probable_as_each_other_either_is_right(label):
    compare(EXPECTED, label)


def test_differences_within_the_tolerance_are_allowed():
    compare(EXPECTED + 5e-6)


@pytest.mark.parametrize("wrong", [2e-5, np.nan, np.inf])
def test_any_other_difference_is_not_and_the_text_is_named_by_its_number(wrong):
    found = EXPECTED.copy()
    found[1, 2] += wrong
    with pytest.raises(ExportMismatch, match="at text 5 of 8"):
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
