import dataclasses
import json
import os
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit import registry
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import BASELINE, ModelFolder, build_network, sha256


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a model's, with its manifest; it is never loaded."""
    files = {
        "run.json": '{"format": 2}',
        "labels.json": '["bad", "good"]',
        "saved_model/1/saved_model.pb": "graph",
        "saved_model/1/variables/variables.index": "index",
    }
    path = tmp_path / "models" / "tiny"
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    folder = ModelFolder(path)
    folder.write_manifest()
    return folder


def change_manifest(folder, name, value):
    manifest = json.loads((folder.path / "manifest.json").read_text())
    manifest["files"][name] = value
    (folder.path / "manifest.json").write_text(json.dumps(manifest))


def test_an_untouched_folder_is_right(folder):
    folder.verify()
    assert json.loads((folder.path / "manifest.json").read_text())["files"].keys() == {
        "run.json",
        "labels.json",
        "saved_model/1/saved_model.pb",
        "saved_model/1/variables/variables.index",
    }


def test_the_hash_is_sha_256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("name", ["labels.json", "saved_model/1/variables/variables.index"])
def test_a_missing_file_is_named(folder, name):
    (folder.path / name).unlink()
    with pytest.raises(UserError, match=f"not a complete model folder: {name} is missing"):
        folder.verify()


@pytest.mark.parametrize("name", ["labels.json", "saved_model/1/saved_model.pb"])
def test_a_changed_byte_is_noticed(folder, name):
    content = (folder.path / name).read_bytes()
    (folder.path / name).write_bytes(content[:-1] + b"!")
    with pytest.raises(UserError, match=f"{name} is not what manifest.json says"):
        folder.verify()


@pytest.mark.parametrize("name", ["saved_model/1/assets/more.txt", "saved_model/2/saved_model.pb"])
def test_a_file_that_was_put_into_the_saved_model_is_noticed(folder, name):
    (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / name).write_text("more")
    with pytest.raises(UserError, match=f"{name} is not in manifest.json"):
        folder.verify()


@pytest.mark.parametrize("name", ["../outside", "saved_model/../../outside", "/etc/hostname"])
def test_a_manifest_never_makes_us_read_outside_of_the_folder(folder, name):
    (folder.path.parent / "outside").write_text("secret")
    change_manifest(folder, name, sha256(folder.path.parent / "outside"))
    with pytest.raises(UserError, match="names a file outside the folder"):
        folder.verify()


def test_a_link_that_leads_outside_of_the_folder_is_not_followed(folder):
    (folder.path.parent / "outside").write_text("secret")
    (folder.path / "link").symlink_to("../outside")
    change_manifest(folder, "link", sha256(folder.path.parent / "outside"))
    with pytest.raises(UserError, match="names a file outside the folder"):
        folder.verify()


@pytest.mark.parametrize("content", ["", "{", '"text"', "[]", "{}", '{"files": []}', '{"files": null}', "\xff"])
def test_a_broken_manifest_is_the_users_error(folder, content):
    (folder.path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"manifest\.json"):
        folder.verify()


def test_a_link_within_the_folder_is_refused(folder):
    (folder.path / "saved_model" / "2").symlink_to("1")
    with pytest.raises(UserError, match="is a link"):
        folder.verify()


