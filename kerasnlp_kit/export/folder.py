"""The model folder: what is in it, who wrote it, and whether it is still what was written."""

import difflib
import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnlp_kit import registry
from kerasnlp_kit.constants import LINEAR, MANIFEST, NETWORK, UNFINISHED
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.registry import SIZES

if TYPE_CHECKING:
    from kerasnlp_kit.tasks.linear import LinearModel
    from kerasnlp_kit.text.tokenizer import Tokenizer

FORMAT = 2
BASELINE = "weights/baseline.npz"  # the linear model that others are compared with
CHECKPOINTS = "checkpoints"
_CONTINUED = "it is continued by train.py"
_USUAL = Path("models")  # where models are put if nothing else is said
_LARGEST_JSON = 100_000_000  # bytes
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "-1"}  # environment of the processes that export and prove
TOKENIZERS = tuple(  # of models that write
    f"{side}.{ending}" for side in ("source", "target", "joint", "text") for ending in ("json", "model")
)
NEEDED = {
    "model": str, "task": str, "parts": list, "decision": dict, "data": dict, "options": dict, "ancestry": list
}  # fmt: skip


@dataclass(frozen=True)
class ModelFolder:
    """A folder ``models/NAME``, finished or in the making.

    Attributes:
        path: where it is.
    """

    path: Path

    def write_json(self, name: str, content: Any) -> None:
        """Writes a JSON file, complete or not at all."""
        self.write_text(name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def write_text(self, name: str, content: str) -> None:
        """Writes a text file, complete or not at all."""
        temporary = self.path / f".{name}.partial"
        # What it tells of need not be UTF-8: the name of a file of data.
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
        temporary.replace(self.path / name)

    def read_json(self, name: str) -> Any:
        """Reads a JSON file of the folder.

        Raises:
            UserError: it is missing, is not JSON, or a stranger put something else in its place.
        """
        path = self.path / name
        try:
            status = path.lstat()  # a link or a pipe would be read without end
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_JSON:
                raise UserError(f"{path} must be a file of at most {_LARGEST_JSON:,} bytes; a model has no other.")
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{self.path} is not a complete model folder: {name} is missing; train it again.") from None
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self.path / name} cannot be read: {error}; train the model again.") from error

    def run(self) -> dict[str, Any]:
        """run.json.

        Raises:
            UserError: missing, damaged, or of a format that this version does not know.
        """
        run = self.read_json("run.json")
        if not isinstance(run, dict) or run.get("format") != FORMAT:
            received = run.get("format") if isinstance(run, dict) else run
            raise UserError(f"{self.path / 'run.json'} must have format {FORMAT}. Received: {received!r:.80}")
        for name, kind in NEEDED.items():
            if not isinstance(run.get(name), kind):
                raise UserError(f"{self.path / 'run.json'} must have {name!r}; train the model again.")
        return run

    def network_part(self) -> dict[str, Any]:
        """The entry of the only network in run.json.

        Raises:
            UserError: there is none, or there are several.
        """
        networks = [part for part in self.run()["parts"] if isinstance(part, dict) and part.get("kind") == NETWORK]
        if len(networks) != 1:
            raise UserError(f"{self.path} must hold one network to start from. It holds {len(networks)}.")
        return networks[0]

    def labels(self) -> list[str]:
        """Names of the classes, in the order of the logits."""
        labels = self.read_json("labels.json")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise UserError(f"{self.path / 'labels.json'} must be a list of strings; train the model again.")
        return labels

    def weights(self, part: Mapping[str, Any]) -> Path:
        """Path of the weights of a part of run.json.

        Raises:
            UserError: its name could lead elsewhere.
        """
        name = part.get("name")
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]+", name):
            raise UserError(f"{self.path / 'run.json'}: a part needs a name of small letters. Received: {name!r:.80}")
        return self.path / "weights" / (name + (".npz" if part.get("kind") == LINEAR else ".weights.h5"))

    def build_network(self, part: Mapping[str, Any]) -> Any:
        """The Keras model of a part of run.json with its weights, in float32, on the backend in use; portable."""
        network = build_network(part, portable=True)
        path = self.weights(part)
        try:
            network.load_weights(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} does not fit run.json: {error}") from error
        return network

    def linear(self, path: Path) -> "LinearModel":
        """The linear model in a file of this folder.

        Raises:
            UserError: it is damaged.
        """
        from kerasnlp_kit.tasks.linear import LinearModel

        try:
            return LinearModel.load(path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{path} cannot be read: {error}; train the model again.") from error

    def tokenizer(self) -> "Tokenizer":
        """The tokenizer of the networks."""
        from kerasnlp_kit.text.tokenizer import Tokenizer

        return Tokenizer.from_json((self.path / "tokenizer.json").read_text(encoding="utf-8"))

    def pair_tokenizers(self, part: Mapping[str, Any]) -> tuple[Any, Any]:
        """The tokenizers of source and target of a part of run.json; one and the same where they are joint.

        Raises:
            UserError: a file is missing, damaged, or not one of those that a training writes.
        """
        source, target = self._reversible_tokenizers(part, ("source", "target"))
        return source, target

    def text_tokenizer(self, part: Mapping[str, Any]) -> Any:
        """The tokenizer of a part of run.json that learns texts; raises as `pair_tokenizers`."""
        (tokenizer,) = self._reversible_tokenizers(part, ("text",))
        return tokenizer

    def _reversible_tokenizers(self, part: Mapping[str, Any], sides: Sequence[str]) -> list[Any]:
        names, loaded = part.get("tokenizers"), {}
        wanted = [names.get(side) if isinstance(names, Mapping) else None for side in sides]
        for side, name in zip(sides, wanted, strict=True):
            if name not in TOKENIZERS:
                raise UserError(f"{self.path / 'run.json'} must name the {side}'s tokenizer. Received: {name!r:.80}")
            if name not in loaded:
                loaded[name] = self._reversible_tokenizer(name)
        return [loaded[name] for name in wanted]

    def _reversible_tokenizer(self, name: str) -> Any:
        path = self.path / name
        try:
            saved = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; train the model again.") from error
        if path.suffix == ".model":
            from kerasnlp_kit.text.subwords import SubwordTokenizer

            return SubwordTokenizer.load(saved)
        from kerasnlp_kit.text.pieces import PieceTokenizer

        return PieceTokenizer.load(saved)

    def versions(self) -> list[int]:
        """Numbers of the SavedModels, rising."""
        found = (self.path / "saved_model").glob("[0-9]*")
        return sorted(int(path.name) for path in found if path.name.isdecimal() and (path / "saved_model.pb").is_file())

    def saved_model(self) -> Path:
        """Path of the newest SavedModel.

        Raises:
            UserError: there is none.
        """
        versions = self.versions()
        if not versions:
            raise UserError(f"{self.path} is not a complete model folder: saved_model/1 is missing; train it again.")
        return self.path / "saved_model" / str(versions[-1])

    def write_manifest(self) -> None:
        """Writes manifest.json: the SHA-256 of every other file."""
        files = {path.relative_to(self.path).as_posix(): sha256(path) for path in self._files()}
        self.write_json(MANIFEST, {"format": FORMAT, "files": files})

    def verify(self) -> None:
        """Compares the folder with its manifest.

        Raises:
            UserError: the folder or a file is missing, or a file was changed; names it.
        """
        if not self.path.is_dir():
            raise UserError(f"There is no model folder {self.path}.{_meant(self.path)}")
        if not (self.path / MANIFEST).exists():
            if self.path.name.endswith(UNFINISHED):
                model = self.path.with_name(self.path.name.removesuffix(UNFINISHED))
                raise UserError(f"{self.path} is an unfinished run: {_CONTINUED} --resume {model}.")
            above = [folder for folder in self.path.absolute().parents[:2] if (folder / MANIFEST).is_file()]
            meant = f" Give {above[0]}, the folder of the whole model." if above else _models_in(self.path)
            if meant:
                raise UserError(f"{self.path} is no model folder ({MANIFEST} is missing).{meant}")
        manifest = self.read_json(MANIFEST)
        files = manifest.get("files") if isinstance(manifest, Mapping) else None
        if not isinstance(files, Mapping):
            raise UserError(f"{self.path / 'manifest.json'} must list files; train the model again.")
        for name in files:
            # A manifest comes with the folder, from a stranger maybe: it must not make us read elsewhere.
            try:
                inside = (self.path / name).resolve().is_relative_to(self.path.resolve())
            except (ValueError, OSError):  # a NUL, half of a surrogate pair, a name too long
                inside = False
            if not inside:
                raise UserError(f"{self.path / MANIFEST} names a file outside the folder: {name!r:.200}")
        present = {path.relative_to(self.path).as_posix(): path for path in self._files()}
        for path in self.path.rglob("*"):
            # A link could lead anywhere, and a folder behind one is not among the files compared here.
            if path.is_symlink():
                raise UserError(f"{path} is a link; a model folder holds files only.")
        if missing := sorted(set(files) - set(present)):
            raise UserError(f"{self.path} is not a complete model folder: {missing[0]} is missing; train it again.")
        if extra := sorted(set(present) - set(files)):
            raise UserError(f"{present[extra[0]]} is not in manifest.json: it was added after the training.")
        for name, expected in files.items():
            if sha256(present[name]) != expected:
                raise UserError(f"{present[name]} is not what manifest.json says: it was changed or damaged.")

    def size(self) -> int:
        """Bytes of the newest SavedModel."""
        return sum(path.stat().st_size for path in self.saved_model().rglob("*") if path.is_file())

    def _files(self) -> list[Path]:
        """All that the manifest covers: every file but itself and what only resuming needs."""
        apart = (self.path / MANIFEST, self.path / CHECKPOINTS)
        return [
            path
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path not in apart and apart[1] not in path.parents
        ]


def _meant(path: Path) -> str:
    """What a wrong name of a model folder was meant to be."""
    if path.name + UNFINISHED in {run.name for run in path.parent.glob(f"*{UNFINISHED}")}:
        return f" Its run is unfinished: {_CONTINUED} --resume {path}."
    if not path.is_absolute() and (_USUAL / path / MANIFEST).is_file():
        return f" Did you mean {_USUAL / path}?"
    names = [folder.parent.name for folder in path.parent.glob(f"[!.]*/{MANIFEST}")]
    if near := difflib.get_close_matches(path.name, names, 1):
        return f" Did you mean {path.parent / near[0]}?"
    return _models_in(path.parent)


def _models_in(folder: Path) -> str:
    names = sorted(path.parent.name for path in folder.glob(f"[!.]*/{MANIFEST}"))
    return f" In {folder}/ there are: {', '.join(names[:10])}." if names else ""


def build_network(part: Mapping[str, Any], *, portable: bool = False) -> Any:
    """The Keras model that a part of run.json describes, with fresh weights.

    Args:
        part: of run.json.
        portable: without cuDNN, which Keras takes where there is a GPU: its operations run nowhere else, and these
            graphs are traced to be served, and proven, on any device.
    """
    spec = registry.find(part["model"])
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in part["architecture"].items()}
    network = spec.architecture(**values).build(SIZES[spec.task](**part["sizes"]))
    if portable:
        for layer in network._flatten_layers():
            if hasattr(layer, "use_cudnn"):
                layer.use_cudnn = False
    return network


def longest_read(run: Mapping[str, Any]) -> int:
    """Tokens that the networks of a classifier read, the most of them, by its run.json; 0 without a network."""
    sizes = [part.get("sizes") for part in run["parts"]]
    lengths = [one.get("max_length") for one in sizes if isinstance(one, Mapping)]
    return max((length for length in lengths if isinstance(length, int)), default=0)


def manifest_digest(folder: ModelFolder) -> str:
    """What tells a finished model from every other: a digest of the digests of its files."""
    return f"sha256:{sha256(folder.path / MANIFEST)}"


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
