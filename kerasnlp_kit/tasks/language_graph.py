"""The signatures of a language model: strings in, strings out."""

import types
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD, SCORED_TOKENS
from kerasnlp_kit.decoding.protocol import Decoded
from kerasnlp_kit.tasks.language import Continuation, score_next
from kerasnlp_kit.tasks.signatures import DRAWN, Outputs, never_empty, never_none, spec, traced
from kerasnlp_kit.text.padding import pad_ragged
from kerasnlp_kit.text.pieces import clean, continued, cut_at_end

SCORED_ROWS = 32  # at most, whose logits are in memory together

PROMPT = spec("prompt", tf.string, None)
MAX_TOKENS = spec("max_tokens", tf.int32)


class LanguageGraph(tf.Module):
    """Tokenizer, network, search and joining of the tokens, as functions to export.

    Args:
        network: a `LanguageModel` on the TensorFlow backend.
        tokenizer: graph of the tokenizer.
        context: tokens in sight; of a prompt so many are read, the last ones.
    """

    def __init__(self, network: Any, tokenizer: Any, *, context: int) -> None:
        super().__init__(name="language_model")
        # Out of sight of TensorFlow's tracking: it would save Keras' own functions, too.
        self._hidden = types.SimpleNamespace(network=network)
        self._variables = [variable.value for variable in network.variables]  # what the SavedModel must hold
        self._tokenizer = tokenizer
        self._context = context

    def signatures(self) -> dict[str, Any]:
        """The functions to export, by name."""
        made: dict[str, tuple[Callable[..., Outputs], list[tf.TensorSpec]]] = {
            "serving_default": (self.sample, [PROMPT, MAX_TOKENS, *DRAWN]),
            "greedy": (self.greedy, [PROMPT, MAX_TOKENS]),
            "score": (self.score, [spec("text", tf.string, None)]),
            "ids": (self.logits_of_ids, [spec("ids", tf.int32, None, None)]),
        }
        return traced(made)

    def sample(
        self,
        prompt: tf.Tensor,
        max_tokens: tf.Tensor,
        seed: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
    ) -> Outputs:
        """serving_default: how texts go on, drawn; text n has the seed ``seed + n``. string [n] to text string [n]."""
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        search = Continuation(max_tokens)
        return self._written(prompt, lambda ids: search.sample(self._hidden.network, ids, seed, **options))

    def greedy(self, prompt: tf.Tensor, max_tokens: tf.Tensor) -> Outputs:
        """Likewise, with the most probable token at each step."""
        search = Continuation(max_tokens)
        return self._written(prompt, lambda ids: search.greedy(self._hidden.network, ids))

    def score(self, text: tf.Tensor) -> Outputs:
        """How probable texts are: log_probability float [n], of so many tokens int32 [n], the end included.

        What is longer than the context is scored piece by piece, each token with at least half of the context before
        it; see `tasks.language.scored_pieces`.
        """
        ids = self._tokenizer.encode(never_none(text))
        ones = tf.ones_like(ids.row_lengths(), tf.int32)[:, None]
        rows = tf.concat([ones * BOS, ids, ones * EOS], axis=1)
        read, after, owner = self._pieces(rows)
        found = self._scored(read, after)
        totals = tf.math.unsorted_segment_sum(found, owner, tf.size(ids.row_lengths()))
        real = tf.size(text)
        return {"log_probability": totals[:real], "tokens": tf.cast(ids.row_lengths() + 1, tf.int32)[:real]}

    def logits_of_ids(self, ids: tf.Tensor) -> Outputs:
        """Without strings: tokens int32 [n, t], begun with 2 and padded with 0, to logits float [n, t, V]."""
        rows, width = tf.unstack(tf.shape(ids))
        return {"logits": self._hidden.network(never_empty(ids), training=False)[:rows, :width]}

    def _written(self, prompt: tf.Tensor, search: Callable[[tf.Tensor], Decoded]) -> Outputs:
        rows, given = tf.size(prompt), clean(never_none(prompt))
        ids = self._tokenizer.encode(given)[:, -self._context :]
        decoded = search(pad_ragged(ids))
        # The prompt as it came, with what follows: also what the tokenizer does not know, or does not read, stays.
        begun, whole = self._tokenizer.decode(ids), self._tokenizer.decode(cut_at_end(decoded.tokens[:, 0]))
        text = continued(given, begun, whole)
        return {"text": text[:rows], "score": decoded.log_probabilities[:rows, 0]}

    def _pieces(self, rows: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As `tasks.language.scored_pieces`, of texts with begin and end."""
        context, stride = self._context, max(1, self._context // 2)
        lengths = rows.row_lengths()
        counts = 1 + tf.maximum(lengths - 1 - context + stride - 1, 0) // stride
        owner = tf.repeat(tf.range(tf.size(lengths)), counts)
        number = tf.range(tf.reduce_sum(counts)) - tf.gather(tf.cumsum(counts, exclusive=True), owner)
        begin = tf.gather(rows.row_starts(), owner) + number * stride
        end = tf.minimum(begin + context + 1, tf.gather(rows.row_limits(), owner))
        places = tf.ragged.range(begin, end)
        tokens = places.with_values(tf.gather(rows.values, places.values)).to_tensor(PAD)
        known = tf.where(number == 0, tf.zeros_like(number), context - stride)
        column = tf.range(tf.shape(tokens, tf.int64)[1] - 1)[None, :]
        return tokens[:, :-1], tf.where(column < known[:, None], PAD, tokens[:, 1:]), owner

    def _scored(self, read: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """Log-probabilities of rows, some at a time: float32 (rows,)."""
        count = tf.shape(read)[0]
        together = tf.clip_by_value(SCORED_TOKENS // tf.maximum(tf.shape(read)[1], 1), 1, SCORED_ROWS)
        steps = (count + together - 1) // together
        pieces = tf.TensorArray(tf.float32, steps, infer_shape=False, element_shape=[None])

        def step(number: tf.Tensor, pieces: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            rows = slice(number * together, (number + 1) * together)
            return number + 1, pieces.write(number, score_next(self._hidden.network, read[rows], after[rows]))

        # One after the other: each of them takes memory for its logits.
        _, pieces = tf.while_loop(
            lambda number, _: number < steps, step, (tf.constant(0), pieces), parallel_iterations=1
        )
        return pieces.concat()
