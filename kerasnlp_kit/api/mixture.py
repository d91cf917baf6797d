"""Parts that answer together, with weights found on the dev rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnlp_kit.api.fitting import Fitted, dev_measure
from kerasnlp_kit.api.preparation import Prepared
from kerasnlp_kit.evaluation.decision import fit_scales, fit_scales_binary


@dataclass(frozen=True)
class Mixture:
    """One part or several.

    Attributes:
        parts: fitted on the training rows.
        scales: weight of each part's scores.
        measure: see `dev_measure`.
    """

    parts: tuple[Fitted, ...]
    scales: tuple[float, ...]
    measure: float

    @property
    def name(self) -> str:
        """Names of the parts."""
        return " + ".join(part.name for part in self.parts)

    @property
    def dev_scores(self) -> np.ndarray:
        """Logits on dev: float64 (rows, classes)."""
        pairs = zip(self.scales, self.parts, strict=True)
        return np.sum([scale * np.asarray(part.dev_scores, "float64") for scale, part in pairs], axis=0)

    def log_loss(self, prepared: Prepared) -> float:
        """On dev, natural logarithm."""
        labels, scores = prepared.dev.labels, self.dev_scores
        if prepared.multi_label:
            return float((np.logaddexp(0, scores) - labels * scores).mean())
        return float((np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(labels)), labels]).mean())


def mix(prepared: Prepared, parts: Sequence[Fitted], *, calibrate: bool = True) -> Mixture:
    """Parts with the weights that make the dev labels most probable: calibration and mixture at once.

    Args:
        prepared: with the dev labels.
        parts: one or more.
        calibrate: whether a single part is scaled too; several are in any case.
    """
    fit = fit_scales_binary if prepared.multi_label else fit_scales
    if len(parts) > 1 or calibrate:
        scales = tuple(float(scale) for scale in fit([part.dev_scores for part in parts], prepared.dev.labels))
    else:
        scales = (1.0,)
    unmeasured = Mixture(tuple(parts), scales, 0.0)
    return Mixture(tuple(parts), scales, dev_measure(prepared, unmeasured.dev_scores))
