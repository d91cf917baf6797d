"""Recurrent encoder and decoder for an `EncoderDecoder`."""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from kerasnlp_kit.layers.attention import attention_penalty, attention_weights
from kerasnlp_kit.layers.cells import (
    RECURRENT,
    STATES,
    Cell,
    advance,
    dense,
    for_each_beam,
    recurrent_layers,
    times,
)
from kerasnlp_kit.layers.token_stack import TokenEmbedding

Score = Literal["dot", "additive", "none"]


class RecurrentSourceEncoder(keras.layers.Layer):
    """Reads a source from the left, or from both ends.

    Args:
        embedding: of the source's tokens.
        layers: how many recurrent layers.
        units: of each layer, in each direction.
        cell: their kind.
        bidirectional: whether to read from both ends.
        dropout: rate on the embedded tokens and between layers.

    Call:
        ids: int32 (batch, time)
        mask: bool (batch, time), true up to the end of a row
        returns: ``hidden`` float (batch, time, features), of the last layer, and ``states``, for each layer a list of
            float (batch, features), those of a row's last token of each direction; features is ``units``, or twice it
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        layers: int,
        units: int,
        cell: Cell,
        bidirectional: bool,
        dropout: float,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.features = units * (1 + bidirectional)
        self.count = STATES[cell]
        self.recurrent = []
        features = embedding.vectors.shape[1]
        for number in range(1, layers + 1):
            layer = RECURRENT[cell](units, return_sequences=True, return_state=True, name=f"recurrent_{number}")
            if bidirectional:
                layer = keras.layers.Bidirectional(layer, name=f"recurrent_{number}")
            layer.build((None, None, features))
            self.recurrent.append(layer)
            features = self.features
        self.built = True

    def call(self, ids: Any, mask: Any, training: bool = False) -> dict[str, Any]:
        """Runs all layers."""
        hidden, states = self.embedding(ids), []
        for layer in self.recurrent:
            hidden, *last = layer(self.dropout(hidden, training=training), mask=mask, training=training)
            # Of two directions, the arrays of the one follow those of the other.
            directions = [last[number :: self.count] for number in range(self.count)]
            states.append([ops.concatenate(arrays, axis=-1) for arrays in directions])
        return {"hidden": hidden, "states": states}


class RecurrentTargetDecoder(keras.layers.Layer):
    """Writes a target, see `EncoderDecoder`: recurrent layers, then attention to the source.

    Luong et al. 2015, "Effective Approaches to Attention-based Neural Machine Translation": the state h of the last
    layer asks, the context c of the source answers, and the attentional vector ``tanh(W [c; h])`` (equation 5) gives
    the logits. With input feeding (section 3.3) it is also read at the next step, beside the token. The score of a
    source state s is ``h W s`` ("dot", their "general") or ``v tanh(W h + U s)`` ("additive", Bahdanau et al. 2015,
    "Neural Machine Translation by Jointly Learning to Align and Translate", section A.1.2).

    Args:
        embedding: of the target's tokens.
        layers: how many recurrent layers; as many as the encoder has.
        units: of each.
        cell: their kind, that of the encoder.
        source_features: of the encoder.
        attention: how source states are scored; "none": the decoder has nothing but the encoder's last states.
        input_feeding: see above; without attention there is none.
        dropout: rate on the embedded tokens, between layers and on the attentional vector.
        tied: whether the logits come from the embedding.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        layers: int,
        units: int,
        cell: Cell,
        source_features: int,
        attention: Score,
        input_feeding: bool,
        dropout: float,
        tied: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self.units = units
        self.attention = attention
        self.feeds = input_feeding and attention != "none"
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        # Between layers a row has the same units dropped at all steps (Gal & Ghahramani 2016): drawn before the loop.
        self.row_dropout = keras.layers.SpatialDropout1D(dropout, name="row_dropout")
        vocabulary, features = embedding.vectors.shape
        self.features = features if tied else units
        self.recurrent = recurrent_layers(cell, layers, units, features + self.features * self.feeds)
        # The encoder's last states become the first ones; the output of a cell is in [-1, 1], an LSTM's memory is not.
        kinds = [("output", "tanh"), ("memory", None)][: STATES[cell]]
        # One list: of lists in a list, some versions of Keras save no weights.
        self.bridges = [
            dense(units, source_features, f"{kind}_bridge_{number}", activation)
            for number in range(1, layers + 1)
            for kind, activation in kinds
        ]
        context = 0
        if attention != "none":
            self.project_key = dense(units, source_features, "project_key", use_bias=False)
            context = source_features
        if attention == "additive":
            self.project_query = dense(units, units, "project_query")
            self.score = dense(1, units, "score", use_bias=False)
        self.combine = dense(self.features, context + units, "combine", "tanh")
        self.head = None if tied else dense(vocabulary, units, "logits", dtype="float32")
        self.built = True

    def remember(self, encoded: dict[str, Any], mask: Any) -> dict[str, Any]:
        """Keys and values of the source, which positions count, and the first states of each layer."""
        bridges = iter(self.bridges)
        memory = {
            "penalty": attention_penalty(mask)[:, None, :],
            "states": [[next(bridges)(state) for state in states] for states in encoded["states"]],
        }
        if self.attention != "none":
            memory |= {"key": self.project_key(encoded["hidden"]), "value": encoded["hidden"]}
        return memory

    def call(self, ids: Any, memory: dict[str, Any], training: bool = False) -> tuple[Any, Any]:
        """All positions; see `step`."""
        hidden = self.dropout(self.embedding(ids), training=training)
        one_step = ops.ones((ops.shape(ids)[0], 1, self.units), self.compute_dtype)
        kept = [self.row_dropout(one_step, training=training) if training else None for _ in self.recurrent[1:]]
        if self.feeds:
            vectors, weights = self._loop(hidden, memory, kept)
        else:
            for layer, states, shares in zip(self.recurrent, memory["states"], [None, *kept], strict=True):
                hidden = layer(times(hidden, shares), initial_state=states, training=training)
            vectors, weights = self._attend(hidden, memory)
        return self._logits(self.dropout(vectors, training=training)), ops.cast(weights, "float32")

    def start(self, memory: dict[str, Any], beam: Any, length: Any) -> dict[str, Any]:
        """The first states, for each beam."""
        batch = ops.shape(memory["penalty"])[0]
        return {
            "states": for_each_beam(memory["states"], beam),
            "fed": ops.zeros((batch, beam, self.features), self.compute_dtype),
        }

    def step(
        self, tokens: Any, position: Any, memory: dict[str, Any], cache: dict[str, Any]
    ) -> tuple[Any, dict[str, Any], Any]:
        """One step."""
        vectors, cache, weights = self._advance(self.embedding(tokens), memory, cache)
        return self._logits(vectors), cache, ops.cast(weights, "float32")

    def _advance(
        self, hidden: Any, memory: dict[str, Any], cache: dict[str, Any], kept: list[Any] | None = None
    ) -> tuple[Any, dict[str, Any], Any]:
        """Embedded tokens float (batch, beam, features) to attentional vectors, new states and attention."""
        if self.feeds:
            hidden = ops.concatenate([hidden, cache["fed"]], axis=-1)
        hidden, after = advance(self.recurrent, hidden, cache["states"], [None, *kept] if kept else None)
        vectors, weights = self._attend(hidden, memory)
        return vectors, {"states": after, "fed": vectors if self.feeds else cache["fed"]}, weights

    def _loop(self, hidden: Any, memory: dict[str, Any], kept: list[Any]) -> tuple[Any, Any]:
        """`_advance` at each position: float (batch, time, features) to vectors and attention of all."""
        start = self.start(memory, 1, None)

        def step(inputs: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            cache = keras.tree.pack_sequence_as(start, list(states))
            vectors, cache, weights = self._advance(inputs[:, None], memory, cache, kept)
            return ops.concatenate([vectors, weights], axis=-1)[:, 0], keras.tree.flatten(cache)

        loop = keras.layers.RNN(_Steps(step, self.compute_dtype), return_sequences=True, dtype=self.dtype_policy)
        found = loop(hidden, initial_state=keras.tree.flatten(start))
        return found[:, :, : self.features], found[:, :, self.features :]

    def _attend(self, hidden: Any, memory: dict[str, Any]) -> tuple[Any, Any]:
        """Attentional vectors, and the attention.

        Args:
            hidden: float (batch, n, units), of n positions or beams.
            memory: from `remember`.

        Returns:
            float (batch, n, features); float (batch, n, source time), zeros without attention.
        """
        if self.attention == "none":
            batch, count = ops.shape(hidden)[:2]
            return self.combine(hidden), ops.zeros((batch, count, ops.shape(memory["penalty"])[2]), hidden.dtype)
        if self.attention == "dot":
            scores = ops.matmul(hidden, ops.transpose(memory["key"], (0, 2, 1)))
        else:
            summed = self.project_query(hidden)[:, :, None] + memory["key"][:, None]
            scores = self.score(ops.tanh(summed))[:, :, :, 0]
        weights = attention_weights(scores, memory["penalty"])
        return self.combine(ops.concatenate([ops.matmul(weights, memory["value"]), hidden], axis=-1)), weights

    def _logits(self, vectors: Any) -> Any:
        return self.embedding.logits(vectors) if self.head is None else self.head(vectors)


class _Steps:
    """A function of the input and the states of one step, as `keras.layers.RNN` takes it."""

    state_size = (1,)  # not asked for where the first states are given
    output_size = 1

    def __init__(self, function: Callable[[Any, Any], tuple[Any, list[Any]]], compute_dtype: str) -> None:
        self.call = self._function = function
        self.compute_dtype = compute_dtype

    def __call__(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        return self._function(inputs, states)
