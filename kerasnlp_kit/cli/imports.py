"""Starts commands without what they do not need: most of a short command is the import of TensorFlow and Keras."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from typing import Any


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


@contextlib.contextmanager
def keras_alone(backend: str) -> Iterator[None]:
    """Within it, TensorFlow and Keras are imported without what they only offer more with, where it is installed.

    That is pandas, Matplotlib, scikit-learn, and JAX unless it is the backend: for data frames, pictures, estimators
    and conversions that nothing here asks of them.
    Our own imports of them, before and after, are not hindered. For programs of this package only.
    """
    barrier = _Barrier(("pandas", "matplotlib", "sklearn", *(() if backend == "jax" else ("jax",))))
    sys.meta_path.insert(0, barrier)
    try:
        yield
    finally:
        sys.meta_path.remove(barrier)


class _Barrier(MetaPathFinder):
    """Takes packages for not installed while TensorFlow or Keras is being imported."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname in self._names and any(map(_is_being_imported, ("tensorflow", "keras"))):
            raise ModuleNotFoundError(f"{fullname} is not needed", name=fullname)


def _is_being_imported(name: str) -> bool:
    # Python's own mark; should it go away one day, nothing is hindered.
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False)
