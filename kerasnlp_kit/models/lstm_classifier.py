"""Embedding, LSTM, softmax: the classic text classifier."""

from dataclasses import dataclass
from typing import Literal

from kerasnlp_kit.registry import Sizes, register

STRONG = {
    "embedding_dim": 128,
    "bidirectional": True,
    "pooling": "max",
    "embedding_dropout": 0.3,
    "word_dropout": 0.1,
    "dropout": 0.5,
    "keep_punctuation": True,
    "epochs": 15,
    "patience": 15,  # the falling learning rate needs its whole course
    "learning_rate": 4e-3,
    "schedule": "linear",
    "warmup": 0.05,
}
# Found on reviews in Chinese, whose tokens are characters.
CHINESE = {
    **STRONG,
    "ngrams": 3,
    "embedding_dropout": 0.5,
    "word_dropout": 0.2,
    "epochs": 4,
    "learning_rate": 2e-3,
    "refit": True,
}


@register("lstm_classifier", task="classification", presets={"strong": STRONG, "chinese": CHINESE})
@dataclass(frozen=True)
class LstmClassifier:
    """Embedding, LSTM or GRU in one or two directions, last state or pooling, softmax.

    Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU). The defaults are those of the tutorials.
    """

    embedding_dim: int = 64
    """Dimensions of a token's vector."""
    units: int = 128
    """Units of each recurrent layer, in each direction."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Kind of recurrent cell."""
    layers: int = 1
    """Number of recurrent layers."""
    bidirectional: bool = False
    """Read from both ends."""
    pooling: Literal["last", "max", "mean", "mean_max", "attention"] = "last"
    """How the states of all tokens become one vector; last: the final state of each direction."""
    ngrams: int = 1
    """Longest n-gram of tokens with a vector of its own; 2 helps where characters are the tokens, as in Chinese."""
    ngram_buckets: int = 50_000
    """Vectors for each length of n-grams, which share them by hashing."""
    embedding_dropout: float = 0.0
    """Dropout of whole dimensions of the token vectors."""
    word_dropout: float = 0.0
    """Share of tokens replaced by the unknown token in training."""
    dropout: float = 0.0
    """Dropout before the softmax."""

    def build(self, sizes: Sizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """ids: int32 (batch, time) to logits: float32 (batch, classes)."""
        import keras

        from kerasnlp_kit.layers.embedding import embedded_tokens
        from kerasnlp_kit.layers.pooling import MaskedPooling

        ids, mask, hidden = embedded_tokens(
            sizes.vocabulary, self.embedding_dim, self.word_dropout, self.ngrams, self.ngram_buckets
        )
        hidden = keras.layers.SpatialDropout1D(self.embedding_dropout, name="embedding_dropout")(hidden)
        recurrent = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[self.cell]
        for number in range(1, self.layers + 1):
            keep_time = number < self.layers or self.pooling != "last"
            layer = recurrent(self.units, return_sequences=keep_time, name=f"recurrent_{number}")
            if self.bidirectional:
                layer = keras.layers.Bidirectional(layer, name=f"recurrent_{number}")
            hidden = layer(hidden, mask=mask)
        if self.pooling != "last":
            hidden = MaskedPooling(self.pooling, name="pooling")(hidden, mask)
        hidden = keras.layers.Dropout(self.dropout, name="dropout")(hidden)
        logits = keras.layers.Dense(sizes.classes, dtype="float32", name="logits")(hidden)
        return keras.Model(ids, logits, name="lstm_classifier")
