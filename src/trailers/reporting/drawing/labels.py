"""Fig. 3: labels per trailer, and how often two genres occur together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import GENRES
from trailers.reporting.drawing.style import COLOURS, WIDTH, new_figure, open_sides, whole_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 12  # up to this number of genres, the pairs fit the usual height
SLANTED: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
UPRIGHT: dict[str, Any] = {"rotation": 90, "fontsize": 7}


def draw_labels(counts: Mapping[str, Any], genres: Sequence[str] = GENRES) -> Figure:
    """Fig. 3, from ``statistics.label_counts``; ``genres`` are those of its table ``together``."""
    crowd = max(1.0, len(genres) / FEW)
    figure = new_figure(WIDTH, 3 * crowd**0.75)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    draw_numbers(left, counts)
    draw_pairs(right, np.array(counts["together"]), genres)
    return figure


def draw_numbers(axes: Axes, counts: Mapping[str, Any]) -> None:
    numbers = [int(number) for number in counts["trailers"]]
    bars = axes.bar(numbers, list(counts["trailers"].values()), color=COLOURS[0])
    axes.set_xticks(numbers)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=6, padding=1)
    title = f"(a) mean {counts['cardinality']:.2f} genres, density {counts['density']:.3f}"
    axes.set(xlabel="genres per trailer", ylabel="trailers")
    axes.set_title(title, loc="left")
    open_sides(axes)
    whole_counts(axes.yaxis)


def draw_pairs(axes: Axes, together: np.ndarray, genres: Sequence[str]) -> None:
    """Draws a triangle with each pair of genres once."""
    shown = np.where(np.tri(len(genres), k=-1, dtype=bool), together, np.nan)
    # The colours start at zero; if there is only one value, they would otherwise cover a range around it.
    largest = max(1, int(np.nan_to_num(shown).max()))
    image = axes.imshow(shown[1:, :-1], cmap="viridis_r", vmin=0, vmax=largest, aspect="auto")
    axes.set_xticks(range(len(genres) - 1), genres[:-1], **(SLANTED if len(genres) <= FEW else UPRIGHT))
    axes.set_yticks(range(len(genres) - 1), genres[1:])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("(b) trailers with both genres", loc="left")
    size = 6.5 * min(1, FEW / len(genres)) ** 0.75
    for row in range(1, len(genres)):
        for column in range(row):
            colour = "white" if together[row, column] > largest / 2 else "black"
            words = f"{together[row, column]:,}"
            axes.text(column, row - 1, words, ha="center", va="center", fontsize=size, color=colour)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    bar.outline.set_visible(False)
    whole_counts(bar.ax.yaxis)
