"""Learning-rate schedule, optimizer and the weights of rows."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnlp_kit.config import OptimizationOptions


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line from zero, then stays, or falls in a line, along a cosine or with the root of the steps.

    Args:
        highest: learning rate at the end of the warm-up.
        steps: all steps of the training.
        warmup: share of the steps for the rise.
        course: constant, linear, cosine (Loshchilov & Hutter 2017, "SGDR", equation 5 without restarts), or
            inverse_sqrt (Vaswani et al. 2017, equation 3).
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
        elif self.course == "inverse_sqrt":
            factor = ops.sqrt(max(1, self.rise) / ops.maximum(step + 1.0, max(1, self.rise)))
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

    def finalize_variable_values(self, var_list: Any) -> None:
        """Leaves the weights as they are, after each ``fit`` of several; Keras would put the averages there."""

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


class _FusedSteps:
    """On TensorFlow, one operation updates a variable in place of Keras' twenty-five.

    To trace and optimize these took nearly half of the time of the first step.
    """

    # Of the optimizer.
    iterations: Any
    _iterations: Any
    gradient_accumulation_steps: int | None
    beta_1: float
    beta_2: float
    epsilon: float
    ema_momentum: float
    _momentums: Sequence[Any]
    _velocities: Sequence[Any]
    _model_variables_moving_average: Sequence[Any]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Computes what all variables share once: on TensorFlow, `update_step` gets the rate corrected for bias."""
        if keras.backend.backend() == "tensorflow":
            step = ops.cast(self.iterations + 1, "float32")
            first, second = 1 - ops.power(self.beta_1, step), 1 - ops.power(self.beta_2, step)
            learning_rate = learning_rate * ops.sqrt(second) / first
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # type: ignore[misc]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Changes a variable and its two moments."""
        if keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)  # type: ignore[attr-defined]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=0.0,  # the rate is corrected already
            beta2_power=0.0,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        """Moves the averages towards the weights; after the first step they are the weights.

        In the beginning by more, so that the average is over a tenth of the batches so far: a training that ends in its
        first epoch would else keep little but the weights that it began with.
        """
        # Of batches, as this is done after each; those before the first step change nothing.
        done = ops.maximum(self._iterations - ((self.gradient_accumulation_steps or 1) - 1), 0)
        part = ops.maximum(1.0 - self.ema_momentum, 9.0 / (9.0 + ops.cast(done, "float32")))
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if keras.backend.backend() == "tensorflow":
                average.value.assign_sub(part * (average.value - variable.value))
            else:
                average.assign(average - part * (average - variable))


class ExactAdam(_WholeGradients, _FusedSteps, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015), the same on every backend and number of devices."""


class ExactAdamW(_WholeGradients, _FusedSteps, keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter 2019), likewise."""


def make_optimizer(
    options: OptimizationOptions, steps: int, *, accumulate: int = 1, average: float | None = None
) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where weight decay is asked for.

    Args:
        options: learning rate, its course, clipping.
        steps: all batches of the training.
        accumulate: batches whose gradients are averaged before the weights change.
        average: what a moving average of the weights keeps of its old value at each step; None for no average.
    """
    common: dict[str, Any] = {
        "learning_rate": WarmupDecay(options.learning_rate, steps, options.warmup, options.schedule),
        "global_clipnorm": options.clip_norm or None,
    }
    if accumulate > 1:
        common["gradient_accumulation_steps"] = accumulate
    if average is not None:
        common.update(use_ema=True, ema_momentum=average)
    if not options.weight_decay:
        return ExactAdam(**common)
    optimizer = ExactAdamW(weight_decay=options.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["embedding", "positions", "bias", "gamma", "beta"])
    return optimizer


def weights_to_keep(model: keras.Model) -> list[np.ndarray]:
    """The model's weights; where the optimizer averages them, the averages."""
    # With float16, Keras wraps the optimizer to scale the loss.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    averages: dict[int, Any] = {}
    if optimizer.use_ema:
        pairs = zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True)
        averages = {id(variable): average for variable, average in pairs}
    return [np.asarray(ops.convert_to_numpy(averages.get(id(weight), weight))) for weight in model.weights]


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
