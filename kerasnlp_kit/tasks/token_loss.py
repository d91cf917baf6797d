"""The loss of models that write, token by token."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import PAD


class TokenCrossEntropy(keras.losses.Loss):
    """Cross-entropy of the next token with label smoothing, the mean over all tokens of a batch, without padding.

    The target is ``1 - s`` for the token and ``s / V`` for each of the vocabulary (Szegedy et al. 2016, "Rethinking the
    Inception Architecture", section 7). With ``ce`` that of the token alone, the loss is
    ``ce + s * (logit[token] - mean(logits))``: no second log-softmax.

    Args:
        smoothing: s, from 0 to below 1.

    Call:
        y_true: int (batch, time), padded
        y_pred: float (batch, time, vocabulary), logits
    """

    def __init__(self, smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(name="token_cross_entropy", **options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses whose mean over all positions is that over the tokens: float (batch, time)."""
        y_true = ops.cast(y_true, "int32")
        losses = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if self.smoothing:
            chosen = ops.take_along_axis(y_pred, y_true[:, :, None], axis=-1)[:, :, 0]
            losses = losses + self.smoothing * (chosen - ops.mean(y_pred, axis=-1))
        counts = ops.cast(ops.not_equal(y_true, PAD), losses.dtype)
        return losses * counts / ops.maximum(ops.mean(counts), 1e-9)
