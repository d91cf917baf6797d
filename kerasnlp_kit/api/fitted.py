"""A part of a model once it is fitted, and how well it does on the dev rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasnlp_kit.api.preparation import Prepared
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.config import RunConfig, TrainingOptions
from kerasnlp_kit.constants import NETWORK
from kerasnlp_kit.evaluation.scales import fit_scales, fit_scales_binary


@dataclass
class Fitted:
    """A part of a model.

    Attributes:
        record: its entry in run.json; the weights are in the folder, under its name.
        dev_scores: float (dev rows, classes), from training rows alone.
        options: of the training, for networks.
        facts: what the report says of it.
    """

    record: dict[str, Any]
    dev_scores: np.ndarray
    options: TrainingOptions | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the part, its weights and its checkpoints."""
        return self.record["name"]

    @property
    def is_network(self) -> bool:
        """Whether it is a network, and no linear model."""
        return self.record["kind"] == NETWORK

    @property
    def sound(self) -> bool:
        """Whether all its scores are numbers."""
        return bool(np.isfinite(self.dev_scores).all())

    @property
    def weights_on_dev(self) -> int:
        """How many weights were found on dev, its scale among them."""
        return len(self.record.get("shares") or (1,))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended its training."""
        return bool(self.record["training"].get("interrupted"))


def dev_measure(prepared: Prepared, scores: np.ndarray) -> float:
    """Accuracy on dev; where a row may have several labels, micro-averaged F1 of the labels with a score above 0."""
    labels = prepared.dev.labels
    if not prepared.multi_label:
        return float((scores.argmax(axis=1) == labels).mean())
    chosen = scores > 0
    return float(2 * (chosen & labels).sum() / max(1, chosen.sum() + labels.sum()))


def stack(prepared: Prepared, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Weights of several scores that make the dev labels most probable, and how improbable they then still are.

    Returns:
        float64 (scores,), and the negative log-likelihood of all dev rows together. What adds a weight should lower
        the latter by more than 1 (Akaike 1974, "A New Look at the Statistical Model Identification").
    """
    labels = prepared.dev.labels
    if prepared.multi_label:
        # Of a label that all training rows have, or none, the scores say nothing, and that with much force.
        told = prepared.train.labels.any(axis=0) & ~prepared.train.labels.all(axis=0)
        some = told if told.any() else slice(None)
        weights = fit_scales_binary([one[:, some] for one in scores], labels[:, some])
    else:
        weights = fit_scales(scores, labels)
    joined = np.sum([weight * np.asarray(one, "float64") for weight, one in zip(weights, scores, strict=True)], axis=0)
    if prepared.multi_label:
        return weights, float((np.logaddexp(0, joined) - labels * joined).sum())
    right = joined[np.arange(len(labels)), labels]
    return weights, float((np.logaddexp.reduce(joined, axis=1) - right).sum())


def row_weights(run: Run[RunConfig], labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Weights of rows in the loss, if class weights are asked for: float32 (rows,)."""
    from kerasnlp_kit.training.optimization import balanced_weights

    if not run.config.training.class_weights:
        return None
    return balanced_weights(labels, classes)
