import numpy as np
import pytest
from scipy.special import erf, softmax

from kerasnlp_kit.layers.transformer import TransformerEncoder

HIDDEN = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
MASK = np.arange(5) < np.array([[3], [5]])


def block(heads, dropout=0.0):
    layer = TransformerEncoder(heads, 7, dropout)
    layer(HIDDEN, MASK)
    random = np.random.default_rng(1)
    # Random scales and offsets too: at their start of 1 and 0 one could be left out unseen.
    layer.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in layer.weights])
    return layer


def normalize(rows, scale, offset):
    mean, variance = rows.mean(axis=-1, keepdims=True), rows.var(axis=-1, keepdims=True)
    return (rows - mean) / np.sqrt(variance + 1e-5) * scale + offset


def encode(rows, weights, heads):
    """One pre-norm block over the tokens of one text (Xiong et al. 2020, figure 1b). rows: (tokens, features)."""
    normed = normalize(rows, weights["attention_norm/gamma"], weights["attention_norm/beta"])
    attended = np.zeros_like(rows) + weights["attention/join/bias"]
    projected = normed @ weights["attention/project/kernel"] + weights["attention/project/bias"]
    parts = [np.split(part, heads, axis=1) for part in np.split(projected, 3, axis=1)]
    outputs = np.split(weights["attention/join/kernel"], heads)
    for query, key, value, output in zip(*parts, outputs, strict=True):
        attention = softmax(query @ key.T / np.sqrt(key.shape[1]), axis=1)
        attended += attention @ value @ output
    rows = rows + attended
    normed = normalize(rows, weights["feed_forward_norm/gamma"], weights["feed_forward_norm/beta"])
    wide = normed @ weights["feed_forward/expand/kernel"] + weights["feed_forward/expand/bias"]
    wide = wide * 0.5 * (1 + erf(wide / np.sqrt(2)))
    return rows + wide @ weights["feed_forward/contract/kernel"] + weights["feed_forward/contract/bias"]


@pytest.mark.parametrize("heads", [1, 2, 4])  # 4 do not divide the 6 features
def test_a_block_is_attention_and_feed_forward_of_numpy_on_each_rows_own_tokens(heads):
    layer = block(heads)
    weights = {weight.path.split("/", 1)[1]: np.asarray(weight, "float64") for weight in layer.weights}
    found = np.asarray(layer(HIDDEN, MASK))
    for row, length in enumerate(MASK.sum(axis=1)):
        expected = encode(HIDDEN[row, :length].astype("float64"), weights, heads)
        np.testing.assert_allclose(found[row, :length], expected, atol=1e-4)


def test_each_head_gets_enough_dimensions_for_all_features():
    shapes = {weight.path.split("/", 1)[1]: weight.shape for weight in block(4).weights}
    assert shapes["attention/project/kernel"] == (6, 3 * 4 * 2)  # query, key, value; heads; ceil(6 / 4)
    assert shapes["attention/join/kernel"] == (4 * 2, 6)


def test_a_change_outside_the_mask_changes_no_token():
    layer = block(2)
    other = np.where(MASK[:, :, None], HIDDEN, HIDDEN + 3).astype("float32")
    before, after = np.asarray(layer(HIDDEN, MASK)), np.asarray(layer(other, MASK))
    np.testing.assert_array_equal(before[MASK], after[MASK])


def test_a_change_of_one_token_changes_all_tokens_of_its_row_and_none_of_another():
    layer = block(2)
    other = HIDDEN.copy()
    other[1, 4, 0] += 1
    changed = (np.asarray(layer(HIDDEN, MASK)) != np.asarray(layer(other, MASK))).any(axis=2)
    assert changed.tolist() == [[False] * 5, [True] * 5]


def test_dropout_acts_in_training_only():
    layer = block(2, dropout=0.5)
    plain = np.asarray(block(2)(HIDDEN, MASK))
    np.testing.assert_allclose(np.asarray(layer(HIDDEN, MASK)), plain, atol=1e-5)
    assert np.abs(np.asarray(layer(HIDDEN, MASK, training=True)) - plain).max() > 0.1
