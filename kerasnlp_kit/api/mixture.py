"""Parts that answer together, with weights found on the dev rows."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnlp_kit.api.fitted import Fitted, dev_measure, stack
from kerasnlp_kit.api.preparation import Prepared
from kerasnlp_kit.errors import TrainingDiverged


@dataclass(frozen=True)
class Mixture:
    """One part or several.

    Attributes:
        parts: fitted on the training rows.
        scales: weight of each part's scores.
        measure: see `dev_measure`.
        loss: negative log-likelihood of the dev rows together, calibrated.
    """

    parts: tuple[Fitted, ...]
    scales: tuple[float, ...]
    measure: float
    loss: float

    @property
    def misfit(self) -> float:
        """How badly the dev rows are explained, to compare mixtures by; see `stack`."""
        return self.loss + sum(part.weights_on_dev for part in self.parts)

    @property
    def name(self) -> str:
        """Names of the parts."""
        return " + ".join(part.name for part in self.parts)

    @property
    def networks(self) -> list[Fitted]:
        """The parts that are networks."""
        return [part for part in self.parts if part.is_network]

    @property
    def linear(self) -> list[Fitted]:
        """The part that is a linear model, if there is one."""
        return [part for part in self.parts if not part.is_network]

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear model alone, as the one that others are set beside."""
        return not self.networks

    @property
    def dev_scores(self) -> np.ndarray:
        """Logits on dev: float64 (rows, classes)."""
        pairs = zip(self.scales, self.parts, strict=True)
        return np.sum([scale * np.asarray(part.dev_scores, "float64") for scale, part in pairs], axis=0)


def mix(prepared: Prepared, parts: Sequence[Fitted], *, calibrate: bool = True) -> Mixture:
    """Parts with the weights that make the dev labels most probable: calibration and mixture at once.

    Args:
        prepared: with the dev labels.
        parts: one or more.
        calibrate: whether a single part is scaled too; several are in any case.

    Raises:
        TrainingDiverged: the scores of a part are no numbers.
    """
    if not all(part.sound for part in parts):
        raise TrainingDiverged
    weights, loss = stack(prepared, [part.dev_scores for part in parts])
    scales = tuple(map(float, weights)) if len(parts) > 1 or calibrate else (1.0,)
    unmeasured = Mixture(tuple(parts), scales, 0.0, loss)
    return dataclasses.replace(unmeasured, measure=dev_measure(prepared, unmeasured.dev_scores))
