"""What signatures have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Outputs = dict[str, tf.Tensor]


def spec(name: str, type_: tf.DType, *shape: int | None) -> tf.TensorSpec:
    """An input of a signature."""
    return tf.TensorSpec(shape, type_, name=name)


DRAWN = [  # inputs of what is drawn; see `decoding.one.sample`
    spec("seed", tf.int32),
    spec("temperature", tf.float32),
    spec("top_k", tf.int32),
    spec("top_p", tf.float32),
]


def traced(functions: Mapping[str, tuple[Callable[..., Outputs], Sequence[tf.TensorSpec]]]) -> dict[str, Any]:
    """Functions to export, by name, of functions and their inputs.

    Without AutoGraph: there is no control flow of Python's in them, and to look for it takes half of the time.
    """
    return {
        name: tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        for name, (function, specs) in functions.items()
    }


def never_none(texts: tf.Tensor) -> tf.Tensor:
    """The texts; an empty one in the place of none: a loop over nothing is not worth the risk."""
    return tf.concat([texts, tf.fill([1 - tf.minimum(tf.size(texts), 1)], "")], axis=0)


def never_empty(ids: tf.Tensor) -> tf.Tensor:
    """Rows of ids, int32 (n, t); a row, and a column, of padding in the place of none: layers need one to run."""
    missing = 1 - tf.minimum(tf.shape(ids), 1)
    return tf.pad(ids, tf.stack([tf.zeros_like(missing), missing], axis=1))


def as_many(texts: tf.Tensor, others: tf.Tensor, rule: str) -> tf.Tensor:
    """The texts; an error that tells the rule where the others are more or fewer."""
    sizes = tf.size(texts), tf.size(others)
    check = tf.debugging.Assert(tf.equal(*sizes), [f"{rule}. Received so many of each:", *sizes])
    with tf.control_dependencies([check]):
        return tf.identity(texts)
