"""What the weights start from: an earlier model, word vectors, frozen layers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.api import start
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder, sha256
from kerasnlp_kit.registry import Sizes

CHECKOUT = Path(__file__).resolve().parents[2]


def train(*arguments):
    command = [sys.executable, CHECKOUT / "train.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def embedding_of(folder):
    with h5py.File(folder / "weights" / "model.weights.h5") as file:
        return file["layers/embedding/vars/0"][()]


def network_like(folder, classes, **changes):
    """A fresh network of the sizes of a trained one, but for the number of classes."""
    run = folder.run()
    architecture = {**run["architecture"], "kernels": tuple(run["architecture"]["kernels"]), **changes}
    sizes = Sizes(**{**run["sizes"], "classes": classes})
    return registry.find(run["model"]).architecture(**architecture).build(sizes)


def test_an_earlier_model_gives_its_weights_and_shared_classes_keep_their_column(trained):
    earlier = ModelFolder(trained)
    before = earlier.labels()
    labels = ["a new one", before[5], before[2]]
    network = network_like(earlier, 3)
    fresh = network.get_layer("logits").get_weights()
    said = []
    start.put_earlier_weights(network, labels, earlier, said.append)
    assert "2 of 3 classes were known there" in said[0]
    source = earlier.build_network()
    for layer in source.layers:
        if layer.name != "logits":
            for found, expected in zip(network.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
                np.testing.assert_array_equal(found, expected)
    found, old = network.get_layer("logits").get_weights(), source.get_layer("logits").get_weights()
    for weight, start_of_it, earlier_weight in zip(found, fresh, old, strict=True):
        np.testing.assert_array_equal(weight[..., 0], start_of_it[..., 0])
        np.testing.assert_array_equal(weight[..., [1, 2]], earlier_weight[..., [5, 2]])


def test_an_earlier_model_of_other_sizes_is_refused_with_the_layer(trained):
    earlier = ModelFolder(trained)
    network = network_like(earlier, 3, embedding_dim=5)
    with pytest.raises(UserError, match="Layer 'embedding' does not fit"):
        start.put_earlier_weights(network, earlier.labels()[:3], earlier, print)


def test_freezing_takes_the_names_of_layers_or_how_they_start(trained):
    network = network_like(ModelFolder(trained), 3, kernels=(1, 2))
    assert start.freeze(network, ["embedding", "conv"]) == ["embedding", "convolution_1", "convolution_2"]
    trainable = {variable.path.split("/")[0] for variable in network.trainable_variables}
    assert trainable == {"logits"}


def test_a_wrong_name_to_freeze_is_told_with_the_right_ones(trained):
    network = network_like(ModelFolder(trained), 3)
    with pytest.raises(
        UserError, match=r"--freeze nonsense: no such layer; there are: embedding, convolution_1, logits"
    ):
        start.freeze(network, ["nonsense"])


def test_something_must_be_left_to_train(trained):
    network = network_like(ModelFolder(trained), 3)
    with pytest.raises(UserError, match="leaves nothing to train"):
        start.freeze(network, ["embedding", "convolution_1", "logits"])


def test_word_vectors_become_the_rows_of_the_embedding_and_the_others_get_their_spread(trained):
    network = network_like(ModelFolder(trained), 3)
    random = np.random.default_rng(0)
    matrix = random.normal(scale=3, size=(400, 8)).astype("float32")
    found = random.random(400) < 0.5
    start.put_vectors(network, matrix, found)
    (weights,) = network.get_layer("embedding").get_weights()
    np.testing.assert_array_equal(weights[found], matrix[found])
    assert weights[~found].std() == pytest.approx(3, rel=0.1)


def test_fine_tuning_keeps_frozen_layers_bit_identical_and_names_its_ancestor(trained, tmp_path):
    labels = [ModelFolder(trained).labels()[0], "a new one"]
    rows = [f"parcel {'late' if row % 2 else 'lost'} {row % 5},{labels[row % 2]}" for row in range(60)]
    (tmp_path / "new.csv").write_text("\n".join(["text,label", *rows]))
    done = train(tmp_path / "new.csv", "--from", trained, "--freeze", "embedding", "--models", tmp_path, "--epochs=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^frozen +embedding$", done.stdout, re.MULTILINE)
    assert "1 of 2 classes were known there" in done.stdout
    np.testing.assert_array_equal(embedding_of(tmp_path / "new"), embedding_of(trained))
    run = json.loads((tmp_path / "new" / "run.json").read_text())
    (ancestor,) = run["ancestry"]
    assert ancestor["model"] == str(trained)
    assert ancestor["manifest"] == f"sha256:{sha256(trained / 'manifest.json')}"
    assert run["sizes"]["vocabulary"] == 400
    assert (tmp_path / "new" / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()


def test_frozen_word_vectors_are_those_of_the_file_in_the_end(write_topics, tmp_path):
    data = write_topics(tmp_path / "topics.csv", 60)
    vectors = {f"{letter}{number}": [number, -1, ord(letter), 0.5] for letter in "fm" for number in range(4)}
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in vectors.items()]
    (tmp_path / "vectors.txt").write_text("\n".join(lines))
    options = ["--freeze", "embedding", "--vectors", tmp_path / "vectors.txt", "--epochs=2", "--filters=4"]
    done = train(data, "--models", tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    table = embedding_of(tmp_path / "topics")
    words = json.loads((tmp_path / "topics" / "tokenizer.json").read_text())["config"]["word_index"]
    assert table.shape == (len(words) + 1, 4)
    for word, vector in vectors.items():
        np.testing.assert_array_equal(table[words[word]], vector)
