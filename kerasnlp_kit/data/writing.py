"""Writes files whole or not at all, and tables in the formats that `read_table` reads."""

import csv
import errno
import gzip
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from kerasnlp_kit.constants import MANIFEST
from kerasnlp_kit.data.cells import Cells, JsonCells, is_list, spelled_floats, without_word
from kerasnlp_kit.data.source import is_same_file
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.paths import home_filled_in

# Also as they are written in Chinese and Japanese (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_PIECE_ROWS = 10_000
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its name at the end, once its bytes are on the disk.

    If anything fails, `path` stays what it was and nothing is left beside it.

    Raises:
        UserError: the system refuses, for example because the disk is full.
    """
    target = written_path(path)
    if target.is_dir():
        raise _is_folder(target)
    temporary: Path | None = None
    try:
        if target.exists() and not target.is_file():
            yield target  # a device or a pipe must not be replaced by a file
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffixes stay at the end: some writers choose the format by them.
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name.split('.')[0]}-", suffix="".join(target.suffixes), dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}.{_advice(error)}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Cells], *, spreadsheet_safe: bool = False) -> None:
    """Writes columns of equal length as CSV, TSV, JSON lines or Parquet.

    Rows become Python objects a piece at a time, so that Arrow columns take little more memory than they have.

    Args:
        path: Where to; the suffix tells the format: .csv, .tsv, .jsonl, .parquet, the first three also with .gz.
            "-" is standard output, as CSV in UTF-8.
        columns: The cells of each column, as a sequence or an Arrow column: texts, numbers or truth values, or lists of
            these (in CSV and TSV written as JSON); None is a missing cell. In JSON lines and Parquet also what
            `Table.values` holds.
        spreadsheet_safe: Whether texts that a spreadsheet would take for a formula get an apostrophe in front.

    Raises:
        UserError: an unknown suffix, or the file cannot be written; nothing half-written is left.
    """
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected columns of one length, received {lengths}")
    name = os.fspath(path)
    if name == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # whatever the terminal has
        _write_delimited(sys.stdout, columns, ",", spreadsheet_safe)
        sys.stdout.flush()
        return
    suffix, packed = _format(name)
    with atomic_write(name) as temporary:
        if suffix == ".parquet":
            arrow = {key: _as_arrow(cells, spreadsheet_safe) for key, cells in columns.items()}
            pyarrow.parquet.write_table(pa.table(arrow), temporary)
            return
        with _text_stream(temporary, packed) as stream:
            if suffix == ".jsonl":
                _write_json_lines(stream, columns, spreadsheet_safe)
            else:
                _write_delimited(stream, columns, "\t" if suffix == ".tsv" else ",", spreadsheet_safe)


def keeps_types(path: str | os.PathLike[str]) -> bool:
    """Whether the format that this name stands for tells numbers and the like from texts."""
    return os.fspath(path) != "-" and _format(os.fspath(path))[0] in (".jsonl", ".parquet")


def number_cells(values: np.ndarray, digits: int = 6) -> pa.ChunkedArray:
    """A column of numbers, float (rows,), for `write_table`: rounded, and numbers in every format that has such."""
    return pa.chunked_array([pa.array(np.round(np.asarray(values, np.float64), digits))])


def require_table_name(path: str | os.PathLike[str], *read: str | os.PathLike[str]) -> None:
    """Checks, before long work, that `write_table` knows the format, and that the file read is not replaced.

    Args:
        path: what is to be written.
        read: what is read.

    Raises:
        UserError: an unknown suffix, the same file.
    """
    if os.fspath(path) == "-":
        return
    _format(os.fspath(path))
    require_free_place(path, *read)


def require_free_place(path: str | os.PathLike[str], *read: str | os.PathLike[str]) -> None:
    """Checks, before long work, that a file to be written spoils nothing.

    Args:
        path: what is to be written.
        read: what is read.

    Raises:
        UserError: the same file; a folder, or a place where none may write; one within a model folder, whose files are
            sealed.
    """
    target = written_path(path)
    if any(is_same_file(one, target) for one in read):
        raise UserError(f"{path} is the file that is read, and would be replaced. Give another name.")
    if target.is_dir():
        raise _is_folder(target)
    nearest = next(folder for folder in target.parents if folder.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    if not writable and (target.is_file() or not target.exists()):  # a device needs no room beside it
        raise UserError(f"{target}: cannot be written: nothing may be put into {nearest}. Choose another folder.")
    for folder in target.parents:
        if (folder / MANIFEST).is_file() and (folder / "saved_model").is_dir():
            raise UserError(
                f"{path} is within the model folder {folder}, which could not be loaded any more: {MANIFEST} lists its "
                "files. Give a place outside."
            )


def written_path(path: str | os.PathLike[str]) -> Path:
    """Where a file of this name is: a link stays a link, and what it leads to is written."""
    return Path(os.path.realpath(home_filled_in(path)))


def _is_folder(target: Path) -> UserError:
    return UserError(f"{target}: expected the name of a file to write, this is a folder. Add a file name.")


def _format(name: str) -> tuple[str, bool]:
    """The suffix that tells the format, and whether to compress."""
    packed = name.lower().endswith(".gz")
    suffix = Path(name[:-3] if packed else name).suffix.lower()
    if suffix not in _SUFFIXES or (packed and suffix == ".parquet"):
        raise UserError(
            f"{name}: expected a name that ends in {', '.join(_SUFFIXES)}, or one of the first three and .gz."
        )
    return suffix, packed


@contextmanager
def _text_stream(path: Path, packed: bool) -> Iterator[TextIO]:
    with path.open("wb") as raw:
        if packed:
            # No name and no time of day inside: equal tables give equal bytes.
            with (
                gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as archive,
                io.TextIOWrapper(archive, encoding="utf-8", newline="") as stream,
            ):
                yield stream
        else:
            with io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
                yield stream


def _rows(columns: Mapping[str, Cells], safe: bool) -> Iterator[tuple[Any, ...]]:
    """Yields the rows, made Python objects a piece at a time."""
    length = len(next(iter(columns.values()), ()))
    for start in range(0, length, _PIECE_ROWS):
        yield from zip(*(_piece(cells, start, safe) for cells in columns.values()), strict=True)


def _piece(cells: Cells, start: int, safe: bool) -> list[Any]:
    piece = cells[start : start + _PIECE_ROWS]
    if isinstance(piece, pa.ChunkedArray):
        piece = _python(piece.combine_chunks())
    return [_safe(cell, safe) for cell in piece]


def _python(cells: pa.Array) -> list[Any]:
    """The cells as JSON can have them: times as text, NaN as None, numbers of few bits as NumPy spells them."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _python(cells.dictionary_decode())
    if pa.types.is_temporal(kind):
        return cells.cast(pa.string()).to_pylist()  # Python's times have no nanoseconds
    if pa.types.is_floating(kind):
        return [None if spelled is None else _finite(spelled) for spelled in spelled_floats(cells)]
    if is_list(kind):
        inner = iter(_python(pc.list_flatten(cells)))
        lengths = pc.list_value_length(cells).to_pylist()
        return [None if length is None else list(islice(inner, length)) for length in lengths]
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        rows = zip(*(_python(pc.struct_field(cells, place)) for place in range(len(names))), strict=True)
        whole = pc.is_valid(cells).to_pylist()
        return [dict(zip(names, row, strict=True)) if here else None for here, row in zip(whole, rows, strict=True)]
    return cells.to_pylist()


