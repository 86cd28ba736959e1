"""What a backbone is: a row. Standard library only, so that a job learns what it lacks before torch is imported.

shown frames      what the clip strategy shows of a clip, black padding at its end
wanted frames     what the network takes: one (2D), a fixed number, or all that are shown (3D)
resized, cropped  uint8, as published with the weights
normalised        float, inside ``trailers.backbones.embedder``; so padding is black before it
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from trailers.backbones import publishers
from trailers.domain import FPS, ClipStrategy

RANDOM_SEED = 0  # of weights that are not published ones but drawn (embed.random_weights)
RANDOM_WEIGHTS = f"random-seed-{RANDOM_SEED}"  # in place of a digest of weights, in files made with them

# Of a transform: resize, crop, interpolation, antialias, rounding of the crop.
Geometry = tuple[tuple[int, ...], tuple[int, int], str, bool, str]


@dataclass(frozen=True)
class Transform:
    """The transform published with the weights: resize, centre crop, scale to [0, 1], normalise.

    ``resize`` is (short side,), which keeps the aspect, or (height, width), which does not.
    """

    resize: tuple[int, ...]
    crop: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"
    antialias: bool = True
    crop_rounding: str = "nearest"  # of the first row and column; torchvision's, where transformers rounds "down"

    def __post_init__(self) -> None:
        if self.crop_rounding not in ("nearest", "down"):
            raise ValueError(f"a crop is rounded to the nearest pixel or down, got '{self.crop_rounding}'")
        if len(self.resize) not in (1, 2) or min(*self.resize, *self.crop) < 1:
            raise ValueError(
                f"a transform resizes to a short side or to height and width, got {self.resize} and {self.crop}"
            )
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(f"interpolation is bilinear or bicubic, got '{self.interpolation}'")

    @property
    def geometry(self) -> Geometry:
        """What rows must have in common to share resized frames."""
        return (self.resize, self.crop, self.interpolation, self.antialias, self.crop_rounding)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize, as torchvision rounds them: the long side is cut down."""
        if len(self.resize) == 2:
            return self.resize[0], self.resize[1]
        (side,) = self.resize
        if height <= width:
            return side, int(side * width / height)
        return int(side * height / width), side

    def identity(self) -> dict[str, Any]:
        """Plain values for a fingerprint. The rounding that all transforms once had is left out, as it was then."""
        values = asdict(self)
        if self.crop_rounding == "nearest":
            del values["crop_rounding"]
        return values

    def __str__(self) -> str:
        size = f"short side {self.resize[0]}" if len(self.resize) == 1 else f"{self.resize[0]}x{self.resize[1]}"
        how = self.interpolation + (", antialias" if self.antialias else "")
        crop = f"centre crop {self.crop[0]}x{self.crop[1]}" + (" (down)" if self.crop_rounding == "down" else "")
        return f"resize {size} ({how}), {crop}, (x / 255 - {self.mean}) / {self.std}"


def resized_side(transform: str) -> int | None:
    """The short side in px to which a transform resizes, from what ``str`` says of it; None where it says nothing."""
    match = re.match(r"resize (?:short side (\d+)|(\d+)x(\d+)) ", transform)
    return min(int(side) for side in match.groups() if side) if match else None


@dataclass(frozen=True)
class Weights:
    """Published weights. ``sha256`` may hold only the first digits, where no more is published."""

    name: str
    file: str  # in embed.weights_dir
    url: str = ""  # empty: brought by hand
    sha256: str = ""
    licence: str = "not stated"
    package: str = ""  # the installed package that ships the file, if one does
    note: str = ""  # where to get what has no url


