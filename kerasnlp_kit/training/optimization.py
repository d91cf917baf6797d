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


def make_optimizer(options: TrainingOptions, steps: int) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where weight decay is asked for (Loshchilov & Hutter 2019)."""
    common = {
        "learning_rate": WarmupDecay(options.learning_rate, steps, options.warmup, options.schedule),
        "global_clipnorm": options.clip_norm or None,
    }
    if not options.weight_decay:
        return keras.optimizers.Adam(**common)
    optimizer = keras.optimizers.AdamW(weight_decay=options.weight_decay, **common)
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
