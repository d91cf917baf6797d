import collections
import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from kerasnlp_kit.constants import UNK
from kerasnlp_kit.text.segmentations import MOST, SegmentationSampler
from kerasnlp_kit.text.subwords import LONGEST_DRAWN, SubwordTokenizer

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "dates.csv"
TEXTS = [
    "singing birds sing",
    "the singer is singing",
    "a bird rings",
    "  rings \t and   wings ",
    "",
    "今天天气很好",
    "bring it",
]


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.fit(TEXTS * 20, 60)


def rows_of(ids):
    return [ids.row(number).tolist() for number in range(len(ids))]


def ways_of(tokenizer, word):
    """All ways to put a word together from the pieces, and their log-probabilities: by trying all cuts."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    marked = "▁" + word
    for cuts in itertools.product([False, True], repeat=len(marked) - 1):
        ends = [place for place, cut in enumerate(cuts, 1) if cut] + [len(marked)]
        pieces = [marked[begin:end] for begin, end in itertools.pairwise([0, *ends])]
        ids = [processor.piece_to_id(piece) for piece in pieces]
        if UNK not in ids:
            yield tuple(ids), sum(map(processor.get_score, ids))


@pytest.mark.parametrize("power", [0.05, 0.2])
def test_segmentations_are_drawn_by_their_probability_to_a_power(power):
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        tokenizer = SubwordTokenizer.fit([row["source"] for row in itertools.islice(csv.DictReader(file), 400)], 150)
    ways = sorted(ways_of(tokenizer, "2012/11/12"), key=lambda way: -way[1])
    assert len(ways) > MOST
    best = dict(ways[:MOST])
    weights = {way: np.exp(power * score) for way, score in best.items()}
    count = 20_000
    drawn = SegmentationSampler(tokenizer, ["2012/11/12"] * count, power).draw(np.random.default_rng(0))
    found = collections.Counter(map(tuple, rows_of(drawn)))
    assert set(found) <= set(best)
    for way, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(found[way] / count - share) < 4 * np.sqrt(share / count) + 1 / count, way


def test_what_is_drawn_is_the_same_text(tokenizer):
    plain = rows_of(tokenizer.encode(TEXTS))
    sampler = SegmentationSampler(tokenizer, TEXTS, 0.2)
    seen = [rows_of(sampler.draw(np.random.default_rng(seed))) for seed in range(5)]
    for rows in seen:
        assert tokenizer.decode(rows) == tokenizer.decode(plain)
    assert all(rows != plain for rows in seen)
    assert rows_of(sampler.draw(np.random.default_rng(3))) == seen[3]


def test_with_a_high_power_the_most_probable_ones_are_drawn(tokenizer):
    texts = [*TEXTS, "ж singing", b"\xff", "x" * (LONGEST_DRAWN + 1), "birds"]
    drawn = SegmentationSampler(tokenizer, texts, 1e4).draw(np.random.default_rng(0))
    assert rows_of(drawn) == rows_of(tokenizer.encode(texts))
    assert UNK in drawn.values


def test_no_text_and_texts_without_words_have_no_tokens(tokenizer):
    for texts in ([], [""], ["  ", ""]):
        assert SegmentationSampler(tokenizer, texts, 0.2).draw(np.random.default_rng(0)).lengths.tolist() == [0] * len(
            texts
        )
