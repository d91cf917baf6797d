"""From scores to honest probabilities: one weight for each part of a model, fitted on held-out rows."""

from collections.abc import Callable, Sequence

import numpy as np

_LEAST_SCALE = 1e-3  # in units of one over a part's spread


def fit_scales(scores: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Fits weights a >= 0 so that `softmax(sum_i a[i] * scores[i])` has the lowest negative log-likelihood.

    With one part this is temperature scaling with T = 1 / a (Guo et al. 2017, "On Calibration of Modern Neural
    Networks", section 4.2); with several it is stacking (Wolpert 1992, "Stacked Generalization") and calibration at
    once. The problem is convex and has no other parameter.

    On rows that are all right the likelihood alone would send the weights to infinity. As in Platt (1999),
    "Probabilistic Outputs for Support Vector Machines", the rows are therefore joined by imagined ones: a single row in
    total, spread evenly over all n rows and all K labels. So n rows that are alike and all right (K = 2) give a
    confidence of (n + 1/2) / (n + 1), the estimate of Krichevsky and Trofimov: certainty grows with the rows that
    support it. Unlike a penalty on the weights, this does not depend on the unit of the scores: scores ten times as
    large get weights a tenth as large.

    Args:
        scores: one array a part, float (n, K): logits, margins or log-probabilities, all finite. What is added to all
            scores of a row does not matter.
        labels: int (n,), the true labels, 0 to K - 1. Leave out rows whose label the model does not know.

    Returns:
        float64 (parts,). A part whose scores are all alike has 0. Where the best weights are all 0, because the scores
        are worse than none, they are tiny instead: the highest score stays the answer, with hardly any confidence.

    Raises:
        ValueError: no part or no row, shapes that do not agree, a label outside 0 to K - 1, a score that is not finite.
    """
    from scipy.special import logsumexp

    parts = _checked_parts(scores)
    n, k = parts[0].shape
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"Expected {n} labels from 0 to {k - 1}, one a row. Received: {labels!r}")
    parts = [part - part.mean(axis=1, keepdims=True) for part in parts]
    rows = np.arange(n)

    def likelihood(logits: np.ndarray) -> tuple[float, np.ndarray]:
        # The imagined row adds 1 / (n k) of every log-probability. As the logits of a row have the mean 0, and so have
        # the parts, by which the gradient is multiplied, its share of both comes to the factor 1 + 1 / n alone.
        total = logsumexp(logits, axis=1, keepdims=True)
        value = (1 + 1 / n) * total.sum() - logits[rows, labels].sum()
        gradient = np.exp(logits - total)
        gradient *= 1 + 1 / n
        gradient[rows, labels] -= 1
        return float(value), gradient

    return _lowest(parts, likelihood)


def fit_scales_binary(scores: Sequence[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """Fits weights a >= 0 so that `sigmoid(sum_i a[i] * scores[i])`, label by label, has the lowest log-loss.

    The same as `fit_scales`, for rows with any number of labels. All labels share the weights.

    Args:
        scores: one array a part, float (n, K), all finite; above 0 speaks for a label, below 0 against it.
        targets: bool (n, K), the labels a row has.

    Returns:
        float64 (parts,), see `fit_scales`.

    Raises:
        ValueError: no part or no row, shapes that do not agree, a score that is not finite.
    """
    from scipy.special import expit

    parts = _checked_parts(scores)
    n, k = parts[0].shape
    targets = np.asarray(targets)
    if targets.shape != (n, k):
        raise ValueError(f"Expected targets of the scores' shape {(n, k)}. Received: {targets.shape}")
    smoothed = targets + 1 / (2 * n)  # of an imagined row that has and lacks every label by half

    def likelihood(logits: np.ndarray) -> tuple[float, np.ndarray]:
        softplus = np.logaddexp(0, logits)
        return float(((1 + 1 / n) * softplus - smoothed * logits).sum()), (1 + 1 / n) * expit(logits) - smoothed

    return _lowest(parts, likelihood)


def _checked_parts(scores: Sequence[np.ndarray]) -> list[np.ndarray]:
    parts = [np.asarray(part, dtype=np.float64) for part in scores]
    shapes = {part.shape for part in parts}
    if len(shapes) != 1 or parts[0].ndim != 2 or not parts[0].size:
        raise ValueError(
            f"Expected at least one array of scores, all of one shape (n, K) with n > 0. Received: {sorted(shapes)}"
        )
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("Expected finite scores. Received: NaN or infinity")
    return parts


def _lowest(parts: list[np.ndarray], likelihood: Callable[[np.ndarray], tuple[float, np.ndarray]]) -> np.ndarray:
    """Minimises a convex function of `sum_i a[i] * parts[i]` over a >= 0.

    Args:
        parts: float64 (n, K) each.
        likelihood: maps logits (n, K) to its value, a sum over rows, and its gradient (n, K).
    """
    from scipy.optimize import minimize

    n = len(parts[0])
    spread = np.array([np.sqrt(np.mean(part**2)) for part in parts])
    # Searched in units of one over the spread, in which all weights are of the order of one whatever the scores' unit.
    unit = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scales = weights * unit
        logits = sum(scale * part for scale, part in zip(scales, parts, strict=True))
        value, gradient = likelihood(np.asarray(logits))
        slopes = np.array([np.vdot(gradient, part) for part in parts])
        return value / n, slopes * unit / n

    start = np.full(len(parts), 1 / len(parts))
    bounds = [(0.0, None)] * len(parts)
    options = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500}
    weights = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    if not (weights * unit).any():
        weights = np.full(len(parts), _LEAST_SCALE)
    return weights * unit
