"""Choose the trailer and the frames that Fig. 9 shows."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable

import numpy as np

from trailers.domain import Clip, Shot
from trailers.errors import StoreError, VideoError
from trailers.reporting.drawing.clips import Excerpt, needed, rank_starts
from trailers.stages.clips import cut_into_clips
from trailers.store.layout import Layout
from trailers.store.spans import SHOTS_SCHEMA, read_spans

log = logging.getLogger(__name__)

FRAMES = 24  # per clip, as in the paper's Fig. 9
WINDOW = 5 * FRAMES
LOOKED_AT = 50  # maximum number of trailers to choose from
TRIED = 6  # maximum number of stretches whose pictures are read to find one that is not dark
DARK = 32.0  # brightness, of 255
PICTURE_PX = 160  # width of a picture, which is printed half an inch wide


def find_excerpt(trailers: Iterable[str], layout: Layout, *, trailer: str | None) -> tuple[str, Excerpt] | None:
    """The trailer and stretch that show the difference best, or None if no trailer has a video.

    Args:
        trailers: trailers with shots.
        trailer: if given, the only one to choose from.

    Raises:
        StoreError: ``trailer`` is given and has no shots or no video.
    """
    found = []
    for name in [trailer] if trailer else itertools.islice(trailers, LOOKED_AT):
        if trailer or layout.video(name).exists():
            shots, header = read_spans(layout.shots(name), kind=Shot, schema=SHOTS_SCHEMA)
            ranked = rank_starts(shots, int(header["frames"]), window=WINDOW, step=FRAMES)
            found += [(score, start, name, shots, int(header["frames"])) for score, start in ranked[:TRIED]]
    # Stable: the first of the best, in the order of the manifest.
    found.sort(key=lambda each: each[0], reverse=True)
    drawn = []
    for _, start, name, shots, frame_count in found[:TRIED]:
        try:
            excerpt = read_excerpt(layout, name, shots, start, min(frame_count, start + WINDOW))
        except (StoreError, VideoError) as problem:
            if trailer:
                raise
            log.warning("figures: %s", problem)
            continue
        drawn.append((name, excerpt))
        if brightness(excerpt) >= DARK:
            return name, excerpt
    return max(drawn, key=lambda each: brightness(each[1]), default=None)


def brightness(excerpt: Excerpt) -> float:
    """Brightness of the darkest quarter of the pictures, 0 to 255: excerpts with many black pictures show little."""
    return float(np.percentile([picture.mean() for picture in excerpt.pictures.values()], 25))


def read_excerpt(layout: Layout, trailer: str, shots: list[Shot], start: int, end: int) -> Excerpt:
    """The frames [start, end) of a trailer, with their clips. Raises StoreError without its video."""
    from trailers.video import VideoFrames

    sequences = tuple(cut_into_clips([Shot(start, end)], frames=FRAMES))
    clips = tuple(clip for clip in cut_into_clips(shots, frames=FRAMES) if lies_in(clip, start, end))
    wanted = needed([*sequences, *clips])
    with VideoFrames(layout.video(trailer)) as frames:
        pictures = {index: small(picture) for index, picture in zip(wanted, frames.batch(wanted), strict=True)}
    inside = tuple(shot for shot in shots if shot.start < end and shot.end > start)
    return Excerpt(start, end, FRAMES, inside, sequences, clips, pictures)


def lies_in(clip: Clip, start: int, end: int) -> bool:
    return start <= clip.start and clip.end <= end


def small(picture: np.ndarray) -> np.ndarray:
    """uint8 (height, ``PICTURE_PX``, 3): ``picture`` (height, width, 3) reduced, with the same aspect."""
    from PIL import Image

    height, width = picture.shape[:2]
    size = PICTURE_PX, max(1, round(PICTURE_PX * height / width))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
