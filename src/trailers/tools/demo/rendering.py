"""The frames of a planned trailer: moving patterns, one per shot, and the transitions between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from trailers.tools.demo.plans import DISSOLVE, FADE, LOOKS, TRANSITION_FRAMES, Plan, PlannedShot, plan_shots

WHOLE = 256  # shares are counted in 256ths


def value_noise(random: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> np.ndarray:
    """float32 (height, width) in [0, 1] that tiles without a seam; ``cells`` across, the coarsest first."""
    field = np.zeros((height, width), np.float32)
    for octave, count in enumerate(cells):
        lattice = random.random((count, count), dtype=np.float32)
        field += spread_ring(spread_ring(lattice, height).T, width).T / 2**octave
    return np.asarray((field - field.min()) / (field.max() - field.min()))


def spread_ring(points: np.ndarray, size: int) -> np.ndarray:
    """float32 (size, ...): the rows of ``points`` spread evenly on a ring, and smoothly in between."""
    places = np.arange(size, dtype=np.float32) * len(points) / size
    before = places.astype(int)
    share = (places - before)[:, None]
    share = share * share * (3 - 2 * share)
    return np.asarray(points[before] * (1 - share) + points[(before + 1) % len(points)] * share)


def stripes(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The background and the mask of the foreground for action: both slanted."""
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    slant, count = random.choice((-2, -1, 1, 2)), random.integers(2, 9)
    ramp = (columns / width * count + rows / height * slant) % 1
    field = 0.4 * ramp + 0.6 * value_noise(random, height, width, (4, 8, 16, 64))
    shards = (columns / width * 2 - rows / height * slant) % 1 < random.uniform(0.05, 0.3)
    return field, shards


def hills(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The background and the mask of the foreground for drama: a sky and the hills before it."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    sky = value_noise(random, height, width, (3, 6, 12))
    glow = 1 - np.abs(rows - random.uniform(0.1, 0.9)) * 1.6
    crest = random.uniform(0.45, 0.8) + 0.2 * value_noise(random, 2, width, (4, 8, 16))[:1]
    return 0.5 * sky + 0.5 * np.clip(glow, 0, 1), rows > crest


def dots(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The background and the mask of the foreground for comedy: dots and balls."""
    rows, columns = np.ogrid[0:height, 0:width]
    cell = int(random.choice((16, 32, 64)))
    inside = discs(rows, columns, cell, random.uniform(0.2, 0.4))
    field = 0.4 * inside + 0.6 * value_noise(random, height, width, (3, 6, 48))
    return field, discs(rows, columns, 128, random.uniform(0.2, 0.4))


def discs(rows: np.ndarray, columns: np.ndarray, cell: int, radius: float) -> np.ndarray:
    """A mask of discs of ``radius`` cells, one in the middle of every cell."""
    return (rows % cell - cell / 2) ** 2 + (columns % cell - cell / 2) ** 2 < (radius * cell) ** 2


PATTERNS = {"action": stripes, "drama": hills, "comedy": dots}
TILE = (256, 512)  # height and width of a shot's picture, which repeats
ZOOM = 2  # every point of a tile becomes ZOOM x ZOOM px, which saves three quarters of the computation


class MovingPicture:
    """The moving picture of one shot: a background, and a foreground that moves at another speed."""

    def __init__(self, shot: PlannedShot, height_px: int, width_px: int) -> None:
        random = np.random.default_rng(shot.seed)
        look = LOOKS[shot.look]
        # Neighbours never share a palette, or a cut could hide.
        palette = np.array(look.palettes[shot.seed % len(look.palettes)], np.float32)
        field, mask = PATTERNS[shot.look](random, *TILE)
        self.height, self.width = height_px, width_px
        self.back = self.spread(paint(field, palette))
        self.front = self.spread(paint(value_noise(random, *TILE, (8, 32, 128)), palette[::-1] * 0.8))
        # Three bytes per pixel, all ones or all zeros: choosing by bits is many times faster than by a condition.
        self.mask = self.spread(np.repeat(np.broadcast_to(mask, TILE)[..., None], 3, axis=2) * np.uint8(255))
        direction = random.choice((-1, 1), 2)
        self.speed = (int(direction[0]) * (look.speed // 3), int(direction[1]) * look.speed)

    def spread(self, tile: np.ndarray) -> np.ndarray:
        """The tile, repeated so that a frame may start anywhere in its first copy."""
        return np.tile(tile.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1), (2, 2, 1))

    def frame(self, age: int) -> np.ndarray:
        """uint8 (height, width, 3), RGB, ``age`` frames after the shot began; it may be negative."""
        back, front = self.window(self.back, age, 1), self.window(self.front, age, 2)
        return np.asarray(back ^ ((back ^ front) & self.window(self.mask, age, 2)))

    def window(self, picture: np.ndarray, age: int, pace: int) -> np.ndarray:
        # Slow pictures move only sideways, so that the hills of drama stay on the ground.
        top, left = (age * pace * speed % (ZOOM * size) for speed, size in zip(self.speed, TILE, strict=True))
        return picture[top : top + self.height, left : left + self.width]


def paint(field: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """uint8 (height, width, 3): [0, 1] becomes dark, middle, light."""
    levels = np.arange(256) / 255
    table = np.stack([np.interp(levels, (0, 0.5, 1), palette[:, channel]) for channel in range(3)], axis=1)
    return np.asarray(table.astype(np.uint8)[(np.clip(field, 0, 1) * 255).astype(np.uint8)])


def render(plan: Plan) -> Iterator[np.ndarray]:
    """The frames of ``plan``, uint8 (height, width, 3), RGB."""
    shots = plan_shots(plan)
    moving: dict[int, MovingPicture] = {}
    for number, shot in enumerate(shots):
        for frame in range(shot.start, shot.end):
            # The transition into this shot, or the one into the next, whichever is nearer.
            next_one = number + 1 if 2 * frame >= shot.start + shot.end and number + 1 < len(shots) else number
            near = share_of_nearer(frame, shots[next_one])
            needed = {number} if near == WHOLE else {next_one - 1, next_one}
            moving = {
                at: moving.get(at) or MovingPicture(shots[at], plan.height_px, plan.width_px) for at in sorted(needed)
            }
            pictures = {at: picture.frame(frame - shots[at].start) for at, picture in moving.items()}
            others = [pictures[at] for at in needed - {number}]
            yield mix(pictures[number], others[0], near, shots[next_one].transition) if others else pictures[number]


def share_of_nearer(frame: int, shot: PlannedShot) -> int:
    """How strongly ``frame`` shows the shot it belongs to near the transition into ``shot``, in 256ths.

    Integers, so that every machine makes the same bytes.
    """
    half = TRANSITION_FRAMES[shot.transition] // 2
    distance = frame - shot.start  # ... -2 -1 | 0 1 ...
    if not -half <= distance < half:
        return WHOLE
    lit = WHOLE * abs(2 * distance + 1) // (2 * half)
    return lit if shot.transition == FADE else WHOLE // 2 + lit // 2


def mix(picture: np.ndarray, other: np.ndarray, share: int, transition: str) -> np.ndarray:
    """``share`` 256ths of ``picture``; the rest is ``other`` in a dissolve, black in a fade."""
    mixed = picture.astype(np.uint16) * share
    if transition == DISSOLVE:
        mixed += other.astype(np.uint16) * (WHOLE - share)
    return (mixed >> 8).astype(np.uint8)