def _finite(spelled: str) -> float | str:
    number = float(spelled)
    return number if math.isfinite(number) else spelled


def _as_arrow(cells: Cells, safe: bool) -> pa.Array | pa.ChunkedArray:
    if isinstance(cells, JsonCells):
        cells = cells.as_arrow()
    if not isinstance(cells, pa.ChunkedArray):
        return pa.array([_safe(cell, safe) for cell in cells])
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if not safe or not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return cells
    pieces = [pa.array(_piece(cells, start, safe), cells.type) for start in range(0, len(cells), _PIECE_ROWS)]
    return pa.chunked_array(pieces, cells.type)


def _write_delimited(stream: TextIO, columns: Mapping[str, Cells], delimiter: str, safe: bool) -> None:
    # In quotes, no text is parted by a spreadsheet that goes by another delimiter.
    form: dict[str, Any] = {"quoting": csv.QUOTE_NONNUMERIC} if safe else {}
    writer = csv.writer(_LineFeeds(stream), delimiter=delimiter, lineterminator="\r\n", **form)
    writer.writerow([_safe(name, safe) for name in columns])
    for row in _rows(columns, safe):
        writer.writerow([_spelled(cell) for cell in row])


class _LineFeeds:
    """Ends rows with a line feed.

    A `csv.writer` whose rows end so leaves a carriage return in a text without quotes, and no reader takes that.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, row: str) -> int:
        """Writes one row that ends with a carriage return and a line feed."""
        return self._stream.write(row.removesuffix("\r\n") + "\n")


def _write_json_lines(stream: TextIO, columns: Mapping[str, Cells], safe: bool) -> None:
    for row in _rows(columns, safe):
        # NaN is no JSON.
        cells = {name: None if cell != cell else cell for name, cell in zip(columns, row, strict=True)}
        stream.write(json.dumps(cells, ensure_ascii=False, default=without_word) + "\n")


def _safe(cell: Any, safe: bool) -> Any:
    if isinstance(cell, np.generic):
        cell = cell.item()
    return f"'{cell}" if safe and isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def _spelled(cell: Any) -> Any:
    if isinstance(cell, list):
        return json.dumps(cell, ensure_ascii=False)
    return {True: "true", False: "false"}[cell] if isinstance(cell, bool) else cell


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _advice(error: OSError) -> str:
    advice = {
        errno.ENOSPC: " Free some space, or choose another folder.",
        errno.EACCES: " Choose a folder you may write to.",
    }
    return advice.get(error.errno or 0, "")
