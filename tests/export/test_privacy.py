"""What a finished folder tells of the data: its words, and nothing else but in the report."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def sentences(tickets):
    """Beginnings of all training texts, longer than any one word."""
    with tickets.open(encoding="utf-8", newline="") as file:
        texts = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    found = {text[:30] for text in texts if " " in text[:30].strip() and len(text) > 40}
    assert len(found) > 100
    return found


def test_only_the_report_holds_a_text_of_the_data(trained, sentences):
    holding = set()
    for path in files_of(trained):
        content = " ".join(path.read_bytes().decode("utf-8", "replace").split()).lower()
        if any(sentence.lower() in content for sentence in sentences):
            holding.add(path.name)
    assert holding == {"report.html"}  # the report does: the search finds what is there


def test_the_tokenizer_holds_the_vocabulary_of_the_model_and_no_other_word(trained):
    config = json.loads((trained / "tokenizer.json").read_text())["config"]
    (part,) = json.loads((trained / "run.json").read_text())["parts"]
    size = part["sizes"]["vocabulary"]
    assert size == 400
    assert sorted(config["word_index"].values()) == list(range(1, size))
    assert set(config["word_counts"]) | set(config["word_docs"]) <= set(config["word_index"])
    assert all(" " not in word for word in config["word_index"])


def test_no_file_is_a_pickle(trained):
    for path in files_of(trained):
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".npy", ".keras"}
        assert not path.read_bytes().startswith(b"\x80")  # protocol 2 and later


def test_all_weights_of_the_saved_model_are_of_32_bits_and_finite(trained):
    variables = str(trained / "saved_model" / "1" / "variables" / "variables")
    reader = tf.train.load_checkpoint(variables)
    weights = [name for name in reader.get_variable_to_shape_map() if "_CHECKPOINTABLE" not in name]
    values = [reader.get_tensor(name) for name in weights]
    floats = [value for value in values if value.dtype.kind == "f"]
    assert {value.dtype.name for value in floats} == {"float32"}
    assert len(floats) >= 5
    assert all(np.isfinite(value).all() for value in floats)
