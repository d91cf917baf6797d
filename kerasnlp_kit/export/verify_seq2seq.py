"""The proof of a model that writes: a fresh process must write what the model in memory writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.agreement import MOST_NEAR, SCORE_TOLERANCE, compare_texts, read_texts, require_near
from kerasnlp_kit.export.verify import HARD_TEXTS, Prover, batch_sizes, packed, rows_to_ask
from kerasnlp_kit.text.operations import subword_operations

NEAR = 1e-4  # how much less probable than the best token one may be that rounding puts before it
SOME = 64  # sources that the other signatures are asked about
PREFIX = 3  # characters of what is written greedily that the signature `prefix` is to begin with; as in probe.py

Writing = Callable[[np.ndarray], tuple[list[str], np.ndarray]]
"""Rows of the sources to their texts and log-probabilities, float (rows,), by the model in memory."""


@dataclass(frozen=True)
class Memory:
    """What the model in memory writes.

    Attributes:
        greedy: see `Writing`; asked for the rows of each batch that the process is asked about.
        beam: the same, of several texts a row, float (rows, beams); texts row by row.
        sample: the same, drawn with the seed.
        score: log-probabilities of targets for rows, float (rows,).
        prefix: texts of rows that begin as told, greedily.
        as_probable: whether what the SavedModel writes for a row is within `NEAR` of the best token at each step.
        ids: int32 (some, time), of the first sources.
    """

    greedy: Writing
    beam: Writing
    sample: Writing
    score: Callable[[np.ndarray, Sequence[str]], np.ndarray]
    prefix: Callable[[np.ndarray, Sequence[str]], list[str]]
    as_probable: Callable[[int, str], bool]
    ids: np.ndarray


def prove_seq2seq(
    prover: Prover,
    saved_model: Path,
    sources: Sequence[bytes],
    memory: Memory,
    *,
    beam_size: int,
    length_penalty: float,
    seed: int,
    library: str | None,
) -> tuple[list[str], np.ndarray]:
    """Has a fresh process write for all sources, and compares.

    ``serving_default`` is asked about all, in batches of 0, 1, 257 and 256 and in the order given; each text must be
    the same, or as probable at each step. The other signatures are asked about the first ones.

    Args:
        prover: the process.
        saved_model: path of the version's folder.
        sources: in UTF-8, hard ones first.
        memory: what the model in memory writes.
        beam_size: outputs in sight.
        length_penalty: of the beam search.
        seed: of what is drawn.
        library: what the process needs beside TensorFlow, if anything: tensorflow_text.

    Returns:
        The SavedModel's own texts, and their log-probabilities, float32 (sources,).

    Raises:
        ExportMismatch: with the source's number.
    """
    some = min(SOME, len(sources))
    rows = rows_to_ask(sources)
    asked = [sources[row] for row in rows.tolist()]
    sizes = batch_sizes(len(asked))
    questions = {
        **packed("source", asked),
        "sizes": np.array(sizes, "int64"),
        "some": np.array(some),
        "beam_size": np.array(beam_size),
        "length_penalty": np.array(length_penalty, "float32"),
        "seed": np.array(seed % 2**31),
        "ids": memory.ids,
    }
    if library:
        questions["library"] = np.frombuffer(str(subword_operations()).encode(), "uint8")
    prover.ask(saved_model, questions)
    batches = np.split(rows, np.cumsum(sizes)[:-1])
    greedy = [memory.greedy(batch) if len(batch) else ([], np.zeros(0)) for batch in batches]
    beams, drawn = memory.beam(np.arange(some)), memory.sample(np.arange(some))
    found = prover.answers()
    texts, scores = read_texts("target", found), found["score"]
    start = 0
    for batch, (expected, expected_scores) in zip(batches, greedy, strict=True):
        for place, (row, wanted) in enumerate(zip(batch.tolist(), expected, strict=True)):
            written, total = texts[start + place], scores[start + place]
            if written == wanted:
                require_near(saved_model, "serving_default", row, float(total), float(expected_scores[place]))
            elif not memory.as_probable(row, written):
                raise ExportMismatch(
                    f"{saved_model} writes another text than the model in memory for source {row}. The model was not "
                    "put in place."
                )
        start += len(batch)
    # Not what is written without a prefix: a part of a text has other subwords than it has within the text.
    begun = memory.prefix(np.arange(some), [text[:PREFIX] for text in texts[:some]])
    hard = len(HARD_TEXTS)
    compare_texts(saved_model, "prefix", read_texts("prefix_target", found), None, begun, None, hard)
    compare_texts(saved_model, "sample", read_texts("sample_target", found), found["sample_score"], *drawn, hard)
    _compare_scores(saved_model, found["score_log_probability"], memory.score(np.arange(some), texts[:some]))
    _compare_others(saved_model, found, texts[:some], beams)
    return texts[: len(sources)], scores[: len(sources)]


def _compare_others(
    saved_model: Path, found: dict[str, np.ndarray], wanted: list[str], beams: tuple[list[str], np.ndarray]
) -> None:
    """The signatures that must write what was written greedily, ``wanted``, or by beam search."""
    wanted_scores, hard = found["score"][: len(wanted)], len(HARD_TEXTS)
    hard_beams = hard * (len(beams[0]) // max(1, len(wanted)))
    compare_texts(saved_model, "beam", read_texts("beam_targets", found), found["beam_scores"], *beams, hard_beams)
    compare_texts(saved_model, "attention", read_texts("attention_target", found), None, wanted, None, hard)
    if "greedy_xla_score" in found:
        texts = read_texts("greedy_xla_target", found)
        compare_texts(saved_model, "greedy_xla", texts, found["greedy_xla_score"], wanted, wanted_scores, hard)
        texts = read_texts("beam_xla_targets", found)
        compare_texts(saved_model, "beam_xla", texts, found["beam_xla_scores"], *beams, hard_beams)
    same = np.isclose(found["ids_score"], wanted_scores, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE)
    if same.mean() < 1 - MOST_NEAR:
        raise ExportMismatch(f"{saved_model}: the signature ids does not write what serving_default writes.")


def _compare_scores(saved_model: Path, found: np.ndarray, expected: np.ndarray) -> None:
    """What the signature score says of texts that the model wrote."""
    distance = np.abs(found - expected)
    if not (distance <= SCORE_TOLERANCE * (1 + np.abs(expected))).all():
        worst = np.nanmax(distance, initial=0)
        raise ExportMismatch(f"{saved_model}: the signature score differs from the model in memory by {worst:.2e}.")
