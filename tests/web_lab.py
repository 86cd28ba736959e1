"""Shared by the tests of downloads: videos, a working folder, and another site for yt-dlp."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import pytest

from server import Page
from trailers.stages import download
from trailers.store.ledger import read_ledger
from trailers.store.receipt import read_receipt

HTML = Page(b"<!doctype html><html><head><title>A cat</title></head><body>no video</body></html>", kind="text/html")


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> bytes:
    """A video of 2 s, 128x72 px, 24 fps; about 20 kB."""
    return make_video(tmp_path_factory.mktemp("video") / "video.mp4")


@pytest.fixture(scope="session")
def big(video) -> bytes:
    """The same video with trailing zeros, which decoders ignore; several of yt-dlp's blocks long."""
    return video + bytes(300_000)


@pytest.fixture(scope="session")
def other_video(tmp_path_factory) -> bytes:
    return make_video(tmp_path_factory.mktemp("video") / "other.mp4", picture="mandelbrot=size=96x64:rate=24")


def make_video(
    path: Path,
    *,
    picture: str = "testsrc2=size=128x72:rate=24",
    seconds: float = 2,
    before: Sequence[str] = (),
    more: Sequence[str] = (),
) -> bytes:
    """A video of ``picture``; ``before`` are more inputs of ffmpeg, ``more`` are options of the output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture, *before]
    subprocess.run(
        [*command, "-t", str(seconds), "-pix_fmt", "yuv420p", "-threads", "1", *more, str(path)], check=True, timeout=60
    )
    return path.read_bytes()


@pytest.fixture
def surroundings(monkeypatch):
    """Without this machine's proxy, and without waiting for its disk, because a power cut cannot be tested."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Work:
    """A folder with a manifest, in which the stage is run as a rule runs it."""

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
        """All files in the folder of the stage, including hidden files."""
        below = (self.results / "download").rglob("*")
        return sorted(str(path.relative_to(self.results)) for path in below if path.is_file())


@pytest.fixture
def work(tmp_path, surroundings) -> Work:
    return Work(tmp_path)


@pytest.fixture
def site(monkeypatch):
    """Adds a site to yt-dlp: /watch/ pages on loopback, whose JSON is the result of the extractor."""
    import yt_dlp
    from yt_dlp.extractor.common import InfoExtractor
    from yt_dlp.utils import ExtractorError

    class CatsIE(InfoExtractor):
        IE_NAME = "cats"
        _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>\w+)"

        def _real_extract(self, url):
            video = self._match_id(url)
            values = self._download_json(url, video)
            if "error" in values:
                raise ExtractorError(values["error"], expected=True)
            for offered in values.get("formats", ()):
                offered["url"] = url.split("/watch/")[0] + offered["url"]
            return {"id": video, "title": "A cat", **values}

    known = yt_dlp.YoutubeDL.add_default_info_extractors

    def with_cats(downloader):
        downloader.add_info_extractor(CatsIE())  # before the generic extractor, which accepts every link
        known(downloader)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "add_default_info_extractors", with_cats)


def json_page(**values) -> Page:
    return Page(json.dumps(values).encode(), kind="application/json")


def formats_of(*heights: int) -> list[dict[str, object]]:
    given = {"ext": "mp4", "vcodec": "avc1", "acodec": "none"}
    return [{"format_id": f"v{height}", "url": f"/{height}.mp4", "height": height, **given} for height in heights]


def until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)


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


def playlist(*lines: str, seconds: float = 2, head: str = "", **more) -> Page:
    """An HLS playlist of ``lines``: names of fragments of ``seconds`` each, and tags, which begin with #."""
    body = f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{seconds:g}\n{head}"
    body += "".join(f"{line}\n" if line.startswith("#") else f"#EXTINF:{seconds:g},\n{line}\n" for line in lines)
    return Page(f"{body}#EXT-X-ENDLIST\n".encode(), kind="application/vnd.apple.mpegurl", **more)
