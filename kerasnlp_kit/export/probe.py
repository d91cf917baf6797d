"""Runs a SavedModel as a stranger would: TensorFlow alone, no Keras, no kerasnlp_kit.

Started as a script that finds nothing beside itself, never imported: ``python -P probe.py``. Once TensorFlow is
imported it reads a line from standard input, a JSON list of three paths: the SavedModel, QUESTIONS.npz and ANSWERS.npz.

QUESTIONS.npz of a classifier: ``text`` uint8, all texts end to end; ``text_offsets`` int64 (texts + 1,); ``sizes``
int64, how many texts each batch takes, in order; ``ids`` and ``ngrams`` int32 (rows, time), as far as the signature
``ids`` takes them. ANSWERS.npz: the outputs of all texts in order, ``label`` as the number of the name;
``ids_probabilities`` of the numbers; ``names`` of the labels as JSON.

QUESTIONS.npz of a model that writes: ``source``, ``source_offsets`` and ``sizes``, likewise; ``some``, how many of the
first sources the other signatures are asked about; ``beam_size``, ``length_penalty``, ``seed``, ``ids``;
``library``, uint8, the path of operations that must be loaded, if any. ANSWERS.npz: ``target``, ``target_offsets`` and
``score`` of all sources, the same of the other signatures, with their names before these.

QUESTIONS.npz of a language model: ``scored``, ``scored_offsets`` and ``sizes``, texts to score, likewise; ``prompt``
and ``prompt_offsets``; ``max_tokens``, ``seed``, ``ids``, ``library``. ANSWERS.npz: ``log_probability`` and ``tokens``
of all texts, and the outputs of the other signatures, with their names before these.

QUESTIONS.npz of an autoencoder: ``encoded``, ``encoded_offsets`` and ``sizes``, texts to encode and score, likewise;
``some`` and ``some_offsets``, texts to write again; ``drawn``, how many new ones; ``steps`` of a line between two;
``seed``, ``library``. ANSWERS.npz: ``log_probability``, ``divergence``, ``log_weight``, ``tokens`` and ``mean`` of all
texts, and the outputs of the other signatures, likewise.
"""

import gc
import itertools
import json
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if __name__ == "__main__":
    gc.disable()  # a quarter of the time of the import; this process is short
    # An import of these would raise ImportError: what is exported must not need them.
    sys.modules["kerasnlp_kit"] = None  # type: ignore[assignment]
    sys.modules["keras"] = None  # type: ignore[assignment]
    sys.modules["jax"] = None  # type: ignore[assignment]  # which TensorFlow would import for half a second

import numpy as np  # after the modules are barred
import tensorflow as tf


def main(saved_model: str, questions: str, answers: str) -> None:
    """Answers each batch and writes all answers."""
    with np.load(questions, allow_pickle=False) as file:
        asked = {name: file[name] for name in file.files}
    if "library" in asked:
        tf.load_op_library(asked["library"].tobytes().decode())
    loaded = tf.saved_model.load(saved_model)
    answer = next((answer for name, answer in _ANSWERS.items() if name in asked), _classify)
    np.savez(answers, **answer(loaded, asked))  # type: ignore[arg-type]


