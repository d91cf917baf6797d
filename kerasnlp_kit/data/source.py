"""Where the bytes of a table come from: a file, a URL or standard input, plain or compressed."""

import bz2
import difflib
import gzip
import hashlib
import http.client
import io
import lzma
import os
import string
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from kerasnlp_kit.errors import UserError
from kerasnlp_kit.paths import home_filled_in

_OPENERS: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive; save or unpack it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it with `unzstd`",
    b"\x89HDF": "an HDF5 file; write its texts and labels as CSV",
    b"%PDF": "a PDF; copy its texts into a CSV",
}
_BUFFER_SIZE = 1 << 20
_TIMEOUT_SECONDS = 60
_HIDDEN = "..."  # stands for the query of an address


@dataclass(frozen=True)
class Source:
    """A readable local file that stands for what the user named.

    Attributes:
        name: What the user gave, an address without its secrets; see `shown_name`.
        path: The file with the bytes: the user's own, or a temporary copy of what cannot be read twice.
        compression: "gzip", "bzip2", "xz" or "" (found by the first bytes, not by the name).
    """

    name: str
    path: Path
    compression: str

    @property
    def suffix(self) -> str:
        """See `suffix_of`."""
        return suffix_of(self.name)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the decompressed bytes; what breaks while they are read becomes a `UserError`."""
        try:
            with ExitStack() as stack:
                stream: IO[bytes] = stack.enter_context(self.path.open("rb", buffering=_BUFFER_SIZE))
                if self.compression:
                    unpacked = stack.enter_context(_OPENERS[self.compression](stream, "rb"))
                    # The readers of gzip, bz2 and lzma fetch line by line in Python; a buffer does it in C.
                    stream = io.BufferedReader(unpacked, _BUFFER_SIZE)
                yield cast(BinaryIO, stream)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise UserError(
                f"{self.name}: the {self.compression} data is broken or cut off ({error}). Fetch the file again."
            ) from error
        except OSError as error:
            if self.compression and error.errno is None:  # bz2 says "Invalid data stream" so
                raise UserError(f"{self.name}: the {self.compression} data is broken ({error}).") from error
            raise UserError(f"{self.name}: cannot be read: {error.strerror or error}.") from error

    def fingerprint(self) -> str:
        """Returns "sha256:..." of the bytes as stored or received, before decompression."""
        with self.path.open("rb") as stream:
            return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def open_source(source: str | os.PathLike[str]) -> Iterator[Source]:
    """Makes `source` readable as a local file as long as the context lasts.

    Args:
        source: A path, an http, https or file URL, or "-" for standard input.

    Raises:
        UserError: there is no such file or address, it cannot be read, or it is empty.
    """
    name = os.fspath(source)
    with ExitStack() as stack:
        if name == "-":
            name = "standard input"
            path = stack.enter_context(_spooled_here(sys.stdin.buffer, name))
        elif _is_remote(name):
            address, name = name, shown_name(name)
            path = stack.enter_context(_downloaded(address, name))
        else:
            path = _local_path(name)
            _require_file(path, name)
            if not path.is_file():  # a named pipe cannot be read twice
                with path.open("rb") as pipe:
                    path = stack.enter_context(_spooled_here(pipe, name))
        yield Source(name, path, _compression(path, name))


def shown_name(source: str) -> str:
    """What may be shown and kept of a source: of an address neither a password nor its query, often a signature.

    ``https://me:word@host/x.csv?key=1`` gives ``https://host/x.csv?...``.

    Raises:
        UserError: not an address, as in ``http://[``.
    """
    if not _is_remote(source):
        return source
    try:
        parts = urllib.parse.urlsplit(source)
    except ValueError:
        raise UserError("the address of the data is not valid. Check its host.") from None
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, _HIDDEN if parts.query else "", ""))


@contextmanager
def spooled(stream: IO[bytes]) -> Iterator[Path]:
    """Copies a stream to a temporary file, which is removed when the context ends."""
    with tempfile.NamedTemporaryFile(prefix="kerasnlp-") as copy:
        while piece := stream.read(_BUFFER_SIZE):  # what goes wrong here is for the caller to tell
            with _disk_errors_told():
                copy.write(piece)
        with _disk_errors_told():
            copy.flush()
        yield Path(copy.name)


@contextmanager
def _spooled_here(stream: IO[bytes], name: str) -> Iterator[Path]:
    """Likewise, of what is read on this machine."""
    with ExitStack() as stack:
        try:
            path = stack.enter_context(spooled(stream))
        except OSError as error:
            raise UserError(f"{name}: cannot be read: {error.strerror or error}.") from error
        yield path


@contextmanager
def _disk_errors_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot keep a temporary copy in {tempfile.gettempdir()}: {error.strerror}.") from error


@contextmanager
def _downloaded(address: str, shown: str) -> Iterator[Path]:
    """Fetches an address into a temporary file; messages give it as `shown`."""
    parts = urllib.parse.urlsplit(address)
    if "@" in parts.netloc:
        raise UserError(f"{shown}: an address with a user name cannot be fetched. Download the file first.")
    if parts.query == _HIDDEN:
        raise UserError(
            f"{shown}: what follows the question mark may be a secret, so it was not kept. Give the whole address to a "
            "new run, or download the file first."
        )
    with ExitStack() as stack:
        try:
            response = stack.enter_context(urllib.request.urlopen(_in_ascii(address), timeout=_TIMEOUT_SECONDS))
            path = stack.enter_context(spooled(response))
        except urllib.error.HTTPError as error:
            error.close()
            raise UserError(f"{shown}: the server answered {error.code} {error.reason}. Check the address.") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, UserError):
                raise
            wrong = isinstance(error, http.client.InvalidURL)  # its message repeats the address
            reason = "not a valid address" if wrong else getattr(error, "reason", None) or error
            raise UserError(
                f"{shown}: cannot be reached ({reason}). Check address and network, or download the file first."
            ) from error
        announced = response.headers.get("Content-Length")
        if announced is not None and path.stat().st_size != int(announced):
            raise UserError(
                f"{shown}: the download broke off: {announced} bytes announced, {path.stat().st_size} came. Try again."
            )
        yield path


def _in_ascii(address: str) -> str:
    """The address as it goes over the wire: what is not ASCII in it is written by percent signs, as browsers do."""
    parts = urllib.parse.urlsplit(address)
    path, query = (urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    return urllib.parse.urlunsplit(parts._replace(path=path, query=query, fragment=""))


def suffix_of(name: str) -> str:
    """The lower-case suffix of a file or an address that tells the format, without that of a compression."""
    path = urllib.parse.urlsplit(name).path if _is_url(name) else name
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in {".gz", ".bz2", ".xz"}), "")


def require_source(source: str) -> None:
    """Raises as `open_source` does if there is no such file; addresses and standard input are not looked at."""
    if source != "-" and not _is_remote(source) and not source.lower().startswith("file:"):
        _require_file(home_filled_in(source), source)


def is_local_file(source: str | os.PathLike[str]) -> bool:
    """Whether it is the name of a file here; never an error."""
    try:
        return home_filled_in(source).is_file()
    except (OSError, ValueError):  # too long a name, a folder that may not be entered
        return False


def is_same_file(source: str | os.PathLike[str], path: Path) -> bool:
    """Whether a source is the file at `path`; never an error."""
    name = os.fspath(source)
    try:
        return name != "-" and not _is_remote(name) and path.samefile(_local_path(name))
    except (OSError, ValueError):  # one of them is none, or none that may be looked at
        return False


def _local_path(name: str) -> Path:
    """The path of what is neither standard input nor an address of another machine."""
    if name.lower().startswith("file:"):
        name = urllib.request.url2pathname(urllib.parse.urlsplit(name).path)
    return home_filled_in(name)


def _require_file(path: Path, name: str) -> None:
    """Raises if there is nothing to read at `path`, naming what may have been meant."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{name}: there is no such file.{_meant(path)}") from None
    except (OSError, ValueError) as error:  # too long a name, a folder that may not be entered
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{name:.200}: expected the name of a file; cannot be looked at: {reason}.") from error
    if path.is_dir():
        inside = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
        holds = f" It holds {', '.join(inside)}." if inside else ""
        raise UserError(f"{name}: expected a file, this is a folder.{holds}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{name}: permission to read the file is missing. Try `chmod u+r`.")


def _meant(path: Path) -> str:
    """What may have been meant by a path at which there is nothing."""
    if not path.parent.is_dir():
        return f" There is no folder {path.parent} either."
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(str(path.parent / found) for found in near)}?" if near else " Check the path."


def _compression(path: Path, name: str) -> str:
    """Tells the compression by the first bytes and refuses what no table starts with."""
    with path.open("rb") as stream:
        head = stream.read(16)
    if not head:
        raise UserError(f"{name}: is empty. Expected a table of texts, such as a CSV with a text and a label column.")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise UserError(f"{name}: expected CSV, TSV, JSON lines or Parquet; this is {what}.")
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def _is_remote(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _is_url(name: str) -> bool:
    return _is_remote(name) or name.lower().startswith("file:")
