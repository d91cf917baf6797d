"""From files to texts and labels: reading, finding the columns, splitting, writing."""

from kerasnlp_kit.data.columns import Columns, find_columns
from kerasnlp_kit.data.examples import Examples, read_examples, require_classes
from kerasnlp_kit.data.kind import looks_like_pairs
from kerasnlp_kit.data.pair_checks import pair_notes
from kerasnlp_kit.data.pair_columns import PairColumns
from kerasnlp_kit.data.pairs import Pairs, read_pairs
from kerasnlp_kit.data.split import split_label_sets, split_pairs, split_rows
from kerasnlp_kit.data.table import Table, read_table
from kerasnlp_kit.data.texts import Texts
from kerasnlp_kit.data.writing import atomic_write, write_table

__all__ = [
    "Columns",
    "Examples",
    "PairColumns",
    "Pairs",
    "Table",
    "Texts",
    "atomic_write",
    "find_columns",
    "looks_like_pairs",
    "pair_notes",
    "read_examples",
    "read_pairs",
    "read_table",
    "require_classes",
    "split_label_sets",
    "split_pairs",
    "split_rows",
    "write_table",
]
