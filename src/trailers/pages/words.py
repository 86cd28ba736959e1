"""What the stages made of a trailer, as sentences that a curator reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trailers.domain import FPS


def told_normalise(facts: Mapping[str, Any]) -> list[str]:
    """Sentences on the 24 fps video, from the facts of its frames file."""
    frames = int(facts.get("frames", 0))
    size = f"{facts.get('width_px')}×{facts.get('height_px')}"
    told = [f"{frames:,} frames at {FPS} per second, {frames / FPS:.1f} s, {size}."]
    fps, rate = float(facts.get("source_fps", 0)), "variable rate, " if facts.get("variable_rate") else ""
    source = f"{facts.get('source_width_px')}×{facts.get('source_height_px')}"
    told.append(f"Published as {facts.get('codec')} in {container(facts)}, {source}, {rate}{fps:g} per second.")
    duplicated, dropped = int(facts.get("frames_duplicated", 0)), int(facts.get("frames_dropped", 0))
    told.append(f"{counted(duplicated, 'frame')} duplicated and {dropped:,} dropped to reach {FPS} per second.")
    errors, corrupt = int(facts.get("decode_errors", 0)), int(facts.get("frames_corrupt", 0))
    if errors or corrupt:
        told.append(f"{counted(errors, 'decoding error')}, {counted(corrupt, 'frame')} corrupt.")
    if facts.get("interlaced") is True:
        told.append("The source is interlaced.")
    if str(facts.get("tone_mapped", "no")) != "no":
        told.append(f"High dynamic range ({facts['tone_mapped']}) was mapped to the standard one.")
    return told


def told_shots(lengths: list[int], *, head: str, threshold: float) -> list[str]:
    """Sentences on the shots, of which each has so many frames."""
    middle = sorted(lengths)[len(lengths) // 2]
    first = f"{counted(len(lengths), 'shot')}, the median {middle:,} frames or {middle / FPS:.1f} s."
    return [first, f"A cut is where the head “{head}” gives more than {threshold:g}."]


def told_clips(strategy: str, clips: int, padded: int) -> str:
    """One sentence on the clips of a strategy."""
    return f"{strategy}: {counted(clips, 'clip')}, {padded:,} of them padded with black."


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def container(facts: Mapping[str, Any]) -> str:
    """The name by which people know it: ffmpeg gives "mov,mp4,m4a,3gp,3g2,mj2" for what is called mp4."""
    names = str(facts.get("container", "")).split(",")
    return next((name for name in ("mp4", "webm") if name in names), names[0])
