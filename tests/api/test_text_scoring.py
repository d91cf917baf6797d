import dataclasses

import numpy as np
import pytest

from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.evaluation.latent import LatentQuality
from kerasnlp_kit.text.pieces import PieceTokenizer

TRAINING = ["the small dog sees a cat", "a cat sees the dog", "the cat runs"] * 5
TEXTS = ["the dog runs", "a zebra cat gnu the dog and runs away from the small dog"]  # zebra and gnu are unknown
LATENT = LatentQuality(4, 30.0, 5.0, 4, 2.0, 0.1, 20.0, None, False)
FOUND = np.array([-6.0, -8.0])


@pytest.fixture(scope="module")
def scorer():
    return TextScorer(PieceTokenizer.fit([*TRAINING, TEXTS[0], "and away from"], "words"), TRAINING)


def test_what_a_model_does_not_read_is_left_out_on_both_sides(scorer):
    cut = scorer.score(TEXTS, FOUND, np.array([4, 5]), latent=LATENT, longest=4)
    short = scorer.score([TEXTS[0], "a zebra cat gnu"], FOUND, np.array([4, 5]), latent=LATENT, longest=4)
    assert cut.metrics.perplexity == short.metrics.perplexity == pytest.approx(np.exp(14 / 9))
    assert cut.metrics.characters == short.metrics.characters
    assert cut.comparisons == short.comparisons and len(cut.comparisons) == 2
    assert cut.metrics.warnings[-1:] == (
        "1 text is longer than the 4 tokens that the model reads: cut for these scores.",
    )
    assert cut.metrics.row_units.tolist() == [4, 5]
    assert cut.metrics.warnings[:-1] == short.metrics.warnings, "of the unknown words"


def test_a_model_that_reads_all_of_a_text_is_scored_by_all_of_it(scorer):
    scores = scorer.score(TEXTS, FOUND, np.array([4, 14]))
    assert scores.metrics.units == 4 + 14 and not any("longer" in warning for warning in scores.metrics.warnings)
    assert scores.metrics.first_line().startswith("word perplexity 2.18")


def test_what_a_text_costs_whose_vector_is_known_is_compared_with_nothing(scorer):
    scores = scorer.score(TEXTS, FOUND, np.array([4, 14]), latent=dataclasses.replace(LATENT, plain=True))
    assert scores.comparisons == {} and scores.metrics.means == "given vector"
    assert scorer.score(TEXTS, FOUND, np.array([4, 14]), latent=LATENT).metrics.means == "bound"


def test_of_a_text_that_is_read_in_part_the_part_is_given(scorer):
    assert scorer.as_read(TEXTS, 4) == [TEXTS[0], "a zebra cat gnu"]
    assert scorer.as_read(TEXTS, 99) == TEXTS
