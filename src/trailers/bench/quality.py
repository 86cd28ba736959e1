"""quality: how much re-encoding changes the vectors of a 2D and a 3D network.

Every clip is embedded twice: from the 24 fps video of the normalise stage, and from the lossless
frames of the source in its original size, also at 24 fps. The loss is 1 - cosine of the two vectors,
0 if they are equal. ``centred`` is the loss after the mean vector of all clips is subtracted from
both, because the part that all clips share hides losses; in a network with random weights it is
nearly the whole vector. ``a_frame_later`` is, for comparison, the median loss between lossless frames
and the lossless frames one frame later.

The 3D network has seeded random weights unless its published ones are in embed.weights_dir.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trailers.bench.normalise import take
from trailers.config import defaults
from trailers.domain import FPS
from trailers.errors import WeightsError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, from_section
from trailers.stages.normalise import Effort, Normalise, Settings
from trailers.store.layout import Layout
from trailers.video import VideoFrames, address, ffmpeg_path, probe

CLIP = 24  # frames


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="source videos, progressive and SDR")
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_lite0", "r2plus1d_18"], metavar="NAME")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="use one in N clips of 24 frames (4)")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda")
    add_setting_flags(parser, Settings, "normalise")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    from trailers.machine.device import choose_device

    device = choose_device(arguments.device, setting="--device")
    networks = {name: embedder(name, device) for name in arguments.backbones}
    triples: dict[str, list[np.ndarray]] = {name: [] for name in networks}  # (3, clips, F) a video
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        effort = from_section(Effort, defaults("normalise"))
        make = Normalise(layout, (), from_flags(Settings, arguments), effort).make
        for number, video in enumerate(arguments.videos):
            trailer = take(layout, video, f"video{number}")
            make(trailer)
            found: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in networks}
            for exact, ours in clips(video, layout.video(trailer), every=arguments.every):
                for name, network in networks.items():
                    # Another position in every clip, because key frames have a higher quality than others.
                    frame = 7 * len(found[name]) % CLIP
                    later = np.concatenate([exact[1:], exact[-1:]])
                    found[name].append(tuple(vector(network, frames, frame) for frames in (exact, ours, later)))
            for name, vectors in found.items():
                triples[name].append(np.array(vectors).transpose(1, 0, 2))
    figures: dict[str, dict[str, Any]] = {}
    for name, parts in triples.items():
        everything = np.concatenate(parts, axis=1)
        mean = everything[0].mean(axis=0)
        for video, part in zip(arguments.videos, parts, strict=True):
            figures[f"{name} {video.name}"] = losses(part, mean)
        figures[f"{name} all"] = losses(everything, mean)
    ratios = {
        f"{name}_{word}_cosine": 1 - figures[f"{name} all"][f"{word}_loss"]
        for name in triples
        for word in ("median", "worst")
    }
    return {"figures": figures, "ratios": ratios}


def losses(triple: np.ndarray, mean: np.ndarray) -> dict[str, Any]:
    """1 - cosine of (3, clips, F) vectors (lossless, ours, a frame later), as they are and minus ``mean``."""
    from trailers.backbones.precision import cosines

    exact, ours, later = triple
    plain, centred = 1 - cosines(exact, ours), 1 - cosines(exact - mean, ours - mean)
    return {
        "clips": len(exact),
        "median_loss": float(np.median(plain)),
        "worst_loss": float(plain.max()),
        "centred_median_loss": float(np.median(centred)),
        "centred_worst_loss": float(centred.max()),
        "a_frame_later": float(np.median(1 - cosines(exact, later))),
    }


def embedder(name: str, device: str) -> Any:
    """The network ``name`` in float32, with random weights if the published ones have not been fetched."""
    from trailers.backbones.embedder import Embedder
    from trailers.backbones.network import make_network
    from trailers.backbones.rows import find_row

    weights_dir = Path(str(defaults("embed").get("weights_dir", "weights")))
    row = find_row(name, weights_dir)
    try:
        network = make_network(row, weights_dir)
    except WeightsError:
        network = make_network(row, None)
    return Embedder(row, network, device=device, precision="float32", batch_clips=1)


def vector(network: Any, frames: np.ndarray, frame: int) -> np.ndarray:
    """The vector (F,) of one clip, uint8 (frames, height, width, 3); 2D networks see only its ``frame``."""
    from trailers.backbones.transform import resize_and_crop

    row = network.row
    shown = frames[[frame]] if row.dimensions == 2 else frames[list(row.take(len(frames)))]
    return np.asarray(network(resize_and_crop(shown, row.transform)[None])[0])


def clips(source: Path, video: Path, *, every: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One of ``every`` clips: its lossless frames, and those of ``video``."""
    with VideoFrames(video) as frames:
        for number, exact in enumerate(lossless_clips(source)):
            start = number * CLIP
            if number % every == 0:
                yield exact, frames.batch(range(start, start + CLIP))


def lossless_clips(source: Path) -> Iterator[np.ndarray]:
    """All complete clips of ``source`` at 24 fps in order, each uint8 (24, height, width, 3)."""
    seen = probe(source)
    words = ["-nostdin", "-v", "error", "-i", address(source), "-map", f"0:{seen.stream}"]
    words += ["-vf", f"setpts=PTS-STARTPTS,fps={FPS}", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    size = CLIP * seen.height * seen.width * 3
    with subprocess.Popen([ffmpeg_path(), *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while len(data := process.stdout.read(size)) == size:
            yield np.frombuffer(data, np.uint8).reshape(CLIP, seen.height, seen.width, 3)
