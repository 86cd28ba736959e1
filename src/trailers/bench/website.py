"""A web site of trailers on loopback: a few short generated videos under many links, some dead, some busy at first.

A link names its outcome, so neither the site nor stand-in work needs a list:

    http://127.0.0.1:PORT/here/tt0133093.mp4     a video
    http://127.0.0.1:PORT/dead/tt0133093.mp4     always 404
    http://127.0.0.1:PORT/busy-2/tt0133093.mp4   503 twice, then a video
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from trailers.video import encode_frames

HERE, DEAD = "here", "dead"
BUSY = ("busy-2", "busy-1")  # a run with two attempts leaves the first kind to the next run
DEAD_LINKS, BUSY_LINKS = 300, 50  # of 12,000

VIDEOS, SHOTS, SHOT_FRAMES, RATE = 5, 2, 25, 25  # 2 s with a cut in the middle
HEIGHT_PX, WIDTH_PX = 120, 160


def fates(trailers: Sequence[str]) -> dict[str, str]:
    """Trailer -> here, dead or busy, at random; the shares do not depend on their number, with at least one of each."""
    dead, busy = (max(1, round(len(trailers) * share / 12_000)) for share in (DEAD_LINKS, BUSY_LINKS))
    drawn = random.Random(0).sample(trailers, dead + busy)  # noqa: S311  not a secret
    found = dict.fromkeys(trailers, HERE) | dict.fromkeys(drawn[:dead], DEAD)
    return found | {trailer: BUSY[n % len(BUSY)] for n, trailer in enumerate(drawn[dead:])}


def fate_of(link: str) -> str:
    return link.split("/")[-2]


def make_videos() -> list[bytes]:
    """Videos in which every frame differs: pictures of large colour fields that move."""
    with tempfile.TemporaryDirectory(prefix="trailers-videos-") as name:
        videos = []
        for seed in range(VIDEOS):
            path = Path(name) / f"{seed}.mp4"
            size = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX, "fps": RATE}
            encode_frames(path, pictures(seed), **size, fingerprint="")
            videos.append(path.read_bytes())
        return videos


def pictures(seed: int) -> Iterator[np.ndarray]:
    """uint8 (HEIGHT_PX, WIDTH_PX, 3): SHOT_FRAMES frames for each of SHOTS shots."""
    colours = np.random.default_rng(seed)
    for _ in range(SHOTS):
        coarse = colours.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = coarse.repeat(HEIGHT_PX // 6, axis=0).repeat(WIDTH_PX // 8, axis=1)
        yield from (np.roll(picture, 2 * n, axis=1) for n in range(SHOT_FRAMES))


@contextlib.contextmanager
def serve(videos: Sequence[bytes]) -> Iterator[str]:
    """Run the site; yields its address."""
    with Site(videos) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}"
        finally:
            site.shutdown()
            thread.join()


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, videos: Sequence[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.videos = videos
        self.asked: Counter[str] = Counter()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body; a busy link becomes available after a number of requests."""
        fate = fate_of(path)
        self.asked[path] += 1
        if fate == DEAD:
            return 404, b""
        if fate in BUSY and self.asked[path] <= int(fate.removeprefix("busy-")):
            return 503, b""
        return 200, self.videos[zlib.crc32(path.encode()) % len(self.videos)]

    def handle_error(self, *connection: object) -> None:
        """Ignore broken connections: a client that needs only the first bytes closes the connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*connection)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        status, body = self.server.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Log nothing."""
