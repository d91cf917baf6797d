"""Models that are traced once for all shapes."""

import functools
from typing import Any

import keras


class AnyShape(keras.Model):
    """A model that TensorFlow traces once, and not for each shape of a batch: decoding takes seconds to trace."""

    predict_function: Any  # of `keras.Model`

    def make_predict_function(self, force: bool = False) -> Any:
        """See `keras.Model`; all inputs are int32 (batch, time)."""
        if keras.backend.backend() != "tensorflow":
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            import tensorflow as tf

            @functools.cache
            def traced(names: tuple[str, ...]) -> Any:
                specification = tf.TensorSpec([None, None], tf.int32)
                signature = dict.fromkeys(names, specification) if names else specification
                return tf.function(
                    lambda inputs: self(inputs, training=False), input_signature=[signature], autograph=False
                )

            def predict(data: Any) -> Any:
                ((inputs,),) = data
                return traced(tuple(inputs) if isinstance(inputs, dict) else ())(inputs)

            self.predict_function = predict
        return self.predict_function
