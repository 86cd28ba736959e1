"""Recognises and restores film in interlaced video of 29.97 fps (3:2 pull-down).

Two of every five frames of such video consist of fields of two neighbouring film frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from trailers.video.clock import clock
from trailers.video.colours import Step
from trailers.video.process import FILLING, words_about
from trailers.video.source import Probe
from trailers.video.timeline import Timeline

SAMPLE_S = 180  # of the video that are examined
TIMEOUT_S = 900
RATES = (29.9, 30.05)  # range of fps of video with telecined film
FIRST_FRAMES = 1800  # about a minute
# In telecined film, two of ten fields are repeats, one of each parity; other video and black frames have none.
MIN_REPEATED = 0.08
CYCLE = 5  # frames after which the pattern repeats
# Titles, black and parts that were shot as video do not have the pattern, so a small share of all frames is enough.
MIN_IN_CYCLES = 0.1

REPEATED = re.compile(r"^\[Parsed_metadata_1 @ \S+\] \[info\] lavfi\.idet\.repeated\.current_frame=(\w+)", re.MULTILINE)


def is_telecined(path: Path, seen: Probe) -> bool:
    """Whether fields in the first three minutes are repeated as in telecined film."""
    if not seen.is_interlaced or not RATES[0] < seen.times.fps < RATES[1]:
        return False
    looked = "idet,metadata=mode=print:key=lavfi.idet.repeated.current_frame"
    arguments = ("-map", f"0:{seen.stream}", "-t", str(SAMPLE_S), "-vf", looked, "-f", "null", "-")
    fields = REPEATED.findall(words_about(path, *arguments, level="info", timeout_s=TIMEOUT_S))
    return repeats(fields[:FIRST_FRAMES]) or in_cycles(fields) >= MIN_IN_CYCLES * max(len(fields), 1)


def repeats(fields: Sequence[str]) -> bool:
    """Whether enough frames have a repeated field; the filter idet says neither, top or bottom for each frame."""
    return min(fields.count("top"), fields.count("bottom")) >= MIN_REPEATED * max(len(fields), 1)


def in_cycles(fields: Sequence[str]) -> int:
    """Number of frames in cycles of five with one repeat of each parity, if the next cycle has the same repeats."""
    found: set[int] = set()
    for start in range(len(fields) - 2 * CYCLE + 1):
        cycle, following = fields[start : start + CYCLE], fields[start + CYCLE : start + 2 * CYCLE]
        if cycle == following and cycle.count("top") == cycle.count("bottom") == 1:
            found.update(range(start, start + 2 * CYCLE))
    return len(found)


def inverse(times: Timeline) -> list[Step]:
    """Filters that join fields of the same film frame, deinterlace the rest, and drop one frame in five."""
    # The filters after these count frames, so gaps must be filled first.
    filled: list[Step] = [*clock(times), (FILLING, (f"{times.fps:.9g}",), {})] if times.frames_in_gaps else []
    return [
        *filled,
        ("fieldmatch", (), {"combmatch": "full"}),
        ("bwdif", (), {"mode": "send_frame", "deint": "interlaced"}),
        ("decimate", (), {}),
    ]
