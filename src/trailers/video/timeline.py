"""When the frames of a stream are shown, from its packets: its length, its jumps, its gaps, its rate.

A time stamp is a position and a length is a difference. Time stamps that jump, because two recordings
were joined or one number is damaged, are read as a clock that went on: ``clock`` has ffmpeg do the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trailers.domain import FPS
from trailers.video.packets import StreamPackets

JUMP_S = 10.0  # a longer step forward between two frames is a jump of the clock; ffmpeg's own limit
BROADCAST_JUMP_S = 2.0  # the same where streams are joined by appending them, and frames last equally long
BROADCAST = ("mpegts", "mpeg")
FILM = 24000 / 1001  # frames a second
FILM_JITTER_S = 0.010  # the 3:2 pattern of a repeated field moves a frame by 8.3 ms
WRAP_S = 2**33 / 90000  # after which broadcast clocks begin anew
CROWDED_S = 0.002  # frames that follow so much faster than the others do have no times of their own
OFF_GRID = 0.001  # share of frames that may be off the grid of film, one at least: the ends of files are odd
BACK_S = 0.5  # decoding times that go back further are a jump; less can be a reordering
MAX_REORDERED = 16  # frames that a decoder holds back
CLOCK_JITTER_S = 0.003  # containers that count milliseconds are off by one at each end
GAP = 2.5  # a step that many times the usual one is a gap


@dataclass(frozen=True)
class Timeline:
    """The frames that a stream promises, in the order they are shown."""

    frames: int
    frames_hidden: int  # that the container's reader hides although no edit of the video says so
    first_s: float  # position of the first frame
    end_s: float  # position where the last one ends
    length_s: float  # shown, without the jumps
    step_s: float  # the usual distance of two frames; 0 where there are not two
    jump_s: float  # a longer step is a jump
    jumps_s: tuple[float, ...]  # how far the clock jumped, each time
    gap_s: float  # the longest gap in an otherwise even rate; 0 where there is none
    gap_at_s: float  # where it is, after the first frame
    frames_in_gaps: int  # that would fill all gaps
    is_film: bool  # constant 24000/1001 frames a second
    is_unordered: bool  # time stamps follow the order of decoding, not that of showing
    starts_fast: bool  # the second frame follows within half a frame of 24 fps
    frames_crowded: int  # whose time stamps stand still
    aspects: tuple[tuple[int, Fraction], ...]  # from which frame on the pixel aspect is what, where it changes

    @property
    def fps(self) -> float:
        """The usual rate; 0 where there is none."""
        return 1 / self.step_s if self.step_s > 0 else 0.0


def timeline(packets: StreamPackets, container: str, *, is_unordered: bool = False) -> Timeline:
    """The timeline of a stream with at least one packet.

    Args:
        packets: of the stream.
        container: the name of its format.
        is_unordered: whether its time stamps follow the order of decoding, as ``may_be_unordered`` suspects.
    """
    jump_s = BROADCAST_JUMP_S if container in BROADCAST else JUMP_S
    dts, pts, durations = packets.seconds()
    # A presentation time far from the decoding time is damaged: frames are not held back for so long.
    pts = np.where(np.abs(pts - dts) > jump_s, dts, pts)
    is_shown, hidden = shown(dts, np.asarray(packets.discarded, bool), is_unordered=is_unordered)
    order = presentation_order(dts, pts, jump_s)
    is_shown[: first_key(packets)] = False
    order = order[is_shown[order]]
    times, last_s = pts[order], float(durations[order[-1]])
    steps = np.diff(times)
    step_s, _ = usual_step(steps[(steps > 0) & (steps <= jump_s)])
    is_jump = (steps > jump_s) | (steps < -step_s / 2)
    passed = np.where(is_jump, step_s or 1 / FPS, steps)
    clock = np.concatenate([[0.0], np.cumsum(passed)])
    gap_at, gap_s, missing = gaps(passed, step_s)
    jumps = [*steps[is_jump], *([last_s] if last_s > jump_s else [])]
    end_s = float(np.max(times)) + last_s
    last_s = step_s if last_s > jump_s or last_s <= 0 else last_s
    return Timeline(
        frames=len(times) + hidden,
        frames_hidden=hidden,
        first_s=float(times[0]),
        end_s=end_s,
        length_s=float(clock[-1] + last_s),
        step_s=step_s,
        jump_s=jump_s,
        jumps_s=tuple(jump_of(float(step - step_s), container) for step in jumps),
        gap_s=gap_s,
        gap_at_s=float(clock[gap_at]),
        frames_in_gaps=missing,
        is_film=not is_on_grid(clock, FPS) and is_on_grid(clock, FILM),
        is_unordered=is_unordered,
        starts_fast=bool(len(clock) > 1 and clock[1] < 0.5 / FPS),
        frames_crowded=0 if is_unordered else crowded(clock),
        aspects=aspects_of(packets, order),
    )


def may_be_unordered(packets: StreamPackets) -> bool:
    """Whether frames are decoded in another order than shown, and yet time stamps grow steadily with the packets."""
    _, pts, _ = packets.seconds()
    steps = np.diff(pts)
    return bool(packets.stream.codec_context.has_b_frames) and bool((steps > 0).all()) and usual_step(steps)[1]


def crowded(clock: np.ndarray) -> int:
    """Frames that share their place on the grid with one that is almost at the same time.

    Of a source of 500 frames per second and more no frame is crowded as long as it keeps its rate: the grid takes the
    frames that it has places for, as it does at any rate above 24.
    """
    steps = np.diff(clock)
    usual_s = float(clock[-1] / len(steps)) if len(steps) else 0.0
    if usual_s > 0 and (np.abs(clock - usual_s * np.arange(len(clock))) <= CLOCK_JITTER_S).all():
        return 0
    close_s = min(CROWDED_S, usual_s / 2) if usual_s > 0 else CROWDED_S
    return int(((steps < close_s) & (np.diff(np.rint(clock * FPS)) == 0)).sum())


def first_key(packets: StreamPackets) -> int:
    """The first packet that can be decoded: a recording that begins between two key frames never had those before."""
    return packets.keys.index(True) if True in packets.keys else 0


def jump_of(step_s: float, container: str) -> float:
    """Seconds of a jump; broadcast clocks of 33 bits that began anew are not a jump forward by a day."""
    if container in BROADCAST and abs(step_s) > WRAP_S / 2:
        step_s -= math.copysign(WRAP_S, step_s)
    return round(step_s, 3)


def aspects_of(packets: StreamPackets, order: np.ndarray) -> tuple[tuple[int, Fraction], ...]:
    """Where the pixel aspect changes, in frames as they are shown; nothing where it does not."""
    if len(packets.aspects) < 2:
        return ()
    place = {int(packet): frame for frame, packet in enumerate(order)}
    return tuple((place.get(packet, packet), aspect) for packet, aspect in packets.aspects)


def usual_step(steps: np.ndarray) -> tuple[float, bool]:
    """Seconds between two frames, and whether always the same: then the mean, which no rounding touches."""
    if not len(steps):
        return 0.0, False
    median = float(np.median(steps))
    is_constant = bool((np.abs(steps - median) <= CLOCK_JITTER_S).all())
    return float(steps.mean()) if is_constant else median, is_constant


def shown(dts: np.ndarray, discarded: np.ndarray, *, is_unordered: bool) -> tuple[np.ndarray, int]:
    """Which packets are shown, bool; and how many are hidden for no reason but a clock that went back.

    Where time stamps follow the order of decoding, an edit that takes away the delay of reordering
    takes away frames; such an edit is ignored.
    """
    if discarded.all() or (is_unordered and discarded.sum() <= MAX_REORDERED):
        return np.ones(len(dts), bool), 0
    latest = np.maximum.accumulate(np.where(discarded, -np.inf, dts))
    return ~discarded, int((discarded & (dts <= latest)).sum())


def presentation_order(dts: np.ndarray, pts: np.ndarray, jump_s: float) -> np.ndarray:
    """Indices of the packets in the order they are shown: by time, between any two jumps of decoding times."""
    steps = np.diff(dts)
    stretch = np.concatenate([[0], np.cumsum((steps > jump_s) | (steps < -BACK_S))])
    return np.lexsort((pts, stretch))


def gaps(steps: np.ndarray, step_s: float) -> tuple[int, float, int]:
    """Where the longest gap starts, its seconds, and the frames that would fill all; none where no rate is even."""
    if step_s <= 0:
        return 0, 0.0, 0
    wide = np.flatnonzero(steps > GAP * step_s)
    # Where one step in twenty is wide, frames simply last as long as they please.
    if not len(wide) or len(wide) > len(steps) / 20:
        return 0, 0.0, 0
    missing = int(np.rint(steps[wide] / step_s - 1).sum())
    longest = int(wide[np.argmax(steps[wide])])
    return longest, float(steps[longest]), missing


def is_on_grid(clock: np.ndarray, fps: float) -> bool:
    """Whether every frame has a place of its own on a grid of ``fps``."""
    places = np.rint(clock * fps)
    is_off = np.abs(clock - places / fps) > FILM_JITTER_S
    is_off[1:] |= np.diff(places) < 1
    return int(is_off.sum()) <= (max(1, OFF_GRID * len(clock)) if len(clock) >= FPS else 0)
