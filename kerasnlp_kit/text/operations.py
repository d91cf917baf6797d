"""The operations that a SavedModel with subwords needs beside TensorFlow's own."""

import importlib.util
from pathlib import Path
from typing import Any

from kerasnlp_kit.errors import UserError

LIBRARY = Path("python", "ops", "_sentencepiece_tokenizer.so")  # within the package tensorflow_text


def subword_operations() -> Path:
    """Path of the library in the package tensorflow_text, whose Python modules would import Keras.

    Raises:
        UserError: the package is not installed.
    """
    found = importlib.util.find_spec("tensorflow_text")
    if found is None or not found.submodule_search_locations:
        raise UserError("Models of subwords need the package tensorflow-text: pip install tensorflow-text.")
    return Path(found.submodule_search_locations[0]) / LIBRARY


def load_subword_operations() -> Any:
    """Makes them known to TensorFlow.

    Returns:
        The functions that call them, as a module.

    Raises:
        UserError: see `subword_operations`; the package is not made for the TensorFlow that is installed.
    """
    path = subword_operations()
    import tensorflow as tf

    try:
        return tf.load_op_library(str(path))
    except (tf.errors.NotFoundError, OSError) as error:
        raise UserError(
            f"{path} does not fit TensorFlow {tf.__version__}: install tensorflow-text of the same version. ({error})"
        ) from error
