"""What the data doctor finds, and the rows of all files in which it looks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.label_sets import joined_names
from kerasnlp_kit.data.texts import Texts
from kerasnlp_kit.data.writing import Cells

Severity = Literal["serious", "warning", "note"]
MUCH = 0.01  # of a file's rows: from here on a score or a model visibly suffers
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        name: What it is called in files: "leaks".
        severity: How much it matters.
        count: How many there are of what `headline` counts.
        headline: What was found, with figures, in one line.
        advice: Why it matters and what to do.
        table: The rows to look at: columns of equal length.
    """

    name: str
    severity: Severity
    count: int
    headline: str
    advice: str
    table: Mapping[str, Cells]

    @property
    def rows(self) -> int:
        """The number of rows of the table."""
        return len(next(iter(self.table.values()), ()))

    def head(self, rows: int) -> list[dict[str, Any]]:
        """The first rows of the table, each by the names of its columns."""
        columns = {
            name: cells[:rows].to_pylist() if isinstance(cells, pa.ChunkedArray) else list(cells[:rows])
            for name, cells in self.table.items()
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Pool:
    """The rows of all files, one file after the other.

    Attributes:
        examples: The files, the training file first.
        names: What each is called: the end of its path where that tells them apart.
        texts: The texts, in Arrow's memory.
        file: int32 (rows,): the place of each row's file.
        line: int64 (rows,): the line of the file each row begins at.
        classes: The labels of all files, sorted.
        label_names: What rows are labelled with, sorted: the classes or, where a row may have several, the sets of them
            that occur, each written as one name.
        labels: int32 (rows,): each row's place in `label_names`, -1 for a row of a file without labels.
        multi_label: Whether a row may have several labels.
    """

    def __init__(self, examples: Sequence[Examples], names: Sequence[str] = ()):
        self.examples = tuple(examples)
        self.names = tuple(names) or _short_names([one.source for one in examples])
        chunks = [chunk.cast(pa.large_string()) for one in examples for chunk in one.texts.array.chunks]
        self.texts = Texts(pa.chunked_array(chunks, pa.large_string()))
        sizes = [len(one) for one in examples]
        self.file = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self.line = np.concatenate([one.rows for one in examples])
        self.classes = tuple(sorted({name for one in examples for name in one.label_names}))
        self.multi_label = any(one.multi_label for one in examples)
        names_of_rows = [self._names_of_rows(one) for one in examples]
        self.label_names = tuple(sorted({name for _, known in names_of_rows for name in known}))
        place = {name: code for code, name in enumerate(self.label_names)}
        self.labels = np.full(len(self.file), -1, np.int32)
        for file, (codes, known) in enumerate(names_of_rows):
            if codes is not None:
                self.labels[self.file == file] = np.array([place[name] for name in known], np.int32)[codes]

    def _names_of_rows(self, examples: Examples) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Returns the place of each row's label, or set of labels, and the names of these."""
        if examples.targets is None:
            return examples.labels, examples.label_names
        # In one order for all files, so that equal sets have one name.
        joined = joined_names(examples.targets_for(self.classes), self.classes)
        known, codes = np.unique(np.array(joined, dtype=object), return_inverse=True)
        return codes, tuple(known)

    def __len__(self) -> int:
        return len(self.file)

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 (files,): the rows of each file."""
        return np.bincount(self.file, minlength=len(self.examples))

    def of(self, file: int) -> np.ndarray:
        """Returns int64: the rows of a file."""
        return np.flatnonzero(self.file == file)

    def has_labels(self, file: int) -> bool:
        """Whether a file has labels."""
        return self.examples[file].labels is not None or self.examples[file].multi_label

    def class_counts(self, file: int) -> dict[str, int]:
        """Returns how many rows of a file have each class, of those that it names."""
        one = self.examples[file]
        if one.targets is not None:
            counts = one.targets.sum(axis=0)
        elif one.labels is not None:
            counts = np.bincount(one.labels, minlength=len(one.label_names))
        else:
            return {}
        return dict(zip(one.label_names, counts.tolist(), strict=True))

    def rows_with(self, file: int, classes: Collection[str]) -> np.ndarray:
        """Returns int64: the rows of a file that have one of some classes."""
        one = self.examples[file]
        meant = np.array([name in classes for name in one.label_names], bool)
        if one.targets is not None:
            return self.of(file)[one.targets[:, meant].any(axis=1)]
        if one.labels is not None:
            return self.of(file)[meant[one.labels]]
        return np.zeros(0, np.int64)

    def table(self, rows: np.ndarray, others: np.ndarray | None = None, **more: Cells) -> dict[str, Cells]:
        """Describes rows by columns: file, line, text and label, those of another row each, and what else is given.

        Args:
            rows: int (n,).
            others: int (n,), -1 where there is none.
            more: Further columns of n cells.
        """
        columns = self._cells(rows, "")
        if others is not None:
            columns |= self._cells(others, "other_")
        return columns | more

    def _cells(self, rows: np.ndarray, prefix: str) -> dict[str, Cells]:
        there = rows >= 0
        place = pa.array(np.maximum(rows, 0), mask=~there)
        texts = pa.chunked_array([self.texts.array.take(place).combine_chunks()], pa.large_string())
        files, codes = self.file[rows].tolist(), self.labels[rows].tolist()
        lines = self.line[rows].tolist()
        return {
            f"{prefix}file": [self.names[file] if one else None for file, one in zip(files, there, strict=True)],
            f"{prefix}line": [line if one else None for line, one in zip(lines, there, strict=True)],
            f"{prefix}text": texts,
            f"{prefix}label": [
                self.label_names[code] if one and code >= 0 else None for code, one in zip(codes, there, strict=True)
            ],
        }

    def by_file(self, rows: np.ndarray) -> str:
        """Says how many of some rows each file has: "dev.csv 39 of 446 (8.7%), test.csv 112 of 1,114 (10.1%)"."""
        counts = np.bincount(self.file[rows], minlength=len(self.names))
        return ", ".join(
            f"{name} {count:,} of {size:,} ({share(count, size)})"
            for name, count, size in zip(self.names, counts.tolist(), self.sizes.tolist(), strict=True)
            if count
        )

    def greatest_share(self, rows: np.ndarray) -> float:
        """Returns the share that some rows have of their file, of the file where it is greatest."""
        return float((np.bincount(self.file[rows], minlength=len(self.names)) / np.maximum(self.sizes, 1)).max())


def severity_by_share(pool: Pool, rows: np.ndarray) -> Severity:
    """Returns how much rows that flatter or contradict matter: serious if they are many in any file."""
    return "serious" if pool.greatest_share(rows) >= MUCH else "warning"


def share(count: int, size: int) -> str:
    """Writes a share as percentage, and never as 0.0% what is more than nothing."""
    percent = 100 * count / max(size, 1)
    return "under 0.1%" if 0 < percent < 0.1 else f"{percent:.1f}%"


def counted(count: int, one: str, many: str) -> str:
    """Writes "1 row" or "1,200 rows"."""
    return f"{count:,} {one if count == 1 else many}"


def rounded(values: np.ndarray) -> list[float]:
    """Returns numbers for a table, with three digits behind the point."""
    return [round(float(value), 3) for value in values]


def _short_names(sources: Sequence[str]) -> tuple[str, ...]:
    # A file name that is no UTF-8 must not break what is written.
    sources = [source.encode("utf-8", "backslashreplace").decode() for source in sources]
    short = [PurePosixPath(source).name or source for source in sources]
    return tuple(short) if len(set(short)) == len(short) else tuple(sources)
