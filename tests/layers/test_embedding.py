import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnlp_kit.constants import PAD, UNK
from kerasnlp_kit.layers.embedding import HashedNgrams, PositionEmbedding, WordDropout, embedded_tokens

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


# n-grams


def number_of(ngram, buckets):
    """The bucket of an n-gram, with Python's whole numbers, cut to 32 bits with a sign after each step."""

    def cut(number):
        return (number + 2**31) % 2**32 - 2**31

    key = ngram[0]
    for token in ngram[1:]:
        key = cut(cut(key * 1_000_003) + cut(token * 8_191) + 12_345)
    return (key ^ (key >> 15)) % buckets


def numbers(ids, length, buckets):
    return np.asarray(HashedNgrams(length, buckets)(np.asarray(ids, "int32")))


@pytest.mark.parametrize("length", [2, 3])
def test_the_number_of_an_ngram_is_that_of_whole_numbers_of_32_bits(length):
    ids = np.random.default_rng(0).integers(0, 2**31, size=(20, 9)).tolist()
    padded = [[*row, *[PAD] * length] for row in ids]
    expected = [[number_of(row[start : start + length], 977) for start in range(9)] for row in padded]
    assert numbers(ids, length, 977).tolist() == expected


@pytest.mark.parametrize("buckets", [1, 2, 50])
def test_all_buckets_are_used_and_no_other_number(buckets):
    found = numbers(np.random.default_rng(0).integers(1, 10_000, size=(100, 20)), 2, buckets)
    assert found.dtype == "int32"
    # Of 2,000 pairs none falls into one of 50 buckets with a chance of 50 * 0.98**2000 = 1e-16.
    assert set(found.ravel().tolist()) == set(range(buckets))


def test_like_pairs_have_few_buckets_in_common():
    left, right = np.meshgrid(np.arange(1, 101), np.arange(1, 101))
    found = numbers(np.stack([left.ravel(), right.ravel()], axis=1), 2, 1_000_000)[:, 0]
    # 10,000 pairs of small numbers; thrown at random, 10,000**2 / 2 / 1,000,000 = 50 of them meet another one.
    assert len(np.unique(found)) > 10_000 - 4 * 50


def test_an_ngram_has_the_same_number_wherever_it_stands():
    ids = [[3, 4, 5, 6, 7], [9, 9, 3, 4, 5], [8, 3, 4, 5, 2]]
    found = numbers(ids, 3, 1_000_000)
    assert found[0, 0] == found[1, 2] == found[2, 1]


def test_the_order_of_the_tokens_counts():
    found = numbers([[3, 4, 3, 5, 4, 4, 5]], 2, 1_000_000)[0, :-1]
    assert len(set(found.tolist())) == 6  # 34, 43, 35, 54, 44, 45
    orders = numbers([[3, 4, 5], [3, 5, 4], [4, 3, 5], [4, 5, 3], [5, 3, 4], [5, 4, 3]], 3, 1_000_000)
    assert len(set(orders[:, 0].tolist())) == 6


def test_behind_the_end_of_a_row_stands_padding():
    short, long = numbers([[3, 4, 5]], 3, 1_000_000), numbers([[3, 4, 5, PAD, PAD, PAD]], 3, 1_000_000)
    np.testing.assert_array_equal(short, long[:, :3])
    # The n-gram of the last token alone is another one than where tokens follow.
    assert long[0, 2] != numbers([[5, 6, 7]], 3, 1_000_000)[0, 0]


def test_an_ngram_longer_than_the_row_is_padded():
    assert numbers([[3]], 4, 977).tolist() == [[number_of([3, PAD, PAD, PAD], 977)]]


def test_compiled_under_xla_the_numbers_are_the_same():
    layer = HashedNgrams(3, 977)
    ids = np.random.default_rng(0).integers(0, 2**31, size=(5, 7)).astype("int32")
    compiled = tf.function(lambda ids: layer(ids), jit_compile=True)
    np.testing.assert_array_equal(compiled(tf.constant(ids)).numpy(), np.asarray(layer(ids)))


def test_a_tokens_vector_is_the_sum_of_its_own_and_those_of_the_ngrams_that_begin_with_it():
    ids, _, vectors = embedded_tokens(vocabulary=9, dimensions=4, word_dropout=0.0, ngrams=3, buckets=11)
    model = keras.Model(ids, vectors)
    tables = [model.get_layer(name).get_weights()[0] for name in ("embedding", "embedding_2", "embedding_3")]
    rows = np.array([[3, 4, 5, 8], [7, 2, PAD, PAD]], "int32")
    expected = tables[0][rows] + tables[1][numbers(rows, 2, 11)] + tables[2][numbers(rows, 3, 11)]
    np.testing.assert_allclose(model(rows), expected, atol=1e-6)


def test_word_dropout_acts_on_the_ngrams_too():
    ids, _, vectors = embedded_tokens(vocabulary=9, dimensions=4, word_dropout=0.9999999, ngrams=2, buckets=50)
    found = np.asarray(keras.Model(ids, vectors)(np.array([[3, 4, 5]], "int32"), training=True))
    unknown = np.asarray(keras.Model(ids, vectors)(np.array([[UNK, UNK, UNK]], "int32")))
    np.testing.assert_allclose(found, unknown, atol=1e-6)
