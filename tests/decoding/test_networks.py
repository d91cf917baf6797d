"""Searches over real networks, whose caches must follow the beams, against all texts scored at once."""

import itertools

import numpy as np
import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.constants import BOS, EOS, PAD
from kerasnlp_kit.decoding.beam import beam
from kerasnlp_kit.decoding.one import greedy
from kerasnlp_kit.layers.encoder_decoder import source_mask
from kerasnlp_kit.registry import PairSizes
from kerasnlp_kit.tasks.seq2seq import score_targets

LIMIT = 4
SOURCE = np.array([[4, 5, 6, 7], [8, 4, 0, 0]], "int32")
TEXTS = [(*text, EOS) for length in range(LIMIT) for text in itertools.product((4, 5, 6), repeat=length)]
SMALL = {
    "transformer_seq2seq": {"layers": 2, "d_model": 6, "heads": 2, "feed_forward": 6},
    "lstm_seq2seq": {"layers": 2, "units": 5, "embedding_dim": 6},
}


@pytest.fixture(scope="module", params=[spec.name for spec in registry.networks("seq2seq")])
def network(request):
    """A network with random weights for 3 pieces."""
    network = registry.find(request.param).architecture(**SMALL.get(request.param, {})).build(PairSizes(9, 7, False))
    random = np.random.default_rng(0)
    network.set_weights([random.normal(scale=0.7, size=weight.shape) for weight in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def scores(network):
    """Log-probability of each text for each source, all positions at once: float (rows, texts)."""
    after = np.zeros((len(TEXTS), LIMIT), "int32")
    for row, text in enumerate(TEXTS):
        after[row, : len(text)] = text
    before = np.concatenate([np.full((len(TEXTS), 1), BOS, "int32"), after[:, :-1]], axis=1)
    found = []
    for source in SOURCE:
        logits, _ = network.attend(np.repeat(source[None], len(TEXTS), axis=0), before)
        logits = np.asarray(logits, "float64")
        logits[:, :, [PAD, BOS]] = -np.inf
        found.append(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))
        np.testing.assert_allclose(
            score_targets(network, np.repeat(source[None], len(TEXTS), axis=0), before, after),
            total(found[-1], after),
            atol=1e-4,
        )
    return np.stack([total(row, after) for row in found])


def total(log_probabilities, after):
    picked = np.take_along_axis(log_probabilities, after[:, :, None], axis=-1)[:, :, 0]
    return np.where(after == PAD, 0, picked).sum(axis=1)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_a_beam_that_holds_everything_gives_all_texts_in_the_order_of_their_scores(
    network, scores, rows_of, length_penalty
):
    limits = np.full(2, LIMIT, "int32")
    found = beam(
        network,
        network.remember(SOURCE),
        limits,
        LIMIT,
        size=len(TEXTS),
        source_mask=source_mask(SOURCE),
        length_penalty=length_penalty,
    )
    penalized = scores / ((5 + np.array([len(text) for text in TEXTS])) / 6) ** length_penalty
    order = np.argsort(-penalized, axis=1)
    np.testing.assert_allclose(found.scores, np.take_along_axis(penalized, order, axis=1), atol=1e-4)
    np.testing.assert_allclose(
        found.log_probabilities,
        [[scores[row, TEXTS.index(text)] for text in texts] for row, texts in enumerate(rows_of(found.tokens))],
        atol=1e-4,
    )
    assert all(len(set(texts)) == len(TEXTS) for texts in rows_of(found.tokens))


def test_greedy_and_a_small_beam_say_what_scoring_says_of_their_texts(network, scores, rows_of):
    limits, memory = np.full(2, LIMIT, "int32"), network.remember(SOURCE)
    small = beam(network, memory, limits, LIMIT, size=3, source_mask=source_mask(SOURCE))
    for found in (greedy(network, memory, limits, LIMIT), small):
        for row, texts in enumerate(rows_of(found.tokens)):
            expected = [scores[row, TEXTS.index(text)] for text in texts]
            np.testing.assert_allclose(found.log_probabilities[row], expected, atol=1e-4)
