"""Videos whose parts each start at time 0 become one video of the stated duration."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import av
import pytest

from server import Page, Server
from trailers.web.dash import joined, nearest
from trailers.web.parts import DifferentPartsError, boxes, put_on_one_clock
from web_lab import make_video, playlist

FRAGMENTED = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-g", "12", "-an")
PICTURES = ("testsrc2=size=128x72:rate=24", "mandelbrot=size=128x72:rate=24")


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> list[tuple[bytes, bytes]]:
    """Two fMP4 of 1 s with the same encoding, each as (beginning, fragments); both clocks start at 0."""
    folder = tmp_path_factory.mktemp("parts")
    videos = [
        make_video(folder / f"{n}.mp4", picture=picture, seconds=1, more=FRAGMENTED)
        for n, picture in enumerate(PICTURES)
    ]
    return [split(video) for video in videos]


@pytest.fixture(scope="session")
def another_coding(tmp_path_factory) -> tuple[bytes, bytes]:
    folder = tmp_path_factory.mktemp("other")
    return split(make_video(folder / "x.mp4", picture="testsrc2=size=96x72:rate=24", seconds=1, more=FRAGMENTED))


def split(video: bytes) -> tuple[bytes, bytes]:
    first = next(box.start for box in boxes(video, 0, len(video)) if box.kind == b"moof")
    return video[:first], video[first:]


def times(video: bytes) -> list[float]:
    """The times of all frames that a reader gives, in s."""
    with av.open(io.BytesIO(video)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def check(video: bytes, seconds: float) -> None:
    shown = times(video)
    assert len(shown) == round(24 * seconds)
    assert [time - shown[0] for time in shown] == pytest.approx([n / 24 for n in range(len(shown))], abs=0.01)


def test_parts_get_continuous_times(parts, tmp_path):
    (begin, one), (_, two) = parts
    path = tmp_path / "x.mp4"
    path.write_bytes(begin + one + two + one)
    put_on_one_clock(path)
    check(path.read_bytes(), 3)


def test_an_initialisation_segment_in_the_middle_of_a_file_is_removed(parts, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"".join(begin + rest for begin, rest in parts))
    put_on_one_clock(path)
    check(path.read_bytes(), 2)


def test_times_that_jump_ahead_are_corrected(parts, tmp_path):
    (begin, one), (_, two) = parts
    path = tmp_path / "x.mp4"
    path.write_bytes(begin + two)
    late = make_video(tmp_path / "late.mp4", seconds=1, more=(*FRAGMENTED, "-output_ts_offset", "3600"))
    path.write_bytes(begin + one + split(late)[1])
    put_on_one_clock(path)
    check(path.read_bytes(), 2)


def test_sound_stays_with_its_pictures(tmp_path):
    sound = ("-f", "lavfi", "-i", "sine", "-shortest", "-map", "0", "-map", "1", "-ac", "1")
    more = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-g", "12", "-t", "1")
    begin, rest = split(make_video(tmp_path / "s.mp4", seconds=1, before=sound[:4], more=(*sound[4:], *more)))
    path = tmp_path / "x.mp4"
    path.write_bytes(begin + rest + rest)
    put_on_one_clock(path)
    check(path.read_bytes(), 2)
    with av.open(str(path)) as container:
        heard = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None]
    assert all(after > before - 0.1 for before, after in itertools.pairwise(heard))  # packets may overlap at the end
    assert heard[-1] == pytest.approx(2, abs=0.1)


def test_a_file_with_continuous_times_stays_unchanged(parts, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"".join(parts[0]))
    put_on_one_clock(path)
    assert path.read_bytes() == b"".join(parts[0])


@pytest.mark.parametrize("content", ["plain mp4", "text", "cut"])
def test_a_file_that_is_not_a_fragmented_mp4_stays_unchanged(video, parts, tmp_path, content):
    body = {"plain mp4": video, "text": b"once upon a time" * 9, "cut": parts[0][0] + b"\0\0\0\1moof"}[content]
    path = tmp_path / "x.mp4"
    path.write_bytes(body)
    put_on_one_clock(path)
    assert path.read_bytes() == body


def test_parts_of_different_coding_are_reported(parts, another_coding, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"".join(parts[0]) + b"".join(another_coding))
    with pytest.raises(DifferentPartsError):
        put_on_one_clock(path)


# Over the network


def served(parts) -> dict[str, Page]:
    pages = {}
    for name, (begin, rest) in zip("ab", parts, strict=True):
        pages |= {f"/{name}.mp4": Page(begin), f"/{name}.m4s": Page(rest), f"/{name}1.m4s": Page(rest)}
    return pages


LISTS = {
    "one beginning": ('#EXT-X-MAP:URI="a.mp4"', "a.m4s", "#EXT-X-DISCONTINUITY", "b.m4s"),
    "two beginnings": ('#EXT-X-MAP:URI="a.mp4"', "a.m4s", "#EXT-X-DISCONTINUITY", '#EXT-X-MAP:URI="b.mp4"', "b.m4s"),
    "the same again": ('#EXT-X-MAP:URI="a.mp4"', "a.m4s", "#EXT-X-DISCONTINUITY", '#EXT-X-MAP:URI="a.mp4"', "b.m4s"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_playlist_with_a_discontinuity_is_one_video(work, parts, name):
    with Server({"/cat.m3u8": playlist(*LISTS[name], seconds=1), **served(parts)}) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert (row.status, row.facts["promised_s"], row.facts["parts"]) == ("ok", 2, 2)
    assert "incomplete" not in row.facts["quality"]
    check((work.results / row.path).read_bytes(), 2)


def test_parts_of_different_coding_are_reported_over_the_network_too(work, parts, another_coding):
    with Server(
        {"/cat.m3u8": playlist(*LISTS["two beginnings"], seconds=1), **served([parts[0], another_coding])}
    ) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert (row.status, row.facts["parts"], row.facts["quality"][0]) == ("ok", 2, "incomplete")


def manifest(*periods: str) -> Page:
    body = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">'
    return Page(f"{body}{''.join(periods)}</MPD>".encode(), kind="application/dash+xml")


def period(
    name: str, *, rate: int = 100_000, base: str = "", is_file: bool = False, times: str = 'duration="PT1S"'
) -> str:
    width, height = 128, 72
    template = f'<SegmentTemplate timescale="1" duration="1" initialization="{name}.mp4" media="{name}$Number$.m4s"/>'
    return (
        f'<Period {times}>{base}<AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.64000a" '
        f'bandwidth="{rate}" width="{width}" height="{height}" frameRate="24">'
        f"{f'<BaseURL>{name}.mp4</BaseURL>' if is_file else template}"
        "</Representation></AdaptationSet></Period>"
    )


@pytest.mark.parametrize(
    "periods",
    [
        (period("a"), period("b")),
        (period("a"), period("b", rate=90_000)),
        (period("a"), period("b", base="<BaseURL>./</BaseURL>")),
        (period("a", is_file=True), period("b", is_file=True)),
        (period("a", times='start="PT0S"'), period("b", times='start="PT1S"')),
        (period("a", times=""), period("b", times='start="PT1S"')),
    ],
    ids=["alike", "other bit rate", "other place", "whole files", "starts", "one start"],
)
def test_a_manifest_of_two_periods_is_one_video(work, parts, periods):
    pages = served(parts)
    if "BaseURL>a.mp4" in periods[0]:
        pages = {f"/{name}.mp4": Page(begin + rest) for name, (begin, rest) in zip("ab", parts, strict=True)}
    with Server({"/cat.mpd": manifest(*periods), **pages}) as server:
        row = work.one(server.link("/cat.mpd"))
    assert (row.status, row.facts["parts"]) == ("ok", 2)
    assert "incomplete" not in row.facts["quality"]
    check((work.results / row.path).read_bytes(), 2)


def offer(height: int, codec: str = "avc1.64", **more) -> dict:
    return {"format_id": str(height), "vcodec": codec, "acodec": "none", "ext": "mp4", "height": height, **more}


def test_periods_are_joined_with_the_most_similar_format():
    first = [offer(480, fragments=[{"path": "0", "duration": 6.0}], fragment_base_url="https://host/a/")]
    second = [
        offer(360, fragments=[{"path": "0", "duration": 6.0}], fragment_base_url="https://host/b/"),
        offer(432, fragments=[{"path": "1", "duration": 6.0}], fragment_base_url="https://host/b/"),
        offer(480, "vp9", fragments=[{"path": "2", "duration": 6.0}], fragment_base_url="https://host/b/"),
    ]
    (made,) = joined([first, second])
    assert [fragment["url"] for fragment in made["fragments"]] == ["https://host/a/0", "https://host/b/1"]
    assert (made["promised_s"], made["dash_periods"]) == (12, (2, 2))


def test_a_period_without_a_similar_format_counts_as_missing():
    first = [offer(480, fragments=[{"url": "https://host/0", "duration": 6.0}])]
    second = [offer(480, "vp9", fragments=[{"url": "https://host/1", "duration": 6.0}])]
    assert nearest(first[0], second) is None
    (made,) = joined([first, second])
    assert (len(made["fragments"]), made["promised_s"], made["dash_periods"]) == (1, 12, (1, 2))


def test_a_video_shorter_than_the_site_states_is_reported(work, site, video):
    from web_lab import formats_of, json_page

    with Server({"/watch/cat": json_page(duration=120, formats=formats_of(480)), "/480.mp4": Page(video)}) as server:
        row = work.one(server.link("/watch/cat"))
        assert (row.status, row.facts["promised_s"]) == ("ok", 120)
        assert row.facts["quality"] == ["incomplete", "too short", "too small"]
        row = work.one(server.link("/watch/cat"), enforce_quality="true")
    assert (row.status, row.error) == ("failed", "download: incomplete: 2 s of the 120 s that the site states")
    assert Path(work.results / "download" / "a.json").exists()


@pytest.mark.parametrize(("stated_s", "is_reported"), [(2, False), (3, False), (3.3, True), (60, True), (1, False)])
def test_more_than_5_percent_and_1_s_count_as_shorter(stated_s, is_reported):
    from trailers.web.stream import missing

    assert bool(missing({"promised_s": stated_s, "duration_s": 2.0, "container": "matroska,webm"})) == is_reported


def test_a_video_shorter_than_its_playlist_is_reported(work, video):
    with Server({"/cat.m3u8": playlist("0.mp4", seconds=30), "/0.mp4": Page(video)}) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert (row.status, row.facts["quality"][0]) == ("ok", "incomplete")
