"""One label a row: numbers the classes of a column, and says what is odd about them."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

_SHOWN = 5


def coded(labels: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the labels by their sorted order.

    Returns:
        The numbers: int32 (rows,), and the distinct labels they stand for.
    """
    places: dict[str, int] = {}
    codes = np.empty(len(labels), np.int32)
    pieces = []
    start = 0
    for chunk in labels.chunks:
        encoded = chunk.dictionary_encode()
        place = [places.setdefault(name, len(places)) for name in encoded.dictionary.to_pylist()]
        pieces.append(codes[start : start + len(chunk)])
        pieces[-1][:] = np.array(place, np.int32)[encoded.indices.to_numpy()]
        start += len(chunk)
    names = sorted(places)
    order = np.empty(len(names), np.int32)
    order[[places[name] for name in names]] = np.arange(len(names), dtype=np.int32)
    for piece in pieces:  # views of `codes`: a piece at a time, as indexing copies
        piece[:] = order[piece]
    return codes, tuple(names)


def class_notes(codes: np.ndarray, names: Sequence[str], source: str) -> list[str]:
    """Sentences about classes with a single row and about labels that look alike."""
    notes = []
    # In slices, as bincount makes a copy of 64 bits a row.
    slices = np.array_split(codes, 1 + len(codes) // 100_000)
    counts = np.sum([np.bincount(part, minlength=len(names)) for part in slices], axis=0)
    single = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if single:
        plural = "classes have" if len(single) > 1 else "class has"
        notes.append(f"{source}: {len(single)} {plural} a single row: {shown(single)}.")
    return notes + look_alike_notes(names, source)


def look_alike_notes(names: Sequence[str], source: str) -> list[str]:
    """Sentences about labels that differ only in case or blanks."""
    notes = []
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.strip().casefold(), name)
        if other != name:
            notes.append(f'{source}: the labels "{other}" and "{name}" differ only in case or blanks; both are kept.')
    return notes


def shown(values: Sequence[str] | Iterable[str]) -> str:
    """The first values, quoted, and dots if there are more."""
    values = list(values)
    return ", ".join(f'"{value}"' for value in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
