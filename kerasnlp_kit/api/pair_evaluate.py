"""Scores the SavedModel of a model that writes on pairs, and writes for texts that have no target."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kerasnlp_kit.api.pair_documents import how_to_load_writer
from kerasnlp_kit.api.pair_scoring import GenerationScores, GroupedPairs, grouped, score_outputs
from kerasnlp_kit.api.preparation import Say
from kerasnlp_kit.api.writer import LoadedWriter
from kerasnlp_kit.data.columns import other_columns_note
from kerasnlp_kit.data.copying import read_to_copy, write_copy
from kerasnlp_kit.data.examples import texts_of
from kerasnlp_kit.data.pair_columns import PairColumns, find_source_column
from kerasnlp_kit.data.pairs import Pairs, read_pairs
from kerasnlp_kit.data.texts import blank_notes
from kerasnlp_kit.data.writing import number_cells, require_free_place, require_table_name, write_table
from kerasnlp_kit.evaluation.generation import GenerationMetrics
from kerasnlp_kit.evaluation.generation_baselines import NearestNeighbour

PREDICTED = ("predicted_target", "score")


@dataclass(frozen=True)
class PairEvaluation:
    """What a SavedModel wrote for the pairs of a file.

    Attributes:
        scores: metrics, and how they stand beside the obvious.
        pairs: the rows of the file.
        rows: each source once, with its targets.
        outputs: one for each source.
        totals: their scores, float32 (sources,).
        model: the loaded model.
        notes: what the user should hear.
    """

    scores: GenerationScores
    pairs: Pairs
    rows: GroupedPairs
    outputs: list[str]
    totals: np.ndarray
    model: LoadedWriter
    notes: tuple[str, ...]

    @property
    def metrics(self) -> GenerationMetrics:
        """Exact match and the like."""
        return self.scores.metrics

    @property
    def data(self) -> str:
        """What was evaluated on."""
        return self.pairs.source

    def how_to_load(self) -> str:
        """Python that loads the model."""
        return how_to_load_writer(self.model.saved_model, self.model.run["parts"][0]["library"])

    def write_predictions(self, path: str | os.PathLike[str], *, spreadsheet_safe: bool = False) -> None:
        """Writes source, target, predicted_target and score of each row of the file."""
        require_table_name(path, self.pairs.source)
        place = {source: number for number, source in enumerate(self.rows.sources)}
        numbers = [place[source] for source in self.pairs.sources]
        write_table(
            path,
            {
                "source": self.pairs.sources.array,
                "target": self.pairs.targets.array,
                PREDICTED[0]: pa.array([self.outputs[number] for number in numbers], pa.string()),
                PREDICTED[1]: number_cells(self.totals[numbers]),
            },
            spreadsheet_safe=spreadsheet_safe,
        )

    def write_report(self, path: str | os.PathLike[str], *, texts: bool = True) -> None:
        """Writes a report.html of these rows."""
        from kerasnlp_kit.evaluation.generation_report import GenerationReportData, write_generation_report

        require_free_place(path, self.pairs.source)
        run = self.model.run
        scores = None
        if texts:
            # Asked for, because those of a beam search are divided by its penalty for length.
            log_probabilities, lengths = self.model.score(self.rows.sources, self.outputs)
            scores = log_probabilities / lengths
        typical = int(np.argsort([len(source) for source in self.rows.sources], kind="stable")[len(self.outputs) // 2])
        data = GenerationReportData(
            title=self.model.folder.name,
            subtitle=f"{run['model']}, evaluated on {self.pairs.source}",
            facts={"model": run["model"], "SavedModel": str(self.model.saved_model), "finished": run["finished"]},
            data_name=self.pairs.source,
            metrics=self.metrics,
            sources=self.rows.sources if texts else None,
            references=self.rows.references if texts else None,
            predictions=self.outputs if texts else None,
            scores=scores,
            warnings=self.notes,
            how_to_load=self.how_to_load(),
            comparisons=self.scores.comparisons,
            attention=self.model.attention(self.rows.sources[typical]) if texts else None,
        )
        write_generation_report(path, data)


def evaluate_writer(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    source_column: str | None = None,
    target_column: str | None = None,
    beam: int = 1,
    rouge: bool = False,
    nearest: str | os.PathLike[str] | None = None,
) -> PairEvaluation:
    """Scores what the exported SavedModel writes, not a model in memory.

    Args:
        folder: models/NAME.
        data: file with sources and targets; columns of the names used in training are preferred.
        source_column: column of the sources, if it has another name here.
        target_column: likewise.
        beam: outputs in sight; 1 writes greedily.
        rouge: whether to compute ROUGE-L, which is for summaries.
        nearest: file of training pairs, to set the target of the nearest one beside the model.

    Raises:
        UserError: the folder or a file is not as it should be.
    """
    model = LoadedWriter(folder, files=(data, nearest))
    preferred = _columns(model.run)
    pairs = read_pairs(data, source_column, target_column, preferred=preferred)
    neighbours = None
    if nearest is not None:
        known = read_pairs(nearest, source_column, target_column, preferred=preferred)
        neighbours = NearestNeighbour(list(known.sources), list(known.targets))
    rows = grouped(pairs)
    outputs, totals = model.write(rows.sources, beam=beam)
    scores = score_outputs(rows, outputs, nearest=neighbours, rouge=rouge)
    beyond = model.beyond(rows.sources, [target for some in rows.references for target in some])
    notes = (*pairs.notes, *filter(None, [rows.note()]), *beyond)
    return PairEvaluation(scores, pairs, rows, outputs, totals, model, notes)


def write_file(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    source_column: str | None = None,
    spreadsheet_safe: bool = False,
    say: Say = print,
    **options: Any,
) -> int:
    """Writes for the sources of a file: all its columns, predicted_target and score.

    If the file has a column of these names, the new ones are predicted_target_2 and score_2, and so on.

    Args:
        folder: models/NAME.
        data: file with sources; a missing one counts as an empty one.
        output: file to write; see `write_table`.
        source_column: column of the sources; by default that of the training, else found.
        spreadsheet_safe: see `write_table`.
        say: told of empty and of long sources, and if columns have other names than usual.
        options: see `LoadedWriter.write`.

    Returns:
        Number of rows.
    """
    require_table_name(output, data)
    model = LoadedWriter(folder, files=(data,))
    trained = _columns(model.run).source
    asked = [source_column] if source_column else []
    table, columns_of_sources = read_to_copy(data, asked, [trained], output)
    column = find_source_column(table, columns_of_sources[0] if columns_of_sources else None)
    if not columns_of_sources:
        say(other_columns_note(table.source, [trained], [column], "--source-column"))
    sources = texts_of(table, [column])
    for note in (*blank_notes(sources, table.source), *model.beyond(sources)):
        say(f"note: {note}")
    written, totals = model.write(sources, **options)
    cells = pa.chunked_array([pa.array(written, pa.string())]), number_cells(totals)
    write_copy(output, table, PREDICTED, cells, spreadsheet_safe=spreadsheet_safe, say=say)
    return len(table)


def _columns(run: Mapping[str, Any]) -> PairColumns:
    columns = run["data"]["columns"]
    return PairColumns(columns["source"], columns["target"], "the columns of the training")
