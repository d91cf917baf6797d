"""Convolutions of several widths over the tokens, the strongest answer of each filter, softmax."""

from dataclasses import dataclass

from kerasnlp_kit.registry import Sizes, register

STRONG = {
    "keep_punctuation": True,
    "epochs": 20,
    "patience": 20,  # the falling learning rate needs its whole course
    "learning_rate": 2e-3,
    "schedule": "linear",
    "warmup": 0.05,
}


@register("cnn_classifier", task="classification", presets={"strong": STRONG})
@dataclass(frozen=True)
class CnnClassifier:
    """Parallel convolutions over tokens, max-pooled over time, softmax.

    Kim 2014, "Convolutional Neural Networks for Sentence Classification".
    """

    embedding_dim: int = 128
    """Dimensions of a token's vector."""
    kernels: tuple[int, ...] = (1, 2, 3, 4)
    """Widths of the convolutions, in tokens."""
    filters: int = 128
    """Filters of each width."""
    embedding_dropout: float = 0.3
    """Dropout of whole dimensions of the token vectors."""
    word_dropout: float = 0.1
    """Share of tokens replaced by the unknown token in training."""
    dropout: float = 0.5
    """Dropout before the softmax."""

    def build(self, sizes: Sizes):  # type: ignore[no-untyped-def]  # keras.Model; Keras is not imported for --help
        """ids: int32 (batch, time) to logits: float32 (batch, classes)."""
        import keras

        from kerasnlp_kit.layers.embedding import embedded_tokens
        from kerasnlp_kit.layers.masking import ZeroPadding
        from kerasnlp_kit.layers.pooling import MaskedPooling

        ids, mask, hidden = embedded_tokens(sizes.vocabulary, self.embedding_dim, self.word_dropout)
        hidden = keras.layers.SpatialDropout1D(self.embedding_dropout, name="embedding_dropout")(hidden)
        # A filter that reaches over the end must see zeros, as it does where the row has no padding.
        hidden = ZeroPadding(name="zero_padding")(hidden, mask)
        pooled = []
        for width in self.kernels:
            answers = keras.layers.Conv1D(
                self.filters, width, padding="same", activation="relu", name=f"convolution_{width}"
            )(hidden)
            pooled.append(MaskedPooling("max", name=f"pooling_{width}")(answers, mask))
        features = keras.layers.Concatenate(name="features")(pooled) if len(pooled) > 1 else pooled[0]
        features = keras.layers.Dropout(self.dropout, name="dropout")(features)
        logits = keras.layers.Dense(sizes.classes, dtype="float32", name="logits")(features)
        return keras.Model(ids, logits, name="cnn_classifier")
