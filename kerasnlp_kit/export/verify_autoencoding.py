"""The proof of an autoencoder: a fresh process must encode, decode and draw texts as the model in memory does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.agreement import SCORE_TOLERANCE, compare_texts, read_texts
from kerasnlp_kit.export.verify import HARD_TEXTS, Prover, batch_sizes, packed, rows_to_ask
from kerasnlp_kit.tasks.latent_scores import LatentScores
from kerasnlp_kit.text.operations import subword_operations

VECTOR_TOLERANCE = 1e-3
SOME = 64  # texts that are reconstructed
DRAWN = 32  # new texts
STEPS = 4  # of the line between the first two of these


@dataclass(frozen=True)
class LatentMemory:
    """What the model in memory says.

    Attributes:
        score: texts to what it says of them; the vector of text n is drawn with the seed plus n.
        reconstruct: texts to texts.
        sample: so many new texts.
        interpolate: two texts to those between.
        tokens: texts to how many tokens they have, int (texts,).
    """

    score: Callable[[Sequence[bytes]], LatentScores]
    reconstruct: Callable[[Sequence[bytes]], list[str]]
    sample: Callable[[int], list[str]]
    interpolate: Callable[[bytes, bytes, int], list[str]]
    tokens: Callable[[Sequence[bytes]], np.ndarray]


def prove_autoencoding(
    prover: Prover, saved_model: Path, texts: Sequence[bytes], memory: LatentMemory, *, seed: int, library: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Has a fresh process score and encode all texts and write some, and compares.

    Args:
        prover: the process.
        saved_model: path of the version's folder.
        texts: in UTF-8, hard ones first; asked in batches of 0, 1, 257 and 256.
        memory: what the model in memory says.
        seed: of what is drawn.
        library: what the process needs beside TensorFlow, if anything: tensorflow_text.

    Returns:
        The SavedModel's own bounds and divergences, float32 (texts,), and means, float32 (texts, latent).

    Raises:
        ExportMismatch: with the text's number.
    """
    rows = rows_to_ask(texts)
    asked = [texts[row] for row in rows.tolist()]
    some = list(texts[: min(SOME, len(texts))])
    questions = {
        **packed("encoded", asked),
        "sizes": np.array(batch_sizes(len(asked)), "int64"),
        **packed("some", some),
        "drawn": np.array(DRAWN),
        "steps": np.array(STEPS),
        "seed": np.array(seed % 2**31),
    }
    if library:
        questions["library"] = np.frombuffer(str(subword_operations()).encode(), "uint8")
    prover.ask(saved_model, questions)
    expected, tokens = memory.score(asked), memory.tokens(asked)
    written, drawn = memory.reconstruct(some), memory.sample(DRAWN)
    between = memory.interpolate(some[0], some[-1], STEPS)
    found = prover.answers()
    assert expected.log_weight is not None
    _near(saved_model, "score", found["log_probability"], expected.bound, SCORE_TOLERANCE)
    _near(saved_model, "score", found["divergence"], expected.divergence, SCORE_TOLERANCE)
    _near(saved_model, "score", found["log_weight"], expected.log_weight, SCORE_TOLERANCE)
    _near(saved_model, "encode", found["mean"], expected.mean, VECTOR_TOLERANCE)
    if not np.array_equal(found["tokens"], tokens):
        raise ExportMismatch(f"{saved_model} counts other tokens than the model in memory.")
    hard = len(HARD_TEXTS)
    compare_texts(saved_model, "serving_default", read_texts("reconstruct_text", found), None, written, None, hard)
    compare_texts(saved_model, "decode", read_texts("decode_text", found), None, written, None, hard)
    compare_texts(saved_model, "sample", read_texts("sample_text", found), None, drawn, None)
    compare_texts(saved_model, "interpolate", read_texts("interpolate_text", found), None, between, None)
    count = len(texts)
    return found["log_probability"][:count], found["divergence"][:count], found["mean"][:count]


def _near(saved_model: Path, signature: str, found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    off = ~(np.abs(found - expected) <= tolerance * np.maximum(1, np.abs(expected)))
    if off.any():
        row = int(np.argwhere(off)[0][0])
        raise ExportMismatch(
            f"{saved_model}: {signature} gives other numbers than the model in memory for text {row}; at most "
            f"{tolerance:.0e} is allowed. The model was not put in place."
        )
