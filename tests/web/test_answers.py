"""Answers of web servers, from a server on loopback that misbehaves as real servers do."""

from __future__ import annotations

import itertools
import os
import time
from hashlib import sha256
from urllib.parse import quote

import pytest

from server import NEVER, Page, Server
from trailers.errors import ConfigError, SystemicError
from web_lab import HTML


def test_a_video_is_downloaded_with_a_receipt(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        row = work.one(server.link("/cat.mp4"))
        link = server.link("/cat.mp4")
    assert (row.status, row.path) == ("ok", "download/a.mp4")
    assert (work.results / "download" / "a.mp4").read_bytes() == video
    receipt = work.receipt()
    assert receipt.sha256 == sha256(video).hexdigest()
    assert receipt.fingerprint == row.fingerprint
    facts = dict(receipt.facts)
    assert facts == {
        "url": link,
        "final_url": link,
        "extractor": "generic",
        "format": "mp4",
        "bytes": len(video),
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "codec": "h264",
        "fps": 24,
        "duration_s": 2,
        "width_px": 128,
        "height_px": 72,
        "asked_max_height": 720,
        "quality": ["too short", "too small"],
        "refused": [],
    }
    assert work.files() == ["download/a.json", "download/a.mp4"]


def test_a_redirect_is_followed_and_the_final_link_recorded(work, video):
    pages = {"/old": Page(status=301, headers={"Location": "{server}/new.mp4"}), "/new.mp4": Page(video)}
    with Server(pages) as server:
        row = work.one(server.link("/old"))
        assert work.receipt().facts["final_url"] == server.link("/new.mp4")
    assert row.status == "ok"


def test_another_form_of_a_link_downloads_nothing_again_and_is_named_in_the_receipt(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        link = server.link("/cat.mp4")
        wrapped = f"https://l.facebook.com/l.php?u={quote(link, safe='')}"
        assert work.one(link).status == "ok"
        count = len(server.requests)
        assert work.one(wrapped).status == "ok"
        assert len(server.requests) == count
    assert work.receipt().facts["url"] == wrapped


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "private"), (403, "private"), (404, "not found"), (410, "removed"), (451, "geo")]
)
def test_a_video_that_the_server_reports_as_gone_is_dead_after_one_request(work, status, reason):
    with Server({"/cat.mp4": Page(status=status)}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert len(server.requests_for("/cat.mp4")) == 1
    assert row.status == "dead"
    assert row.facts == {"reason": reason, "sentence": f"HTTP Error {status}"}
    assert row.error.startswith(f"download: {reason}: ")
    assert f"HTTP Error {status}" in row.error
    assert work.receipt().status == "dead"
    assert work.files() == ["download/a.json"]


WORDS = {
    "JSON": (
        b'{"error": "slow down, please"}',
        'page: returns JSON ({"error": "slow down, please"}) instead of a video',
    ),
    "a rate limit": (b'{"error": "Too many requests"}', "rate limited: returns JSON ("),
    "a bot check": (
        b"unusual traffic from your network",
        "bot check: returns text (unusual traffic from your network)",
    ),
    "a short notice": (b"busy", "page: returns text (busy) instead of a video"),
    "other letters": ("Zu viele Zugriffe für heute".encode(), "page: returns text (Zu viele Zugriffe für heute)"),
    "a login page": (HTML.body, "page: "),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("kind", ["application/json", "video/mp4"])
def test_text_in_place_of_a_video_is_a_temporary_failure_with_any_content_type(work, video, name, kind):
    body, words = WORDS[name]
    with Server({"/cat.mp4": Page(body, kind=kind)}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.status == "failed"
        assert row.error.startswith(f"download: {words}")
        assert [name for name in work.files() if not name.endswith((".version", "/lock"))] == []
        server.pages["/cat.mp4"] = [Page(video)]
        assert work.one(server.link("/cat.mp4")).status == "ok"


@pytest.mark.parametrize("body", [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(400), bytes(range(256)) * 9])
def test_a_complete_file_that_is_neither_text_nor_a_video_is_dead(work, body):
    with Server({"/cat.mp4": Page(body)}) as server:
        row = work.one(server.link("/cat.mp4"))
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")
    assert work.files() == ["download/a.json"]


def test_a_file_of_unknown_length_that_is_not_a_video_is_a_temporary_failure(work, video):
    with Server({"/cat.mp4": Page(video[:3000], length=False)}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert row.error.startswith("download: incomplete: ")
        server.pages["/cat.mp4"] = [Page(video, length=False)]
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert work.receipt().sha256 == sha256(video).hexdigest()


@pytest.mark.parametrize("first", [1, 5000])
def test_a_range_that_was_not_requested_is_a_temporary_failure(work, video, first):
    with Server({"/cat.mp4": Page(video, sent=(first, len(video) - 1))}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.status == "failed"
        assert row.error.endswith("/cat.mp4: the server sent another part of the file than requested")
        server.pages["/cat.mp4"] = [Page(video)]
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_a_range_that_is_the_whole_file_is_accepted(work, video):
    with Server({"/cat.mp4": Page(video, sent=(0, len(video) - 1))}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert work.receipt().sha256 == sha256(video).hexdigest()


def test_a_range_that_ends_early_is_resumed(work, big):
    beginning = Page(big, sent=(0, 199_999))
    with Server({"/cat.mp4": [beginning, beginning, beginning, Page(big)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert server.requests_for("/cat.mp4")[-1].headers["range"] == "bytes=200000-"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_range_other_than_the_missing_one_is_not_joined(work, big):
    # The third and fourth request continue after the bytes on disk.
    wrong = Page(big, sent=(100, len(big) - 1))
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000), Page(big), wrong, Page(big)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_server_error_is_tried_again(work, video):
    with Server({"/cat.mp4": [Page(status=500), Page(status=503), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_retry_after_is_honoured(work, video):
    with Server({"/cat.mp4": [Page(status=429, headers={"Retry-After": "1"}), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        first, second = server.requests_for("/cat.mp4")[:2]
    assert second.moment - first.moment >= 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_during_a_download(work, video, status):
    pages = [Page(video), Page(status=status, headers={"Retry-After": "1"}), Page(video)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        moments = [request.moment for request in server.requests_for("/cat.mp4")]
    assert moments[2] - moments[1] >= 1


def test_a_site_that_asks_for_an_hour_is_left_for_the_next_run(work, video):
    with Server({"/cat.mp4": [Page(status=429, headers={"Retry-After": "3600"}), Page(video)]}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert (row.status, row.error) == ("failed", "download: rate limited: " + row.error[24:])
        assert len(server.requests_for("/cat.mp4")) == 1
        assert not (work.results / "download" / "a.json").exists()
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_waits_double(work):
    with Server({"/cat.mp4": Page(status=500)}) as server:
        row = work.one(server.link("/cat.mp4"), backoff_s="0.2", retries="3")
        moments = [request.moment for request in server.requests_for("/cat.mp4")]
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert row.error.startswith("download: network: ")
    assert [wait >= asked for wait, asked in zip(waits, (0.2, 0.4, 0.8), strict=True)] == [True, True, True]


def test_an_interrupted_body_is_resumed_where_it_stopped(work, big):
    # The first request finds out what the link is, the second one is for the bytes. This server sends only the length,
    # so the first and last bytes on disk are compared.
    with Server({"/cat.mp4": [Page(big), Page(big, cut=3 * 65536 + 5), Page(big)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        ranges = [request.headers.get("range") for request in server.requests_for("/cat.mp4")]
    assert ranges == [None, None, None, "bytes=0-4095", "bytes=192512-196607", "bytes=196608-"]
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_an_interrupted_download_is_resumed_by_a_later_run(work, big):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=3 * 65536 + 5), Page(big)]}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.error.startswith("download: network: ")
        partial = work.results / "download" / ".partial" / "a"
        assert [path.stat().st_size for path in partial.glob("*.part")] == [196608]
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert server.requests_for("/cat.mp4")[-1].headers["range"] == "bytes=196608-"
    assert work.receipt().sha256 == sha256(big).hexdigest()
    assert work.files() == ["download/a.json", "download/a.mp4"]


def test_a_server_without_ranges_sends_all_again(work, big):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000), Page(big, ranges=False)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert server.requests_for("/cat.mp4")[-1].headers["range"] == "bytes=196608-"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_link_that_gives_a_little_each_time_is_completed(work, big):
    # Every second request is for bytes. The connection breaks four times, although only one retry is allowed.
    pages = [Page(big), Page(big, cut=70_000)] * 4 + [Page(big)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4"), retries="1").status == "ok"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_link_that_never_answers_times_out(work):
    started = time.monotonic()
    with Server({"/cat.mp4": Page(silent_s=NEVER)}) as server:
        row = work.one(server.link("/cat.mp4"), timeout_s="0.5", retries="1")
        assert len(server.requests_for("/cat.mp4")) == 2
    assert row.status == "failed"
    assert row.error.startswith("download: network: ")
    assert time.monotonic() - started < 10


def test_a_host_that_used_up_its_retries_gets_one_request_per_trailer(work):
    with Server({"/a.mp4": Page(status=500), "/b.mp4": Page(status=500)}) as server:
        work.run({"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}, retries="2")
        assert [len(server.requests_for("/a.mp4")), len(server.requests_for("/b.mp4"))] == [3, 1]


def test_a_slow_link_is_ended_at_its_deadline(work, video):
    with Server({"/cat.mp4": [Page(video), Page(video, trickle_s=0.2)]}) as server:
        started = time.monotonic()
        row = work.one(server.link("/cat.mp4"), deadline_s="2")
    assert row.error == "download: network: took more than download.deadline_s of 2 s"
    assert 2 <= time.monotonic() - started < 6


def test_a_refused_connection_is_a_temporary_failure(work):
    with Server({}) as server:
        link = server.link("/cat.mp4")
    row = work.one(link, retries="0")
    assert row.status == "failed"
    assert row.error.startswith("download: network: ")


def test_an_endless_body_is_cut_off(work, video):
    with Server({"/cat.mp4": Page(video + bytes(2_000_000))}) as server:
        row = work.one(server.link("/cat.mp4"), max_size_mb="1")
    assert row.error == "download: too long: the file is larger than download.max_size_mb (1 MB)"


def test_a_wait_beyond_the_deadline_is_not_started(work):
    with Server({"/cat.mp4": Page(status=429, headers={"Retry-After": "60"})}) as server:
        started = time.monotonic()
        row = work.one(server.link("/cat.mp4"), deadline_s="30")
    assert row.error.startswith("download: rate limited: ")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:video/mp4,x", "concat:/etc/passwd"]
)
def test_a_redirect_cannot_reach_a_local_file(work, target):
    with Server({"/cat.mp4": Page(status=302, headers={"Location": target})}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
    assert row.status in ("dead", "failed")
    assert [name for name in work.files() if not name.endswith((".json", "lock"))] == []


def test_a_playlist_cannot_reach_a_local_file(work, tmp_path):
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"secret")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    with Server({"/cat.m3u8": Page(playlist, kind="application/vnd.apple.mpegurl")}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert row.status in ("dead", "failed")
    assert not [path for path in work.results.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_no_ffmpeg_on_the_path_is_ever_run(work, tmp_path, monkeypatch):
    for name in ("ffmpeg", "ffprobe"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho ffmpeg version 7.1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    # yt-dlp leaves this encryption to ffmpeg.
    key = b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"\n'
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + key + b"#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n"
    with Server({"/cat.m3u8": Page(playlist, kind="application/vnd.apple.mpegurl")}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status != "ok"
    assert not (tmp_path / "ran").exists()


def test_limits_that_no_video_can_meet_are_refused(work):
    with pytest.raises(ConfigError, match="a minimum is above its maximum: height 480 to 360 px, duration 30 to 210 s"):
        work.one("cat.mp4", max_height="360")


def test_a_proxy_is_used(work, video):
    # A request to a proxy has the whole link in place of a path.
    with Server({"http://trailers.invalid/cat.mp4": Page(video)}) as server:
        assert work.one("http://trailers.invalid/cat.mp4", proxy=server.link("")).status == "ok"


def test_requests_are_spaced(work, video):
    with Server({"/a.mp4": Page(video), "/b.mp4": Page(video)}) as server:
        work.run({"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}, sleep_s="0.5")
        last_of_a, first_of_b = server.requests_for("/a.mp4")[-1], server.requests_for("/b.mp4")[0]
    assert first_of_b.moment - last_of_a.moment >= 0.5


def test_the_rate_is_limited(work, big):
    started = time.monotonic()
    with Server({"/cat.mp4": Page(big)}) as server:
        assert work.one(server.link("/cat.mp4"), rate_limit_kbps="300").status == "ok"
    assert time.monotonic() - started > 0.8


def test_a_site_that_refuses_five_in_a_row_stops_the_run(work):
    with Server({f"/{n}.mp4": Page(status=429) for n in range(9)}) as server:
        rows = {f"t{n}": server.link(f"/{n}.mp4") for n in range(9)}
        with pytest.raises(SystemicError, match=r"127\.0\.0\.1 refused 5 links in a row"):
            work.run(rows, retries="0")
        assert len(server.requests) == 5
