"""gpu: a complete test on a machine with a GPU, in one command of less than ten minutes.

    python -m trailers.bench gpu --json gpu.json

First it runs the trials of `python -m trailers doctor --gpu`: leases, flags, exactness compared with the CPU, full
memory, workers that die. Then it measures, on a generated video or on yours, the clips per second of four backbones
from video to HDF5, the share of the time in which the GPU computes, and the frames per second of the detector. Each
figure is printed with the limit that it should reach on an H100 with 4 CPU cores. Weights are random if the published
ones have not been fetched: speed does not depend on them.

`--device cpu --small` runs the same code without a GPU, as a test of the code; its figures are meaningless.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.rows import find_row
from trailers.bench import harness
from trailers.bench.embed import Bench
from trailers.bench.shots import ours
from trailers.config import defaults
from trailers.domain import ClipStrategy
from trailers.machine.device import choose_device, reduced_precisions
from trailers.machine.nvidia import driver_version
from trailers.machine.threads import job_cores
from trailers.settings import from_section
from trailers.stages import shots
from trailers.store.layout import Layout
from trailers.tools.doctor.trial import synthetic_frames, trials
from trailers.video.process import ffmpeg_path

BACKBONES = ("resnet50", "swin_tiny_patch4_window7_224.ms_in1k", "r2plus1d_18", "swin3d_t")
DETECTOR_FRAMES = 60_000
VIDEO_S = 60


@dataclass(frozen=True)
class Limit:
    """The value that a figure should reach on an H100 with 4 cores."""

    figure: str
    least: float


LIMITS = {
    "resnet50": (Limit("to_limit", 0.9),),
    "swin_tiny_patch4_window7_224.ms_in1k": (Limit("to_limit", 0.9),),
    "r2plus1d_18": (Limit("to_limit", 0.9),),
    "swin3d_t": (Limit("clips_s", 290), Limit("gpu_busy_share", 0.8)),
    "detector": (Limit("frames_s", 20_000),),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO", help="source videos (a generated video)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu only tests this command (cuda)")
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, metavar="NAME", help="backbones (four)")
    parser.add_argument("--clips", type=int, default=1000, metavar="N", help="clips per backbone (1000)")
    parser.add_argument("--small", action="store_true", help="only a few clips and frames; the speed is meaningless")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    logging.basicConfig(level=logging.WARNING)
    device = choose_device(arguments.device, setting="--device")
    tried = {}
    for name, outcome in trials(device, tuple(arguments.backbones)):
        print(f"{'passed' if outcome.passed else 'FAILED'} {name}: {outcome.words}", flush=True)
        tried[name] = {"passed": outcome.passed, "words": outcome.words, **outcome.figures}
    figures: dict[str, dict[str, Any]] = {"device": about(device)}
    with tempfile.TemporaryDirectory() as folder:
        videos = arguments.videos or [make_video(Path(folder), 4 if arguments.small else VIDEO_S)]
        for name in arguments.backbones:
            print(f"measuring {name}", flush=True)
            figures[name] = embedding(name, videos, device, 4 if arguments.small else arguments.clips, Path(folder))
        print("measuring the detector", flush=True)
        figures["detector"] = detection(device, 100 if arguments.small else DETECTOR_FRAMES, Path(folder))
    judge(figures)
    ratios = {f"{name}_to_limit": figures[name]["to_limit"] for name in arguments.backbones}
    failed = [name for name, outcome in tried.items() if not outcome["passed"]]
    return {"figures": figures, "ratios": ratios, "trials": tried, "failed": failed}


def about(device: str) -> dict[str, Any]:
    """The device, its driver, and the CUDA version and architectures of torch."""
    import torch

    found: dict[str, Any] = {
        "driver": driver_version(),
        "cuda": torch.version.cuda,
        "architectures": " ".join(torch.cuda.get_arch_list()),
        "job_cores": job_cores(),
        "precisions": " ".join(reduced_precisions(device)),
    }
    if device != "cpu":
        card = torch.cuda.get_device_properties(torch.device(device))
        found |= {
            "name": card.name,
            "compute_capability": f"{card.major}.{card.minor}",
            "memory_gib": card.total_memory / 2**30,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return found


def make_video(folder: Path, seconds: int) -> Path:
    """A moving picture of 1280x720 px at 24 fps."""
    path = folder / "made.mp4"
    source = f"mandelbrot=size=1280x720:rate=24:maxiter=200,trim=duration={seconds}"
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-c:v", "libx264", "-preset", "veryfast", f"file:{path}"], check=True)
    return path


def embedding(name: str, videos: Sequence[Path], device: str, clips: int, folder: Path) -> dict[str, Any]:
    """Clips per second of a backbone from video to HDF5, of its network alone and of decoding alone."""
    row = find_row(name, Path(defaults("embed")["weights_dir"]))
    options = argparse.Namespace(workers=None, precision="auto", batch_clips=None)
    bench = Bench(Layout(folder / name), row, ClipStrategy.parse("seq24"), device, options)
    for number, video in enumerate(videos):
        bench.add(video, f"video{number}", clips)
    while bench.clip_count() < clips:
        bench.add_again(bench.trailers[len(bench.trailers) % len(videos)])
    with bench.open:
        found = bench.run(rounds=1, plain=False, compiled=False)
    rows, of_all = found["figures"], found["figures"]["about"]
    kept = ("clips", "batch", "precision", "worst_cosine", "main_ms_per_clip", "weights", "gpu_busy_share")
    return {
        "clips_s": rows["ours"]["clips_s"],
        "network_clips_s": rows["network"]["clips_s"],
        "decoding_clips_s": rows["decoding"]["clips_s"],
        "to_limit": found["ratios"]["end_to_end_to_limit"],
        **{key: of_all[key] for key in kept if key in of_all},
    }


def detection(device: str, count: int, folder: Path) -> dict[str, Any]:
    """Frames per second of the detector on frames in memory, including windows that are recomputed in float32."""
    scenes = synthetic_frames()
    path = folder / "frames.npy"
    np.save(path, np.resize(scenes, (count, *scenes.shape[1:])))
    settings = from_section(shots.Settings, defaults("shots"))
    effort = replace(from_section(shots.Effort, defaults("shots")), device=device)
    timing = harness.alternate({"ours": ours([path], settings, effort)}, rounds=2, keep=True)["ours"]
    scores = timing.results[0][0]
    again = 0.0 if scores.precision == "float32" else float(np.mean(scores.exact))
    return {"frames_s": count / timing.median_s, "precision": scores.precision, "share_recomputed": again}


def judge(figures: dict[str, dict[str, Any]]) -> None:
    """Add to each figure with a limit the limit, and whether it is reached."""
    for name, limits in LIMITS.items():
        row = figures.get(name, {})
        for limit in limits:
            if limit.figure in row:
                row[f"{limit.figure}_wanted"] = limit.least
                row[f"{limit.figure}_reached"] = bool(row[limit.figure] >= limit.least)
