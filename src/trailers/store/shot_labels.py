"""Reads shots and transitions in the formats of published data sets, and transition probabilities.

    folder or file             contents                                          ends
    ours, {trailer}.csv        shots/1: start,end                                open, [start, end)
    ours, {trailer}.scores.h5  probabilities of both heads
    *.txt                      `first last` per line: BBC, RAI, SHOT             inclusive, [first, last]
    *.json, *.json.gz          {video: [[first, last], ...]}: AutoShot, SHOT     inclusive
                               {video: {"transitions": [[last, first], ...]}}: ClipShots
                               {video: [probability, ...]}
    cuts.csv                   trailer,kind,frame,frames,fps, as `trailers demo` writes it

Shots [0, 58], [59, 138] with inclusive ends are 0,59 and 59,139 in our files. Nothing is unpickled.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import FPS, Shot
from trailers.errors import StoreError
from trailers.store.scores import read_scores
from trailers.store.spans import SHOTS_SCHEMA, read_spans
from trailers.store.text import size_text

REMEDY = "See `python -m trailers evaluate --help` for the formats."
MAX_BYTES = 1 << 30  # of one decompressed JSON file

# (last frame of a shot, first frame of the next, kind or "")
Edge = tuple[float, float, str]


@dataclass(frozen=True)
class ShotLabels:
    """Video -> edges between its shots, or video -> probabilities (frames,) per head."""

    edges: Mapping[str, Sequence[Edge]] = field(default_factory=dict)
    probabilities: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def videos(self) -> set[str]:
        return set(self.edges) | set(self.probabilities)


def read_shot_labels(path: Path) -> ShotLabels:
    """The shots or probabilities of a file in one of the formats above, or of a folder of such files.

    Raises:
        StoreError: it is missing or damaged, or has another format.
    """
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise StoreError("does not exist", where=path, remedy=REMEDY)
    if path.name.endswith(".scores.h5"):
        scores, _ = read_scores(path)
        return ShotLabels(probabilities={video_of(path): {"single": scores.single, "many": scores.many}})
    if path.name.endswith((".json", ".json.gz")):
        return from_json(path, read_json(path))
    if path.suffix == ".csv":
        return read_csv(path)
    if path.suffix == ".txt":
        return ShotLabels({video_of(path): edges_between(read_text(path))})
    raise StoreError(f"has the suffix '{path.suffix}', which is not a known format of shots", where=path, remedy=REMEDY)


def read_folder(folder: Path) -> ShotLabels:
    """All files of one format in ``folder``; probabilities if it has both probabilities and shots."""
    for pattern in ("*.scores.h5", "*.csv", "*.txt"):
        found = [read_shot_labels(path) for path in sorted(folder.glob(pattern))]
        if found:
            return ShotLabels(
                {video: edges for labels in found for video, edges in labels.edges.items()},
                {video: values for labels in found for video, values in labels.probabilities.items()},
            )
    raise StoreError("contains no .scores.h5, .csv or .txt file", where=folder, remedy=REMEDY)


def video_of(path: Path) -> str:
    return path.name.removesuffix(".scores.h5").removesuffix(path.suffix)


def edges_between(spans: Iterable[tuple[float, float]]) -> list[Edge]:
    """The edges between shots given as [first, last], inclusive."""
    ordered = sorted(spans)
    return [(one[1], two[0], "") for one, two in itertools.pairwise(ordered)]


def read_text(path: Path) -> list[tuple[float, float]]:
    """``first last`` per line, separated by blanks, tabs or a comma; lines that start with # are comments."""
    spans = []
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            first, last = (float(word) for word in words[:2])
        except ValueError:
            raise StoreError(f"line {number} is not `first last`: {line[:60]!r}", where=path, remedy=REMEDY) from None
        spans.append(span(path, f"line {number}", first, last))
    return spans


def span(path: Path, place: str, first: float, last: float) -> tuple[float, float]:
    if not 0 <= first <= last < float("inf"):
        what = f"{place}: a shot needs 0 <= first <= last, got {first:g} and {last:g}"
        raise StoreError(what, where=path, remedy=REMEDY)
    return first, last


def read_csv(path: Path) -> ShotLabels:
    """Our own shots, or the demo's cuts."""
    head = text_of(path)[:200]
    if head.startswith(f"# {SHOTS_SCHEMA}"):
        shots, _ = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
        return ShotLabels({video_of(path): edges_between((shot.start, shot.end - 1) for shot in shots)})
    if head.startswith("trailer,kind,frame,frames,fps"):
        return ShotLabels(read_cuts(path))
    raise StoreError(f"is neither shots nor cuts: it starts with {head[:40]!r}", where=path, remedy=REMEDY)


def read_cuts(path: Path) -> dict[str, list[Edge]]:
    """Video -> edges at 24 fps, from transitions at the frame rate of each video."""
    edges: dict[str, list[Edge]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                frame, frames, scale = float(row["frame"]), float(row["frames"]), FPS / float(row["fps"])
                last, first = frame - frames / 2 - 1, frame + frames / 2
                edge = (last * scale, max(first * scale, last * scale + 1), row["kind"])
            except (ValueError, TypeError, ZeroDivisionError) as problem:
                raise StoreError(f"line {number} is damaged: {problem}", where=path, remedy=REMEDY) from None
            edges.setdefault(row["trailer"], []).append(edge)
    return edges


def read_json(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise StoreError(f"decompresses to more than {size_text(MAX_BYTES)}", where=path, remedy=REMEDY)
        return json.loads(raw)
    except (OSError, ValueError, EOFError, zlib.error) as problem:
        raise StoreError(f"cannot be read as JSON: {problem}", where=path, remedy=REMEDY) from None


def from_json(path: Path, values: Any) -> ShotLabels:
    if not isinstance(values, dict) or not values:
        raise StoreError("is not a JSON object with one entry per video", where=path, remedy=REMEDY)
    edges: dict[str, list[Edge]] = {}
    probabilities: dict[str, dict[str, np.ndarray]] = {}
    for video, value in values.items():
        try:
            if isinstance(value, dict):
                edges[video] = [(float(last), float(first), "") for last, first in value["transitions"]]
            elif value and isinstance(value[0], int | float):
                probabilities[video] = {"single": probability_array(value)}
            else:
                edges[video] = edges_between(span(path, video, float(first), float(last)) for first, last in value)
        except (KeyError, TypeError, ValueError) as problem:
            what = f"the entry '{video}' is not a list of shots or probabilities: {problem}"
            raise StoreError(what, where=path, remedy=REMEDY) from None
    return ShotLabels(edges, probabilities)


def probability_array(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, np.float32)
    if array.ndim != 1 or not ((array >= 0) & (array <= 1)).all():
        raise ValueError("probabilities are numbers from 0 to 1")
    return array


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read: {problem}", where=path, remedy=REMEDY) from None
