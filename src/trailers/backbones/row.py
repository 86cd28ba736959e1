"""The description of a backbone: a row. Standard library only, so that errors are found before torch is imported.

shown frames      the frames of a clip that the clip strategy keeps, with black padding at the end
wanted frames     the frames that the network takes: one (2D), a fixed number, or all shown frames (3D)
resized, cropped  uint8, as published with the weights
normalised        float, inside ``trailers.backbones.embedder``; padding is black before normalisation
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from trailers.backbones import publishers
from trailers.domain import FPS, ClipStrategy

RANDOM_SEED = 0  # of random weights, used instead of published ones (embed.random_weights)
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
    crop_rounding: str = "nearest"  # of the first row and column; transformers rounds "down"

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
        """The values that must be equal for two rows to share resized frames."""
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
        """Plain values for a fingerprint. The default rounding is left out, as before it could be chosen."""
        values = asdict(self)
        if self.crop_rounding == "nearest":
            del values["crop_rounding"]
        return values

    def __str__(self) -> str:
        size = f"short side {self.resize[0]}" if len(self.resize) == 1 else f"{self.resize[0]}x{self.resize[1]}"
        method = self.interpolation + (", antialias" if self.antialias else "")
        crop = f"centre crop {self.crop[0]}x{self.crop[1]}" + (" (down)" if self.crop_rounding == "down" else "")
        return f"resize {size} ({method}), {crop}, (x / 255 - {self.mean}) / {self.std}"


def resized_side(transform: str) -> int | None:
    """The short side in px to which a transform resizes, from its ``str``; None for other text."""
    match = re.match(r"resize (?:short side (\d+)|(\d+)x(\d+)) ", transform)
    return min(int(side) for side in match.groups() if side) if match else None


@dataclass(frozen=True)
class Weights:
    """Published weights. ``sha256`` may contain only the first digits, if no more are published."""

    name: str
    file: str  # in embed.weights_dir
    url: str = ""  # empty: the user puts the file there by hand
    sha256: str = ""
    licence: str = "not stated"
    package: str = ""  # the installed package that contains the file, if any
    note: str = ""  # where to get weights without a url


@dataclass(frozen=True)
class About:
    """A description of a backbone for people; vectors do not depend on it.

    ``multiply_adds`` are those of one clip; for a network that takes all shown frames, of a clip that shows 24.
    Empty text, None and 0 mean that a value is not known.
    """

    pooling: str = ""  # how the vectors of all positions are combined
    head: str = ""  # whether the last layer is removed
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
        """The clip strategy nearest to the clips of the training, such as shot48-fps8; empty for pictures."""
        if self.fps is None or self.clip_frames is None:
            return ""
        rate = self.fps
        nearest = min((n for n in range(1, FPS + 1) if FPS % n == 0), key=lambda n: abs(math.log(n / rate)))
        return str(ClipStrategy("shot", self.clip_frames * FPS // nearest, nearest))


@dataclass(frozen=True)
class Row:
    """One backbone: network, weights, transform, and the frames that it takes.

    ``frames`` is 1 for a 2D network, a number for a 3D network that takes exactly this number, None for
    a 3D network that takes all shown frames, with a minimum of ``least_frames``.
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
    # Clips per batch, as measured: on a CPU more do not fit into the cache, on a GPU fewer leave it idle.
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
        """The number of frames that the network takes of a clip with ``shown`` shown frames."""
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
        """Everything that shapes the vectors except the bytes of the weights; plain values for a fingerprint."""
        values = {
            # For a user's own file the name in it, not the path, which may change; its bytes are digested below.
            "backbone": self.model if self.library == "own" else self.name,
            "model": f"{self.library}:{self.model}",
            "transform": self.transform.identity(),
            "frames": [self.frames, self.least_frames],
            "features": self.features,
            "code": self.code_sha256,
        }
        values |= {"config": self.config} if self.config else {}
        # If a library's default is replaced, files made with the default have another fingerprint.
        different = publishers.built(self.library, self.model)
        return {**values, "built": different} if different else values

    def facts(self) -> dict[str, str | int | float]:
        """Facts about the backbone other than name and weights, as attributes of its files."""
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
    """The frames of the trailer that fill a clip for ``row``; -1 is a black frame.

    Args:
        start: the clip's first frame.
        valid: number of its frames without padding.
        frame: the frame that represents the clip.
    """
    if row.dimensions == 2:
        return [frame]
    black = math.ceil(valid / strategy.step)  # shown frames from here on are padding
    return [start + i * strategy.step if i < black else -1 for i in row.take(strategy.shown_frames)]
