"""The programs in examples/ read an exported folder as other applications would: without this package."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TEXTS = [
    "My parcel is late.",
    "我要退款，酒店不好",
    "😡😡 money 👍",
    "",
    "parcel " * 14_285 + "money",  # 100,000 characters; the system allows 128 KiB an argument
]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class TinyClassifier(tf.Module):
    """Some words and characters vote for a label; the logits are the mean of 4 a vote over all tokens.

    The words are in a table and the votes in a variable, so that a loader must initialise and restore.
    """

    labels = ("delivery_delay", "refund_request", "差评")

    def __init__(self):
        votes = {"parcel": 0, "late": 0, "money": 1, "退": 1, "款": 1, "不": 2, "😡": 2}
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(votes), tf.range(1, len(votes) + 1)), default_value=0
        )
        # Row 0 is for unknown words: -1 is no column, so they vote for nothing.
        self.weights = tf.Variable(4 * tf.one_hot([-1, *votes.values()], len(self.labels)))

    def probabilities(self, ids):
        """ids: int32 (n, time), -1 where there is no token; float (n, K)."""
        real = tf.cast(ids >= 0, tf.float32)[..., None]
        total = tf.reduce_sum(tf.gather(self.weights, tf.maximum(ids, 0)) * real, axis=1)
        return tf.nn.softmax(total / tf.maximum(tf.reduce_sum(real, axis=1), 1.0))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def serving_default(self, text):
        spaced = tf.strings.regex_replace(tf.strings.lower(text, encoding="utf-8"), r"([\p{Han}\p{So}])", r" \1 ")
        ids = tf.ragged.map_flat_values(self.table.lookup, tf.strings.split(spaced))
        probabilities = self.probabilities(ids.to_tensor(default_value=-1))
        labels = tf.constant(self.labels)
        best = tf.argmax(probabilities, axis=1)
        return {
            "label": tf.gather(labels, best),
            "probability": tf.gather(probabilities, best, batch_dims=1),
            "labels": tf.tile(labels[None], [tf.size(text), 1]),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, "ids")])
    def ids(self, ids):
        return {"probabilities": self.probabilities(ids)}


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """The folder of an exported classifier, as an application gets it: `saved_model/1`."""
    folder = tmp_path_factory.mktemp("tiny") / "saved_model" / "1"
    module = TinyClassifier()
    # `ids` first, so that `serving_default` is not simply the first call in the graph.
    tf.saved_model.save(module, str(folder), signatures={"ids": module.ids, "serving_default": module.serving_default})
    return folder


@pytest.fixture(scope="session")
def expected(saved_model):
    """What the programs must print for TEXTS: pairs of label and probability."""
    return answers(saved_model, TEXTS)


@pytest.fixture(scope="session")
def label_program(tmp_path_factory):
    """examples/c/label.c, built by its own Makefile in a folder of its own."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or shutil.which("make") is None:
        pytest.skip("no C compiler or no make here")
    folder = tmp_path_factory.mktemp("c")
    for name in ("label.c", "Makefile"):
        shutil.copy(EXAMPLES / "c" / name, folder)
    command = ["make", f"PYTHON={sys.executable}", f"CC={compiler}", "CFLAGS=-O1 -Werror -std=c11 -Wall -Wextra"]
    build = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert build.returncode == 0, build.stderr
    assert "warning" not in build.stderr
    return folder / "label"


def answers(folder, texts):
    model = tf.saved_model.load(str(folder))
    answer = model.signatures["serving_default"](text=tf.constant(texts))
    labels = [label.decode() for label in answer["label"].numpy()]
    return list(zip(labels, answer["probability"].numpy().tolist(), strict=True))


def run(*command, stdin=None):
    return subprocess.run(
        [os.fspath(part) for part in command],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        env=os.environ | QUIET,
    )


def printed_pairs(result):
    assert result.returncode == 0, result.stderr
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert all(len(probability.split(".")[1]) == 6 for _, probability in lines)
    return [(label, float(probability)) for label, probability in lines]


def assert_same(pairs, expected, tolerance=2e-6):
    assert [label for label, _ in pairs] == [label for label, _ in expected]
    assert [probability for _, probability in pairs] == pytest.approx([p for _, p in expected], abs=tolerance)


