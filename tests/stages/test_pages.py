"""The pages stage: the content of the page of a trailer, and when it is made again."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import pages_lab as lab
from trailers.domain import Clip
from trailers.errors import ConfigError, StoreError
from trailers.pages.rendering import read_page
from trailers.stages import registry
from trailers.stages.currency import sources_of
from trailers.stages.pages import Settings, Shown
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, write_spans
from trailers.video import VideoFrames


@pytest.fixture
def layout(tmp_path) -> Layout:
    layout = Layout(tmp_path / "results")
    lab.make_trailer(layout, "one", 1)
    return layout


def page_of(layout: Layout, trailer: str = "one", **changed):
    lab.pages_stage(layout, **changed).make(trailer)
    return read_page(layout.page(trailer))


def test_a_page_contains_shots_clips_and_probabilities(layout):
    page = page_of(layout)
    assert page["shots"] == [[0, 30], [30, 54], [54, 96]]
    assert page["clips"]["shot24"][1] == [0, 24, 30, 18, 25]
    assert (page["frames"], page["size"], page["video"]) == (96, [64, 36], "../normalise/one.mp4")
    single = base64.b64decode(page["single"]["values"])
    assert [n for n, value in enumerate(single) if value] == [29, 53]
    assert single[29] == 230  # 0.9 of 255, rounded


def test_a_sheet_shows_the_frames_of_the_video_that_it_names(layout):
    page = page_of(layout)
    shots, clips, _ = page["sheets"]
    assert shots["frames"] == [25, 40, 80]  # the representative frames of the middle clips of the shots
    assert clips["frames"] == [0, 7, 24, 25, 29, 30, 40, 53, 54, 60, 78, 80, 95]
    for sheet, path in ((shots, layout.shot_pictures("one")), (clips, layout.clip_pictures("one"))):
        width, height = sheet["tile"]
        image = np.asarray(Image.open(io.BytesIO(path.read_bytes()))).astype(int)
        with VideoFrames(layout.video("one")) as video:
            for place, frame in enumerate(sheet["frames"]):
                top, left = place // sheet["columns"] * height, place % sheet["columns"] * width
                shown = image[top : top + height, left : left + width].mean(axis=(0, 1))
                assert np.abs(shown - video.batch([frame])[0].mean(axis=(0, 1))).max() < 4


def test_the_text_of_a_page_says_what_the_stages_did(layout):
    page_of(layout)
    text = re.sub(r"\s+", " ", layout.page("one").read_text())
    assert "96 frames at 24 per second, 4.0 s, 64×36." in text
    assert "Published as h264 in mp4, 1280×720, 25 per second." in text
    assert "0 frames duplicated and 4 dropped to reach 24 per second." in text
    assert "shot24: 5 clips, 2 of them padded with black." in text
    assert "<li>its end is missing</li>" in text


def test_a_page_and_its_pictures_fit_the_configured_size(layout):
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (96, 36, 64, 3), np.uint8)
    from trailers.video import encode_frames

    encode_frames(layout.video("one"), noise, width_px=64, height_px=36, fps=24, fingerprint="video")
    page_of(layout, largest_kb=60)
    files = lab.pages_stage(layout).products("one")
    assert sum(path.stat().st_size for path in files) <= 60_000


def test_the_same_trailer_gives_the_same_bytes(layout):
    files = lab.pages_stage(layout).products("one")
    page_of(layout)
    first = [path.read_bytes() for path in files]
    page_of(layout)
    assert [path.read_bytes() for path in files] == first


@pytest.mark.parametrize(
    "shown",
    [Shown(("shot24",), 0.4, "single"), Shown(("shot24",), 0.5, "many"), Shown(("shot24", "shot24"), 0.5, "single")],
    ids=["threshold", "head", "strategies"],
)
def test_what_a_page_shows_is_part_of_its_fingerprint(layout, shown):
    stage = lab.pages_stage(layout)
    stage.make("one")
    assert stage.existing("one") is not None
    stage.show(shown)
    assert stage.existing("one") is None


def test_a_page_with_other_clips_is_made_again(layout):
    stage = lab.pages_stage(layout)
    stage.make("one")
    header = {"trailer": "one", "frames": 96, "fingerprint": "other"}
    write_spans(layout.clips("shot24", "one"), lab.CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    assert stage.existing("one") is None


def test_shots_of_another_video_are_refused(layout):
    path = layout.shots("one")
    path.write_text(path.read_text().replace("frames_fingerprint=frames", "frames_fingerprint=old"))
    with pytest.raises(StoreError, match="was made from frames that have changed"):
        lab.pages_stage(layout).make("one")


def test_the_ledgers_of_every_strategy_that_is_shown_are_compared(layout):
    lab.make_ledgers(layout, ["one"], [])
    names = [source.stage.folder for source in sources_of(lab.pages_stage(layout), lab.SHARD)]
    assert names == ["normalise", "shots", "clips"]


def test_a_trailer_called_index_does_not_overwrite_the_list(layout):
    lab.make_trailer(layout, "index", 2)
    lab.pages_stage(layout).make("index")
    assert layout.page("index").name == "index.trailer.html"
    assert not layout.page_index().exists()
    assert list(registry.find(("pages",)).on_disk(layout, ()).problems("index", deep=True)) == []


@pytest.mark.parametrize(("px", "kb"), [(100, 400), (0, 400), (96, 10)])
def test_impossible_settings_of_pages_are_refused(px, kb):
    with pytest.raises(ConfigError, match=r"^pages\."):
        Settings(px, kb)
