"""One label for a text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasnlp_kit.tasks.signatures import never_empty, never_none, traced
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


class BinaryCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits and labels of which a row may have several, each for itself, mean over the labels.

    With label smoothing s the targets are ``(1 - s) * label + s / 2``.

    Args:
        smoothing: s, from 0 to below 1.

    Call:
        y_true: 0 or 1 (batch, classes)
        y_pred: float (batch, classes), logits
    """

    def __init__(self, smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(name="binary_cross_entropy", **options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each row: float (batch,)."""
        target = ops.cast(y_true, y_pred.dtype) * (1 - self.smoothing) + self.smoothing / 2
        return ops.mean(ops.softplus(y_pred) - target * y_pred, axis=-1)


class MicroF1(keras.metrics.Metric):
    """F1 over all labels of all rows, each label chosen where its logit is above 0.

    Call:
        y_true: 0 or 1 (batch, classes)
        y_pred: float (batch, classes), logits
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts; the weights of rows are for training, not for scores."""
        true = ops.cast(y_true, "float32")
        chosen = ops.cast(y_pred > 0, "float32")
        self.hits.assign_add(ops.sum(true * chosen))
        self.total.assign_add(ops.sum(true) + ops.sum(chosen))

    def result(self) -> Any:
        """2 * hits / (true + chosen)."""
        return 2 * self.hits / ops.maximum(self.total, 1.0)


class NetworkScorer(tf.Module):
    """A network in the export: raw strings to logits.

    Args:
        network: ids int32 (batch, time) to logits (batch, classes), on the TensorFlow backend.
        tokenizer: strings to ids.
    """

    def __init__(self, network: keras.Model, tokenizer: TokenizerGraph) -> None:
        super().__init__(name="network")
        self._network = network
        self._variables = [variable.value for variable in network.variables]  # what the SavedModel must hold
        self._tokenizer = tokenizer

    def from_texts(self, texts: tf.Tensor) -> tf.Tensor:
        """Logits of texts: string (n,) to float32 (n, K)."""
        return self.from_numbers(pad_ragged(self._tokenizer(texts)))

    def from_numbers(self, ids: tf.Tensor) -> tf.Tensor:
        """Logits of token ids: int32 (n, time), padded with 0 on the right, to float32 (n, K)."""
        return self._network(ids, training=False)


@dataclass(frozen=True)
class Decision:
    """How scores become answers.

    Attributes:
        scales: weight of each part's scores.
        multi_label: whether a row may have several labels: then each has a probability for itself.
        thresholds: float (classes,): of one label, the probability below which the model abstains; of several labels,
            the probability from which on a label is selected. None: never abstain; 0.5.
    """

    scales: tuple[float, ...] = (1.0,)
    multi_label: bool = False
    thresholds: tuple[float, ...] | None = None

    def probabilities(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities in NumPy, for the proof.

        Args:
            scores: of each part, float (rows, classes).

        Returns:
            float64 (rows, classes).
        """
        from scipy.special import expit, softmax

        total = sum(scale * np.asarray(score, "float64") for scale, score in zip(self.scales, scores, strict=True))
        return expit(total) if self.multi_label else softmax(total, axis=1)


class ClassifierGraph(tf.Module):
    """The signatures of a classifier: raw strings in, labels and probabilities out.

    Args:
        scorers: the parts: `NetworkScorer` of one tokenizer, `LinearScorer` at most once.
        labels: names of the classes, in the order of the scores.
        decision: how scores become answers.
    """

    def __init__(self, scorers: Sequence[Any], labels: Sequence[str], decision: Decision) -> None:
        super().__init__()
        self._scorers = list(scorers)
        self._labels = list(labels)
        self._decision = decision
        default = 0.5 if decision.multi_label else 0.0
        self._thresholds = tf.constant(decision.thresholds or [default] * len(labels), tf.float32)

    def _total(self, scores: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.add_n([scale * score for scale, score in zip(self._decision.scales, scores, strict=True)])

    def _probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(logits) if self._decision.multi_label else tf.nn.softmax(logits)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False)
    def classify(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """serving_default. text: string (n,); labels and probabilities in the order of the classes, (n, K)."""
        rows = tf.shape(text)[0]
        # Never no row at all: fused CPU kernels fail on it (a convolution of 256 filters gives a row too short).
        asked = never_none(text)
        logits = self._total([scorer.from_texts(asked) for scorer in self._scorers])
        probabilities = self._probabilities(logits)[:rows]
        names = tf.constant(self._labels)
        answers = {"labels": tf.tile(names[None], [rows, 1]), "probabilities": probabilities}
        if self._decision.multi_label:
            return {**answers, "selected": probabilities >= self._thresholds}
        best = tf.argmax(probabilities, axis=1)
        probability = tf.gather(probabilities, best, batch_dims=1)
        return {
            **answers,
            "label": tf.gather(names, best),
            "probability": probability,
            "abstain": probability < tf.gather(self._thresholds, best),
        }

    def _classify_numbers(self, ids: tf.Tensor | None, ngrams: tf.Tensor | None) -> dict[str, tf.Tensor]:
        given = [ids if isinstance(scorer, NetworkScorer) else ngrams for scorer in self._scorers]
        pairs = zip(self._scorers, given, strict=True)
        logits = self._total([scorer.from_numbers(never_empty(numbers)) for scorer, numbers in pairs])
        logits = logits[: tf.shape(given[0])[0]]
        return {"logits": logits, "probabilities": self._probabilities(logits)}

    def signatures(self) -> dict[str, Any]:
        """The functions to export, by name.

        Beside serving_default there is ``ids``: token ids int32 (n, t) as ``ids`` where there is a network, numbers of
        n-grams int32 (n, t) as ``ngrams`` where there is a linear part, both padded with 0 on the right; no string
        operation, so that XLA compiles it.
        """
        ids, ngrams = (tf.TensorSpec([None, None], tf.int32, name=name) for name in ("ids", "ngrams"))
        networks = [isinstance(scorer, NetworkScorer) for scorer in self._scorers]
        function: Callable[..., dict[str, tf.Tensor]]
        if all(networks):
            function, specs = lambda ids: self._classify_numbers(ids, None), [ids]
        elif not any(networks):
            function, specs = lambda ngrams: self._classify_numbers(None, ngrams), [ngrams]
        else:
            function, specs = self._classify_numbers, [ids, ngrams]
        return {"serving_default": self.classify.get_concrete_function(), **traced({"ids": (function, specs)})}


def predict_logits(network: keras.Model, ids: TokenIds, plan: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
    """Logits by the network in memory, on any backend.

    Args:
        network: ids (batch, time) to logits (batch, classes).
        ids: tokens of all rows.
        plan: batches, each its width and its rows; every row once.

    Returns:
        float32 (rows, classes).
    """
    logits = np.zeros((len(ids), network.output_shape[-1]), "float32")
    tf.get_logger().setLevel("ERROR")  # it warns of a new graph for each width, which is meant
    for width, rows in plan:
        logits[rows] = np.asarray(network.predict_on_batch(pad_rows(ids, rows, width)), "float32")
    return logits
