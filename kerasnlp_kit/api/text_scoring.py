"""Scores what a model says of texts, beside n-gram models of the training texts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.api.generator import SAMPLE_TOKENS
from kerasnlp_kit.api.text_preparation import told, unknown_share
from kerasnlp_kit.api.tokenization import shortened
from kerasnlp_kit.evaluation.generated import judge_generated
from kerasnlp_kit.evaluation.kneser_ney import KneserNey
from kerasnlp_kit.evaluation.language import LanguageScores, Meaning, compare_language, score_language
from kerasnlp_kit.evaluation.latent import LatentQuality

NGRAM_ORDERS = (3, 5)  # of the Kneser-Ney models that stand beside


class TextScorer:
    """Scores texts by their log-probabilities.

    Args:
        tokenizer: of the model.
        training: the texts that it learnt from; without them nothing is compared.
    """

    def __init__(self, tokenizer: Any, training: Sequence[str] | None) -> None:
        self._tokenizer = tokenizer
        self._training = training
        self._ngrams: Mapping[str, KneserNey] = {}
        if training is not None:
            known = self._encode(training)
            self._ngrams = {
                f"Kneser-Ney {order}-grams": KneserNey(known, tokenizer.vocabulary_size, order)
                for order in NGRAM_ORDERS
            }

    def as_read(self, texts: Sequence[str], longest: int) -> list[str]:
        """Texts without what is behind so many tokens."""
        found = list(texts)
        rows = np.flatnonzero(self._tokenizer.encode(texts).lengths > longest).tolist()
        for row, text in zip(rows, self._tokenizer.beginnings([texts[row] for row in rows], longest), strict=True):
            found[row] = text
        return found

    def score(
        self,
        texts: Sequence[str],
        log_probabilities: np.ndarray,
        tokens: np.ndarray,
        samples: Sequence[str] = (),
        latent: LatentQuality | None = None,
        longest: int | None = None,
    ) -> LanguageScores:
        """Scores, comparisons and, if there are samples, what they are like.

        Args:
            texts: held out.
            log_probabilities: of each by the model, float (texts,).
            tokens: of each, int (texts,).
            samples: texts that the model wrote.
            latent: of an autoencoder, whose log-probabilities are lower bounds, or, of a plain one, those of texts
                given their own vectors, which nothing is compared with.
            longest: tokens that the log-probabilities are of, at most: what is behind them is left out on both sides.
        """
        ids, scored, cut = self._tokenizer.encode(texts), list(texts), 0
        if longest and (cut := int((ids.lengths > longest).sum())):
            ids, scored = shortened(ids, longest), self.as_read(texts, longest)
        means: Meaning = "exact" if latent is None else "given vector" if latent.plain else "bound"
        metrics = score_language(scored, log_probabilities, tokens, unknown=unknown_share(ids), means=means)
        if cut:
            longer = "1 text is" if cut == 1 else f"{cut:,} texts are"
            note = f"{longer} longer than the {longest} tokens that the model reads: cut for these scores."
            metrics = dataclasses.replace(metrics, warnings=(*metrics.warnings, note))
        rows = told(ids)
        owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        others = {
            name: compare_language(metrics, np.bincount(owner, model.log_probabilities(rows), len(rows)))
            for name, model in self._ngrams.items()
            if means != "given vector"
        }
        generated = None
        if len(samples) and self._training is not None:
            vocabulary = self._tokenizer.vocabulary_size
            limit = min(longest or SAMPLE_TOKENS, SAMPLE_TOKENS)
            generated = judge_generated(
                samples,
                self._training,
                texts,
                self._encode,
                vocabulary,
                longest=limit,
                as_long=lambda some: self.as_read(some, limit),
            )
        return LanguageScores(metrics, others, generated, latent)

    def _encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return told(self._tokenizer.encode(texts))
