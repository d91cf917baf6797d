"""Pictures of the report, as SVG elements (or a PNG address) that go straight into an HTML page.

No picture shows a label or a text: those stay in HTML, where any script has its glyphs. Colours of axes and words are
the page's own (`currentColor`), so that a picture fits a light and a dark page.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasnlp_kit.evaluation import drawing
from kerasnlp_kit.evaluation.calibration import ReliabilityBins
from kerasnlp_kit.evaluation.decision import CoverageCurve
from kerasnlp_kit.evaluation.drawing import BLUE, INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.ticker import MaxNLocator

_MOST_CURVE_POINTS = 400  # more cannot be told apart
_MOST_LABEL_COUNTS = 15
_CURVES = {"loss": "loss", "accuracy": "accuracy", "f1": "micro F1", "score": "score", "learning_rate": "learning rate"}


def learning_curves(history: Mapping[str, Sequence[float]], best_epoch: int | None) -> list[tuple[str, str]]:
    """Returns one (caption, SVG) for each of loss, accuracy, micro F1, score and learning rate that the history has.

    Args:
        history: one value an epoch; `val_loss` is drawn beside `loss`, `val_accuracy` beside `accuracy`.
        best_epoch: the epoch whose weights were kept, counted from 1.
    """
    pictures = []
    for key, caption in _CURVES.items():
        series = {"training": history.get(key, ()), "dev": history.get(f"val_{key}", ())}
        drawn = {name: np.asarray(values, dtype=np.float64) for name, values in series.items() if len(values)}
        drawn = {name: values for name, values in drawn.items() if np.isfinite(values).any()}
        if key == "learning_rate" and all(np.ptp(values) == 0 for values in drawn.values()):
            continue  # a constant says nothing as a picture
        if drawn:
            pictures.append((caption, _curve(caption, drawn, best_epoch)))
    return pictures


def reliability_diagram(
    bins: ReliabilityBins, *, horizontal: str = "confidence", vertical: str = "accuracy", counted: str = "rows"
) -> str:
    """Returns an SVG: accuracy of each confidence bin against the diagonal, and below it the share of rows.

    Args:
        bins: what is drawn.
        horizontal: what the bins are of, written at the axis.
        vertical: the mean of a bin, likewise.
        counted: what is in the bins, likewise.
    """
    figure = drawing.figure(4.4, 4.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    left = np.asarray(bins.edges[:-1])
    width = np.diff(bins.edges)
    count = np.asarray(bins.count)
    filled = count > 0
    upper.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, zorder=3)
    upper.bar(left[filled], np.asarray(bins.accuracy)[filled], width[filled] * 0.92, align="edge", color=BLUE)
    upper.plot(
        np.asarray(bins.confidence)[filled],
        np.asarray(bins.accuracy)[filled],
        "o",
        color=ORANGE,
        markersize=4,
        zorder=4,
    )
    upper.set(ylabel=vertical, xlim=(0, 1), ylim=(0, 1.02))
    lower.bar(left, count / count.sum(), width * 0.92, align="edge", color=BLUE, alpha=0.6)
    lower.set(xlabel=horizontal, ylabel=counted)
    lower.yaxis.set_major_formatter(_percent)
    return drawing.svg(figure, "reliability", f"{vertical} against {horizontal}")


def coverage_curve(curve: CoverageCurve, points: Sequence[tuple[float, float]] = ()) -> str:
    """Returns an SVG: the accuracy of the answers against the share of rows that get one.

    Args:
        curve: what is drawn, from 10 rows or 1% on: the share of right ones of three rows is noise.
        points: (coverage, accuracy) of the thresholds in use, numbered from 1 if there are several.
    """
    start = min(max(10 / curve.n, 0.01), 1.0)
    shown = np.flatnonzero(curve.coverage >= start)
    if len(shown) > _MOST_CURVE_POINTS:
        wanted = np.linspace(start, 1, _MOST_CURVE_POINTS)
        shown = np.unique(np.searchsorted(curve.coverage, wanted - 1e-9))
    coverage, accuracy = curve.coverage[shown], curve.accuracy[shown]
    figure = drawing.figure(4.4, 3.2)
    axes = figure.subplots()
    axes.plot(coverage, accuracy, color=BLUE, marker="o", markersize=4 if len(shown) <= 30 else 0)
    for number, (x, y) in enumerate(points, start=1):
        axes.plot([x], [y], "o", color=ORANGE, markersize=7, zorder=4, clip_on=False)
        if len(points) > 1:
            shift = (7, 5) if number % 2 else (-13, -11)  # neighbours' numbers do not cover each other
            axes.annotate(str(number), (x, y), shift, textcoords="offset points", color=INK)
    lowest = min([float(accuracy.min()), *(y for _, y in points)])
    axes.set(xlabel="answered", ylabel="accuracy of the answers", xlim=(0, 1))
    axes.set_ylim(max(0.0, lowest - 0.1 * (1 - lowest) - 0.005), 1 + 0.08 * (1 - lowest) + 0.001)
    axes.xaxis.set_major_formatter(_percent)
    axes.yaxis.set_major_locator(_steps())
    axes.yaxis.set_major_formatter(_short_percent)
    return drawing.svg(figure, "coverage", "accuracy against coverage")


def confidence_histograms(edges: Sequence[float], inside: Sequence[int], outside: Sequence[int]) -> str:
    """Returns an SVG: the shares of texts by confidence, those in scope upwards, those out of scope downwards.

    Args:
        edges: bins + 1 confidences.
        inside: (bins,) rows in scope.
        outside: (bins,) rows out of scope.
    """
    figure = drawing.figure(4.4, 3.2)
    axes = figure.subplots()
    left, width = np.asarray(edges[:-1]), np.diff(edges) * 0.92
    axes.bar(left, np.asarray(inside) / sum(inside), width, align="edge", color=BLUE, label="in scope")
    axes.bar(left, -np.asarray(outside) / sum(outside), width, align="edge", color=ORANGE, label="out of scope")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(xlabel="confidence", ylabel="texts", xlim=(edges[0], edges[-1]))
    axes.yaxis.set_major_formatter(_percent_both_ways)
    axes.legend(frameon=False, labelcolor=INK)
    return drawing.svg(figure, "scope", "confidence of texts in and out of scope")


def label_count_histogram(true: Sequence[int], selected: Sequence[int]) -> str:
    """Returns an SVG: how many rows have 0, 1, 2, ... labels, and how many the model gives that many.

    Args:
        true: (most + 1,) rows by number of labels; more than 15 labels are counted in the last bar.
        selected: (most + 1,) rows by number of selected labels.
    """
    figure = drawing.figure(4.4, 3.0)
    axes = figure.subplots()
    last = min(len(true) - 1, _MOST_LABEL_COUNTS)
    for shift, counts, color, name in ((-0.2, true, BLUE, "true"), (0.2, selected, ORANGE, "selected")):
        heights = [*counts[:last], sum(counts[last:])]
        axes.bar(np.arange(last + 1) + shift, heights, 0.38, color=color, label=name)
    axes.set(xlabel="labels of a text", ylabel="texts")
    ticks = np.arange(last + 1)
    axes.set_xticks(ticks, [*map(str, ticks[:-1]), f"{last}+" if len(true) - 1 > last else str(last)])
    axes.yaxis.set_major_locator(drawing.whole_numbers())
    axes.legend(frameon=False, labelcolor=INK)
    return drawing.svg(figure, "label-counts", "how many labels texts have")


def length_histogram(lengths: np.ndarray, max_length: int | None, unit: str = "tokens") -> str:
    """Returns an SVG: how many texts have how many tokens, with a line where the model cuts.

    Args:
        lengths: int (n,), n > 0. The longest half percent is counted in the last bar, so that one book among a
            thousand messages does not squeeze the rest.
        max_length: the tokens a text may have, or None for no cut.
        unit: what is counted.
    """
    lengths = np.asarray(lengths)
    end = max(int(np.quantile(lengths, 0.995)), 1)
    if max_length is not None and lengths.max() > max_length:
        end = max(end, max_length + 1)
    step = max(1, -(-(end + 1) // 40))  # whole numbers of tokens in a bar, at most 40 bars
    edges = np.arange(0, end + step + 1, step)
    count, _ = np.histogram(np.minimum(lengths, edges[-1] - 1), bins=edges)
    figure = drawing.figure(4.4, 3.0)
    axes = figure.subplots()
    axes.bar(edges[:-1], count, step * 0.92, align="edge", color=BLUE)
    if max_length is not None and max_length <= edges[-1]:
        axes.axvline(max_length, color=ORANGE, linewidth=1.8, label=f"cut at {max_length}")
        axes.legend(frameon=False, labelcolor=INK)
    axes.set(xlabel=unit, ylabel="texts", xlim=(0, edges[-1]))
    axes.xaxis.set_major_locator(drawing.whole_numbers())
    axes.yaxis.set_major_locator(drawing.whole_numbers())
    return drawing.svg(figure, "lengths", f"histogram of lengths in {unit}")


def confusion_heat_map(shares: np.ndarray) -> str:
    """Returns a PNG as a data address, one pixel a cell: blue on the diagonal, orange off it, transparent where 0.

    Args:
        shares: float (rows, columns), each row's share of predictions, 0 to 1.
    """
    from matplotlib.image import imsave

    pixels = np.zeros((*shares.shape, 4))
    pixels[..., :3] = _rgb(ORANGE)
    diagonal = np.arange(min(shares.shape))
    pixels[diagonal, diagonal, :3] = _rgb(BLUE)
    pixels[..., 3] = np.sqrt(shares)  # the root lets a confusion of 5% be seen beside a diagonal of 90%
    buffer = io.BytesIO()
    imsave(buffer, pixels, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _curve(caption: str, series: Mapping[str, np.ndarray], best_epoch: int | None) -> str:
    figure = drawing.figure(3.9, 2.8)
    axes = figure.subplots()
    for (name, values), color in zip(series.items(), (BLUE, ORANGE), strict=False):
        epochs = np.arange(1, len(values) + 1)
        # Without markers a single epoch, or one between two missing values, would be invisible.
        axes.plot(epochs, values, color=color, label=name, marker="o", markersize=4 if len(values) <= 30 else 0)
    last = max(len(values) for values in series.values())
    if best_epoch is not None and last > 1:
        axes.axvline(best_epoch, color=INK, linestyle=":", linewidth=1.2, label=f"kept: epoch {best_epoch}")
    axes.set(xlabel="epoch")
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(drawing.whole_numbers())
    if caption != "learning rate":
        axes.legend(frameon=False, labelcolor=INK)
    return drawing.svg(figure, caption.replace(" ", "-"), f"{caption} by epoch")


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))


def _percent(value: float, _position: float) -> str:
    return f"{value:.0%}"


def _short_percent(value: float, _position: float) -> str:
    return f"{100 * value:.4g}%"


def _percent_both_ways(value: float, _position: float) -> str:
    return f"{abs(value):.0%}"


def _steps() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(6, steps=[1, 2, 5, 10])
