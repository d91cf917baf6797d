"""What the latent vectors of texts carry, for the scores and the report."""

from collections.abc import Sequence

import numpy as np

from kerasnlp_kit.evaluation import page
from kerasnlp_kit.evaluation.corpus_scores import bleu_statistics, bleu_tokenizer
from kerasnlp_kit.evaluation.generation import exact_matches
from kerasnlp_kit.evaluation.language_report import text_cell
from kerasnlp_kit.evaluation.latent import LatentQuality, latent_picture
from kerasnlp_kit.tasks.latent_scores import LatentScores, active_units, mutual_information

INFORMED = 1000  # texts that the mutual information is of; its cost grows with their square


def latent_quality(
    texts: Sequence[str],
    again: Sequence[str],
    found: LatentScores,
    *,
    plain: bool,
    adversary: bool,
    discriminator: float | None = None,
) -> LatentQuality:
    """Scores vectors.

    Args:
        texts: that they are of.
        again: what is written for the means.
        found: what the network says of the texts.
        plain: whether it is a plain autoencoder, or one with a discriminator alone.
        adversary: whether there is a discriminator.
        discriminator: its accuracy, where it is at hand.
    """
    references = [(text,) for text in texts]
    some = slice(0, INFORMED)
    noise = np.random.default_rng(0).standard_normal(found.mean[some].shape)
    return LatentQuality(
        latent=found.mean.shape[1],
        reconstruction=float(-found.log_probability.mean()),
        divergence=float(found.divergence.mean()),
        active_units=active_units(found.mean),
        mutual_information=None if plain else mutual_information(found.mean[some], found.log_variance[some], noise),
        exact=float(exact_matches(references, again).mean()),
        bleu=bleu_statistics(references, again, bleu_tokenizer(list(texts))).value(),
        discriminator=discriminator,
        plain=plain,
        adversary=adversary,
    )


def space_section(mean: np.ndarray, lengths: np.ndarray, labels: Sequence[str] | None) -> str:
    """The section of the report that shows the texts in the plane in which they differ most."""
    by = "label" if labels and len(set(labels)) <= 8 else "length"
    caption = f"Texts by the first two principal components of their vectors, coloured by {by}."
    return page.section("The latent space", page.pictures([(caption, latent_picture(mean, lengths, labels))]))


def lines_section(lines: Sequence[Sequence[str]]) -> str:
    """The section of the report that shows texts between two."""
    rows = [(text_cell(text),) for line in lines for text in (*line, "")][:-1]
    ends, place = [], 0
    for line in lines:
        ends += [place, place + len(line) - 1]
        place += len(line) + 1
    note = '<p class="soft">From the vector of one text to that of another in equal steps.</p>'
    return page.section("Between two texts", note, page.table(("texts",), rows, name="wide", highlighted=ends))
