"""normalise: making the video at 24 fps and the frames at 48x27, compared with only decoding the same videos.

Ratio cpu_to_decode: CPU seconds of all processes of the stage, divided by those of ``ffmpeg -f null``.
With --film-hours the first video is repeated to a film of that length, and the memory of the largest process of the
stage is measured on it: memory must not grow with length.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from trailers.bench import harness
from trailers.config import defaults
from trailers.settings import from_section
from trailers.stages.normalise import Effort, Normalise, Settings
from trailers.store.fingerprint import sha256_of
from trailers.store.layout import Layout
from trailers.store.ledger import OK
from trailers.store.receipt import Receipt, write_receipt
from trailers.video import ffmpeg_path, probe


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="source videos")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")
    parser.add_argument("--film-hours", type=float, metavar="H", help="also measure memory on a film of H hours")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    decoding, normalising = [0.0] * arguments.rounds, [0.0] * arguments.rounds
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        section = defaults("normalise")
        make = Normalise(layout, (), from_section(Settings, section), from_section(Effort, section)).make
        for number, video in enumerate(arguments.videos):
            trailer = take(layout, video, f"video{number}")
            ways = {"decode": lambda video=video: decode(video), "normalise": lambda trailer=trailer: make(trailer)}
            timings = harness.alternate(ways, rounds=arguments.rounds, keep=True)
            frames = timings["normalise"].results[0].facts["frames"]
            for name, timing in timings.items():
                figures[f"{video.name} {name}"] = {
                    "cpu_s": timing.median_cpu_s,
                    "wall_s": timing.median_s,
                    "frames_per_cpu_second": frames / timing.median_cpu_s,
                }
            figures[f"{video.name} normalise"] |= {
                "to_decode": harness.ratio(timings["normalise"].cpu_s, timings["decode"].cpu_s),
                "mp4_bytes_per_frame": round(layout.video(trailer).stat().st_size / frames),
                "48x27_bytes_per_frame": round(layout.frames(trailer).stat().st_size / frames),
            }
            decoding = [a + b for a, b in zip(decoding, timings["decode"].cpu_s, strict=True)]
            normalising = [a + b for a, b in zip(normalising, timings["normalise"].cpu_s, strict=True)]
        if arguments.film_hours:
            figures[f"film of {arguments.film_hours:g} h"] = film(layout, arguments.videos[0], arguments.film_hours)
    return {"figures": figures, "ratios": {"cpu_to_decode": harness.ratio(normalising, decoding)}}


def take(layout: Layout, video: Path, trailer: str) -> str:
    """Link ``video`` into the results folder with a receipt, as the download stage would store it."""
    receipt = layout.receipt(trailer)
    receipt.parent.mkdir(parents=True, exist_ok=True)
    link = receipt.with_name(trailer + video.suffix.lower())
    link.symlink_to(video.resolve())
    write_receipt(receipt, Receipt(trailer, OK, link.name, sha256_of(video)))
    return trailer


def decode(video: Path) -> None:
    """Decode all frames and discard them."""
    words = ["-nostdin", "-v", "error", "-i", f"file:{video.resolve()}", "-map", "0:v:0", "-f", "null", "-"]
    subprocess.run([ffmpeg_path(), *words], check=True)


def film(layout: Layout, video: Path, hours: float) -> dict[str, Any]:
    """Time and memory of the stage on a film of ``hours``, in a separate process."""
    path = layout.root / f"film{video.suffix.lower()}"
    loops = str(int(hours * 3600 / probe(video).duration_s))
    words = ["-nostdin", "-v", "error", "-stream_loop", loops, "-i", f"file:{video.resolve()}", "-map", "0:v:0"]
    subprocess.run([ffmpeg_path(), *words, "-c", "copy", f"file:{path}"], check=True)
    trailer = take(layout, path, "film")
    command = [sys.executable, "-m", "trailers", "normalise", "--trailer", trailer, "--results", str(layout.root)]
    used = harness.process_usage(command)
    return {"cpu_s": used.cpu_s, "wall_s": used.wall_s, "peak_mb": used.peak_mb}
