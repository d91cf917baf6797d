"""Learning-rate schedule, optimizer and the weights of rows."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnlp_kit.config import TrainingOptions


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line from zero, then stays, falls in a line, or falls along a cosine to zero.

    Args:
        highest: learning rate at the end of the warm-up.
        steps: all steps of the training.
        warmup: share of the steps for the rise.
        course: constant, linear or cosine (Loshchilov & Hutter 2017, "SGDR", equation 5 without restarts).
    """

    def __init__(self, highest: float, steps: int, warmup: float, course: str) -> None:
        self.highest = highest
        self.steps = steps
        self.rise = math.ceil(warmup * steps)
        self.course = course

    def __call__(self, step: Any) -> Any:
        """Learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        part = ops.clip((step - self.rise) / max(1, self.steps - self.rise), 0.0, 1.0)
        if self.course == "linear":
            factor = 1.0 - part
        elif self.course == "cosine":
            factor = 0.5 * (1.0 + ops.cos(math.pi * part))
        else:
            factor = ops.ones_like(part)
        if self.rise:
            factor = ops.where(step < self.rise, (step + 1.0) / self.rise, factor)
        return self.highest * factor


class _WholeGradients:
    """Computes from the gradient of the whole batch, so that backends, and one device and two, agree.

    On TensorFlow Keras squares, in the global norm and in Adam, each occurrence of a word as if it were the whole
    gradient of its embedding, and clips what each device has found before adding it up.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Adds up the occurrences of each word."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            grads = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in grads]
        return super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _clip_gradients(self, grads: Any) -> Any:
        """Adds up over devices before clipping; each device hands on its part, because Keras adds up again."""
        replicas = 1
        if keras.backend.backend() == "tensorflow" and self.global_clipnorm:  # type: ignore[attr-defined]
            import tensorflow as tf

            context = tf.distribute.get_replica_context()
            replicas = context.num_replicas_in_sync if context else 1
            if replicas > 1:
                grads = context.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        clipped = super()._clip_gradients(grads)  # type: ignore[misc]
        return clipped if replicas == 1 else [gradient / replicas for gradient in clipped]


class ExactAdam(_WholeGradients, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015), the same on every backend and number of devices."""


class ExactAdamW(_WholeGradients, keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter 2019), likewise."""


def make_optimizer(options: TrainingOptions, steps: int) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where weight decay is asked for."""
    common = {
        "learning_rate": WarmupDecay(options.learning_rate, steps, options.warmup, options.schedule),
        "global_clipnorm": options.clip_norm or None,
    }
    if not options.weight_decay:
        return ExactAdam(**common)
    optimizer = ExactAdamW(weight_decay=options.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["embedding", "positions", "bias", "gamma", "beta"])
    return optimizer


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weight of each row, inverse to its class's frequency, 1 on average.

    The rule of scikit-learn's ``class_weight="balanced"``: rows / (classes * rows of the class).

    Args:
        labels: int (rows,).
        classes: number of classes.

    Returns:
        float32 (rows,).
    """
    counts = np.bincount(labels, minlength=classes)
    present = np.count_nonzero(counts)
    by_class = len(labels) / (present * np.maximum(counts, 1))
    return by_class[labels].astype("float32")
