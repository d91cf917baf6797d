"""Runs a SavedModel as a stranger would: TensorFlow alone, no Keras, no kerasnlp_kit.

Started as a script in isolated mode, never imported: ``python -I probe.py SAVED_MODEL QUESTIONS.npz ANSWERS.npz``.

QUESTIONS.npz: ``text`` uint8, all texts end to end; ``offsets`` int64 (texts + 1,); ``sizes`` int64, how many texts
each batch takes, in order. ANSWERS.npz: ``label`` and ``probabilities`` of all texts in order, ``labels``.
"""

import itertools
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
        data, offsets, sizes = file["text"].tobytes(), file["offsets"], file["sizes"]
    texts = [data[start:end] for start, end in itertools.pairwise(offsets)]
    found: dict[str, list[np.ndarray]] = {"label": [], "probability": [], "probabilities": [], "labels": []}
    start = 0
    for size in sizes:
        batch = texts[start : start + size]
        start += size
        outputs = classify(text=tf.constant(batch, tf.string, shape=[len(batch)]))
        for name, values in found.items():
            values.append(outputs[name].numpy())
    joined = {name: np.concatenate(values) for name, values in found.items()}
    labels = joined.pop("labels")
    order = {name: number for number, name in enumerate(labels[0])}
    if not (labels == labels[0]).all():
        raise SystemExit("labels must be the same in every row")
    np.savez(
        answers,
        label=np.array([order[name] for name in joined["label"]], "int64"),
        probability=joined["probability"],
        probabilities=joined["probabilities"],
        names=np.frombuffer(b"\0".join(labels[0]), "uint8"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
