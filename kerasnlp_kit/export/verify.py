"""The proof: a fresh process that knows only TensorFlow must give the answers of the model in memory."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasnlp_kit.errors import ExportMismatch
from kerasnlp_kit.export.folder import CPU_ONLY
from kerasnlp_kit.text.token_ids import FULL_WIDTH, rows_at

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.classification import Decision

TOLERANCE = 1e-5
# Enough for the signature `ids`, whose weights are those that all texts go through.
IDS_ROWS = 64
SHORT = 300  # bytes of a text that costs little
IDS_BYTES = 300  # the square of a text's n-grams is computed: 64 such texts take half a gigabyte
HARD_TEXTS: tuple[bytes, ...] = (
    b"",
    b"a",
    b"zzxqj qqvvk jjxxz",
    b" \t\r\n ",
    b"many words " * 9_091,  # 100,000 characters
    b"x" * 100_000,
    "这家酒店很好，服务热情，下次还会来。".encode(),
    "東京タワーは高い。サンキュー ภาษาไทย 한국어".encode(),
    "great 😀👍🏽 👨‍👩‍👧 e\u0301 \u202eabc".encode(),
    b"broken \xff\xfe utf-8 \xc3\x28 \xe4\xbd",
    b"nul \x00 inside",
    b"!?.,;:()[]{}<>\"'`~@#$%^&*-_=+|\\/",
)


class Prover:
    """The fresh process. It is started early, to import TensorFlow while the SavedModel is still being written.

    Use it as a context: the process ends with it. It is asked once, and works while the model in memory is asked the
    same.
    """

    def __init__(self) -> None:
        self._closing = contextlib.ExitStack()
        # Before the process, so that it is removed after that has ended: it may be writing there.
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        self._asked, self._answered = folder / "questions.npz", folder / "answers.npz"
        self._start()

    def __enter__(self) -> "Prover":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def ask(self, saved_model: Path, questions: Mapping[str, np.ndarray]) -> None:
        """Has the process load the SavedModel and answer, without waiting; probe.py says what questions are."""
        np.savez(self._asked, **questions)  # type: ignore[arg-type]
        self._saved_model = saved_model
        self._send(saved_model, self._asked, self._answered)

    def answers(self) -> dict[str, np.ndarray]:
        """Waits for the answers to what was asked; probe.py says what they are.

        Raises:
            ExportMismatch: the SavedModel cannot be used alone.
        """
        self._wait()
        with np.load(self._answered, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _start(self) -> None:
        probe = Path(__file__).with_name("probe.py")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(probe)],  # not -I: TensorFlow may be where PYTHONPATH or the user says
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **CPU_ONLY},
        )
        self._closing.callback(self._end)

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _send(self, *paths: Path) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it ended is told where its answers are waited for
            self._process.stdin.write(json.dumps([str(path) for path in paths]) + "\n")
            self._process.stdin.flush()

    def _wait(self) -> None:
        _, errors = self._process.communicate()
        if self._process.returncode < 0:
            raise ExportMismatch(
                f"The process that asked the SavedModel {self._saved_model} was ended by signal "
                f"{-self._process.returncode}, as the system does where memory is short: lower --max-length."
            )
        if self._process.returncode:
            raise ExportMismatch(f"The SavedModel {self._saved_model} cannot be used alone:\n{errors[-4000:]}")

    def prove(
        self,
        saved_model: Path,
        texts: Sequence[bytes],
        rows: np.ndarray,
        numbers: Mapping[str, np.ndarray],
        expected: np.ndarray,
        labels: Sequence[str],
        decision: "Decision",
        longest: int = 0,
    ) -> np.ndarray:
        """Has the process load the SavedModel, and compares label and probabilities of every text.

        Asked in batches of 0, 1 and 257 and of 256 for the rest; the signature ``ids`` is asked once. Where two classes
        are as probable as each other within the tolerance, either is a right label. The process computes on the CPU: a
        GPU's memory is taken by the training, and its kernels round in another way.

        Args:
            saved_model: path of the version's folder.
            texts: what to ask, in UTF-8; the hard ones among them.
            rows: int (some,), which of the texts the signature ``ids`` is asked about.
            numbers: its inputs for these, each int32 (some, time), padded.
            expected: float (texts, K), probabilities by the model in memory.
            labels: names of the classes.
            decision: how scores become answers.
            longest: tokens of a text that are read; where these are many, fewer texts are asked at once.

        Returns:
            float32 (texts, K), the SavedModel's own probabilities.

        Raises:
            ExportMismatch: with the text's number and how far apart the two are.
        """
        order = rows_to_ask(texts, enough_short=longest > FULL_WIDTH)
        # Rows of like length together: less padding. The order of the answers is undone below.
        order = order[np.argsort([len(texts[row]) for row in order.tolist()], kind="stable")]
        asked = [texts[index] for index in order.tolist()]
        # A text has no more tokens than bytes.
        sizes = np.array(batch_sizes(len(asked), [min(longest, len(text)) for text in asked]), "int64")
        self.ask(saved_model, {**packed("text", asked), "sizes": sizes, **numbers})
        found = self.answers()
        if json.loads(found["names"].tobytes()) != list(labels):
            raise ExportMismatch(f"The labels of {saved_model} are not those of the training.")
        _compare(saved_model, found["probabilities"], expected[order], order)
        _compare(saved_model, found["ids_probabilities"], expected[rows], rows)
        if decision.multi_label:
            _compare_selected(saved_model, found, decision)
        else:
            _compare_labels(saved_model, found, expected[order], decision)
        answers_in_order = np.empty((len(texts), len(labels)), "float32")
        answers_in_order[order] = found["probabilities"]
        return answers_in_order


def packed(name: str, texts: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Texts as arrays: ``name``, uint8, all of them end to end, and ``name_offsets``, int64 (texts + 1,)."""
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype("int64")
    return {name: np.frombuffer(b"".join(texts), "uint8"), f"{name}_offsets": offsets}


