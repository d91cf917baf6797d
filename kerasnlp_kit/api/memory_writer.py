"""A network in memory that writes: for the dev score of each epoch, for the proof, for a picture of its attention."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD, SCORED_TOKENS, UNK
from kerasnlp_kit.decoding.protocol import Limits
from kerasnlp_kit.export.verify_seq2seq import NEAR, Memory
from kerasnlp_kit.tasks.any_shape import COMPILED_WIDTH
from kerasnlp_kit.tasks.seq2seq import Search, TargetScorer, Writer, joined
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.pieces import clean, continued, without_ends
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices


class MemoryWriter:
    """Writes with a network in memory, exactly, on any backend.

    Args:
        network: an `EncoderDecoder`.
        tokenizers: of source and target.
        limits: of the outputs.
        copies: whether unknown tokens are replaced by what the source has there.
    """

    def __init__(self, network: Any, tokenizers: tuple[Any, Any], limits: Limits, copies: bool) -> None:
        self.network = network
        self.source, self.target = tokenizers
        self.copies = copies
        self.fixed = keras.backend.backend() != "tensorflow"
        self.search = Search(limits, unknown=copies, fixed=self.fixed)
        self._greedy = Writer(network, self.search.greedy)

    def greedy(self, ids: TokenIds, texts: Sequence[bytes], rows: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Texts and log-probabilities of some rows, in one batch."""
        return self._texts(self._greedy, ids, texts, rows, "log_probabilities")

    def beam(
        self, ids: TokenIds, texts: Sequence[bytes], rows: np.ndarray, **options: Any
    ) -> tuple[list[str], np.ndarray]:
        """Texts, row by row, and scores (rows, size) of the beam search; ``options`` as in `decoding.beam.beam`."""
        search = functools.partial(self.search.beam, **options)
        return self._texts(Writer(self.network, search), ids, texts, rows, "scores")

    def sample(
        self, ids: TokenIds, texts: Sequence[bytes], rows: np.ndarray, seed: int
    ) -> tuple[list[str], np.ndarray]:
        """Texts and log-probabilities, drawn from the whole vocabulary."""
        search = functools.partial(self.search.sample, seed=seed, temperature=1.0, top_k=0, top_p=1.0)
        return self._texts(Writer(self.network, search), ids, texts, rows, "log_probabilities")

    def score(self, ids: TokenIds, rows: np.ndarray, targets: Sequence[str]) -> np.ndarray:
        """Log-probabilities of targets for some rows, float (rows,); some at a time, as their logits take memory."""
        given = self.target.encode(targets)
        read = self._padded(given, np.arange(len(rows)))
        ones = np.ones((len(rows), 1), "int32")
        before, after = np.hstack([ones * BOS, read]), np.hstack([read, ones * PAD])
        after[np.arange(len(rows)), given.lengths] = EOS
        inputs = {"source": self._padded(ids, rows), "target": before, "after": after}
        together, scorer = max(1, SCORED_TOKENS // before.shape[1]), TargetScorer(self.network)
        with devices.exact():
            found = [
                np.asarray(
                    scorer.predict_on_batch({name: part[begin : begin + together] for name, part in inputs.items()}),
                    "float64",
                )
                for begin in range(0, len(rows), together)
            ]
        return np.concatenate(found)

    def prefix(self, ids: TokenIds, texts: Sequence[bytes], rows: np.ndarray, prefixes: Sequence[str]) -> list[str]:
        """Texts of some rows that begin with these prefixes."""
        given = clean(tf.constant(list(prefixes), tf.string))
        begin = self.target.encode(given.numpy())
        search = functools.partial(self.search.greedy, prefix=self._padded(begin, np.arange(len(rows))))
        whole, _ = self._texts(
            Writer(self.network, search), ids, texts, rows, "log_probabilities", begin.lengths.tolist()
        )
        begun = self.target.decode([begin.row(row) for row in range(len(begin))])
        found = continued(given, tf.constant(begun, tf.string), tf.constant(whole, tf.string))
        return [text.decode("utf-8", "replace") for text in found.numpy()]

    def attention(self, ids: np.ndarray) -> tuple[list[str], list[str], np.ndarray]:
        """Tokens of a source, of what is written for it, and weights (target, source): ids int32 (time,)."""
        with devices.exact():
            found = self._greedy.predict_on_batch(ids[None])
            tokens = without_ends(found["tokens"][:, 0])[0]
            before = np.concatenate([[BOS], tokens]).astype("int32")[None]
            _, weights = self.network.attend(*map(keras.ops.convert_to_tensor, (ids[None], before)))
        names = [
            [name.decode("utf-8", "replace") for name in tokenizer.graph().name(tf.constant(row)).numpy()]
            for tokenizer, row in ((self.source, ids), (self.target, tokens))
        ]
        return names[0], names[1], np.asarray(keras.ops.convert_to_numpy(weights))[0, : len(tokens)]

    def memory(self, ids: TokenIds, texts: Sequence[bytes], some: int, saved_model: Path, **options: Any) -> Memory:
        """For the proof: ``options`` are those of the beam search, and ``seed``."""
        seed = options.pop("seed")
        return Memory(
            greedy=lambda rows: self.greedy(ids, texts, rows),
            beam=lambda rows: self.beam(ids, texts, rows, **options),
            sample=lambda rows: self.sample(ids, texts, rows, seed),
            prefix=lambda rows, prefixes: self.prefix(ids, texts, rows, prefixes),
            score=lambda rows, targets: self.score(ids, rows, targets),
            as_probable=self._as_probable(ids, texts, saved_model),
            ids=self._padded(ids, np.arange(some)),
        )

    def _as_probable(self, ids: TokenIds, texts: Sequence[bytes], saved_model: Path) -> Callable[[int, str], bool]:
        """Whether another text of the SavedModel is one that rounding may have put before ours."""
        loaded = functools.cache(lambda: tf.saved_model.load(str(saved_model)))

        def check(row: int, text: str) -> bool:
            source = self._padded(ids, np.array([row]))
            (alone,) = loaded().signatures["ids"](ids=tf.constant(source))["tokens"].numpy()
            # In a batch of its own rounding may put ours first again: then by what the text itself is read as.
            read = np.append(self.target.encode([text]).row(0), EOS).astype("int32")
            return any(is_near(row, text, source, tokens) for tokens in (alone, read))

        def is_near(row: int, text: str, source: np.ndarray, tokens: np.ndarray) -> bool:
            written = without_ends(tokens[None])
            before = np.concatenate([[BOS], tokens[:-1]]).astype("int32")[None]
            with devices.exact():
                logits, weights = self.network.attend(*map(keras.ops.convert_to_tensor, (source, before)))
            found = np.array(keras.ops.convert_to_numpy(logits))[0]
            aligned = np.asarray(keras.ops.convert_to_numpy(weights))[:, : len(written[0])].argmax(axis=2)
            if joined(self.target, written, aligned, self._pieces([texts[row]])) != [text]:
                return False
            found[:, [PAD, BOS] if self.copies else [PAD, BOS, UNK]] = -np.inf
            steps = np.arange(min(len(written[0]) + 1, len(tokens)))
            # The last one may be an end that the limit forced.
            limit = self.search.limits.of_length(int((source != PAD).sum()))
            steps = steps[:-1] if len(written[0]) + 1 >= limit else steps
            return bool((found[steps].max(axis=1) - found[steps, tokens[steps]] <= NEAR).all())

        return check

    def _texts(
        self,
        writer: Writer,
        ids: TokenIds,
        texts: Sequence[bytes],
        rows: np.ndarray,
        score: str,
        given: Sequence[int] | None = None,
    ) -> tuple[list[str], np.ndarray]:
        with devices.exact():
            found = writer.predict_on_batch(self._padded(ids, rows))
        beams = found["tokens"].shape[1]
        tokens = without_ends(found["tokens"].reshape(len(rows) * beams, -1))
        places = found["alignments"].reshape(len(rows) * beams, -1)
        aligned = [row[: len(written)] for row, written in zip(places, tokens, strict=True)]
        pieces = self._pieces([texts[row] for row in rows for _ in range(beams)])
        scores = np.asarray(found[score], "float64")
        if beams == 1 and score != "scores":
            scores = scores[:, 0]
        return joined(self.target, tokens, aligned, pieces, given), scores

    def _pieces(self, texts: Sequence[bytes]) -> list[list[bytes]] | None:
        """Of each source, to copy unknown ones from; None where nothing is copied."""
        return self.source.graph().split(tf.constant(list(texts))).to_list() if self.copies else None

    def _padded(self, ids: TokenIds, rows: np.ndarray) -> np.ndarray:
        width = max(1, int(ids.lengths[rows].max(initial=0)))
        if self.fixed:
            width = -(-width // COMPILED_WIDTH) * COMPILED_WIDTH
        return pad_rows(ids, rows, width)
