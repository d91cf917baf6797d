import numpy as np
import pytest

from kerasnlp_kit.constants import EOS, LOWEST, PAD, UNK
from kerasnlp_kit.decoding.beam import beam
from kerasnlp_kit.decoding.one import greedy

LIMITS = np.array([4, 3, 1], "int32")
COVERED = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], "bool")
EVERYTHING = 40  # 1 + 3 + 9 + 27 texts of at most 3 of 3 pieces: as many beams lose none


def search(table, limits=LIMITS, **options):
    return beam(table, table.memory, limits, int(max(limits)), **{"size": 4, "source_mask": COVERED, **options})


def score(table, row, text, length_penalty, coverage_penalty):
    """Wu et al. 2016, equation 14, with the sum over the source positions that count."""
    log_probability, attention = table.log_probability(row, text), table.walk(row, text)[1]
    covered = np.log(np.clip(attention.sum(axis=0), 1e-6, 1))[COVERED[row]].sum()
    return log_probability / ((5 + len(text)) / 6) ** length_penalty + coverage_penalty * covered


@pytest.mark.parametrize("coverage_penalty", [0.0, 0.5])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("unknown", [False, True])
def test_a_beam_that_holds_everything_gives_all_texts_in_the_order_of_their_scores(
    table, rows_of, length_penalty, coverage_penalty, unknown
):
    options = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty, "unknown": unknown}
    size = 85 if unknown else EVERYTHING  # 1 + 4 + 16 + 64
    found = search(table, size=size, **options)
    for row, limit in enumerate(LIMITS):
        texts = table.texts(limit, unknown)
        assert row or len(texts) == size
        scores = {text: score(table, row, text, length_penalty, coverage_penalty) for text in texts}
        expected = sorted(texts, key=scores.get, reverse=True)
        best = np.asarray(found.tokens)[row, : len(texts)]
        assert rows_of(best) == expected
        np.testing.assert_allclose(found.scores[row, : len(texts)], [scores[text] for text in expected], atol=1e-4)
        totals = [table.log_probability(row, text) for text in expected]
        np.testing.assert_allclose(found.log_probabilities[row, : len(texts)], totals, atol=1e-4)
        assert (np.asarray(found.scores)[row, len(texts) :] < -1e8).all(), "there are no other texts"


def test_what_a_token_is_aligned_with_is_what_was_attended_to_most(table, rows_of):
    found = search(table)
    for row, texts in enumerate(rows_of(found.tokens)[:2]):
        for aligned, text in zip(np.asarray(found.alignments)[row], texts[:2], strict=False):
            assert aligned[: len(text)].tolist() == table.walk(row, text)[1].argmax(axis=1).tolist()


@pytest.mark.parametrize("length_penalty", [0.0, 9.0])  # what cannot be must not look better for being long
def test_where_there_are_fewer_texts_than_beams_the_rest_are_empty_and_impossible(make_table, length_penalty):
    table = make_table(pieces=1)
    found = search(table, size=8, length_penalty=length_penalty)
    for row, limit in enumerate(LIMITS):
        scores = np.asarray(found.scores)[row]
        tokens = np.asarray(found.tokens)[row]
        assert (scores[:limit] > -100).all() and (scores[limit:] <= LOWEST).all()
        assert len({tuple(one) for one in tokens[:limit].tolist()}) == limit and not tokens[limit:].any()


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(make_table, seed):
    table = make_table(seed=seed)
    found, expected = search(table, size=1), greedy(table, table.memory, LIMITS, 4)
    np.testing.assert_array_equal(found.tokens, np.asarray(expected.tokens)[:, :, : found.tokens.shape[2]])
    np.testing.assert_allclose(found.log_probabilities, expected.log_probabilities, atol=1e-5)


@pytest.mark.parametrize("penalties", [(0.0, 0.0), (1.0, 0.0), (0.6, 0.3)])
def test_ending_early_gives_the_same_best_text_in_no_more_steps(make_table, rows_of, penalties):
    saved = 0
    for seed in range(6):
        limits, steps = np.array([7, 6, 7], "int32"), []
        for best_only in (False, True):
            table = make_table(seed=seed)
            names = ("length_penalty", "coverage_penalty")
            found = search(table, limits, best_only=best_only, **dict(zip(names, penalties, strict=True)))
            steps.append((table.steps, rows_of(found.tokens[:, 0]), np.asarray(found.scores[:, 0])))
        assert steps[1][1] == steps[0][1]
        np.testing.assert_allclose(steps[1][2], steps[0][2], atol=1e-5)
        saved += steps[0][0] - steps[1][0]
        assert steps[1][0] <= steps[0][0]
    assert saved > 0


def test_what_has_ended_stays_as_it_is_while_others_go_on(table, rows_of):
    longer = beam(table, table.memory, LIMITS, 9, size=EVERYTHING, source_mask=COVERED, length_penalty=0.6)
    found = search(table, size=EVERYTHING, length_penalty=0.6)
    assert rows_of(longer.tokens[:1]) == rows_of(found.tokens[:1])
    np.testing.assert_array_equal(longer.scores, found.scores)
    alone = beam(
        table, {"rows": np.array([1], "int32")}, LIMITS[1:2], 3, size=13, source_mask=COVERED[1:2], length_penalty=0.6
    )
    np.testing.assert_allclose(alone.scores[0], found.scores[1, :13], atol=1e-5)  # its mate of row 0 takes a step more


@pytest.mark.parametrize("size", [1, 2, 5])
def test_each_text_ends_within_its_limit_and_holds_neither_unknown_nor_begin(make_table, rows_of, size):
    for seed in range(4):
        table = make_table(seed=seed)
        table.logits[..., [PAD, UNK, 2]] += 9  # what is most probable, but must not be written
        for texts, limit in zip(rows_of(search(table, size=size).tokens[:2]), LIMITS, strict=False):
            for text in texts:
                assert len(text) <= limit and text[-1] == EOS
                assert set(text[:-1]) <= set(table.pieces)
        assert rows_of(search(table, size=size).tokens[2, 0]) == (EOS,)


def test_a_forced_prefix_begins_every_text_and_its_probability_counts(table, rows_of):
    prefix = np.array([[5, UNK], [6, 0], [0, 0]], "int32")
    found = search(table, size=13, prefix=prefix, length_penalty=0.6)
    for row, start in enumerate([(5, UNK), (6,), ()]):
        texts = [text for text in table.texts(LIMITS[row], unknown=True) if text[: len(start)] == start]
        scores = {text: score(table, row, text, 0.6, 0.0) for text in texts if UNK not in text[len(start) :]}
        expected = sorted(scores, key=scores.get, reverse=True)
        assert rows_of(np.asarray(found.tokens)[row, : len(expected)]) == expected
        np.testing.assert_allclose(found.scores[row, : len(expected)], [scores[text] for text in expected], atol=1e-4)
