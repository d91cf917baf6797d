"""From one vector a token to one vector a text."""

from typing import Any, Literal

import keras
from keras import ops

Pooling = Literal["last", "max", "mean", "mean_max", "attention"]


class MaskedPooling(keras.layers.Layer):
    """Pools over the tokens of a row; padding has no influence.

    Args:
        kind: ``last`` token, ``max``, ``mean``, ``mean_max`` (both, side by side), or ``attention``: a mean with
            learned weights (Yang et al. 2016, "Hierarchical Attention Networks", equations 5 to 7).

    Call:
        hidden: float (batch, time, features)
        mask: bool (batch, time), at least one True in a row
        returns: float (batch, features), twice the features for ``mean_max``
    """

    def __init__(self, kind: Pooling, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind
        self.supports_masking = True  # a recurrent layer attaches its mask: it ends here, see compute_mask

    def build(self, hidden_shape: tuple[int | None, ...], mask_shape: tuple[int | None, ...] | None = None) -> None:
        """Creates the attention's weights, if any."""
        if self.kind == "attention":
            features = hidden_shape[-1]
            self.kernel = self.add_weight(name="kernel", shape=(features, features), initializer="glorot_uniform")
            self.bias = self.add_weight(name="bias", shape=(features,), initializer="zeros")
            self.context = self.add_weight(name="context", shape=(features, 1), initializer="glorot_uniform")

    def call(self, hidden: Any, mask: Any) -> Any:
        """Pools over time."""
        if self.kind == "last":
            return self._last(hidden, mask)
        if self.kind == "max":
            return self._max(hidden, mask)
        if self.kind == "mean":
            return self._mean(hidden, mask)
        if self.kind == "mean_max":
            return ops.concatenate([self._mean(hidden, mask), self._max(hidden, mask)], axis=-1)
        return self._attention(hidden, mask)

    def compute_mask(self, hidden: Any, previous_mask: Any = None) -> None:
        """None: there is no time any more; the mask of the tokens must not reach the loss."""
        return

    def _last(self, hidden: Any, mask: Any) -> Any:
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
        index = ops.broadcast_to((lengths - 1)[:, None, None], (ops.shape(hidden)[0], 1, hidden.shape[-1]))
        return ops.take_along_axis(hidden, index, axis=1)[:, 0]

    def _max(self, hidden: Any, mask: Any) -> Any:
        lowest = ops.cast(-1e4, hidden.dtype)  # fits float16
        return ops.max(ops.where(mask[:, :, None], hidden, lowest), axis=1)

    def _mean(self, hidden: Any, mask: Any) -> Any:
        weights = ops.cast(mask, hidden.dtype)[:, :, None]
        return ops.sum(hidden * weights, axis=1) / ops.sum(weights, axis=1)

    def _attention(self, hidden: Any, mask: Any) -> Any:
        scores = ops.matmul(ops.tanh(ops.matmul(hidden, self.kernel) + self.bias), self.context)  # (batch, time, 1)
        scores = ops.where(mask[:, :, None], scores, ops.cast(-1e4, scores.dtype))
        # By hand: ops.softmax warns about rows of one token.
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
        return ops.sum(weights * hidden, axis=1) / ops.sum(weights, axis=1)
