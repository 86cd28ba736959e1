"""The sections that describe a vector; products that are not on disk are named as missing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.row import Row, clip_frames
from trailers.backbones.weights import weights_sha256
from trailers.config import defaults
from trailers.domain import FPS
from trailers.errors import TrailerError
from trailers.settings import from_section
from trailers.stages import registry
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import open_frames
from trailers.store.receipt import read_receipt, source_of
from trailers.store.scores import read_scores
from trailers.tools.trace.source import source_words
from trailers.tools.trace.vector import Vector

AROUND = 3  # frames on both sides of a clip's ends whose probabilities are shown
STAGES = ("normalise", "shots", "clips", "embed")

Section = tuple[str, list[str]]


def sections(vector: Vector, row: Row | None) -> Iterator[Section]:
    """Name and lines of each section; ``row`` is None if the backbone's code may not run."""
    yield "vector", vector_lines(vector)
    for name, lines in (
        ("link", link_lines),
        ("source", source_lines),
        ("24 fps", frame_lines),
        ("transitions", transition_lines),
    ):
        yield name, lines_or_reason(lines, vector)
    yield "network saw", seen_lines(vector, row)
    yield "transform", [vector.text("transform")]
    yield "weights", weights_lines(vector, row)
    yield "precision", [vector.text("precision") + (f" on {vector.text('gpu')}" if vector.text("gpu") else "")]
    for stage in STAGES:
        yield stage, lines_or_reason(partial(stage_lines, name=stage, row=row), vector)
    yield "versions", [vector.versions()]


def lines_or_reason(lines: Callable[[Vector], list[str]], vector: Vector) -> list[str]:
    try:
        return lines(vector)
    except TrailerError as problem:
        return [f"not known: {problem}"]


def vector_lines(vector: Vector) -> list[str]:
    clip, values = vector.clip, vector.values.astype(np.float64)
    return [
        f"{vector.path}: clip {vector.number} of {vector.count}, float32 ({len(values)},), length "
        f"{np.linalg.norm(values):.4g}",
        f"{vector.trailer}, {vector.strategy}, {vector.backbone}, shot {clip.shot}",
    ]


def link_lines(vector: Vector) -> list[str]:
    path = vector.layout.receipt(vector.trailer)
    receipt = read_receipt(path)
    day = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date().isoformat()
    links = [str(receipt.facts[name]) for name in ("url", "final_url") if receipt.facts.get(name)]
    return [f"{' -> '.join(links) or 'none recorded'}, receipt of {day}"]


def source_lines(vector: Vector) -> list[str]:
    path = vector.layout.receipt(vector.trailer)
    receipt = read_receipt(path)
    video = source_of(path, receipt)
    found = sha256_of(video) if video.is_file() else ""
    state = {"": "the file does not exist", receipt.sha256: "the file has it"}.get(found, f"BUT the file has {found}")
    lines = [f"{video}", f"sha256 {receipt.sha256}: {state}"]
    if vector.text("source_sha256") not in ("", receipt.sha256):
        lines.append(f"BUT the vector was made from a video with sha256 {vector.text('source_sha256')}")
    with open_frames(vector.layout.frames(vector.trailer)) as frames:
        lines.append(source_words(frames.attributes, vector.clip.start, vector.clip.end))
    return lines


def frame_lines(vector: Vector) -> list[str]:
    clip = vector.clip
    span = f"frames [{clip.start}, {clip.end}), {clip.start / FPS:.3f} s to {clip.end / FPS:.3f} s"
    padding = f", then {clip.padding} black frames" if clip.padding else ", no padding"
    frame = (
        f"frame {clip.frame} stands for the clip" if vector.is_frame_known else "which frame stands for it is not known"
    )
    with open_frames(vector.layout.frames(vector.trailer)) as frames:
        count = len(frames)
    return [f"{vector.layout.video(vector.trailer)}, {count:,} frames", f"{span}{padding}", frame]


def transition_lines(vector: Vector) -> list[str]:
    scores, _ = read_scores(vector.layout.scores(vector.trailer))
    lines = [f"{'frame':>7} {'single':>7} {'many':>7}"]
    for edge in (vector.clip.start, vector.clip.end):
        for frame in range(max(0, edge - AROUND), min(len(scores), edge + AROUND)):
            mark = "  <- the clip begins" if frame == vector.clip.start else ""
            mark = "  <- its last frame" if frame == vector.clip.end - 1 else mark
            lines.append(f"{frame:>7} {scores.single[frame]:>7.3f} {scores.many[frame]:>7.3f}{mark}")
    return lines


def seen_lines(vector: Vector, row: Row | None) -> list[str]:
    if row is None:
        return ["not known: the backbone is a file of your own; name it with --own-backbones"]
    numbers = frames_seen(vector, row)
    words = ", ".join("black" if number < 0 else str(number) for number in numbers)
    return [f"{len(numbers)} {'frame' if len(numbers) == 1 else 'frames'}: {words}"]


def frames_seen(vector: Vector, row: Row) -> list[int]:
    """The frames at 24 fps that the network was given; -1 is black."""
    clip = vector.clip
    return clip_frames(row, vector.strategy, start=clip.start, valid=clip.end - clip.start, frame=clip.frame)


def weights_lines(vector: Vector, row: Row | None) -> list[str]:
    made = vector.text("weights_sha256")
    lines = [vector.text("weights"), f"sha256 {made}"]
    if row is None or vector.text("weights").startswith("random"):
        return lines
    try:
        now = weights_sha256(row, Path(defaults("embed")["weights_dir"]))
        lines[1] += ": the file has it" if now == made else f", BUT the file has {now}"
    except TrailerError as problem:
        lines[1] += f": not compared: {problem}"
    return [*lines, f"licence: {row.weights.licence}"]


def stage_lines(vector: Vector, name: str, row: Row | None) -> list[str]:
    """The settings of config.yaml for one stage, and whether they are those that made the product."""
    entry = next(entry for entry in registry.STAGES if entry.name == name)
    if name == "embed" and row is None:
        return ["not compared: the backbone is a file of your own"]
    variant = {"clips": str(vector.strategy), "backbone": vector.backbone}
    module: Any = entry.module
    section = defaults(entry.config)
    settings = from_section(module.Settings, section)
    effort = from_section(module.Effort, section) if hasattr(module, "Effort") else None
    stage = entry.stage(vector.layout, tuple(variant[axis] for axis in entry.axes), settings, effort)
    stored = vector.text("fingerprint") if name == "embed" else stage.stored_fingerprint(vector.trailer)
    wanted = stage.fingerprint(vector.trailer)
    if stored == wanted:
        return [f"{stored}: made with {json.dumps(asdict(settings))}"]
    return [f"{stored}: DIFFERS from that of the present config.yaml and files, {wanted}"]
