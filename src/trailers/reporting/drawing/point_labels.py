"""Names beside the points of a scatter plot that cover neither points, lines between points nor other names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

FONT_PT = 6.5
DOT_PT = 3.6  # half the width of a dot
INK = "#333333"
# Where a name may be placed, as offsets from its dot in points (1/72 inch): near places first.
PLACES = tuple(
    (dx, dy, align)
    for reach in (0, 8, 16, 24, 34, 46, 60)
    for dx, dy, align in (
        (7, -3 + reach, "left"), (-7, -3 + reach, "right"), (7, -3 - reach, "left"), (-7, -3 - reach, "right"),
        (0, 4 + reach, "center"), (0, -10 - reach, "center"),
    )
)  # fmt: skip
EDGE_PX = 8  # the axes may still move a little
LINED_PT = 10  # a line leads to a name that is farther away than this

Place = tuple[float, float]


def label_points(axes: Axes, named: Sequence[tuple[str, Sequence[Place]]]) -> None:
    """Writes each name once, beside one of its points, and joins its points by a line.

    The limits and the size of ``axes`` must be final.
    """
    from matplotlib.path import Path
    from matplotlib.transforms import Bbox

    pixels = axes.figure.dpi / 72
    taken: list[Bbox | Path] = []
    for _, places in named:
        for place in places:
            centre = axes.transData.transform(place)
            taken.append(Bbox([centre - DOT_PT * pixels, centre + DOT_PT * pixels]))
        if len(places) > 1:
            axes.plot(*zip(*places, strict=True), color=INK, linewidth=0.5, zorder=0)
            taken.append(Path(axes.transData.transform(places)))
    for name, places in named:
        taken.append(text_box(place_label(axes, name, places, taken)))


def place_label(axes: Axes, name: str, places: Sequence[Place], taken: Sequence[Bbox | Path]) -> Annotation:
    """Places a name where it covers nothing; if there is no such place, at the last one tried."""
    label = None
    for dx, dy, align in PLACES:
        for place in places:
            if label is not None:
                label.remove()
            line = {"arrowstyle": "-", "color": INK, "lw": 0.5, "shrinkB": DOT_PT} if abs(dy + 3) > LINED_PT else None
            label = axes.annotate(
                name, place, (dx, dy), textcoords="offset points", fontsize=FONT_PT, color=INK, ha=align,
                arrowprops=line, annotation_clip=False,
            )  # fmt: skip
            label.set_in_layout(False)
            if is_free(text_box(label), axes, taken):
                return label
    assert label is not None
    return label


def is_free(box: Bbox, axes: Axes, taken: Sequence[Bbox | Path]) -> bool:
    """Whether ``box`` is inside ``axes`` and does not meet a box or line of ``taken``, all in pixels."""
    from matplotlib.path import Path

    inside = axes.bbox.padded(-EDGE_PX)
    if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
        return False
    return not any(
        other.intersects_bbox(box, filled=False) if isinstance(other, Path) else box.overlaps(other) for other in taken
    )


def text_box(label: Annotation) -> Bbox:
    """The box of a name in pixels, without the line to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = label.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    label.update_positions(canvas.get_renderer())
    return Text.get_window_extent(label)
