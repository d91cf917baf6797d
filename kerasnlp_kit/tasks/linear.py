"""A linear classifier over the TF-IDF of n-grams: in NumPy for training and proof, and as a part of a SavedModel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import tensorflow as tf

from kerasnlp_kit.text.ngrams import NgramCounts, NgramRules, count_ngrams

# With more columns TensorFlow's product of a sparse and a dense matrix takes a path that is several times slower.
_MOST_COLUMNS = 31


@dataclass(frozen=True)
class NgramFeatures:
    """The n-grams that a model knows, and how rare each one is.

    A feature's value in a text is ``(1 + ln count) * idf``, divided by the Euclidean norm of all such values of its
    kind (words, characters) in the text: that is scikit-learn's ``TfidfVectorizer(sublinear_tf=True)`` for each kind.

    Attributes:
        rules: which n-grams are taken.
        keys: int64 (features,), at least one, rising: first those of words, which are negative.
        idf: float32 (features,), ``ln((1 + texts) / (1 + texts with it)) + 1``.
    """

    rules: NgramRules
    keys: np.ndarray
    idf: np.ndarray

    def matrix(self, counts: NgramCounts) -> scipy.sparse.csr_matrix:
        """Values of the features in texts: float64 (texts, features)."""
        rows, columns, times = self._known(counts)
        values = (1 + np.log(times)) * self.idf[columns].astype("float64")
        blocks = 2 * rows + (self.keys[columns] < 0)
        norms = np.sqrt(np.bincount(blocks, values**2, minlength=2 * counts.texts))
        shape = (counts.texts, len(self.keys))
        return scipy.sparse.csr_matrix((values / norms[blocks], (rows, columns)), shape=shape)

    def numbers(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """Features of each text as the signature ``ids`` takes them: numbers from 1 on, each as often as it occurs.

        Returns:
            int32 (texts, longest), padded with 0 on the right.
        """
        counts = count_ngrams(self.rules, texts)
        rows, columns, times = self._known(counts)
        rows, numbers = np.repeat(rows, times), np.repeat(columns + 1, times)
        order = np.argsort(rows, kind="stable")
        lengths = np.bincount(rows, minlength=counts.texts)
        padded = np.zeros((counts.texts, max(1, lengths.max(initial=0))), "int32")
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = numbers[order]
        return padded

    def _known(self, counts: NgramCounts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The counts of n-grams that are features: rows, columns, and how often."""
        columns = np.searchsorted(self.keys, counts.keys, side="right") - 1  # -1, the last one, fits none either
        known = self.keys[columns] == counts.keys
        return counts.rows[known], columns[known], counts.counts[known]


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
        """Writes an npz file, whole or not at all."""
        rules = self.features.rules
        temporary = path.with_name(f".partial-{path.name}-")
        with temporary.open("wb") as file:
            np.savez(
                file,
                keys=self.features.keys,
                idf=self.features.idf,
                weights=self.weights,
                bias=self.bias,
                classes=self.classes,
                rules=np.array([rules.words, *rules.characters, rules.lower, rules.start], "int32"),
            )
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "LinearModel":
        """Reads what `save` wrote.

        Raises:
            ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile: it is not such a file.
        """
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            words, shortest, longest, *switches = (int(number) for number in arrays["rules"])
            lower, start = [*switches, 0][:2]  # earlier models know no start
            rules = NgramRules(words, (shortest, longest), bool(lower), bool(start))
            features = NgramFeatures(rules, arrays["keys"], arrays["idf"])
            return cls(features, arrays["weights"], arrays["bias"], int(arrays["classes"]))


def sum_of(models: Sequence[LinearModel], shares: Sequence[float]) -> LinearModel:
    """One model whose scores are the weighted sum of those of several over the same features."""
    first = models[0]
    weights, bias = np.zeros_like(first.weights), np.zeros_like(first.bias)
    for share, model in zip(shares, models, strict=True):
        weights += np.float32(share) * model.weights
        bias += np.float32(share) * model.bias
    return LinearModel(first.features, weights, bias, first.classes)


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
        self._features = len(features.keys)
        self._words = int((features.keys < 0).sum())  # the first so many features
        numbers = tf.range(self._features, dtype=tf.int32)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(features.keys), numbers), default_value=-1
        )
        self._idf = tf.Variable(features.idf, trainable=False, name="idf")
        slices = -(-model.weights.shape[1] // _MOST_COLUMNS)
        self._weights = [
            tf.Variable(some, trainable=False, name="weights") for some in np.array_split(model.weights, slices, axis=1)
        ]
        self._bias = tf.Variable(model.bias, trainable=False, name="bias")

    def from_texts(self, texts: tf.Tensor) -> tf.Tensor:
        """Margins of texts: string (n,) to float32 (n, K)."""
        texts_count = tf.size(texts, tf.int64)
        blocks = [self._block(rows, keys, texts_count) for rows, keys in self._rules.keys(texts)]
        return self._scores(tf.add_n(blocks))

    def _block(self, rows: tf.Tensor, keys: tf.Tensor, texts_count: tf.Tensor) -> tf.Tensor:
        """Margins by n-grams of one kind, words or characters; rows and keys as `NgramRules.keys` gives them."""
        columns = self._table.lookup(keys)
        known = tf.where(columns >= 0)
        rows, columns = tf.gather(rows, known[:, 0]), tf.cast(tf.gather_nd(columns, known), tf.int64)
        # A cell is a text and a feature in one number; counting equal numbers counts the feature in the text.
        cells, _, counts = tf.unique_with_counts(rows * self._features + columns)
        rows, columns = cells // self._features, cells % self._features
        values = (1 + tf.math.log(tf.cast(counts, tf.float32))) * tf.gather(self._idf, columns)
        norms = tf.math.sqrt(tf.math.unsorted_segment_sum(values * values, rows, texts_count))
        indices, shape = tf.stack([rows, columns], axis=1), tf.stack([texts_count, self._features])
        margins = [
            tf.raw_ops.SparseTensorDenseMatMul(a_indices=indices, a_values=values, a_shape=shape, b=some)
            for some in self._weights
        ]
        return tf.math.divide_no_nan(tf.concat(margins, axis=1), norms[:, None])

    def from_numbers(self, ngrams: tf.Tensor) -> tf.Tensor:
        """Margins of features: int32 (n, t), numbers from 1 on, each as often as it occurs, padded with 0.

        It compiles under XLA.
        """
        columns = tf.maximum(ngrams - 1, 0)
        equal = tf.cast(ngrams[:, :, None] == ngrams[:, None, :], tf.float32)
        counts = tf.reduce_sum(equal, axis=2)
        first = tf.reduce_sum(tf.linalg.band_part(equal, -1, 0), axis=2) == 1  # equal to none before it
        values = (1 + tf.math.log(counts)) * tf.gather(self._idf, columns)
        normed = tf.zeros_like(values)
        for kind in (columns < self._words, columns >= self._words):
            own = tf.where(kind & first & (ngrams > 0), values, 0)
            norm = tf.math.sqrt(tf.reduce_sum(own * own, axis=1, keepdims=True))
            normed += tf.math.divide_no_nan(own, norm)
        margins = [tf.einsum("nt,ntk->nk", normed, tf.gather(some, columns)) for some in self._weights]
        return self._scores(tf.concat(margins, axis=1))

    def _scores(self, margins: tf.Tensor) -> tf.Tensor:
        margins += self._bias
        return margins if margins.shape[1] == self._classes else tf.concat([-margins / 2, margins / 2], axis=1)
