"""Figures 4 and 9, and what all figures share."""

from __future__ import annotations

import itertools
import re

import matplotlib as mpl
import numpy as np
import pytest

from trailers.domain import Clip, Shot
from trailers.errors import StoreError
from trailers.reporting.drawing.clips import Excerpt, draw_clips, needed, rank_starts, shown_frames
from trailers.reporting.drawing.genres import draw_genres
from trailers.reporting.drawing.style import COLOURS, TYPE, on_page
from trailers.reporting.drawing.titles import draw_titles, has_panels
from trailers.reporting.figures.excerpt import find_excerpt
from trailers.reporting.statistics import genre_counts, title_counts
from trailers.store.layout import Layout
from trailers.store.metadata import Metadata
from trailers.store.spans import SHOTS_SCHEMA, write_spans
from trailers.video import encode_frames

# Linear RGB as seen without the cones for long, middle and short waves (Machado, Oliveira and Fernandes 2009).
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(linear):
    """CIE L*a*b* of linear sRGB, white of D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colour_blind_readers_can_distinguish_the_colours_of_the_subsets(deficiency):
    seen = []
    for colour in COLOURS[:4]:
        rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen.append(lab(np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)))
    # A difference of 2.3 is just visible side by side; this is four times as much.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10


def test_a_figure_of_a_page_uses_its_colours_and_has_unique_ids():
    drawing = on_page(lambda: draw_genres(genre_counts([])), "genres")
    assert drawing.startswith("<svg")
    assert "currentColor" in drawing
    assert "#010203" not in drawing
    ids = re.findall(r' id="([^"]*)"', drawing)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', drawing)) <= set(ids)


TITLES = [
    Metadata(1999, ("Democratic Republic of the Congo", "US$"), ("English",)),
    Metadata(2001, ("FR",), ("French",)),
]


@pytest.mark.parametrize(
    ("titles", "frames", "panels"),
    [
        (TITLES, [720, 2400], [
            "(a) countries, 3 in all", "(b) languages, 2 in all", "(c) titles by year, 2 in all",
            "(d) trailers by duration, 2 in all",
        ]),
        ([], [720], ["(a) trailers by duration, 1 in all"]), ([Metadata(1999)], [], ["(a) titles by year, 1 in all"]),
    ],
)  # fmt: skip
def test_fig_4_has_a_panel_for_each_known_fact(titles, frames, panels):
    counts = title_counts(titles, frames)
    assert has_panels(counts)
    with mpl.rc_context(TYPE):
        figure = draw_titles(counts)
        figure.draw_without_rendering()
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == panels
    for axes in figure.axes:
        if axes.get_visible():
            box = axes.get_tightbbox()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


def test_fig_4_is_not_drawn_if_nothing_is_known():
    assert not has_panels(title_counts([Metadata()], []))


def test_a_clip_is_shown_by_the_middle_frames_of_its_thirds_without_padding():
    assert shown_frames(Clip(0, 48, 72, 0)) == [52, 60, 68]
    assert shown_frames(Clip(0, 48, 58, 14)) == [52, 57, None]
    assert needed([Clip(0, 48, 58, 14), Clip(0, 48, 72, 0)]) == [52, 57, 60, 68]


def test_fig_9_shows_a_stretch_with_a_transition_and_about_four_shots():
    plain = [Shot(0, 240)]
    rich = [Shot(240, 270), Shot(276, 300), Shot(300, 330), Shot(330, 480)]
    score, start = rank_starts([*plain, *rich], 480, window=120, step=24)[0]
    assert score[0] == 1
    assert start in (216, 240)
    assert [start for _, start in rank_starts([Shot(0, 30)], 30, window=120, step=24)] == [0]


def excerpt():
    sequences = (Clip(0, 0, 24, 0), Clip(0, 24, 48, 0))
    clips = (Clip(0, 0, 24, 0), Clip(0, 24, 30, 18), Clip(1, 33, 48, 9))
    pictures = {frame: np.full((9, 16, 3), 5 * frame, np.uint8) for frame in needed([*sequences, *clips])}
    return Excerpt(0, 48, 24, (Shot(0, 30), Shot(33, 48)), sequences, clips, pictures)


def test_fig_9_draws_every_clip_with_its_pictures_and_its_padding():
    (axes,) = draw_clips(excerpt()).axes
    pictures = [image.get_array() for image in axes.images]
    # The clip of 6 frames is padded from its second third on, the clip of 15 frames in its last third.
    assert len(pictures) == 3 * 2 + 3 + 1 + 2
    assert sum(patch.get_hatch() is not None for patch in axes.patches) == 3
    assert [text.get_text() for text in axes.texts] == ["Seq-24", "frames", "Shot-24"]
    filled, empty = (len(cells.get_paths()) for cells in axes.collections)
    assert (filled, empty) == (45, 3)


def test_fig_9_takes_its_pictures_from_the_video(tmp_path):
    layout = Layout(tmp_path)
    header = {"trailer": "a", "frames": 120, "fingerprint": "f"}
    write_spans(layout.shots("a"), [Shot(0, 50), Shot(55, 120)], kind=Shot, header=header, schema=SHOTS_SCHEMA)
    frames = (np.full((36, 64, 3), 100 + index, np.uint8) for index in range(120))
    encode_frames(layout.video("a"), frames, width_px=64, height_px=36, fps=24, fingerprint="f")
    name, excerpt = find_excerpt(["missing", "a"], layout, trailer=None)
    assert (name, excerpt.start, excerpt.end) == ("a", 0, 120)
    assert [(clip.start, clip.end) for clip in excerpt.sequences] == [(0, 24), (24, 48), (48, 72), (72, 96), (96, 120)]
    assert [(clip.start, clip.end) for clip in excerpt.clips] == [
        (0, 24),
        (24, 48),
        (48, 50),
        (55, 79),
        (79, 103),
        (103, 120),
    ]
    assert all(abs(picture.mean() - 100 - frame) < 4 for frame, picture in excerpt.pictures.items())
    assert draw_clips(excerpt).axes


def test_fig_9_of_a_named_trailer_needs_its_video(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        find_excerpt([], Layout(tmp_path), trailer="a")


def test_fig_9_is_left_out_without_a_video(tmp_path):
    layout = Layout(tmp_path)
    header = {"trailer": "a", "frames": 48, "fingerprint": "f"}
    write_spans(layout.shots("a"), [Shot(0, 48)], kind=Shot, header=header, schema=SHOTS_SCHEMA)
    assert find_excerpt(["a"], layout, trailer=None) is None
