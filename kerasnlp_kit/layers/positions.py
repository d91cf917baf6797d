"""Where a token stands: as a vector that is added, or as an angle by which queries and keys are turned."""

from typing import Any

from keras import ops

BASE = 10_000.0


def angles(positions: Any, count: int) -> Any:
    """``position / 10000 ** (i / count)``: positions int or float (time,) to float32 (time, count)."""
    rates = ops.power(BASE, -ops.arange(count, dtype="float32") / count)
    return ops.cast(positions, "float32")[:, None] * rates[None, :]


def sinusoidal(positions: Any, features: int) -> Any:
    """Sines, then cosines, of falling frequency.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5, with the sines side by side.

    Args:
        positions: int32 (time,)
        features: of a vector; of an odd number the last cosine is left out.

    Returns:
        float32 (time, features)
    """
    angle = angles(positions, (features + 1) // 2)
    return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)[:, :features]


def rotation(positions: Any, features: int) -> tuple[Any, Any]:
    """Cosines and sines for `attention.rotate`: int32 (time,) to two float32 (time, features // 2)."""
    angle = angles(positions, features // 2)
    return ops.cos(angle), ops.sin(angle)
