"""The plans of the demo's trailers: looks, shots and transitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CUT, DISSOLVE, FADE = "cut", "dissolve", "fade"
TRANSITION_FRAMES = {CUT: 0, DISSOLVE: 12, FADE: 20}

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """How a genre looks: the length of its shots, movement and colours."""

    shot_frames: tuple[int, int]  # shortest and longest shot
    speed: int  # maximum movement of the background, px per frame
    palettes: tuple[tuple[Colour, Colour, Colour], ...]  # dark, middle, light; a shot takes one


LOOKS = {
    # Fast, warm, hard contrast: slanted stripes.
    "action": Look(
        (16, 32),
        6,
        (
            ((10, 2, 0), (216, 82, 10), (255, 214, 140)),
            ((0, 6, 10), (70, 10, 6), (230, 120, 40)),
            ((60, 16, 0), (255, 170, 20), (255, 252, 230)),
            ((4, 14, 18), (20, 60, 64), (250, 130, 40)),
        ),
    ),
    # Slow, dim, blue: hills under a soft sky.
    "drama": Look(
        (48, 84),
        1,
        (
            ((2, 4, 12), (20, 34, 66), (84, 104, 140)),
            ((10, 12, 16), (50, 58, 70), (120, 130, 138)),
            ((0, 8, 14), (8, 50, 66), (50, 110, 120)),
            ((8, 4, 18), (44, 34, 80), (112, 100, 150)),
        ),
    ),
    # Bright and saturated: dots and large balls.
    "comedy": Look(
        (30, 54),
        4,
        (
            ((255, 40, 140), (255, 200, 40), (255, 255, 255)),
            ((0, 130, 255), (60, 230, 120), (240, 255, 120)),
            ((110, 30, 230), (255, 90, 190), (255, 230, 120)),
            ((240, 255, 90), (120, 230, 40), (255, 80, 60)),
        ),
    ),
}


@dataclass(frozen=True)
class Plan:
    """One trailer to make. Several looks take turns, shot by shot."""

    trailer: str
    looks: tuple[str, ...]
    duration_s: int
    fps: int
    width_px: int
    height_px: int
    seed: int


# Rates and sizes differ so that normalise has something to do.
PLANS = (
    Plan("demo-action-1", ("action",), 10, 24, 640, 480, 11),
    Plan("demo-action-2", ("action",), 9, 25, 848, 480, 12),
    Plan("demo-action-3", ("action",), 20, 30, 640, 480, 13),
    Plan("demo-action-4", ("action",), 8, 25, 640, 480, 14),
    Plan("demo-drama-1", ("drama",), 14, 24, 640, 480, 21),
    Plan("demo-drama-2", ("drama",), 12, 25, 640, 480, 22),
    Plan("demo-drama-3", ("drama",), 13, 30, 640, 480, 23),
    Plan("demo-comedy-1", ("comedy",), 10, 25, 640, 480, 31),
    Plan("demo-comedy-2", ("comedy",), 12, 24, 848, 480, 32),
    Plan("demo-comedy-3", ("comedy",), 9, 30, 640, 480, 33),
    Plan("demo-action-comedy", ("action", "comedy"), 10, 24, 640, 480, 41),
    Plan("demo-comedy-drama", ("comedy", "drama"), 12, 25, 640, 480, 42),
)


@dataclass(frozen=True)
class PlannedShot:
    """One shot of a plan, [start, end), and how it begins."""

    look: str
    start: int
    end: int
    transition: str
    seed: int


def plan_shots(plan: Plan) -> list[PlannedShot]:
    """The shots of ``plan``, end to end. The fourth begins with a dissolve, the sixth with a fade."""
    random = np.random.default_rng(plan.seed)
    total = plan.duration_s * plan.fps
    shots: list[PlannedShot] = []
    start = 0
    while start < total:
        number = len(shots)
        look = plan.looks[number % len(plan.looks)]
        shortest, longest = LOOKS[look].shot_frames
        end = start + int(random.integers(shortest, longest + 1))
        if total - end < shortest:
            end = total
        transition = {3: DISSOLVE, 5: FADE}.get(number, CUT) if end - start > max(TRANSITION_FRAMES.values()) else CUT
        shots.append(PlannedShot(look, start, end, transition, plan.seed * 1000 + number))
        start = end
    return shots


def transitions(shots: Sequence[PlannedShot]) -> list[tuple[str, int, int]]:
    """kind, frame, frames of every transition, in order."""
    return [(shot.transition, shot.start, TRANSITION_FRAMES[shot.transition]) for shot in shots[1:]]
