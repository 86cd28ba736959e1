"""One vector of an embedding, and its clip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import Clip, ClipStrategy, is_safe_id
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import read_clip_frames, read_embedding
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, read_spans


@dataclass(frozen=True, eq=False)
class Vector:
    """What an embedding contains about one of its clips."""

    path: Path
    layout: Layout
    number: int
    count: int  # clips of the trailer
    values: np.ndarray  # float32 (F,)
    clip: Clip
    is_frame_known: bool  # whether the file or the list of clips states which frame stands for the clip
    attributes: Mapping[str, Any]

    @property
    def trailer(self) -> str:
        return str(self.attributes["trailer"])

    @property
    def backbone(self) -> str:
        return str(self.attributes["backbone"])

    @property
    def strategy(self) -> ClipStrategy:
        return ClipStrategy.parse(str(self.attributes["clip_strategy"]))

    def text(self, name: str) -> str:
        """An attribute as text; empty if the file does not have it."""
        return str(self.attributes.get(name, ""))

    def versions(self) -> str:
        """Version of every package that computed the vector."""
        try:
            found = json.loads(self.text("versions") or "{}")
        except ValueError:
            return self.text("versions")
        return ", ".join(f"{name} {found[name]}" for name in sorted(found)) if isinstance(found, dict) else str(found)


def read_vector(path: Path, layout: Layout, number: int) -> Vector:
    """Clip ``number`` of the embedding at ``path``.

    Raises:
        StoreError: the file is missing or damaged, or lacks attributes that are needed for tracing.
        ConfigError: the file has no clip with this number.
    """
    vectors, spans, attributes = read_embedding(path)
    for name in ("trailer", "backbone", "clip_strategy", "fingerprint"):
        if not isinstance(attributes.get(name), str):
            raise StoreError(f"lacks the attribute '{name}'", where=path, remedy="Remove it and rerun the embed stage.")
    if not is_safe_id(attributes["trailer"]):
        raise StoreError(f"names the trailer {attributes['trailer']!r}, which is not an id", where=path)
    if not 0 <= number < len(vectors):
        raise ConfigError(f"has clips 0 to {len(vectors) - 1}, not {number}", where=path)
    shot, start, end, padding = spans[number].tolist()
    frame = frame_of(path, layout, attributes, number, (shot, start, end, padding))
    clip = Clip(shot, start, end, padding, -1 if frame is None else frame)
    return Vector(path, layout, number, len(vectors), vectors[number], clip, frame is not None, attributes)


def frame_of(
    path: Path, layout: Layout, attributes: Mapping[str, Any], number: int, span: tuple[int, ...]
) -> int | None:
    """The frame that stands for the clip, from the file or from the list of clips; None if neither states it."""
    frames = read_clip_frames(path)
    if frames is not None:
        return int(frames[number])
    strategy = str(ClipStrategy.parse(attributes["clip_strategy"]))
    try:
        clips, _ = read_spans(layout.clips(strategy, attributes["trailer"]), kind=Clip, schema=CLIPS_SCHEMA)
    except StoreError:
        return None
    clip = clips[number] if number < len(clips) else None
    return clip.frame if clip and (clip.shot, clip.start, clip.end, clip.padding) == span else None
