"""The filters that put frames on the grid of 24 fps."""

from __future__ import annotations

from trailers.domain import FPS
from trailers.video.colours import Step
from trailers.video.timeline import FILM, Timeline

FINE: Step = ("settb", ("1/24000",), {})  # a time base in which the places of the grid are whole numbers
RATE_JITTER = 0.0005  # share by which a rate may differ from 24 or 24000/1001 and still be it


def on_grid(times: Timeline, *, is_telecined: bool = False) -> list[Step]:
    """Frame 0 is the first frame, and the grid starts there; a jump of the clock is left out.

    Film, at a constant 24 or 24000/1001 fps, is given frame for frame: in 17 minutes the grid is a second ahead.
    """
    return [*(counted(FPS) if is_telecined else clock(times)), ("fps", (FPS,), {})]


def counted(fps: float) -> list[Step]:
    """A clock that counts frames, where time stamps belong to others or there are none any more."""
    return [FINE, ("setpts", (f"round(N/({fps:.9g}*TB))",), {})]


def clock(times: Timeline) -> list[Step]:
    if times.is_unordered:
        return counted(frame_rate(times.fps))
    steps: list[Step] = [("setpts", (without_jumps(times),), {})]
    if times.is_film:
        steps += [FINE, ("setpts", (f"round(round(PTS*TB*24000/1001)/({FPS}*TB))",), {})]
    if times.starts_fast:
        # The grid shows the later of two frames; so that frame 0 is the first, the others wait for place 1.
        steps.append(("setpts", (f"if(N,max(PTS,ceil(0.5/({FPS}*TB))),PTS)",), {}))
    return steps


def frame_rate(fps: float) -> float:
    """24 for film, as ``on_grid`` gives it frame for frame, else the rate itself."""
    is_film = any(abs(fps / film - 1) < RATE_JITTER for film in (FPS, FILM))
    return FPS if is_film else fps


def without_jumps(times: Timeline) -> str:
    """The expression of a clock that starts at the first frame and goes on where time stamps jump.

    Variable 0 holds what was left out. At the end of the stream ffmpeg asks once more, for where the
    last frame ends: a last frame that lasts for hours is a jump too.
    """
    step = f"round({times.step_s or 1 / FPS:.9g}/TB)"
    passed = "PTS-PREV_INPTS"
    is_jump = f"gt({passed},{times.jump_s:g}/TB)+lt({passed},-{times.step_s / 2:.9g}/TB)"
    return f"if({is_jump},st(0,PREV_OUTPTS+{step}-PTS+STARTPTS));PTS-STARTPTS+ld(0)"
