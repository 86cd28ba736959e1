"""Which frame of the published video a frame at 24 fps shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from trailers.domain import FPS

# The exact rates; a ledger rounds them to three digits.
RATES = tuple(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60)) + tuple(
    Fraction(rate * 1000, 1001) for rate in (24, 30, 60)
)
ROUNDING = 0.0006
FILM = (Fraction(24), Fraction(24000, 1001))  # converted frame for frame


def rate_of(fps: float) -> Fraction:
    """The rate that was rounded to ``fps``."""
    nearest = min(RATES, key=lambda rate: abs(float(rate) - fps))
    return nearest if abs(float(nearest) - fps) < ROUNDING else Fraction(fps)


def source_frame(frame: int, rate: Fraction) -> int:
    """The frame of a video at a constant ``rate`` that frame ``frame`` at 24 fps shows.

    This is the last frame n of the video with round(n * 24 / rate) <= ``frame``.
    """
    return frame if rate in FILM else math.ceil((frame + Fraction(1, 2)) * rate / FPS) - 1


def source_words(facts: Mapping[str, Any], start: int, end: int) -> str:
    """Frames and times in the published video that correspond to the frames [start, end) at 24 fps.

    Args:
        facts: the attributes that the normalise stage recorded.
        start: the first frame.
        end: the frame after the last.
    """
    fps, first_s = float(facts.get("source_fps") or 0), float(facts.get("first_s") or 0)
    if not fps:
        return f"{first_s + start / FPS:.3f} s to {first_s + end / FPS:.3f} s; the published frame rate is not known"
    rate = rate_of(fps)
    last = max(0, int(facts.get("source_frames") or 0) - 1)
    first_frame, last_frame = (min(last, source_frame(number, rate)) for number in (start, end - 1))
    first, after = first_s + first_frame / rate, first_s + (last_frame + 1) / rate
    exact = not facts.get("variable_rate") and not facts.get("warnings")
    about = "" if exact else "about "
    words = f"{about}frames {first_frame} to {last_frame} of {last + 1:,}, {first:.3f} s to {after:.3f} s"
    return (
        words if exact else f"{words} (its rate varies, or its time stamps were corrected: see the ledger of normalise)"
    )
