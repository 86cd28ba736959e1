"""Puts the parts of a fragmented MP4, each of which restarts its clock, on one clock.

An HLS playlist with a discontinuity, or a DASH manifest of several periods, gives fragments whose decode times
(ISO/IEC 14496-12, tfdt) jump back to 0 in the middle of the file. Players follow the playlist, but a file has no
playlist, and readers discard frames that seem to be in the past. The times are changed in place. In addition, boxes
that repeat or contradict them (a second moov, sidx and mfra) get the type free.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BACK_S, AHEAD_S = 0.1, 1.0  # a larger step of the clock, back or ahead, begins a new part
NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf")


class Box(NamedTuple):
    kind: bytes
    start: int  # of its header
    body: int
    end: int


class DifferentPartsError(Exception):
    """The parts are encoded differently, so that one moov box cannot describe them all."""


def boxes(data: mmap.mmap | bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets, up to the first with a damaged size."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        size = size or end - start
        if size < body - start or start + size > end:
            return
        yield Box(kind, start, body, start + size)
        start += size


def inside(data: mmap.mmap | bytes, box: Box, *kinds: bytes) -> Iterator[Box]:
    """The boxes at the end of the path ``kinds`` in ``box``."""
    for child in boxes(data, box.body, box.end):
        if child.kind == kinds[0]:
            if len(kinds) == 1:
                yield child
            else:
                yield from inside(data, child, *kinds[1:])


@dataclass(frozen=True)
class Track:
    scale: int  # units of time per second
    duration: int  # of a sample, if a fragment does not state it
    is_video: bool
    coding: bytes  # the box stsd, which describes the encoding of samples


def tracks_of(data: mmap.mmap | bytes, moov: Box) -> dict[int, Track]:
    """Track id -> its description in the box moov."""
    durations = {}
    for trex in inside(data, moov, b"mvex", b"trex"):
        number, _, duration = struct.unpack_from(">III", data, trex.body + 4)
        durations[number] = duration
    found = {}
    for trak in inside(data, moov, b"trak"):
        (tkhd,) = inside(data, trak, b"tkhd")
        (mdhd,) = inside(data, trak, b"mdia", b"mdhd")
        (stsd,) = inside(data, trak, b"mdia", b"minf", b"stbl", b"stsd")
        number = struct.unpack_from(">I", data, tkhd.body + (20 if data[tkhd.body] else 12))[0]
        scale = struct.unpack_from(">I", data, mdhd.body + (20 if data[mdhd.body] else 12))[0]
        (hdlr,) = inside(data, trak, b"mdia", b"hdlr")
        is_video = data[hdlr.body + 8 : hdlr.body + 12] == b"vide"
        found[number] = Track(scale, durations.get(number, 0), is_video, bytes(data[stsd.start : stsd.end]))
    return found


@dataclass
class Clock:
    """One clock for all parts, in seconds, which follows the video; sound is shifted with it."""

    tracks: dict[int, Track]
    shift_s: float = 0
    end_s: float | None = None  # of the video so far
    begins_part: bool = False

    def place(self, data: mmap.mmap, traf: Box) -> None:
        """Set the decode time of the fragment of one track."""
        (tfhd,) = inside(data, traf, b"tfhd")
        (tfdt,) = inside(data, traf, b"tfdt")
        number = struct.unpack_from(">I", data, tfhd.body + 4)[0]
        track = self.tracks[number]
        leads = track.is_video or not any(other.is_video for other in self.tracks.values())
        form = ">Q" if data[tfdt.body] else ">I"
        own_s = struct.unpack_from(form, data, tfdt.body + 4)[0] / track.scale
        if self.end_s is not None:
            step_s = own_s + self.shift_s - self.end_s
            if self.begins_part or (leads and not -BACK_S <= step_s <= AHEAD_S):
                self.shift_s, self.begins_part = self.end_s - own_s, False
        if self.shift_s:
            struct.pack_into(form, data, tfdt.body + 4, max(0, round((own_s + self.shift_s) * track.scale)))
        if leads:
            self.end_s = own_s + self.shift_s + samples_duration(data, traf, tfhd, track.duration) / track.scale


def samples_duration(data: mmap.mmap, traf: Box, tfhd: Box, default: int) -> int:
    """Duration of the samples of a fragment, in the units of the track."""
    flags = int.from_bytes(data[tfhd.body + 1 : tfhd.body + 4], "big")
    if flags & 0x08:
        at = tfhd.body + 8 + 8 * bool(flags & 0x01) + 4 * bool(flags & 0x02)
        default = struct.unpack_from(">I", data, at)[0]
    total = 0
    for trun in inside(data, traf, b"trun"):
        flags = int.from_bytes(data[trun.body + 1 : trun.body + 4], "big")
        (count,) = struct.unpack_from(">I", data, trun.body + 4)
        if not flags & 0x100:
            total += count * default
            continue
        first = trun.body + 8 + 4 * bool(flags & 0x01) + 4 * bool(flags & 0x04)
        step = 4 * (flags >> 8 & 0xF).bit_count()
        total += sum(struct.unpack_from(">I", data, first + n * step)[0] for n in range(count))
    return total


def put_on_one_clock(path: Path) -> None:
    """Put consecutive parts of a fragmented MP4 on one clock; other files are left as they are.

    Raises:
        DifferentPartsError: the parts are encoded differently.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        top = list(boxes(data, 0, len(data)))
        moovs = [box for box in top if box.kind == b"moov"]
        if not moovs or not any(box.kind == b"moof" for box in top):
            return
        tracks = tracks_of(data, moovs[0])
        if any(tracks_of(data, moov) != tracks for moov in moovs[1:]):
            raise DifferentPartsError
        clock = Clock(tracks)
        for box in top:
            clock.begins_part |= box.kind == b"moov" and box != moovs[0]
            if box.kind == b"moof":
                for traf in inside(data, box, b"traf"):
                    clock.place(data, traf)
        if clock.shift_s or len(moovs) > 1:
            for box in top:
                if box.kind in (b"sidx", b"mfra") or (box.kind == b"moov" and box != moovs[0]):
                    data[box.start + 4 : box.start + 8] = b"free"
