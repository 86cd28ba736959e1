"""Clips of a video -> vectors."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.api.clips import check_ends, chosen, strategy_of
from trailers.api.options import bar, settings_of
from trailers.api.video import Read, Source, Video, opened
from trailers.backbones.row import Row, Transform, clip_frames
from trailers.backbones.rows import find_row
from trailers.detector.ahead import ahead
from trailers.domain import FPS, Clip, ClipStrategy
from trailers.embedding.decoding import DECODED_BYTES
from trailers.embedding.embedders import Effort, Settings, weights_of
from trailers.machine.device import choose_device

if TYPE_CHECKING:
    from torch import nn

    from trailers.backbones.embedder import Embedder


def embed(
    video: Source,
    clips: Sequence[Clip],
    *,
    backbone: str = "resnet50",
    fps: int = FPS,
    keep_frames: bool = False,
    progress: bool | None = None,
    **settings: Any,
) -> np.ndarray:
    """The vectors of the clips, float32 (clips, F), as the embed stage makes them if the shard has only this trailer.

    Args:
        video: anything that ``open_video`` accepts.
        clips: clips of the same length, for example from ``cut_into_clips``.
        backbone: a name; `trailers backbones` lists them.
        fps: how many of the clip's frames a 3D backbone sees per second; a divisor of 24.
        keep_frames: whether a 2D backbone sees the ``frame`` of each clip as given; otherwise it is chosen as
            ``choose_frames`` does.
        progress: whether to draw a bar; by default in a terminal and in a notebook.
        settings: keys of section ``embed`` of config.yaml: precision, random_weights, weights_dir, device, batch_clips.

    Raises:
        ConfigError: the backbone or a setting does not exist, or the clips do not fit the video or each other.
        WeightsError: the weights are missing or damaged.
        VideoError: the source is not a video, or cannot be decoded.
    """
    strategy = strategy_of(clips, fps)
    with opened(video, progress) as frames:
        check_ends(clips, len(frames))
        chosen_settings, effort = settings_of("embed", (Settings, Effort), settings)
        row = find_row(backbone, Path(effort.weights_dir))
        if row.dimensions == 2 and not keep_frames:
            clips = chosen(frames, clips, strategy)
        sources = sources_of(clips, row, strategy)
        embedder = make_embedder(row, chosen_settings, effort, frames, sources)
        with bar(backbone, total=len(clips), unit="clip", shown=progress) as shown:
            return vectors_of(embedder, frames, sources, shown)


def sources_of(clips: Sequence[Clip], row: Row, strategy: ClipStrategy) -> np.ndarray:
    """int64 (clips, frames): the frame of the video at each position of the network's input; -1 is black."""
    seen = [
        clip_frames(row, strategy, start=clip.start, valid=clip.end - clip.start, frame=clip.frame) for clip in clips
    ]
    return np.array(seen, np.int64)


def pixels_of(video: Video, read: Read, sources: np.ndarray, transform: Transform) -> np.ndarray:
    """uint8 (clips, frames, height, width, 3), resized and cropped; black where ``sources`` is -1."""
    from trailers.backbones.transform import resize_and_crop

    is_frame = sources >= 0
    numbers, places = np.unique(sources[is_frame], return_inverse=True)
    small = np.empty((len(numbers), *transform.crop, 3), np.uint8)
    step = max(1, DECODED_BYTES // (video.height_px * video.width_px * 3))
    for start in range(0, len(numbers), step):
        small[start : start + step] = resize_and_crop(read(numbers[start : start + step]), transform)
    pixels = np.zeros((*sources.shape, *small.shape[1:]), np.uint8)
    pixels[is_frame] = small[places]
    return pixels


def make_embedder(row: Row, settings: Settings, effort: Effort, video: Video, sources: np.ndarray) -> Embedder:
    """An embedder for the row; reduced precision is tested on the clip in the middle, as in the stage."""
    from trailers.backbones.embedder import Embedder

    weights_dir = None if settings.random_weights else Path(effort.weights_dir)
    network = network_of(row, weights_of(row, settings, effort), weights_dir)
    middle = len(sources) // 2
    with video.reader() as read:
        real_clips = pixels_of(video, read, sources[middle : middle + 1], row.transform)
    return Embedder(
        row, network, device=choose_device(effort.device, setting="embed.device"), precision=settings.precision,
        batch_clips=effort.batch_clips, real_clips=real_clips if settings.precision == "auto" else None,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def network_of(row: Row, weights_sha256: str, weights_dir: Path | None) -> nn.Module:  # noqa: ARG001  a part of the key
    """The network of ``row``, cached for the next video; callers must copy it."""
    from trailers.backbones.network import make_network

    return make_network(row, weights_dir)


def vectors_of(embedder: Embedder, video: Video, sources: np.ndarray, shown: Any) -> np.ndarray:
    """float32 (clips, F); the next batch is decoded while one is in the network."""
    size = embedder.batch_clips

    def batches() -> Iterator[np.ndarray]:
        with video.reader() as read:
            for start in range(0, len(sources), size):
                yield pixels_of(video, read, sources[start : start + size], embedder.row.transform)

    parts = []
    with contextlib.closing(ahead(batches(), depth=1)) as decoded:
        for pixels in decoded:
            parts.append(embedder(pixels))
            shown.update(len(pixels))
    return np.concatenate(parts)
