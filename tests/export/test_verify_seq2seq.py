"""The proof of a model that writes: another text, number, weight or tokenizer is noticed, a near one allowed."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kerasnlp_kit.api.memory_writer import MemoryWriter
from kerasnlp_kit.api.tokenization import shortened
from kerasnlp_kit.decoding.protocol import Limits
from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.export.verify import HARD_TEXTS, Prover, packed, unpacked
from kerasnlp_kit.export.verify_seq2seq import Memory, prove_seq2seq
from kerasnlp_kit.text.pieces import PieceTokenizer

TEXTS = [*(text for text in HARD_TEXTS if len(text) < 1_000), b"May 3, 1998", b"6 aug, 2020", "二〇八八年".encode()]


OPTIONS = {"length_penalty": 0.6, "seed": 5}


class Model(NamedTuple):
    """A model in memory and its SavedModel."""

    writer: MemoryWriter
    part: dict
    saved_model: Path
    memory: Memory
    """What it writes with all but greedy writing is asked once: that is traced anew each time."""

    def prove(self, prover, **changed):
        given = {"memory": self.memory, "library": self.part["library"], **changed}
        return prove_seq2seq(prover, self.saved_model, TEXTS, beam_size=2, **given, **OPTIONS)


def once(function):
    kept = []

    def answer(*arguments):
        if not kept:
            kept.append(function(*arguments))
        return kept[0]

    return answer


def memory_of(writer, part, saved_model):
    ids = shortened(writer.source.encode(TEXTS), part["max_source"])
    penalty = part["coverage_penalty"]
    memory = writer.memory(ids, TEXTS, len(TEXTS), saved_model, size=2, coverage_penalty=penalty, **OPTIONS)
    others = {name: once(getattr(memory, name)) for name in ("beam", "sample", "prefix")}
    return dataclasses.replace(memory, **others)


def read(path):
    folder = ModelFolder(path)
    (part,) = folder.run()["parts"]
    tokenizers = folder.pair_tokenizers(part)
    writer = MemoryWriter(folder.build_network(part), tokenizers, Limits(**part["limits"]), part["copy_unknown"])
    saved_model = folder.saved_model()
    return Model(writer, part, saved_model, memory_of(writer, part, saved_model))


@pytest.fixture(scope="module")
def model(trained_writer):
    return read(trained_writer)


class Remembered(Prover):
    """Gives the answers of a SavedModel again, some of them changed."""

    def __init__(self, found, **changed):
        self.found = {**found, **changed}

    def ask(self, saved_model, questions):
        pass

    def answers(self):
        return self.found


@pytest.fixture(scope="module")
def found(model, proven_here):
    """What the SavedModel answers, once for all."""
    from kerasnlp_kit.export import verify

    kept = {}

    class Keeping(verify.Prover):
        def answers(self):
            kept.update(super().answers())
            return kept

    with Keeping() as prover:
        texts, _ = model.prove(prover)
    assert len(set(texts)) >= 3
    return kept


def texts_of(name, found):
    return [text.decode() for text in unpacked(name, found)]


def changed_texts(name, found, rows, text="other"):
    texts = unpacked(name, found)
    for row in rows:
        texts[row] = text.encode()
    return packed(name, texts)


def test_the_answers_of_the_saved_model_are_proven_and_handed_on(model, found):
    texts, scores = model.prove(Remembered(found))
    # Few sources are asked several times, to fill a batch of 257.
    assert len(found["score"]) == 258 and len(texts) == len(scores) == len(TEXTS)
    assert texts == texts_of("target", found)[: len(TEXTS)]
    np.testing.assert_array_equal(scores, found["score"][: len(TEXTS)])


def test_another_text_is_noticed_with_its_number(model, found):
    with pytest.raises(
        ExportMismatch, match=r"writes another text than the model in memory for source 3. The model was"
    ):
        model.prove(Remembered(found, **changed_texts("target", found, [3])))
    # The last one asked: behind the 13 sources come these again in turn.
    assert (257 - len(TEXTS)) % len(TEXTS) == 10
    with pytest.raises(ExportMismatch, match="for source 10"):
        model.prove(Remembered(found, **changed_texts("target", found, [257])))


@pytest.mark.parametrize("wrong", [0.01, np.nan])
def test_another_score_is_noticed(model, found, wrong):
    scores = found["score"].copy()
    scores[4] *= 1 + wrong
    with pytest.raises(ExportMismatch, match=r"serving_default scores text 4 with .*; at most 1e-03 is allowed"):
        model.prove(Remembered(found, score=scores))


def test_a_score_within_the_tolerance_is_allowed(model, found):
    model.prove(Remembered(found, score=found["score"] * 1.0005))


@pytest.mark.parametrize("signature", ["beam", "sample", "prefix", "attention"])
def test_a_signature_that_writes_otherwise_is_noticed(model, found, signature):
    name = f"{signature}_target" + ("s" if signature == "beam" else "")
    rows = range(2, len(unpacked(name, found)), 5)  # a fifth; a tenth may round otherwise
    with pytest.raises(ExportMismatch, match=f"{signature} writes {len(rows)} of .* the first at 2"):
        model.prove(Remembered(found, **changed_texts(name, found, rows)))
    model.prove(Remembered(found, **changed_texts(name, found, [0])))


def test_scores_of_beams_and_of_numbers_that_are_wrong_are_noticed(model, found):
    with pytest.raises(ExportMismatch, match="beam scores text 0"):
        model.prove(Remembered(found, beam_scores=found["beam_scores"] - 0.1))
    with pytest.raises(ExportMismatch, match="signature ids does not write"):
        model.prove(Remembered(found, ids_score=found["ids_score"] * 1.1))
    for wrong in (np.full(len(TEXTS), np.nan, "float32"), found["score_log_probability"] - 0.1):
        with pytest.raises(ExportMismatch, match="signature score differs from the model in memory by"):
            model.prove(Remembered(found, score_log_probability=wrong))


def test_a_text_is_as_probable_if_its_tokens_are_near_the_best_ones(model, monkeypatch):
    """Whatever the model writes for the row alone: of two texts as probable as each other, a batch may have either."""
    (written,), _ = model.memory.greedy(np.array([0]))
    other = written[:-1] + next(piece for piece in "0123456789-" if piece != written[-1:])
    assert model.memory.as_probable(0, written)
    for wrong in (other, written[:-1], ""):
        assert not model.memory.as_probable(0, wrong), wrong
    monkeypatch.setattr("kerasnlp_kit.api.memory_writer.NEAR", 1e9)
    assert model.memory.as_probable(0, other)


def test_compiled_signatures_must_write_what_the_plain_ones_write(model, found):
    compiled = {"greedy_xla_score": found["score"][: len(TEXTS)], "beam_xla_scores": found["beam_scores"]}
    compiled |= packed("greedy_xla_target", unpacked("target", found)[: len(TEXTS)])
    compiled |= packed("beam_xla_targets", unpacked("beam_targets", found))
    model.prove(Remembered(found, **compiled))
    half = range(0, len(TEXTS), 2)
    with pytest.raises(ExportMismatch, match="greedy_xla writes 7 of 13"):
        model.prove(Remembered({**found, **compiled}, **changed_texts("greedy_xla_target", compiled, half)))


def test_other_weights_are_noticed(model, found):
    before = model.writer.network.get_weights()
    # Of one bias, that of the last layer or the like: 1-D, and read for every token.
    model.writer.network.set_weights([weight + 0.05 * (weight.ndim == 1) for weight in before])
    try:
        with pytest.raises(ExportMismatch, match=r"serving_default scores text|another text"):
            model.prove(Remembered(found))
    finally:
        model.writer.network.set_weights(before)
    model.prove(Remembered(found))


def test_another_tokenizer_is_noticed(model, found, monkeypatch):
    pieces = list(model.writer.target.pieces)
    monkeypatch.setattr(model.writer, "target", PieceTokenizer("characters", [*pieces[1:], pieces[0]]))
    with pytest.raises(ExportMismatch, match="another text"):
        model.prove(Remembered(found))
    monkeypatch.undo()
    monkeypatch.setattr(model.writer, "source", PieceTokenizer("characters", list(model.writer.source.pieces)[::-1]))
    memory = memory_of(model.writer, model.part, model.saved_model)
    with pytest.raises(ExportMismatch, match=r"serving_default scores text|another text"):
        model.prove(Remembered(found), memory=memory)


def test_a_fresh_process_proves_a_model_of_subwords_and_needs_the_library_of_their_operations(trained_subword_writer):
    subwords = read(trained_subword_writer)
    with Prover() as prover, Prover() as without:
        texts, scores = subwords.prove(prover)
        assert len(texts) == len(TEXTS) and np.isfinite(scores).all()
        with pytest.raises(ExportMismatch, match=r"cannot be used alone:\n(.|\n)*Sentencepiece"):
            subwords.prove(without, library=None)
