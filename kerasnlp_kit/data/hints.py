"""What a reading does not decide by itself but says aloud: other ways in which the file could be meant."""

import re
import shlex
import statistics
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.chunks import LISTS
from kerasnlp_kit.data.columns import probe
from kerasnlp_kit.data.label_sets import holds_indicators, separated
from kerasnlp_kit.data.labels import shown
from kerasnlp_kit.data.names import TEXT_NAMES, find_name, is_bookkeeping, is_number, is_plain_value

HEAD_ROWS = 1_000  # of columns that are not read otherwise: enough to see what they hold

_SEPARATORS = ("|", ";", ",")
_LEAST_JOINED = 0.1  # share of the cells; many texts have one label only
# Scripts without blanks between words count by the character: Han, kana, Thai.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\s\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")


def joined_labels_hint(cells: pa.ChunkedArray, column: str, source: str) -> str | None:
    """Says which separator the cells of a label column seem to hold, or None.

    They do if a tenth of them holds it, and the pieces repeat so that there are fewer of them than distinct cells: "a",
    "b" and "a|b" are two labels, while "Books, Film" and "Food, Drink" would be four, so they are left alone.

    Args:
        cells: Strings, one label a row as the file is read now.
        column: The name of the column.
        source: The file's name.
    """
    cells = probe(cells)
    filled = [cell for cell in cells.to_pylist() if cell and cell.strip()]
    distinct = pa.array(sorted(set(filled)), pa.string())
    for separator in _SEPARATORS:
        holding = [cell for cell in filled if separator in cell]
        if len(holding) < 2 or len(holding) < _LEAST_JOINED * len(filled) or all(map(is_number, holding)):
            continue
        pieces = len(pc.unique(separated(distinct, separator)[1]))
        if pieces < len(distinct):
            return (
                f'{source}: label column "{column}" looks like several labels joined by "{separator}" '
                f"({len(distinct):,} distinct values, {pieces:,} distinct labels in them): --label-separator "
                f"{shlex.quote(separator)} reads them so."
            )
    return None


def indicators_hint(head: pa.Table, column: str, columns: Sequence[str], source: str) -> str | None:
    """Says which columns of 0 and 1 stand beside a label column of that kind, or None.

    Args:
        head: The first rows of the other columns.
        column: The label column that was taken, which holds 0 and 1.
        columns: All columns of the file, in its order.
        source: The file's name.
    """
    found = {other for other in head.column_names if not is_bookkeeping(other) and holds_indicators(head[other])}
    if not found:
        return None
    options = [other for other in columns if other in found or other == column]
    return (
        f"{source}: {len(options)} columns hold nothing but 0 and 1: {shown(options)}. If each is a label of its own: "
        f"--label-column {shlex.join(options)}."
    )


def other_texts_hint(head: pa.Table, text: Sequence[str], columns: Sequence[str], source: str) -> str | None:
    """Says which columns look like texts, too, and how to join them, or None.

    Args:
        head: The first rows of the columns that are neither text nor label.
        text: The text columns that were taken.
        columns: All columns of the file, in its order.
        source: The file's name.
    """
    found = [column for column in head.column_names if _looks_like_text(column, head[column])]
    if not found:
        return None
    options = [column for column in columns if column in found or column in text]
    plural = "columns look like texts and are" if len(found) > 1 else "column looks like a text and is"
    return (
        f"{source}: {len(found)} other {plural} left out: {shown(found)}. To join them: "
        f"--text-column {shlex.join(options)}."
    )


def _looks_like_text(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether cells are mostly distinct and of three words or more; of two under a usual name, as titles may be."""
    if is_bookkeeping(name) or cells.type == LISTS:
        return False
    filled = [cell for cell in cells.to_pylist() if cell and cell.strip()]
    if not filled or len(set(filled)) * 2 < len(filled) or sum(map(is_plain_value, filled)) * 10 > len(filled):
        return False
    words = statistics.median(len(_WORD.findall(cell)) for cell in filled)
    return words >= (2 if find_name([name], TEXT_NAMES) is not None else 3)