def test_a_file_beside_the_saved_model_that_the_manifest_omits_is_noticed(folder):
    (folder.path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json is not in manifest\.json"):
        folder.verify()


def test_a_manifest_with_a_wrong_hash_is_noticed(folder):
    change_manifest(folder, "labels.json", None)
    with pytest.raises(UserError, match=r"labels\.json is not what manifest\.json says"):
        folder.verify()


def test_a_missing_folder_names_its_neighbours(folder):
    with pytest.raises(UserError, match=r"There is no model folder .*teeny\. Did you mean .*models/tiny\?"):
        ModelFolder(folder.path.with_name("teeny")).verify()
    work = folder.path.with_name("tiny.unfinished")
    folder.path.rename(work)
    for path, told in ((folder.path, "Its run is unfinished"), (work, "is an unfinished run")):
        (work / "manifest.json").unlink(missing_ok=True)
        with pytest.raises(UserError, match=rf"{told}: it is continued by train\.py --resume .*models/tiny\.$"):
            ModelFolder(path).verify()


def test_a_missing_folder_lists_its_neighbours(folder):
    with pytest.raises(UserError, match="There is no model folder"):
        ModelFolder(folder.path.with_name(250 * "x")).verify()
    with pytest.raises(UserError, match=r"There is no model folder .*large\. In .*models/ there are: tiny\."):
        ModelFolder(folder.path.with_name("large")).verify()


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}', '{"format": 2}', "{}"])
def test_a_run_of_an_unknown_format_is_refused(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        folder.run()


@pytest.mark.parametrize("content", ["{}", "[1]", "x"])
def test_labels_must_be_strings(folder, content):
    (folder.path / "labels.json").write_text(content)
    with pytest.raises(UserError, match=r"labels\.json"):
        folder.labels()


def test_the_newest_version_is_the_one_of_the_highest_number(folder):
    for name in ("2", "10", "old", "11", "²"):
        (folder.path / "saved_model" / name).mkdir()
        if name != "11":  # what holds no SavedModel is no version
            (folder.path / "saved_model" / name / "saved_model.pb").write_text("x")
    assert folder.versions() == [1, 2, 10]
    assert folder.saved_model() == folder.path / "saved_model" / "10"


def test_json_is_written_complete_or_not_at_all(folder):
    with pytest.raises(TypeError):
        folder.write_json("labels.json", {"not": {"json"}})
    assert folder.labels() == ["bad", "good"]


def test_what_a_trained_folder_holds_is_what_its_manifest_says(trained):
    ModelFolder(trained).verify()
    files = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert files == set(ModelFolder(trained).read_json("manifest.json")["files"]) | {"manifest.json"}


@pytest.mark.parametrize("name", ["parts", "decision", "ancestry"])
def test_a_run_that_lacks_something_is_refused_with_its_name(trained, tmp_path, name):
    run = ModelFolder(trained).run()
    (tmp_path / "run.json").write_text(json.dumps({**run, name: None}))
    with pytest.raises(UserError, match=f"must have '{name}'"):
        ModelFolder(tmp_path).run()


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras tries other ways before it gives up
def test_weights_that_do_not_fit_are_the_users_error(trained, tmp_path):
    (part,) = ModelFolder(trained).run()["parts"]
    part["architecture"]["filters"] = 3
    (tmp_path / "weights").symlink_to(trained / "weights")
    with pytest.raises(UserError, match=r"does not fit run\.json"):
        ModelFolder(tmp_path).build_network(part)


@pytest.mark.parametrize("name", ["../cnn", "a/b", "", "/etc/passwd", "Ä", None, ["cnn"]])
@pytest.mark.parametrize("kind", ["linear", "network"])
def test_the_name_of_a_part_never_leads_out_of_the_folder_of_weights(folder, name, kind):
    with pytest.raises(UserError, match="a part needs a name of small letters"):
        folder.weights({"name": name, "kind": kind})


def test_the_weights_of_a_part_are_named_after_it_and_its_kind(folder):
    assert folder.weights({"name": "a_1", "kind": "linear"}) == folder.path / "weights" / "a_1.npz"
    assert folder.weights({"name": "a_1", "kind": "network"}) == folder.path / "weights" / "a_1.weights.h5"


def test_the_linear_model_of_a_trained_folder_is_read(trained):
    model = ModelFolder(trained).linear(trained / BASELINE)
    assert model.scores(["My parcel is late"]).shape == (1, 12)


@pytest.mark.parametrize("left", [None, 0, 100, 2_000])
def test_a_damaged_linear_model_is_the_users_error(trained, tmp_path, left):
    path = tmp_path / "ngram_linear.npz"
    if left is not None:
        path.write_bytes((trained / BASELINE).read_bytes()[:left])
    with pytest.raises(UserError, match=r"ngram_linear\.npz cannot be read"):
        ModelFolder(tmp_path).linear(path)


def test_objects_in_a_linear_model_are_never_unpickled(tmp_path):
    path = tmp_path / "ngram_linear.npz"
    np.savez(path, rules=np.array([print], object))
    with pytest.raises(UserError, match=r"ngram_linear\.npz cannot be read"):
        ModelFolder(tmp_path).linear(path)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_network_to_export_has_no_operation_that_only_a_gpu_knows(monkeypatch, cell):
    """Keras takes cuDNN where it sees a GPU; here it is made to believe in one."""
    module = sys.modules["keras.src.backend.tensorflow.rnn"]  # Keras has a function of this name, too
    monkeypatch.setattr(module, "_is_gpu_available", lambda: True)
    options = {"cell": cell, "units": 3, "embedding_dim": 2, "bidirectional": True}
    architecture = dataclasses.asdict(registry.find("lstm_classifier").architecture(**options))
    sizes = {"vocabulary": 9, "classes": 2, "max_length": 5}
    part = {"model": "lstm_classifier", "architecture": architecture, "sizes": sizes}
    kinds = {}
    for portable in (False, True):
        network = build_network(part, portable=portable)
        graph = tf.function(lambda ids, network=network: network(ids, training=False)).get_concrete_function(
            tf.TensorSpec([None, 5], tf.int32)
        )
        kinds[portable] = set(re.findall(r'op: "(\w+)"', str(graph.graph.as_graph_def())))  # also those of functions
    assert any("Cudnn" in kind for kind in kinds[False]), "the test is of what it says"
    assert not [kind for kind in kinds[True] if "Cudnn" in kind]


def test_a_link_or_a_pipe_in_place_of_a_file_is_not_read(folder):
    for name in ("run.json", "manifest.json"):
        (folder.path / name).unlink()
        (folder.path / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="must be a file of at most"):
        folder.run()
    with pytest.raises(UserError, match="must be a file of at most"):
        folder.verify()
    (folder.path / "run.json").unlink()
    os.mkfifo(folder.path / "run.json")
    with pytest.raises(UserError, match="must be a file of at most"):
        folder.run()


def test_who_names_the_saved_model_or_the_folder_of_all_models_is_shown_the_way(folder):
    with pytest.raises(UserError, match=rf"Give {folder.path}, the folder of the whole model"):
        ModelFolder(folder.path / "saved_model" / "1").verify()
    with pytest.raises(UserError, match=r"In .*models/ there are: tiny\."):
        ModelFolder(folder.path.parent).verify()
