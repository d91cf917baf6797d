"""Scores the SavedModel of a folder on labelled texts, and labels texts that have none."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kerasnlp_kit.api.documents import how_to_load
from kerasnlp_kit.api.load import LoadedModel
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.api.scoring import Metrics, Scores, characters, learning_curve, report_fields, report_gold, score
from kerasnlp_kit.constants import LINEAR
from kerasnlp_kit.data.columns import Columns, find_columns, other_columns_note
from kerasnlp_kit.data.copying import read_to_copy, write_copy
from kerasnlp_kit.data.examples import Examples, read_examples, texts_of
from kerasnlp_kit.data.label_sets import joined_names, separator_for
from kerasnlp_kit.data.texts import blank_notes
from kerasnlp_kit.data.writing import keeps_types, number_cells, require_free_place, require_table_name, write_table
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import BASELINE, ModelFolder, longest_read

_PIECE_ROWS = 10_000
PREDICTED: tuple[str, ...] = ("predicted_label", "probability")
ABSTAIN = "abstain"


@dataclass(frozen=True)
class Evaluation:
    """What a SavedModel reached on a file.

    Attributes:
        scores: metrics, and how they stand beside the majority and the linear baseline.
        examples: the rows.
        probabilities: float32 (rows, classes).
        model: the loaded model.
        notes: what the user should hear.
    """

    scores: Scores
    examples: Examples
    probabilities: np.ndarray
    model: LoadedModel
    notes: tuple[str, ...]

    @property
    def data(self) -> str:
        """What was evaluated on."""
        return self.examples.source

    def how_to_load(self) -> str:
        """Python that loads the model."""
        return how_to_load(self.model.saved_model, multi_label=self.model.multi_label)

    @property
    def metrics(self) -> Metrics:
        """Accuracy and the like; of a model with several labels a row, micro F1 and the like."""
        return self.scores.metrics

    def write_predictions(self, path: str | os.PathLike[str], *, spreadsheet_safe: bool = False) -> None:
        """Writes text, label, predicted_label and probability of each row, and whether the model abstains if it may."""
        examples = self.examples
        require_table_name(path, examples.source)
        gold: Sequence[Any] = report_gold(examples)
        if examples.targets is not None and not gives_lists(self.model, path):  # joined as the predicted ones are
            gold = joined_names(examples.targets, examples.label_names, label_separator_of(self.model))
        cells = predicted_cells(self.model, self.probabilities, path)
        rows = {
            "text": examples.texts.array,
            "label": gold,
            **dict(zip(predicted_names(self.model), cells, strict=True)),
        }
        write_table(path, rows, spreadsheet_safe=spreadsheet_safe)

    def write_report(self, path: str | os.PathLike[str], *, texts: bool = True) -> None:
        """Writes a report.html of these rows."""
        from kerasnlp_kit.evaluation.report import ReportData, write_report

        require_free_place(path, self.examples.source)
        run = self.model.run
        data = ReportData(
            title=self.model.folder.name,
            subtitle=f"{run['model']}, evaluated on {self.examples.source}",
            facts={"model": run["model"], "SavedModel": str(self.model.saved_model), "finished": run["finished"]},
            data_name=self.examples.source,
            gold=report_gold(self.examples),
            texts=self.examples.texts if texts else None,
            warnings=self.notes,
            thresholds=self.model.thresholds,
            measured="These texts",
            **self._lengths(),
            **learning_curve(run),
            **report_fields(self.scores),
        )
        write_report(path, data)

    def _lengths(self) -> dict[str, Any]:
        """What `ReportData` takes of the lengths of the texts."""
        longest = longest_read(self.model.run)
        if not longest:
            return {"lengths": characters(self.examples), "length_unit": "characters"}
        return {"lengths": self.model.files.tokenizer().encode(self.examples.texts).lengths, "max_length": longest}


def evaluate(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text_columns: str | Sequence[str] = (),
    label_columns: str | Sequence[str] = (),
    label_separator: str | None = None,
    out_of_scope: str | os.PathLike[str] | None = None,
) -> Evaluation:
    """Scores the exported SavedModel, not a model in memory.

    Args:
        folder: models/NAME.
        data: file with texts and labels; columns of the names used in training are preferred.
        text_columns: columns of the text, if they have other names here.
        label_columns: likewise.
        label_separator: what stands between the labels of a row, if it is not what it was in training.
        out_of_scope: file of texts that belong to no class, to measure how many of them the model would abstain from.

    Raises:
        UserError: the folder or the file is not as it should be; the file has no labels; texts out of scope for a
            model that may give a text none of its labels.
    """
    model = LoadedModel(folder, files=(data, out_of_scope))
    if model.multi_label and out_of_scope is not None:
        raise UserError("--out-of-scope needs one label a row; this model may give a text none of its labels.")
    examples = read_examples(
        data,
        text_columns,
        label_columns or None,
        label_separator=label_separator,
        text_separator=model.run["data"]["text_separator"],
        preferred=_columns(model.run),
        preferred_labels=model.labels,
    )
    others = None
    if out_of_scope is not None:
        others = read_examples(
            out_of_scope,
            text_columns,
            need_label=False,
            text_separator=model.run["data"]["text_separator"],
            preferred=_columns(model.run),
        )
    probabilities = model.predict_proba(examples.texts)
    scores = score(
        examples,
        probabilities,
        model.labels,
        class_counts=model.run["data"]["classes"],
        thresholds=model.run["decision"]["thresholds"],
        min_precision=model.run["options"].get("min_precision"),
        baseline=_baseline_scores(model, examples),
        baseline_thresholds=model.run["decision"].get("baseline_thresholds"),
        outside=None if others is None else model.predict_proba(others.texts),
    )
    notes = [*examples.notes, *(() if others is None else others.notes)]
    for asked in (examples,) if others is None else (examples, others):
        notes += blank_notes(asked.texts, asked.source)
    return Evaluation(scores, examples, probabilities, model, tuple(notes))


def _baseline_scores(model: LoadedModel, examples: Examples) -> np.ndarray | None:
    """Scores of the linear model in the folder: float (rows, classes); None where the model itself is that."""
    folder = ModelFolder(model.folder)
    path = folder.path / BASELINE
    kinds = [part["kind"] for part in model.run["parts"]]
    if kinds == [LINEAR] or not path.exists():
        return None
    return folder.linear(path).scores(examples.texts)


def label_file(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    text_columns: str | Sequence[str] = (),
    spreadsheet_safe: bool = False,
    say: Say = print,
) -> int:
    """Labels the texts of a file: all its columns, predicted_label, probability and, if the model may abstain, abstain.

    If the file has a column of these names, the new ones are predicted_label_2 and probability_2, and so on.

    Args:
        folder: models/NAME.
        data: file with texts; every row is labelled, a missing text counts as an empty one.
        output: file to write; see `write_table`.
        text_columns: columns of the text; by default those of the training, else found.
        spreadsheet_safe: see `write_table`.
        say: told of empty texts, and if columns have other names than usual.

    Returns:
        Number of rows.
    """
    require_table_name(output, data)
    model = LoadedModel(folder, files=(data,))
    trained = _columns(model.run).text
    table, columns_of_text = read_to_copy(data, text_columns, trained, output)
    text = find_columns(table, tuple(columns_of_text), need_label=False).text
    if not columns_of_text:
        say(other_columns_note(table.source, trained, text, "--text-column"))
    texts = texts_of(table, text, model.run["data"]["text_separator"])
    for note in blank_notes(texts, table.source):
        say(f"note: {note}")
    cells = predicted_cells(model, model.predict_proba(texts), output)
    write_copy(output, table, predicted_names(model), cells, spreadsheet_safe=spreadsheet_safe, say=say)
    return len(table)


def label_separator_of(model: LoadedModel) -> str:
    """What stands between labels: as in the training file, or what none of them holds."""
    return model.run["data"]["columns"].get("label_separator") or separator_for(model.labels)


def predicted_names(model: LoadedModel) -> tuple[str, ...]:
    """Names of the columns that `predicted_cells` gives."""
    return PREDICTED if model.multi_label or model.thresholds is None else (*PREDICTED, ABSTAIN)


def gives_lists(model: LoadedModel, output: str | os.PathLike[str]) -> bool:
    """Whether several labels of a row are written as a list: where the format has lists, unless they were joined."""
    return model.multi_label and keeps_types(output) and not model.run["data"]["columns"].get("label_separator")


def predicted_cells(
    model: LoadedModel, probabilities: np.ndarray, output: str | os.PathLike[str]
) -> tuple[pa.ChunkedArray, ...]:
    """Label, probability and abstention as columns: text, number, truth value.

    Several labels of a row, and their probabilities, are lists (`gives_lists`) or texts, joined by
    `label_separator_of`. A piece at a time, as Python's strings weigh several times as much.
    """
    separator = None if gives_lists(model, output) else label_separator_of(model)
    of_answers, of_shares = (pa.list_(pa.string()), pa.list_(pa.float64())) if separator is None else [pa.string()] * 2
    answers, shares = [], []
    for start in range(0, len(probabilities), _PIECE_ROWS):
        piece = probabilities[start : start + _PIECE_ROWS]
        found = model.answers(piece)
        if model.multi_label:
            place = {name: number for number, name in enumerate(model.labels)}
            several: list[Any] = [
                [round(float(row[place[name]]), 6) for name in names] for names, row in zip(found, piece, strict=True)
            ]
            if separator is not None:
                several = [separator.join(f"{share:.6f}" for share in one) for one in several]
                found = [separator.join(names) for names in found]
            shares.append(pa.array(several, of_shares))
        answers.append(pa.array(found, of_answers))
    columns = (
        pa.chunked_array(answers, of_answers),
        pa.chunked_array(shares, of_shares) if model.multi_label else number_cells(probabilities.max(axis=1)),
        pa.chunked_array([model.abstains(probabilities)], pa.bool_()),
    )
    return columns[: len(predicted_names(model))]


def _columns(run: Mapping[str, Any]) -> Columns:
    columns = run["data"]["columns"]
    return Columns(
        tuple(columns["text"]),
        columns["label"],
        "the columns of the training",
        indicators=tuple(columns["indicators"]),
        multi_label=columns["multi_label"],
        label_separator=columns["label_separator"],
    )
