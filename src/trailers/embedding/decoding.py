"""Frames of a video, decoded once and resized and cropped for each geometry that wants them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from trailers.backbones.row import Geometry
from trailers.embedding.blocks import Wanted
from trailers.errors import StoreError
from trailers.video import VideoFrames

DECODED_BYTES = 64 * 2**20  # in memory at once before they are resized, for videos that were not made smaller

Decoded = dict[Geometry, np.ndarray]  # uint8 (n, height, width, 3) for each geometry

OPEN = threading.local()  # the video that this thread read last


def decode(path: Path, indices: np.ndarray, wanted: Wanted, found: Decoded) -> Decoded:
    """Fill ``found`` with the frames ``indices`` (ascending) of the video at ``path``, as each geometry wants them.

    Raises:
        StoreError: the video is missing, damaged or too short.
    """
    from trailers.backbones.transform import resize_and_crop

    video = open_video(path)
    if indices[-1] >= len(video):
        raise StoreError(
            f"{path}: has {len(video)} frames, but the clips need frame {indices[-1]}. Rerun the clips stage."
        )
    step = max(1, DECODED_BYTES // (video.height * video.width * 3))
    for start in range(0, len(indices), step):
        some = indices[start : start + step]
        frames = video.batch(some)
        for geometry, (transform, all_indices) in wanted.items():
            low, high = np.searchsorted(all_indices, (some[0], some[-1] + 1))
            if low < high:
                rows = np.searchsorted(some, all_indices[low:high])
                chosen = frames if len(rows) == len(frames) else frames[rows]
                found[geometry][low:high] = resize_and_crop(chosen, transform)
    return found


def room_for(wanted: Wanted) -> Decoded:
    """Memory of this process for the frames of ``decode``."""
    return {geometry: np.empty((len(indices), *geometry[1], 3), np.uint8) for geometry, (_, indices) in wanted.items()}


def open_video(path: Path) -> VideoFrames:
    if getattr(OPEN, "path", None) != path:
        close_video()
        OPEN.video, OPEN.path = VideoFrames(path), path
    video: VideoFrames = OPEN.video
    return video


def close_video() -> None:
    if getattr(OPEN, "path", None) is not None:
        OPEN.video.close()
        OPEN.video = OPEN.path = None
