"""Shot lists that editing programs open: one OpenTimelineIO file per trailer (schemas Timeline.1 and Clip.2).

OpenTimelineIO is a file format in JSON that can be written without a library. Every time has a rate, so frame numbers
stay frame numbers. Transitions do not belong to a shot and become gaps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trailers.domain import FPS, Shot
from trailers.reporting.publish.release import Release
from trailers.reporting.publish.tables import shots_of

FOLDER = "timelines"


def write_timelines(release: Release, output: Path) -> int:
    """Writes timelines/{trailer}.otio of every trailer with shots; returns their number."""
    folder = output / FOLDER
    folder.mkdir(parents=True)
    count = 0
    for trailer, shots, frames in shots_of(release):
        text = json.dumps(timeline(trailer, shots, frames), separators=(",", ":"))
        (folder / f"{trailer}.otio").write_text(text + "\n", encoding="utf-8")
        count += 1
    return count


def timeline(trailer: str, shots: Sequence[Shot], frames: int) -> dict[str, Any]:
    """The timeline of a trailer of ``frames`` frames. Its media is ``{trailer}.mp4``, the video at 24 fps."""
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "target_url": f"{trailer}.mp4",
        "available_range": time_range(0, frames),
    }
    items: list[dict[str, Any]] = []
    end = 0
    for number, shot in enumerate(shots):
        if shot.start > end:
            items.append(gap(shot.start - end))
        items.append(clip(number, shot, media))
        end = shot.end
    if frames > end:
        items.append(gap(frames - end))
    track = {"OTIO_SCHEMA": "Track.1", "name": "shots", "kind": "Video", "children": items}
    stack = {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": [track]}
    return {"OTIO_SCHEMA": "Timeline.1", "name": trailer, "global_start_time": time(0), "tracks": stack}


def clip(number: int, shot: Shot, media: dict[str, Any]) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": f"shot {number}",
        "source_range": time_range(shot.start, len(shot)),
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def gap(frames: int) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "Gap.1", "source_range": time_range(0, frames)}


def time_range(start: int, frames: int) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(frames)}


def time(frames: int) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(FPS), "value": float(frames)}