def _classify(loaded: Any, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    classify = loaded.signatures["serving_default"]
    numbers = {name: tf.constant(asked[name]) for name in ("ids", "ngrams") if name in asked}
    texts = _texts("text", asked)
    found: dict[str, list[np.ndarray]] = {}
    names: np.ndarray | None = None
    start = 0
    for size in asked["sizes"]:
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
    return {
        "ids_probabilities": loaded.signatures["ids"](**numbers)["probabilities"].numpy(),
        "names": np.frombuffer(json.dumps([name.decode() for name in names]).encode(), "uint8"),
        **joined,
    }


def _write(loaded: Any, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    signatures, sources = loaded.signatures, _texts("source", asked)
    targets: list[bytes] = []
    scores: list[np.ndarray] = []
    for size in asked["sizes"]:
        batch = sources[len(targets) : len(targets) + size]
        found = signatures["serving_default"](source=_strings(batch))
        targets.extend(found["target"].numpy().tolist())
        scores.append(found["score"].numpy())
    answers = {**_packed("target", targets), "score": np.concatenate(scores)}
    some = _strings(sources[: int(asked["some"])])
    penalty = tf.constant(asked["length_penalty"], tf.float32)
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    given = tf.constant(targets[: len(some)])
    calls = {
        "beam": {"source": some, "beam_size": tf.constant(asked["beam_size"], tf.int32), "length_penalty": penalty},
        "sample": {"source": some, "seed": tf.constant(asked["seed"], tf.int32), **drawn},
        "prefix": {"source": some, "prefix": tf.strings.substr(given, 0, 3, unit="UTF8_CHAR")},
        "attention": {"source": some},
        "ids": {"ids": tf.constant(asked["ids"], tf.int32)},
        "greedy_xla": {"source": some},
        "beam_xla": {"source": some, "length_penalty": penalty},
    }
    for name, inputs in calls.items():
        if name in signatures:
            answers.update(_answers(name, signatures[name](**inputs)))
    # Some at a time: the logits of a target take memory, and it has no more tokens than bytes.
    together = max(1, 4096 // max(1, *map(len, targets[: len(some)])))
    scored = [
        signatures["score"](source=some[begin : begin + together], target=given[begin : begin + together])
        for begin in range(0, len(some), together)
    ]
    for name in scored[0]:
        answers[f"score_{name}"] = np.concatenate([one[name].numpy() for one in scored])
    return answers


def _continue(loaded: Any, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    signatures, texts = loaded.signatures, _texts("scored", asked)
    found: dict[str, list[np.ndarray]] = {"log_probability": [], "tokens": []}
    start = 0
    for size in asked["sizes"]:
        for name, values in signatures["score"](text=_strings(texts[start : start + size])).items():
            found[name].append(values.numpy())
        start += size
    prompt, most = _strings(_texts("prompt", asked)), tf.constant(asked["max_tokens"], tf.int32)
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    seed = tf.constant(asked["seed"], tf.int32)
    return {
        **{name: np.concatenate(values) for name, values in found.items()},
        **_answers("sample", signatures["serving_default"](prompt=prompt, max_tokens=most, seed=seed, **drawn)),
        **_answers("greedy", signatures["greedy"](prompt=prompt, max_tokens=most)),
        **_answers("ids", signatures["ids"](ids=tf.constant(asked["ids"], tf.int32))),
    }


def _reconstruct(loaded: Any, asked: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    signatures, texts = loaded.signatures, _texts("encoded", asked)
    found: dict[str, list[np.ndarray]] = {}
    start, seed = 0, int(asked["seed"])
    for size in asked["sizes"]:
        batch = _strings(texts[start : start + size])
        outputs = signatures["score"](text=batch, seed=tf.constant((seed + start) % 2**31, tf.int32))
        outputs["mean"] = signatures["encode"](text=batch)["mean"]
        for name, values in outputs.items():
            found.setdefault(name, []).append(values.numpy())
        start += size
    some = _strings(_texts("some", asked))
    drawn = {"temperature": tf.constant(1.0), "top_k": tf.constant(0), "top_p": tf.constant(1.0)}
    drawn |= {"count": tf.constant(asked["drawn"], tf.int32), "seed": tf.constant(seed, tf.int32)}
    line = {"from_text": some[:1], "to_text": some[-1:], "steps": tf.constant(asked["steps"], tf.int32)}
    return {
        **{name: np.concatenate(values) for name, values in found.items()},
        **_answers("reconstruct", signatures["serving_default"](text=some)),
        **_answers("decode", signatures["decode"](z=signatures["encode"](text=some)["mean"])),
        **_answers("sample", signatures["sample"](**drawn)),
        **_answers("interpolate", signatures["interpolate"](**line)),
    }


def _answers(name: str, outputs: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    answers: dict[str, np.ndarray] = {}
    for output, values in outputs.items():
        array = values.numpy()
        if array.dtype == object:
            answers.update(_packed(f"{name}_{output}", array.ravel().tolist()))
        else:
            answers[f"{name}_{output}"] = array
    return answers


def _texts(name: str, arrays: dict[str, np.ndarray]) -> list[bytes]:
    data = arrays[name].tobytes()
    return [data[start:end] for start, end in itertools.pairwise(arrays[f"{name}_offsets"])]


def _packed(name: str, texts: list[bytes]) -> dict[str, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype("int64")
    return {name: np.frombuffer(b"".join(texts), "uint8"), f"{name}_offsets": offsets}


def _strings(texts: list[bytes]) -> tf.Tensor:
    return tf.constant(texts, tf.string, shape=[len(texts)])


_ANSWERS = {"source": _write, "scored": _continue, "encoded": _reconstruct}  # by what is asked about

if __name__ == "__main__":
    if line := sys.stdin.readline():  # nothing comes if the other process ended
        main(*json.loads(line))
