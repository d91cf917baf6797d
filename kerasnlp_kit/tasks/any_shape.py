"""Models that are traced once for all shapes."""

from typing import Any

import keras
import numpy as np

COMPILED_WIDTH = 16  # JAX compiles anew for each width: rows are padded to a multiple of this


class AnyShape(keras.Model):
    """A model that TensorFlow traces once, and not for each shape of a batch: decoding takes seconds to trace."""

    predict_function: Any  # of `keras.Model`

    def answers(self, inputs: Any, rows: int) -> Any:
        """As ``predict_on_batch``, in few shapes where each is compiled.

        Args:
            inputs: one, or several by name: int32 (batch, time), padded, or float32 (batch, dimensions).
            rows: of the largest batch.

        Returns:
            For the rows of the batch.
        """
        if keras.backend.backend() != "jax":
            return self.predict_on_batch(inputs)
        given = len(keras.tree.flatten(inputs)[0])

        def filled(values: np.ndarray) -> np.ndarray:
            wider = -values.shape[1] % COMPILED_WIDTH if np.issubdtype(values.dtype, np.integer) else 0
            return np.pad(values, [(0, max(rows - given, 0)), (0, wider)])

        answers = self.predict_on_batch(keras.tree.map_structure(filled, inputs))
        return keras.tree.map_structure(lambda values: values[:given], answers)

    def make_predict_function(self, force: bool = False) -> Any:
        """See `keras.Model`; inputs, one or several by name: int32 (batch, time), or float32 (batch, dimensions)."""
        if keras.backend.backend() != "tensorflow":
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            import tensorflow as tf

            def any_rows(tensor: tf.Tensor) -> tf.TensorSpec:
                # How many dimensions vectors have must be known; how many tokens rows have must not be.
                return tf.TensorSpec([None, None if tensor.dtype.is_integer else tensor.shape[1]], tensor.dtype)

            traced: Any = None  # by the first inputs: a model has one kind of them

            def predict(data: Any) -> Any:
                nonlocal traced
                ((inputs,),) = data
                inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
                if traced is None:
                    signature = tf.nest.map_structure(any_rows, inputs)
                    answer = tf.function(self._answer, input_signature=[signature], autograph=False)
                    # Not the function itself: each model has its own, which TensorFlow takes for tracing too often.
                    traced = answer.get_concrete_function()
                return traced(inputs)

            self.predict_function = predict
        return self.predict_function

    def _answer(self, inputs: Any) -> Any:
        return self(inputs, training=False)
