"""Scores the SavedModel of a folder on labelled texts, and labels texts that have none."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kerasnlp_kit.api.load import LoadedModel
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.data.columns import Columns, find_columns
from kerasnlp_kit.data.examples import Examples, read_examples, texts_of
from kerasnlp_kit.data.table import read_table
from kerasnlp_kit.data.writing import require_table_name, write_table
from kerasnlp_kit.evaluation.metrics import ClassificationMetrics, classification_metrics

_PIECE_ROWS = 10_000
PREDICTED: tuple[str, ...] = ("predicted_label", "probability")


@dataclass(frozen=True)
class Evaluation:
    """What a SavedModel reached on a file.

    Attributes:
        metrics: see ClassificationMetrics.
        examples: the rows.
        probabilities: float32 (rows, classes).
        model: the loaded model.
    """

    metrics: ClassificationMetrics
    examples: Examples
    probabilities: np.ndarray
    model: LoadedModel

    def write_predictions(self, path: str | os.PathLike[str]) -> None:
        """Writes text, label, predicted_label and probability of each row."""
        rows = {
            "text": self.examples.texts.array,
            "label": self.examples.gold(),
            **dict(zip(PREDICTED, predicted_cells(self.model, self.probabilities), strict=True)),
        }
        write_table(path, rows)

    def write_report(self, path: str | os.PathLike[str], *, texts: bool = True) -> None:
        """Writes a report.html of these rows."""
        from kerasnlp_kit.evaluation.report import ReportData, write_report

        run = self.model.run
        data = ReportData(
            title=self.model.folder.name,
            subtitle=f"{run['model']}, evaluated on {self.examples.source}",
            facts={"model": run["model"], "SavedModel": str(self.model.saved_model), "finished": run["finished"]},
            data_name=self.examples.source,
            metrics=self.metrics,
            probabilities=self.probabilities,
            gold=self.examples.gold(),
            texts=self.examples.texts if texts else None,
            warnings=self.examples.notes,
        )
        write_report(path, data)


def evaluate(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text_columns: tuple[str, ...] = (),
    label_column: str | None = None,
) -> Evaluation:
    """Scores the exported SavedModel, not a model in memory.

    Args:
        folder: models/NAME.
        data: file with texts and labels; columns of the names used in training are preferred.
        text_columns: columns of the text, if they have other names here.
        label_column: likewise.

    Raises:
        UserError: the folder or the file is not as it should be; the file has no labels.
    """
    model = LoadedModel(folder)
    examples = read_examples(
        data,
        text_columns,
        label_column,
        text_separator=model.run["data"]["text_separator"],
        preferred=_columns(model.run),
        preferred_labels=model.labels,
    )
    probabilities = model.predict_proba(examples.texts)
    classes: Mapping[str, int] = model.run["data"]["classes"]
    metrics = classification_metrics(
        examples.gold(),
        probabilities,
        model.labels,
        majority_label=max(classes, key=lambda name: classes[name]),
    )
    return Evaluation(metrics, examples, probabilities, model)


def label_file(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    text_columns: tuple[str, ...] = (),
    spreadsheet_safe: bool = False,
    say: Say = print,
) -> int:
    """Labels the texts of a file: all its columns, and predicted_label and probability.

    If the file has a column of these names, the new ones are predicted_label_2 and probability_2, and so on.

    Args:
        folder: models/NAME.
        data: file with texts; every row is labelled, a missing text counts as an empty one.
        output: file to write; see `write_table`.
        text_columns: columns of the text; by default those of the training, else found.
        spreadsheet_safe: see `write_table`.
        say: told if the new columns have other names than usual.

    Returns:
        Number of rows.
    """
    require_table_name(output)
    model = LoadedModel(folder)
    table = read_table(data)
    trained = _columns(model.run).text
    if not text_columns and all(name in table.columns for name in trained):
        text_columns = trained
    text = find_columns(table, text_columns, need_label=False).text
    probabilities = model.predict_proba(texts_of(table, text, model.run["data"]["text_separator"]))
    columns = {name: table.data.column(name) for name in table.columns}
    names = _free_names(table.columns)
    if names != PREDICTED:
        say(f"note: the file has columns of the usual names, so the new ones are {' and '.join(names)}.")
    columns.update(zip(names, predicted_cells(model, probabilities), strict=True))
    write_table(output, columns, spreadsheet_safe=spreadsheet_safe)
    return len(table)


def predicted_cells(model: LoadedModel, probabilities: np.ndarray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Label and probability as columns of texts; a piece at a time, as Python's strings weigh several times as much."""
    labels, shares = [], []
    for start in range(0, len(probabilities), _PIECE_ROWS):
        piece = probabilities[start : start + _PIECE_ROWS]
        labels.append(pa.array([model.labels[index] for index in piece.argmax(axis=1)], pa.string()))
        shares.append(pa.array([f"{value:.6f}" for value in piece.max(axis=1)], pa.string()))
    return pa.chunked_array(labels, pa.string()), pa.chunked_array(shares, pa.string())


def _free_names(taken: Sequence[str]) -> tuple[str, ...]:
    """The names of the new columns, numbered alike if the file has one of them: an earlier answer stays as it is."""
    names, number = PREDICTED, 2
    while not set(names).isdisjoint(taken):
        names, number = tuple(f"{name}_{number}" for name in PREDICTED), number + 1
    return names


def _columns(run: Mapping[str, Any]) -> Columns:
    columns = run["data"]["columns"]
    return Columns(tuple(columns["text"]), columns["label"], "the columns of the training")
