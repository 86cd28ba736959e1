"""The shots of a video."""

from __future__ import annotations

from typing import Any

import numpy as np

from trailers.api.options import bar, settings_of
from trailers.api.video import Source, opened
from trailers.detector.shots import find_shots
from trailers.domain import Shot
from trailers.stages import shots as stage


def detect_shots(video: Source, *, progress: bool | None = None, **settings: Any) -> list[Shot]:
    """The shots of ``video`` that TransNet V2 finds, the same as in the shots stage; the list may be empty.

    Args:
        video: anything that ``open_video`` accepts: a file, or frames at 24 fps, uint8 (frames, height, width, 3), RGB.
            Frames of 27x48 px are used as they are, others are scaled down.
        progress: whether to draw a bar; by default in a terminal and in a notebook.
        settings: keys of section ``shots`` in config.yaml: threshold, head, min_frames, precision, device,
            batch_windows.

    Raises:
        VideoError: the source is not a video, or cannot be decoded.
        ConfigError: a setting does not exist or has an invalid value.
    """
    from trailers.detector import detector

    chosen, effort = settings_of("shots", (stage.Settings, stage.Effort), settings)
    with opened(video, progress) as frames, bar("shots", total=len(frames), unit="frame", shown=progress) as shown:

        def read(start: int, end: int) -> np.ndarray:
            shown.update(max(0, end - shown.n))
            return frames.small(start, end)

        seen = detector.Video(len(frames), read)
        network = detector.Detector(
            precision=effort.precision, device=effort.device, batch_windows=effort.batch_windows
        )
        scores = network.scores(seen)
        scores = network.refine(scores, seen, head=chosen.head, threshold=chosen.threshold)
    probabilities = scores.head(chosen.head)
    return find_shots(probabilities, threshold=chosen.threshold, head=chosen.head, min_frames=chosen.min_frames)
