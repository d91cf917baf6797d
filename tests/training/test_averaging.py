"""Moving averages of weights, gradients that are added up, and the course of the learning rate, against NumPy."""

import math

import keras
import numpy as np
import pytest

from kerasnlp_kit.config import PairTrainingOptions
from kerasnlp_kit.training.optimization import WarmupDecay, make_optimizer, weights_to_keep

INPUTS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0], [2.0, 1.0, 1.0], [-1.0, 1.0, 0.0]], "float32")
TARGETS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, -1.0]], "float32")


def network():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.set_weights([np.arange(6, dtype="float32").reshape(3, 2) / 9, np.array([0.5, -0.5], "float32")])
    return model


def compiled(**options):
    model = network()
    given = PairTrainingOptions(learning_rate=0.1, schedule="constant", warmup=0.0)
    model.compile(make_optimizer(given, 9, **options), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("momentum", [0.25, 0.75], ids=["soon", "later"])
def test_the_weights_to_keep_are_the_moving_average_over_the_steps(accumulate, momentum):
    model = compiled(average=momentum, accumulate=accumulate)
    expected = None
    for step in range(8):
        model.train_on_batch(INPUTS, TARGETS)
        now = model.get_weights()
        done = max(0, step - (accumulate - 1))  # until the weights have changed once there is nothing to average
        kept = min(momentum, done / (done + 9))
        expected = [kept * old + (1 - kept) * new for old, new in zip(expected or now, now, strict=True)]
        for found, average in zip(weights_to_keep(model), expected, strict=True):
            np.testing.assert_allclose(found, average, rtol=1e-5)
    changed = [
        np.abs(kept - last).max() for kept, last in zip(weights_to_keep(model), model.get_weights(), strict=True)
    ]
    assert min(changed) > 1e-3


def test_of_a_training_that_ends_soon_hardly_anything_is_kept_of_its_first_weights():
    model = compiled(average=0.999)
    start = model.get_weights()[0]
    for _ in range(60):
        model.train_on_batch(INPUTS, TARGETS)
    way = np.abs(model.get_weights()[0] - start).max()
    assert np.abs(model.get_weights()[0] - weights_to_keep(model)[0]).max() < 0.2 * way


def test_the_averages_are_found_where_the_loss_is_scaled_for_float16():
    model = compiled(average=0.75)
    model.compile(keras.optimizers.LossScaleOptimizer(model.optimizer), "mse", jit_compile=False)
    expected: float | np.ndarray = 0.0
    for step in range(3):
        model.train_on_batch(INPUTS, TARGETS)
        part = min(0.75, step / (step + 9))
        expected = part * expected + (1 - part) * model.get_weights()[0]
    kept, last = weights_to_keep(model)[0], model.get_weights()[0]
    np.testing.assert_allclose(kept, expected, rtol=1e-5)
    assert np.abs(kept - last).max() > 1e-3
    model.train_on_batch(np.full_like(INPUTS, np.inf), TARGETS)  # an overflow, which changes nothing but the scale
    np.testing.assert_array_equal(model.get_weights()[0], last)
    np.testing.assert_array_equal(weights_to_keep(model)[0], kept)


def test_the_end_of_a_fit_leaves_the_last_weights_to_the_next_one():
    # A run that is resumed within an epoch is two fits: the rest of the epoch, and the others.
    whole, parts = compiled(average=0.75), compiled(average=0.75)
    whole.fit(INPUTS, TARGETS, epochs=4, shuffle=False, verbose=0)
    for _ in range(2):
        parts.fit(INPUTS, TARGETS, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_an_average_the_weights_to_keep_are_the_last():
    model = compiled()
    model.train_on_batch(INPUTS, TARGETS)
    for kept, last in zip(weights_to_keep(model), model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, last)


def test_two_steps_that_are_added_up_are_one_step_on_both_batches():
    halves, whole = compiled(accumulate=2), compiled()
    before = halves.get_weights()
    for rows in (slice(0, 2), slice(2, 4)):
        for start, now in zip(before, halves.get_weights(), strict=True):
            np.testing.assert_array_equal(start, now)
        halves.train_on_batch(INPUTS[rows], TARGETS[rows])
    whole.train_on_batch(INPUTS, TARGETS)
    for one, other in zip(halves.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert np.abs(before[0] - whole.get_weights()[0]).max() > 0.05


@pytest.mark.parametrize("warmup", [0.0, 0.04, 0.5])
def test_the_learning_rate_falls_with_the_root_of_the_steps(warmup):
    schedule = WarmupDecay(0.01, 50, warmup, "inverse_sqrt")
    rise = max(1, math.ceil(warmup * 50))
    # Vaswani et al. 2017, equation 3, with steps from 1, as a share of its highest value.
    expected = [0.01 * math.sqrt(rise) * min(n**-0.5, n * rise**-1.5) for n in range(1, 61)]
    np.testing.assert_allclose([float(schedule(step)) for step in range(60)], expected, rtol=1e-5)
    assert max(expected) == expected[rise - 1] == pytest.approx(0.01)
