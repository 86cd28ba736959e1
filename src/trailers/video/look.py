"""Reads the first frames of a stream with the ffmpeg command: cropped, and with all colour tags.

The filters of the conversion are configured from them. A library crops less than the command, and may be of another
version.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from trailers.video.process import words_about

LOOKED_AT = 16  # frames
# Pixels of real videos have aspects up to 2.4 (or 1 / 2.4); more extreme numbers are damage.
WIDEST = 4
TIMEOUT_S = 60


# Anchored at the start of a line, because ffmpeg also prints metadata of files, but never there.
PREFIX = r"^\[Parsed_showinfo_0 @ 0x[0-9a-f]+\] \[info\] "
FRAME = re.compile(
    PREFIX
    + r"n: *\d+ pts: *(?P<pts>\S+) .* fmt:(?P<pix_fmt>\S+) .*sar:(?P<sar>\d+/\d+) s:(?P<size>\d+x\d+) i:(?P<scan>[PTB])"
)
COLOUR = re.compile(PREFIX + r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")


@dataclass(frozen=True)
class Look:
    """The first frame of a stream, cropped but not rotated, and whether one of the first frames is interlaced."""

    width: int
    height: int
    pixel_aspect: Fraction
    pix_fmt: str
    is_interlaced: bool
    stamps: tuple[int, ...] = ()  # time stamps of the first frames, in the time base of the stream
    range: str = "unknown"  # ffmpeg's names: tv, pc
    matrix: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"


def look(path: Path, stream: int, *, frames: int = LOOKED_AT) -> Look | None:
    """The first frames of ``stream``; None if no frame of it can be decoded."""
    arguments = ("-map", f"0:{stream}", "-vf", "showinfo=checksum=0", "-frames:v", str(frames))
    words = words_about(
        path, *arguments, "-fps_mode", "passthrough", "-f", "null", "-", level="info", timeout_s=TIMEOUT_S
    )
    return read_look(words.splitlines())


def plausible_aspect(aspect: Fraction) -> Fraction:
    """The pixel aspect to use: ``aspect``, or 1 if it is not plausible."""
    return aspect if Fraction(1, WIDEST) <= aspect <= WIDEST else Fraction(1)


def read_look(lines: Iterable[str]) -> Look | None:
    """The ``Look`` from the output of the filter showinfo."""
    frames: list[re.Match[str]] = []
    colours: list[re.Match[str]] = []
    for line in lines:
        if match := FRAME.match(line):
            frames.append(match)
        elif frames and (match := COLOUR.match(line)):
            colours.append(match)
    if not frames:
        return None
    first = frames[0]
    width, height = map(int, first["size"].split("x"))
    aspect = Fraction(*map(int, first["sar"].split("/"))) if not first["sar"].endswith("/0") else Fraction(0)
    stamps = tuple(int(frame["pts"]) for frame in frames if frame["pts"] != "NOPTS")
    is_interlaced = any(frame["scan"] != "P" for frame in frames)
    look = Look(width, height, aspect or Fraction(1), first["pix_fmt"], is_interlaced, stamps)
    if not colours:
        return look
    span, matrix, primaries, transfer = colours[0].groups()
    return Look(**{**look.__dict__, "range": span, "matrix": matrix, "primaries": primaries, "transfer": transfer})


def is_steady(stamps: tuple[int, ...]) -> bool:
    """Whether frames follow each other at equal distances, except for the rounding of time stamps."""
    steps = sorted(later - earlier for earlier, later in itertools.pairwise(stamps))
    return not steps or (steps[0] > 0.5 * steps[len(steps) // 2] and steps[-1] < 1.5 * steps[len(steps) // 2])


def goes_back(stamps: tuple[int, ...]) -> bool:
    """Whether time stamps go back repeatedly; where recordings were joined, they do so only once."""
    return sum(later < earlier for earlier, later in itertools.pairwise(stamps)) > 1
