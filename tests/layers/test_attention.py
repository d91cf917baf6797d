import keras
import numpy as np
import pytest

from kerasnlp_kit.layers.attention import CrossAttention, SelfAttention, attention_penalty, rotate
from kerasnlp_kit.layers.positions import rotation, sinusoidal

RANDOM = np.random.default_rng(0)
HIDDEN = RANDOM.normal(size=(2, 5, 6)).astype("float32")
OTHER = RANDOM.normal(size=(2, 4, 6)).astype("float32")
LEFT = np.tri(5, dtype=bool)
MASK = np.arange(4) < np.array([[3], [4]])


def randomized(layer):
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in layer.weights])
    return layer


def copied(layer, heads, *projections):
    """Keras' own layer with the weights of projections to (query and) key and value."""
    theirs = keras.layers.MultiHeadAttention(heads, layer.size)
    theirs.build((None, None, 6), (None, None, 6))
    weights = []
    for projection in projections:
        kernel, bias = map(np.asarray, projection.weights)
        parts = kernel.shape[1] // (heads * layer.size)
        for part in range(parts):
            columns = np.split(np.arange(kernel.shape[1]), parts)[part]
            weights += [kernel[:, columns].reshape(6, heads, -1), bias[columns].reshape(heads, -1)]
    kernel, bias = map(np.asarray, layer.join.weights)
    # Keras keeps them in the order query, key, value, output.
    theirs.set_weights([*weights, kernel.reshape(heads, layer.size, 6), bias])
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 4])  # 4 do not divide the 6 features
def test_attention_to_itself_is_that_of_keras_with_the_same_weights(heads):
    layer = SelfAttention(heads)
    layer.build((None, None, 6))
    theirs = copied(randomized(layer), heads, layer.project)
    expected = theirs(HIDDEN, HIDDEN, attention_mask=LEFT[None].repeat(2, axis=0))
    np.testing.assert_allclose(layer(HIDDEN, attention_penalty(LEFT)[None, None]), expected, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_to_another_row_is_that_of_keras_with_the_same_weights(heads):
    layer = CrossAttention(heads)
    layer.build((None, None, 6))
    theirs = copied(randomized(layer), heads, layer.project_query, layer.project_memory)
    mask = MASK[:, None].repeat(5, axis=1)
    expected, weights = theirs(HIDDEN, OTHER, attention_mask=mask, return_attention_scores=True)
    found = layer(HIDDEN, layer.remember(OTHER), attention_penalty(MASK)[:, None, None, :])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[1], weights, atol=1e-5)


def test_attention_weights_of_a_single_key_are_one():
    layer = CrossAttention(2)
    layer.build((None, None, 6))
    _, weights = layer(HIDDEN, layer.remember(OTHER[:, :1]), np.zeros((2, 1, 1, 1), "float32"))
    np.testing.assert_array_equal(weights, np.ones((2, 2, 5, 1)))


@pytest.mark.parametrize("features", [4, 6, 7])
def test_turned_vectors_have_products_that_depend_on_their_distance_alone(features):
    query, key = RANDOM.normal(size=(2, 1, features)).astype("float32")

    def product(here, there):
        at = [rotate(vector, rotation(np.array([place]), features)) for vector, place in ((query, here), (key, there))]
        return float(np.sum(np.asarray(at[0]) * np.asarray(at[1])))

    for here, there in ((5, 3), (0, 4)):
        for shift in (1, 7, 90):
            assert product(here + shift, there + shift) == pytest.approx(product(here, there), abs=1e-4)
    assert abs(product(5, 3) - product(5, 2)) > 1e-3
    assert product(0, 0) == pytest.approx(float((query * key).sum()), abs=1e-5)


def test_turning_is_multiplication_by_complex_numbers():
    vectors, places = RANDOM.normal(size=(5, 6)), np.arange(5)
    # Feature i is paired with i + 3, the angle is place / 10000 ** (i / 3).
    angle = places[:, None] / 10_000 ** (np.arange(3) / 3)
    turned = (vectors[:, :3] + 1j * vectors[:, 3:]) * np.exp(1j * angle)
    found = rotate(vectors.astype("float32"), rotation(places, 6))
    np.testing.assert_allclose(found, np.concatenate([turned.real, turned.imag], axis=1), atol=1e-5)


@pytest.mark.parametrize("features", [6, 7])
def test_sinusoidal_positions_are_sines_and_then_cosines_of_falling_frequency(features):
    count = -(-features // 2)
    expected = [
        [np.sin(place / 10_000 ** (i / count)) for i in range(count)]
        + [np.cos(place / 10_000 ** (i / count)) for i in range(features - count)]
        for place in (0, 1, 50)
    ]
    np.testing.assert_allclose(sinusoidal(np.array([0, 1, 50]), features), expected, atol=1e-5)
