"""Sources and targets that belong together, for learning to write one from the other."""

import os
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.pair_columns import PairColumns, find_pair_columns, looks_like_classes
from kerasnlp_kit.data.pair_names import find_target
from kerasnlp_kit.data.table import Table, dropped_note, open_table
from kerasnlp_kit.data.texts import Texts, is_blank
from kerasnlp_kit.errors import UserError

_NO_TEXTS = Texts(pa.chunked_array([], pa.string()))


@dataclass(frozen=True)
class Pairs:
    """Sources and targets that belong together, row by row.

    Attributes:
        sources: One string a row.
        targets: One string a row; none at all where only sources were read.
        rows: int64 (rows,): the line of the file each row begins at, counted from 1.
        columns: Where sources and targets were found.
        source: What the user named.
        description: How the file is written.
        fingerprint: "sha256:..." of the file's bytes.
        notes: Sentences the user should hear: guessed columns, dropped rows.
    """

    sources: Texts
    targets: Texts
    rows: np.ndarray
    columns: PairColumns
    source: str
    description: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, indices: np.ndarray) -> "Pairs":
        """Returns the rows at `indices`: int (n,), in that order."""
        return replace(
            self,
            sources=self.sources.take(indices),
            targets=self.targets.take(indices) if len(self.targets) else self.targets,
            rows=self.rows[indices],
        )


def read_pairs(
    source: str | os.PathLike[str],
    source_column: str | None = None,
    target_column: str | None = None,
    *,
    need_target: bool = True,
    preferred: PairColumns | None = None,
) -> Pairs:
    """Reads sources and targets.

    Columns that are not asked for are found; see `find_pair_columns`. Rows of which a side is missing or blank are
    dropped and noted.

    Args:
        source: A path, a URL or "-"; see `read_table`.
        source_column: The column of sources; found if not given.
        target_column: The column of targets; found if not given.
        need_target: If False (prediction), only sources are read, and no row is dropped: a missing one is empty.
        preferred: The columns of the training run: used where this file has them, otherwise found anew and noted.

    Raises:
        UserError: the source cannot be read, a column is missing or cannot be told, or no row is left; with
            `preferred`, also if the target that was guessed holds classes; without it, also if source and target are
            equal in every row.
    """
    asked = (source_column, target_column if need_target else None)
    usual = (None, None) if preferred is None else (preferred.source, preferred.target if need_target else None)
    with open_table(source, [column for column in (*asked, *usual) if column is not None]) as file:
        wanted = [
            other if column is None and other in file.columns and other not in asked else column
            for column, other in zip(asked, usual, strict=True)
        ]
        table, columns = find_pair_columns(file, *wanted, need_target=need_target)
    target = columns.target
    anew = preferred is not None and columns.guessed and target not in wanted
    if anew and target is not None and find_target([target]) is None and looks_like_classes(table.data[target]):
        raise UserError(
            f"{table.source}: expected texts and what they become, and the only column for the latter, "
            f'"{target}", holds a few values again and again, as labels do. If these are the targets, name it with '
            "--target-column."
        )
    notes = [f"{table.source}: {columns.reason}."] if columns.guessed else []
    for side, want, before, now in zip(
        ("source", "target"), wanted, usual, (columns.source, columns.target), strict=True
    ):
        if want is None and before is not None and before not in asked:
            notes.append(
                f'{table.source}: the model was trained on {side} column "{before}", which this file lacks; took '
                f'"{now}".'
            )
    if not need_target:
        sources = Texts(pc.fill_null(table.data[columns.source], ""))
        return Pairs(sources, _NO_TEXTS, table.rows, columns, *_origin(table), tuple(notes))
    return _complete_pairs(table, columns, notes, learn=preferred is None)


def _complete_pairs(table: Table, columns: PairColumns, notes: list[str], learn: bool) -> Pairs:
    """Drops the rows that lack a side; refuses what is left if there is nothing to `learn` from it."""
    assert columns.target is not None
    sources, targets = table.data[columns.source], table.data[columns.target]
    no_source, no_target = is_blank(sources), is_blank(targets)
    for mask, what in ((no_source, "source"), (no_target & ~no_source, "target")):
        if mask.any():
            notes.append(dropped_note(table, mask, what))
    kept = ~(no_source | no_target)
    if not kept.any():
        raise UserError(
            f"{table.source}: no row has both a source and a target ({columns.reason}). Name other columns with "
            "--source-column and --target-column."
        )
    if not kept.all():
        sources, targets = sources.filter(pa.array(kept)), targets.filter(pa.array(kept))
    if learn and pc.all(pc.equal(sources, targets)).as_py():
        raise UserError(
            f"{table.source}: source and target are equal in every row ({columns.reason}), so there is nothing to "
            "learn. Name other columns with --source-column and --target-column."
        )
    return Pairs(Texts(sources), Texts(targets), table.rows[kept], columns, *_origin(table), tuple(notes))


def _origin(table: Table) -> tuple[str, str, str]:
    return table.source, table.description, table.fingerprint
