"""From weights to a SavedModel that was proven in a fresh process, and the folder that holds it."""
