"""Encodes, draws and compares texts with the SavedModel of a folder."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasnlp_kit.api.load import LoadedFolder, in_bytes
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.rules import drawing_rules, require

BATCH = 64


class LoadedAutoencoder(LoadedFolder):
    """A trained autoencoder of texts.

    Attributes:
        latent: size of a vector.
    """

    task = "autoencoding"
    does = "makes texts from latent vectors"
    call = 'model.signatures["serving_default"](text=tf.constant(["your text"]))'

    @property
    def latent(self) -> int:
        """Size of a vector."""
        return int(self.run["parts"][0]["architecture"]["latent"])

    def reconstruct(self, texts: Iterable[str | bytes]) -> list[str]:
        """Texts again, from the means of their vectors."""
        return [text for batch in _batches(texts) for text in _strings(self.signatures["serving_default"](text=batch))]

    def encode(self, texts: Iterable[str | bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of the vectors of texts: two float32 (texts, latent)."""
        found = [self.signatures["encode"](text=batch) for batch in _batches(texts)]
        none = np.zeros((0, self.latent), "float32")
        mean, variance = ([none, *(one[name].numpy() for one in found)] for name in ("mean", "log_variance"))
        return np.concatenate(mean), np.concatenate(variance)

    def decode(self, vectors: np.ndarray) -> list[str]:
        """Texts of vectors: float (texts, latent)."""
        import tensorflow as tf

        found = (vectors[begin : begin + BATCH] for begin in range(0, len(vectors), BATCH))
        return [text for rows in found for text in _strings(self.signatures["decode"](z=tf.constant(rows, tf.float32)))]

    def sample(
        self, count: int = 1, *, seed: int = 0, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
    ) -> list[str]:
        """New texts; text n is drawn with the seed ``seed + n``. See `LoadedGenerator.generate`, also for errors."""
        return sample_prior(self.signatures, count, seed, temperature=temperature, top_k=top_k, top_p=top_p)

    def interpolate(self, first: str | bytes, last: str | bytes, steps: int = 7) -> list[str]:
        """Texts on the line between two, from the one to the other: two or more, else a `UserError`."""
        require([("steps", steps, steps >= 2, "2 or more")])
        begin, end = self.encode([first, last])[0]
        return self.decode(begin + np.linspace(0, 1, steps)[:, None] * (end - begin))

    def score(self, texts: Sequence[str | bytes], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lower bounds of log-probabilities, the divergence in each, float32 (texts,), and tokens, int32 (texts,).

        The vector of text n is drawn with the seed ``seed + n``.
        """
        found = self._scored(texts, seed)
        return found["log_probability"], found["divergence"], found["tokens"]

    def importance_bound(self, texts: Sequence[str | bytes], vectors: int, seed: int = 0) -> np.ndarray:
        """Lower bounds of log-probabilities, the tighter the more vectors are drawn for each text: float64 (texts,).

        Burda et al. 2016, "Importance Weighted Autoencoders", equation 8. Vector k of text n is drawn with the seed
        ``seed + k * texts + n``.

        Raises:
            UserError: the SavedModel is of a version that did not tell the weight of a vector.
        """
        if "log_weight" not in self.signatures["score"].structured_outputs:
            raise UserError(f"{self.saved_model}: its signature score gives no log_weight yet. Train the model anew.")
        total = np.full(len(texts), -np.inf)
        for number in range(vectors):
            weights = self._scored(texts, seed + number * len(texts))["log_weight"]
            total = np.logaddexp(total, weights.astype("float64"))
        return total - np.log(vectors)

    def _scored(self, texts: Sequence[str | bytes], seed: int) -> dict[str, np.ndarray]:
        """The outputs of the signature ``score``, by name."""
        import tensorflow as tf

        score = self.signatures["score"]
        found = {name: [np.zeros(0, output.dtype.as_numpy_dtype)] for name, output in score.structured_outputs.items()}
        for number, batch in enumerate(_batches(texts)):
            for name, values in score(text=batch, seed=tf.constant((seed + number * BATCH) % 2**31)).items():
                found[name].append(values.numpy())
        return {name: np.concatenate(values) for name, values in found.items()}


def sample_prior(
    signatures: Any, count: int, seed: int, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> list[str]:
    """Draws new texts with the signature ``sample``; see `LoadedAutoencoder.sample`."""
    import tensorflow as tf

    require(drawing_rules(temperature, top_k, top_p))
    drawn = {"temperature": tf.constant(temperature, tf.float32), "top_k": tf.constant(top_k)}
    drawn |= {"top_p": tf.constant(top_p, tf.float32)}
    texts: list[str] = []
    for begin in range(0, count, BATCH):
        size = min(BATCH, count - begin)
        found = signatures["sample"](count=tf.constant(size), seed=tf.constant((seed + begin) % 2**31), **drawn)
        texts += _strings(found)
    return texts


def _batches(texts: Iterable[str | bytes]) -> Iterable[Any]:
    import tensorflow as tf

    asked = list(in_bytes(texts))
    return (tf.constant(asked[begin : begin + BATCH]) for begin in range(0, len(asked), BATCH))


def _strings(found: Any) -> list[str]:
    return [text.decode("utf-8", "replace") for text in found["text"].numpy()]
