"""One label for a text."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasnlp_kit.text.padding import pad_ragged, pad_rows
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.text.tokenizer_graph import TokenizerGraph


class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits and class numbers with label smoothing.

    The target is ``1 - s + s / K`` for the class and ``s / K`` for each other one (Szegedy et al. 2016, "Rethinking the
    Inception Architecture", section 7). Needs one log-sum-exp: with it the loss is
    ``logsumexp - (1 - s) * logit[class] - s * mean(logits)``.

    Args:
        smoothing: s, from 0 to below 1.

    Call:
        y_true: int (batch,)
        y_pred: float (batch, classes), logits
    """

    def __init__(self, smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(name="cross_entropy", **options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row: float (batch,)."""
        target = ops.one_hot(ops.cast(y_true, "int32"), ops.shape(y_pred)[-1], dtype=y_pred.dtype)
        chosen = ops.sum(target * y_pred, axis=-1)
        smooth = ops.mean(y_pred, axis=-1)
        return ops.logsumexp(y_pred, axis=-1) - (1 - self.smoothing) * chosen - self.smoothing * smooth


class ClassifierGraph(tf.Module):
    """The signatures of a classifier: raw strings in, labels and probabilities out.

    Args:
        network: ids int32 (batch, time) to logits (batch, classes), on the TensorFlow backend.
        tokenizer: strings to ids.
        labels: names of the classes, in the order of the logits.
    """

    def __init__(self, network: keras.Model, tokenizer: TokenizerGraph, labels: Sequence[str]) -> None:
        super().__init__()
        self._network = network
        self._variables = [variable.value for variable in network.variables]  # what the SavedModel must hold
        self._tokenizer = tokenizer
        self._labels = list(labels)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """serving_default. text: string (n,); labels and probabilities in the order of the classes, (n, K)."""
        rows = tf.shape(text)[0]
        # Never no row at all: fused CPU kernels fail on it (a convolution of 256 filters gives a row too short).
        asked = tf.concat([text, tf.fill([1 - tf.minimum(rows, 1)], "")], axis=0)
        logits = self._network(pad_ragged(self._tokenizer(asked)), training=False)
        probabilities = tf.nn.softmax(logits)[:rows]
        names = tf.constant(self._labels)
        best = tf.argmax(probabilities, axis=1)
        return {
            "label": tf.gather(names, best),
            "probability": tf.gather(probabilities, best, batch_dims=1),
            "labels": tf.tile(names[None], [rows, 1]),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")])
    def classify_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """ids. ids: int32 (n, time), padded with 0 on the right; no string operation, so that XLA compiles it."""
        logits = self._network(ids, training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def signatures(self) -> dict[str, Any]:
        """The functions to export, by name."""
        return {
            "serving_default": self.classify.get_concrete_function(),
            "ids": self.classify_ids.get_concrete_function(),
        }


def predict_probabilities(network: keras.Model, ids: TokenIds, plan: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
    """Probabilities of the classes, by the network in memory, on any backend.

    Args:
        network: ids (batch, time) to logits (batch, classes).
        ids: tokens of all rows.
        plan: batches, each its width and its rows; every row once.

    Returns:
        float32 (rows, classes).
    """
    probabilities = np.zeros((len(ids), network.output_shape[-1]), "float32")
    for width, rows in plan:
        logits = np.asarray(network.predict_on_batch(pad_rows(ids, rows, width)), "float64")
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities[rows] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities
