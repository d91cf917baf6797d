"""From token ids to vectors."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import PAD, UNK
from kerasnlp_kit.layers.masking import TokenMask


def embedded_tokens(
    vocabulary: int, dimensions: int, word_dropout: float, ngrams: int = 1, buckets: int = 1
) -> tuple[Any, Any, Any]:
    """The way in that the models share: token ids, which of them count, and their vectors.

    The layers are named ``ids``, ``mask``, ``word_dropout`` and ``embedding``; word vectors are put into the last one.
    With n-grams, each token's vector is the sum of its own and those of the 2-gram, 3-gram, ... that begin with it
    (layers ``ngrams_2``, ``embedding_2``, ...).

    Args:
        vocabulary: number of token ids.
        dimensions: of a token's vector.
        word_dropout: see `WordDropout`.
        ngrams: longest n-gram with vectors of its own; 1 for none.
        buckets: see `HashedNgrams`.

    Returns:
        Symbolic tensors: ids int32 (batch, time), mask bool (batch, time), vectors float (batch, time, dimensions).
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = TokenMask(name="mask")(ids)
    dropped = WordDropout(word_dropout, name="word_dropout")(ids)
    vectors = keras.layers.Embedding(vocabulary, dimensions, name="embedding")(dropped)
    for length in range(2, ngrams + 1):
        hashed = HashedNgrams(length, buckets, name=f"ngrams_{length}")(dropped)
        found = keras.layers.Embedding(buckets, dimensions, name=f"embedding_{length}")(hashed)
        vectors = keras.layers.Add(name=f"with_ngrams_{length}")([vectors, found])
    return ids, mask, vectors


class HashedNgrams(keras.layers.Layer):
    """The n-gram that begins at each token, as a number.

    The hashing trick of Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", section 2.3: n-grams
    share a bucket by chance. Computed from ids by integer arithmetic, so that it compiles under XLA.

    Args:
        length: tokens in an n-gram.
        buckets: how many numbers there are.

    Call:
        ids: int32 (batch, time)
        returns: int32 (batch, time), from 0 to below ``buckets``; behind the end of a row stands padding
    """

    def __init__(self, length: int, buckets: int, **options: Any) -> None:
        super().__init__(**options)
        self.length = length
        self.buckets = buckets

    def call(self, ids: Any) -> Any:
        """Products wrap around at 32 bits on every backend."""
        time = ops.shape(ids)[1]
        padded = ops.pad(ids, [[0, 0], [0, self.length - 1]])
        key = ids
        for later in range(1, self.length):
            key = key * 1_000_003 + padded[:, later : later + time] * 8_191 + 12_345
        key = ops.bitwise_xor(key, ops.right_shift(key, 15))
        return ops.mod(key, self.buckets)


class WordDropout(keras.layers.Layer):
    """Replaces tokens by the unknown token in training, so that no single word is relied on and UNK gets a meaning.

    Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", section 2.3.1.

    Args:
        rate: probability of a token to be replaced.

    Call:
        ids: int32 (batch, time)
        returns: int32 (batch, time); padding stays padding
    """

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, ids: Any, training: bool = False) -> Any:
        """Draws anew in each training step; does nothing otherwise."""
        if not training or self.rate == 0:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seed_generator) < self.rate
        return ops.where(ops.logical_and(drawn, ops.not_equal(ids, PAD)), ops.full_like(ids, UNK), ids)


class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector for each position.

    Args:
        length: number of positions; what is further behind must be padding, as texts are cut to the model's length.

    Call:
        hidden: float (batch, time, features)
        returns: float (batch, time, features)
    """

    def __init__(self, length: int, **options: Any) -> None:
        super().__init__(**options)
        self.length = length

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates one vector a position."""
        self.positions = self.add_weight(
            name="positions", shape=(self.length, input_shape[-1]), initializer=keras.initializers.RandomNormal(0, 0.02)
        )

    def call(self, hidden: Any) -> Any:
        """Adds the first ``time`` vectors; behind the last one there is padding only, and it does not matter which."""
        indices = ops.minimum(ops.arange(ops.shape(hidden)[1], dtype="int32"), self.length - 1)
        return hidden + ops.take(self.positions, indices, axis=0)[None]
