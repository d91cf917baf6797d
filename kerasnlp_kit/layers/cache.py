"""What a decoder has computed for earlier tokens, kept in arrays of fixed size: a loop's shapes must not change."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

_compiled = False


@contextlib.contextmanager
def compiled() -> Iterator[None]:
    """Within it, graphs are traced for XLA, which has its own fastest way to write; on JAX that is always so."""
    global _compiled
    before, _compiled = _compiled, True
    try:
        yield
    finally:
        _compiled = before


def write(cache: Any, values: Any, position: Any) -> Any:
    """Puts the vectors of one step into a cache.

    Args:
        cache: float (batch, beam, heads, length, features)
        values: float (batch, beam, heads, features)
        position: int32 (), which of the ``length`` places.

    Returns:
        The new cache.
    """
    if _compiled or keras.backend.backend() != "tensorflow":
        return ops.slice_update(cache, (0, 0, 0, position, 0), values[:, :, :, None, :])
    # As a plain graph TensorFlow has no slice_update; scattering whole rows works in place.
    shape = ops.shape(cache)
    features = shape[-1]
    flat = ops.reshape(cache, (-1, features))
    rows = ops.reshape(values, (-1, features))
    places = ops.arange(ops.shape(rows)[0], dtype="int32") * shape[3] + position
    return ops.reshape(ops.scatter_update(flat, places[:, None], rows), shape)
