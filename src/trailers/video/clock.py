"""The filters that put frames on the grid of 24 fps."""

from __future__ import annotations

from trailers.domain import FPS
from trailers.video.colours import Step
from trailers.video.timeline import FILM, Timeline

FINE: Step = ("settb", ("1/24000",), {})  # a time base in which the positions of the grid are whole numbers
RATE_JITTER = 0.0005  # share by which a rate that counts as 24 or 24000/1001 may differ from it


def on_grid(times: Timeline, *, is_telecined: bool = False) -> list[Step]:
    """The filters from source frames to 24 fps. The grid starts at the first frame; jumps of the clock are left out.

    Film, with a constant 24 or 24000/1001 fps, keeps exactly its frames; in 17 minutes it then gets a second ahead.
    """
    return [*(counted(FPS) if is_telecined else clock(times)), ("fps", (FPS,), {})]


def counted(fps: float) -> list[Step]:
    """A clock that counts frames, for frames whose time stamps are wrong or were lost."""
    return [FINE, ("setpts", (f"round(N/({fps:.9g}*TB))",), {})]


def clock(times: Timeline) -> list[Step]:
    if times.is_unordered:
        return counted(frame_rate(times.fps))
    steps: list[Step] = [("setpts", (without_jumps(times),), {})]
    if times.is_film:
        steps += [FINE, ("setpts", (f"round(round(PTS*TB*24000/1001)/({FPS}*TB))",), {})]
    if times.starts_fast:
        # Of two frames at one position, the grid shows the later. The others are delayed to position 1, so that frame 0
        # is the first frame.
        steps.append(("setpts", (f"if(N,max(PTS,ceil(0.5/({FPS}*TB))),PTS)",), {}))
    return steps


def frame_rate(fps: float) -> float:
    """24 for film, which keeps exactly its frames, otherwise the rate itself."""
    is_film = any(abs(fps / film - 1) < RATE_JITTER for film in (FPS, FILM))
    return FPS if is_film else fps


def without_jumps(times: Timeline) -> str:
    """The expression of a clock that starts at the first frame and leaves out jumps of time stamps.

    Variable 0 holds the sum of the jumps. At the end of the stream ffmpeg evaluates the expression once more, for the
    end of the last frame: a last frame that lasts for hours is a jump too.
    """
    step = f"round({times.step_s or 1 / FPS:.9g}/TB)"
    passed = "PTS-PREV_INPTS"
    is_jump = f"gt({passed},{times.jump_s:g}/TB)+lt({passed},-{times.step_s / 2:.9g}/TB)"
    return f"if({is_jump},st(0,PREV_OUTPTS+{step}-PTS+STARTPTS));PTS-STARTPTS+ld(0)"
