"""Size, type and colours of all figures; how they are saved, and how they become part of a page."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.store.atomic import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches: the text width of a page with two columns
FORMATS = ("svg", "pdf", "png")
DOTS = 300  # per inch of a PNG
# Paul Tol's bright scheme: most colour-blind readers can distinguish it, also in a grey print.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
ABOVE: dict[str, Any] = {
    "loc": "lower right", "bbox_to_anchor": (1, 1.01), "frameon": False, "borderaxespad": 0, "columnspacing": 1.2,
    "handlelength": 1.4,
}  # fmt: skip  # legends hide no data
TYPE = {
    "font.size": 8, "axes.titlesize": 8, "legend.fontsize": 7.5, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "axes.titlepad": 4,
    "pdf.fonttype": 42,  # letters stay letters; type 3 fonts are refused by many journals
}  # fmt: skip
# Stand-ins, replaced by variables of the page, which differ between light and dark mode.
INK, BAR, MARK, FAINT = "#010203", "#010204", "#010205", "#010206"
ON_PAGE = ((INK, "currentColor"), (BAR, "var(--accent)"), (MARK, "var(--warn)"), (FAINT, "var(--faint)"))
PLACES = re.compile(r'(?<=\s)(?:d|x|y|transform)="[^"]*"')  # attributes of an SVG that contain coordinates
PAGE_TYPE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "text.color": INK, "axes.edgecolor": INK,
    "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, ``width`` x ``height`` inches, that needs no window system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(draw: Callable[[], Figure], path: Path) -> None:
    """Draws, and writes ``path`` in all formats; the same numbers give the same bytes."""
    import matplotlib as mpl

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs each table of a font that a PDF does not need
    # Ids in the SVG are drawn from a salt; the same salt gives the same file.
    with mpl.rc_context({**TYPE, "svg.hashsalt": "trailers"}):
        figure = draw()
        for kind in FORMATS:
            with atomic(path.with_suffix(f".{kind}")) as temporary:
                figure.savefig(temporary, format=kind, dpi=DOTS, metadata=NO_METADATA[kind])


NO_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}


def on_page(draw: Callable[[], Figure], name: str) -> str:
    """The figure as an SVG element in the colours of the page that contains it; ``name`` is unique in that page."""
    import matplotlib as mpl

    # Ids are derived from the salt, so that an id occurs only once in a page.
    with mpl.rc_context({**TYPE, **PAGE_TYPE, "svg.hashsalt": name}):
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw().savefig(text, format="svg", transparent=True, metadata=nothing)
    drawing = text.getvalue()
    for colour, name in ON_PAGE:
        drawing = drawing.replace(colour, name)
    # Groups are numbered from 1 in each figure, and nothing refers to them.
    drawing = re.sub(r' id="[A-Za-z0-9]+(?:\.[a-z]+)?_\d+"', "", drawing)
    # A hundredth of a point is finer than any screen, and half the bytes.
    drawing = PLACES.sub(lambda place: re.sub(r"(\.\d\d)\d+", r"\1", place[0]), drawing)
    return drawing[drawing.index("<svg") :]


def whole_counts(axis: object) -> None:
    """Sets ticks at whole numbers, because half a trailer does not exist."""
    from matplotlib.axis import Axis
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    assert isinstance(axis, Axis)
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def open_sides(axes: Axes) -> None:
    """Removes the frame above and to the right, which has no ticks."""
    axes.spines[["top", "right"]].set_visible(False)
