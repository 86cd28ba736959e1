"""Bytes that are downloaded in several tries belong to one version of the file."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256

import pytest

from server import Page, Server
from trailers.web.fragments import steady_version
from trailers.web.partial import Version
from web_lab import formats_of, json_page, make_video, playlist


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
        assert "range" not in server.requests_for("/cat.mp4")[-1].headers
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
def test_a_replaced_file_is_downloaded_from_its_start(work, big, later, old, new, in_one_run):
    pages = [Page(big, headers=old), Page(big, headers=old, cut=200_000)]
    with Server({"/cat.mp4": [*pages, Page(later, headers=new)]}) as server:
        if not in_one_run:
            assert work.one(server.link("/cat.mp4"), retries="0").status == "failed"
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert work.receipt().sha256 == sha256(later).hexdigest()


@pytest.mark.parametrize(
    "headers", [{"ETag": '"1"'}, {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}, {}], ids=["tag", "date", "length"]
)
def test_an_unchanged_file_is_resumed(work, big, headers):
    with Server(
        {"/cat.mp4": [Page(big, headers=headers), Page(big, headers=headers, cut=200_000), Page(big, headers=headers)]}
    ) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        assert work.one(server.link("/cat.mp4")).status == "ok"
        last = server.requests_for("/cat.mp4")[-1]
    assert (last.headers["range"], last.headers.get("if-range")) == (
        "bytes=196608-",
        next(iter(headers.values()), None),
    )
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_file_replaced_by_a_shorter_one_is_downloaded_from_its_start(work, big):
    shorter = big[:-150_000]
    pages = [Page(big), Page(big, cut=200_000), Page(big), Page(status=416), Page(shorter)]
    with Server({"/cat.mp4": pages}) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(shorter).hexdigest()


def test_a_server_whose_files_always_change_fails_after_the_retries(work, big):
    def date(second: int) -> dict[str, str]:
        return {"Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(1767607200 + second))}

    pages = [Page(big, headers=date(n), cut=200_000) for n in range(100)]
    with Server({"/cat.mp4": pages}) as server:
        row = work.one(server.link("/cat.mp4"), retries="2")
        assert len(server.requests) <= 9
    assert (row.status, row.error[:19]) == ("failed", "download: network: ")
    assert len(list((work.results / "download" / ".partial" / "a").glob("*.part"))) == 1


def test_bytes_without_a_length_must_have_the_length_in_the_first_answer(work, big):
    pages = [Page(big), Page(big[:200_000], length=False), Page(big)]
    with Server({"/cat.mp4": pages}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.error == f"download: network: ended after 200,000 of {len(big):,} bytes"
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(big).hexdigest()


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}], ids=["nothing", "a weak tag"])
@pytest.mark.parametrize("replaced", ["all", "all but the start", "nothing"])
def test_files_of_equal_length_are_not_taken_for_the_same(work, big, later, headers, replaced):
    new = {"all": later, "all but the start": big[:50_000] + b"\1" * (len(big) - 50_000), "nothing": big}[replaced]
    new = new[: len(big)] + bytes(len(big) - len(new))
    pages = [Page(big, headers=headers), Page(big, headers=headers, cut=200_000), Page(new, headers=headers)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4"), retries="0").status == "failed"
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
        last = server.requests_for("/cat.mp4")[-1]
    assert work.receipt().sha256 == sha256(new).hexdigest()
    assert last.headers.get("range") == ("bytes=196608-" if replaced == "nothing" else None)


def test_partial_bytes_of_an_unknown_version_are_not_resumed(work, big, later):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000), Page(later)]}) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        for path in (work.results / "download" / ".partial" / "a").glob("*.version"):
            path.unlink()
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(later).hexdigest()


@pytest.mark.parametrize("change", ["names", "durations", "tag", "nothing"])
def test_a_playlist_that_changed_between_runs_is_downloaded_from_its_start(work, tmp_path, change):
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
        asked = len(whole(server.requests_for("/0.ts")))
    assert (work.results / "download" / "a.mp4").read_bytes() == (old + old if change == "nothing" else new + new)
    assert asked == {"names": 1, "nothing": 1}.get(change, 2)


@pytest.fixture(scope="session")
def two(tmp_path_factory) -> tuple[bytes, bytes]:
    """Two fragments of one length, with the same tables and encoder settings at the beginning."""
    folder = tmp_path_factory.mktemp("two")
    made = [make_video(folder / f"{n}.ts", seconds=0.5, more=("-vf", f"hue=h={n}")) for n in (0, 90)]
    longest = max(map(len, made))
    padding = b"\x47\x1f\xff\x10" + b"\xff" * 184
    one, other = (body + padding * ((longest - len(body)) // 188) for body in made)
    assert (len(one), one[:500]) == (len(other), other[:500])
    return one, other


def whole(requests):
    """Requests for more than the few KB that are compared."""
    return [request for request in requests if request.headers.get("range") != "bytes=0-4095"]


def date(second: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(1767607200 + second))


HEADERS = {
    "tag": ({"ETag": '"1"'}, {"ETag": '"2"'}),
    "weak tag": ({"ETag": 'W/"1"'}, {"ETag": 'W/"2"'}),
    "date": ({"Last-Modified": date(0)}, {"Last-Modified": date(60)}),
    "nothing but its bytes": ({}, {}),
}


@pytest.mark.parametrize(("known", "replaced"), [*((known, 0) for known in HEADERS), ("tag", 1)])
def test_a_fragment_that_was_replaced_under_the_same_playlist_is_not_joined_with_others(work, two, known, replaced):
    old, new = (
        Page(body, kind="video/mp2t", headers=headers) for body, headers in zip(two, HEADERS[known], strict=True)
    )
    parts = {f"/{n}.ts": [old, new if n == replaced else old] for n in range(2)}
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", "2.ts", seconds=0.5), **parts, "/2.ts": [Page(status=404), old]}
    with Server(pages) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "failed"
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
    expected = b"".join(two[n == replaced] for n in range(3))
    assert (work.results / "download" / "a.mp4").read_bytes() == expected


def test_a_fragment_of_a_dash_manifest_that_was_replaced_is_not_joined_with_others(work, site, two):
    offered = [{**formats_of(480)[0], "protocol": "http_dash_segments", "fragments": [{"path": "0"}, {"path": "1"}]}]
    old, new = (Page(body, kind="video/mp2t") for body in two)
    with Server({"/0": [old, new], "/1": [Page(status=404), new]}) as server:
        offered[0]["fragment_base_url"] = server.link("/")
        server.pages["/watch/cat"] = [json_page(formats=offered)]
        assert work.one(server.link("/watch/cat"), retries="0").status == "failed"
        assert work.one(server.link("/watch/cat"), retries="0").status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == two[1] * 2


@pytest.mark.parametrize("honours_ranges", [True, False])
def test_unchanged_fragments_are_not_downloaded_again(work, two, honours_ranges):
    page = Page(two[0], kind="video/mp2t", ranges=honours_ranges)
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", "2.ts", seconds=0.5), "/0.ts": page, "/1.ts": page}
    with Server({**pages, "/2.ts": [Page(status=404), page]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        assert [len(whole(server.requests_for(f"/{n}.ts"))) for n in range(2)] == [1, 1]
        assert [len(server.requests_for(f"/{n}.ts")) for n in range(2)] == [2, 2]
    assert (work.results / "download" / "a.mp4").read_bytes() == two[0] * 3


def test_equal_fragments_are_not_downloaded_again_although_the_server_states_the_present_as_their_date(work, two):
    now = {"Last-Modified": "{now}"}
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=0.5, headers=now)}
    page = Page(two[0], kind="video/mp2t", headers=now)
    with Server({**pages, "/0.ts": page, "/1.ts": [Page(status=404, headers=now), page]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        time.sleep(1.1)
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        assert len(whole(server.requests_for("/0.ts"))) == 1


def test_fragments_whose_dates_always_change_fail_after_the_retries(work, two):
    pages = [Page(two[0], kind="video/mp2t", headers={"Last-Modified": date(n)}) for n in range(100)]
    parts = {"/0.ts": pages, "/1.ts": Page(two[0], kind="video/mp2t", cut=9_000)}
    with Server({"/cat.m3u8": playlist("0.ts", "1.ts", seconds=0.5), **parts}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="1").status == "failed"
        assert len(server.requests) <= 16


@pytest.mark.parametrize("damage", ["bytes missing", "bytes doubled", "notes gone", "notes damaged", "note missing"])
def test_fragments_that_may_be_incomplete_are_downloaded_again(work, two, damage):
    page = Page(two[0], kind="video/mp2t")
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", "2.ts", seconds=0.5), "/0.ts": page, "/1.ts": page}
    with Server({**pages, "/2.ts": [Page(status=404), page]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        (part,) = (work.results / "download" / ".partial" / "a").glob("*.part")
        notes = part.with_name(part.name.replace(".part", ".fragments"))
        match damage:
            case "bytes missing":  # the state after a full disk
                part.write_bytes(part.read_bytes()[:-500])
            case "bytes doubled":  # killed after the bytes were written and before yt-dlp recorded them
                part.write_bytes(part.read_bytes() + two[0])
            case "notes gone":  # bytes of an earlier version of this project
                notes.unlink()
            case "notes damaged":
                notes.write_text(notes.read_text()[:-20])
            case "note missing":
                notes.write_text(notes.read_text().partition("\n")[2])
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == two[0] * 3


@pytest.mark.parametrize("changed", [True, False])
def test_ranges_of_an_unchanged_file_are_resumed(work, two, changed):
    size = len(two[0]) // 3
    lines = [f"#EXT-X-BYTERANGE:{size}@{n * size}" for n in range(3)]
    ranges = playlist(*(word for line in lines for word in (line, "all.ts")), seconds=0.5)
    old, new = (Page(body, kind="video/mp2t", headers={"ETag": f'"{n}"'}) for n, body in enumerate(two))
    after = new if changed else old
    with Server({"/cat.m3u8": ranges, "/all.ts": [old, old, Page(status=404), after]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        assert len(server.requests_for("/all.ts")) == (3 + 1 + 3 if changed else 3 + 1 + 1)
    assert (work.results / "download" / "a.mp4").read_bytes() == two[changed][: 3 * size]


def test_a_fragment_that_is_gone_fails_a_resumed_download(work, two):
    page = Page(two[0], kind="video/mp2t")
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=0.5), "/0.ts": [page, Page(status=410), page]}
    with Server({**pages, "/1.ts": [Page(status=404), page]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        row = work.one(server.link("/cat.m3u8"), retries="0")
        assert row.error == f"download: part refused: {server.link('/0.ts')}: HTTP Error 410: Gone"
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        assert len(whole(server.requests_for("/0.ts"))) == 1


def test_fragments_from_a_server_without_ranges_are_downloaded_again(work, two):
    page = Page(two[0], kind="video/mp2t")
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=0.5), "/0.ts": [page, Page(status=416), page]}
    with Server({**pages, "/1.ts": [Page(status=404), page]}) as server:
        work.one(server.link("/cat.m3u8"), retries="0")
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
        assert len(whole(server.requests_for("/0.ts"))) == 2
    assert (work.results / "download" / "a.mp4").read_bytes() == two[0] * 2


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Last-Modified": date(0), "Date": date(1)}, ""),
        ({"Last-Modified": date(0), "Date": date(60)}, date(0)),
        ({"Last-Modified": date(0)}, date(0)),
        ({"Last-Modified": "yesterday", "Date": date(1)}, "yesterday"),
        ({"Date": date(1)}, ""),
    ],
)
def test_a_modification_time_of_now_does_not_identify_a_version(headers, expected):
    assert steady_version(headers).last_modified == expected


def test_fragments_that_are_ranges_of_a_file_are_of_one_version(work, video, tmp_path):
    ranges = playlist("#EXT-X-BYTERANGE:5000@0", "all.ts", "#EXT-X-BYTERANGE:5000", "all.ts", seconds=1)
    one, other = Page(video, headers={"ETag": '"1"'}), Page(video, headers={"ETag": '"2"'})
    with Server({"/cat.m3u8": ranges, "/all.ts": [one, other]}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert row.error == f"download: network: {server.link('/all.ts')}: was replaced during the download"


def test_a_server_that_sends_the_whole_file_for_a_range_is_not_trusted(work, video):
    ranges = playlist("#EXT-X-BYTERANGE:5000@0", "all.ts", "#EXT-X-BYTERANGE:5000", "all.ts", seconds=1)
    with Server({"/cat.m3u8": ranges, "/all.ts": Page(video, ranges=False)}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert row.error.endswith("/all.ts: returns the whole file, but a part was requested")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Length": "5"}, Version(length=5)),
        ({"Content-Range": "bytes 2-4/5", "Content-Length": "3"}, Version(length=5)),
        ({"Content-Range": "bytes 2-4/*", "Content-Length": "3", "ETag": '"a"'}, Version(etag='"a"')),
        ({}, Version()),
    ],
)
def test_the_version_is_read_from_the_headers_of_an_answer(headers, expected):
    assert Version.of(headers) == expected
