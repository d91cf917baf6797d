"""Which positions hold a token."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import PAD


class TokenMask(keras.layers.Layer):
    """Marks the positions that hold a token.

    The first position always counts, so that an empty text is one padding token: a recurrent layer needs a step (cuDNN
    fails on a row that is all padding) and a mean needs a divisor.

    Call:
        ids: int32 (batch, time)
        returns: bool (batch, time)
    """

    def call(self, ids: Any) -> Any:
        """Compares with PAD."""
        first = ops.equal(ops.arange(ops.shape(ids)[1], dtype="int32"), 0)
        return ops.logical_or(ops.not_equal(ids, PAD), first[None, :])


class ZeroPadding(keras.layers.Layer):
    """Sets the positions outside the mask to zero.

    Call:
        hidden: float (batch, time, features)
        mask: bool (batch, time)
        returns: float (batch, time, features)
    """

    def call(self, hidden: Any, mask: Any) -> Any:
        """Multiplies by the mask."""
        return hidden * ops.cast(mask, hidden.dtype)[:, :, None]
