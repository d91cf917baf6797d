"""What the weights start from: an earlier model, word vectors, frozen layers."""

import csv
import json
import re

import h5py
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from kerasnlp_kit.api import start
from kerasnlp_kit.data.examples import read_examples
from kerasnlp_kit.data.split import split_rows
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder, build_network, sha256
from kerasnlp_kit.text.padding import pad_rows


def embedding_of(folder):
    with h5py.File(folder / "weights" / "cnn_classifier.weights.h5") as file:
        return file["layers/embedding/vars/0"][()]


def network_like(folder, classes, **changes):
    """A fresh network of the sizes of a trained one, but for the number of classes."""
    (part,) = folder.run()["parts"]
    architecture, sizes = {**part["architecture"], **changes}, {**part["sizes"], "classes": classes}
    return build_network({**part, "architecture": architecture, "sizes": sizes})


def test_an_earlier_model_gives_its_weights_and_shared_classes_keep_their_column(trained):
    earlier = ModelFolder(trained)
    before = earlier.labels()
    labels = ["a new one", before[5], before[2]]
    network = network_like(earlier, 3)
    fresh = network.get_layer("logits").get_weights()
    said = []
    start.put_earlier_weights(network, "cnn_classifier", labels, earlier, said.append)
    assert "2 of 3 classes were known there" in said[0]
    source = earlier.build_network(earlier.run()["parts"][0])
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
        start.put_earlier_weights(network, "cnn_classifier", earlier.labels()[:3], earlier, print)


def test_of_another_kind_of_model_the_embedding_is_taken_over(trained):
    earlier = ModelFolder(trained)
    (part,) = earlier.run()["parts"]
    sizes = {**part["sizes"], "classes": 3}
    size = part["architecture"]["embedding_dim"]
    architecture = {"units": 4, "embedding_dim": size}
    network = build_network({"model": "lstm_classifier", "architecture": architecture, "sizes": sizes})
    before = [layer.get_weights() for layer in network.layers if layer.name != "embedding"]
    said = []
    start.put_earlier_weights(network, "lstm_classifier", ["a", "b", "c"], earlier, said.append)
    assert "the embedding is taken over; cnn_classifier is another kind" in said[0]
    source = earlier.build_network(part).get_layer("embedding").get_weights()
    np.testing.assert_array_equal(network.get_layer("embedding").get_weights()[0], source[0])
    after = [layer.get_weights() for layer in network.layers if layer.name != "embedding"]
    for one, other in zip(before, after, strict=True):
        for fresh, found in zip(one, other, strict=True):
            np.testing.assert_array_equal(fresh, found)
    smaller = build_network({"model": "lstm_classifier", "architecture": {"embedding_dim": size + 1}, "sizes": sizes})
    with pytest.raises(UserError, match="The embedding does not fit"):
        start.put_earlier_weights(smaller, "lstm_classifier", ["a"], earlier, print)


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


def test_fine_tuning_keeps_frozen_layers_bit_identical_and_names_its_ancestor(trained, command, tmp_path):
    labels = [ModelFolder(trained).labels()[0], "a new one"]
    rows = [f"parcel {'late' if row % 2 else 'lost'} {row % 5},{labels[row % 2]}" for row in range(60)]
    (tmp_path / "new.csv").write_text("\n".join(["text,label", *rows]))
    options = ["--freeze", "embedding", "--models", tmp_path, "--epochs=2", "--no-calibrate"]
    ran = command("train", tmp_path / "new.csv", "--from", trained, *options)
    assert ran.code == 0, ran.out + ran.err
    assert re.search(r"^frozen +embedding$", ran.out, re.MULTILINE)
    assert "1 of 2 classes were known there" in ran.out
    np.testing.assert_array_equal(embedding_of(tmp_path / "new"), embedding_of(trained))
    run = json.loads((tmp_path / "new" / "run.json").read_text())
    (ancestor,) = run["ancestry"]
    assert ancestor["model"] == str(trained)
    assert ancestor["manifest"] == f"sha256:{sha256(trained / 'manifest.json')}"
    (part,) = run["parts"]
    assert (part["model"], part["sizes"]["vocabulary"], part["sizes"]["classes"]) == ("cnn_classifier", 400, 2)
    assert part["architecture"] == ModelFolder(trained).run()["parts"][0]["architecture"]
    assert part["scale"] == 1.0, "not calibrated"
    assert (tmp_path / "new" / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()


def test_frozen_word_vectors_are_those_of_the_file_in_the_end(write_topics, command, tmp_path):
    data = write_topics(tmp_path / "topics.csv", 60)
    vectors = {f"{letter}{number}": [number, -1, ord(letter), 0.5] for letter in "fm" for number in range(4)}
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in vectors.items()]
    (tmp_path / "vectors.txt").write_text("\n".join(lines))
    options = ["--freeze", "embedding", "--vectors", tmp_path / "vectors.txt", "--epochs=2", "--filters=4"]
    ran = command("train", data, "--model", "cnn_classifier", "--models", tmp_path, *options)
    assert ran.code == 0, ran.out + ran.err
    table = embedding_of(tmp_path / "topics")
    words = json.loads((tmp_path / "topics" / "tokenizer.json").read_text())["config"]["word_index"]
    assert table.shape == (len(words) + 1, 4)
    for word, vector in vectors.items():
        np.testing.assert_array_equal(table[words[word]], vector)
    run = ModelFolder(tmp_path / "topics").run()
    assert run["parts"][0]["architecture"]["embedding_dim"] == 4, "that of the vectors"
    assert run["options"]["embedding_dim"] == 4, "so that a model that starts from this one fits"


