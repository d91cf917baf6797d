import json

import numpy as np
import pytest
import sacrebleu

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation import generation_baselines
from kerasnlp_kit.evaluation.comparison import compare
from kerasnlp_kit.evaluation.generation_baselines import NearestNeighbour, compare_generation, copy_source

TRAIN = ["good morning", "good night", "thank you very much", "where is the station"]
TARGETS = ["guten Morgen", "gute Nacht", "vielen Dank", "wo ist der Bahnhof"]


def test_copies_are_the_sources():
    assert copy_source(("a", "b")) == ["a", "b"]


def test_training_source_itself_is_the_nearest():
    assert NearestNeighbour(TRAIN, TARGETS).predict(TRAIN) == TARGETS


def test_target_of_the_source_with_the_most_in_common_is_given():
    outputs = NearestNeighbour(TRAIN, TARGETS).predict(["thank you", "where is the bus station", "nights"])
    assert outputs == ["vielen Dank", "wo ist der Bahnhof", "gute Nacht"]


def test_of_many_training_rows_some_are_looked_at_evenly_spread(monkeypatch):
    monkeypatch.setattr(generation_baselines, "_MOST_ROWS", 3)
    sources = [f"{letter * 4} {letter * 3}" for letter in "abcde"]
    assert NearestNeighbour(sources, list("abcde")).predict([sources[0], sources[2], sources[4]]) == ["a", "c", "e"]


def test_texts_without_blanks_have_neighbours_too():
    assert NearestNeighbour(["我爱你", "请问车站在哪里"], ["I love you", "station?"]).predict(["车站在哪"]) == [
        "station?"
    ]


def test_nearest_agrees_with_the_whole_matrix_of_similarities():
    from sklearn.feature_extraction.text import TfidfVectorizer

    generator = np.random.default_rng(0)
    texts = ["".join(generator.choice(list("abcd "), size=11)) + "e" for _ in range(200)]
    train, test = texts[:150], texts[150:]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    similarity = vectorizer.fit_transform(train).toarray() @ vectorizer.transform(test).toarray().T  # (150, 50)
    outputs = NearestNeighbour(train, list(map(str, range(150)))).predict(test)
    # N-grams that no training source has count for the one and not for the other, which scales a column only.
    assert outputs == list(map(str, similarity.argmax(axis=0)))


def test_of_equally_near_sources_the_first_counts():
    assert NearestNeighbour(["same", "same", "other"], ["1", "2", "3"]).predict(["same", "zzz", ""]) == ["1", "1", "1"]


def test_chunks_do_not_change_the_outputs(monkeypatch):
    monkeypatch.setattr(generation_baselines, "_CHUNK_CELLS", 5)  # one source at a time
    assert NearestNeighbour(TRAIN, TARGETS).predict([*TRAIN, ""]) == [*TARGETS, TARGETS[0]]


def test_blank_training_sources_and_no_sources_are_no_error():
    assert NearestNeighbour(["", " "], ["x", "y"]).predict(["a"]) == ["x"]
    assert NearestNeighbour(TRAIN, TARGETS).predict([]) == []


@pytest.mark.parametrize(("sources", "targets"), [([], []), (["a"], ["b", "c"])])
def test_training_rows_without_pairs_are_refused(sources, targets):
    with pytest.raises(ValueError, match="one target a training source"):
        NearestNeighbour(sources, targets)


def rows(n=60):
    """References, outputs of which every third lacks its last word, and outputs that all lack it."""
    generator = np.random.default_rng(1)
    full = [" ".join(generator.choice(["one", "two", "three", "four"], size=6)) for _ in range(n)]
    short = [text.rsplit(" ", 1)[0] for text in full]
    ours = [short[row] if row % 3 == 0 else full[row] for row in range(n)]
    return [(text,) for text in full], ours, short


def test_exact_match_is_compared_as_the_answers_of_classifiers():
    references, ours, theirs = rows()
    expected = compare([row[0] for row in references], ours, theirs)
    assert compare_generation(references, ours, theirs).exact_match == expected
    assert (expected.only_ours_right, expected.both_wrong) == (40, 20)


def test_chrf_difference_is_that_of_sacrebleu():
    references, ours, theirs = rows()
    stream = [[row[0] for row in references]]
    comparison = compare_generation(references, ours, theirs)
    expected = sacrebleu.corpus_chrf(ours, stream).score - sacrebleu.corpus_chrf(theirs, stream).score
    assert comparison.chrf_difference == pytest.approx(expected)
    assert comparison.chrf_interval[0] < expected < comparison.chrf_interval[1]


def test_paired_interval_agrees_with_scoring_drawn_rows_anew():
    references, ours, theirs = rows(n=30)
    generator = np.random.default_rng(2)
    differences = []
    for _ in range(300):
        drawn = generator.integers(0, 30, 30)
        stream = [[references[row][0] for row in drawn]]
        ours_score, their_score = (
            sacrebleu.corpus_chrf([outputs[row] for row in drawn], stream).score for outputs in (ours, theirs)
        )
        differences.append(ours_score - their_score)
    bounds = np.quantile(differences, [0.025, 0.975])
    np.testing.assert_allclose(
        compare_generation(references, ours, theirs).chrf_interval, bounds, atol=0.15 * np.ptp(bounds)
    )


def test_lines_say_by_how_much_it_is_better():
    references, ours, theirs = rows()
    comparison = compare_generation(references, ours, theirs)
    # 40 of 60 rows only ours has right: 66.7 points.
    exact, chrf = comparison.lines("copying the source")
    assert exact == "better than copying the source by 66.7 points exact match, p < 0.001"
    low, high = comparison.chrf_interval
    points = comparison.chrf_difference
    assert chrf == f"better than copying the source by {points:.1f} points chrF, 95%: {low:+.1f} to {high:+.1f}"


def test_lines_say_so_when_it_is_worse_or_not_better():
    references, ours, theirs = rows()
    assert compare_generation(references, theirs, ours).lines("copies")[1].startswith("worse than copies by ")
    exact, chrf = compare_generation(references, ours, ours).lines("itself")
    assert exact == "not better than itself (+0.0 points exact match, p = 1.00)"
    assert chrf == "not better than itself (+0.0 points chrF)"


def test_difference_that_is_the_same_in_every_draw_goes_by_exact_match():
    comparison = compare_generation([("abc",)] * 10, ["abc"] * 10, ["xyz"] * 10)
    assert comparison.chrf_interval is None
    assert comparison.lines("xyz") == (
        "better than xyz by 100.0 points exact match, p = 0.002",  # 2 * 0.5 ** 10 = 0.00195
        "better than xyz by 100.0 points chrF",
    )


def test_json_is_plain():
    plain = json.loads(json.dumps(compare_generation(*rows()).to_json(), allow_nan=False))
    assert plain["chrf_verdict"] == plain["exact_match"]["verdict"] == "better"


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="at least one row"):
        compare_generation([], [], [])
    with pytest.raises(ValueError, match="Received: 1 tuples; 1 and 2 texts"):
        compare_generation([("a",)], ["a"], ["a", "b"])
