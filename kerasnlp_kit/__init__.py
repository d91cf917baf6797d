"""From a CSV of texts to a proven string-to-string SavedModel, with Keras 3 and TensorFlow."""

__version__ = "0.1.0"
