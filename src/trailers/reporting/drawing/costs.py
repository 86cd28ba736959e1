"""Fig. 10: multiply-adds and parameters against micro AP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trailers.reporting.drawing.point_labels import label_points
from trailers.reporting.drawing.style import ABOVE, COLOURS, WIDTH, new_figure, open_sides

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = ((5, 20, 100, 500, 2000), (1, 2, 5, 10, 20, 50))  # left half, right half


def draw_costs(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Fig. 10, from the rows of Table 6."""
    figure = new_figure(WIDTH, 3.4)
    halves = figure.subplots(1, 2, sharey=True)
    labels = ("multiply-adds for 30 clips (G)", "parameters (M)")
    for axes, column, label in zip(halves, (0, 1), labels, strict=True):
        axes.set_xscale("log")
        # A ring around a square, so that both are visible at the same place.
        looks = {"printed": ("o", 38, "none", COLOURS[1]), "ours": ("s", 12, COLOURS[0], COLOURS[0])}
        for kind, (marker, size, face, edge) in looks.items():
            places = [place for row in rows for place in cost_places(row, column, (kind,))]
            if places:
                axes.scatter(*zip(*places, strict=True), s=size, fc=face, ec=edge, marker=marker, label=kind)
        axes.set(xlabel=label, ylabel="micro AP, trapezoid (%)" if column == 0 else None)
        axes.margins(y=0.1)
        open_sides(axes)
        known = [x for row in rows for x, _ in cost_places(row, column)]
        if known:
            axes.set_xticks(TICKS[column], [f"{tick:,g}" for tick in TICKS[column]])
            axes.set_xlim(min(known) / 2, max(known) * 2)
            axes.legend(ncols=2, **ABOVE)
        axes.minorticks_off()
    figure.draw_without_rendering()  # determines the places of the points
    for axes, column in zip(halves, (0, 1), strict=True):
        named = [(row["name"], cost_places(row, column)) for row in rows]
        label_points(axes, [(name, places) for name, places in named if places])
    return figure


def cost_places(
    row: Mapping[str, Any], column: int, kinds: Sequence[str] = ("printed", "ours")
) -> list[tuple[float, float]]:
    """Cost and micro AP of a row of Table 6, for each kind that is known."""
    return [(row[kind][column], row[kind][2]) for kind in kinds if None not in row[kind]]
