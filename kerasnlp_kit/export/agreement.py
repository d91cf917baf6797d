"""Whether what a SavedModel wrote is what the model in memory writes, as far as rounding allows."""

from pathlib import Path

import numpy as np

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.verify import unpacked

SCORE_TOLERANCE = 1e-3  # of a log-probability, the sum over a whole text
MOST_NEAR = 0.1  # share of the texts that may be others, as probable but for rounding; one may in any case


def compare_texts(
    saved_model: Path,
    signature: str,
    texts: list[str],
    scores: np.ndarray | None,
    expected: list[str],
    expected_scores: np.ndarray | None,
    hard: int = 0,
) -> None:
    """Compares what a signature wrote with what the model in memory writes.

    Args:
        saved_model: path of the version's folder.
        signature: its name.
        texts: what it wrote.
        scores: log-probabilities of these, any shape, or None.
        expected: what the model in memory writes.
        expected_scores: likewise.
        hard: how many of the texts, the first ones, answer `HARD_TEXTS`: of these one may be another.

    Raises:
        ExportMismatch: more texts are others than may be as probable, or a score of an equal one is another.
    """
    if len(texts) != len(expected):
        raise ExportMismatch(f"{saved_model}: {signature} writes {len(texts)} texts; expected {len(expected)}.")
    different = [row for row, (one, other) in enumerate(zip(texts, expected, strict=True)) if one != other]
    if len(different) > max(1, MOST_NEAR * len(texts)) or sum(row < hard for row in different) > 1:
        raise ExportMismatch(
            f"{saved_model}: {signature} writes {len(different)} of {len(texts)} texts otherwise than the model in "
            f"memory, the first at {different[0]}. The model was not put in place."
        )
    if scores is not None and expected_scores is not None:
        for row, (one, other) in enumerate(zip(scores.ravel(), expected_scores.ravel(), strict=True)):
            if row not in different:
                require_near(saved_model, signature, row, float(one), float(other))


def require_near(saved_model: Path, signature: str, row: int, found: float, expected: float) -> None:
    """Raises an `ExportMismatch` if a score is another one than that of the model in memory."""
    if not abs(found - expected) <= SCORE_TOLERANCE * max(1.0, abs(expected)):
        raise ExportMismatch(
            f"{saved_model}: {signature} scores text {row} with {found:.6f}, the model in memory with {expected:.6f}; "
            f"at most {SCORE_TOLERANCE:.0e} is allowed. The model was not put in place."
        )


def read_texts(name: str, found: dict[str, np.ndarray]) -> list[str]:
    """Texts among the answers of the process."""
    return [text.decode("utf-8", "replace") for text in unpacked(name, found)]
