"""Names beside the points of a scatter plot, so that none covers another name or point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

FONT_PT = 7
DOT_PT = 4  # half the width of a point
# Where a name may start, in points of print from its own: near places first.
PLACES = [
    (dx, dy, align)
    for reach in (0, 9, 18, 27, 38, 50)
    for dx, dy, align in (
        (6, -2 + reach, "left"), (-6, -2 + reach, "right"), (6, -2 - reach, "left"), (-6, -2 - reach, "right"),
    )
]  # fmt: skip


def label_points(axes: Axes, points: Sequence[tuple[str, float, float, str]]) -> None:
    """Write the name of each point: ``points`` are name, x, y and colour. A line leads to one that had to move away.

    The limits and the size of ``axes`` must be final.
    """
    from matplotlib.transforms import Bbox

    figure = axes.get_figure(root=True)
    assert figure is not None
    pixels = figure.dpi / 72
    taken = []
    for _, x, y, _ in points:
        centre = axes.transData.transform((x, y))
        taken.append(Bbox([centre - DOT_PT * pixels, centre + DOT_PT * pixels]))
    for name, x, y, colour in points:
        label = None
        for dx, dy, align in PLACES:
            if label is not None:
                label.remove()
            arrow = {"arrowstyle": "-", "color": colour, "lw": 0.5} if abs(dy) > 9 else None
            label = axes.annotate(
                name, (x, y), (dx, dy), textcoords="offset points", fontsize=FONT_PT, color=colour, ha=align,
                arrowprops=arrow, annotation_clip=False,
            )  # fmt: skip
            label.set_in_layout(False)
            box = text_box(label, figure)
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def text_box(label: object, figure: object) -> Bbox:
    """Where a name stands, without its line."""
    from matplotlib.text import Text

    return Text.get_window_extent(label, figure.canvas.get_renderer())  # type: ignore[arg-type,attr-defined]
