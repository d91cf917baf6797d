import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.text.padding import pad_ragged, pad_rows, pad_sequences
from kerasnlp_kit.text.token_ids import TokenIds

ROWS = [[1, 2, 3, 4], [], [5], [6, 7]]
SIDES = list(itertools.product(["pre", "post"], ["pre", "post"]))


def token_ids(rows: list[list[int]]) -> TokenIds:
    lengths = [len(row) for row in rows]
    return TokenIds(
        np.array([id_ for row in rows for id_ in row], np.int32),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
    )


@pytest.mark.parametrize(("padding", "truncating"), SIDES)
@pytest.mark.parametrize("maxlen", [None, 1, 3, 6])
def test_sequences_are_padded_as_in_keras(maxlen, padding, truncating):
    options = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": -1}
    expected = keras.utils.pad_sequences(ROWS, **options)
    padded = pad_sequences(ROWS, **options)
    assert padded.dtype == expected.dtype
    np.testing.assert_array_equal(padded, expected)


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([["a", "bc"], ["d"]], {"dtype": object, "value": "<pad>"}),
        ([[[1, 2]], [[3, 4], [5, 6]]], {}),
        ([[1.5], [2.5, 3.5]], {"dtype": "float32", "value": 0.25}),
        ([[], []], {}),
        ([], {"maxlen": 2}),
    ],
)
def test_other_types_and_shapes_are_padded_as_in_keras(rows, options):
    expected = keras.utils.pad_sequences(rows, **options)
    padded = pad_sequences(rows, **options)
    assert padded.dtype == expected.dtype
    assert padded.shape == expected.shape
    assert padded.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (ROWS, {"padding": "left"}),
        (ROWS, {"truncating": "left"}),
        (ROWS, {"maxlen": 0}),
        (ROWS, {"value": "x"}),
        ([1, 2], {}),
        ([], {}),
        (iter(ROWS), {}),
        ([[[1, 2]], [[3]]], {}),
    ],
)
def test_what_cannot_be_padded_is_refused(rows, options):
    with pytest.raises(ValueError, match="Received: "):
        pad_sequences(rows, **options)


@pytest.mark.parametrize(("padding", "truncating"), SIDES)
def test_the_op_pads_in_a_graph_as_keras_does(padding, truncating):
    pad = tf.function(lambda ids, width: pad_ragged(ids, width, padding=padding, truncating=truncating))
    for width in (1, 3, 6):
        expected = keras.utils.pad_sequences(ROWS, width, padding=padding, truncating=truncating)
        np.testing.assert_array_equal(pad(tf.ragged.constant(ROWS, tf.int32), tf.constant(width)), expected)


def test_the_op_always_gives_at_least_one_column():
    assert pad_ragged(tf.ragged.constant([[], []], tf.int32)).numpy().tolist() == [[0], [0]]
    no_rows = tf.RaggedTensor.from_row_splits(tf.constant([], tf.int32), tf.constant([0], tf.int64))
    assert pad_ragged(no_rows).shape == (0, 1)
    assert pad_ragged(no_rows, 3).shape == (0, 3)


def test_rows_of_a_batch_are_padded_on_the_right():
    generator = random.Random(0)
    rows = [[generator.randint(1, 9) for _ in range(generator.choice([0, 1, 3, 8]))] for _ in range(30)]
    indices = np.array([4, 0, 29, 4, *range(10)])
    expected = keras.utils.pad_sequences([rows[index] for index in indices], 5, padding="post", truncating="post")
    padded = pad_rows(token_ids(rows), indices, 5)
    assert padded.dtype == np.int32
    np.testing.assert_array_equal(padded, expected)
    assert pad_rows(token_ids(rows), indices[:0], 5).shape == (0, 5)


@pytest.mark.parametrize("seed", range(5))
def test_training_pads_as_the_export_does(seed):
    generator = random.Random(seed)
    rows = [[generator.randint(1, 9) for _ in range(generator.choice([0, 1, 3, 8, 11]))] for _ in range(12)]
    for width in (1, 3, 8, 12):
        padded = pad_ragged(tf.ragged.constant(rows, tf.int32), width)
        np.testing.assert_array_equal(pad_rows(token_ids(rows), np.arange(12), width), padded)


def test_rows_can_be_taken_in_any_order():
    ids = token_ids(ROWS)
    taken = ids.take(np.array([3, 1, 0, 3]))
    assert [taken.row(index).tolist() for index in range(len(taken))] == [[6, 7], [], [1, 2, 3, 4], [6, 7]]
    assert ids.lengths.tolist() == [4, 0, 1, 2]
    assert len(ids.take(np.array([]))) == 0
    with pytest.raises(IndexError, match="Received: 4"):
        ids.row(4)
