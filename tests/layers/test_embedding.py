import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.constants import PAD, UNK
from kerasnlp_kit.layers.embedding import PositionEmbedding, WordDropout

IDS = np.where(np.arange(50) < 40, 7, PAD)[None].repeat(100, axis=0).astype("int32")  # 4,000 tokens, 1,000 paddings


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def test_word_dropout_replaces_its_share_of_tokens_by_the_unknown_token():
    dropped = np.asarray(WordDropout(0.3)(IDS, training=True))
    # The share of 4,000 draws has a standard deviation of sqrt(0.3 * 0.7 / 4000) = 0.0072; allow four of them.
    assert np.mean(dropped[:, :40] == UNK) == pytest.approx(0.3, abs=0.029)
    assert set(np.unique(dropped[:, :40])) == {UNK, 7}


def test_word_dropout_never_touches_padding():
    assert (np.asarray(WordDropout(0.9)(IDS, training=True))[:, 40:] == PAD).all()


def test_word_dropout_draws_anew_in_each_step_also_within_a_graph():
    layer = WordDropout(0.5)
    step = tf.function(lambda ids: layer(ids, training=True))
    first, second = step(IDS).numpy(), step(IDS).numpy()
    assert (first != second).any()


@pytest.mark.parametrize(("rate", "training"), [(0.9, False), (0.0, True)])
def test_word_dropout_does_nothing_outside_of_training_or_without_a_rate(rate, training):
    np.testing.assert_array_equal(np.asarray(WordDropout(rate)(IDS, training=training)), IDS)


def test_position_embedding_adds_the_vector_of_each_position():
    hidden = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    layer = PositionEmbedding(5)
    layer.build(hidden.shape)
    table = np.arange(20, dtype="float32").reshape(5, 4)
    layer.set_weights([table])
    np.testing.assert_array_equal(np.asarray(layer(hidden)), hidden + table[:3])


def test_position_embedding_starts_with_small_vectors_that_differ():
    layer = PositionEmbedding(11)
    layer.build((None, None, 10))
    table = np.asarray(layer.positions)
    assert np.std(table) == pytest.approx(0.02, rel=0.3)
    assert len(np.unique(table[:, 0])) == 11
