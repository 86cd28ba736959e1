"""Recognises and restores film in interlaced video of 29.97 fps (3:2 pull-down).

Two of every five frames of such video consist of fields of two neighbouring film frames.
"""

from __future__ import annotations

import re
from pathlib import Path

from trailers.video.colours import Step
from trailers.video.process import words_about
from trailers.video.source import Probe

SAMPLE_S = 60  # of the video that are examined
TIMEOUT_S = 300
RATES = (29.9, 30.05)  # range of fps of video with telecined film
# In telecined film, two of ten fields are repeats, one of each parity; other video has none, nor do black frames.
MIN_REPEATED = 0.08

REPEATED = re.compile(r"Repeated Fields: Neither: *(\d+) Top: *(\d+) Bottom: *(\d+)")


def is_telecined(path: Path, seen: Probe) -> bool:
    """Whether fields in the first minute are repeated as in telecined film."""
    if not seen.is_interlaced or not RATES[0] < seen.times.fps < RATES[1]:
        return False
    arguments = ("-map", f"0:{seen.stream}", "-t", str(SAMPLE_S), "-vf", "idet", "-f", "null", "-")
    return repeats(words_about(path, *arguments, level="info", timeout_s=TIMEOUT_S))


def repeats(words: str) -> bool:
    """Whether the counts of the filter idet are those of telecined film."""
    counts = REPEATED.findall(words)
    if not counts:
        return False
    neither, top, bottom = map(int, counts[-1])
    return min(top, bottom) >= MIN_REPEATED * max(neither + top + bottom, 1)


def inverse() -> list[Step]:
    """Filters that join fields of the same film frame, deinterlace the rest, and drop one frame in five."""
    return [
        ("fieldmatch", (), {"combmatch": "full"}),
        ("bwdif", (), {"mode": "send_frame", "deint": "interlaced"}),
        ("decimate", (), {}),
    ]
