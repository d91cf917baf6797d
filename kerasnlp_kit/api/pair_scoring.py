"""Scores the texts that a SavedModel wrote, beside the obvious."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.constants import UNK
from kerasnlp_kit.data.pairs import Pairs
from kerasnlp_kit.evaluation.generation import GenerationMetrics, score_generation
from kerasnlp_kit.evaluation.generation_baselines import (
    GenerationComparison,
    NearestNeighbour,
    compare_generation,
    copy_source,
)

COPY = "copying the source"
NEAREST = "the nearest training row"
MANY_UNKNOWN = 0.01  # share of the tokens of targets, from which on it is told


@dataclass(frozen=True)
class GroupedPairs:
    """Each source once, with all the targets that it has in the file.

    Attributes:
        sources: in the order of the file.
        references: targets of each.
        rows: rows of the file.
    """

    sources: list[str]
    references: list[tuple[str, ...]]
    rows: int

    def note(self) -> str | None:
        """What to say where sources have several targets."""
        if self.rows == len(self.sources):
            return None
        return f"{self.rows:,} rows with {len(self.sources):,} different sources: any target of a source is right"

    def take(self, places: np.ndarray) -> "GroupedPairs":
        """Some of the sources, by their places, with all their targets."""
        sources, references = ([side[place] for place in places] for side in (self.sources, self.references))
        return GroupedPairs(sources, references, sum(map(len, references)))


def grouped(pairs: Pairs) -> GroupedPairs:
    """Rows of equal sources together."""
    targets: dict[str, dict[str, None]] = {}
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        targets.setdefault(source, {})[target] = None
    return GroupedPairs(list(targets), [tuple(found) for found in targets.values()], len(pairs))


def beyond_model(
    source: Any, target: Any, part: Mapping[str, Any], sources: Sequence[str], targets: Sequence[str] = ()
) -> list[str]:
    """What a model cannot read of sources, and cannot write of targets, in words.

    Args:
        source: tokenizer of the sources.
        target: tokenizer of the targets.
        part: of run.json.
        sources: of a file.
        targets: likewise, if it has any.
    """
    notes = []
    if cut := int((source.encode(sources).lengths > part["max_source"]).sum()):
        longer = "1 source is" if cut == 1 else f"{cut:,} sources are"
        notes.append(f"{longer} longer than the {part['max_source']} tokens that the model reads: cut there.")
    tokens = target.encode(targets).values
    if len(tokens) and (unknown := float((tokens == UNK).mean())) >= MANY_UNKNOWN:
        can = "write them by copying only" if part["copy_unknown"] else "write none of them"
        notes.append(f"{unknown:.1%} of the tokens of the targets are unknown: the model can {can}.")
    return notes


@dataclass(frozen=True)
class GenerationScores:
    """What outputs are worth.

    Attributes:
        metrics: exact match, BLEU and the like.
        comparisons: with copying the source and, where the training rows are at hand, with the nearest of them.
    """

    metrics: GenerationMetrics
    comparisons: dict[str, GenerationComparison]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            **self.metrics.to_json(),
            "comparisons": {name: one.to_json() for name, one in self.comparisons.items()},
        }

    def lines(self) -> list[str]:
        """For the terminal, after the table of the metrics."""
        return [line for name, one in self.comparisons.items() for line in one.lines(name)]


def score_outputs(
    rows: GroupedPairs, outputs: Sequence[str], *, nearest: NearestNeighbour | None = None, rouge: bool = False
) -> GenerationScores:
    """Scores outputs against the targets.

    Args:
        rows: sources and their targets.
        outputs: one for each source.
        nearest: of the training rows.
        rouge: whether to compute ROUGE-L.
    """
    baselines = {COPY: copy_source(rows.sources)}
    if nearest is not None:
        baselines[NEAREST] = nearest.predict(rows.sources)
    return GenerationScores(
        score_generation(rows.sources, rows.references, outputs, rouge=rouge),
        {name: compare_generation(rows.references, outputs, texts) for name, texts in baselines.items()},
    )
