"""Layers that the models share; written in keras.ops, so that they train on every backend."""
