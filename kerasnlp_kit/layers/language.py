"""Networks that give the probability of the next token, for all positions at once and step by step."""

from typing import Any

import keras
from keras import ops

from kerasnlp_kit.constants import BOS
from kerasnlp_kit.layers.attention import attention_penalty
from kerasnlp_kit.layers.cells import STATES, Cell, advance, dense, for_each_beam, recurrent_layers
from kerasnlp_kit.layers.token_stack import BlockStack, TokenEmbedding
from kerasnlp_kit.layers.transformer import TransformerCausal


class LanguageModel(keras.Model):
    """A language model: each token's probability from the ones before it. A `decoding.protocol.Generator`.

    Args:
        decoder: a layer with ``call``, for all positions, and ``start`` and ``step``, for one after the other; both
            ways give the same logits.

    Call:
        tokens: int32 (batch, time), padded on the right; a text begins with BOS
        returns: float32 (batch, time, vocabulary), logits of the next token
    """

    def __init__(self, decoder: Any, **options: Any) -> None:
        super().__init__(**options)
        self.decoder = decoder
        self(ops.ones((1, 2), "int32"))  # creates the weights

    def call(self, tokens: Any, training: bool = False) -> Any:
        """Logits of all positions, each from what is before it."""
        return self.decoder(tokens, training=training)

    def start(self, memory: Any, beam: Any, length: Any) -> Any:
        """The state before the first of ``length`` steps; of ``memory``, (batch, ...), only the batch counts."""
        return self.decoder.start(ops.shape(memory)[0], beam, length)

    def step(self, tokens: Any, position: Any, memory: Any, cache: Any) -> tuple[Any, Any, Any]:
        """One step; see `layers.encoder_decoder.EncoderDecoder.step`. Nothing is attended to outside: zeros."""
        logits, cache = self.decoder.step(tokens, position, cache)
        batch, beam = ops.shape(tokens)
        return logits, cache, ops.zeros((batch, beam, 1), "float32")


