"""From files to texts and labels: reading, finding the columns, splitting, writing."""

from kerasnlp_kit.data.columns import Columns, find_columns
from kerasnlp_kit.data.examples import Examples, read_examples, require_classes
from kerasnlp_kit.data.split import split_label_sets, split_rows
from kerasnlp_kit.data.table import Table, read_table
from kerasnlp_kit.data.texts import Texts
from kerasnlp_kit.data.writing import atomic_write, write_table

__all__ = [
    "Columns",
    "Examples",
    "Table",
    "Texts",
    "atomic_write",
    "find_columns",
    "read_examples",
    "read_table",
    "require_classes",
    "split_label_sets",
    "split_rows",
    "write_table",
]
