import json
import subprocess
import sys

import numpy as np
import pytest
import sacrebleu

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.bootstrap import accuracy_interval
from kerasnlp_kit.evaluation.generation import score_generation

SOURCES = ["ein Hund", "eine Katze sitzt da", "zwei", "ein Mann geht heute weit fort"]
REFERENCES = [("a dog", "one dog"), ("a cat sits there",), ("two",), ("a man goes far away today",)]
OUTPUTS = ["one dog", "a cat sat there", "two", "a man goes away"]


def scored(outputs=OUTPUTS, **options):
    return score_generation(SOURCES, REFERENCES, outputs, **options)


def test_scores_of_a_small_corpus():
    metrics = scored()
    assert metrics.n == 4
    assert metrics.exact_match == 0.5  # rows 0 (its second reference) and 2
    assert metrics.sequence_error_rate == 0.5
    # Row 1: one substitution in 4 tokens; row 3: two tokens missing of 6; others none in 2 + 1.
    assert metrics.token_error_rate == pytest.approx(3 / 13)
    # Row 1: "i" became "a" and "s" is lost; row 3: "far " and " today" are lost. The closest references have 7, 16, 3
    # and 25 characters.
    assert metrics.character_error_rate == pytest.approx((2 + 10) / (16 + 25 + 7 + 3))
    assert metrics.length_ratio == pytest.approx(11 / 13)
    np.testing.assert_allclose(metrics.row_length_ratio, [1, 1, 1, 4 / 6])
    assert metrics.rouge_l is None
    assert metrics.warnings == ()


def test_bleu_and_chrf_are_those_of_sacrebleu():
    streams = [[row[0] for row in REFERENCES], [row[1] if len(row) > 1 else None for row in REFERENCES]]
    metrics = scored()
    assert metrics.bleu == pytest.approx(sacrebleu.corpus_bleu(OUTPUTS, streams).score)
    assert metrics.chrf == pytest.approx(sacrebleu.corpus_chrf(OUTPUTS, streams).score)
    assert "tok:13a" in metrics.bleu_signature
    assert "nc:6" in metrics.chrf_signature


def test_intervals_hold_the_score_and_repeat_with_the_seed():
    metrics, again = scored(), scored()
    assert metrics.exact_match_interval == accuracy_interval(2, 4)
    for interval, value in (
        (metrics.bleu_interval, metrics.bleu),
        (metrics.chrf_interval, metrics.chrf),
        (metrics.token_error_interval, metrics.token_error_rate),
        (metrics.character_error_interval, metrics.character_error_rate),
    ):
        assert interval[0] < value < interval[1]
    assert again.to_json() == metrics.to_json()


def test_less_confidence_gives_a_narrower_interval():
    assert np.ptp(scored(confidence=0.5).chrf_interval) < np.ptp(scored().chrf_interval)


def test_blanks_at_the_ends_and_in_a_row_do_not_count():
    assert score_generation(["x"], [("K AE1 T ",)], ["K  AE1 T"]).exact_match == 1


def test_rouge_is_the_mean_of_the_rows():
    # Rows share 2 of 2, 3 of 4 and 4, 1 of 1, and 4 of 6 and 4 tokens: 1, 0.75, 1, 0.8.
    assert scored(rouge=True).rouge_l == pytest.approx(3.55 / 4)


def test_errors_are_counted_by_characters_where_a_target_is_one_token():
    metrics = score_generation(["a b", "c d"], [("西安",), ("北京",)], ["西安", "南京"])
    assert (metrics.unit, metrics.error_rate) == ("character", 0.25)
    assert "tok:zh" in metrics.bleu_signature
    assert metrics.error_interval == metrics.character_error_interval
    assert score_generation(["a"], [("alpha",)], ["alpha"]).unit == "character"
    assert scored().unit == "token"


def test_length_bins_hold_every_row_once_and_the_scores_of_their_rows():
    metrics = scored()
    # Sources have 2, 4, 1 and 6 tokens.
    assert [one.name for one in metrics.length_bins] == ["1", "2", "4", "6"]
    assert [one.rows for one in metrics.length_bins] == [1, 1, 1, 1]
    assert [one.exact_match for one in metrics.length_bins] == [1, 1, 0, 0]
    assert [one.error_rate for one in metrics.length_bins] == pytest.approx([0, 0, 1 / 4, 2 / 6])
    assert metrics.length_bins[2].chrf == pytest.approx(sacrebleu.sentence_chrf(OUTPUTS[1], REFERENCES[1]).score)


