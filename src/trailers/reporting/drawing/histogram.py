"""Fig. 8: the number of shots by length, for print and for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import FPS
from trailers.reporting.drawing.style import ABOVE, BAR, COLOURS, MARK, WIDTH, new_figure, open_sides, whole_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAST_BAR = 240  # frames; the last bar of Fig. 8 holds all longer shots


def bars(durations: Mapping[int, int], *, bar_frames: int, last: int) -> np.ndarray:
    """Shots per bar of ``bar_frames``; the last bar holds all shots of ``last`` frames and more."""
    counts = np.zeros(last // bar_frames + 1, np.int64)
    for frames, number in durations.items():
        counts[min(frames, last) // bar_frames] += number
    return counts


def draw_histogram(
    axes: Axes,
    durations: Mapping[int, int],
    marks: Mapping[str, tuple[float, str, str]],
    *,
    bar_frames: int,
    last: int,
    colour: str,
) -> None:
    """Draws the bars, and a line for each mark.

    Args:
        axes: empty.
        durations: frames -> shots.
        marks: name -> frames, colour and style of the line, such as the mean.
        bar_frames: frames per bar.
        last: frames; the last bar holds all shots from here on.
        colour: colour of the bars.
    """
    counts = bars(durations, bar_frames=bar_frames, last=last)
    edges = np.arange(len(counts)) * bar_frames
    # Gaps between bars of one frame would be too fine for print and screens.
    wide = 1.0 if bar_frames == 1 else bar_frames * 0.9
    axes.bar(edges, counts, width=wide, align="edge", color=colour)
    for name, (frames, ink, line) in marks.items():
        # Long shots can move the mean beyond the last bar.
        axes.axvline(
            min(frames, last + bar_frames), color=ink, linestyle=line, linewidth=1.2, label=f"{name} {frames:.1f}"
        )
    axes.set(xlabel=f"shot length in frames at {FPS} fps", ylabel="shots", xlim=(0, last + bar_frames))
    ticks = [tick for tick in range(0, last, FPS) if last - tick >= FPS / 2]
    axes.set_xticks([*ticks, last], [*map(str, ticks), f"≥{last}"])
    open_sides(axes)
    whole_counts(axes.yaxis)
    if counts.any():
        axes.legend(ncols=2, **ABOVE)


def draw_shots(counts: Mapping[str, Any]) -> Figure:
    """Fig. 8: durations of shots, with their median and mean."""
    figure = new_figure(WIDTH, 2.6)
    names = ("median", COLOURS[1], "--"), ("mean", COLOURS[2], ":")
    marks = {name: (counts[name], colour, line) for name, colour, line in names if counts[name] is not None}
    durations = {int(frames): number for frames, number in counts["durations"].items()}
    draw_histogram(figure.subplots(), durations, marks, bar_frames=1, last=LAST_BAR, colour=COLOURS[0])
    return figure


def draw_shots_on_page(durations: Mapping[int, int], *, bar_frames: int, last: int) -> Figure:
    """The figure with wider bars, in the colours of a page."""
    figure = new_figure(8, 3)
    every = np.repeat(list(durations), list(durations.values()))
    marks = {"mean": (float(every.mean()), MARK, "--")}
    draw_histogram(figure.subplots(), durations, marks, bar_frames=bar_frames, last=last, colour=BAR)
    return figure
