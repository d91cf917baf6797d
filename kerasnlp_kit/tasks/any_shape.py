"""Models that are traced once for all shapes."""

import functools
from typing import Any

import keras


class AnyShape(keras.Model):
    """A model that TensorFlow traces once, and not for each shape of a batch: decoding takes seconds to trace."""

    predict_function: Any  # of `keras.Model`

    def make_predict_function(self, force: bool = False) -> Any:
        """See `keras.Model`; inputs, one or several by name: int32 (batch, time), or float32 (batch, dimensions)."""
        if keras.backend.backend() != "tensorflow":
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            import tensorflow as tf

            @functools.cache
            def traced(kinds: tuple[tuple[str, tf.DType, int], ...]) -> Any:
                shapes = {
                    name: tf.TensorSpec([None, None if type_.is_integer else width], type_)
                    for name, type_, width in kinds
                }
                signature = shapes.get(_ALONE, shapes)
                function = lambda inputs: self(inputs, training=False)  # noqa: E731
                # The concrete function: each model has its own, which TensorFlow would warn of as of tracing too often.
                return tf.function(function, input_signature=[signature], autograph=False).get_concrete_function()

            def predict(data: Any) -> Any:
                ((inputs,),) = data
                named = inputs if isinstance(inputs, dict) else {_ALONE: inputs}
                types = {name: tf.as_dtype(array.dtype) for name, array in named.items()}
                # How many dimensions vectors have must be known; how many tokens rows have must not be.
                widths = {name: 0 if types[name].is_integer else array.shape[1] for name, array in named.items()}
                return traced(tuple((name, types[name], widths[name]) for name in named))(
                    tf.nest.map_structure(tf.convert_to_tensor, inputs)
                )

            self.predict_function = predict
        return self.predict_function


_ALONE = ""  # in the place of a name, of an input that has none