def unpacked(name: str, arrays: Mapping[str, np.ndarray]) -> list[bytes]:
    """The texts that `packed` packed."""
    data = arrays[name].tobytes()
    return [data[start:end] for start, end in itertools.pairwise(arrays[f"{name}_offsets"])]


def rows_to_ask(texts: Sequence[bytes], enough_short: bool = False) -> np.ndarray:
    """Which texts to ask for all of `batch_sizes`: int64 (rows,).

    All of them in their order. If they are few, more behind: short ones, several times; long ones are asked once. With
    ``enough_short`` there are at least so many short ones that the large batch needs no others.
    """
    short = np.array([row for row, text in enumerate(texts) if len(text) < SHORT])
    there = len(short) if enough_short else len(texts)
    return np.concatenate([np.arange(len(texts)), np.resize(short, max(0, 1 + 257 - there))])


def batch_sizes(count: int, widths: Sequence[int] = ()) -> list[int]:
    """Sizes of the batches in which texts are asked: none, one, an odd number, then 256 each.

    Args:
        count: of the texts.
        widths: of the texts, rising: of wide ones fewer go together. By default none is.
    """
    sizes, done = [0, 1, 257], 258
    while done < count:
        size = min(256, count - done)
        if widths:
            size = min(size, rows_at(widths[done + size - 1], 256))
        sizes.append(size)
        done += size
    return sizes


def _compare(saved_model: Path, found: np.ndarray, expected: np.ndarray, numbers: np.ndarray) -> None:
    """The arrays have a row for each text asked; ``numbers`` tells which text that was."""
    if found.shape != expected.shape:
        raise ExportMismatch(f"{saved_model} gives {found.shape} probabilities; expected {expected.shape}.")
    distance = np.abs(found.astype("float64") - expected).max(axis=1, initial=0)
    worst = int(np.argmax(np.where(np.isnan(distance), np.inf, distance)))
    if not distance[worst] <= TOLERANCE:
        raise ExportMismatch(
            f"{saved_model} differs from the model in memory by {distance[worst]:.2e} at text {numbers[worst]}; "
            f"at most {TOLERANCE:.0e} is allowed. The model was not put in place."
        )


def _compare_labels(
    saved_model: Path, found: Mapping[str, np.ndarray], expected: np.ndarray, decision: "Decision"
) -> None:
    """Whether ``label`` is the most probable one, ``probability`` its own and ``abstain`` what the threshold says."""
    rows, label = np.arange(len(expected)), found["label"]
    if (expected[rows, label] < expected.max(axis=1) - 2 * TOLERANCE).any():
        raise ExportMismatch(f"{saved_model} gives another label than the model in memory.")
    if not np.array_equal(found["probability"], found["probabilities"][rows, label]):
        raise ExportMismatch(f"{saved_model}: `probability` is not that of `label`.")
    thresholds = np.asarray(decision.thresholds or [0.0] * expected.shape[1], "float32")
    if not np.array_equal(found["abstain"], found["probability"] < thresholds[label]):
        raise ExportMismatch(f"{saved_model}: `abstain` is not what the thresholds say.")


def _compare_selected(saved_model: Path, found: Mapping[str, np.ndarray], decision: "Decision") -> None:
    probabilities = found["probabilities"]
    thresholds = np.asarray(decision.thresholds or [0.5] * probabilities.shape[1], "float32")
    if not np.array_equal(found["selected"], probabilities >= thresholds):
        raise ExportMismatch(f"{saved_model}: `selected` is not what the thresholds say.")
