"""Scores the SavedModel of a language model or an autoencoder on texts."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnlp_kit.api.autoencoder import LoadedAutoencoder
from kerasnlp_kit.api.generator import SAMPLE_TOKENS, LoadedGenerator
from kerasnlp_kit.api.latent_scoring import latent_quality
from kerasnlp_kit.api.load import task_of_folder
from kerasnlp_kit.api.text_documents import how_to_load_text_model
from kerasnlp_kit.api.text_scoring import TextScorer
from kerasnlp_kit.data.columns import Columns
from kerasnlp_kit.data.examples import Examples
from kerasnlp_kit.data.plain_text import read_texts
from kerasnlp_kit.data.writing import number_cells, require_free_place, require_table_name, write_table
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.evaluation.language import LanguageMetrics, LanguageScores
from kerasnlp_kit.tasks.latent_scores import LatentScores


@dataclass(frozen=True)
class TextEvaluation:
    """What a SavedModel says of the texts of a file.

    Attributes:
        scores: metrics, and how they stand beside the obvious.
        examples: the texts of the file.
        samples: texts that the model wrote, if any were asked for.
        model: the loaded model.
    """

    scores: LanguageScores
    examples: Examples
    samples: list[str]
    model: LoadedGenerator | LoadedAutoencoder

    @property
    def metrics(self) -> LanguageMetrics:
        """Perplexity and the like."""
        return self.scores.metrics

    @property
    def data(self) -> str:
        """What was evaluated on."""
        return self.examples.source

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should hear."""
        return self.examples.notes

    def how_to_load(self) -> str:
        """Python that loads the model."""
        return how_to_load_text_model(self.model.saved_model, self.model.run["parts"][0]["library"], self.model.call)

    def write_predictions(self, path: str | os.PathLike[str], *, spreadsheet_safe: bool = False) -> None:
        """Writes text, log_probability and perplexity, by the unit of the metrics, of each row of the file."""
        metrics = self.metrics
        require_table_name(path, self.examples.source)
        # At most what a number can be: of a single word with 800 nats the perplexity would be infinite.
        perplexities = np.exp(np.minimum(-metrics.row_log_probability / metrics.row_units, 700))
        write_table(
            path,
            {
                "text": self.examples.texts.array,
                "log_probability": number_cells(metrics.row_log_probability),
                "perplexity": number_cells(perplexities, 4),
            },
            spreadsheet_safe=spreadsheet_safe,
        )

    def write_report(self, path: str | os.PathLike[str], *, texts: bool = True) -> None:
        """Writes a report.html of these rows."""
        from kerasnlp_kit.evaluation.language_report import LanguageReportData, write_language_report

        require_free_place(path, self.examples.source)
        run = self.model.run
        data = LanguageReportData(
            title=self.model.folder.name,
            subtitle=f"{run['model']}, evaluated on {self.examples.source}",
            facts={"model": run["model"], "SavedModel": str(self.model.saved_model), "finished": run["finished"]},
            data_name=self.examples.source,
            scores=self.scores,
            texts=list(self.examples.texts) if texts else None,
            samples=self.samples if texts else None,
            warnings=self.notes,
            how_to_load=self.how_to_load(),
        )
        write_language_report(path, data)


def evaluate_text_model(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text_columns: str | Sequence[str] = (),
    trained_on: str | os.PathLike[str] | None = None,
    samples: int = 0,
    vectors: int = 1,
    seed: int = 0,
) -> TextEvaluation:
    """Scores what the exported SavedModel says, not a model in memory.

    Args:
        folder: models/NAME.
        data: file with texts; columns of the names used in training are preferred.
        text_columns: columns of the text, if they have other names here.
        trained_on: file of the training texts, to set n-gram models beside the model.
        samples: texts to draw and judge, with ``trained_on``.
        vectors: of an autoencoder, drawn for each text: with more than one its log-probability is bounded closer; see
            `LoadedAutoencoder.importance_bound`.
        seed: of what is drawn.

    Raises:
        UserError: the folder or a file is not as it should be; several vectors for a model with ``kl_weight`` 0.
    """
    autoencoder = task_of_folder(folder) == LoadedAutoencoder.task
    model = (LoadedAutoencoder if autoencoder else LoadedGenerator)(folder, files=(data, trained_on))
    columns = model.run["data"]["columns"]
    preferred = Columns(tuple(columns["text"]), None, "the column of the training")
    separator = model.run["options"]["text_separator"]
    examples = read_texts(data, text_columns, text_separator=separator, preferred=preferred)
    training = None
    if trained_on is not None:
        training = list(read_texts(trained_on, text_columns, text_separator=separator, preferred=preferred).texts)
    texts = list(examples.texts)
    scorer = TextScorer(model.files.text_tokenizer(model.run["parts"][0]), training)
    if isinstance(model, LoadedGenerator):
        drawn = model.generate(count=samples, max_tokens=SAMPLE_TOKENS, seed=seed) if samples else []
        return TextEvaluation(scorer.score(texts, *model.score(texts), drawn), examples, drawn, model)
    (part,) = model.run["parts"]
    plain = not part["architecture"]["kl_weight"]
    if plain and vectors > 1:
        raise UserError("--vectors bounds the probability of texts; a model with --kl-weight 0 gives them none.")
    drawn = model.sample(samples, seed=seed) if samples else []
    bounds, divergences, tokens = model.score(texts, seed)
    lost = divergences.astype("float64")
    said = LatentScores(bounds.astype("float64") + lost, lost, *model.encode(texts))
    adversary = bool(part["architecture"].get("adversary_weight"))
    read = scorer.as_read(texts, part["sizes"]["context"])
    latent = latent_quality(read, model.reconstruct(texts), said, plain=plain, adversary=adversary)
    if vectors > 1:
        bounds = model.importance_bound(texts, vectors, seed)
        latent = dataclasses.replace(latent, vectors=vectors)
    scores = scorer.score(texts, bounds, tokens, drawn, latent, part["sizes"]["context"])
    return TextEvaluation(scores, examples, drawn, model)
