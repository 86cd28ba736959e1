"""Sentences about the results of the stages, for the page of a trailer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trailers.domain import FPS


def normalise_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Sentences about the 24 fps video, from the facts of its frames file."""
    frames = int(facts.get("frames", 0))
    size = f"{facts.get('width_px')}×{facts.get('height_px')}"
    sentences = [f"{frames:,} frames at {FPS} per second, {frames / FPS:.1f} s, {size}."]
    fps, rate = float(facts.get("source_fps", 0)), "variable rate, " if facts.get("variable_rate") else ""
    source = f"{facts.get('source_width_px')}×{facts.get('source_height_px')}"
    sentences.append(f"Published as {facts.get('codec')} in {container(facts)}, {source}, {rate}{fps:g} per second.")
    duplicated, dropped = int(facts.get("frames_duplicated", 0)), int(facts.get("frames_dropped", 0))
    sentences.append(f"{counted(duplicated, 'frame')} duplicated and {dropped:,} dropped to reach {FPS} per second.")
    errors, corrupt = int(facts.get("decode_errors", 0)), int(facts.get("frames_corrupt", 0))
    if errors or corrupt:
        sentences.append(f"{counted(errors, 'decoding error')}, {counted(corrupt, 'frame')} corrupt.")
    if facts.get("interlaced") is True:
        sentences.append("The source is interlaced.")
    if str(facts.get("tone_mapped", "no")) != "no":
        sentences.append(f"High dynamic range ({facts['tone_mapped']}) was mapped to the standard one.")
    return sentences


def shot_sentences(lengths: list[int], *, head: str, threshold: float) -> list[str]:
    """Sentences about the shots, from their lengths in frames."""
    middle = sorted(lengths)[len(lengths) // 2]
    first = f"{counted(len(lengths), 'shot')}, the median {middle:,} frames or {middle / FPS:.1f} s."
    return [first, f"A cut is where the head “{head}” gives more than {threshold:g}."]


def clip_sentence(strategy: str, clips: int, padded: int) -> str:
    """One sentence about the clips of a strategy."""
    return f"{strategy}: {counted(clips, 'clip')}, {padded:,} of them padded with black."


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def container(facts: Mapping[str, Any]) -> str:
    """The usual name of the container; ffmpeg gives "mov,mp4,m4a,3gp,3g2,mj2" for an mp4 file."""
    names = str(facts.get("container", "")).split(",")
    return next((name for name in ("mp4", "webm") if name in names), names[0])
