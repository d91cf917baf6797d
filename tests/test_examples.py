"""The programs in examples/ read an exported folder as other applications would: without this package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import kerasnlp_kit
from kerasnlp_kit.text.operations import subword_operations

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TEXTS = [
    "My parcel is late.",
    "我要退款，酒店不好",
    "😡😡 money 👍",
    "",
    "parcel " * 14_285 + "money",  # 100,000 characters; the system allows 128 KiB an argument
    "nobody trained on these zzxqj qqvvk",
]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


@pytest.fixture(scope="module")
def saved_model(trained):
    """The folder of a trained classifier, as an application gets it: `saved_model/1`."""
    return trained / "saved_model" / "1"


@pytest.fixture(scope="module")
def expected(trained):
    """What the programs must print for TEXTS: pairs of label and probability."""
    return answers(trained, TEXTS)


@pytest.fixture(scope="session")
def label_program(tmp_path_factory):
    """examples/c/label.c, built by its own Makefile in a folder of its own."""
    return build_program("label", tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="session")
def write_program(tmp_path_factory):
    """examples/c/write.c, likewise."""
    return build_program("write", tmp_path_factory.mktemp("c"))


def build_program(name, folder):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or shutil.which("make") is None:
        pytest.skip("no C compiler or no make here")
    for file in (f"{name}.c", "signature.h", "Makefile"):
        shutil.copy(EXAMPLES / "c" / file, folder)
    command = [
        "make",
        name,
        f"PYTHON={sys.executable}",
        f"CC={compiler}",
        "CFLAGS=-O1 -Werror -std=c11 -Wall -Wextra",
    ]
    build = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert build.returncode == 0, build.stderr
    assert "warning" not in build.stderr
    return folder / name


def answers(folder, texts):
    model = kerasnlp_kit.load(folder)
    probabilities = model.predict_proba(texts).max(axis=1).tolist()
    return list(zip(model.predict(texts), probabilities, strict=True))


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


def assert_same(pairs, expected):
    assert [label for label, _ in pairs] == [label for label, _ in expected]
    assert [probability for _, probability in pairs] == pytest.approx([p for _, p in expected], abs=1e-5)


def test_every_output_has_the_batch_as_first_dimension_as_rest_rows_need(saved_model):
    model = tf.saved_model.load(str(saved_model))
    signature = model.signatures["serving_default"]
    assert {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()} == {"text": tf.string}
    assert {name: spec.dtype for name, spec in signature.structured_outputs.items()} == {
        "label": tf.string,
        "probability": tf.float32,
        "labels": tf.string,
        "probabilities": tf.float32,
        "abstain": tf.bool,
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
    assert f"error: {tmp_path}: " in result.stderr


def test_c_program_says_which_output_is_missing(label_program, tmp_path):
    class Length(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def serve(self, text):
            return {"label": text, "length": tf.strings.length(text)}

    module = Length()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": module.serve})
    result = run(label_program, tmp_path / "1", "text")
    assert result.returncode == 1
    assert "error: probability: not in this model" in result.stderr


def test_c_program_without_a_text_shows_its_usage(label_program):
    result = run(label_program)
    assert result.returncode == 2
    assert "SAVED_MODEL_FOLDER TEXT" in result.stderr


def test_c_program_has_fewer_than_100_lines():
    for name in ("label.c", "write.c", "generate.c", "signature.h"):
        assert len((EXAMPLES / "c" / name).read_text().splitlines()) < 100


# A model that writes


def printed_texts(result):
    """Text and score of each line; what is written may hold no line break, but a tab."""
    assert result.returncode == 0, result.stderr
    lines = [line.rpartition("\t") for line in result.stdout.split("\n")[:-1]]
    return [text for text, _, _ in lines], [float(score) for _, _, score in lines]


def assert_writes_like_python(result, folder, texts):
    expected, scores = kerasnlp_kit.load(folder).write(texts)
    assert "\n" not in "".join(expected)
    found, found_scores = printed_texts(result)
    assert found == expected
    assert found_scores == pytest.approx(scores.tolist(), abs=1e-3)


def test_c_program_writes_like_python(write_program, trained_writer):
    texts = ["May 3, 1998", "", "二〇八八年七月二十九日", "😡 6 aug", "parcel " * 14_285]
    assert_writes_like_python(run(write_program, trained_writer / "saved_model" / "1", *texts), trained_writer, texts)


def test_c_program_writes_subwords_with_the_library_of_their_operations(write_program, trained_subword_writer):
    texts = ["the small dog sees a house", "", "好 every teacher"]
    saved_model = trained_subword_writer / "saved_model" / "1"
    result = run(write_program, "--library", subword_operations(), saved_model, *texts)
    assert_writes_like_python(result, trained_subword_writer, texts)
    without = run(write_program, saved_model, *texts)
    assert without.returncode == 1 and "Sentencepiece" in without.stderr and "--library FILE" in without.stderr
    missing = run(write_program, "--library", "missing.so", saved_model, *texts)
    assert missing.returncode == 1 and "missing.so" in missing.stderr


def test_c_program_draws_like_python(tmp_path_factory, tmp_path, run_in):
    program = build_program("generate", tmp_path_factory.mktemp("c"))
    (tmp_path / "lines.txt").write_text("the dog sees the house\na cat sees a house\nthe cat runs\n" * 4)
    small = ("--layers=1", "--d-model=8", "--heads=2", "--feed-forward=8", "--epochs=1", "--samples=0")
    ran = run_in(tmp_path, "train", "lines.txt", "--model", "causal_lm", "--tokenizer", "words", *small)
    assert ran.code == 0, ran.err
    folder = tmp_path / "models" / "lines"
    prompts = ["the dog", "", "the unknown zebra 好", "a cat"]
    texts, _ = printed_texts(run(program, folder / "saved_model" / "1", "7", *prompts))
    assert texts == kerasnlp_kit.load(folder).generate(prompts, seed=7)
    assert len(set(texts)) == 4
    assert run(program, folder).returncode == 2
    forgotten = run(program, folder / "saved_model" / "1", "Once upon", "a time")
    assert forgotten.returncode == 2 and "SEED must be a whole number, not Once upon" in forgotten.stderr
    small = ("--latent=3", "--units=8", "--embedding-dim=8", "--epochs=1", "--samples=0", "--tokenizer=words")
    ran = run_in(tmp_path, "train", "lines.txt", "--model", "text_vae", "--name", "points", *small)
    assert ran.code == 0, ran.err
    folder = tmp_path / "models" / "points"
    drawn = run(program, "--new", "6", folder / "saved_model" / "1", "7")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.splitlines() == kerasnlp_kit.load(folder).sample(6, seed=7)
    assert len(set(drawn.stdout.splitlines())) > 1
    for wrong in (("--new", "0"), ("--new", "x"), ("--new",)):
        assert run(program, *wrong, folder / "saved_model" / "1", "7").returncode == 2
    assert run(program, "--new", "3", folder / "saved_model" / "1", "7", "the").returncode == 2


def test_c_program_that_writes_says_what_is_wrong(write_program, saved_model, tmp_path):
    assert run(write_program).returncode == 2
    assert f"error: {tmp_path}: " in run(write_program, tmp_path, "text").stderr
    classifier = run(write_program, saved_model, "text")
    assert classifier.returncode == 1 and "error: source: not in this model" in classifier.stderr


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


def test_python_program_says_that_a_model_is_no_classifier_of_one_label(trained_writer, trained_subword_writer):
    for folder, words in (
        (trained_writer, "is no classifier of one label a text"),
        (trained_subword_writer, "it is of subwords"),
    ):
        result = run(sys.executable, EXAMPLES / "python" / "classify.py", folder / "saved_model" / "1", "text")
        assert result.returncode == 1 and words in result.stderr
        assert "Traceback" not in result.stderr


def test_python_program_imports_tensorflow_and_the_standard_library_only():
    source = (EXAMPLES / "python" / "classify.py").read_text()
    imported = {
        line.split()[1].split(".")[0] for line in source.splitlines() if line.strip().startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"tensorflow"}


def test_python_readme_runs_as_it_stands(trained, saved_model, capsys):
    readme = (EXAMPLES / "python" / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0].replace("models/NAME/saved_model/1", str(saved_model))
    exec(compile(code, "README.md", "exec"), {})
    label, probability = capsys.readouterr().out.split()
    assert_same([(label, float(probability))], answers(trained, ["where is my parcel?"]))
