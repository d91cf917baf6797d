"""What is particular to the training of an autoencoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnlp_kit.api.autoencoder import LoadedAutoencoder, sample_prior
from kerasnlp_kit.api.generator import signatures_of
from kerasnlp_kit.api.latent_scoring import latent_quality, lines_section, space_section
from kerasnlp_kit.api.run import Run
from kerasnlp_kit.api.text_documents import how_to_load_text_model
from kerasnlp_kit.api.text_preparation import TextTokens
from kerasnlp_kit.api.text_proof import ordered_texts
from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.api.tokenization import shortened, some_rows
from kerasnlp_kit.config import TextConfig
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.errors import TrainingDiverged
from kerasnlp_kit.evaluation.language import LanguageScores
from kerasnlp_kit.export.folder import build_network
from kerasnlp_kit.tasks.latent_scores import LatentScores, active_units
from kerasnlp_kit.text.token_ids import TokenIds
from kerasnlp_kit.training import devices

LINES = 3  # pairs of texts whose middle is shown in the report
LINE_STEPS = 7
JUDGED = 1000  # vectors of texts, and of the prior, that the discriminator is asked about


class AutoencodingSteps:
    """Rows, measures, proof and documents of an autoencoder.

    Args:
        run: of the training.
        tokens: of its texts.
    """

    what_it_does = "An autoencoder of texts: each is a point of a latent space, and each point a text"
    longer_texts = "cut"

    def __init__(self, run: Run[TextConfig], tokens: TextTokens) -> None:
        self._run = run
        self._tokens = tokens
        self._longest = tokens.sizes.context
        self._memory: Any = None
        self._bounds: dict[str, np.ndarray] = {}
        self._means: dict[str, np.ndarray] = {}

    @property
    def _seed(self) -> int:
        return self._run.config.training.seed % 2**31

    @property
    def _plain(self) -> bool:
        return not self._run.config.architecture.kl_weight

    def training_rows(self) -> TokenIds:
        """What is learnt from: each text, cut to the longest that is read."""
        from kerasnlp_kit.text.windows import with_ends

        return with_ends(shortened(self._tokens.train, self._longest))

    def measures(self) -> Any:
        """What an epoch is measured by: the bound of the dev texts, with the weight of the divergence in training."""
        from kerasnlp_kit.api.memory_autoencoder import MemoryAutoencoder

        (part,), dev = self._run.record["parts"], some_rows(self._tokens.dev, self._seed)
        with devices.exact():
            network = build_network(part, portable=True)
        memory = MemoryAutoencoder(network, self._tokens.tokenizer, self._longest)
        count = max(1, int((np.minimum(dev.lengths, self._longest) + 1).sum()))
        weight = self._run.config.architecture.kl_weight

        def measures(values: Sequence[np.ndarray]) -> dict[str, float]:
            network.set_weights(values)
            found = memory.score(dev, self._seed)
            loss = -found.bound.sum() / count
            objective = (found.log_probability.sum() - weight * found.divergence.sum()) / count
            if not np.isfinite(loss):
                raise TrainingDiverged
            return {
                "val_loss": float(loss),
                "val_divergence": float(found.divergence.mean()),
                "val_active_units": float(active_units(found.mean)),
                "val_score": float(np.exp(objective)),
            }

        return measures

    def export(self, parts: Mapping[str, Examples]) -> None:
        """Writes the SavedModel, proves it, and keeps what it says of the texts of each part."""
        from kerasnlp_kit.api.memory_autoencoder import MemoryAutoencoder
        from kerasnlp_kit.export.saved_model import export_saved_model
        from kerasnlp_kit.export.verify import Prover
        from kerasnlp_kit.export.verify_autoencoding import prove_autoencoding

        run, (part,) = self._run, self._run.record["parts"]
        run.begin_export()
        asked = ordered_texts(parts)
        with Prover() as prover:
            saved_model = export_saved_model(run.places.work, run.places.version)
            with devices.exact():
                network = run.places.work.build_network(part)
            self._memory = MemoryAutoencoder(network, self._tokens.tokenizer, self._longest)
            bounds, _, means = prove_autoencoding(
                prover,
                saved_model,
                asked.texts,
                self._memory.memory(self._seed),
                seed=self._seed,
                library=part["library"],
            )
        run.say(f"The SavedModel reads and writes {len(asked.texts):,} texts as the model in memory does.")
        self._bounds = {name: bounds[rows] for name, rows in asked.rows.items()}
        self._means = {name: means[rows] for name, rows in asked.rows.items()}

    def samples(self, count: int) -> list[str]:
        """Texts that the SavedModel draws from the prior."""
        return sample_prior(signatures_of(self._run.places.work), count, self._seed) if count else []

    def scores(self, scorer: TextScorer, name: str, texts: Sequence[str], samples: Sequence[str]) -> LanguageScores:
        """Of one part."""
        ids = self._tokens.tokenizer.encode(texts)
        found = self._memory.score(ids, self._seed)
        quality = latent_quality(
            scorer.as_read(texts, self._longest),
            self._memory.decode(self._means[name]),
            found,
            discriminator=self._discriminator_accuracy(found),
            plain=self._plain,
            adversary=bool(self._memory.network.adversary_weight),
        )
        tokens = np.minimum(ids.lengths, self._longest) + 1
        return scorer.score(texts, self._bounds[name], tokens, samples, quality, self._longest)

    def sections(self, name: str, examples: Examples, shown: bool) -> list[str]:
        """Of the report: the space, and texts between two."""
        lengths = self._tokens.tokenizer.encode(examples.texts).lengths
        labels = examples.gold() if examples.labels is not None else None
        parts = [space_section(self._means[name], lengths, labels)]
        if shown and len(examples) >= 2:
            memory = self._memory.memory(self._seed)
            rows = np.linspace(0, len(examples) - 1, 2 * min(LINES, len(examples) // 2)).astype(int).tolist()
            texts = [examples.texts[row].encode("utf-8", "replace") for row in rows]
            lines = [memory.interpolate(*pair, LINE_STEPS) for pair in zip(texts[::2], texts[1::2], strict=True)]
            parts.append(lines_section(lines))
        return parts

    def how_to_load(self, saved_model: Path) -> str:
        """Python that loads the model."""
        (part,) = self._run.record["parts"]
        return how_to_load_text_model(saved_model, part["library"], LoadedAutoencoder.call)

    def signatures(self) -> str:
        """What the model card says of them."""
        latent = self._run.config.architecture.latent
        return f"""- `serving_default`: `text` string [n] to `text` string [n], from the mean of its vector
