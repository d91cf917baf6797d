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
    """

    log_probability: np.ndarray
    divergence: np.ndarray
    mean: np.ndarray
    log_variance: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """Lower bounds of the log-probabilities: float64 (texts,)."""
        return self.log_probability - self.divergence


def importance_bound(
    log_probabilities: np.ndarray, mean: np.ndarray, log_variance: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """A lower bound of log-probabilities by several vectors of each text, tighter with each further one.

    Burda et al. 2016, "Importance Weighted Autoencoders", equation 8: the logarithm of the mean of
    ``p(x|z) p(z) / q(z|x)`` over the vectors ``z = mean + deviation * noise``.

    Args:
        log_probabilities: given each vector, float (vectors, texts).
        mean: float (texts, latent).
        log_variance: likewise.
        noise: float (vectors, texts, latent), from the standard normal distribution.

    Returns:
        float64 (texts,)
    """
    mean, log_variance = mean.astype("float64"), log_variance.astype("float64")
    vectors = mean + np.exp(0.5 * log_variance) * noise
    weights = log_probabilities + 0.5 * (noise**2 + log_variance - vectors**2).sum(axis=-1)
    return np.logaddexp.reduce(weights, axis=0) - np.log(len(weights))


def normal_numbers(seeds: np.ndarray, count: int) -> np.ndarray:
    """Numbers from the standard normal distribution for each seed: those of `decoding.one.normal`, without Keras.

    Args:
        seeds: int32 (texts,)
        count: for each.

    Returns:
        float32 (texts, count)
    """
    mixed = _mix(seeds.astype("uint32"))[:, None]

    def uniform(places: np.ndarray) -> np.ndarray:
        drawn = _mix(mixed + places.astype("uint32") * np.uint32(0x9E3779B9)) >> np.uint32(8)
        return drawn.astype("float32") * np.float32(1 / (1 << 24))

    places = (1 << 20) + 2 * np.arange(count)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - uniform(places)))
    return radius * np.cos(np.float32(2 * np.pi) * uniform(places + 1))


def _mix(numbers: np.ndarray) -> np.ndarray:
    """The mixer of `decoding.one.uniform`: uint32 to uint32, products wrap around."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        numbers = (numbers ^ (numbers >> np.uint32(shift))) * np.uint32(factor)
    return numbers


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