def test_the_tiny_classifier_itself_is_right(expected):
    e = math.e
    assert_same(
        expected,
        [
            ("delivery_delay", e / (e + 2)),  # 1 of 4 tokens votes ("late." is unknown): logits 1, 0, 0
            ("refund_request", e ** (8 / 9) / (1 + e ** (8 / 9) + e ** (4 / 9))),  # of 9 tokens 2 and 1
            ("差评", e**2 / (1 + e + e**2)),  # of 4 tokens 1 for refund_request, 2 for 差评
            ("delivery_delay", 1 / 3),  # no token: three logits of 0
            ("delivery_delay", e**4 / (e**4 + 2)),  # 14,285 of 14,286 tokens
        ],
        tolerance=1e-4,
    )


def test_every_output_has_the_batch_as_first_dimension_as_rest_rows_need(saved_model):
    model = tf.saved_model.load(str(saved_model))
    signature = model.signatures["serving_default"]
    assert {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()} == {"text": tf.string}
    assert {name: spec.dtype for name, spec in signature.structured_outputs.items()} == {
        "label": tf.string,
        "probability": tf.float32,
        "labels": tf.string,
        "probabilities": tf.float32,
    }
    answer = signature(text=tf.constant(TEXTS))
    assert all(value.shape[0] == len(TEXTS) for value in answer.values())


def test_c_program_labels_like_python(label_program, saved_model, expected):
    assert_same(printed_pairs(run(label_program, saved_model, *TEXTS)), expected)


def test_c_program_labels_a_single_text(label_program, saved_model, expected):
    assert_same(printed_pairs(run(label_program, saved_model, TEXTS[1])), expected[1:2])


def test_c_program_says_what_is_wrong_with_the_folder(label_program, tmp_path):
    result = run(label_program, tmp_path, "text")
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"label: {tmp_path}: " in result.stderr


def test_c_program_says_which_output_is_missing(label_program, tmp_path):
    class Length(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def serve(self, text):
            return {"label": text, "length": tf.strings.length(text)}

    module = Length()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": module.serve})
    result = run(label_program, tmp_path / "1", "text")
    assert result.returncode == 1
    assert "label: probability: not in this model" in result.stderr


def test_c_program_without_a_text_shows_its_usage(label_program):
    result = run(label_program)
    assert result.returncode == 2
    assert "SAVED_MODEL_FOLDER TEXT" in result.stderr


def test_c_program_has_fewer_than_100_lines():
    assert len((EXAMPLES / "c" / "label.c").read_text().splitlines()) < 100


def test_python_program_labels_its_arguments(saved_model, expected):
    assert_same(printed_pairs(run(sys.executable, EXAMPLES / "python" / "classify.py", saved_model, *TEXTS)), expected)


def test_python_program_labels_the_lines_of_standard_input(saved_model, expected):
    # 195 lines are three full batches of 64 and one of 3.
    lines = "".join(f"{text}\n" for text in TEXTS[:4]) * 48 + "".join(f"{text}\n" for text in TEXTS[:3])
    result = run(sys.executable, EXAMPLES / "python" / "classify.py", saved_model, stdin=lines)
    assert_same(printed_pairs(result), expected[:4] * 48 + expected[:3])


def test_python_program_says_what_is_wrong_with_the_folder(tmp_path):
    result = run(sys.executable, EXAMPLES / "python" / "classify.py", tmp_path, "text")
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr


def test_python_program_imports_tensorflow_and_the_standard_library_only():
    source = (EXAMPLES / "python" / "classify.py").read_text()
    imported = {
        line.split()[1].split(".")[0] for line in source.splitlines() if line.strip().startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"tensorflow"}


def test_python_readme_runs_as_it_stands(saved_model, capsys):
    readme = (EXAMPLES / "python" / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0].replace("models/NAME/saved_model/1", str(saved_model))
    exec(compile(code, "README.md", "exec"), {})
    label, probability = capsys.readouterr().out.split()
    assert_same([(label, float(probability))], answers(saved_model, ["where is my parcel?"]))
