"""How many shots have which length: the one drawing of it, for the report and as Fig. 8."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from trailers.domain import FPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-ins, exchanged for what follows the page from light to dark.
INK, BAR, MARK = "#010203", "#010204", "#010205"
ON_PAGE = ((INK, "currentColor"), (BAR, "var(--accent)"), (MARK, "var(--warn)"))


def bars(durations: Mapping[int, int], *, bar_frames: int, last: int) -> np.ndarray:
    """Shots per bar of ``bar_frames``; the last bar holds all shots of ``last`` frames and more."""
    counts = np.zeros(last // bar_frames + 1, np.int64)
    for frames, number in durations.items():
        counts[min(frames, last) // bar_frames] += number
    return counts


def draw_histogram(
    axes: Axes,
    durations: Mapping[int, int],
    marks: Mapping[str, tuple[float, str]],
    *,
    bar_frames: int,
    last: int,
    colour: str,
) -> None:
    """Draw bars, and a line for each mark.

    Args:
        axes: empty.
        durations: frames -> shots.
        marks: name -> frames and colour, such as the mean.
        bar_frames: frames per bar.
        last: frames; the last bar holds all shots from here on.
        colour: of the bars.
    """
    counts = bars(durations, bar_frames=bar_frames, last=last)
    edges = np.arange(len(counts)) * bar_frames
    axes.bar(edges, counts, width=bar_frames * 0.9, align="edge", color=colour)
    for name, (frames, ink) in marks.items():
        # Shots beyond the last bar can pull the mean there.
        axes.axvline(
            min(frames, last + bar_frames), color=ink, linestyle="--", linewidth=1.2, label=f"{name} {frames:.1f}"
        )
    axes.set(xlabel=f"shot length in frames at {FPS} fps", ylabel="shots", xlim=(0, last + bar_frames))
    ticks = [tick for tick in range(0, last, FPS) if last - tick >= FPS / 2]
    axes.set_xticks([*ticks, last], [*map(str, ticks), f"≥{last}"])
    axes.spines[["top", "right"]].set_visible(False)
    whole_counts(axes.yaxis)
    if counts.any():
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0)


def whole_counts(axis: object) -> None:
    """Ticks at whole numbers from zero on: half a trailer is none."""
    from matplotlib.axis import Axis
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    assert isinstance(axis, Axis)
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def on_page(durations: Mapping[int, int], *, bar_frames: int, last: int) -> str:
    """The histogram as an SVG element in the colours of the page that holds it."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    settings = {
        "svg.hashsalt": "trailers", "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif",
        "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    }  # fmt: skip
    every = np.repeat(list(durations), list(durations.values()))
    with mpl.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
        marks = {"mean": (float(every.mean()), MARK)}
        draw_histogram(axes, durations, marks, bar_frames=bar_frames, last=last, colour=BAR)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
        pyplot.close(figure)
    drawing = text.getvalue()
    for colour, name in ON_PAGE:
        drawing = drawing.replace(colour, name)
    return drawing[drawing.index("<svg") :]
