"""Runs a SavedModel as a stranger would: TensorFlow alone, no Keras, no kerasnlp_kit.

Started as a script in isolated mode, never imported: ``python -I probe.py SAVED_MODEL QUESTIONS.npz ANSWERS.npz``.

QUESTIONS.npz: ``text`` uint8, all texts end to end; ``offsets`` int64 (texts + 1,); ``sizes`` int64, how many texts
each batch takes, in order; ``ids`` int32 (rows, time), for the signature of that name. ANSWERS.npz: ``label``,
``probability`` and ``probabilities`` of all texts in order; ``ids_probabilities`` of the ids; ``names`` of the labels
as JSON.
"""

import itertools
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# An import of these would raise ImportError: what is exported must not need them.
sys.modules["kerasnlp_kit"] = None  # type: ignore[assignment]
sys.modules["keras"] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402  # after the modules are barred
import tensorflow as tf  # noqa: E402


def main(saved_model: str, questions: str, answers: str) -> None:
    """Answers each batch and writes all answers."""
    loaded = tf.saved_model.load(saved_model)
    classify = loaded.signatures["serving_default"]
    with np.load(questions, allow_pickle=False) as file:
        data, offsets, sizes, ids = file["text"].tobytes(), file["offsets"], file["sizes"], file["ids"]
    texts = [data[start:end] for start, end in itertools.pairwise(offsets)]
    found: dict[str, list[np.ndarray]] = {"label": [], "probability": [], "probabilities": []}
    names: np.ndarray | None = None
    start = 0
    for size in sizes:
        batch = texts[start : start + size]
        start += size
        outputs = classify(text=tf.constant(batch, tf.string, shape=[len(batch)]))
        for name, values in found.items():
            values.append(outputs[name].numpy())
        labels = outputs["labels"].numpy()
        if len(labels):
            names = labels[0] if names is None else names
            if not (labels == names).all():
                raise SystemExit("labels must be the same in every row")
    assert names is not None
    joined = {name: np.concatenate(values) for name, values in found.items()}
    order = {name: number for number, name in enumerate(names)}
    np.savez(
        answers,
        label=np.array([order[name] for name in joined["label"]], "int64"),
        probability=joined["probability"],
        probabilities=joined["probabilities"],
        ids_probabilities=loaded.signatures["ids"](ids=tf.constant(ids))["probabilities"].numpy(),
        names=np.frombuffer(json.dumps([name.decode() for name in names]).encode(), "uint8"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
