"""Results as plain JSON types."""

import math
from typing import Any


def to_plain(value: Any) -> Any:
    """Returns the value with tuples as lists and NaN or infinity, for which JSON has no word, as None."""
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
