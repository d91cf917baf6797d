"""The tasks: what a model's numbers mean, how it is judged in training, and which signatures its export has."""
