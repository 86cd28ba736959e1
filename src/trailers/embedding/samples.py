"""Real clips of a shard, on which a precision is tested."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from trailers.embedding.decoding import close_video, decode
from trailers.embedding.pairs import Job, Pair, copy_frames
from trailers.errors import TrailerError

log = logging.getLogger(__name__)

SAMPLES = 4  # trailers, one clip of each


def real_clips(pair: Pair) -> np.ndarray | None:
    """uint8 (n, frames, height, width, 3): the middle clips of trailers spread over the shard; None without clips.

    The choice depends on the shard and not on the finished part of it, so a resumed run chooses the same precision.
    """
    found = [clip for trailer in spread(pair) for clip in middle_clip(pair, trailer)]
    close_video()
    return np.stack(found) if found else None


def spread(pair: Pair) -> list[str]:
    """Some of the trailers that have clips and a video, from the first to the last."""
    layout = pair.work.layout
    able = [t for t in pair.work.trailers if pair.clips_path(t).exists() and layout.video(t).exists()]
    return [able[n * (len(able) - 1) // (SAMPLES - 1)] for n in range(SAMPLES)] if len(able) > SAMPLES else able


def middle_clip(pair: Pair, trailer: str) -> Iterator[np.ndarray]:
    """The clip in the middle of ``trailer`` if it can be read; the run later records the reason if it cannot."""
    try:
        job = Job.start(pair, trailer)
        sources = job.sources[len(job.sources) // 2]
        shown = np.flatnonzero(sources >= 0)
        indices, rows = np.unique(sources[shown], return_inverse=True)
        transform = pair.row.transform
        frames = np.empty((len(indices), *transform.crop, 3), np.uint8)
        geometry = transform.geometry
        decode(pair.work.layout.video(trailer), indices, {geometry: (transform, indices)}, {geometry: frames})
    except TrailerError as problem:
        log.info("embed: %s: cannot be used as a sample: %s", trailer, problem)
        return
    clip = np.zeros((len(sources), *frames.shape[1:]), np.uint8)
    copy_frames(clip, shown, frames, rows)
    yield clip
