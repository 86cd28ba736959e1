"""Cut every shot into clips of equal length (Sec. 5, step 2) and choose the frame that stands for each (Sec. 7.1).

in   results/shots/{trailer}.csv             start, end
     results/normalise/{trailer}.frames.h5   all frames at 48x27
out  results/clips/{clips}/{trailer}.csv     shot, start, end, padding, frame

    shot  |------------------------------|   30 frames
    clips |-- 24 ----------------|-- 6 --|xxxx 18 black
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trailers.domain import Clip, ClipStrategy, Shot
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.store.fingerprint import fingerprint
from trailers.store.frames import Frames, open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_header, read_spans, write_spans

SCHEMA = "clips/1"


@dataclass(frozen=True)
class Settings:
    """what shapes clips"""

    histogram_bins: int = setting("bins a colour channel in the histogram that chooses a clip's frame")


def cut_into_clips(shots: Sequence[Shot], *, frames: int) -> list[Clip]:
    """All clips of all shots, in order; the last of each shot is padded up to ``frames`` (Sec. 5, step 2)."""
    if frames < 1:
        raise ValueError(f"a clip has at least one frame, got {frames}")
    return [
        Clip(number, start, min(start + frames, shot.end), max(0, start + frames - shot.end))
        for number, shot in enumerate(shots)
        for start in range(shot.start, shot.end, frames)
    ]


def representative_frame(frames: np.ndarray, *, bins: int) -> int:
    """Index of the frame that looks most like the clip as a whole (Sec. 7.1).

    The frame whose colour histogram is nearest, in Euclidean distance, to the mean histogram of
    the clip; the first of equals. Padding must be cut off before.

    Args:
        frames: uint8 (frames, height, width, 3), RGB, one clip without padding.
        bins: bins a channel.

    Raises:
        ValueError: there are no frames, or ``bins`` does not divide 256.
    """
    if len(frames) == 0:
        raise ValueError("a clip without frames has no representative frame")
    if bins < 1 or 256 % bins:
        raise ValueError(f"bins must divide 256, got {bins}")
    histograms = colour_histograms(frames, bins)
    # Integers throughout: distances that are equal compare as equal, on every machine.
    distances = ((len(frames) * histograms - histograms.sum(axis=0)) ** 2).sum(axis=1)
    return int(distances.argmin())


def colour_histograms(frames: np.ndarray, bins: int) -> np.ndarray:
    """int64 (frames, 3 * bins): how many pixels of each frame fall in each bin of R, G and B."""
    channels = frames.reshape(len(frames), -1, 3) // (256 // bins) + np.arange(3, dtype=np.int64) * bins
    rows = channels.reshape(len(frames), -1) + np.arange(len(frames), dtype=np.int64)[:, None] * (3 * bins)
    return np.bincount(rows.ravel(), minlength=len(frames) * 3 * bins).reshape(len(frames), 3 * bins)


def choose_frames(clips: Sequence[Clip], frames: Frames, *, bins: int, step: int) -> list[Clip]:
    """The clips with their representative frames, chosen among those the strategy shows."""
    chosen = []
    for clip in clips:
        shown = frames.read(clip.start, clip.end)[::step]
        chosen.append(replace(clip, frame=clip.start + step * representative_frame(shown, bins=bins)))
    return chosen


def spans_of(strategy: ClipStrategy, shots: Sequence[Shot], frame_count: int) -> list[Shot]:
    """What is cut: the shots, or for Seq-f the whole trailer as one (Sec. 7.1)."""
    return list(shots) if strategy.kind == "shot" else [Shot(0, frame_count)]


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument(
        "--clips", type=ClipStrategy.parse, required=True, help="clip strategy, such as shot24 or seq32-fps8"
    )
    add_setting_flags(parser, Settings, "clips")


def run(arguments: argparse.Namespace) -> None:
    settings = from_flags(Settings, arguments)
    work = shard.ShardRun.from_flags("clips", arguments)
    settled, make = workers(work.layout, arguments.clips, settings)
    for trailer in work.unsettled(settled):
        work.attempt(trailer, make)
    work.finish()


def workers(
    layout: Layout, strategy: ClipStrategy, settings: Settings
) -> tuple[Callable[[str], LedgerRow | None], Callable[[str], LedgerRow]]:
    """The two functions of a shard run: is it settled, and make it."""

    def mark(trailer: str) -> str:
        # Seq-f clips do not depend on where the shots are, so another threshold leaves them alone.
        shots = read_header(layout.shots(trailer), schema=SHOTS_SCHEMA)
        read = shots["fingerprint"] if strategy.kind == "shot" else shots["frames_fingerprint"]
        return fingerprint(SCHEMA, settings, str(strategy), read)

    def row(trailer: str, clips: Sequence[Clip], mark: str) -> LedgerRow:
        path = layout.clips(str(strategy), trailer)
        padded = sum(clip.padding > 0 for clip in clips)
        facts = {"clips": len(clips), "padded": padded, "padding_frames": sum(clip.padding for clip in clips)}
        return LedgerRow(trailer, OK, str(path.relative_to(layout.root)), mark, facts)

    def settled(trailer: str) -> LedgerRow | None:
        path = layout.clips(str(strategy), trailer)
        if not path.exists():
            return None
        clips, header = read_spans(path, kind=Clip, schema=CLIPS_SCHEMA)
        wanted = mark(trailer)
        return row(trailer, clips, wanted) if header.get("fingerprint") == wanted else None

    def make(trailer: str) -> LedgerRow:
        wanted = mark(trailer)
        shots, _ = read_spans(layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        with open_frames(layout.frames(trailer)) as frames:
            cut = cut_into_clips(spans_of(strategy, shots, len(frames)), frames=strategy.frames)
            clips = choose_frames(cut, frames, bins=settings.histogram_bins, step=strategy.step)
            header: dict[str, str | int] = {"trailer": trailer, "frames": len(frames), "fingerprint": wanted}
        write_spans(layout.clips(str(strategy), trailer), clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)
        return row(trailer, clips, wanted)

    return settled, make
