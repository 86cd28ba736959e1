"""Frames in memory, made as small as shot detection sees them."""

from __future__ import annotations

import numpy as np

from trailers.video.process import SMALL


def shrink(frames: np.ndarray) -> np.ndarray:
    """uint8 (n, height, width, 3), RGB -> uint8 (n, 27, 48, 3), by the bicubic filter that ``convert`` uses."""
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
