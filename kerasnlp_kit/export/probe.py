"""Runs a SavedModel as a stranger would: TensorFlow alone, no Keras, no kerasnlp_kit.

Started as a script in isolated mode, never imported: ``python -I probe.py``. Once TensorFlow is imported it reads a
line from standard input, a JSON list of three paths: the SavedModel, QUESTIONS.npz and ANSWERS.npz.

QUESTIONS.npz: ``text`` uint8, all texts end to end; ``offsets`` int64 (texts + 1,); ``sizes`` int64, how many texts
each batch takes, in order; ``ids`` and ``ngrams`` int32 (rows, time), as far as the signature ``ids`` takes them.
ANSWERS.npz: the outputs of all texts in order, ``label`` as the number of the name; ``ids_probabilities`` of the
numbers; ``names`` of the labels as JSON.
"""

import itertools
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if __name__ == "__main__":
    # An import of these would raise ImportError: what is exported must not need them.
    sys.modules["kerasnlp_kit"] = None  # type: ignore[assignment]
    sys.modules["keras"] = None  # type: ignore[assignment]
    sys.modules["jax"] = None  # type: ignore[assignment]  # which TensorFlow would import for half a second

import numpy as np  # after the modules are barred
import tensorflow as tf


def main(saved_model: str, questions: str, answers: str) -> None:
    """Answers each batch and writes all answers."""
    loaded = tf.saved_model.load(saved_model)
    classify = loaded.signatures["serving_default"]
    with np.load(questions, allow_pickle=False) as file:
        data, offsets, sizes = file["text"].tobytes(), file["offsets"], file["sizes"]
        numbers = {name: tf.constant(file[name]) for name in ("ids", "ngrams") if name in file.files}
    texts = [data[start:end] for start, end in itertools.pairwise(offsets)]
    found: dict[str, list[np.ndarray]] = {}
    names: np.ndarray | None = None
    start = 0
    for size in sizes:
        batch = texts[start : start + size]
        start += size
        outputs = {name: values.numpy() for name, values in classify(text=_strings(batch)).items()}
        labels = outputs.pop("labels")
        for name, values in outputs.items():
            found.setdefault(name, []).append(values)
        if len(labels):
            names = labels[0] if names is None else names
            if not (labels == names).all():
                raise SystemExit("labels must be the same in every row")
    assert names is not None
    joined = {name: np.concatenate(values) for name, values in found.items()}
    if "label" in joined:
        order = {name: number for number, name in enumerate(names)}
        joined["label"] = np.array([order[name] for name in joined["label"]], "int64")
    np.savez(
        answers,
        ids_probabilities=loaded.signatures["ids"](**numbers)["probabilities"].numpy(),
        names=np.frombuffer(json.dumps([name.decode() for name in names]).encode(), "uint8"),
        **joined,  # type: ignore[arg-type]
    )


def _strings(texts: list[bytes]) -> tf.Tensor:
    return tf.constant(texts, tf.string, shape=[len(texts)])


if __name__ == "__main__":
    if line := sys.stdin.readline():  # nothing comes if the other process ended
        main(*json.loads(line))
