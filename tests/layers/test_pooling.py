import keras
import numpy as np
import pytest

from kerasnlp_kit.layers.pooling import MaskedPooling

LENGTHS = (1, 3, 5)
HIDDEN = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32") - 3  # all below zero: a max must not see 0
MASK = np.arange(5) < np.array(LENGTHS)[:, None]
KINDS = ("last", "max", "mean", "mean_max", "attention")


def attend(rows, kernel, bias, context):
    """Yang et al. 2016, equations 5 to 7, for one text. rows: float (tokens, features)."""
    scores = np.tanh(rows @ kernel + bias) @ context[:, 0]
    weights = np.exp(scores) / np.exp(scores).sum()
    return weights @ rows


def pool(kind, rows, weights):
    if kind == "last":
        return rows[-1]
    if kind == "max":
        return rows.max(axis=0)
    if kind == "mean":
        return rows.mean(axis=0)
    if kind == "mean_max":
        return np.concatenate([rows.mean(axis=0), rows.max(axis=0)])
    return attend(rows, *weights)


def layer_with_random_weights(kind, dtype="float32"):
    layer = MaskedPooling(kind, dtype=dtype)
    layer.build(HIDDEN.shape, MASK.shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_is_that_of_numpy_over_the_tokens_of_each_row(kind):
    layer = layer_with_random_weights(kind)
    expected = [pool(kind, row[:length], layer.get_weights()) for row, length in zip(HIDDEN, LENGTHS, strict=True)]
    np.testing.assert_allclose(np.asarray(layer(HIDDEN, MASK)), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_at_padding_has_no_influence(kind):
    layer = layer_with_random_weights(kind)
    other = np.where(MASK[:, :, None], HIDDEN, 1000).astype("float32")
    np.testing.assert_array_equal(np.asarray(layer(HIDDEN, MASK)), np.asarray(layer(other, MASK)))


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_in_16_bits_is_near_that_in_32(kind):
    halves = np.asarray(layer_with_random_weights(kind, "mixed_float16")(HIDDEN, MASK))
    assert halves.dtype == "float16"
    np.testing.assert_allclose(halves, np.asarray(layer_with_random_weights(kind)(HIDDEN, MASK)), atol=0.02)


def test_only_attention_has_weights():
    counts = {kind: len(layer_with_random_weights(kind).weights) for kind in KINDS}
    assert counts == {"last": 0, "max": 0, "mean": 0, "mean_max": 0, "attention": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_the_shape_is_known_before_the_first_batch(kind):
    pooled = MaskedPooling(kind)(keras.Input((None, 4)), keras.Input((None,), dtype="bool"))
    assert pooled.shape == (None, 8 if kind == "mean_max" else 4)
