"""The download stage against a server on loopback that misbehaves as real ones do."""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import imageio_ffmpeg
import pytest

from server import NEVER, Page, Server
from trailers.errors import ConfigError, ManifestError, SystemicError
from trailers.stages import download
from trailers.stages.download import Settings, shortcomings
from trailers.store import share
from trailers.store.ledger import read_ledger
from trailers.store.receipt import read_receipt
from trailers.web import client, reasons

HTML = Page(b"<!doctype html><html><head><title>A cat</title></head><body>no video</body></html>", kind="text/html")


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> bytes:
    """A video of 2 s, 128x72, 24 fps: some 20 kB."""
    return make_video(tmp_path_factory.mktemp("video") / "video.mp4")


@pytest.fixture(scope="session")
def big(video) -> bytes:
    """The same video with a tail that no decoder minds: several blocks of yt-dlp's."""
    return video + bytes(300_000)


@pytest.fixture(scope="session")
def other_video(tmp_path_factory) -> bytes:
    return make_video(tmp_path_factory.mktemp("video") / "other.mp4", picture="mandelbrot=size=96x64:rate=24")


def make_video(path: Path, *, picture: str = "testsrc2=size=128x72:rate=24", seconds: float = 2) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-t", str(seconds)]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-threads", "1", str(path)], check=True, timeout=60)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No proxy of this machine's, and no waiting for its disk: what outlives a power cut is not told from here."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Work:
    """A folder with a manifest, and the stage as a rule calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.ledger = self.results / "ledger" / "download" / "s0000.tsv"
        self.flags = {
            "sleep-s": "0",
            "backoff-s": "0.01",
            "timeout-s": "5",
            "retries": "2",
            "deadline-s": "30",
            "max-failed-fraction": "1",
        }

    def words(self, rows: dict[str, str], **flags: str) -> list[str]:
        manifest = self.folder / "manifest.csv"
        manifest.write_text("trailer,url\n" + "".join(f'{trailer},"{url}"\n' for trailer, url in rows.items()))
        shard = self.folder / "shard.txt"
        shard.write_text("".join(f"{trailer}\n" for trailer in rows))
        words = ["--shard", str(shard), "--ledger", str(self.ledger), "--manifest", str(manifest)]
        words += ["--results", str(self.results)]
        for name, value in {**self.flags, **{name.replace("_", "-"): value for name, value in flags.items()}}.items():
            words += [f"--{name}", value] if value != "" else [f"--{name}"]
        return words

    def run(self, rows: dict[str, str], **flags: str):
        parser = argparse.ArgumentParser()
        download.add_flags(parser)
        download.run(parser.parse_args(self.words(rows, **flags)))
        return read_ledger(self.ledger)

    def one(self, url: str, **flags: str):
        return self.run({"a": url}, **flags)["a"]

    def receipt(self, trailer: str = "a"):
        return read_receipt(self.results / "download" / f"{trailer}.json")

    def files(self) -> list[str]:
        """What lies in the stage's folder, hidden files too."""
        below = (self.results / "download").rglob("*")
        return sorted(str(path.relative_to(self.results)) for path in below if path.is_file())


@pytest.fixture
def work(tmp_path) -> Work:
    return Work(tmp_path)


# What a server may answer


