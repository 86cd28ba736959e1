"""Bytes that come in several tries are of one version of the file."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256

import pytest

from server import Page, Server
from trailers.web.partial import Version
from web_lab import make_video, playlist


@pytest.fixture(scope="session")
def later(other_video) -> bytes:
    return other_video + bytes(300_000)


def test_bytes_of_two_versions_are_never_joined(work, big, other_video):
    old = {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    new = {"Last-Modified": "Tue, 06 Jan 2026 10:00:00 GMT"}
    later = other_video + bytes(300_000)
    pages = [Page(big, headers=old), Page(big, headers=old, cut=200_000), Page(later, headers=new)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert "range" not in server.asked("/cat.mp4")[-1].headers
    assert work.receipt().sha256 == sha256(later).hexdigest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"2"'}),
        ({}, {}),  # their lengths differ
        ({"ETag": '"1"'}, {}),
        ({"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}, {"Last-Modified": "Mon, 05 Jan 2026 09:00:00 GMT"}),
    ],
    ids=["tag", "weak tag", "length", "tag gone", "date"],
)
@pytest.mark.parametrize("in_one_run", [True, False])
def test_a_file_that_was_replaced_is_had_from_its_start(work, big, later, old, new, in_one_run):
    pages = [Page(big, headers=old), Page(big, headers=old, cut=200_000)]
    with Server({"/cat.mp4": [*pages, Page(later, headers=new)]}) as server:
        if not in_one_run:
            assert work.one(server.link("/cat.mp4"), retries="0").status == "failed"
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert work.receipt().sha256 == sha256(later).hexdigest()


@pytest.mark.parametrize(
    "told", [{"ETag": '"1"'}, {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}, {}], ids=["tag", "date", "length"]
)
def test_a_file_that_stayed_is_resumed(work, big, told):
    with Server(
        {"/cat.mp4": [Page(big, headers=told), Page(big, headers=told, cut=200_000), Page(big, headers=told)]}
    ) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        assert work.one(server.link("/cat.mp4")).status == "ok"
        last = server.asked("/cat.mp4")[-1]
    assert (last.headers["range"], last.headers.get("if-range")) == ("bytes=196608-", next(iter(told.values()), None))
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_file_that_was_replaced_by_a_shorter_one_is_had_from_its_start(work, big):
    shorter = big[:-150_000]
    pages = [Page(big), Page(big, cut=200_000), Page(big), Page(status=416), Page(shorter)]
    with Server({"/cat.mp4": pages}) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(shorter).hexdigest()


def test_a_server_whose_files_are_always_new_is_left_after_the_tries(work, big):
    def date(second: int) -> dict[str, str]:
        return {"Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(1767607200 + second))}

    pages = [Page(big, headers=date(n), cut=200_000) for n in range(100)]
    with Server({"/cat.mp4": pages}) as server:
        row = work.one(server.link("/cat.mp4"), retries="2")
        assert len(server.requests) <= 9
    assert (row.status, row.error[:19]) == ("failed", "download: network: ")
    assert len(list((work.results / "download" / ".partial" / "a").glob("*.part"))) == 1


def test_partial_bytes_of_an_unknown_version_are_not_gone_on_with(work, big, later):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000), Page(later)]}) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        for path in (work.results / "download" / ".partial" / "a").glob("*.version"):
            path.unlink()
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(later).hexdigest()


@pytest.mark.parametrize("change", ["names", "durations", "tag", "nothing"])
def test_a_playlist_that_changed_between_runs_is_had_from_its_start(work, tmp_path, change):
    old, new = make_video(tmp_path / "old.ts", seconds=0.5), make_video(tmp_path / "new.ts", seconds=0.7)
    first = playlist("0.ts", "1.ts", seconds=0.5)
    second = {
        "names": playlist("2.ts", "3.ts", seconds=0.5),
        "durations": playlist("0.ts", "1.ts", seconds=0.7),
        "tag": replace(first, headers={"ETag": '"2"'}),
        "nothing": first,
    }[change]
    parts = {f"/{n}.ts": Page(old, kind="video/mp2t") for n in range(2)}
    with Server({"/cat.m3u8": first, **parts, "/1.ts": Page(status=503)}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "failed"
        server.pages |= {f"/{n}.ts": [Page(old if change == "nothing" else new)] for n in range(4)}
        server.pages["/cat.m3u8"] = [second]
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        asked = len(server.asked("/0.ts"))
    assert (work.results / "download" / "a.mp4").read_bytes() == (old + old if change == "nothing" else new + new)
    assert asked == {"names": 1, "nothing": 1}.get(change, 2)


def test_fragments_that_are_ranges_of_a_file_are_of_one_version(work, video, tmp_path):
    ranges = playlist("#EXT-X-BYTERANGE:5000@0", "all.ts", "#EXT-X-BYTERANGE:5000", "all.ts", seconds=1)
    one, other = Page(video, headers={"ETag": '"1"'}), Page(video, headers={"ETag": '"2"'})
    with Server({"/cat.m3u8": ranges, "/all.ts": [one, other]}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert row.error == f"download: network: {server.link('/all.ts')}: was replaced while it was downloaded"


def test_a_server_that_gives_the_whole_file_for_a_range_is_not_believed(work, video):
    ranges = playlist("#EXT-X-BYTERANGE:5000@0", "all.ts", "#EXT-X-BYTERANGE:5000", "all.ts", seconds=1)
    with Server({"/cat.m3u8": ranges, "/all.ts": Page(video, ranges=False)}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert row.error.endswith("/all.ts: gives the whole file where a part was asked for")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Length": "5"}, Version(length=5)),
        ({"Content-Range": "bytes 2-4/5", "Content-Length": "3"}, Version(length=5)),
        ({"Content-Range": "bytes 2-4/*", "Content-Length": "3", "ETag": '"a"'}, Version(etag='"a"')),
        ({}, Version()),
    ],
)
def test_what_an_answer_says_of_its_version(headers, expected):
    assert Version.of(headers) == expected