class TransformerLanguageDecoder(BlockStack):
    """Decoder-only Transformer.

    Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", with pre-norm blocks and the
    embedding for the logits. Places are told by rotary positions, and each token attends to those of the context
    alone: so a text may be longer than those that were learnt from.

    Args:
        embedding: of the tokens.
        blocks: how many `TransformerCausal`.
        block: options of each.
        context: tokens that each one attends to, itself among them.
        dropout: rate on the embedded tokens, and before the logits.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        blocks: int,
        block: dict[str, Any],
        context: int,
        dropout: float,
        **options: Any,
    ) -> None:
        made = [TransformerCausal(**block, name=f"block_{number}") for number in range(1, blocks + 1)]
        super().__init__(embedding, made, "rotary", dropout, **options)
        self.context = context

    def call(self, ids: Any, training: bool = False) -> Any:
        """All positions; see `step`."""
        places = ops.arange(ops.shape(ids)[1], dtype="int32")
        hidden = self.dropout(self.embedded(ids, places), training=training)
        near = ops.logical_and(places[None] <= places[:, None], places[None] > places[:, None] - self.context)
        penalty = attention_penalty(near)[None, None]  # also hides padding, which is last
        turned = self.turned(places)
        for block in self.blocks:
            hidden = block(hidden, penalty, turned, training=training)
        return self.embedding.logits(self.dropout(self.norm(hidden), training=training))

    def start(self, batch: Any, beam: Any, length: Any) -> list[dict[str, Any]]:
        """An empty cache for each block, of as many places as are in sight: a new token takes that of the oldest."""
        places = min(length, self.context) if isinstance(length, int) else ops.minimum(length, self.context)
        return [block.attention.start(batch, beam, places) for block in self.blocks]

    def step(self, tokens: Any, position: Any, cache: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
        """One step: int32 (batch, beam) at ``position`` to float32 (batch, beam, vocabulary) and the new cache."""
        place = ops.reshape(position, (1,))
        hidden = self.embedded(tokens, place)
        count = ops.shape(cache[0]["key"])[3]
        # Keys are turned by their positions, so that it does not matter in which order they stand.
        penalty = attention_penalty(ops.arange(count, dtype="int32") <= position)
        turned, caches = self.turned(place), []
        for block, own in zip(self.blocks, cache, strict=True):
            hidden, own = block.step(hidden, own, position % count, penalty, turned)
            caches.append(own)
        return self.embedding.logits(self.norm(hidden)), caches


class RecurrentLanguageDecoder(keras.layers.Layer):
    """Recurrent layers, one above the other.

    Mikolov et al. 2010, "Recurrent neural network based language model"; the dropout is that of Zaremba et al. 2014,
    "Recurrent Neural Network Regularization".

    Args:
        embedding: of the tokens, and of the logits.
        layers: how many recurrent layers.
        units: of each.
        cell: their kind.
        dropout: rate on the embedded tokens, between layers and before the logits.
        latent: size of a vector, if there is one, that stands for the whole text: the first states come from it, and
            it is read beside each token (Bowman et al. 2016, "Generating Sentences from a Continuous Space").
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        layers: int,
        units: int,
        cell: Cell,
        dropout: float,
        latent: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        features = embedding.vectors.shape[1]
        self.recurrent = recurrent_layers(cell, layers, units, features + latent)
        self.project = None if units == features else dense(features, units, "project")
        self.kinds = [("output", "tanh"), ("memory", None)][: STATES[cell]]
        # One list: of lists in a list, some versions of Keras save no weights.
        self.bridges = [
            dense(units, latent, f"{kind}_bridge_{number}", activation)
            for number in range(1, layers + 1)
            for kind, activation in self.kinds
            if latent
        ]
        self.built = True

    def call(self, ids: Any, latent: Any = None, training: bool = False) -> Any:
        """All positions, int32 (batch, time), and the vector of each text, float (batch, latent); see `step`."""
        batch, time = ops.shape(ids)
        hidden = self.dropout(self.embedding(ids), training=training)
        if latent is not None:
            beside = ops.broadcast_to(latent[:, None], (batch, time, latent.shape[-1]))
            hidden = ops.concatenate([hidden, ops.cast(beside, hidden.dtype)], axis=-1)
        for number, (layer, states) in enumerate(zip(self.recurrent, self._states(batch, latent), strict=True)):
            hidden = self.dropout(hidden, training=training) if number else hidden
            hidden = layer(hidden, initial_state=states, training=training)
        return self._logits(self.dropout(hidden, training=training))

    def start(self, batch: Any, beam: Any, length: Any, latent: Any = None) -> dict[str, Any]:
        """The first states, and the vector of each text, for each beam."""
        cache = {"states": for_each_beam(self._states(batch, latent), beam)}
        if latent is not None:
            cache["latent"] = for_each_beam([[latent]], beam)[0][0]
        return cache

    def step(self, tokens: Any, position: Any, cache: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One step: int32 (batch, beam) to float32 (batch, beam, vocabulary) and the new states."""
        hidden = self.embedding(tokens)
        if "latent" in cache:
            hidden = ops.concatenate([hidden, ops.cast(cache["latent"], hidden.dtype)], axis=-1)
        hidden, states = advance(self.recurrent, hidden, cache["states"])
        return self._logits(hidden), {**cache, "states": states}

    def _states(self, batch: Any, latent: Any) -> list[list[Any]]:
        """First states of each layer, each float (batch, units): zeros without a vector."""
        if latent is None:
            return [
                [ops.zeros((batch, layer.units), self.compute_dtype) for _ in self.kinds] for layer in self.recurrent
            ]
        bridges = iter(self.bridges)
        return [[next(bridges)(latent) for _ in self.kinds] for _ in self.recurrent]

    def _logits(self, hidden: Any) -> Any:
        return self.embedding.logits(hidden if self.project is None else self.project(hidden))


class FeedForwardLanguageDecoder(keras.layers.Layer):
    """A hidden layer over the vectors of the last n tokens.

    Bengio et al. 2003, "A Neural Probabilistic Language Model", equation 1: ``b + W x + U tanh(d + H x)``, x being the
    vectors one after the other. Before the first token stands BOS.

    Args:
        embedding: of the tokens.
        previous: n.
        units: of the hidden layer.
        direct: whether there is a W.
        dropout: rate on x and on the hidden layer.
        tied: whether the hidden layer is brought to the embedding's size, which then gives the logits.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        previous: int,
        units: int,
        direct: bool,
        dropout: float,
        tied: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = embedding
        self.previous = previous
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        vocabulary, features = embedding.vectors.shape
        self.hidden = dense(units, previous * features, "hidden", "tanh")
        self.output_layer = dense(features, units, "project") if tied else dense(vocabulary, units, "logits")
        self.tied = tied
        self.direct = dense(vocabulary, previous * features, "direct", use_bias=False) if direct else None
        self.built = True

    def call(self, ids: Any, training: bool = False) -> Any:
        """All positions; see `step`."""
        batch, time = ops.shape(ids)
        before = ops.full((batch, self.previous - 1), BOS, ids.dtype)
        padded = ops.concatenate([before, ids], axis=1)
        tokens = [ids]  # of each position the last one, then those before it
        begun = ops.zeros_like(ids, "bool")
        for back in range(1, self.previous):
            # A row of a packed text may hold the begin of several: what is before that counts for nothing.
            begun = ops.logical_or(begun, ops.equal(tokens[-1], BOS))
            place = self.previous - 1 - back
            tokens.append(ops.where(begun, ops.cast(BOS, ids.dtype), padded[:, place : place + time]))
        vectors = self.embedding(ops.stack(tokens[::-1], axis=-1))
        return self._logits(ops.reshape(vectors, (batch, time, self.previous * vectors.shape[-1])), training)

    def start(self, batch: Any, beam: Any, length: Any) -> Any:
        """The tokens before the first one: BOS."""
        return ops.full((batch, beam, self.previous), BOS, "int32")

    def step(self, tokens: Any, position: Any, cache: Any) -> tuple[Any, Any]:
        """One step: int32 (batch, beam) to float32 (batch, beam, vocabulary) and the last tokens."""
        cache = ops.concatenate([cache[:, :, 1:], tokens[:, :, None]], axis=2)
        batch, beam = ops.shape(tokens)
        vectors = ops.reshape(self.embedding(cache), (batch, beam, self.previous * self.embedding.vectors.shape[1]))
        return self._logits(vectors, False), cache

    def _logits(self, vectors: Any, training: bool) -> Any:
        """float (..., previous * features) to float32 (..., vocabulary)."""
        vectors = self.dropout(vectors, training=training)
        hidden = self.output_layer(self.dropout(self.hidden(vectors), training=training))
        logits = ops.cast(self.embedding.logits(hidden) if self.tied else hidden, "float32")
        return logits if self.direct is None else logits + ops.cast(self.direct(vectors), "float32")
