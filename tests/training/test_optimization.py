import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_sample_weight

from kerasnlp_kit import registry
from kerasnlp_kit.config import TrainingOptions
from kerasnlp_kit.registry import Sizes
from kerasnlp_kit.tasks.classification import SmoothedCrossEntropy
from kerasnlp_kit.training.optimization import WarmupDecay, balanced_weights, make_optimizer


def rate(step, highest, steps, warmup, course):
    """The schedule in plain Python."""
    rise = math.ceil(warmup * steps)
    if step < rise:
        return highest * (step + 1) / rise
    part = min(1, (step - rise) / (steps - rise))
    return highest * {"constant": 1, "linear": 1 - part, "cosine": (1 + math.cos(math.pi * part)) / 2}[course]


@pytest.mark.parametrize("course", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_the_learning_rate_rises_and_then_takes_its_course(course, warmup):
    schedule = WarmupDecay(0.01, 10, warmup, course)
    found = [float(schedule(step)) for step in range(12)]
    np.testing.assert_allclose(found, [rate(step, 0.01, 10, warmup, course) for step in range(12)], atol=1e-8)


def test_the_learning_rate_by_hand():
    # ceil(0.2 * 10) = 2 steps of rise; then 8 steps down to 0.
    schedule = WarmupDecay(1.0, 10, 0.2, "linear")
    assert [float(schedule(step)) for step in (0, 1, 2, 6, 10, 11)] == [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]


def test_without_weight_decay_the_optimizer_is_adam():
    optimizer = make_optimizer(TrainingOptions(clip_norm=0.0), 9)
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert not optimizer.weight_decay
    assert optimizer.global_clipnorm is None


def test_the_gradients_global_norm_is_limited():
    assert make_optimizer(TrainingOptions(clip_norm=0.5), 9).global_clipnorm == 0.5


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_a_word_that_occurs_twice_in_a_batch_has_one_gradient(clip_norm):
    parts, whole = (keras.Variable(np.ones((3, 2), "float32")) for _ in range(2))
    slices = tf.IndexedSlices(tf.constant([[3.0, 1.0], [-1.0, 1.0]]), tf.constant([1, 1]), tf.constant([3, 2]))
    total = tf.constant([[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]])
    for variable, gradient in ((parts, slices), (whole, total)):
        optimizer = make_optimizer(TrainingOptions(clip_norm=clip_norm, learning_rate=0.1), 9)
        for _ in range(2):
            optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(parts, whole, rtol=1e-6)
    moments = np.asarray(optimizer.variables[-1])
    clipped = 2 * min(1, clip_norm / np.sqrt(8)) if clip_norm else 2  # the norm of (2, 2) is the root of 8
    np.testing.assert_allclose(moments[1], (1 - 0.999**2) * clipped**2, rtol=1e-3)  # Adam's second, after two steps


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("traced", [False, True])
def test_the_weights_take_the_steps_of_adam(weight_decay, traced):
    """Kingma & Ba 2015, algorithm 1, in the order of its section 2 that moves epsilon; the decay comes before it."""
    source = np.random.default_rng(0)
    start, gradients = source.normal(size=(3, 2)), source.normal(size=(7, 3, 2))
    kernel = keras.Variable(start.astype("float32"), name="kernel")
    options = TrainingOptions(
        learning_rate=0.1, schedule="constant", warmup=0.0, clip_norm=0.0, weight_decay=weight_decay
    )
    optimizer = make_optimizer(options, 9)
    optimizer.build([kernel])
    step = tf.function(optimizer.apply) if traced else optimizer.apply
    weights, first, second = start, np.zeros((3, 2)), np.zeros((3, 2))
    for count, gradient in enumerate(gradients, 1):
        step([tf.constant(gradient, "float32")])
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = weights * (1 - 0.1 * weight_decay) - rate * first / (np.sqrt(second) + 1e-7)
        np.testing.assert_allclose(np.asarray(kernel), weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [spec.name for spec in registry.networks("classification")])
def test_embeddings_biases_and_normalisation_do_not_decay_and_kernels_do(name):
    network = registry.find(name).architecture().build(Sizes(11, 3, 9))
    optimizer = make_optimizer(TrainingOptions(weight_decay=0.1, learning_rate=0.01), 9)
    optimizer.build(network.trainable_variables)
    before = [np.asarray(variable) for variable in network.trainable_variables]
    zeros = [keras.ops.zeros_like(variable) for variable in network.trainable_variables]
    optimizer.apply(zeros)  # without a gradient only the decay acts
    for variable, start in zip(network.trainable_variables, before, strict=True):
        decays = "kernel" in variable.path.rsplit("/", 1)[1] or variable.path.endswith("context")
        expected = start * (1 - 0.1 * 0.01) if decays else start
        np.testing.assert_allclose(np.asarray(variable), expected, atol=1e-7, err_msg=variable.path)


def test_weights_of_rows_are_those_of_scikit_learn():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    found = balanced_weights(labels, 3)
    np.testing.assert_allclose(found, compute_sample_weight("balanced", labels), rtol=1e-6)
    assert found.dtype == "float32"
    assert found.mean() == pytest.approx(1)


def test_a_class_without_rows_leaves_the_weights_of_the_others_at_1_on_average():
    labels = np.array([0, 0, 2])
    np.testing.assert_allclose(balanced_weights(labels, 4), compute_sample_weight("balanced", labels), rtol=1e-6)


LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-30.0, 30.0, 1.0]], "float32")
LABELS = np.array([0, 2, 0], "int32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_cross_entropy_is_that_of_keras_on_one_hot_targets(smoothing):
    found = SmoothedCrossEntropy(smoothing, reduction=None)(LABELS, LOGITS)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    np.testing.assert_allclose(found, theirs(np.eye(3, dtype="float32")[LABELS], LOGITS), rtol=1e-5)


def test_smoothed_cross_entropy_is_the_formula():
    scores = LOGITS.astype("float64")
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    target = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
    expected = -(target * log_probabilities).sum(axis=1)
    found = SmoothedCrossEntropy(0.1, reduction=None)(LABELS, LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert float(SmoothedCrossEntropy(0.1)(LABELS, LOGITS)) == pytest.approx(expected.mean(), rel=1e-5)