def test_words_as_sources_are_binned_by_characters():
    words = ["a", "ab", "abc", "abcd", "abcde"] * 20
    metrics = score_generation(words, [(word,) for word in words], words)
    assert metrics.source_unit == "character"
    assert [(one.name, one.rows) for one in metrics.length_bins] == [(str(length), 20) for length in range(1, 6)]


def test_many_lengths_make_five_bins():
    sources = [" ".join(["w"] * length) for length in range(1, 101)]
    metrics = score_generation(sources, [("a b",)] * 100, ["a b"] * 100)
    assert [one.name for one in metrics.length_bins] == ["1–20", "21–40", "41–60", "61–80", "81–100"]


def test_outputs_that_are_copies_are_warned_of_unless_copying_is_right():
    assert "are the source unchanged" in scored(outputs=SOURCES).warnings[0]
    assert score_generation(SOURCES, [(source,) for source in SOURCES], SOURCES).warnings == ()


def test_bleu_of_outputs_too_short_for_it_is_explained():
    metrics = score_generation(["a", "b"], [("x y",), ("z",)], ["x y", "z"])
    assert (metrics.exact_match, metrics.bleu) == (1, 0)
    assert metrics.warnings == (
        "BLEU is 0 because no output has four tokens; go by exact match, chrF and the error rates.",
    )


@pytest.mark.parametrize(
    ("source", "target", "output"),
    [
        ("", "", ""),
        ("a", "", "b c"),
        ("a", "b c", ""),
        ("你好", "世界", "世"),
        ("👍", "👩‍👩‍👧", "👎 👍"),
        ("a", "\ud800", "\x00"),
        (" \n", "\t", " "),
    ],
)
def test_one_odd_row_is_scored_and_printed(source, target, output):
    metrics = score_generation([source], [(target,)], [output], rouge=True)
    json.dumps(metrics.to_json(), allow_nan=False)
    assert metrics.table().startswith(metrics.first_line())
    assert metrics.exact_match == (target.split() == output.split())


def test_first_line_and_table():
    metrics = scored(rouge=True)
    low, high = accuracy_interval(2, 4)
    assert metrics.first_line() == f"exact match 0.5000 [{low:.4f}, {high:.4f}] n=4"
    lines = metrics.table().split("\n")
    assert lines[0] == metrics.first_line()
    assert lines[3].split()[:4] == ["token", "error", "rate", "0.2308"]
    assert lines[6].split() == ["ROUGE-L", "F1", "0.8875"]
    assert lines[-5].split() == ["source", "tokens", "rows", "exact", "match", "chrF", "token", "error", "rate"]
    assert len({len(line) for line in lines[-5:]}) == 1


def test_table_ends_with_the_warnings():
    metrics = scored(outputs=SOURCES)
    assert metrics.table().split("\n")[-1] == metrics.warnings[-1]


def test_json_has_all_but_what_is_of_single_rows():
    plain = json.loads(json.dumps(scored().to_json(), allow_nan=False))
    assert plain["exact_match"] == 0.5
    assert plain["sequence_error_rate"] == 0.5
    assert plain["degenerate"] == {"copied": 0, "empty": 0, "repetitive": 0}
    assert plain["length_bins"][0]["rows"] == 1
    assert not [name for name in plain if name.startswith("row_")]


def test_no_row_is_the_users_error():
    with pytest.raises(UserError, match="at least one row"):
        score_generation([], [], [])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="Received: 1 tuples; 2 and 1 texts"):
        score_generation(["a", "b"], [("a",)], ["a"])


@pytest.mark.parametrize("targets", ["not a tuple", ()])
def test_row_without_a_tuple_of_references_is_refused(targets):
    with pytest.raises(ValueError, match="tuple of one or more references"):
        score_generation(["a"], [targets], ["a"])


def test_sacrebleu_is_imported_only_when_something_is_scored():
    code = (
        "import sys; import kerasnlp_kit.evaluation.generation_report; "
        "print(sorted({'sacrebleu', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
