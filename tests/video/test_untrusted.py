"""Untrusted names and files: names are never interpreted, and files that a video names are never opened."""

import os
import socket
import threading
from pathlib import Path

import pytest

from corpus import P420, Video
from trailers.errors import VideoError
from trailers.video import VideoFrames, probe, read_fingerprint
from video_lab import to_24

NAMES = [
    "two words.mp4",
    "quote'and\"quote.mp4",
    "line\nbreak.mp4",
    "-i.mp4",
    "--help",
    "%03d.mp4",
    "*.mp4",
    "concat:a|b.mp4",
    "http:example.org.mp4",
    "pipe:0",
    "file:x.mp4",
    "[0:v]null.mp4",
    "a,b;c=d.mp4",
    "\\back.mp4",
    "été – ☃.mp4",
    "mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_never_interpreted(tmp_path, monkeypatch, name):
    made = Video("v.mp4", frames=3)(tmp_path)
    folder = tmp_path / "odd: 'folder'"
    folder.mkdir()
    # Inside the folder, the name can be used without a path, as on a command line.
    monkeypatch.chdir(folder)
    source = Path(name)
    made.rename(source)
    assert probe(source).width == 64
    assert to_24(source, Path(f"24 {name}")).frames == 3
    with VideoFrames(Path(f"24 {name}")) as frames:
        assert len(frames) == 3
    assert read_fingerprint(Path(f"24 {name}")) == "0123456789abcdef"
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, f"24 {name}"])


@pytest.fixture
def listening():
    """A port on loopback, and a list with one entry per connection to it."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def listen():
            while not done.is_set():
                try:
                    calls.append(server.accept()[0].close())
                except TimeoutError:
                    continue

        done = threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], calls
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
        "\ufeff\n#EXTM3U\n#EXTINF:9,\n{file}\n",
        "ffconcat version 1.0\nfile '{file}'\n",
        "<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{url}</BaseURL></MPD>",
        "[playlist]\nFile1={url}/a.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "{url}/a.mp4\n",
        "<html><video src='{url}/a.mp4'></video></html>",
        "; sneaky\n\x01#EXTM3U\n{url}/a.ts\n",
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "m3u8"])
def test_files_named_inside_a_video_are_not_opened(tmp_path, listening, content, suffix):
    port, calls = listening
    secret = Video("secret.ts", frames=3)(tmp_path)
    path = tmp_path / f"odd.{suffix}"
    path.write_text(content.format(url=f"http://127.0.0.1:{port}", file=secret), encoding="utf-8")
    with pytest.raises(
        VideoError, match=r"is a playlist|is text|its container is not one of|cannot be read as a video"
    ):
        probe(path)
    assert calls == []


@pytest.mark.parametrize("name", ["nothing there", ".", "pipe"])
def test_a_pipe_or_device_is_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VideoError, match="is not a file"):
        probe(tmp_path / name)


def test_a_report_file_that_the_environment_requests_is_not_written(tmp_path, monkeypatch):
    source = Video("v.mp4", frames=3)(tmp_path)
    monkeypatch.setenv("FFREPORT", f"file={tmp_path}/report.log")
    to_24(source, tmp_path / "24.mp4")
    assert not (tmp_path / "report.log").exists()


def test_the_probe_returns_the_facts_that_the_download_stage_needs(tmp_path):
    seen = probe(Video("v.mp4", P420, frames=50, fps="25")(tmp_path))
    assert (seen.width, seen.height, seen.duration_s, seen.fps) == (64, 48, 2.0, 25.0)
    assert (seen.codec, seen.container, seen.first_s) == ("h264", "mov,mp4,m4a,3gp,3g2,mj2", 0.0)
