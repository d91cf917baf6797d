"""Where a run writes: one run a name at a time, nothing lost by a kill, the finished folder in place by renaming."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasnlp_kit.config import PairConfig, RunConfig, TextConfig
from kerasnlp_kit.constants import MANIFEST, UNFINISHED
from kerasnlp_kit.data.source import require_source, shown_name
from kerasnlp_kit.errors import TrainingDiverged, UserError
from kerasnlp_kit.export.folder import CHECKPOINTS, ModelFolder
from kerasnlp_kit.flags import flag_of
from kerasnlp_kit.paths import home_filled_in
from kerasnlp_kit.training.checkpoint import any_checkpoint

REPLACED = ".replaced"  # end of the hidden name of the model that a new one just replaces
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # file systems that know none: nothing to keep to
LONGEST_NAME = 200  # bytes; file systems allow 255, and our endings come on top


@dataclass(frozen=True)
class Places:
    """Folders of one run.

    Attributes:
        final: models/NAME.
        work: models/NAME.unfinished, until all is proven.
        version: number of the SavedModel to write.
        how_to_resume: what is said when the run breaks off and can be continued; None if nobody is to.
    """

    final: ModelFolder
    work: ModelFolder
    version: int
    how_to_resume: str | None

    @contextlib.contextmanager
    def finishing(self, resume: bool, say: Callable[[str], None]) -> Iterator[None]:
        """Puts the folder in place at the end; if it breaks off, keeps only what can be continued.

        Args:
            resume: whether an unfinished run is continued: then it stays.
            say: told where what was reached is kept.
        """
        try:
            yield
        except BaseException as error:
            work = self.work.path
            diverged = isinstance(error, TrainingDiverged)
            if self.how_to_resume and any_checkpoint(work / CHECKPOINTS) and not diverged:
                say(self.how_to_resume)
            elif diverged or not resume:
                shutil.rmtree(work, ignore_errors=True)  # nothing in it that could be continued
            raise
        self.put()

    def put(self) -> None:
        """Renames the finished folder; the model that had the name is removed once the new one has its place."""
        final, replaced = self.final.path, _hidden(self.final.path, REPLACED)
        _remove(replaced)
        if final.exists():
            final.rename(replaced)
        self.work.path.rename(final)
        _remove(replaced)
        shutil.rmtree(final / CHECKPOINTS, ignore_errors=True)  # they served resuming


@contextlib.contextmanager
def claim(config: RunConfig | PairConfig | TextConfig, resume: bool, *, temporary: bool = False) -> Iterator[Places]:
    """Keeps the name for this run and finds out which version it writes.

    Args:
        config: of the run.
        resume: whether an unfinished run is continued.
        temporary: whether the folder of models goes with the caller: then nobody is told how to resume.

    Raises:
        UserError: a name that is no folder name, another run of the name is going on, a model or an unfinished run of
            the name exists, nothing to resume.
    """
    name = config.output.name or default_name(config.train)
    plain = name == Path(name).name and not name.startswith(".") and len(os.fsencode(name)) <= LONGEST_NAME
    if not plain or name.endswith(UNFINISHED):
        raise UserError(
            f"--name must be a plain folder name of at most {LONGEST_NAME} bytes, not beginning with a dot and not "
            f"ending in {UNFINISHED}. Received: {name!r:.80}"
        )
    models = home_filled_in(config.output.models)
    if models.exists() and not models.is_dir():
        raise UserError(f"--models must be a folder. Received: {models}, which is a file.")
    final = ModelFolder(models / name)
    work = ModelFolder(final.path.with_name(name + UNFINISHED))
    with _lock(final.path):
        _recover(final, work)
        version = _version(final, work, config, resume)
        replaced = _hidden(final.path, REPLACED)
        if final.path.exists() and not _remove(replaced):  # now, and not when all is trained
            raise UserError(f"{replaced} is left of an earlier run and cannot be removed. Remove it by hand.")
        yield Places(final, work, version, None if temporary else _how_to_resume(config, final, work))


def _how_to_resume(config: RunConfig | PairConfig | TextConfig, final: ModelFolder, work: ModelFolder) -> str:
    sources = config.sources()
    again = "".join(f" and the same {_named(name)} on standard input" for name in sources if sources[name] == "-")
    if hidden := [_named(name) for name, source in sources.items() if shown_name(source) != source]:
        again += f" and {', '.join(hidden)} once more, as whole addresses are not kept"
    return f"{work.path} keeps what was reached; continue with --resume {final.path}{again}."


def _named(source: str) -> str:
    return "DATA" if source == "train" else flag_of(source)


def default_name(source: str) -> str:
    """Name of a model after its data file: ``data/reviews_1.2.csv.gz`` gives ``reviews_1.2``."""
    name = Path(source.partition("?")[0].rstrip("/")).name
    name = re.sub(r"(\.[A-Za-z]+)?(\.(gz|bz2|xz))?$", "", name, flags=re.IGNORECASE).lstrip(".")
    return name if name and name != "-" else "model"


def _version(final: ModelFolder, work: ModelFolder, config: RunConfig | PairConfig | TextConfig, resume: bool) -> int:
    if resume:
        if not (work.path / "run.json").exists():
            raise UserError(f"There is no unfinished run {work.path} to resume.")
    elif any_checkpoint(work.path / CHECKPOINTS) and not config.output.overwrite:
        raise UserError(
            f"{work.path} is an unfinished run: continue with --resume {final.path}, or give --overwrite or a --name."
        )
    if not final.path.exists():
        return 1
    if resume and not (config.output.overwrite or config.output.new_version):
        raise UserError(
            f"{final.path} was put there since the run began that is resumed, and would be replaced. Move it away."
        )
    asked = config.output.overwrite or config.output.new_version
    if not asked:
        require_source(config.train)  # who mistyped it must not be told of --overwrite
    if not (final.path / MANIFEST).exists():
        raise UserError(
            f"{final.path} is no model folder ({MANIFEST} is missing), and is not replaced: give another --name, or "
            "remove it by hand."
        )
    if not asked:
        raise UserError(f"{final.path} exists: give --overwrite, --new-version, or another --name.")
    if not config.output.new_version:
        return 1
    final.verify()  # its SavedModels go into the new folder, whose manifest vouches for them
    return max(final.versions(), default=0) + 1


def _recover(final: ModelFolder, work: ModelFolder) -> None:
    """Finishes what a kill between the two renames of `Places.put` left."""
    replaced = _hidden(final.path, REPLACED)
    if final.path.exists() or not replaced.exists():
        return
    try:
        work.verify()
        work.path.rename(final.path)
    except UserError:
        replaced.rename(final.path)


@contextlib.contextmanager
def _lock(final: Path) -> Iterator[None]:
    """Only one process at a time writes a model of this path; the kernel frees the lock if it is killed.

    It is beside the model, where all processes see it that could write there, of whatever user and machine.
    """
    made = [folder for folder in final.parents if not folder.exists()]
    path = _hidden(final, ".lock")
    try:
        file = _open_locked(path)
    except BlockingIOError:
        raise UserError(f"Another run is writing {final}: wait for it, or give another --name.") from None
    except OSError as error:
        if not os.path.lexists(path):
            raise  # the folder it would be in
        raise UserError(
            f"{path}, which keeps other runs from the name, cannot be written: {error.strerror or error}. If no run "
            "is going on, remove it; or give another --name, or --models."
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # of another user, where only they may remove it: it stays, unlocked
            path.unlink()
        os.close(file)
        with contextlib.suppress(OSError):  # something has come into it
            for folder in made:
                folder.rmdir()


def _open_locked(path: Path) -> int:
    """Descriptor of the file, locked.

    Who holds the lock removes the file in the end, so that who opened it before and gets the lock after has to look
    whether it is still the one of this name.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: it cannot be made or opened.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as unlocked:
            try:
                file = _open_or_make(path)
            except FileNotFoundError:  # another run has just removed the folder, which it had made
                continue
            unlocked.callback(os.close, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            if _is_named(file, path):
                unlocked.pop_all()
                return file


def _open_or_make(path: Path) -> int:
    """Descriptor of the file, made where there is none.

    Others may write here, too: a link of this name leads nowhere, and what another user's run left is opened to read,
    which is enough to lock it.
    """
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o666)
    except PermissionError as refused:
        if not path.exists():
            raise
        for way in (os.O_RDWR, os.O_RDONLY):  # in a folder of all, Linux has only its owner name a file to make
            try:
                return os.open(path, way | os.O_NOFOLLOW)
            except PermissionError:
                continue
        raise refused from None


def _is_named(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> bool:
    """Removes a folder, or a link to one, as far as the system lets us; whether nothing is left."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _hidden(path: Path, ending: str) -> Path:
    """Beside it, under a name that no model can have."""
    return path.with_name(f".{path.name}{ending}")
