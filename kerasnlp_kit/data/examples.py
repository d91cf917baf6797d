"""Texts and labels that belong together, ready for a split and a tokenizer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kerasnlp_kit.data.columns import Columns, asked_labels, columns_by_name, find_columns
from kerasnlp_kit.data.hints import HEAD_ROWS, indicators_hint, joined_labels_hint, other_texts_hint
from kerasnlp_kit.data.label_sets import (
    holds_indicators,
    joined_names,
    label_set_notes,
    require_label_sets,
    targets_of_cells,
    targets_of_indicators,
    unknown_label_notes,
)
from kerasnlp_kit.data.labels import class_notes, coded
from kerasnlp_kit.data.names import LABEL_NAMES, find_name, listed
from kerasnlp_kit.data.preferred import Wanted, as_trained, label_by_values, other_text_note, reasons_of, with_preferred
from kerasnlp_kit.data.table import Table, TableFile, dropped_note, open_table
from kerasnlp_kit.data.texts import Texts, is_blank, joined
from kerasnlp_kit.errors import UserError


@dataclass(frozen=True)
class Examples:
    """Texts and labels that belong together, row by row.

    A row has one label (`labels`) or, with `columns.multi_label`, any number of them (`targets`).

    Attributes:
        texts: One string a row.
        labels: int32 (rows,): the place of each row's label in `label_names`; None with several labels or without any.
        label_names: The distinct labels, sorted; those of several columns of 0 and 1 in the file's order.
        rows: int64 (rows,): the line of the file each row begins at, counted from 1.
        columns: Where texts and labels were found.
        source: What the user named.
        description: How the file is written.
        fingerprint: "sha256:..." of the file's bytes.
        notes: Sentences the user should hear: guessed columns, dropped rows, classes with one row.
        targets: bool (rows, K): whether a row has each of the K `label_names`; None with one label or without any.
    """

    texts: Texts
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    rows: np.ndarray
    columns: Columns
    source: str
    description: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.targets is not None

    def gold(self) -> list[str]:
        """Returns the name of each row's label.

        Several are joined as in the file, by default as `joined_names` does; "" has none of the labels.
        """
        if self.targets is not None:
            return joined_names(self.targets, self.label_names, self.columns.label_separator)
        if self.labels is None:
            raise ValueError(f"{self.source} has no labels")
        return [self.label_names[code] for code in self.labels.tolist()]

    def targets_for(self, names: Sequence[str]) -> np.ndarray:
        """Returns the labels of each row among those of a model, in the model's order.

        Labels that the model does not have are left out.

        Args:
            names: The model's K labels.

        Returns:
            bool (rows, K).
        """
        if self.targets is None:
            raise ValueError(f"{self.source} was not read with several labels a row")
        place = {name: place for place, name in enumerate(names)}
        own = [column for column, name in enumerate(self.label_names) if name in place]
        targets = np.zeros((len(self), len(names)), bool)
        targets[:, [place[self.label_names[column]] for column in own]] = self.targets[:, own]
        return targets

    def take(self, indices: np.ndarray) -> "Examples":
        """Returns the rows at `indices`: int (n,). The label names stay, so the codes keep their meaning."""
        return replace(
            self,
            texts=self.texts.take(indices),
            labels=None if self.labels is None else self.labels[indices],
            targets=None if self.targets is None else self.targets[indices],
            rows=self.rows[indices],
        )


def read_examples(
    source: str | os.PathLike[str],
    text_columns: str | Sequence[str] = (),
    label_column: str | Sequence[str] | None = None,
    *,
    label_separator: str | None = None,
    need_label: bool = True,
    text_separator: str = " ",
    preferred: Columns | None = None,
    preferred_labels: Sequence[str] = (),
) -> Examples:
    """Reads texts and labels.

    Rows whose text is missing, or whose label is missing or blank, are dropped and noted. An empty text is a text.

    A row has one label, unless (multi-label classification)

    - `label_separator` is given: cells are split at it, blanks around names trimmed, empty names left out;
    - the cells are lists, in JSON lines and Parquet: their items are the names;
    - several label columns are given: each is a label, called like the column, and holds 1 or 0, true or false, yes or
      no, in any case; an empty or missing cell counts as 0;
    - `preferred` says so: a cell without separator is then one name.

    Then a blank cell or an empty list has none of the labels, and only a row without any label cell (in JSON null or
    no such key) is dropped.

    Args:
        source: A path, a URL or "-"; see `read_table`.
        text_columns: The columns to join; found if not given.
        label_column: The column of labels; found if not given. Two or more are columns of 0 and 1.
        label_separator: What stands between two labels in a cell, such as "|".
        need_label: If False (prediction), labels are taken only if asked for or found by name and complete.
        text_separator: What stands between joined columns.
        preferred: The columns of the training run: used where this file has them, otherwise found anew and noted.
        preferred_labels: The labels of the training run: they tell which column stands in for its label column, and
            which of several labels a row are unknown.

    Raises:
        UserError: the source cannot be read, a column is missing, no row is left, or the file has neither the label
            column of the training run nor another one with its labels; a label column is not written as said above;
            the file has several labels a row and the training run had one.
    """
    asked = Wanted(listed(text_columns), asked_labels(label_column, label_separator), label_separator)
    wanted = asked
    notes: list[str] = []
    usual = () if preferred is None else (*preferred.text, *preferred.labels)
    with open_table(source, (*asked.text, *asked.labels) or usual) as file:
        if preferred is not None:
            wanted = with_preferred(asked, preferred, file.columns, file.name, need_label=need_label)
        by_values = preferred is not None and need_label and not wanted.labels
        known = all(column in file.columns for column in (*wanted.text, *wanted.labels))
        text, labels = columns_by_name(file.columns, wanted.text, wanted.labels, file.name) if known else ((), ())
        # Reading only what is needed saves memory; a guess by content has to see all columns.
        enough = text and (labels or not need_label) and not by_values
        table = file.read((*text, *labels) if enough else None)
        if preferred is not None and by_values:
            label, note = label_by_values(table, wanted, preferred, preferred_labels)
            wanted = replace(wanted, labels=(label,))
            notes.append(note)
        columns = find_columns(
            table,
            wanted.text,
            wanted.labels,
            need_label=need_label,
            label_separator=wanted.separator,
            why=reasons_of(asked, by_values),
        )
        if preferred is not None and not wanted.text:
            notes.append(other_text_note(columns, preferred, file.columns, table.source))
        if columns.guessed:
            notes.append(f"{table.source}: {columns.reason}.")
        if preferred is None:
            notes.extend(_other_readings(file, table, columns, asked))
        else:
            columns = as_trained(columns, preferred, table.source)
    examples = _examples(table, columns, need_label, text_separator, notes)
    if examples.targets is None or not preferred_labels:
        return examples
    unknown = unknown_label_notes(examples.targets, examples.label_names, preferred_labels, table.source)
    return replace(examples, notes=(*examples.notes, *unknown))


def texts_of(table: Table, columns: Sequence[str], separator: str = " ") -> Texts:
    """The text of every row of a table; a missing one is empty. For prediction, where no row may be dropped."""
    return Texts(pc.fill_null(joined([table.data[column] for column in columns], separator), ""))


def require_classes(examples: Examples) -> None:
    """Checks that a classifier can be trained on `examples`.

    Raises:
        UserError: no labels, one class only, more classes than half the rows, or nothing but blank texts; with several
            labels a row, none that some rows have and others lack.
    """
    name = examples.source
    if examples.labels is None and examples.targets is None:
        raise UserError(f"{name}: expected a column of labels, found none. Name it, e.g. --label-column class.")
    _require_text(examples.texts.array, examples.columns, name)
    column = f'label column "{examples.columns.label}"' if examples.columns.label else "the label columns"
    if examples.targets is not None:
        require_label_sets(examples.targets, examples.label_names, f"{name}: {column}")
        return
    assert examples.labels is not None
    codes = np.unique(examples.labels)
    if len(codes) < 2:
        raise UserError(
            f'{name}: {column} holds one class only, "{examples.label_names[int(codes[0])]}". Expected two or more: '
            "add rows of another class, or name another column."
        )
    if len(codes) * 2 > len(examples) and len(codes) > 2:
        raise UserError(
            f"{name}: {column} holds {len(codes)} classes in {len(examples)} rows: more than half the rows have a "
            "class of their own. Is it an id, a number to predict, or a text? Name another column."
        )


def _other_readings(file: TableFile, table: Table, columns: Columns, asked: Wanted) -> list[str]:
    """Sentences about other ways in which the file could be meant, as far as the user did not ask for one."""
    hints: list[str | None] = []
    if not asked.text:
        rest = [column for column in file.columns if column not in (*columns.text, *columns.labels)]
        hints.append(other_texts_hint(file.head(rest, HEAD_ROWS), columns.text, file.columns, table.source))
    if columns.label is not None and not columns.multi_label:
        cells = table.data[columns.label]
        hints.append(joined_labels_hint(cells, columns.label, table.source))
        if not asked.labels and find_name([columns.label], LABEL_NAMES) is None and holds_indicators(cells):
            rest = [column for column in file.columns if column not in (*columns.text, columns.label)]
            hints.append(indicators_hint(file.head(rest, HEAD_ROWS), columns.label, file.columns, table.source))
    return [hint for hint in hints if hint is not None]


def _examples(table: Table, columns: Columns, need_label: bool, separator: str, notes: list[str]) -> Examples:
    texts = joined([table.data[column] for column in columns.text], separator)
    labels = [table.data[column] for column in columns.labels]
    rows = table.rows
    missing_text = pc.is_null(texts).to_numpy()
    missing_label = np.zeros(len(texts), bool)
    if labels:
        # A blank cell is no class, but of several labels a row may have none.
        missing = [pc.is_null(cells).to_numpy() if columns.multi_label else is_blank(cells) for cells in labels]
        missing_label = np.logical_and.reduce(missing)
        if not need_label and missing_label.any():
            gaps = " + ".join(f'"{column}"' for column in columns.labels)
            notes.append(f"{table.source}: column {gaps} has gaps, so its labels are left out.")
            labels, missing_label = [], np.zeros(len(texts), bool)
    dropped = missing_text | missing_label
    if dropped.any():
        for mask, what in ((missing_text, "text"), (missing_label & ~missing_text, "label")):
            if mask.any():
                notes.append(dropped_note(table, mask, what))
        if dropped.all():
            raise UserError(
                f"{table.source}: no row has both a text and a label ({columns.reason}). Check the columns."
            )
        keep = pa.array(~dropped)
        texts, rows = texts.filter(keep), rows[~dropped]
        labels = [cells.filter(keep) for cells in labels]
    if need_label:
        _require_text(texts, columns, table.source)
    codes, targets = None, None
    label_names: tuple[str, ...] = ()
    if not labels:
        columns = Columns(columns.text, None, columns.reason, columns.guessed)
    elif not columns.multi_label:
        codes, label_names = coded(labels[0])
        notes.extend(class_notes(codes, label_names, table.source))
    else:
        if columns.indicators:
            label_names = columns.indicators
            targets = targets_of_indicators(labels, label_names, rows, table.source)
        else:
            targets, label_names = targets_of_cells(labels[0], columns.label_separator, columns.labels[0], table.source)
        notes.extend(label_set_notes(targets, label_names, table.source))
    return Examples(
        Texts(texts),
        codes,
        label_names,
        rows,
        columns,
        table.source,
        table.description,
        table.fingerprint,
        tuple(notes),
        targets,
    )


def _require_text(texts: pa.ChunkedArray, columns: Columns, name: str) -> None:
    if is_blank(texts).all():
        named = " + ".join(f'"{column}"' for column in columns.text)
        raise UserError(
            f"{name}: all texts in column {named} are empty. Name the column with texts, e.g. --text-column."
        )