def test_run_json_says_what_the_network_is_and_how_it_was_trained(trained):
    run = ModelFolder(trained).run()
    (part,) = run["parts"]
    assert set(part) == {"name", "kind", "model", "architecture", "sizes", "widths", "scale", "training"}
    assert (part["name"], part["kind"], part["model"]) == ("cnn_classifier", "network", run["model"])
    assert part["architecture"] == {name: run["options"][name] for name in part["architecture"]}
    longest = run["max_length"]
    assert part["sizes"] == {"vocabulary": 400, "classes": 12, "max_length": longest}
    assert part["widths"] == sorted(part["widths"]) and part["widths"][-1] == longest
    assert part["scale"] > 0 and part["scale"] != 1.0, "found on dev, so that probabilities are honest"
    training = part["training"]
    assert set(training) == {"history", "best_epoch", "seconds", "interrupted", "parameters"}
    with (trained / "history.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for name, values in training["history"].items():
        assert values == [float(line[name]) for line in lines]
    accuracy = training["history"]["val_accuracy"]
    assert accuracy[training["best_epoch"] - 1] == max(accuracy)
    assert training["interrupted"] is False
    network = ModelFolder(trained).build_network(part)
    assert training["parameters"] == network.count_params()
    decision = run["decision"]
    assert (decision["multi_label"], decision["thresholds"], decision["refit"]) == (False, None, False)


def test_the_scale_of_run_json_is_the_one_that_makes_the_dev_labels_most_probable(trained, tickets):
    """That of the minimum of the log loss, as SciPy finds it along a line."""
    folder = ModelFolder(trained)
    (part,) = folder.run()["parts"]
    examples = read_examples(tickets)
    _, rows = split_rows(examples.texts, examples.labels, 0.1, 0)
    dev = examples.take(rows)
    network, longest = folder.build_network(part), part["sizes"]["max_length"]
    padded = pad_rows(folder.tokenizer().encode(dev.texts, longest), np.arange(len(rows)), longest)
    logits = network.predict_on_batch(padded).astype("float64")
    labels = [folder.labels().index(name) for name in dev.gold()]

    def loss(scale):
        log = log_softmax(scale * logits, axis=1)
        return -log[np.arange(len(rows)), labels].sum() - log.mean()  # and one row that is all labels alike

    assert part["scale"] == pytest.approx(minimize_scalar(loss, bounds=(0.01, 50), method="bounded").x, rel=1e-3)


@pytest.mark.parametrize(
    "changed",
    [{"finished": None}, {"data": {}}, {"data": {"train": 1}}, {"ancestry": [1]}, {"ancestry": [{"model": "m"}]}],
    ids=["finished", "no data", "data", "ancestor", "manifest"],
)
def test_what_a_folder_says_of_its_own_past_is_checked_before_a_training_begins(trained, tmp_path, changed):
    (tmp_path / "run.json").write_text(json.dumps({**ModelFolder(trained).run(), **changed}))
    with pytest.raises(UserError, match=r"run\.json must tell the data, .* train the model again"):
        start.ancestry(ModelFolder(tmp_path))
