"""Whether latent vectors carry anything, and what their space looks like."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerasnlp_kit.evaluation import drawing
from kerasnlp_kit.evaluation.drawing import INK
from kerasnlp_kit.plain import to_plain

COLLAPSED = 0.5  # nats of divergence; less is nothing
_LEAST_TOLD = 0.1  # nats of mutual information: the vectors may be far from the prior and yet the same for all texts
_MOST_LABELS = 8  # colours that an eye keeps apart
_MOST_POINTS = 2000


@dataclass(frozen=True)
class LatentQuality:
    """What the vectors of some texts carry.

    Attributes:
        latent: size of a vector.
        reconstruction: nats that a text costs given its vector, the mean.
        divergence: nats that the vectors cost, the mean over texts; 0 of a plain autoencoder.
        active_units: dimensions whose mean varies over texts (Burda et al. 2016, section 5.2).
        mutual_information: nats that a vector tells of which text it is of; None of a plain autoencoder.
        exact: share of the texts that come back as they were, blanks aside.
        bleu: of the texts that come back.
        discriminator: share of vectors, half of them of the prior, that the discriminator tells rightly; 0.5 is what it
            should come to; None where there is none at hand, as in an export.
        plain: whether it is an autoencoder without a divergence: its vectors are certain, and nothing but a
            discriminator, if there is one, brings them near the prior.
        adversary: whether there is a discriminator.
        vectors: drawn for each text, to bound its log-probability; the figures above are of the first one.
    """

    latent: int
    reconstruction: float
    divergence: float
    active_units: int
    mutual_information: float | None
    exact: float
    bleu: float
    discriminator: float | None
    plain: bool
    adversary: bool = False
    vectors: int = 1

    def warnings(self) -> tuple[str, ...]:
        """Returns the alarm for a latent vector that carries nothing, and for a discriminator that always wins."""
        found = []
        told = self.mutual_information
        alike = told is not None and told < _LEAST_TOLD
        if not self.plain and (self.divergence < COLLAPSED or not self.active_units or alike):
            more = "" if told is None else f", mutual information {told:.2f} nats"
            found.append(
                f"The latent vector carries nothing (divergence {self.divergence:.2f} nats, {self.active_units} of "
                f"{self.latent} units active{more}): the decoder writes without it. Raise --free-bits or "
                "--word-dropout, or lower --kl-weight."
            )
        if self.plain and not self.adversary:
            found.append("With --kl-weight 0 the vectors follow no prior: new texts that are drawn mean nothing.")
        if self.discriminator is not None and self.discriminator > 0.9:
            found.append(
                f"The discriminator tells {self.discriminator:.0%} of the vectors rightly: those of texts are far from "
                "the prior, and so are new texts from real ones. Raise --adversary-weight."
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(asdict(self))

    def rows(self) -> list[tuple[str, str]]:
        """Name and value."""
        rows = [
            ("reconstruction, nats a text", f"{self.reconstruction:.2f}"),
            ("divergence, nats a text", f"{self.divergence:.2f}"),
            ("active units", f"{self.active_units} of {self.latent}"),
        ]
        if self.vectors > 1:
            rows.append(("vectors a text in the bound", f"{self.vectors}"))
        if self.mutual_information is not None:
            rows.append(("mutual information, nats", f"{self.mutual_information:.2f}"))
        rows += [("texts that come back", f"{self.exact:.1%}"), ("BLEU of what comes back", f"{self.bleu:.1f}")]
        if self.discriminator is not None:
            rows.append(("discriminator's accuracy", f"{self.discriminator:.1%}"))
        return rows

    def lines(self) -> list[str]:
        """For the terminal."""
        return [f"{name:<28}  {value}" for name, value in self.rows()] + list(self.warnings())


def plane(vectors: np.ndarray) -> np.ndarray:
    """The two directions in which vectors differ most: float (texts, latent) to (texts, 2).

    Principal components (Pearson 1901), each with the sign that makes its largest coefficient positive.
    """
    centred = vectors.astype("float64") - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    kept = np.zeros((2, vectors.shape[1]))
    kept[: len(directions[:2])] = directions[:2]
    largest = np.abs(kept).argmax(axis=1)
    kept *= np.where(kept[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    return centred @ kept.T


def latent_picture(vectors: np.ndarray, lengths: np.ndarray, labels: Sequence[str] | None) -> str:
    """Returns an SVG: the texts in the plane in which they differ most, coloured by label, or else by length.

    Args:
        vectors: float (texts, latent).
        lengths: int (texts,), what a text is coloured by where there are no labels, or too many.
        labels: of each text, or None.
    """
    rows = np.linspace(0, len(vectors) - 1, min(len(vectors), _MOST_POINTS)).astype(int)
    points = plane(vectors)[rows]
    figure = drawing.figure(5.2, 4.2)
    axes = figure.subplots()
    names = sorted(set(labels)) if labels else []
    if labels and len(names) <= _MOST_LABELS:
        import matplotlib

        colours = matplotlib.colormaps["tab10"]
        for number, name in enumerate(names):
            own = np.array([labels[row] == name for row in rows])
            axes.scatter(
                points[own, 0], points[own, 1], s=7, color=colours(number), alpha=0.7, label=str(number), linewidths=0
            )
        legend = axes.legend(frameon=False, labelcolor=INK, markerscale=2, fontsize=8)
        for text, name in zip(legend.get_texts(), names, strict=True):  # a label may hold "$" or begin with "_"
            text.set_parse_math(False)
            text.set_text(name[:24])
    else:
        drawn = axes.scatter(points[:, 0], points[:, 1], c=lengths[rows], s=7, cmap="viridis", alpha=0.7, linewidths=0)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=INK)
        bar.set_label("tokens", color=INK)
    axes.set(xlabel="first component", ylabel="second component")
    return drawing.svg(figure, "latent-space", "texts in the latent space")
