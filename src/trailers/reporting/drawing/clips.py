"""Fig. 9: how Seq and Shot cut the same frames of one trailer, drawn from the frames themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trailers.domain import Clip, Shot
from trailers.reporting.drawing.style import COLOURS, WIDTH, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Score = tuple[int, int, int]

SEQUENCE, SHOT, CONTENT = COLOURS[0], COLOURS[1], "#9a9a9a"
EDGE, PADDING = "#333333", "#707070"
PICTURES = 3  # per clip: of its first, middle and last third
NAMES = 0.55  # inches on the left for the names of the rows
STRIP, GAP, SPACE = 0.16, 0.05, 0.3  # inches: height of the strip of frames, between clips, from clips to the strip


@dataclass(frozen=True)
class Excerpt:
    """The frames [start, end) of a trailer. ``pictures`` holds uint8 (height, width, 3) of each of ``needed``."""

    start: int
    end: int
    frames: int  # per clip
    shots: tuple[Shot, ...]
    sequences: tuple[Clip, ...]
    clips: tuple[Clip, ...]
    pictures: Mapping[int, np.ndarray]


def shown_frames(clip: Clip) -> list[int | None]:
    """For each part of a clip its middle frame, or the last one before the padding; None if the part is padding."""
    length, frames = len(clip), clip.end - clip.start
    found: list[int | None] = []
    for number in range(PICTURES):
        begin, middle = length * number // PICTURES, length * (2 * number + 1) // (2 * PICTURES)
        found.append(clip.start + min(middle, frames - 1) if begin < frames else None)
    return found


def rank_starts(shots: Sequence[Shot], frame_count: int, *, window: int, step: int) -> list[tuple[Score, int]]:
    """Score and start of every stretch of ``window`` frames, in steps of ``step``; best first.

    Stretches with frames of a transition, about four shots and many complete shots show the difference best.
    """
    found = []
    for start in range(0, max(1, frame_count - window + 1), step):
        inside = [shot for shot in shots if shot.start < start + window and shot.end > start]
        covered = sum(min(shot.end, start + window) - max(shot.start, start) for shot in inside)
        whole = sum(shot.start >= start and shot.end <= start + window for shot in inside)
        score = (int(3 <= window - covered <= window // 4), -abs(len(inside) - 4), whole)
        found.append((score, start))
    return sorted(found, key=lambda each: each[0], reverse=True)  # stable: equal scores keep their order


def draw_clips(excerpt: Excerpt) -> Figure:
    """Fig. 9: the clips of Seq above, the frames, and below the clips of Shot; padding is black with lines."""
    height, width = next(iter(excerpt.pictures.values())).shape[:2]
    aspect = height / width
    space = WIDTH - NAMES - 0.1
    above, below = (row_height(space, clips, aspect) for clips in (excerpt.sequences, excerpt.clips))
    total = above + below + STRIP + 2 * SPACE
    figure = new_figure(WIDTH, total + 0.1)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.05 / WIDTH, 0.05 / (total + 0.1), 1 - 0.1 / WIDTH, total / (total + 0.1)))
    axes.axis("off")
    strip = below + SPACE
    draw_strip(axes, excerpt, NAMES, space, strip)
    for clips, bottom, tall, colour, edge in (
        (excerpt.sequences, strip + STRIP + SPACE, above, SEQUENCE, strip + STRIP),
        (excerpt.clips, 0.0, below, SHOT, strip),
    ):
        draw_row(axes, excerpt, clips, (NAMES, space), (bottom, tall), (colour, edge))
    for name, middle, colour in (
        (f"Seq-{excerpt.frames}", total - above / 2, SEQUENCE),
        ("frames", strip + STRIP / 2, EDGE),
        (f"Shot-{excerpt.frames}", below / 2, SHOT),
    ):
        axes.text(NAMES - 0.08, middle, name, ha="right", va="center", color=colour, fontsize=7.5)
    axes.set_xlim(0, WIDTH - 0.1)
    axes.set_ylim(0, total)
    return figure


def row_height(space: float, clips: Sequence[Clip], aspect: float) -> float:
    """Height of a row of clips in inches, if the pictures keep their shape."""
    return (clip_width(space, len(clips)) / PICTURES) * aspect


def clip_width(space: float, clips: int) -> float:
    return (space - GAP * (clips - 1)) / max(clips, 1)


def draw_strip(axes: Axes, excerpt: Excerpt, left: float, space: float, bottom: float) -> None:
    """Draws a cell per frame: grey in a shot, empty in a transition; a line marks the end of a shot."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    cell = space / (excerpt.end - excerpt.start)
    inside = {frame for shot in excerpt.shots for frame in range(shot.start, shot.end)}
    for filled, colour in ((True, CONTENT), (False, "none")):
        cells = [
            Rectangle((left + (frame - excerpt.start) * cell, bottom), 0.75 * cell, STRIP)
            for frame in range(excerpt.start, excerpt.end)
            if (frame in inside) == filled
        ]
        axes.add_collection(PatchCollection(cells, facecolor=colour, edgecolor=CONTENT, linewidth=0.4))
    for shot in excerpt.shots:
        if excerpt.start < shot.end < excerpt.end:
            place = left + (shot.end - excerpt.start) * cell - 0.125 * cell
            axes.plot([place, place], [bottom - 0.06, bottom + STRIP + 0.06], color=EDGE, linewidth=1)


def draw_row(
    axes: Axes, excerpt: Excerpt, clips: Sequence[Clip], across: tuple[float, float], row: tuple[float, float],
    ink: tuple[str, float],
) -> None:  # fmt: skip
    """Draws clips side by side, each connected to its frames.

    Args:
        across: left end and width, inches.
        row: bottom and height of the clips, inches.
        ink: colour, and the edge of the strip to which the connections lead.
    """
    from matplotlib.patches import Polygon, Rectangle

    (left, space), (bottom, tall), (colour, edge) = across, row, ink
    wide, cell = clip_width(space, len(clips)), space / (excerpt.end - excerpt.start)
    near = bottom if bottom > edge else bottom + tall
    for number, clip in enumerate(clips):
        begin = left + number * (wide + GAP)
        first, last = (left + (frame - excerpt.start) * cell for frame in (clip.start, clip.end))
        own = begin + wide * (clip.end - clip.start) / len(clip)
        axes.add_patch(
            Polygon(
                [(first, edge), (last - cell / 4, edge), (own, near), (begin, near)], color=colour, alpha=0.18, lw=0
            )
        )
        for place, frame in enumerate(shown_frames(clip)):
            x, part = begin + place * wide / PICTURES, wide / PICTURES
            if frame is None:
                # The lines distinguish padding from a dark frame.
                axes.add_patch(Rectangle((x, bottom), part, tall, fc="black", ec=PADDING, hatch="////", lw=0))
            else:
                axes.imshow(excerpt.pictures[frame], extent=(x, x + part, bottom, bottom + tall), aspect="auto")
        axes.add_patch(
            Rectangle((begin, bottom), wide, tall, fill=False, edgecolor=colour, linewidth=1.6, clip_on=False)
        )


def needed(clips: Sequence[Clip]) -> list[int]:
    """The frames whose pictures ``draw_clips`` needs, in order."""
    return sorted({frame for clip in clips for frame in shown_frames(clip) if frame is not None})
