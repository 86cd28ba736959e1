"""Fig. 4: countries, languages, years and durations of a set. Panels without data are left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from trailers.reporting.drawing.style import COLOURS, WIDTH, new_figure, open_sides, whole_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_NAME = 22  # letters
MOST_BARS_LABELLED = 12  # up to this number of years, each bar or every second one has a label


def has_panels(counts: Mapping[str, Any]) -> bool:
    """Whether there is anything to draw."""
    return bool(panels(counts))


def panels(counts: Mapping[str, Any]) -> list[Callable[[Axes], None]]:
    known: list[tuple[Callable[[Axes], None], object]] = [
        (partial(draw_names, kind="countries", counts=counts["countries"]), counts["countries"]["titles"]),
        (partial(draw_names, kind="languages", counts=counts["languages"]), counts["languages"]["titles"]),
        (partial(draw_years, years=counts["years"]), counts["years"]),
        (partial(draw_durations, durations=counts["durations"]), counts["durations"]["trailers"]),
    ]
    return [draw for draw, of in known if of]


def draw_titles(counts: Mapping[str, Any]) -> Figure:
    """Fig. 4, from ``statistics.title_counts``."""
    drawn = panels(counts)
    rows = math.ceil(len(drawn) / 2)
    heights = [3.0 if row == 0 and counts["countries"]["titles"] + counts["languages"]["titles"] else 2.0
               for row in range(rows)]  # fmt: skip
    figure = new_figure(WIDTH, sum(heights))
    places = figure.subplots(rows, min(2, len(drawn)), squeeze=False, height_ratios=heights).ravel()
    for letter, axes, draw in zip("abcd", places, drawn, strict=False):
        draw(axes)
        axes.set_title(f"({letter}) {axes.get_title(loc='left')}", loc="left")
        open_sides(axes)
    for axes in places[len(drawn) :]:
        axes.set_visible(False)
    return figure


def draw_names(axes: Axes, kind: str, counts: Mapping[str, Any]) -> None:
    """Draws the shares of the titles of the most frequent countries or languages."""
    names = list(counts["first"])
    shares = [100 * counts["first"][name] / counts["titles"] for name in names]
    bars = axes.barh(range(len(names)), shares, color=COLOURS[0])
    axes.bar_label(bars, [f"{share:.1f}" for share in shares], padding=2, fontsize=6.5)
    shown = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
    axes.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in shown])
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    axes.tick_params(axis="y", length=0)
    label = f"titles (% of {counts['titles']:,})"
    if counts["names"] > len(names):
        label += f"; {100 * counts['titles_of_first'] / counts['titles']:.1f} % have one of these"
    axes.set_xlabel(label)
    axes.set_title(f"{kind}, {counts['names']:,} in all", loc="left")


def draw_years(axes: Axes, years: Mapping[str, int]) -> None:
    numbers = [int(year) for year in years]
    axes.bar(numbers, list(years.values()), width=0.85, color=COLOURS[0])
    if len(set(numbers)) <= MOST_BARS_LABELLED:
        axes.set_xticks(sorted(set(numbers)) if len(numbers) <= MOST_BARS_LABELLED // 2 else numbers[::2])
    whole_counts(axes.yaxis)
    axes.set(xlabel="year of release", ylabel="titles")
    axes.set_title(f"titles by year, {sum(years.values()):,} in all", loc="left")


def draw_durations(axes: Axes, durations: Mapping[str, Any]) -> None:
    starts = [int(start) for start in durations["bins_s"]]
    axes.bar(starts, list(durations["bins_s"].values()), width=9.2, align="edge", color=COLOURS[0])
    axes.set_xlim(left=0)
    whole_counts(axes.yaxis)
    axes.set(xlabel="duration (s), 10 s per bar", ylabel="trailers")
    axes.set_title(f"trailers by duration, {durations['trailers']:,} in all", loc="left")
