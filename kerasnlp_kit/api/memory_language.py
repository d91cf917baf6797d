"""A language model in memory: for the dev score of each epoch and for the proof."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnlp_kit.constants import BOS
from kerasnlp_kit.export.verify_language import MAX_TOKENS, LanguageMemory
from kerasnlp_kit.tasks.language import Continuation, NextTokenScorer, score_texts
from kerasnlp_kit.tasks.seq2seq import Writer
from kerasnlp_kit.text.padding import pad_rows
from kerasnlp_kit.text.pieces import clean, continued, without_ends
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

BATCH = 32  # texts of like length that are cut to pieces together


class MemoryLanguage:
    """Scores and continues texts with a network in memory, exactly, on any backend.

    Args:
        network: a `LanguageModel`.
        tokenizer: of the texts.
        context: tokens in sight.
    """

    def __init__(self, network: Any, tokenizer: Any, context: int) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.context = context
        self._scorer = NextTokenScorer(network)

    def score(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities, float64 (texts,), and tokens, int (texts,), the ends included."""
        ids = self.tokenizer.encode(texts)
        return self.score_ids(ids), ids.lengths + 1

    def score_ids(self, ids: TokenIds) -> np.ndarray:
        """Log-probabilities of texts without begin and end: float64 (texts,)."""
        order = np.argsort(ids.lengths, kind="stable")  # rows of like length together: less padding
        rows = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
        with devices.exact():
            return score_texts(self._scorer, ids, self.context, rows)

    def greedy(self, prompts: Sequence[bytes]) -> tuple[list[str], np.ndarray]:
        """How prompts go on, `MAX_TOKENS` at most, and log-probabilities."""
        return self._continue(prompts, lambda length: Continuation(MAX_TOKENS, length).greedy)

    def sample(self, prompts: Sequence[bytes], seed: int) -> tuple[list[str], np.ndarray]:
        """Likewise, drawn from the whole vocabulary."""
        options = {"seed": seed, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
        return self._continue(
            prompts, lambda length: functools.partial(Continuation(MAX_TOKENS, length).sample, **options)
        )

    def memory(self, texts: Sequence[bytes], seed: int) -> LanguageMemory:
        """For the proof; the signature ``ids`` is asked about ``texts``."""
        ids = self.tokenizer.encode(texts)
        width = max(2, min(self.context, int(ids.lengths.max(initial=1)) + 1))
        padded = np.concatenate(
            [np.full((len(ids), 1), BOS, np.int32), pad_rows(ids, np.arange(len(ids)), width - 1)], 1
        )
        with devices.exact():
            logits = self.network(keras.ops.convert_to_tensor(padded), training=False)
        return LanguageMemory(
            score=self.score,
            greedy=self.greedy,
            sample=lambda prompts: self.sample(prompts, seed),
            ids=padded,
            logits=np.asarray(keras.ops.convert_to_numpy(logits)),
        )

    def _continue(self, prompts: Sequence[bytes], search: Callable[[int], Any]) -> tuple[list[str], np.ndarray]:
        given = clean(tf.constant(list(prompts)))
        ids = _last(self.tokenizer.encode(given.numpy()), self.context)
        padded = pad_rows(ids, np.arange(len(ids)), max(1, int(ids.lengths.max(initial=1))))
        with devices.exact():
            found = Writer(self.network, search(padded.shape[1] + MAX_TOKENS + 1)).predict_on_batch(padded)
        begun = self.tokenizer.decode([ids.row(row) for row in range(len(ids))])
        whole = self.tokenizer.decode(without_ends(np.asarray(found["tokens"])[:, 0]))
        texts = continued(given, tf.constant(begun, tf.string), tf.constant(whole, tf.string)).numpy()
        return [text.decode("utf-8", "replace") for text in texts], np.asarray(found["log_probabilities"], "float64")[
            :, 0
        ]


def _last(ids: TokenIds, limit: int) -> TokenIds:
    """Rows without what is before their last ``limit`` ids."""
    rows = [ids.row(row)[-limit:] for row in range(len(ids))]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return TokenIds(np.concatenate([np.zeros(0, np.int32), *rows]), offsets)
