"""Tables whose rows are written out again, with new columns beside them."""

import os
from collections.abc import Callable, Sequence

from kerasnlp_kit.data.cells import Cells
from kerasnlp_kit.data.names import listed
from kerasnlp_kit.data.table import Table, open_table
from kerasnlp_kit.data.writing import keeps_types, write_table


def read_to_copy(
    source: str | os.PathLike[str],
    asked: str | Sequence[str],
    trained: Sequence[str],
    output: str | os.PathLike[str],
) -> tuple[Table, Sequence[str]]:
    """Reads a file for `write_copy`: all its columns, whatever they hold.

    Args:
        source: See `read_table`.
        asked: The columns with texts that the user named, if any.
        trained: Those of the training.
        output: Where the copy goes; numbers and the like are kept as such if its format has them.

    Returns:
        The table, and the columns with texts: those asked for, else those of the training. None of them if they must
        be found among all columns, which then must be plain.
    """
    asked = listed(asked)
    with open_table(source, asked or trained) as file:
        columns = asked or (trained if all(name in file.columns for name in trained) else ())
        return file.read(plain=columns or None, with_values=keeps_types(output)), columns


def write_copy(
    output: str | os.PathLike[str],
    table: Table,
    names: tuple[str, ...],
    cells: Sequence[Cells],
    *,
    spreadsheet_safe: bool,
    say: Callable[[str], None],
) -> None:
    """Writes all columns of a table, and new ones behind them.

    Args:
        output: See `write_table`.
        table: From `read_to_copy`.
        names: Of the new columns; if the table has one of them, all get the number 2, or the next that is free: an
            earlier answer stays as it is.
        cells: Of the new columns.
        spreadsheet_safe: See `write_table`.
        say: Told if the new columns have other names than these.
    """
    free, number = names, 2
    while not set(free).isdisjoint(table.columns):
        free, number = tuple(f"{name}_{number}" for name in names), number + 1
    if free != names:
        say(f"note: the file has columns of the usual names, so the new ones are {' and '.join(free)}.")
    new = dict(zip(free, cells, strict=True))
    write_table(output, {**table.cells(), **new}, spreadsheet_safe=spreadsheet_safe)
