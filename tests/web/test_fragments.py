"""Videos in fragments: downloaded completely or not at all, decrypted in the process, at the rate the site allows."""

from __future__ import annotations

import os

import pytest

from server import Page, Server
from trailers.web.playlist import Promise, read_playlist, with_one_map
from web_lab import formats_of, json_page, make_video, playlist


@pytest.fixture(scope="session")
def fragments(tmp_path_factory) -> list[bytes]:
    """Two fragments of one MPEG-TS stream, one second each."""
    folder = tmp_path_factory.mktemp("fragments")
    return [make_video(folder / f"{n}.ts", seconds=1, more=("-output_ts_offset", str(n))) for n in range(2)]


def pages_of(fragments, **more) -> dict[str, Page]:
    return {f"/{n}.ts": Page(body, kind="video/mp2t", **more) for n, body in enumerate(fragments)}


def test_a_playlist_of_fragments_is_downloaded_completely_or_not_at_all(work, fragments):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), **pages_of(fragments)}
    with Server({**pages, "/1.ts": Page(status=404)}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "failed"
    with Server(pages) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert (row.status, row.facts["bytes"], row.facts["promised_s"]) == ("ok", sum(map(len, fragments)), 2)
    assert work.receipt().facts["fragments"] == 2


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_on_a_fragment(work, fragments, status):
    busy = Page(status=status, headers={"Retry-After": "1"})
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), **pages_of(fragments)}
    with Server({**pages, "/1.ts": [busy, pages["/1.ts"]]}) as server:
        assert work.one(server.link("/cat.m3u8")).status == "ok"
        first, second = server.requests_for("/1.ts")
    assert second.moment - first.moment >= 1


def test_a_fragment_that_asks_for_an_hour_is_left_for_the_next_run(work, fragments):
    busy = Page(status=429, headers={"Retry-After": "3600"})
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), **pages_of(fragments)}
    with Server({**pages, "/1.ts": [busy, pages["/1.ts"]]}) as server:
        row = work.one(server.link("/cat.m3u8"))
        assert row.error.startswith(f"download: rate limited: {server.link('/1.ts')}: HTTP Error 429")
        assert work.one(server.link("/cat.m3u8")).status == "ok"
        assert len([request for request in server.requests_for("/0.ts") if "range" not in request.headers]) == 1


def test_a_fragment_that_fails_temporarily_is_requested_again(work, fragments):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), **pages_of(fragments)}
    with Server({**pages, "/1.ts": [Page(status=500), Page(status=502), pages["/1.ts"]]}) as server:
        assert work.one(server.link("/cat.m3u8")).status == "ok"
        assert len([request for request in server.requests_for("/0.ts") if "range" not in request.headers]) == 1


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_in_place_of_a_fragment_is_not_joined_to_the_video(work, fragments, kind):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), **pages_of(fragments)}
    with Server({**pages, "/1.ts": Page(b"<html>Please sign in</html>", kind=kind)}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
        assert row.status == "failed"
        assert row.error.startswith(f"download: part refused: {server.link('/1.ts')}: returns ")
    with Server(pages) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == b"".join(fragments)


def test_a_fragment_with_the_content_type_of_a_page_is_accepted(work, fragments):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1), "/0.ts": Page(fragments[0], kind="text/html")}
    with Server({**pages, "/1.ts": Page(fragments[1], kind="text/html")}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == b"".join(fragments)


# AES-128

KEY = bytes(range(16))


def encrypted(body: bytes, vector: int) -> bytes:
    from Cryptodome.Cipher import AES
    from Cryptodome.Util.Padding import pad

    return AES.new(KEY, AES.MODE_CBC, vector.to_bytes(16, "big")).encrypt(pad(body, 16))


@pytest.fixture
def traps(tmp_path, monkeypatch):
    """Programs on PATH that must not be run."""
    for name in ("ffmpeg", "ffprobe", "aria2c", "curl", "wget"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho ffmpeg version 7.1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    yield
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("head", "vectors"),
    [
        ('#EXT-X-KEY:METHOD=AES-128,URI="key"\n', (0, 1)),
        ('#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,URI="key"\n', (7, 8)),
        (f'#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{5:032x}\n', (5, 5)),
    ],
    ids=["from 0", "from 7", "given"],
)
def test_aes_128_is_decrypted_here(work, fragments, traps, head, vectors):
    bodies = [encrypted(body, vector) for body, vector in zip(fragments, vectors, strict=True)]
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1, head=head), "/key": Page(KEY), **pages_of(bodies)}
    with Server(pages) as server:
        assert work.one(server.link("/cat.m3u8")).status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == b"".join(fragments)


