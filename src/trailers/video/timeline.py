"""Finds out from packets when the frames of a stream are shown: length, jumps of the clock, gaps and rate.

Time stamps may jump, because recordings were joined or a number is damaged. Jumps are left out, here and by the filters
of ``clock``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trailers.domain import FPS
from trailers.video.packets import StreamPackets

JUMP_S = 10.0  # a longer step forward between two frames is a jump of the clock; the same limit as in ffmpeg
BROADCAST_JUMP_S = 2.0  # the same for containers whose streams can be joined by appending them
BROADCAST = ("mpegts", "mpeg")
FILM = 24000 / 1001  # frames per second
FILM_JITTER_S = 0.010  # the 3:2 pattern of a repeated field moves a frame by 8.3 ms
WRAP_S = 2**33 / 90000  # after this time, broadcast clocks start at 0 again
CROWDED_S = 0.002  # frames that follow within this time, much faster than others, have wrong time stamps
OFF_GRID = 0.001  # share of frames (but one or more) that may be off the grid of film, because ends can be irregular
BACK_S = 0.5  # decoding times that go back further are a jump; a smaller step can be a reordering
MAX_REORDERED = 16  # maximum number of frames that a decoder delays
CLOCK_JITTER_S = 0.003  # containers that count milliseconds are off by one at each end
USUAL = 0.95  # minimum share of equal steps in a stream of constant rate with gaps
GAP = 2.5  # a step of more than this many usual steps is a gap


@dataclass(frozen=True)
class Timeline:
    """The frames that a stream should have, in the order in which they are shown."""

    frames: int
    frames_hidden: int  # frames that the container's reader hides without an edit that asks for it
    first_s: float  # time stamp of the first frame
    end_s: float  # time stamp of the end of the last frame
    length_s: float  # duration without jumps
    step_s: float  # usual distance of two frames; 0 if there are fewer than two
    jump_s: float  # a longer step is a jump
    jumps_s: tuple[float, ...]  # sizes of the jumps of the clock
    gap_s: float  # longest gap in an otherwise constant rate; 0 if there is none
    gap_at_s: float  # start of the gap, from the first frame
    frames_in_gaps: int  # number of frames that would fill all gaps
    is_film: bool  # whether it has a constant 24000/1001 frames per second
    is_unordered: bool  # whether time stamps are in the order of decoding instead of the order of showing
    starts_fast: bool  # whether the second frame follows within half a frame of 24 fps
    frames_crowded: int  # number of frames whose time stamps do not advance
    aspects: tuple[tuple[int, Fraction], ...]  # (first frame, its pixel aspect) per change; empty without changes

    @property
    def fps(self) -> float:
        """The usual rate; 0 if there are fewer than two frames."""
        return 1 / self.step_s if self.step_s > 0 else 0.0


def timeline(packets: StreamPackets, container: str, *, is_unordered: bool = False) -> Timeline:
    """The timeline of a stream with at least one packet.

    Args:
        packets: the packets of the stream.
        container: the name of its format.
        is_unordered: whether its time stamps are in the order of decoding, see ``may_be_unordered``.
    """
    jump_s = BROADCAST_JUMP_S if container in BROADCAST else JUMP_S
    dts, pts, durations = packets.seconds()
    # A presentation time far from the decoding time is damaged, because decoders do not delay frames that long.
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
    if is_unordered and len(clock) > 1:
        step_s = slope(clock)  # frames are counted, because single steps are wrong
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
    """Whether time stamps increase steadily although frames are decoded in another order than they are shown."""
    _, pts, _ = packets.seconds()
    steps = np.diff(pts)
    return bool(packets.stream.codec_context.has_b_frames) and bool((steps > 0).all()) and usual_step(steps)[1]


def crowded(clock: np.ndarray) -> int:
    """Number of frames at almost the same time as another frame at the same position of the grid.

    In a source with a constant rate, no frame is crowded, even at 500 frames per second: the grid then uses some of the
    frames, as at any rate above 24.
    """
    steps = np.diff(clock)
    usual_s = float(clock[-1] / len(steps)) if len(steps) else 0.0
    if usual_s > 0 and (np.abs(clock - usual_s * np.arange(len(clock))) <= CLOCK_JITTER_S).all():
        return 0
    close_s = min(CROWDED_S, usual_s / 2) if usual_s > 0 else CROWDED_S
    return int(((steps < close_s) & (np.diff(np.rint(clock * FPS)) == 0)).sum())


def first_key(packets: StreamPackets) -> int:
    """The first packet that can be decoded; a recording may begin with packets before the first key frame."""
    return packets.keys.index(True) if True in packets.keys else 0


def jump_of(step_s: float, container: str) -> float:
    """The size of a jump in s, without the wrap-around of broadcast clocks, which have 33 bits."""
    if container in BROADCAST and abs(step_s) > WRAP_S / 2:
        step_s -= math.copysign(WRAP_S, step_s)
    return round(step_s, 3)


def aspects_of(packets: StreamPackets, order: np.ndarray) -> tuple[tuple[int, Fraction], ...]:
    """(first frame, its pixel aspect) per change, in the order of showing; empty without changes."""
    if len(packets.aspects) < 2:
        return ()
    place = {int(packet): frame for frame, packet in enumerate(order)}
    return tuple((place.get(packet, packet), aspect) for packet, aspect in packets.aspects)


def usual_step(steps: np.ndarray) -> tuple[float, bool]:
    """Seconds between two frames, and whether they are constant.

    If nearly all are equal, their mean, which does not depend on rounding; otherwise the median.
    """
    if not len(steps):
        return 0.0, False
    median = float(np.median(steps))
    is_usual = np.abs(steps - median) <= CLOCK_JITTER_S
    return float(steps[is_usual].mean()) if is_usual.mean() >= USUAL else median, bool(is_usual.all())


def slope(clock: np.ndarray) -> float:
    """Seconds per frame of the straight line nearest to the times of two or more frames."""
    places = np.arange(len(clock)) - (len(clock) - 1) / 2
    return float((places * clock).sum() / (places**2).sum())


def shown(dts: np.ndarray, discarded: np.ndarray, *, is_unordered: bool) -> tuple[np.ndarray, int]:
    """Which packets are shown, bool (packets,), and the number of packets that are hidden because the clock went back.

    If time stamps are in the order of decoding, an edit that removes the delay of reordering would remove frames; such
    an edit is ignored.
    """
    if discarded.all() or (is_unordered and discarded.sum() <= MAX_REORDERED):
        return np.ones(len(dts), bool), 0
    latest = np.maximum.accumulate(np.where(discarded, -np.inf, dts))
    return ~discarded, int((discarded & (dts <= latest)).sum())


def presentation_order(dts: np.ndarray, pts: np.ndarray, jump_s: float) -> np.ndarray:
    """Indices of the packets in the order of showing: by time stamp between two jumps of the decoding times."""
    steps = np.diff(dts)
    stretch = np.concatenate([[0], np.cumsum((steps > jump_s) | (steps < -BACK_S))])
    return np.lexsort((pts, stretch))


def gaps(steps: np.ndarray, step_s: float) -> tuple[int, float, int]:
    """Index of the longest gap, its seconds, and the frames that would fill all gaps; zeros without a usual rate."""
    if step_s <= 0:
        return 0, 0.0, 0
    wide = np.flatnonzero(steps > GAP * step_s)
    # If more than one step in twenty is wide, the rate is variable, and there are no gaps.
    if not len(wide) or len(wide) > len(steps) / 20:
        return 0, 0.0, 0
    missing = int(np.rint(steps[wide] / step_s - 1).sum())
    longest = int(wide[np.argmax(steps[wide])])
    return longest, float(steps[longest]), missing


def is_on_grid(clock: np.ndarray, fps: float) -> bool:
    """Whether every frame has its own position on a grid of ``fps``."""
    places = np.rint(clock * fps)
    is_off = np.abs(clock - places / fps) > FILM_JITTER_S
    is_off[1:] |= np.diff(places) < 1
    return int(is_off.sum()) <= (max(1, OFF_GRID * len(clock)) if len(clock) >= FPS else 0)
