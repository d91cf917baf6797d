"""The signatures of a model that writes a text for a text: strings in, strings out."""

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.protocol import Decoded, Limits
from kerasnlp_kit.layers.cache import compiled
from kerasnlp_kit.tasks.seq2seq import Search, score_targets
from kerasnlp_kit.tasks.signatures import DRAWN, Outputs, as_many, never_empty, never_none, spec, traced
from kerasnlp_kit.text.padding import pad_ragged
from kerasnlp_kit.text.pieces import UNKNOWN, clean, continued, cut_at_end

# XLA compiles anew for every shape: batches are filled up to one of these sizes, larger ones to a multiple of the last.
BATCHES = (1, 8, 32, 128)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
MOST_GIVEN = 1024  # tokens of a target or prefix that a caller gives: attention takes memory with their square

TEXTS = spec("source", tf.string, None)


class Seq2SeqGraph(tf.Module):
    """Tokenizers, network, search and joining of the tokens, as functions to export.

    Args:
        network: an `EncoderDecoder` on the TensorFlow backend.
        source: graph of the source's tokenizer.
        target: graph of the target's tokenizer; maybe the same.
        limits: of the outputs.
        max_source: tokens of a source that are read.
        copy_unknown: whether what the source has there is put in the place of an unknown token.
        beam: outputs in sight of ``beam_xla``.
        coverage_penalty: of both beam searches; see `decoding.beam.beam`.
        xla: whether to export ``greedy_xla`` and ``beam_xla``.
    """

    def __init__(
        self,
        network: Any,
        source: Any,
        target: Any,
        *,
        limits: Limits,
        max_source: int,
        copy_unknown: bool,
        beam: int,
        coverage_penalty: float,
        xla: bool,
    ) -> None:
        super().__init__(name="seq2seq")
        # Out of sight of TensorFlow's tracking: it would save Keras' own functions, too.
        self._hidden = types.SimpleNamespace(network=network)
        self._variables = [variable.value for variable in network.variables]  # what the SavedModel must hold
        self._source = source
        self._target = target
        self._max_source = max_source
        self._most_given = max(limits.longest, MOST_GIVEN)
        self._copies = copy_unknown and hasattr(source, "split")
        self._beam_size = beam
        self._coverage_penalty = coverage_penalty
        self._xla = xla
        self._search = Search(limits, unknown=self._copies, fixed=False)
        self._fixed = dataclasses.replace(self._search, fixed=True)

    def signatures(self) -> dict[str, Any]:
        """The functions to export, by name."""
        count, share = spec("beam_size", tf.int32), spec("length_penalty", tf.float32)
        made: dict[str, tuple[Callable[..., Outputs], list[tf.TensorSpec]]] = {
            "serving_default": (self.greedy, [TEXTS]),
            "beam": (self.beam, [TEXTS, count, share]),
            "sample": (self.sample, [TEXTS, *DRAWN]),
            "score": (self.score, [TEXTS, spec("target", tf.string, None)]),
            "prefix": (self.continue_prefix, [TEXTS, spec("prefix", tf.string, None)]),
            "attention": (self.attention, [TEXTS]),
            "ids": (self.write_ids, [spec("ids", tf.int32, None, None)]),
        }
        if self._xla:
            made["greedy_xla"] = (self.greedy_xla, [TEXTS])
            made["beam_xla"] = (self.beam_xla, [TEXTS, share])
        return traced(made)

    def greedy(self, source: tf.Tensor) -> Outputs:
        """serving_default: the most probable token at each step. string [n] to target string [n], score float [n]."""
        return self._one(source, lambda ids: self._search.greedy(self._hidden.network, ids))

    def continue_prefix(self, source: tf.Tensor, prefix: tf.Tensor) -> Outputs:
        """Likewise, each target beginning with its prefix, string [n], as it came, whatever the tokenizer knows."""
        source = as_many(source, prefix, "Each source needs one prefix")
        given = clean(never_none(prefix))
        ids = self._given(given, "prefix")
        decoded = self._search.greedy(self._hidden.network, self._read(source), prefix=pad_ragged(ids))
        whole = self._text(source, decoded, 0, ids.row_lengths())
        text, rows = continued(given, self._target.decode(ids), whole), tf.size(source)
        return {"target": text[:rows], "score": decoded.log_probabilities[:rows, 0]}

    def sample(
        self, source: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor
    ) -> Outputs:
        """Drawn targets; text n has the seed ``seed + n``."""
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        return self._one(source, lambda ids: self._search.sample(self._hidden.network, ids, seed, **options))

    def beam(self, source: tf.Tensor, beam_size: tf.Tensor, length_penalty: tf.Tensor) -> Outputs:
        """The best of several in sight: targets string [n, beam], scores float [n, beam], best first."""
        options = self._penalties(length_penalty) | {"size": tf.maximum(beam_size, 1)}
        return self._several(source, self._search.beam(self._hidden.network, self._read(source), **options))

    def score(self, source: tf.Tensor, target: tf.Tensor) -> Outputs:
        """How probable a target is: log_probability float [n], of so many tokens int32 [n], the end included."""
        source = as_many(source, target, "Each source needs one target")
        ids, given = self._read(source), self._given(target, "target")
        ones = tf.ones_like(given.row_lengths(), tf.int32)[:, None]
        before, after = tf.concat([ones * BOS, given], axis=1), tf.concat([given, ones * EOS], axis=1)
        found = score_targets(self._hidden.network, ids, before.to_tensor(PAD), after.to_tensor(PAD))
        rows = tf.size(source)
        return {"log_probability": found[:rows], "tokens": tf.cast(after.row_lengths(), tf.int32)[:rows]}

    def attention(self, source: tf.Tensor) -> Outputs:
        """Where greedy writing looks: weights float [n, target tokens, source tokens], and the tokens, string."""
        rows = tf.size(source)
        ids = self._read(source)
        decoded = self._search.greedy(self._hidden.network, ids)
        tokens = decoded.tokens[:, 0]
        before = tf.concat([tf.fill([tf.shape(tokens)[0], 1], BOS), tokens[:, :-1]], axis=1)
        _, weights = self._hidden.network.attend(ids, before)
        return {
            "target": self._text(source, decoded, 0)[:rows],
            "source_tokens": _shown(self._source, ids)[:rows],
            "target_tokens": _shown(self._target, tokens)[:rows],
            "weights": (weights * tf.cast(tokens != PAD, tf.float32)[:, :, None])[:rows],
        }

    def write_ids(self, ids: tf.Tensor) -> Outputs:
        """Without strings: source tokens int32 [n, t], padded with 0, to tokens int32 [n, T] and score float [n].

        T follows from t alone, so that XLA compiles it.
        """
        rows = tf.shape(ids)[0]
        decoded = self._fixed.greedy(self._hidden.network, never_empty(ids))
        return {"tokens": decoded.tokens[:rows, 0], "score": decoded.log_probabilities[:rows, 0]}

    def greedy_xla(self, source: tf.Tensor) -> Outputs:
        """As serving_default, compiled for a few shapes."""

        def search(ids: tf.Tensor, rows: tf.Tensor) -> Decoded:
            with compiled():
                return self._fixed.greedy(self._hidden.network, ids, rows=rows)

        decoded = tf.function(search, autograph=False, jit_compile=True)(*self._read_fixed(source))
        rows = tf.size(source)
        return {"target": self._text(source, decoded, 0)[:rows], "score": decoded.log_probabilities[:rows, 0]}

    def beam_xla(self, source: tf.Tensor, length_penalty: tf.Tensor) -> Outputs:
        """As beam, with the number of outputs that was chosen for the export, compiled for a few shapes."""

        def search(ids: tf.Tensor, rows: tf.Tensor, penalty: tf.Tensor) -> Decoded:
            with compiled():
                options = self._penalties(penalty) | {"size": self._beam_size}
                return self._fixed.beam(self._hidden.network, ids, rows, **options)

        decoded = tf.function(search, autograph=False, jit_compile=True)(*self._read_fixed(source), length_penalty)
        return self._several(source, decoded)

    def _penalties(self, length_penalty: tf.Tensor) -> dict[str, Any]:
        return {"length_penalty": length_penalty, "coverage_penalty": self._coverage_penalty}

    def _read(self, source: tf.Tensor) -> tf.Tensor:
        """Ids of sources, padded; of no sources, those of an empty one: a loop over nothing is not worth the risk."""
        return pad_ragged(self._source.encode(never_none(source))[:, : self._max_source])

    def _given(self, texts: tf.Tensor, name: str) -> tf.RaggedTensor:
        """Ids of texts of the target's side; an error where one is longer than any output may be, and than 1,024."""
        ids = self._target.encode(never_none(texts))
        longest = tf.reduce_max(tf.concat([[0], ids.row_lengths()], axis=0))
        told = f"A {name} may have at most {self._most_given} tokens; give a shorter one. Received one of so many:"
        tf.debugging.Assert(longest <= self._most_given, [told, longest])
        return ids

    def _read_fixed(self, source: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Likewise, filled up to one of the fixed shapes; and how many rows are real."""
        ids = self._read(source)
        rows = _rounded_up(tf.shape(ids)[0], BATCHES)
        width = tf.minimum(_rounded_up(tf.shape(ids)[1], WIDTHS), tf.maximum(self._max_source, tf.shape(ids)[1]))
        return tf.pad(ids, [[0, rows - tf.shape(ids)[0]], [0, width - tf.shape(ids)[1]]]), tf.size(source)

    def _one(self, source: tf.Tensor, search: Callable[[tf.Tensor], Decoded]) -> Outputs:
        rows = tf.size(source)
        decoded = search(self._read(source))
        return {"target": self._text(source, decoded, 0)[:rows], "score": decoded.log_probabilities[:rows, 0]}

    def _several(self, source: tf.Tensor, decoded: Decoded) -> Outputs:
        rows, beams = tf.size(source), tf.shape(decoded.tokens)[1]
        texts = tf.reshape(self._text(source, decoded, None), [-1, beams])
        return {"targets": texts[:rows], "scores": decoded.scores[:rows]}

    def _text(self, source: tf.Tensor, decoded: Decoded, beam: int | None, given: tf.Tensor | None = None) -> tf.Tensor:
        """Texts of one output of each row, or of all of them, one after the other: string (batch [* beams],).

        Nothing is copied into the first tokens of a row, as many as ``given`` says: int64 (batch,).
        """
        tokens, aligned, beams = decoded.tokens, decoded.alignments, tf.shape(decoded.tokens)[1]
        if beam is not None:
            tokens, aligned, beams = tokens[:, beam], aligned[:, beam], 1
        tokens = tf.reshape(tokens, [-1, tf.shape(tokens)[-1]])
        ids = cut_at_end(tokens)
        if not self._copies:
            return self._target.decode(ids)
        aligned = tf.boolean_mask(
            tf.reshape(aligned, tf.shape(tokens)), tf.sequence_mask(ids.row_lengths(), tf.shape(tokens)[1])
        )
        pieces = self._source.split(never_none(source))
        # Filled-up rows have no source; any will do.
        row = tf.minimum(tf.cast(ids.value_rowids(), tf.int32) // beams, tf.cast(pieces.nrows(), tf.int32) - 1)
        first, length = tf.gather(pieces.row_starts(), row), tf.gather(pieces.row_lengths(), row)
        place = first + tf.minimum(tf.cast(aligned, tf.int64), tf.maximum(length - 1, 0))
        found = tf.gather(tf.concat([pieces.values, [""]], axis=0), tf.minimum(place, tf.size(pieces.values, tf.int64)))
        found = tf.where(length > 0, found, "")
        if given is not None:
            place = tf.ragged.range(ids.row_lengths()).values
            found = tf.where(place < tf.gather(given, ids.value_rowids()), UNKNOWN, found)
        return self._target.decode(ids, ids.with_values(found))


def _shown(tokenizer: Any, ids: tf.Tensor) -> tf.Tensor:
    return tf.where(ids == PAD, "", tokenizer.name(ids))


def _rounded_up(size: tf.Tensor, sizes: tuple[int, ...]) -> tf.Tensor:
    """The first of ``sizes`` that is no smaller; beyond them a multiple of the last."""
    last = sizes[-1]
    fitting = tf.reduce_min(tf.where(tf.constant(sizes) >= size, tf.constant(sizes), 2**30))
    return tf.where(size <= last, fitting, (size + last - 1) // last * last)
