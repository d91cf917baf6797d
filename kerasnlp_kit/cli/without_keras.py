"""Starts commands that ask a SavedModel without Keras, whose import takes nearly as long as that of TensorFlow."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_keras() -> Iterator[None]:
    """Within it, Keras is taken for not installed; nothing is changed where TensorFlow or Keras is imported already.

    TensorFlow imports Keras for the optimizers of saved Keras models, and no SavedModel of ours holds one. For programs
    of this package only: ``tensorflow.keras`` cannot be imported in the same process afterwards.
    """
    if not {"tensorflow", "keras"}.isdisjoint(sys.modules):
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        yield
    finally:
        del sys.modules["keras"]
