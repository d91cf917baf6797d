"""What the signatures of models that write have in common."""

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


def never_none(texts: tf.Tensor) -> tf.Tensor:
    """The texts; an empty one in the place of none: a loop over nothing is not worth the risk."""
    return tf.concat([texts, tf.fill([1 - tf.minimum(tf.size(texts), 1)], "")], axis=0)