@pytest.mark.parametrize("is_encrypted", [True, False], ids=["wrong key", "not a video"])
def test_fragments_that_are_not_a_video_when_joined_are_a_temporary_failure(work, fragments, is_encrypted):
    head = '#EXT-X-KEY:METHOD=AES-128,URI="key"\n' if is_encrypted else ""
    bodies = [encrypted(body, n) if is_encrypted else bytes(range(256)) * 40 for n, body in enumerate(fragments)]
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts", seconds=1, head=head), "/key": Page(KEY[::-1]), **pages_of(bodies)}
    with Server(pages) as server:
        row = work.one(server.link("/cat.m3u8"))
        assert (row.status, row.facts["reason"]) == ("failed", "part refused")
        server.pages |= {"/key": [Page(KEY)]} if is_encrypted else {k: [v] for k, v in pages_of(fragments).items()}
        assert work.one(server.link("/cat.m3u8")).status == "ok"
    assert (work.results / "download" / "a.mp4").read_bytes() == b"".join(fragments)


def test_decryption_uses_the_library_and_not_pure_python():
    from yt_dlp.dependencies import Cryptodome

    assert Cryptodome.AES is not None


@pytest.mark.parametrize(
    "key",
    [
        '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"',
        '#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="key"',
        '#EXT-X-KEY:METHOD=AES-128,URI="skd://key"',
        '#EXT-X-KEY:METHOD=AES-128,URI="key",KEYFORMAT="com.apple.streamingkeydelivery"',
    ],
)
def test_other_encryption_is_not_left_to_another_program(work, fragments, traps, key):
    with Server({"/cat.m3u8": playlist("0.ts", head=f"{key}\n"), **pages_of(fragments)}) as server:
        row = work.one(server.link("/cat.m3u8"))
        assert server.requests_for("/0.ts") == []
    assert row.error.startswith("download: no format: ")


@pytest.mark.parametrize("protocol", ["m3u8", "rtmp", "mms", "websocket_frag", "ism", "f4m"])
def test_no_protocol_leaves_the_bytes_to_another_program(work, site, traps, protocol):
    offered = [{**formats_of(480)[0], "protocol": protocol}]
    with Server({"/watch/cat": json_page(formats=offered)}) as server:
        assert work.one(server.link("/watch/cat")).status == "failed"
        assert [request.path for request in server.requests] == ["/watch/cat"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("0.ts", "1.ts"), Promise(4, 2)),
        (("0.ts", "#EXT-X-DISCONTINUITY", "1.ts", "2.ts"), Promise(6, 3, 2)),
        (("#EXT-X-DISCONTINUITY", "0.ts", "1.ts", "#EXT-X-DISCONTINUITY"), Promise(4, 2)),
        (("0.ts", "#EXT-X-DISCONTINUITY", "#EXT-X-DISCONTINUITY", "1.ts"), Promise(4, 2, 2)),
        (("0.ts", "#EXT-X-DISCONTINUITY-SEQUENCE:3", "1.ts"), Promise(4, 2)),
        (("#EXT-X-BYTERANGE:5@0", "0.ts"), Promise(2, 1, is_ranged=True)),
        ((), Promise(0, 0)),
    ],
)
def test_a_playlist_states_its_duration(lines, expected):
    assert read_playlist(playlist(*lines).body.decode()) == expected


def test_a_playlist_with_several_beginnings_is_rewritten_for_yt_dlp():
    text = playlist(
        "#EXT-X-MEDIA-SEQUENCE:3",
        '#EXT-X-MAP:URI="a.mp4"',
        "#EXT-X-BYTERANGE:5@10",
        "0.m4s",
        "#EXT-X-BYTERANGE:6",
        "1.m4s",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="b.mp4",BYTERANGE="9@1"',
        "2.m4s",
        '#EXT-X-MAP:URI="b.mp4",BYTERANGE="9@1"',
        "3.m4s",
    ).body.decode()
    assert with_one_map(text).splitlines()[3:] == [
        "#EXT-X-MEDIA-SEQUENCE:3",
        '#EXT-X-MAP:URI="a.mp4"',
        "#EXT-X-MEDIA-SEQUENCE:3",
        "#EXT-X-BYTERANGE:5@10",
        "#EXTINF:2,",
        "0.m4s",
        "#EXT-X-BYTERANGE:6@15",
        "#EXTINF:2,",
        "1.m4s",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-BYTERANGE:9@1",
        "b.mp4",
        "#EXT-X-MEDIA-SEQUENCE:5",
        "#EXTINF:2,",
        "2.m4s",
        "#EXTINF:2,",
        "3.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_a_playlist_without_beginnings_is_not_changed():
    text = playlist("0.ts", "#EXT-X-DISCONTINUITY", "1.ts").body.decode()
    assert with_one_map(text) == text
