"""The signatures of an autoencoder: strings and vectors in, strings and vectors out."""

import types
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.one import seeds_from
from kerasnlp_kit.decoding.protocol import Decoded
from kerasnlp_kit.tasks.autoencoding import LatentSearch, bound
from kerasnlp_kit.tasks.signatures import DRAWN, Outputs, as_many, never_empty, never_none, spec, traced
from kerasnlp_kit.text.pieces import cut_at_end

TEXTS = spec("text", tf.string, None)


class AutoencodingGraph(tf.Module):
    """Tokenizer, network, search and joining of the tokens, as functions to export.

    Args:
        network: a `TextVae` on the TensorFlow backend.
        tokenizer: graph of the tokenizer.
        longest: tokens of a text that are read, and written.
    """

    def __init__(self, network: Any, tokenizer: Any, *, longest: int) -> None:
        super().__init__(name="autoencoder")
        # Out of sight of TensorFlow's tracking: it would save Keras' own functions, too.
        self._hidden = types.SimpleNamespace(network=network)
        self._variables = [variable.value for variable in network.variables]  # what the SavedModel must hold
        self._tokenizer = tokenizer
        self._longest = longest
        self._search = LatentSearch(longest)

    def signatures(self) -> dict[str, Any]:
        """The functions to export, by name."""
        latent = self._hidden.network.latent
        made: dict[str, tuple[Callable[..., Outputs], list[tf.TensorSpec]]] = {
            "serving_default": (self.reconstruct, [TEXTS]),
            "encode": (self.encode, [TEXTS]),
            "decode": (self.decode, [spec("z", tf.float32, None, latent)]),
            "sample": (self.sample, [spec("count", tf.int32), *DRAWN]),
            "interpolate": (
                self.interpolate,
                [spec("from_text", tf.string, None), spec("to_text", tf.string, None), spec("steps", tf.int32)],
            ),
            "score": (self.score, [TEXTS, spec("seed", tf.int32)]),
            "ids": (self.encode_ids, [spec("ids", tf.int32, None, None)]),
        }
        return traced(made)

    def reconstruct(self, text: tf.Tensor) -> Outputs:
        """serving_default: a text again, from the mean of its vector. string [n] to text string [n]."""
        mean, _ = self._hidden.network.encode(self._read(text)[0])
        return {"text": self._texts(self._search.greedy(self._hidden.network, mean))[: tf.size(text)]}

    def encode(self, text: tf.Tensor) -> Outputs:
        """Where texts are: mean and log_variance, each float [n, latent]."""
        mean, log_variance = self._hidden.network.encode(self._read(text)[0])
        rows = tf.size(text)
        return {"mean": mean[:rows], "log_variance": log_variance[:rows]}

    def decode(self, z: tf.Tensor) -> Outputs:
        """Texts of vectors, float [n, latent], with the most probable token at each step: text string [n]."""
        rows = tf.shape(z)[0]
        some = tf.pad(z, [[0, 1 - tf.minimum(rows, 1)], [0, 0]])
        return {"text": self._texts(self._search.greedy(self._hidden.network, some))[:rows]}

    def sample(
        self,
        count: tf.Tensor,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
    ) -> Outputs:
        """New texts, string [count]: text n is drawn with the seed ``seed + n``."""
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        decoded = self._search.prior(self._hidden.network, seed, tf.maximum(count, 1), **options)
        return {"text": self._texts(decoded)[: tf.maximum(count, 0)]}

    def interpolate(self, from_text: tf.Tensor, to_text: tf.Tensor, steps: tf.Tensor) -> Outputs:
        """Texts on the line between two, both ends among them: string [n] each to text string [n, steps]."""
        from_text = as_many(from_text, to_text, "Each from_text needs one to_text")
        check = tf.debugging.Assert(steps >= 2, ["steps must be 2 or more. Received:", steps])
        with tf.control_dependencies([check]):
            rows, steps = tf.size(from_text), tf.identity(steps)
        begin, _ = self._hidden.network.encode(self._read(from_text)[0])
        end, _ = self._hidden.network.encode(self._read(to_text)[0])
        shares = tf.linspace(0.0, 1.0, steps)[None, :, None]
        vectors = tf.reshape(begin[:, None] + shares * (end - begin)[:, None], [-1, self._hidden.network.latent])
        texts = self._texts(self._search.greedy(self._hidden.network, vectors))
        return {"text": tf.reshape(texts, [-1, steps])[:rows]}

    def score(self, text: tf.Tensor, seed: tf.Tensor) -> Outputs:
        """At least how probable texts are: log_probability float [n], a bound, of which divergence float [n] is taken.

        The vector of text n is drawn with the seed ``seed + n``; log_weight float [n] is what it alone says, the
        logarithm of what is the text's probability on the average over seeds; tokens int32 [n], the end included.
        """
        read, after = self._read(text)
        rows = tf.size(text)
        gained, lost, weight = bound(self._hidden.network, read, after, seeds_from(seed, tf.shape(read)[0]))
        tokens = tf.reduce_sum(tf.cast(after != PAD, tf.int32), axis=1)
        found = {"log_probability": gained - lost, "divergence": lost, "log_weight": weight, "tokens": tokens}
        return {name: values[:rows] for name, values in found.items()}

    def encode_ids(self, ids: tf.Tensor) -> Outputs:
        """Without strings: tokens int32 [n, t], begun with 2 and padded with 0, to mean, log_variance and logits."""
        rows, width = tf.unstack(tf.shape(ids))
        ids = never_empty(ids)
        mean, log_variance = self._hidden.network.encode(ids)
        logits = self._hidden.network.decode(ids, mean)
        return {"mean": mean[:rows], "log_variance": log_variance[:rows], "logits": logits[:rows, :width]}

    def _read(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What the network reads of texts, and what follows each position."""
        ids = self._tokenizer.encode(never_none(text))[:, : self._longest]
        ones = tf.ones_like(ids.row_lengths(), tf.int32)[:, None]
        return tf.concat([ones * BOS, ids], axis=1).to_tensor(PAD), tf.concat([ids, ones * EOS], axis=1).to_tensor(PAD)

    def _texts(self, decoded: Decoded) -> tf.Tensor:
        return self._tokenizer.decode(cut_at_end(decoded.tokens[:, 0]))
