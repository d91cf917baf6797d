"""The whole state of a training run, saved so that a kill at any moment leaves a complete one."""

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit.training.progress import tell

KEEP = 2  # the newest may be the one that a full disk or a crash of the machine spoilt


@dataclass
class Progress:
    """Where a run stands; JSON types only.

    Attributes:
        epoch: epochs that are finished.
        step: batches of the next epoch that are finished.
        best_epoch: number (from 1) of the epoch with the best dev score; 0 before the first.
        waited: epochs since the best one.
        history: a list for each measure, one value an epoch.
        seconds: of training so far.
        ended: whether training is over.
        interrupted: whether Ctrl-C ended it.
    """

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    best_loss: float = float("inf")
    waited: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    ended: bool = False
    interrupted: bool = False


def save_checkpoint(
    folder: Path, progress: Progress, state: Sequence[np.ndarray], best: Sequence[np.ndarray] | None
) -> None:
    """Writes a checkpoint of its own name, complete or not at all, and removes all but the newest two.

    Args:
        folder: where checkpoints go; made if missing.
        progress: counters and history.
        state: all variables of model, optimizer and metrics, in order.
        best: the model's variables after the best epoch.
    """
    name = f"{progress.epoch:05d}-{progress.step:09d}"
    temporary, final = folder / f".{name}.partial", folder / name
    for left in folder.glob(".*.partial"):  # by a full disk, or a kill
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir(parents=True)
    _write_arrays(temporary / "state.npz", state)
    previous = checkpoints(folder)
    kept = previous[-1] / f"best-{progress.best_epoch:05d}.npz" if previous else None
    if best is not None:
        target = temporary / f"best-{progress.best_epoch:05d}.npz"
        try:
            os.link(kept or "", target)  # unchanged since the last checkpoint
        except OSError:  # they changed, or the file system has no links
            _write_arrays(target, best)
    with (temporary / "progress.json").open("w", encoding="utf-8") as file:
        json.dump(asdict(progress), file)
        file.flush()
        os.fsync(file.fileno())
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in checkpoints(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*-[0-9]*") if (path / "progress.json").exists())


def any_checkpoint(folder: Path) -> bool:
    """Whether one of the trainings of a run, each with a folder of its own in this one, can be continued."""
    return any(checkpoints(training) for training in folder.glob("*"))


def load_checkpoint(folder: Path) -> tuple[Progress, list[np.ndarray], list[np.ndarray] | None] | None:
    """The newest checkpoint that can be read: progress, state, best; None if there is none."""
    for path in reversed(checkpoints(folder)):
        try:
            progress = Progress(**json.loads((path / "progress.json").read_text(encoding="utf-8")))
            best_path = path / f"best-{progress.best_epoch:05d}.npz"
            best = _read_arrays(best_path) if best_path.exists() else None
            return progress, _read_arrays(path / "state.npz"), best
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            # Spoilt by the machine's crash: the one before is whole. Out of the way, so that the next one cannot take
            # its best weights over.
            spoilt = path.with_name(f".{path.name}.spoilt")
            shutil.rmtree(spoilt, ignore_errors=True)
            path.rename(spoilt)
            tell(f"{path} cannot be read: an earlier state is taken, or the training begins anew.")
    return None


def _write_arrays(path: Path, arrays: Sequence[np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **{str(number): array for number, array in enumerate(arrays)})  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())


def _read_arrays(path: Path) -> list[Any]:
    # Opened here, because np.load leaves a spoilt file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[str(number)] for number in range(len(arrays.files))]
