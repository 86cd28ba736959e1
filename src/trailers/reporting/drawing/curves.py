"""How well each genre is predicted: areas with their spread over splits, and precision-recall curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trailers.reporting.drawing.style import BAR, FAINT, WIDTH, new_figure, open_sides

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 60  # maximum number of points of a curve; more are not visible at this size
COLUMNS = 5
LABEL_TICKS = (0, 100)


@dataclass(frozen=True)
class GenreScores:
    """Scores of one experiment for one genre, in percent: a value per split with test trailers of the genre."""

    genre: str
    areas: tuple[float, ...]
    shares: tuple[float, ...]  # share of the test trailers that have the genre: the area reached by guessing
    curves: tuple[tuple[np.ndarray, np.ndarray], ...]  # recall and precision (points,)


def thinned(recall: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Up to ``POINTS`` of the points of a curve, evenly spread over recall, including its ends; in percent."""
    wanted = np.linspace(recall[0], recall[-1], POINTS)
    chosen = np.unique(np.clip(np.searchsorted(recall, wanted), 0, len(recall) - 1))
    return 100 * recall[chosen], 100 * precision[chosen]


def draw_scores(scores: Sequence[GenreScores]) -> Figure:
    """A figure with the area of each genre on the left, a dot per split, and its curves on the right."""
    rows = -(-len(scores) // COLUMNS)
    figure = new_figure(WIDTH + 0.8, max(2.4, 1.35 * rows))
    halves = figure.add_gridspec(1, 2, width_ratios=(1, 2.3))
    left, right = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    draw_areas(left.subplots(), scores)
    places = right.subplots(rows, min(COLUMNS, len(scores)), sharex=True, sharey=True, squeeze=False)
    for axes, score in zip(places.ravel(), scores, strict=False):
        draw_curves(axes, score)
    for axes in places.ravel()[len(scores) :]:
        axes.set_visible(False)
    right.supxlabel("recall (%)", fontsize=8)
    right.supylabel("precision (%)", fontsize=8)
    return figure


def draw_areas(axes: Axes, scores: Sequence[GenreScores]) -> None:
    for place, score in enumerate(scores):
        axes.barh(place, float(np.mean(score.areas)), height=0.7, color=BAR, alpha=0.45)
        axes.plot(score.areas, [place] * len(score.areas), "o", markersize=2.4, color=BAR)
        share = float(np.mean(score.shares))
        axes.plot([share, share], [place - 0.42, place + 0.42], color=FAINT, linewidth=1.4)
    axes.set_yticks(range(len(scores)), [score.genre for score in scores])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 103)
    axes.set_xlabel("AP, trapezoid (%)")
    open_sides(axes)


def draw_curves(axes: Axes, score: GenreScores) -> None:
    for recall, precision in score.curves:
        axes.plot(*thinned(recall, precision), color=BAR, linewidth=0.9, alpha=0.8)
    axes.axhline(float(np.mean(score.shares)), color=FAINT, linewidth=0.8, linestyle=":")
    axes.set_title(score.genre, fontsize=7.5, pad=2, loc="left")
    axes.set(xlim=(0, 101), ylim=(0, 103), xticks=LABEL_TICKS, yticks=LABEL_TICKS)
    open_sides(axes)
