import csv
import io
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
import tensorflow as tf

from kerasnlp_kit.constants import BOS, EOS, PAD, UNK
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.text.pieces import UNKNOWN
from kerasnlp_kit.text.subwords import SubwordTokenizer

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "dates.csv"
EXTRA = ["今天天气很好 今天很好 天气", "naïve café 😀"]


@pytest.fixture(scope="module")
def texts():
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = itertools.islice(csv.DictReader(file), 400)
        return [" ".join(row["source"].split()) for row in rows] + EXTRA * 5


@pytest.fixture(scope="module")
def tokenizer(texts):
    return SubwordTokenizer.fit(texts, 150)


def rows_of(tokenizer, texts):
    ids = tokenizer.encode(texts)
    return [ids.row(number).tolist() for number in range(len(texts))]


def test_known_texts_come_back_as_they_were_but_for_blanks(tokenizer, texts):
    rows = rows_of(tokenizer, texts)
    assert all(min(row) > EOS for row in rows)
    assert tokenizer.decode(rows) == texts
    assert tokenizer.decode([[BOS, *row, EOS, PAD] for row in rows]) == texts
    assert tokenizer.decode(rows_of(tokenizer, ["  3\t May \n1932 ", ""])) == ["3 May 1932", ""]


def test_ids_are_those_of_the_sentencepiece_library(tokenizer, texts):
    theirs = sentencepiece.SentencePieceProcessor()
    theirs.LoadFromSerializedProto(tokenizer.model)
    asked = [*texts, "never seen: ☃ and ж", "", "a"]
    assert rows_of(tokenizer, asked) == theirs.encode(asked)
    assert tokenizer.vocabulary_size == theirs.vocab_size() <= 150
    assert tokenizer.decode(rows_of(tokenizer, asked[:50])) == theirs.decode(theirs.encode(asked[:50]))


def test_a_character_that_is_not_known_is_the_unknown_token_and_shown_as_such(tokenizer):
    (row,) = rows_of(tokenizer, ["3 ☃ May"])
    assert row.count(UNK) == 1
    assert UNKNOWN in tokenizer.decode([row])[0]
    assert UNK in rows_of(tokenizer, [b"\xff"])[0]


def test_pieces_and_the_names_in_the_graph_are_the_same(tokenizer):
    names = tokenizer.graph().name(tf.range(tokenizer.vocabulary_size)).numpy()
    assert tuple(name.decode() for name in names) == tokenizer.pieces
    assert len(set(tokenizer.pieces)) == tokenizer.vocabulary_size


def test_a_saved_tokenizer_is_loaded_as_it_was(tokenizer, texts):
    again = SubwordTokenizer.load(tokenizer.save())
    assert again.pieces == tokenizer.pieces
    assert rows_of(again, texts[:20]) == rows_of(tokenizer, texts[:20])


def test_the_same_texts_give_the_same_model(tokenizer, texts):
    assert SubwordTokenizer.fit(iter(texts), 150).model == tokenizer.model


@pytest.mark.parametrize(("given", "size"), [(["abcdefghij klmnopq"] * 9, 8), ([], 50), ([""], 50)])
def test_a_vocabulary_without_room_for_the_characters_and_no_text_at_all_are_the_users_error(given, size):
    with pytest.raises(UserError, match=f"No subwords can be found with a vocabulary of {size}: .*--vocabulary"):
        SubwordTokenizer.fit(given, size)


@pytest.mark.parametrize("saved", [b"", b"not a model"])
def test_what_is_no_model_is_refused(saved):
    with pytest.raises(UserError, match="SentencePiece model"):
        SubwordTokenizer.load(saved)


def test_a_model_with_other_ids_is_refused(texts):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=150, hard_vocab_limit=False, minloglevel=2
    )
    with pytest.raises(UserError, match=r"pad, unk, bos, eos as 0, 1, 2, 3"):
        SubwordTokenizer.load(written.getvalue())


def test_it_is_fitted_to_what_it_encodes():
    plain = ["foo bar baz oui !"] * 20
    odd = ["foo\u00a0bar\nbaz\t\toui\u3000! "] * 20
    assert SubwordTokenizer.fit(odd, 40).model == SubwordTokenizer.fit(plain, 40).model


def test_keras_is_not_needed_to_ask_a_model_of_subwords(tokenizer, texts, tmp_path):
    (tmp_path / "subwords.model").write_bytes(tokenizer.save())
    code = """
import sys
sys.modules["keras"] = None  # an import of it raises ImportError
from kerasnlp_kit.text.subwords import SubwordTokenizer
tokenizer = SubwordTokenizer.load(open(sys.argv[1], "rb").read())
row = tokenizer.encode([sys.argv[2]]).row(0).tolist()
print(row, tokenizer.decode([row])[0], sep="\\n")
"""
    command = [sys.executable, "-c", code, tmp_path / "subwords.model", texts[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == [str(rows_of(tokenizer, texts[:1])[0]), texts[0]]