@dataclass(frozen=True)
class About:
    """What is said of a backbone to people; no vector depends on it.

    ``multiply_adds`` are of one clip; of a network that takes all frames that are shown, of a clip that shows 24.
    Empty text, None and 0 stand for what is not known.
    """

    pooling: str = ""  # what becomes of the vectors of all places
    head: str = ""  # what becomes of the last layer
    fps: float | None = None  # of the clips that the weights were trained on; None for pictures
    clip_frames: int | None = None  # their frames
    parameters: int = 0
    multiply_adds: int = 0
    note: str = ""  # where the library differs from the publisher

    def __post_init__(self) -> None:
        texts = (self.pooling, self.head, self.note)
        if not all(isinstance(text, str) and len(text) <= 1000 and text.isprintable() for text in texts):
            raise ValueError(f"descriptions of a backbone are one line of text, got {texts}")
        counts = (self.parameters, self.multiply_adds, self.clip_frames or 0)
        if not all(type(count) is int and 0 <= count < 2**63 for count in counts):
            raise ValueError(f"parameters, multiply-adds and frames are whole numbers, got {counts}")
        if self.fps is not None and not (isinstance(self.fps, (int, float)) and 0 < self.fps <= 1000):
            raise ValueError(f"a frame rate is above 0 and at most 1000, got {self.fps!r}")

    @property
    def strategy(self) -> str:
        """The clip strategy nearest to what the weights were trained on, such as shot48-fps8; empty for pictures."""
        if self.fps is None or self.clip_frames is None:
            return ""
        rate = self.fps
        nearest = min((n for n in range(1, FPS + 1) if FPS % n == 0), key=lambda n: abs(math.log(n / rate)))
        return str(ClipStrategy("shot", self.clip_frames * FPS // nearest, nearest))


@dataclass(frozen=True)
class Row:
    """One backbone: network, weights, transform, and the frames it wants.

    ``frames`` is 1 for a 2D network, a number for a 3D network that takes exactly so many, None for
    a 3D network that takes all that are shown, but ``least_frames`` at least.
    """

    name: str
    library: str  # the module of this room that makes it
    model: str  # what the library calls it
    dimensions: int
    features: int  # F
    transform: Transform
    weights: Weights
    frames: int | None = 1
    least_frames: int = 1
    paper: str = ""  # its name in Table 6
    code_sha256: str = ""  # of the user's file, for a network of their own
    # Clips a batch, by measurement: on a CPU more of them leave the cache, on a GPU fewer leave it idle.
    batch_cpu: int = 16
    batch_cuda: int = 128
    config: str = ""  # of a repository's network: its config.json without names of classes
    make: Callable[[], Any] | None = field(default=None, compare=False)  # for a network of the user's own
    about: About = About()

    def __post_init__(self) -> None:
        if not isinstance(self.transform, Transform) or not isinstance(self.weights, Weights):
            raise ValueError(f"a row has a Transform and Weights, got {self.transform!r} and {self.weights!r}")
        if self.dimensions not in (2, 3) or self.features < 1 or (self.dimensions == 2) != (self.frames == 1):
            raise ValueError(f"a row is 2D with one frame or 3D with more, and has features, got {self}")

    @property
    def is_repository(self) -> bool:
        """Whether its weights are a folder: configuration, processor and weights of one network."""
        return bool(self.config)

    def wanted_frames(self, shown: int) -> int:
        """How many frames the network takes of a clip that shows ``shown``."""
        return max(shown, self.least_frames) if self.frames is None else self.frames

    def take(self, shown: int) -> tuple[int, ...]:
        """Which of the shown frames, by number, the network takes: spread evenly from first to last.

        Frame j of the n wanted is shown frame floor(j * (shown - 1) / (n - 1)): both ends are
        taken, frames are left out when fewer are wanted and repeated when more are. This is
        pytorchvideo's UniformTemporalSubsample, in integers.
        """
        wanted = self.wanted_frames(shown)
        if wanted == 1:
            return (0,)
        return tuple(j * (shown - 1) // (wanted - 1) for j in range(wanted))

    def identity(self) -> dict[str, Any]:
        """What shapes the vectors beside the weights' bytes; plain values for a fingerprint."""
        values = {
            # Of the user's own file not the path, which may change, but the name in it; its bytes are digested below.
            "backbone": self.model if self.library == "own" else self.name,
            "model": f"{self.library}:{self.model}",
            "transform": self.transform.identity(),
            "frames": [self.frames, self.least_frames],
            "features": self.features,
            "code": self.code_sha256,
        }
        values |= {"config": self.config} if self.config else {}
        # Where a library's own default is not taken; files made with it have another fingerprint.
        different = publishers.built(self.library, self.model)
        return {**values, "built": different} if different else values

    def facts(self) -> dict[str, str | int | float]:
        """What is known of the backbone beside its name and weights, as the attributes of its files have it."""
        about = self.about
        frames = f"{self.least_frames} or more" if self.frames is None else str(self.frames)
        found: dict[str, str | int | float] = {
            "pooling": about.pooling,
            "head": about.head,
            "input_size": f"{self.transform.crop[0]}x{self.transform.crop[1]}",
            "resized_short_side": min(self.transform.resize),
            "frames_wanted": frames,
            "trained_fps": about.fps or 0,
            "trained_clip_frames": about.clip_frames or 0,
            "suggested_clips": about.strategy,
            "licence": self.weights.licence,
            "parameters": about.parameters,
            "multiply_adds": about.multiply_adds,
            "note": about.note,
        }
        return {key: value for key, value in found.items() if value}


def clip_frames(row: Row, strategy: ClipStrategy, *, start: int, valid: int, frame: int) -> list[int]:
    """Which frames of the trailer fill a clip for ``row``; -1 is a black one.

    Args:
        start: the clip's first frame.
        valid: its frames without padding.
        frame: the one that stands for it.
    """
    if row.dimensions == 2:
        return [frame]
    black = math.ceil(valid / strategy.step)  # shown frames from here on are padding
    return [start + i * strategy.step if i < black else -1 for i in row.take(strategy.shown_frames)]
