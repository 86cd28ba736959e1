"""Staged feature extraction and genre classification for movie trailers, after Trailers12k / DIViTA.

This module exports the public Python API. A name is imported when it is first used, and torch only by functions
that compute.

    detect_shots, cut_into_clips, choose_frames, embed    a video or an array -> shots, clips, vectors
    open_video                                            a video at 24 fps, for several of these
    open_results                                          a results folder: shots, clips, vectors, frames
    data                                                  torch Datasets over results
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from trailers.api.clips import choose_frames, cut_into_clips
    from trailers.api.detection import detect_shots
    from trailers.api.embedding import embed
    from trailers.api.results import Results, open_results
    from trailers.api.video import Video, open_video
    from trailers.domain import Clip, Shot

# Name -> the module that holds it.
_PLACES = {
    "Clip": "trailers.domain",
    "Results": "trailers.api.results",
    "Shot": "trailers.domain",
    "Video": "trailers.api.video",
    "choose_frames": "trailers.api.clips",
    "cut_into_clips": "trailers.api.clips",
    "detect_shots": "trailers.api.detection",
    "embed": "trailers.api.embedding",
    "open_results": "trailers.api.results",
    "open_video": "trailers.api.video",
}

__all__ = [
    "Clip",
    "Results",
    "Shot",
    "Video",
    "__version__",
    "choose_frames",
    "cut_into_clips",
    "detect_shots",
    "embed",
    "open_results",
    "open_video",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    if name == "data":
        return importlib.import_module("trailers.data")
    raise AttributeError(f"module 'trailers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
