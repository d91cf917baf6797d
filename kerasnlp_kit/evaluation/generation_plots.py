"""Pictures of the report about a model that writes texts; see `plots` for their rules."""

from collections.abc import Sequence

import numpy as np

from kerasnlp_kit.evaluation import drawing
from kerasnlp_kit.evaluation.drawing import BLUE, INK, ORANGE
from kerasnlp_kit.evaluation.generation import LengthBin


def length_scores(bins: Sequence[LengthBin], unit: str, source_unit: str) -> str:
    """Returns an SVG: exact match as bars and the error rate as a line, by length of the source.

    Args:
        bins: what is drawn, in order.
        unit: what errors are counted by, token or character.
        source_unit: what the length of a source is counted by.
    """
    figure = drawing.figure(4.4, 3.0)
    axes = figure.subplots()
    places = np.arange(len(bins))
    rates = [one.error_rate for one in bins]
    axes.bar(places, [one.exact_match for one in bins], 0.7, color=BLUE, label="exact match")
    axes.plot(places, rates, color=ORANGE, marker="o", label=f"{unit} error rate")
    axes.set_xticks(places, [one.name for one in bins])
    axes.set(xlabel=f"{source_unit}s of the source", ylim=(0, max(1.0, *rates) * 1.05))
    axes.legend(frameon=False, labelcolor=INK, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, reverse=True)
    return drawing.svg(figure, "length-scores", "scores by length of the source")


def length_ratio_histogram(ratios: np.ndarray) -> str:
    """Returns an SVG: how many outputs are so many times as long as their reference.

    Args:
        ratios: float (n,), n > 0, without NaN. Ratios above 2 are counted in the last bar.
    """
    figure = drawing.figure(4.4, 3.0)
    axes = figure.subplots()
    edges = np.arange(-0.05, 2.1, 0.1)  # 1 is the middle of a bar
    count, _ = np.histogram(np.minimum(ratios, 2.0), bins=edges)
    middle = (edges[:-1] + edges[1:]) / 2
    # Most outputs have the right length; the root of the axis lets the others be seen.
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    axes.bar(middle, count, 0.092, color=BLUE)
    axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "0.5", "1", "1.5", "2+"])
    axes.set(xlabel="length of the output / of the reference", ylabel="texts", xlim=(-0.08, 2.08))
    axes.set_ylim(0, count.max() * 1.05)
    axes.yaxis.set_major_locator(drawing.whole_numbers(5))
    return drawing.svg(figure, "length-ratio", "histogram of length ratios")
