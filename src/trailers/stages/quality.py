"""Flag trailers that may be unsuitable as data, and compute fingerprints of their pictures.

Sec. 3 of the paper excludes trailers with "spatial/temporal padding".

in   results/normalise/{trailer}.frames.h5   all frames at 48x27
     results/normalise/{trailer}.mp4         a few frames, to measure black bars exactly
     results/shots/{trailer}.csv             start, end
out  results/quality/{trailer}.json          flags with reasons and times, the active picture, fingerprints of pictures
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.domain import Shot
from trailers.errors import ConfigError, StoreError
from trailers.machine.watchdog import alive
from trailers.quality.flags import FLAGS, Flag, Limits
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, check_owner
from trailers.store.fingerprint import fingerprint
from trailers.store.frames import BLOCK, Frames, open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.quality import REMEDY, SCHEMA, FlagRow, QualityFile, read_quality, write_quality
from trailers.store.spans import SHOTS_SCHEMA, read_header, read_spans
from trailers.video import VideoFrames

if TYPE_CHECKING:
    import numpy as np

    from trailers.quality.judging import Picture
    from trailers.quality.looking import Seen
    from trailers.quality.picture import Bars

MEASURED = 9  # frames of the 24 fps video whose bars are measured


@dataclass(frozen=True)
class Settings:
    """thresholds of the flags"""

    bar_share: float = setting("share of the height or width that black bars cover together")
    dark_level: int = setting("maximum brightness of a black pixel, 0 to 255")
    dark_mean: float = setting("maximum mean brightness of a dark trailer, 0 to 255")
    black_s: float = setting("minimum duration of a black part, in seconds")
    static_s: float = setting("minimum duration of a part without change, except cards, in seconds")
    card_s: float = setting("minimum duration of a card at the start or the end, in seconds")
    min_shots: int = setting("trailers with fewer shots are flagged")

    def __post_init__(self) -> None:
        if not 0 < self.bar_share < 1:
            raise ConfigError(f"quality.bar_share: {self.bar_share} is not between 0 and 1. The default is 0.05.")
        if not 0 <= self.dark_level < 256:
            raise ConfigError(f"quality.dark_level: {self.dark_level} is not a brightness from 0 to 255.")
        for name in ("black_s", "static_s", "card_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"quality.{name}: {getattr(self, name)} is not above 0. Give seconds.")

    @property
    def limits(self) -> Limits:
        return Limits(**asdict(self))


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    add_setting_flags(parser, Settings, "quality")


def run(arguments: argparse.Namespace) -> None:
    shard.run_stage(Quality(Layout(arguments.results), (), from_flags(Settings, arguments)), arguments)


class Quality(Stage):
    """The flags of a trailer, and the fingerprints of its pictures."""

    name, folder, schema = "quality", "quality", SCHEMA
    settings: Settings

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.quality(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return self.layout.shots(trailer), self.layout.frames(trailer), self.layout.video(trailer)

    def fingerprint(self, trailer: str) -> str:
        shots = read_header(self.layout.shots(trailer), schema=SHOTS_SCHEMA)
        return fingerprint(SCHEMA, self.settings, shots["fingerprint"], shots["frames_fingerprint"])

    def read(self, trailer: str) -> LedgerRow:
        path = self.layout.quality(trailer)
        found = read_quality(path)
        check_owner(trailer, {"trailer": found.trailer}, path)
        unknown = [row.flag for row in found.flags if row.flag not in FLAGS]
        if unknown:
            raise StoreError(f"has the flag '{unknown[0]}', which is not known", where=path, remedy=REMEDY)
        return self.row_of(found)

    def row_of(self, found: QualityFile) -> LedgerRow:
        facts: dict[str, Any] = {
            "flags": {row.flag: row.reason for row in found.flags},
            "shots": int(found.measures["shots"]),
            "pictures": len(found.picture_frames),
        }
        return self.row(found.trailer, found.fingerprint, facts)

    def make(self, trailer: str) -> LedgerRow:
        from trailers.quality.looking import look
        from trailers.quality.prints import picture_frames, prints_of

        wanted, limits = self.fingerprint(trailer), self.settings.limits
        shots, _ = read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        with open_frames(self.layout.frames(trailer)) as frames:
            seen = look(blocks(frames), picture_frames(shots), dark_level=limits.dark_level)
            picture, flags = self.judge(trailer, seen, frames, len(shots))
        prints, tells = prints_of(seen.prints_from, picture.box)
        found = QualityFile(
            trailer, wanted, len(seen), {key: int(value) for key, value in asdict(picture).items()},
            measures(seen, picture, len(shots)), tuple(FlagRow(flag.flag, flag.reason, flag.spans) for flag in flags),
            seen.print_frames[tells], prints_by_view(prints[:, tells]),
        )  # fmt: skip
        write_quality(self.layout.quality(trailer), found)
        return self.row_of(found)

    def judge(self, trailer: str, seen: Seen, frames: Frames, shots: int) -> tuple[Picture, list[Flag]]:
        """The active picture, and every flag."""
        from trailers.quality import judging

        limits = self.settings.limits
        letterbox, pillarbox = judging.find_bars(seen, limits)
        picture = self.measure(trailer, seen, letterbox, pillarbox, frames)
        bright = judging.brightness(seen, picture)
        return picture, [
            *judging.flags_of_picture(picture, letterbox, pillarbox),
            *judging.flags_of_frames(seen, limits, lambda number: frames.read(number, number + 1)[0]),
            *judging.flags_of_whole(bright, shots, len(seen), limits),
        ]

    def measure(
        self, trailer: str, seen: Seen, letterbox: Bars | None, pillarbox: Bars | None, frames: Frames
    ) -> Picture:
        """The active picture in pixels of the 24 fps video, which is decoded only if there seem to be bars."""
        from trailers.quality.judging import Picture, chosen_frames, measured

        if letterbox is None and pillarbox is None:
            width, height = (int(frames.attributes[key]) for key in ("width_px", "height_px"))
            return Picture(width, height)
        with VideoFrames(self.layout.video(trailer)) as video:
            shown = video.batch(chosen_frames(seen, letterbox, pillarbox, most=MEASURED))
        return measured(shown, letterbox, pillarbox, level=self.settings.dark_level)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        path = self.layout.quality(trailer)
        try:
            frames = read_header(self.layout.shots(trailer), schema=SHOTS_SCHEMA).get("frames")
        except StoreError:
            return  # reported by the shots stage
        found = read_quality(path).frames
        if frames != str(found):
            raise StoreError(f"has {found} frames, but the shots have {frames}", where=path, remedy=REMEDY)


def blocks(frames: Frames) -> Iterator[np.ndarray]:
    """All frames in order, in portions."""
    for start in range(0, len(frames), BLOCK):
        alive()
        yield frames.read(start, min(start + BLOCK, len(frames)))


def measures(seen: Seen, picture: Picture, shots: int) -> dict[str, float]:
    """The measurements behind the flags, rounded so that they do not depend on the last bit."""
    from trailers.quality.judging import brightness

    black = float(seen.black.mean())
    return {"shots": shots, "mean_brightness": round(brightness(seen, picture), 1), "black_share": round(black, 4)}


def prints_by_view(prints: np.ndarray) -> dict[str, np.ndarray]:
    from trailers.quality.prints import VIEWS

    return dict(zip(VIEWS, prints, strict=True))
