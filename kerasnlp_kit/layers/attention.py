"""Multi-head attention over all positions at once, and step by step with a cache."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.layers.cache import write

LARGEST = 1e9  # taken from the scores of what must not be attended to


def attention_penalty(mask: Any) -> Any:
    """What is taken from attention scores: 0 where ``mask`` is true, else the largest number; float32, same shape."""
    return ops.where(mask, 0.0, LARGEST)


def attention_weights(scores: Any, penalty: Any) -> Any:
    """Softmax over the last axis, that of the keys, of what may be attended to: float, the shape of ``scores``."""
    if scores.shape[-1] == 1:
        return ops.ones_like(scores)  # Keras warns about a softmax of one number
    # Taken away and not added: TensorFlow would fuse product and sum to one operation, which on a CPU takes a hundred
    # times as long where the same numbers are added to all rows.
    return ops.softmax(scores - ops.cast(penalty, scores.dtype))


class _Attention(keras.layers.Layer):
    """What both kinds share: heads, softmax, the layer that joins the heads.

    Scaled dot-product attention, Vaswani et al. 2017, "Attention Is All You Need", equation 1 and section 3.2.2.

    Args:
        heads: number of heads; each gets ceil(features / heads) dimensions, its size.
        dropout: rate on the attention weights.
    """

    def __init__(self, heads: int, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.dropout_rate = dropout

    def _build(self, features: int) -> None:
        self.size = -(-features // self.heads)
        self.scale = self.size**-0.5
        self.join = keras.layers.Dense(features, name="join")
        self.join.build((None, None, self.heads * self.size))

    def _dense(self, features: int, parts: int, name: str) -> Any:
        """A projection to ``parts`` vectors in one matrix product, each with the spread that it would have alone."""
        # Glorot's rule takes the mean of inputs and outputs, which is (1 + parts) / 2 times that of one part.
        initializer = keras.initializers.VarianceScaling((1 + parts) / 2, "fan_avg", "uniform")
        layer = keras.layers.Dense(parts * self.heads * self.size, kernel_initializer=initializer, name=name)
        layer.build((None, None, features))
        return layer

    def _heads(self, hidden: Any) -> Any:
        """(batch, time, heads * size) to (batch, heads, time, size)."""
        batch, time = ops.shape(hidden)[:2]
        return ops.transpose(ops.reshape(hidden, (batch, time, self.heads, self.size)), (0, 2, 1, 3))

    def _weigh(self, scores: Any, penalty: Any, training: bool) -> Any:
        weights = attention_weights(scores, penalty)
        return self.dropout(weights, training=training) if self.dropout_rate else weights

    def _joined(self, context: Any) -> Any:
        """(batch, heads, time, size) to (batch, time, features)."""
        batch, _, time, _ = ops.shape(context)
        return self.join(ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (batch, time, self.heads * self.size)))


class SelfAttention(_Attention):
    """Attention of a row to itself.

    Args:
        heads: number of heads; each gets ceil(features / heads) dimensions, its size.
        dropout: rate on the attention weights.

    Call:
        hidden: float (batch, time, features)
        penalty: float, broadcast to (batch, heads, time, time); see `attention_penalty`
        rotation: pair of float (time, size // 2), see `positions.rotation`; None for none
        returns: float (batch, time, features)
    """

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Creates the projections."""
        assert hidden_shape[-1] is not None
        self._build(hidden_shape[-1])
        self.project = self._dense(hidden_shape[-1], 3, "project")

    def call(self, hidden: Any, penalty: Any, rotation: Any = None, training: bool = False) -> Any:
        """Attends all positions at once."""
        query, key, value = map(self._heads, ops.split(self.project(hidden), 3, axis=-1))
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        scores = ops.matmul(query * self.scale, ops.transpose(key, (0, 1, 3, 2)))
        return self._joined(ops.matmul(self._weigh(scores, penalty, training), value))

    def start(self, batch: Any, beam: Any, length: Any) -> dict[str, Any]:
        """An empty cache of ``length`` places."""
        shape = (batch, beam, self.heads, length, self.size)
        return {"key": ops.zeros(shape, self.compute_dtype), "value": ops.zeros(shape, self.compute_dtype)}

    def step(
        self, hidden: Any, cache: dict[str, Any], position: Any, penalty: Any, rotation: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Attends from one new position to those in the cache, and to itself.

        Args:
            hidden: float (batch, beam, features), of the new position.
            cache: of the earlier ones.
            position: int32 (), the place that it takes in the cache.
            penalty: float (length,), largest at places that hold nothing yet.
            rotation: pair of float (1, size // 2), of the position in the text.

        Returns:
            float (batch, beam, features), and the cache with the new position.
        """
        batch, beam = ops.shape(hidden)[:2]
        projected = ops.reshape(self.project(hidden), (batch, beam, 3 * self.heads, self.size))
        query, key, value = ops.split(projected, 3, axis=2)  # (batch, beam, heads, size)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        cache = {"key": write(cache["key"], key, position), "value": write(cache["value"], value, position)}
        scores = ops.matmul((query * self.scale)[:, :, :, None], ops.transpose(cache["key"], (0, 1, 2, 4, 3)))
        weights = self._weigh(scores, penalty, False)  # (batch, beam, heads, 1, length)
        context = ops.matmul(weights, cache["value"])
        return self.join(ops.reshape(context, (batch, beam, self.heads * self.size))), cache


class CrossAttention(_Attention):
    """Attention of a row to another one, whose keys and values are projected once.

    Args:
        heads: number of heads; each gets ceil(features / heads) dimensions, its size.
        dropout: rate on the attention weights.

    Call:
        hidden: float (batch, time, features); in decoding the beams stand in the place of the time
        memory: from `remember`
        penalty: float (batch, 1, 1, source time)
        returns: float (batch, time, features), and the weights float (batch, heads, time, source time)
    """

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Creates the projections."""
        assert hidden_shape[-1] is not None
        self._build(hidden_shape[-1])
        self.project_query = self._dense(hidden_shape[-1], 1, "project_query")
        self.project_memory = self._dense(hidden_shape[-1], 2, "project_memory")

    def remember(self, encoded: Any) -> dict[str, Any]:
        """Keys, transposed, and values of a source: float (batch, source time, features)."""
        key, value = map(self._heads, ops.split(self.project_memory(encoded), 2, axis=-1))
        return {"key": ops.transpose(key, (0, 1, 3, 2)), "value": value}

    def call(self, hidden: Any, memory: dict[str, Any], penalty: Any, training: bool = False) -> tuple[Any, Any]:
        """Attends all positions at once."""
        query = self._heads(self.project_query(hidden))
        weights = self._weigh(ops.matmul(query * self.scale, memory["key"]), penalty, training)
        return self._joined(ops.matmul(weights, memory["value"])), weights


def rotate(vectors: Any, rotation: Any) -> Any:
    """Turns each pair of features by an angle that its position gives.

    Su et al. 2021, "RoFormer", equation 34; feature i is paired with i + half; the last of an odd number
    stays as it is.

    Args:
        vectors: float (..., time, features)
        rotation: cosines and sines, each float (time, features // 2)
    """
    cosine, sine = (ops.cast(part, vectors.dtype) for part in rotation)
    half = vectors.shape[-1] // 2
    first, second, left = vectors[..., :half], vectors[..., half : 2 * half], vectors[..., 2 * half :]
    return ops.concatenate([first * cosine - second * sine, second * cosine + first * sine, left], axis=-1)
