"""Rows of different lengths to rectangles, with the one TensorFlow op that exports use too."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kerasnlp_kit.constants import PAD
from kerasnlp_kit.text.token_ids import TokenIds

Side = Literal["pre", "post"]


def pad_ragged(
    ids: tf.RaggedTensor,
    width: int | tf.Tensor | None = None,
    *,
    padding: Side = "post",
    truncating: Side = "post",
    value: Any = PAD,
) -> tf.Tensor:
    """Rows of equal width, cut or filled.

    Args:
        ids: (batch, None), any type.
        width: Columns of the result; the longest row by default.
        padding: The side to fill.
        truncating: The side to cut.
        value: What fills.

    Returns:
        (batch, width). At least one column, even if the batch or all of its rows are empty, so that layers can run.
    """
    _check_side("padding", padding)
    _check_side("truncating", truncating)
    starts, lengths = ids.row_starts(), ids.row_lengths()
    if width is None:
        width = tf.reduce_max(tf.concat([lengths, tf.zeros([1], lengths.dtype)], axis=0))
    columns = tf.maximum(tf.cast(width, lengths.dtype), 1)
    kept = tf.minimum(lengths, columns)
    # Column j of the result is the value at starts + skipped + (j - filled) of its row.
    skipped = lengths - kept if truncating == "pre" else tf.zeros_like(lengths)
    filled = columns - kept if padding == "pre" else tf.zeros_like(lengths)
    positions = tf.range(columns)[tf.newaxis, :] - filled[:, tf.newaxis]  # (batch, width)
    inside = (positions >= 0) & (positions < kept[:, tf.newaxis])
    fill = tf.constant(value, ids.dtype, [1])
    # The filling stands before all values, at place 0, so that a gather finds it like any other.
    places = tf.where(inside, positions + (starts + skipped)[:, tf.newaxis] + 1, 0)
    padded = tf.gather(tf.concat([fill, ids.values], axis=0), places)
    return tf.ensure_shape(padded, [None, max(width, 1) if isinstance(width, int) else None])


def pad_sequences(
    sequences: Sequence[Sequence[Any]],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: Side = "pre",
    truncating: Side = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """The classic `keras.utils.pad_sequences`: fills and cuts at the beginning unless told otherwise.

    Args:
        sequences: Rows of numbers, of vectors of one shape, or, with `dtype=object`, of strings.
        maxlen: Columns of the result; the longest row by default.
        dtype: Type of the result.
        padding: The side to fill.
        truncating: The side to cut.
        value: What fills.

    Returns:
        `dtype` (rows, maxlen), followed by the shape of the vectors if there are any.
    """
    _check_side("padding", padding)
    _check_side("truncating", truncating)
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be a list of lists. Received: {type(sequences).__name__}")
    if maxlen is not None and maxlen < 1:
        raise ValueError(f"`maxlen` must be at least 1. Received: {maxlen}")
    if maxlen is None and not len(sequences):
        raise ValueError("`maxlen` is needed if there are no sequences. Received: maxlen=None")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OSU":
        raise ValueError(f"A string as `value` needs `dtype=object`. Received: dtype={dtype}")
    for position, row in enumerate(sequences):
        if not hasattr(row, "__len__"):
            raise ValueError(f"Each of `sequences` must be a list. Received: {row!r} at position {position}")

    lengths = np.array([len(row) for row in sequences], np.int64)
    arrays = [np.asarray(row, dtype) for row in sequences if len(row)]
    shape = arrays[0].shape[1:] if arrays else ()
    for array in arrays:
        if array.shape[1:] != shape:
            raise ValueError(f"All elements must be of one shape, here {shape}. Received: {array.shape[1:]}")

    # The op pads places instead of values, so that values of any type and shape go the same way. 0 is the filling.
    places = tf.RaggedTensor.from_row_lengths(np.arange(1, lengths.sum() + 1), lengths)
    width = int(lengths.max()) if maxlen is None else maxlen
    padded = pad_ragged(places, width, padding=padding, truncating=truncating, value=0).numpy()
    values = np.concatenate([np.full((1, *shape), value, dtype), *arrays])
    return values[padded[:, :width]]


def pad_rows(ids: TokenIds, indices: np.ndarray, width: int) -> np.ndarray:
    """Some rows, padded and cut on the right: int32 (len(indices), width). Fast enough to run for every batch."""
    indices = np.asarray(indices, np.int64)
    starts = ids.offsets[:-1][indices]
    lengths = np.minimum(ids.offsets[1:][indices] - starts, width)
    padded = np.full((len(indices), width), PAD, np.int32)
    # Boolean assignment goes row by row, as do the places: each start, repeated, plus 0, 1, 2, ... within the row.
    ends = np.cumsum(lengths)
    places = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)
    padded[np.arange(width) < lengths[:, None]] = ids.values[places]
    return padded


def _check_side(name: str, side: str) -> None:
    if side not in ("pre", "post"):
        raise ValueError(f"`{name}` must be 'pre' or 'post'. Received: {side!r}")
