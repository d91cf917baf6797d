"""The proof of a language model: a fresh process must score and continue texts as the model in memory does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.agreement import SCORE_TOLERANCE, compare_texts, read_texts
from kerasnlp_kit.export.verify import HARD_TEXTS, Prover, batch_sizes, packed, rows_to_ask
from kerasnlp_kit.text.operations import subword_operations

LOGIT_TOLERANCE = 1e-3
MAX_TOKENS = 20  # that are added to each prompt


@dataclass(frozen=True)
class LanguageMemory:
    """What the model in memory says.

    Attributes:
        score: texts to log-probabilities, float (texts,), and numbers of tokens, int (texts,).
        greedy: prompts to texts and log-probabilities, with `MAX_TOKENS`.
        sample: likewise, drawn with the seed.
        ids: int32 (some, time), begun with BOS and padded.
        logits: float (some, time, vocabulary), of these.
    """

    score: Callable[[Sequence[bytes]], tuple[np.ndarray, np.ndarray]]
    greedy: Callable[[Sequence[bytes]], tuple[list[str], np.ndarray]]
    sample: Callable[[Sequence[bytes]], tuple[list[str], np.ndarray]]
    ids: np.ndarray
    logits: np.ndarray


def prove_language(
    prover: Prover,
    saved_model: Path,
    texts: Sequence[bytes],
    prompts: Sequence[bytes],
    memory: LanguageMemory,
    *,
    seed: int,
    library: str | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Has a fresh process score all texts and continue all prompts, and compares.

    Args:
        prover: the process.
        saved_model: path of the version's folder.
        texts: to score, in UTF-8, hard ones first; asked in batches of 0, 1, 257 and 256.
        prompts: to continue, hard ones first.
        memory: what the model in memory says.
        seed: of what is drawn.
        library: what the process needs beside TensorFlow, if anything: tensorflow_text.

    Returns:
        The SavedModel's own log-probabilities, float32 (texts,), and numbers of tokens, int32 (texts,).

    Raises:
        ExportMismatch: with the text's number.
    """
    rows = rows_to_ask(texts)
    asked = [texts[row] for row in rows.tolist()]
    questions = {
        **packed("scored", asked),
        "sizes": np.array(batch_sizes(len(asked)), "int64"),
        **packed("prompt", prompts),
        "max_tokens": np.array(MAX_TOKENS),
        "seed": np.array(seed % 2**31),
        "ids": memory.ids,
    }
    if library:
        questions["library"] = np.frombuffer(str(subword_operations()).encode(), "uint8")
    prover.ask(saved_model, questions)
    scores, tokens = memory.score(texts)
    said = {"greedy": memory.greedy(prompts), "sample": memory.sample(prompts)}
    found = prover.answers()
    # What is no number on either side is off, too.
    off = ~(np.abs(found["log_probability"] - scores[rows]) <= SCORE_TOLERANCE * np.maximum(1, np.abs(scores[rows])))
    off |= found["tokens"] != tokens[rows]
    if off.any():
        place = int(off.argmax())
        raise ExportMismatch(
            f"{saved_model} scores text {rows[place]} with {found['log_probability'][place]:.6f} "
            f"({found['tokens'][place]} tokens), the model in memory with {scores[rows[place]]:.6f} "
            f"({tokens[rows[place]]}). The model was not put in place."
        )
    for name, (expected, expected_scores) in said.items():
        written = read_texts(f"{name}_text", found)
        compare_texts(saved_model, name, written, found[f"{name}_score"], expected, expected_scores, len(HARD_TEXTS))
    if not np.allclose(found["ids_logits"], memory.logits, rtol=LOGIT_TOLERANCE, atol=LOGIT_TOLERANCE):
        raise ExportMismatch(f"{saved_model}: the signature ids does not give the logits of the model in memory.")
    return found["log_probability"][: len(texts)], found["tokens"][: len(texts)]
