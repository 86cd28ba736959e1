"""Reduces frames in memory to the size for shot detection."""

from __future__ import annotations

import numpy as np

from trailers.video.process import SMALL


def shrink(frames: np.ndarray) -> np.ndarray:
    """uint8 (frames, 27, 48, 3) from uint8 (frames, height, width, 3), RGB, by the bicubic filter of ``convert``."""
    import av
    from av.video.reformatter import VideoReformatter

    height, width, _ = SMALL
    to_small = VideoReformatter()
    found = np.empty((len(frames), *SMALL), np.uint8)
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        small = to_small.reformat(picture, width=width, height=height, format="rgb24", interpolation="BICUBIC")
        found[number] = small.to_ndarray()
    return found
