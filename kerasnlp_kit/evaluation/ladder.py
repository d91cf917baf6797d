"""The models that were tried for one data set, from the simplest up, and the one that was chosen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kerasnlp_kit.evaluation.terminal import display_width, fit
from kerasnlp_kit.plain import to_plain


@dataclass(frozen=True)
class Rung:
    """One model that was tried, measured on the dev rows. What was not measured is None."""

    model: str
    accuracy: float  # of a multi-label model: micro-F1
    accuracy_interval: tuple[float, float]  # 95%
    log_loss: float  # natural logarithm, calibrated; of a multi-label model by label
    misfit: float  # log loss of all rows together, and one for each weight that was found on them: the lowest is chosen
    seconds: float  # of training
    size_mb: float | None = None  # millions of bytes of what is shipped
    latency_ms: float | None = None  # for one text
    chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON types."""
        return to_plain(asdict(self))


def ladder_table(rungs: Sequence[Rung], score: str = "accuracy") -> str:
    """Returns the rungs as a text for the terminal, in the order given; `*` marks the chosen one.

    Args:
        rungs: at least one.
        score: what `accuracy` is called.
    """
    rows = [
        (
            fit(rung.model),
            f"{rung.accuracy:.4f}",
            f"[{rung.accuracy_interval[0]:.4f}, {rung.accuracy_interval[1]:.4f}]",
            f"{rung.log_loss:.4f}",
            duration(rung.seconds),
            number(rung.size_mb),
            number(rung.latency_ms),
        )
        for rung in rungs
    ]
    header = ("model", f"dev {score}", "95%", "log loss", "time", "MB", "ms/text")
    widths = [max(map(display_width, column)) for column in zip(header, *rows, strict=True)]

    def line(mark: str, cells: tuple[str, ...]) -> str:
        blanks = [" " * (width - display_width(cell)) for cell, width in zip(cells, widths, strict=True)]
        right = [blank + cell for cell, blank in zip(cells[1:], blanks[1:], strict=True)]
        return "  ".join([f"{mark} {cells[0]}{blanks[0]}", *right])

    marks = ["*" if rung.chosen else " " for rung in rungs]
    return "\n".join([line(" ", header), *map(line, marks, rows)])


def duration(seconds: float) -> str:
    """Returns a time as people say it: `0.8 s`, `47 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def number(value: float | None) -> str:
    """Returns a size or latency with two or more digits that count, `-` if it is unknown."""
    if value is None:
        return "-"
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
