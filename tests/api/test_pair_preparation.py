"""What tokens are found to be, how sources are cut, and how several targets of a source are put together."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnlp_kit.api.pair_preparation import (
    choose_tokenizers,
    drawn_anew,
    read_pair_data,
    share_characters,
    shortened,
    tokenize_pairs,
)
from kerasnlp_kit.api.pair_scoring import COPY, NEAREST, GroupedPairs, grouped, score_outputs
from kerasnlp_kit.api.tokenization import kind_of, some_rows, subword_vocabulary
from kerasnlp_kit.config import PairConfig, PairTextOptions
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.generation_baselines import NearestNeighbour
from kerasnlp_kit.text.token_ids import TokenIds

SENTENCES = [f"the number of the house is {number} and nothing else" for number in range(300)]
SHORT = [f"May {number}, 1998" for number in range(300)]
PHONEMES = ["K AE T", "D AO G", "AE K T", "G AO D"] * 5


@pytest.mark.parametrize(
    ("texts", "kind", "reason"),
    [
        # 44 characters and a number, 10 characters and a number, most of which have three digits.
        pytest.param(SENTENCES, "subwords", "sentences, median 47 characters", id="sentences"),
        pytest.param(["a" * 10**6, *SHORT], "characters", "short texts, median 13 characters", id="one megabyte"),
        pytest.param(SHORT, "characters", "short texts, median 13 characters", id="dates"),
        pytest.param(PHONEMES, "words", "6 different symbols", id="phonemes"),
        # One symbol a row says nothing of order: a name, rather than a row of tags.
        pytest.param(["K", "AE", "T"] * 9, "characters", "short texts, median 1 characters", id="one symbol a row"),
        # Each of 8 Chinese characters counts for 3 of Latin script, 24 in all; of 9 for 27.
        pytest.param(["这家酒店很好服务"], "characters", "short texts, median 24 characters", id="8 of Chinese"),
        pytest.param(["这家酒店很好服务热"], "subwords", "sentences, median 27 characters", id="9 of Chinese"),
        pytest.param([], "characters", "short texts, median 0 characters", id="nothing"),
    ],
)
def test_the_kind_of_tokens_goes_by_the_texts(texts, kind, reason):
    assert kind_of(texts) == (kind, reason)


def test_symbols_that_are_rare_or_long_are_no_closed_set():
    # 7 different symbols, one of which (a seventh, above a tenth) occurs less than 5 times.
    assert kind_of([*PHONEMES, "K ZH T"])[0] == "characters"
    # One of 20 characters, three of 1, ...: 26 / 6 are more than 4 on the mean.
    assert kind_of([text.replace("AE", "AE" * 10) for text in PHONEMES])[0] == "characters"
    # 201 different words are too many, however frequent.
    many = [" ".join(f"{number:x}" for number in range(201))] * 5
    assert kind_of(many)[0] == "subwords"
    assert kind_of([row.rpartition(" ")[0] for row in many])[0] == "words"


def config(**text):
    return PairConfig("pairs.csv", "transformer_seq2seq", None, text=PairTextOptions(**text))


def test_drawn_subwords_are_others_in_each_epoch_on_the_sides_that_have_subwords_and_no_longer_than_is_read(sentences):
    options = config(target_tokenizer="characters", subword_sampling=0.2, max_length=6, vocabulary=60)
    options = dataclasses.replace(options, train=str(sentences))
    data = read_pair_data(options, lambda _: None)
    tokens = tokenize_pairs(options, data, None)
    draw = drawn_anew(options, data, tokens)
    seen = [draw(epoch) for epoch in (0, 1, 0)]
    assert all(target is tokens.train[1] for _, target in seen)
    first, second, again = (source.values.tolist() for source, _ in seen)
    assert first == again != second
    for source, _ in seen:
        assert source.lengths.max() == 6 and len(source) == len(data.train)
        texts = tokens.source.decode([source.row(row) for row in range(len(source))])
        assert all(whole.startswith(text) for whole, text in zip(data.train.sources, texts, strict=True))
    assert drawn_anew(dataclasses.replace(options, text=PairTextOptions()), data, tokens) is None


def test_subwords_cannot_be_drawn_where_there_are_none():
    with pytest.raises(UserError, match=r"--subword-sampling draws subwords, and neither side has them; .*short texts"):
        choose_tokenizers(config(subword_sampling=0.2), SHORT, SHORT)


def test_what_is_asked_for_wins_and_is_told():
    kinds, joint, reasons = choose_tokenizers(config(source_tokenizer="words"), SHORT, SHORT)
    assert (kinds, joint) == (("words", "characters"), False)
    assert reasons == "source words (as asked), target characters (short texts, median 13 characters)"


def test_the_vocabulary_is_joint_where_both_sides_share_their_characters_unless_asked_otherwise():
    assert choose_tokenizers(config(), SHORT, SHORT)[1] is True
    assert choose_tokenizers(config(joint="no"), SHORT, SHORT)[1] is False
    assert choose_tokenizers(config(), SHORT, ["五月"] * 9)[1] is False
    assert choose_tokenizers(config(joint="yes"), SHORT, ["五月"] * 9)[1] is True
    assert choose_tokenizers(config(), SHORT, SENTENCES)[1] is False, "of two kinds"


def test_a_joint_vocabulary_of_two_kinds_of_tokens_is_the_users_error():
    with pytest.raises(UserError, match=r"--joint yes needs the same tokens .* Received: characters and subwords"):
        choose_tokenizers(config(joint="yes"), SHORT, SENTENCES)


def test_characters_are_shared_if_four_fifths_of_each_side_are_in_the_other():
    assert share_characters(["abcde"], ["abcdx"])  # 4 of 5 on either side
    assert not share_characters(["abcd"], ["abcx"])  # 3 of 4
    assert not share_characters(["aaaa"], ["aaaabbbb"])  # all of the one, half of the other
    assert not share_characters(["abc"], [""])


def test_the_vocabulary_of_subwords_grows_with_the_root_of_the_words():
    # 300 rows of 10 words: 5 * sqrt(3000) = 274 -> 300, to the nearest hundred.
    assert subword_vocabulary(SENTENCES) == 300 == round(5 * math.sqrt(3000), -2)
    assert subword_vocabulary(SENTENCES * 100) == round(5 * math.sqrt(300_000), -2)
    assert subword_vocabulary(["a"]) == subword_vocabulary([]) == 200
    # 1,000 different Chinese characters need an id each, and half as many pieces of several.
    assert subword_vocabulary(["".join(map(chr, range(0x4E00, 0x4E00 + 1000)))]) == 1500

    class Long(str):
        def split(self):
            return range(41_000_000)  # 5 * sqrt(41e6) = 32,016

    assert subword_vocabulary([Long()]) == 32_000


def test_shortened_rows_are_the_beginnings_of_the_rows():
    rows = [[5, 6, 7, 8], [], [9], [4, 4, 4]]
    ids = TokenIds(np.concatenate([np.array(row, "int32") for row in rows]), np.cumsum([0, *map(len, rows)]))
    for limit in (1, 2, 3, 4, 99):
        found = shortened(ids, limit)
        assert [found.row(row).tolist() for row in range(4)] == [row[:limit] for row in rows]
        assert found.values.dtype == "int32"


def pairs(*rows):
    return [source for source, _ in rows], [target for _, target in rows]


def group(*rows):
    sources, targets = pairs(*rows)

    class Read(SimpleNamespace):
        def __len__(self):
            return len(self.sources)

    return grouped(Read(sources=sources, targets=targets))


def test_rows_of_one_source_are_one_with_all_its_targets_each_once():
    rows = group(("a", "x"), ("b", "y"), ("a", "z"), ("a", "x"))
    assert (rows.sources, rows.references, rows.rows) == (["a", "b"], [("x", "z"), ("y",)], 4)
    assert rows.note() == "4 rows with 2 different sources: any target of a source is right"
    assert group(("a", "x"), ("b", "x")).note() is None


def test_any_target_of_a_source_is_right_and_baselines_stand_beside():
    rows = GroupedPairs(["a", "b", "c"], [("x", "z"), ("y",), ("c",)], 4)
    scores = score_outputs(rows, ["z", "y", "x"], nearest=NearestNeighbour(["a", "b"], ["x", "q"]), rouge=True)
    assert scores.metrics.exact_match == pytest.approx(2 / 3)
    # The source of c is its target; the nearest row of a is a, whose target is one of those of a.
    right = {name: one.exact_match.baseline_accuracy for name, one in scores.comparisons.items()}
    assert right[COPY] == pytest.approx(1 / 3) and right[NEAREST] == pytest.approx(1 / 3)
    # A token each: F1 of 1 where it is right, else 0.
    assert scores.metrics.rouge_l == pytest.approx(2 / 3)
    assert list(score_outputs(rows, ["z", "y", "x"]).comparisons) == [COPY]
    assert score_outputs(rows, ["z", "y", "x"]).metrics.rouge_l is None
    assert set(scores.to_json()["comparisons"]) == {COPY, NEAREST}
    assert len(scores.lines()) == 4


def test_of_many_dev_tokens_some_measure_an_epoch(monkeypatch):
    ids = TokenIds(np.arange(60, dtype="int32"), np.arange(0, 61, 3))
    assert some_rows(ids, 0) is ids
    monkeypatch.setattr("kerasnlp_kit.api.tokenization.MOST_MEASURED", 40)
    some = some_rows(ids, 0)
    assert len(some) == 10 and (some.lengths == 3).all(), "with the end of each, ten rows have 40 tokens"
    first = some.values[::3]
    assert (np.diff(first) > 0).all() and not np.array_equal(first, some_rows(ids, 1).values[::3])
    monkeypatch.setattr("kerasnlp_kit.api.tokenization.MOST_MEASURED", 1)
    assert len(some_rows(ids, 0)) == 1
