"""The basic types: trailer, shot, clip, clip strategy. Time is frames at 24 fps; spans are [start, end)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from trailers.errors import ConfigError

FPS = 24  # frames per second of every normalised trailer (Sec. 3)

# The ten most popular IMDb genres, in the order of the published label file (Sec. 3).
GENRES = (
    "action",
    "adventure",
    "comedy",
    "crime",
    "drama",
    "fantasy",
    "horror",
    "romance",
    "sci-fi",
    "thriller",
)

SPLITS = (0, 1, 2)
SUBSETS = ("train", "validation", "test")  # a split's codes 0, 1, 2

TRAILER_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", re.ASCII)

# Names that Windows reserves, with any suffix.
RESERVED_NAMES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})


def is_safe_id(text: str) -> bool:
    """Whether ``text`` can name files and appear in commands on any system."""
    return TRAILER_ID.fullmatch(text) is not None and text.lower() not in RESERVED_NAMES


@dataclass(frozen=True)
class Trailer:
    """One row of the manifest."""

    trailer: str
    urls: tuple[str, ...]  # in the order in which they are tried; the first that can be downloaded is used
    title: str = ""
    genres: tuple[str, ...] = ()
    splits: tuple[int | None, int | None, int | None] = (None, None, None)
    poster: str = ""
    verified: bool = False  # a person has seen that the video is the trailer of this title


@dataclass(frozen=True, order=True)
class Shot:
    """Frames between two transitions."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a shot needs 0 <= start < end, got [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, order=True)
class Clip:
    """Frames of one shot; ``padding`` black frames follow up to the strategy's length.

    ``frame`` is the one that represents the clip in 2D backbones (Sec. 7.1), counted from the
    start of the trailer.
    """

    shot: int
    start: int
    end: int
    padding: int
    frame: int = -1

    def __post_init__(self) -> None:
        if self.shot < 0 or not 0 <= self.start < self.end or self.padding < 0:
            raise ValueError(f"a clip needs shot >= 0, 0 <= start < end, padding >= 0, got {self}")
        if self.frame == -1:
            object.__setattr__(self, "frame", self.start)
        if not self.start <= self.frame < self.end:
            raise ValueError(f"a clip's frame must be in [{self.start}, {self.end}), got {self.frame}")

    def __len__(self) -> int:
        return self.end - self.start + self.padding


@dataclass(frozen=True)
class ClipStrategy:
    """How a trailer is cut into clips: shot24, seq32, shot24-fps8 (Tables 2 and 3).

    ``frames`` is the clip's length at 24 fps. The backbone sees the first of every ``step`` frames, so a
    shot24-fps8 clip spans 24 frames and shows 8.
    """

    kind: str
    frames: int
    fps: int = FPS

    PATTERN = re.compile(r"(shot|seq)([1-9]\d{0,3})(?:-fps([1-9]\d?))?", re.ASCII)

    @classmethod
    def parse(cls, name: str) -> ClipStrategy:
        match = cls.PATTERN.fullmatch(name)
        if match is None:
            raise ConfigError(
                f"'{name}' is not a clip strategy. Write shot or seq, a number of frames and, for a lower "
                "frame rate, -fps and a divisor of 24, as in shot24, seq32 or shot24-fps8."
            )
        strategy = cls(match[1], int(match[2]), int(match[3] or FPS))
        if FPS % strategy.fps or strategy.frames % strategy.step:
            raise ConfigError(
                f"clip strategy '{name}': {strategy.fps} fps must divide {FPS}, and the step of "
                f"{FPS / strategy.fps:g} frames must divide the clip's {strategy.frames}. Use fps 4, 6, 8 or 12."
            )
        return strategy

    @property
    def step(self) -> int:
        return FPS // self.fps

    @property
    def shown_frames(self) -> int:
        """Number of frames per clip that a backbone gets, padding included."""
        return self.frames // self.step

    def __str__(self) -> str:
        return f"{self.kind}{self.frames}" + ("" if self.fps == FPS else f"-fps{self.fps}")


# A user's own backbone in a Python file whose path keeps all its distinguishing letters when it becomes a folder name.
PLAIN_FILE = re.compile(r"/?(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.py:[A-Za-z_]\w*", re.ASCII)


# The name of a library's model: timm:vit_base.dino, transformers:org/repository?pool=avg&size=224.
LIBRARY_NAME = re.compile(
    r"(?P<library>[a-z_]+):(?P<model>[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)?)"
    r"(?:\?(?P<choices>[a-z]+=[A-Za-z0-9_.-]+(?:&[a-z]+=[A-Za-z0-9_.-]+)*))?",
    re.ASCII,
)


def canonical_name(backbone: str) -> str:
    """The same name with its choices sorted: timm:vit?size=224&pool=avg -> timm:vit?pool=avg&size=224."""
    match = LIBRARY_NAME.fullmatch(backbone)
    if match is None or match["choices"] is None:
        return backbone
    return f"{match['library']}:{match['model']}?{'&'.join(sorted(match['choices'].split('&')))}"


def folder_name(backbone: str) -> str:
    """The name a backbone has in paths: timm:vit_base.dino?size=224 -> timm-vit_base.dino+size-224.

    Two models of libraries never share a folder: ``+`` occurs in no part of a name and separates the parts, ``++``
    replaces the slash, and the key of a choice never contains ``-``. If the path of a user's own file loses letters
    that distinguish it from another file, a digest is appended.

    Raises:
        ConfigError: no letter or digit of the name remains.
    """
    match = LIBRARY_NAME.fullmatch(canonical_name(backbone))
    if match is not None:
        choices = (match["choices"] or "").replace("=", "-").replace("&", "+")
        return f"{match['library']}-{match['model'].replace('/', '++')}" + (f"+{choices}" if choices else "")
    written = re.sub(r"^(?:\./+)+", "", backbone)  # ./net.py and net.py are the same file
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", written).strip(".-")
    if ".py:" in written and not PLAIN_FILE.fullmatch(written):
        digest = hashlib.sha256(written.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return f"{name}-{digest}"
    if not name:
        raise ConfigError(
            f"{backbone!r} is not a name of a backbone", remedy="`python -m trailers backbones` lists the names."
        )
    return name
