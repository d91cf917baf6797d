"""What an autoencoder says of texts, and what its vectors carry; in NumPy."""

from dataclasses import dataclass

import numpy as np

ACTIVE = 0.01  # variance of a dimension's mean over texts from which on it is active (Burda et al. 2016)


@dataclass(frozen=True)
class LatentScores:
    """What a network says of texts; arrays have a row for each.

    Attributes:
        log_probability: given a vector drawn from the text's posterior, float64 (texts,).
        divergence: float64 (texts,).
        mean: float32 (texts, latent).
        log_variance: likewise.
        log_weight: float64 (texts,), see `autoencoding.Bound`; None where nobody asked for it.
    """

    log_probability: np.ndarray
    divergence: np.ndarray
    mean: np.ndarray
    log_variance: np.ndarray
    log_weight: np.ndarray | None = None

    @property
    def bound(self) -> np.ndarray:
        """Lower bounds of the log-probabilities: float64 (texts,)."""
        return self.log_probability - self.divergence


def active_units(mean: np.ndarray) -> int:
    """Dimensions whose mean varies over texts: float (texts, latent); Burda et al. 2016, section 5.2."""
    return int((mean.var(axis=0) > ACTIVE).sum())


def mutual_information(mean: np.ndarray, log_variance: np.ndarray, noise: np.ndarray) -> float:
    """Nats that a vector tells of which text it is of: Hoffman & Johnson 2016, "ELBO surgery".

    The mean of ``log q(z|x) - log q(z)`` over vectors z drawn for each text, where q(z) is the mixture of the
    posteriors of these texts; so it is at most ``log(texts)``.

    Args:
        mean: float (texts, latent).
        log_variance: likewise.
        noise: likewise, from the standard normal distribution.
    """
    mean, log_variance = mean.astype("float64"), log_variance.astype("float64")
    vectors = mean + np.exp(0.5 * log_variance) * noise
    precision = np.exp(-log_variance)
    told = []
    for row, vector in enumerate(vectors):
        by_text = -0.5 * (log_variance + np.square(vector - mean) * precision).sum(axis=1)
        highest = by_text.max()
        told.append(by_text[row] - highest - np.log(np.exp(by_text - highest).mean()))
    return float(np.mean(told)) if told else 0.0
