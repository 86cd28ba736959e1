"""Many pictures in one image: the place of each, and that the image fits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from trailers.pages.sheets import (
    QUALITIES,
    best_fit,
    encoded,
    halved,
    make_sheet,
    shrunk,
    spread_out,
    tile_size,
    tiled,
)


def test_tiles_are_placed_row_after_row_and_empty_places_are_black():
    pictures = np.stack([np.full((2, 2, 3), value, np.uint8) for value in (10, 20, 30)])
    image = tiled(pictures, 2)
    assert image[:, :, 0].tolist() == [[10, 10, 20, 20], [10, 10, 20, 20], [30, 30, 0, 0], [30, 30, 0, 0]]


def test_halving_averages_every_four_pixels():
    picture = np.array([[1, 2, 10, 10], [3, 4, 10, 11]], np.uint8)[None, :, :, None].repeat(3, axis=3)
    assert halved(picture)[0, :, :, 0].tolist() == [[3, 10]]  # 2.5 and 10.25, rounded


@pytest.mark.parametrize(
    ("video", "tile"),
    [((455, 256), (176, 96)), ((256, 455), (48, 96)), ((614, 256), (224, 96)), ((4000, 16), (288, 96))],
    ids=["16:9", "upright", "wide", "a line"],
)
def test_a_tile_has_nearly_the_shape_of_the_video_in_whole_blocks(video, tile):
    assert tile_size(*video, tile_px=96) == tile


def test_a_sheet_is_a_jpeg_whose_tiles_show_the_frames_that_it_lists():
    pictures = np.stack([np.full((32, 48, 3), value, np.uint8) for value in (0, 90, 180)])
    sheet = make_sheet(pictures, [5, 29, 53], most_bytes=100_000)
    image = np.asarray(Image.open(io.BytesIO(sheet.data)))
    assert (sheet.columns, sheet.frames, image.shape) == (3, (5, 29, 53), (32, 144, 3))
    assert np.abs(image[16, [24, 72, 120], 0].astype(int) - [0, 90, 180]).max() <= 2


def test_a_sheet_that_must_be_small_loses_quality_then_size_until_it_fits():
    noise = np.random.default_rng(0).integers(0, 255, (30, 96, 160, 3), np.uint8)
    sheets = {most: make_sheet(noise, range(30), most_bytes=most) for most in (2_000_000, 300_000, 60_000)}
    assert all(len(sheet.data) <= most for most, sheet in sheets.items())
    assert [(sheet.width_px, sheet.height_px) for sheet in sheets.values()] == [(160, 96), (160, 96), (104, 64)]


def test_the_best_quality_that_fits_is_used():
    noise = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    sizes = [len(encoded(noise, quality)) for quality in QUALITIES]
    assert sizes == sorted(sizes)
    for most in range(sizes[0], sizes[-1] + 500, 500):
        assert len(best_fit(noise, most)) == max(size for size in sizes if size <= most)
    assert len(best_fit(noise, 10)) == sizes[0]


def test_a_shrunk_tile_contains_no_pixels_of_its_neighbours():
    pictures = np.stack([np.full((48, 88, 3), value, np.uint8) for value in (0, 255)])
    small = shrunk(pictures, 5)
    assert small.shape == (2, 40, 72, 3)
    assert (small[0] == 0).all()
    assert (small[1] == 255).all()


def test_a_sheet_without_pictures_is_refused():
    with pytest.raises(ValueError, match="got 0 for 0"):
        make_sheet(np.zeros((0, 8, 8, 3), np.uint8), [], most_bytes=1000)


def test_spread_out_frames_include_the_first_and_the_last():
    assert spread_out([1, 2, 3], 5) == [1, 2, 3]
    assert spread_out(list(range(0, 101)), 5) == [0, 25, 50, 75, 100]
