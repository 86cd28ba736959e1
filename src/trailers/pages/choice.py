"""Choose the frames that a page shows: one per shot, three per clip, and the thumbnail of the trailer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from trailers.domain import Clip, ClipStrategy, Shot
from trailers.pages.sheets import spread_out

MOST_SHOTS = 400  # maximum number of pictures of shots; in longer videos some shots have none
MOST_FRAMES = 1200  # maximum number of pictures of clips
GREYS = 32  # number of levels of brightness


def frames_of_shots(shots: Iterable[Shot], clips: Mapping[str, Sequence[Clip]]) -> list[int]:
    """One frame per shot, ascending: the representative one of its middle clip, or its middle.

    Args:
        shots: in order.
        clips: by strategy; the first strategy that cuts shots is used.
    """
    representative: dict[int, list[int]] = {}
    strategy = next((name for name in clips if ClipStrategy.parse(name).kind == "shot"), None)
    for clip in clips[strategy] if strategy else ():
        representative.setdefault(clip.shot, []).append(clip.frame)
    chosen = []
    for number, shot in enumerate(shots):
        own = representative.get(number) or [(shot.start + shot.end) // 2]
        chosen.append(own[len(own) // 2])
    return spread_out(chosen, MOST_SHOTS)


def frames_of_clips(clips: Mapping[str, Sequence[Clip]]) -> list[int]:
    """First, representative and last frame of every clip, ascending; if there are many, those of the first strategies.

    If another clip of the same shot follows, the last frame is left out, because the first frame of that clip is the
    next frame of the shot and looks the same.
    """
    chosen: set[int] = set()
    for spans in clips.values():
        following = {(clip.shot, clip.start) for clip in spans}
        own = {frame for clip in spans for frame in (clip.start, clip.frame)}
        own |= {clip.end - 1 for clip in spans if (clip.shot, clip.end) not in following}
        room = MOST_FRAMES - len(chosen)
        chosen |= set(spread_out(sorted(own - chosen), room)) if room > 0 else set()
    return sorted(chosen)


def most_varied(pictures: np.ndarray) -> int:
    """Index of the picture with the most even distribution of brightness: neither black nor a card of text.

    Args:
        pictures: uint8 (pictures, height, width, 3), RGB.
    """
    entropies = []
    for picture in pictures.mean(axis=3).astype(np.uint8) // (256 // GREYS):
        shares = np.bincount(picture.ravel(), minlength=GREYS) / picture.size
        used = shares[shares > 0]
        entropies.append(-(used * np.log(used)).sum())
    return int(np.argmax(np.round(entropies, 6)))  # rounded, so that equal pictures are equal on every machine