def test_a_video_is_had_with_a_receipt(work, video):
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


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "private"), (403, "private"), (404, "not found"), (410, "removed"), (451, "geo")]
)
def test_what_a_server_refuses_is_dead_and_asked_once(work, status, reason):
    with Server({"/cat.mp4": Page(status=status)}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert len(server.asked("/cat.mp4")) == 1
    assert row.status == "dead"
    assert row.facts == {"reason": reason}
    assert row.error.startswith(f"download: {reason}: ")
    assert f"HTTP Error {status}" in row.error
    assert work.receipt().status == "dead"
    assert work.files() == ["download/a.json"]


def test_a_page_that_is_no_video_is_dead(work):
    with Server({"/cat.html": HTML}) as server:
        row = work.one(server.link("/cat.html"))
    assert row.status == "dead"
    assert row.error.startswith("download: not a video: Unsupported URL")


def test_a_page_served_as_a_video_is_dead_and_not_kept(work):
    with Server({"/cat.mp4": replace(HTML, kind="video/mp4")}) as server:
        row = work.one(server.link("/cat.mp4"))
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")
    assert work.files() == ["download/a.json"]


def test_a_server_in_trouble_is_asked_again(work, video):
    with Server({"/cat.mp4": [Page(status=500), Page(status=503), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_retry_after_is_honoured(work, video):
    with Server({"/cat.mp4": [Page(status=429, headers={"Retry-After": "1"}), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        first, second = server.asked("/cat.mp4")[:2]
    assert second.moment - first.moment >= 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_on_the_way_of_the_bytes(work, video, status):
    pages = [Page(video), Page(status=status, headers={"Retry-After": "1"}), Page(video)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        moments = [request.moment for request in server.asked("/cat.mp4")]
    assert moments[2] - moments[1] >= 1


def test_a_site_that_asks_for_an_hour_is_left_for_the_next_run(work, video):
    with Server({"/cat.mp4": [Page(status=429, headers={"Retry-After": "3600"}), Page(video)]}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert (row.status, row.error) == ("failed", "download: rate limited: " + row.error[24:])
        assert len(server.asked("/cat.mp4")) == 1
        assert not (work.results / "download" / "a.json").exists()
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_waits_double(work):
    with Server({"/cat.mp4": Page(status=500)}) as server:
        row = work.one(server.link("/cat.mp4"), backoff_s="0.2", retries="3")
        moments = [request.moment for request in server.asked("/cat.mp4")]
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert row.error.startswith("download: network: ")
    assert [wait >= asked for wait, asked in zip(waits, (0.2, 0.4, 0.8), strict=True)] == [True, True, True]


def test_a_body_cut_in_the_middle_is_resumed_where_it_stopped(work, big):
    # The first request only looks what the link is; the second one is for the bytes.
    with Server({"/cat.mp4": [Page(big), Page(big, cut=3 * 65536 + 5), Page(big)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        ranges = [request.headers.get("range") for request in server.asked("/cat.mp4")]
    assert ranges == [None, None, None, "bytes=196608-"]
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_bytes_are_resumed_by_a_later_run(work, big):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=3 * 65536 + 5), Page(big)]}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.error.startswith("download: network: ")
        partial = work.results / "download" / ".partial" / "a"
        assert [path.stat().st_size for path in partial.glob("*.part")] == [196608]
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert server.asked("/cat.mp4")[-1].headers["range"] == "bytes=196608-"
    assert work.receipt().sha256 == sha256(big).hexdigest()
    assert work.files() == ["download/a.json", "download/a.mp4"]


def test_a_server_without_ranges_sends_all_again(work, big):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000), Page(big, ranges=False)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert server.asked("/cat.mp4")[-1].headers["range"] == "bytes=196608-"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_bytes_of_two_versions_are_never_joined(work, big, other_video):
    old = {"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    new = {"Last-Modified": "Tue, 06 Jan 2026 10:00:00 GMT"}
    later = other_video + bytes(300_000)
    pages = [Page(big, headers=old), Page(big, headers=old, cut=200_000), Page(later, headers=new)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4")).status == "ok"
        assert "range" not in server.asked("/cat.mp4")[-1].headers
    assert work.receipt().sha256 == sha256(later).hexdigest()


def test_a_link_that_gives_a_little_each_time_gets_there(work, big):
    # Every second request is for bytes. Four cuts, where only one try in a row may bring nothing.
    pages = [Page(big), Page(big, cut=70_000)] * 4 + [Page(big)]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4"), retries="1").status == "ok"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_link_that_never_answers_times_out(work):
    started = time.monotonic()
    with Server({"/cat.mp4": Page(silent_s=NEVER)}) as server:
        row = work.one(server.link("/cat.mp4"), timeout_s="0.5", retries="1")
        assert len(server.asked("/cat.mp4")) == 2
    assert row.status == "failed"
    assert row.error.startswith("download: network: ")
    assert time.monotonic() - started < 10


def test_a_host_that_used_up_its_tries_gets_one_a_trailer(work):
    with Server({"/a.mp4": Page(status=500), "/b.mp4": Page(status=500)}) as server:
        work.run({"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}, retries="2")
        assert [len(server.asked("/a.mp4")), len(server.asked("/b.mp4"))] == [3, 1]


def test_a_link_that_trickles_meets_its_deadline(work, video):
    with Server({"/cat.mp4": [Page(video), Page(video, trickle_s=0.2)]}) as server:
        started = time.monotonic()
        row = work.one(server.link("/cat.mp4"), deadline_s="2")
    assert row.error == "download: network: took more than the 2 s of download.deadline_s"
    assert 2 <= time.monotonic() - started < 6


def test_a_refused_connection_is_failed(work):
    with Server({}) as server:
        link = server.link("/cat.mp4")
    row = work.one(link, retries="0")
    assert row.status == "failed"
    assert row.error.startswith("download: network: ")


def test_a_body_without_end_is_cut_off(work, video):
    with Server({"/cat.mp4": Page(video + bytes(2_000_000))}) as server:
        row = work.one(server.link("/cat.mp4"), max_size_mb="1")
    assert row.error == "download: too long: more than the 1 MB of download.max_size_mb"


def test_a_wait_beyond_the_deadline_is_not_begun(work):
    with Server({"/cat.mp4": Page(status=429, headers={"Retry-After": "60"})}) as server:
        started = time.monotonic()
        row = work.one(server.link("/cat.mp4"), deadline_s="30")
    assert row.error.startswith("download: rate limited: ")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:video/mp4,x", "concat:/etc/passwd"]
)
def test_a_redirect_reaches_no_file_of_this_machine(work, target):
    with Server({"/cat.mp4": Page(status=302, headers={"Location": target})}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
    assert row.status in ("dead", "failed")
    assert [name for name in work.files() if not name.endswith((".json", "lock"))] == []


def test_a_playlist_reaches_no_file_of_this_machine(work, tmp_path):
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


def test_a_playlist_of_fragments_is_had_whole_or_not_at_all(work, tmp_path):
    fragment = make_video(tmp_path / "part.ts", seconds=1)
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n0.ts\n#EXTINF:1,\n1.ts\n#EXT-X-ENDLIST\n"
    pages = {"/cat.m3u8": Page(playlist, kind="application/vnd.apple.mpegurl"), "/0.ts": Page(fragment)}
    with Server({**pages, "/1.ts": Page(status=404)}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status != "ok"
    with Server({**pages, "/1.ts": Page(fragment)}) as server:
        row = work.one(server.link("/cat.m3u8"), retries="0")
    assert (row.status, row.facts["bytes"]) == ("ok", 2 * len(fragment))


def test_a_cookie_is_sent_and_its_file_only_read(work, video, tmp_path):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tkey\tvalue\n")
    before = cookies.read_bytes()
    with Server({"/cat.mp4": Page(video, headers={"Set-Cookie": "other=1"})}) as server:
        assert work.one(server.link("/cat.mp4"), cookies=str(cookies)).status == "ok"
        assert "key=value" in server.asked("/cat.mp4")[0].headers["cookie"]
    assert cookies.read_bytes() == before


def test_a_missing_cookies_file_is_named_before_anything_is_asked(work):
    with pytest.raises(ConfigError, match=r"nowhere.txt: cannot be read: .*download.cookies"):
        work.one("http://127.0.0.1:9/cat.mp4", cookies="nowhere.txt")


def test_a_cookies_file_that_is_none_is_named_before_anything_is_asked(work, tmp_path):
    (tmp_path / "cookies.txt").write_text("key=value; other=value\n")
    with pytest.raises(ConfigError, match=r"cookies\.txt: is no cookies\.txt\. Export one in Netscape"):
        work.one("http://127.0.0.1:9/cat.mp4", cookies=str(tmp_path / "cookies.txt"))


def test_limits_that_no_video_can_meet_are_refused(work):
    with pytest.raises(ConfigError, match="no video can have 480 to 360 px and 30 to 210 s"):
        work.one("cat.mp4", max_height="360")


def test_a_proxy_is_used(work, video):
    # A proxy is asked with the whole link instead of a path.
    with Server({"http://trailers.invalid/cat.mp4": Page(video)}) as server:
        assert work.one("http://trailers.invalid/cat.mp4", proxy=server.link("")).status == "ok"


def test_requests_are_spaced(work, video):
    with Server({"/a.mp4": Page(video), "/b.mp4": Page(video)}) as server:
        work.run({"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}, sleep_s="0.5")
        last_of_a, first_of_b = server.asked("/a.mp4")[-1], server.asked("/b.mp4")[0]
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


# A video site: a page of yt-dlp's own, with formats to choose from


@pytest.fixture
def site(monkeypatch):
    """yt-dlp knows one site more: /watch/ pages on loopback, whose JSON is what an extractor finds."""
    import yt_dlp
    from yt_dlp.extractor.common import InfoExtractor
    from yt_dlp.utils import ExtractorError

    class CatsIE(InfoExtractor):
        IE_NAME = "cats"
        _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>\w+)"

        def _real_extract(self, url):
            video = self._match_id(url)
            said = self._download_json(url, video)
            if "error" in said:
                raise ExtractorError(said["error"], expected=True)
            for offered in said.get("formats", ()):
                offered["url"] = url.split("/watch/")[0] + offered["url"]
            return {"id": video, "title": "A cat", **said}

    known = yt_dlp.YoutubeDL.add_default_info_extractors

    def with_cats(downloader):
        downloader.add_info_extractor(CatsIE())  # before the one that takes every link
        known(downloader)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "add_default_info_extractors", with_cats)


def said(**words) -> Page:
    return Page(json.dumps(words).encode(), kind="application/json")


def formats_of(*heights: int) -> list[dict[str, object]]:
    given = {"ext": "mp4", "vcodec": "avc1", "acodec": "none"}
    return [{"format_id": f"v{height}", "url": f"/{height}.mp4", "height": height, **given} for height in heights]


def test_the_format_for_the_height_is_had_from_a_site(work, video, site):
    pages = {"/watch/cat": said(duration=60, formats=formats_of(360, 480, 1080)), "/480.mp4": Page(video)}
    with Server(pages) as server:
        link = server.link("/watch/cat")
        row = work.one(link)
        assert [request.path for request in server.requests] == ["/watch/cat", "/480.mp4"]
    assert row.status == "ok"
    facts = work.receipt().facts
    assert (facts["extractor"], facts["format"], facts["final_url"]) == ("cats", "v480", link)


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("Private video. Sign in if you've been granted access to this video", "dead", "private"),
        ("This video has been removed by the uploader", "dead", "removed"),
        ("Sign in to confirm your age", "dead", "age"),
        ("Sign in to confirm you're not a bot", "failed", "bot check"),
    ],
)
def test_what_a_site_says_becomes_a_reason(work, site, words, status, reason):
    with Server({"/watch/cat": said(error=words)}) as server:
        row = work.one(server.link("/watch/cat"))
        assert len(server.requests) == 1
    assert (row.status, row.error) == (status, f"download: {reason}: [cats] cat: {words}")


def test_bytes_that_a_site_withholds_are_a_doubt_about_who_asks(work, site):
    with Server({"/watch/cat": said(formats=formats_of(480)), "/480.mp4": Page(status=403)}) as server:
        row = work.one(server.link("/watch/cat"))
    assert (row.status, row.error) == ("failed", "download: bot check: HTTP Error 403: Forbidden")


def test_a_film_is_excluded_before_its_bytes_are_asked_for(work, site):
    with Server({"/watch/cat": said(duration=7200, formats=formats_of(480))}) as server:
        row = work.one(server.link("/watch/cat"), enforce_quality="true")
        assert [request.path for request in server.requests] == ["/watch/cat"]
    assert (row.status, row.error) == ("dead", "download: too long: 7200 s, at most 210 s are asked for")


@pytest.mark.parametrize("state", ["is_live", "is_upcoming"])
def test_what_is_live_is_left_for_a_later_run(work, site, state):
    with Server({"/watch/cat": said(live_status=state, formats=formats_of(480))}) as server:
        row = work.one(server.link("/watch/cat"))
        assert [request.path for request in server.requests] == ["/watch/cat"]
    assert (row.status, row.error.split(": ")[1]) == ("failed", "other")


def test_sound_alone_is_no_video(work, site):
    sound = [{"format_id": "a", "url": "/a.m4a", "vcodec": "none", "acodec": "aac", "ext": "m4a"}]
    with Server({"/watch/cat": said(formats=sound)}) as server:
        row = work.one(server.link("/watch/cat"))
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")


def test_of_a_page_with_several_videos_the_first_is_had(work, video, site):
    links = '<a></a><video src="/1.mp4"></video><video src="/2.mp4"></video>'
    pages = {"/cats.html": replace(HTML, body=f"<!doctype html><html><body>{links}</body></html>".encode())}
    with Server({**pages, "/1.mp4": Page(video), "/2.mp4": Page(video)}) as server:
        row = work.one(server.link("/cats.html"))
        assert (len(server.asked("/1.mp4")), server.asked("/2.mp4")) == (1, [])
    assert row.status == "ok"


# What a later run does


def test_what_is_settled_is_not_asked_again(work, video):
    with Server({"/cat.mp4": Page(video), "/gone.mp4": Page(status=410)}) as server:
        rows = {"a": server.link("/cat.mp4"), "b": server.link("/gone.mp4")}
        first = work.run(rows)
        receipts = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in work.results.rglob("*.json")}
        asked = len(server.requests)
        assert work.run(rows) == first
        assert len(server.requests) == asked
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in work.results.rglob("*.json")} == receipts


def test_a_dead_trailer_is_asked_again_when_told_to(work, video):
    with Server({"/cat.mp4": [Page(status=404), Page(video)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "dead"
        assert work.one(server.link("/cat.mp4")).status == "dead"
        assert work.one(server.link("/cat.mp4"), retry_dead="").status == "ok"


def test_a_dead_trailer_is_asked_again_when_its_link_changes(work, video):
    with Server({"/new.mp4": Page(video)}) as server:
        assert work.one(server.link("/old.mp4")).status == "dead"
        assert work.one(server.link("/new.mp4")).status == "ok"


def test_other_limits_judge_anew_and_ask_nothing(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        link = server.link("/cat.mp4")
        before = work.one(link)
        asked = len(server.requests)
        excluded = work.one(link, enforce_quality="true", min_duration_s="10")
        assert (excluded.status, excluded.facts["reason"]) == ("dead", "too short")
        assert excluded.error == "download: too short: 2 s, at least 10 s are asked for"
        again = work.one(link, enforce_quality="true", min_duration_s="1", min_height="72")
        assert (again.status, again.facts["quality"]) == ("ok", [])
        assert work.one(link) == before
        assert len(server.requests) == asked
    assert work.receipt().sha256 == sha256(video).hexdigest()


def test_a_tombstone_outlives_other_limits(work):
    with Server({}) as server:
        first = work.one(server.link("/cat.mp4"))
        second = work.one(server.link("/cat.mp4"), enforce_quality="true")
        assert len(server.requests) == 1
    assert (first.error, first.fingerprint != second.fingerprint) == (second.error, True)


def test_another_height_asks_again(work, video):
    with Server({"/cat.mp4": Page(video)}) as server:
        work.one(server.link("/cat.mp4"))
        asked = len(server.requests)
        assert work.one(server.link("/cat.mp4"), max_height="480").status == "ok"
        assert len(server.requests) > asked


@pytest.mark.parametrize("damage", ["truncated", "removed", "receipt", "facts"])
def test_a_damaged_product_is_made_again(work, video, damage):
    with Server({"/cat.mp4": Page(video)}) as server:
        work.one(server.link("/cat.mp4"))
        kept, receipt = work.results / "download" / "a.mp4", work.results / "download" / "a.json"
        if damage == "truncated":
            os.truncate(kept, 100)
        elif damage == "removed":
            kept.unlink()
        elif damage == "receipt":
            receipt.write_text(receipt.read_text()[:50])
        else:
            values = json.loads(receipt.read_text())
            receipt.write_text(json.dumps({**values, "facts": {"bytes": len(video)}}))
        assert work.one(server.link("/cat.mp4")).status == "ok"
    assert kept.read_bytes() == video


def test_another_suffix_replaces_the_old_file(work, video, tmp_path):
    webm = make_video(tmp_path / "cat.webm", seconds=0.2)
    with Server({"/cat.mp4": Page(video), "/cat.webm": Page(webm, kind="video/webm")}) as server:
        work.one(server.link("/cat.mp4"))
        work.one(server.link("/cat.webm"))
    assert work.files() == ["download/a.json", "download/a.webm"]


# Several links


def test_the_first_link_that_can_be_had_is_taken_and_the_others_told(work, video):
    with Server({"/gone.mp4": Page(status=410), "/cat.mp4": Page(video), "/last.mp4": Page(video)}) as server:
        gone, cat, last = (server.link(path) for path in ("/gone.mp4", "/cat.mp4", "/last.mp4"))
        row = work.one(f"{gone} | {cat} | {last}")
        assert server.asked("/last.mp4") == []
    assert row.status == "ok"
    facts = work.receipt().facts
    assert facts["url"] == cat
    assert [(item["url"], item["reason"]) for item in facts["refused"]] == [(gone, "removed")]


def test_a_trailer_is_dead_only_when_all_its_links_are(work):
    with Server({"/gone.mp4": Page(status=410), "/busy.mp4": Page(status=500), "/not.mp4": Page(status=404)}) as server:
        gone, busy, absent = (server.link(path) for path in ("/gone.mp4", "/busy.mp4", "/not.mp4"))
        rows = work.run({"a": f"{gone} | {busy}", "b": f"{gone} | {absent}"})
    assert (rows["a"].status, rows["a"].error[:19]) == ("failed", "download: network: ")
    assert rows["b"].status == "dead"
    assert rows["b"].error == "download: removed: " + rows["b"].error[19:]
    assert "; not found: " in rows["b"].error


def test_a_link_added_later_is_tried_without_asking_the_dead_one(work, video):
    with Server({"/gone.mp4": Page(status=410), "/cat.mp4": Page(video)}) as server:
        gone = server.link("/gone.mp4")
        work.one(gone)
        assert work.one(f"{gone} | {server.link('/cat.mp4')}").status == "ok"
        assert len(server.asked("/gone.mp4")) == 1


def test_a_youtube_id_and_its_link_are_the_same(work, monkeypatch, tmp_path):
    monkeypatch.setattr(client.Client, "fetch", lambda self, link, *_: gone(link))
    first = work.one("vKQi3bBA1y8")
    assert first.error == "download: removed: https://www.youtube.com/watch?v=vKQi3bBA1y8"
    monkeypatch.setattr(client.Client, "fetch", lambda *_: pytest.fail("asked again"))
    second = work.one("https://www.youtube.com/watch?v=vKQi3bBA1y8")
    assert (second.status, second.error) == (first.status, first.error)


def gone(link: str):
    raise reasons.LinkError("removed", link)


def test_a_link_that_misses_the_limits_makes_way_for_the_next(work, video, tmp_path):
    large = make_video(tmp_path / "large.mp4", picture="testsrc2=size=160x120:rate=24")
    with Server({"/small.mp4": Page(video), "/large.mp4": Page(large)}) as server:
        links = f"{server.link('/small.mp4')} | {server.link('/large.mp4')}"
        flags = {"enforce_quality": "true", "min_height": "100", "min_duration_s": "1"}
        row = work.one(links, **flags)
    assert (row.status, row.facts["height_px"]) == ("ok", 120)


# Files


def test_a_local_file_is_shared_and_never_altered(work, video, tmp_path):
    (tmp_path / "videos").mkdir()
    source = tmp_path / "videos" / "cat one.MP4"
    source.write_bytes(video)
    source.chmod(0o444)
    before = source.stat()
    row = work.one("videos/cat one.MP4")
    assert (row.status, row.path) == ("ok", "download/a.mp4")
    assert (work.results / "download" / "a.mp4").read_bytes() == video
    after = source.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_mode) == (before.st_size, before.st_mtime_ns, before.st_mode)
    facts = work.receipt().facts
    assert (facts["url"], facts["extractor"], facts["bytes"]) == ("videos/cat one.MP4", "file", len(video))
    (work.results / "download" / "a.mp4").unlink()
    assert source.read_bytes() == video


def test_a_file_where_no_link_can_be_made_is_copied(work, video, tmp_path, monkeypatch):
    (tmp_path / "cat.mp4").write_bytes(video)
    monkeypatch.setattr(share, "WAYS", ())
    work.one("cat.mp4")
    copy = work.results / "download" / "a.mp4"
    assert copy.read_bytes() == video
    assert copy.stat().st_ino != (tmp_path / "cat.mp4").stat().st_ino


def test_a_changed_file_is_noticed(work, video, other_video, tmp_path):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4")
    source.unlink()
    source.write_bytes(other_video)
    assert work.one("cat.mp4").status == "ok"
    assert work.receipt().sha256 == sha256(other_video).hexdigest()
    assert (work.results / "download" / "a.mp4").read_bytes() == other_video


def test_a_touched_file_keeps_its_digest(work, video, tmp_path):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4")
    before = work.receipt()
    os.utime(source, ns=(1, 1))
    work.one("cat.mp4")
    assert work.receipt().sha256 == before.sha256
    assert work.receipt().facts["source_mtime_ns"] == 1


def test_a_source_that_went_has_done_its_part(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    first = work.one("cat.mp4")
    (tmp_path / "cat.mp4").unlink()
    assert work.one("cat.mp4") == first


def test_a_missing_file_is_dead_until_it_appears(work, video, tmp_path):
    row = work.one("cat.mp4")
    assert (row.status, row.error) == ("dead", f"download: not found: {tmp_path}/cat.mp4 does not exist")
    (tmp_path / "cat.mp4").write_bytes(video)
    assert work.one("cat.mp4").status == "ok"


@pytest.mark.parametrize("kind", ["text", "empty", "folder", "pipe", "cut"])
def test_what_is_no_video_is_dead(work, video, tmp_path, kind):
    source = tmp_path / "cat.mp4"
    if kind == "folder":
        source.mkdir()
    elif kind == "pipe":
        os.mkfifo(source)
    else:
        source.write_bytes(
            {"text": b"Once upon a time there was a cat.\n" * 99, "empty": b"", "cut": video[:500]}[kind]
        )
    row = work.one("cat.mp4")
    assert (row.status, row.facts["reason"]) == ("dead", "not found" if kind in ("folder", "pipe") else "not a video")
    assert work.files() == ["download/a.json"]


def test_no_local_file_is_reached_over_a_link(work, tmp_path, video):
    (tmp_path / "cat.mp4").write_bytes(video)
    with pytest.raises(ManifestError, match=r"row 2, column url: 'file:///.*' is no http or https link"):
        work.one(f"file://{tmp_path}/cat.mp4")


# One trailer, killed runs, two at once


def test_one_trailer_alone_writes_no_ledger(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    work.words({"a": "cat.mp4"})
    words = ["--trailer", "a", "--manifest", str(tmp_path / "manifest.csv"), "--results", str(work.results)]
    parser = argparse.ArgumentParser()
    download.add_flags(parser)
    download.run(parser.parse_args(words))
    assert work.files() == ["download/a.json", "download/a.mp4"]


def test_a_trailer_that_the_manifest_lacks_is_named(work, tmp_path):
    work.words({"a": "cat.mp4"})
    words = ["--trailer", "b", "--manifest", str(tmp_path / "manifest.csv"), "--results", str(work.results)]
    parser = argparse.ArgumentParser()
    download.add_flags(parser)
    with pytest.raises(ManifestError, match="has no row for 'b'"):
        download.run(parser.parse_args(words))


def test_a_killed_run_costs_the_block_in_flight(work, big):
    with Server({"/a.mp4": Page(big), "/b.mp4": [Page(big), Page(big, trickle_s=0.02)]}) as server:
        rows = {"a": server.link("/a.mp4"), "b": server.link("/b.mp4")}
        command = [sys.executable, "-m", "trailers", "download", *work.words(rows)]
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        partial = work.results / "download" / ".partial" / "b"
        until(lambda: client.bytes_in(partial) > 0)
        running.send_signal(signal.SIGKILL)
        running.wait()
        (there,) = [path.stat().st_size for path in partial.glob("*.part")]
        server.pages["/b.mp4"] = [Page(big)]
        asked = len(server.asked("/a.mp4"))
        ledger = work.run(rows)
        assert len(server.asked("/a.mp4")) == asked
        assert server.asked("/b.mp4")[-1].headers["range"] == f"bytes={there}-"
    assert [row.status for row in ledger.values()] == ["ok", "ok"]
    assert work.receipt("b").sha256 == sha256(big).hexdigest()


def test_two_jobs_for_one_trailer_ask_once(work, video):
    with Server({"/cat.mp4": [Page(video, silent_s=0.5), Page(video)]}) as server:
        command = [sys.executable, "-m", "trailers", "download", *work.words({"a": server.link("/cat.mp4")})]
        jobs = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [job.wait(timeout=60) for job in jobs] == [0, 0]
        assert len(server.asked("/cat.mp4")) == 2  # one look, one download
    assert work.files() == ["download/a.json", "download/a.mp4"]


def until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


# Posters


@pytest.fixture(scope="session")
def poster() -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.new("RGB", (20, 30), "red").save(written, "JPEG")
    return written.getvalue()


def get_posters(work, cells: dict[str, str]):
    words = work.words(dict.fromkeys(cells, "video.mp4"))
    rows = "".join(f"{trailer},video.mp4,{poster}\n" for trailer, poster in cells.items())
    (work.folder / "manifest.csv").write_text("trailer,url,poster\n" + rows)
    ledger = work.results / "ledger" / "posters" / "s0000.tsv"
    parser = argparse.ArgumentParser()
    download.add_flags(parser)
    download.run(parser.parse_args([*words, "--posters", "--ledger", str(ledger)]))
    return read_ledger(ledger)


def test_posters_are_had_with_the_same_care(work, poster, tmp_path):
    (tmp_path / "local.jpg").write_bytes(poster)
    with Server(
        {
            "/a.jpg": [Page(status=500), Page(poster, kind="image/jpeg")],
            "/page": HTML,
            "/gone.jpg": Page(status=404),
            "/cut.jpg": Page(poster[:-99], kind="image/jpeg"),
        }
    ) as server:
        cells = {
            "a": server.link("/a.jpg"),
            "b": "local.jpg",
            "c": "",
            "d": server.link("/page"),
            "e": server.link("/gone.jpg"),
            "f": server.link("/cut.jpg"),
        }
        rows = get_posters(work, cells)
        asked = len(server.requests)
        assert get_posters(work, cells) == rows
        assert len(server.requests) == asked
    assert {trailer: row.status for trailer, row in rows.items()} == {
        "a": "ok",
        "b": "ok",
        "c": "skipped",
        "d": "dead",
        "e": "dead",
        "f": "dead",
    }
    assert (rows["a"].path, rows["a"].facts) == (
        "posters/a.jpg",
        {"bytes": len(poster), "width_px": 20, "height_px": 30},
    )
    assert (work.results / "posters" / "b.jpg").read_bytes() == poster
    assert rows["d"].error.startswith("posters: not an image: Unsupported URL")
    assert rows["e"].error.startswith("posters: not found: ")
    assert rows["f"].error.startswith("posters: not an image: Truncated File Read")
    assert not (work.results / "download").exists()


# The limits of the paper

SETTINGS = Settings(max_height=720, min_height=480, min_duration_s=30, max_duration_s=210, enforce_quality=False)


@pytest.mark.parametrize(
    ("duration_s", "height", "expected"),
    [
        (30, 480, {}),
        (210, 1080, {}),
        (29.5, 480, {"too short": "29.5 s, at least 30 s are asked for"}),
        (210.5, 480, {"too long": "210.5 s, at most 210 s are asked for"}),
        (60, 360, {"too small": "360p, at least 480p is asked for"}),
        (None, 0, {}),
    ],
)
def test_the_limits_of_the_paper(duration_s, height, expected):
    assert shortcomings(SETTINGS, duration_s=duration_s, height=height) == expected
