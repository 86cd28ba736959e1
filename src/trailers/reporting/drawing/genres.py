"""Fig. 2: trailers per genre, in the whole set and in the subsets of a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.reporting.drawing.style import ABOVE, COLOURS, WIDTH, new_figure, open_sides

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR = 0.2  # width of a bar, as a share of the distance between two genres
FEW = 12  # up to this number of genres, names fit side by side
SLANTED: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def draw_genres(counts: Mapping[str, Any]) -> Figure:
    """Fig. 2, from ``statistics.genre_counts``."""
    names = list(counts["whole set"]["positives"])
    is_crowded = len(names) > FEW
    figure = new_figure(WIDTH, 3 + 0.8 * is_crowded)
    axes = figure.subplots()
    places = np.arange(len(names))
    for number, (name, row) in enumerate(counts.items()):
        label = f"{name} ({row['trailers']:,})"
        axes.bar(places + BAR * (number - 1.5), shares(row), BAR, label=label, color=COLOURS[number])
    whole = counts["whole set"]
    for place, share, count in zip(places, shares(whole), whole["positives"].values(), strict=True):
        # Upright above its own bar, because a line of text is wider than a bar.
        own = (place - 1.5 * BAR, share)
        axes.annotate(
            f"{share:.1f} % ({count:,})", own, (0, 2), textcoords="offset points", ha="center", va="bottom",
            rotation=90, fontsize=6.5 * min(1, 2 * FEW / len(names)),
        )  # fmt: skip
    axes.set_xticks(places, names, **(SLANTED if is_crowded else {}))
    axes.tick_params(axis="x", length=0)
    axes.margins(x=0.01)
    axes.set_ylim(0, 1.42 * max([1.0, *(share for row in counts.values() for share in shares(row))]))
    axes.set_ylabel("trailers with the genre (%)")
    open_sides(axes)
    axes.legend(ncols=len(counts), **ABOVE)
    return figure


def shares(row: Mapping[str, Any]) -> list[float]:
    """Percent of the trailers that have each genre."""
    return [100 * count / max(row["trailers"], 1) for count in row["positives"].values()]
