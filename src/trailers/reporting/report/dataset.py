"""The set of trailers: the row of Table 1, the numbers of Sec. 3, and Figures 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trailers.domain import Trailer
from trailers.reporting.drawing.genres import draw_genres
from trailers.reporting.drawing.labels import draw_labels
from trailers.reporting.drawing.style import on_page
from trailers.reporting.drawing.titles import draw_titles, has_panels
from trailers.reporting.report.stages import Stage
from trailers.reporting.statistics import genre_counts, label_counts, overview, title_counts
from trailers.store.ledger import OK
from trailers.store.metadata import read_metadata

ONE_FRAME = "1"  # frames_a_clip of a backbone that takes one frame per clip


def describe_set(
    trailers: Sequence[Trailer], stages: Sequence[Stage], backbones: Sequence[Mapping[str, Any]], files: Sequence[Path],
    genres: Sequence[str], *, draw: bool,
) -> dict[str, Any]:  # fmt: skip
    """``rows`` of name, this set's value and Trailers12k's; ``figures``, caption -> SVG, empty without ``draw``.

    Args:
        backbones: from ``counts.describe_backbones``.
        files: with metadata of titles.
        genres: those of the data set.
    """
    known = read_metadata(files)
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    frames = [
        int(row.facts["frames"]) for row in normalise.rows.values() if row.status == OK and row.facts.get("frames")
    ]
    counts = title_counts([known[t.trailer] for t in trailers if t.trailer in known], frames)
    dimensions = [2 if row["attributes"].get("frames_a_clip") == ONE_FRAME else 3 for row in backbones]
    rows = [row for row in overview(trailers, known, counts, dimensions, genres) if row[1]]
    return {"rows": rows, "figures": draw_figures(trailers, counts, genres) if draw else {}}


def draw_figures(trailers: Sequence[Trailer], counts: Mapping[str, Any], genres: Sequence[str]) -> dict[str, str]:
    labelled, figures = [trailer for trailer in trailers if trailer.genres], {}
    if labelled:
        figures["Trailers of each genre, in the whole set and in the subsets of split 0 (Fig. 2)."] = on_page(
            partial(draw_genres, genre_counts(labelled, genres)), "genres"
        )
        figures["Genres per trailer, and trailers that have both of two genres (Fig. 3)."] = on_page(
            partial(draw_labels, label_counts(labelled, genres), genres), "labels"
        )
    if has_panels(counts):
        figures["Countries, languages, years of release and durations, where known (Fig. 4)."] = on_page(
            partial(draw_titles, counts), "titles"
        )
    return figures
