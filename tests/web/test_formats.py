"""Which format is chosen, and how its height is counted."""

from __future__ import annotations

import pytest

from trailers.web import formats
from trailers.web.formats import choose_format, lines


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((854, 480), 480),
        ((854, 356), 480),  # wide trailers keep the width
        ((848, 352), 480),  # encoders cut widths to multiples of 16
        ((640, 480), 480),
        ((480, 854), 480),
        ((1280, 720), 720),
        ((1280, 536), 720),
        ((1920, 800), 1080),
        ((480, 204), 272),
        ((None, 360), 360),
        ((None, None), 0),
    ],
)
def test_lines_are_counted_as_sites_do(size, expected):
    assert lines(*size) == expected


def offer(name: str, height: int | None, **more):
    given = {"format_id": name, "height": height, "vcodec": "avc1", "acodec": "none", "protocol": "https"}
    return {**given, "url": "https://host/video", "fps": 24, **more}


FORMATS = [
    ([offer("a", 360), offer("b", 480), offer("c", 720), offer("d", 1080)], "c"),
    ([offer("a", 360), offer("b", 1080), offer("c", 2160)], "b"),  # at least 480p where there is one
    ([offer("a", 144), offer("b", 360)], "b"),
    ([offer("a", None)], "a"),
    ([offer("a", 800, width=1920), offer("b", 534, width=1280)], "b"),
    ([offer("a", 720, fps=60), offer("b", 720, fps=30)], "b"),
    ([offer("a", 720, dynamic_range="HDR10", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, vcodec="av01", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, protocol="m3u8_native", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, acodec="mp4a", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, tbr=1), offer("b", 720, tbr=2)], "b"),
    ([offer("a", 720), offer("b", 720)], "b"),  # the last, which is yt-dlp's best, of equal formats
    # Formats that the site marks as undesirable are chosen only if there is no other, of any size.
    ([offer("a", 480), offer("b", 720, preference=-2)], "a"),
    ([offer("a", 480), offer("b", 720, language_preference=-10)], "a"),
    ([offer("b", 720, preference=-2)], "b"),
    ([offer("a", 720, preference=-1001)], None),
    # Of equal sizes, the format that the site prefers is chosen before a cheaper one, but not before a larger one.
    ([offer("a", 720, preference=2, acodec="mp4a", protocol="m3u8_native"), offer("b", 720)], "a"),
    ([offer("a", 480, preference=2), offer("b", 720)], "b"),
    ([offer("a", 720, source_preference=1, tbr=1), offer("b", 720, tbr=9)], "a"),
    ([offer("a", 360), offer("b", 720, has_drm=True)], "a"),
    ([offer("a", 360), offer("b", 720, protocol="rtmp")], "a"),
    ([offer("a", 360), offer("b", 720, url="ftp://host/video")], "a"),
    ([offer("a", None, vcodec="none", acodec="mp4a")], None),
    ([], None),
]


@pytest.mark.parametrize(("formats", "expected"), FORMATS)
def test_the_chosen_format_is_the_best_up_to_the_height(formats, expected):
    chosen = choose_format(formats, min_height=480, max_height=720)
    assert (chosen and chosen["format_id"]) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("MP4", "mp4"), ("webm", "webm"), ("exe", "bytes"), ("json", "bytes"), ("../x", "bytes"), ("", "bytes")],
)
def test_the_suffix_stated_by_a_site_is_not_used(suffix, expected):
    assert formats.safe_suffix(suffix, formats.VIDEO_SUFFIXES) == expected