- `encode`: `text` string [n] to `mean`, `log_variance` float [n, {latent}]
- `decode`: `z` float [n, {latent}] to `text` string [n]
- `sample`: `count` int32 [], `seed` int32 [], `temperature` float [], `top_k` int32 [], `top_p` float [] to `text`
  string [count], new texts. Text n is drawn with the seed `seed + n`: the same in every program.
- `interpolate`: `from_text`, `to_text` string [n], `steps` int32 [] to `text` string [n, steps]
- `score`: `text` string [n], `seed` int32 [] to `log_probability` float [n], a lower bound, `divergence` float [n], its
  part, `log_weight` float [n], whose exponential is the probability on the average over seeds, and `tokens` int32 [n]
- `ids`: `ids` int32 [n, t], beginning with 2, padded with 0, to `mean`, `log_variance` and `logits`"""

    def _discriminator_accuracy(self, found: LatentScores) -> float | None:
        """Of vectors of the prior and of those drawn for texts, as it learnt from, the share that is told rightly."""
        import keras

        judge = self._memory.network.discriminator
        if judge is None:
            return None
        random = np.random.default_rng(0)
        rows = random.permutation(len(found.mean))[:JUDGED]
        some = found.mean[rows]
        if not self._plain:
            some = some + np.exp(0.5 * found.log_variance[rows]) * random.standard_normal(some.shape).astype("float32")
        prior = random.standard_normal(some.shape).astype("float32")
        # As in training: what Keras makes of the spectral norm in a step does not stay in the weights on JAX.
        both = keras.ops.convert_to_tensor(np.concatenate([prior, some]))
        of_prior, of_texts = np.split(np.asarray(keras.ops.convert_to_numpy(judge(both, training=True))), 2)
        return float(((of_prior > 0).mean() + (of_texts <= 0).mean()) / 2)
