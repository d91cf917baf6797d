"""A linear classifier over the TF-IDF of n-grams: in NumPy for training and proof, and as a part of a SavedModel."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import tensorflow as tf

from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules, count_ngrams


@dataclass(frozen=True)
class NgramFeatures:
    """The n-grams that a model knows, and how rare each one is.

    A feature's value in a text is ``(1 + ln count) * idf``, divided by the Euclidean norm of all such values of its
    kind (words, characters) in the text: that is scikit-learn's ``TfidfVectorizer(sublinear_tf=True)`` for each kind.

    Attributes:
        rules: which n-grams are taken.
        keys: int64 (features,), rising.
        idf: float32 (features,), ``ln((1 + texts) / (1 + texts with it)) + 1``.
    """

    rules: NgramRules
    keys: np.ndarray
    idf: np.ndarray

    def matrix(self, counts: NgramCounts) -> scipy.sparse.csr_matrix:
        """Values of the features in texts: float64 (texts, features)."""
        places = np.minimum(np.searchsorted(self.keys, counts.keys), max(0, len(self.keys) - 1))
        known = self.keys[places] == counts.keys if len(self.keys) else np.zeros(len(places), bool)
        rows = np.repeat(np.arange(len(counts)), np.diff(counts.offsets))[known]
        columns = places[known]
        values = (1 + np.log(counts.counts[known])) * self.idf[columns].astype("float64")
        kinds = 2 * rows + (self.keys[columns] & 1)
        norms = np.sqrt(np.bincount(kinds, values**2, minlength=2 * len(counts)))
        shape = (len(counts), len(self.keys))
        return scipy.sparse.csr_matrix((values / norms[kinds], (rows, columns)), shape=shape)

    def numbers(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """Features of each text as the signature ``ids`` takes them: numbers from 1 on, each as often as it occurs.

        Returns:
            int32 (texts, longest), padded with 0 on the right.
        """
        rows = []
        for text in texts:
            counts = count_ngrams(self.rules, [text])
            places = np.minimum(np.searchsorted(self.keys, counts.keys), max(0, len(self.keys) - 1))
            known = self.keys[places] == counts.keys
            rows.append(np.repeat(places[known] + 1, counts.counts[known]))
        padded = np.zeros((len(rows), max(1, *map(len, rows), 1)), "int32")
        for row, found in zip(padded, rows, strict=True):
            row[: len(found)] = found
        return padded


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier over n-grams.

    Attributes:
        features: what it looks at.
        weights: float32 (features, K); of two exclusive classes (features, 1), the margin of the second one.
        bias: float32 (K,) or (1,).
        classes: K.
    """

    features: NgramFeatures
    weights: np.ndarray
    bias: np.ndarray
    classes: int

    def scores(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """Margins of the classes: float64 (texts, K). Of two classes, half the margin for one and against the other."""
        return self.scores_of(self.features.matrix(count_ngrams(self.features.rules, texts)))

    def scores_of(self, matrix: scipy.sparse.csr_matrix) -> np.ndarray:
        """Likewise, of values that `NgramFeatures.matrix` gave."""
        margins = matrix @ self.weights.astype("float64") + self.bias
        return margins if margins.shape[1] == self.classes else np.hstack([-margins / 2, margins / 2])

    def save(self, path: Path) -> None:
        """Writes an npz file."""
        rules = self.features.rules
        with path.open("wb") as file:
            np.savez(
                file,
                keys=self.features.keys,
                idf=self.features.idf,
                weights=self.weights,
                bias=self.bias,
                classes=self.classes,
                rules=np.array([rules.words, *rules.characters, rules.lower], "int32"),
            )

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Reads what `save` wrote.

        Raises:
            ValueError, OSError, KeyError: it is not such a file.
        """
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            words, shortest, longest, lower = (int(number) for number in arrays["rules"])
            rules = NgramRules(words, (shortest, longest), bool(lower))
            features = NgramFeatures(rules, arrays["keys"], arrays["idf"])
            return cls(features, arrays["weights"], arrays["bias"], int(arrays["classes"]))


class LinearScorer(tf.Module):
    """A `LinearModel` in graph ops: raw strings in, margins out.

    Args:
        model: the solution to copy.
    """

    def __init__(self, model: LinearModel) -> None:
        super().__init__(name="ngrams")
        features = model.features
        self._rules = features.rules
        self._classes = model.classes
        self._count = len(features.keys)
        numbers = tf.range(self._count, dtype=tf.int64)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(features.keys), numbers), default_value=-1
        )
        # Weights of words first in a sense: the kind of each feature, 0 for words and 1 for characters.
        self._kinds = tf.Variable((features.keys & 1).astype("int64"), trainable=False, name="kinds")
        self._idf = tf.Variable(features.idf, trainable=False, name="idf")
        self._weights = tf.Variable(model.weights, trainable=False, name="weights")
        self._bias = tf.Variable(model.bias, trainable=False, name="bias")

    def from_texts(self, texts: tf.Tensor) -> tf.Tensor:
        """Margins of texts: string (n,) to float32 (n, K)."""
        rows, keys = self._rules.keys(texts)
        columns = self._table.lookup(keys)
        known = columns >= 0
        # A cell is a text and a feature in one number; counting equal numbers counts the feature in the text.
        cells, _, counts = tf.unique_with_counts(tf.boolean_mask(rows * self._count + columns, known))
        rows, columns = cells // self._count, cells % self._count
        values = (1 + tf.math.log(tf.cast(counts, tf.float32))) * tf.gather(self._idf, columns)
        texts_count = tf.size(texts, tf.int64)
        kinds = 2 * rows + tf.gather(self._kinds, columns)
        norms = tf.math.unsorted_segment_sum(values * values, kinds, 2 * texts_count)
        margins = tf.raw_ops.SparseTensorDenseMatMul(
            a_indices=tf.stack([rows, columns], axis=1),
            a_values=values * tf.gather(tf.math.rsqrt(norms), kinds),
            a_shape=tf.stack([texts_count, tf.constant(self._count, tf.int64)]),
            b=self._weights,
        )
        return self._scores(margins)

    def from_numbers(self, ngrams: tf.Tensor) -> tf.Tensor:
        """Margins of features: int32 (n, t), numbers from 1 on, padded with 0. It compiles under XLA.

        A feature that occurs c times stands there c times: each time with the c-th part of its value.
        """
        present = ngrams > 0
        columns = tf.maximum(ngrams - 1, 0)
        equal = (ngrams[:, :, None] == ngrams[:, None, :]) & present[:, None, :]
        counts = tf.maximum(tf.reduce_sum(tf.cast(equal, tf.float32), axis=2), 1.0)
        values = (1 + tf.math.log(counts)) * tf.gather(self._idf, columns) * tf.cast(present, tf.float32)
        kind = tf.gather(self._kinds, columns)
        total = tf.zeros_like(values)
        for number in (0, 1):
            own = tf.cast(kind == number, tf.float32)
            norm = tf.reduce_sum(own * values * values / counts, axis=1, keepdims=True)
            total += own * values * tf.math.rsqrt(tf.maximum(norm, 1e-30))
        margins = tf.einsum("nt,ntk->nk", total / counts, tf.gather(self._weights, columns))
        return self._scores(margins)

    def _scores(self, margins: tf.Tensor) -> tf.Tensor:
        margins += self._bias
        return margins if margins.shape[1] == self._classes else tf.concat([-margins / 2, margins / 2], axis=1)
