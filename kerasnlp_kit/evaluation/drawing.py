"""How pictures of the report are drawn: as SVG elements in the colours of the page they go into."""

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

BLUE = "#3b76d6"
ORANGE = "#e07b24"
INK = "#010203"  # replaced by currentColor; a colour no one else uses


def figure(width: float, height: float) -> "Figure":
    """Returns an empty figure of so many inches; only their ratio, and the size of words in it, matter on the page."""
    # Not pyplot: it keeps figures in global state and picks a window system.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def svg(figure: "Figure", name: str, description: str) -> str:
    """Returns the figure as one SVG element without fixed size, date, metadata or outside address."""
    import matplotlib

    for axes in figure.axes:
        _style(axes)
    buffer = io.StringIO()
    # Text stays text (small, selectable); the salt makes ids repeat from run to run.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    element = buffer.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', element)
    opening = f'<svg {view_box.group() if view_box else ""} role="img" aria-label="{description}">'
    element = re.sub(r"<svg[^>]*>", opening, element, count=1)
    # Ids must differ between the pictures of one page, for else one picture borrows shapes from another.
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'xlink:href="#', f'href="#{name}-', element)
    element = element.replace("url(#", f"url(#{name}-")
    return element.replace(INK, "currentColor").strip()


def whole_numbers(most: int = 10) -> "MaxNLocator":
    """Returns ticks for an axis that counts, in so many steps at most."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=True, min_n_ticks=1)


def _style(axes: "Axes") -> None:
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis="y", color=INK, alpha=0.12)
    axes.set_axisbelow(True)
