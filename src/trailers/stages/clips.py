"""Cut every shot into clips of equal length (Sec. 5, step 2) and choose a representative frame of each (Sec. 7.1).

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
from functools import cached_property
from pathlib import Path

import numpy as np

from trailers.domain import Clip, ClipStrategy, Shot
from trailers.errors import StoreError
from trailers.machine.watchdog import alive
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, check_owner
from trailers.store.fingerprint import fingerprint
from trailers.store.frames import open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_header, read_spans, write_spans

SCHEMA = "clips/1"


@dataclass(frozen=True)
class Settings:
    """options that change the clips"""

    histogram_bins: int = setting("histogram bins per colour channel, to choose the representative frame")


def cut_into_clips(shots: Sequence[Shot], *, frames: int) -> list[Clip]:
    """All clips of all shots, in order; the last clip of a shot is padded to ``frames`` (Sec. 5, step 2)."""
    if frames < 1:
        raise ValueError(f"a clip has at least one frame, got {frames}")
    return [
        Clip(number, start, min(start + frames, shot.end), max(0, start + frames - shot.end))
        for number, shot in enumerate(shots)
        for start in range(shot.start, shot.end, frames)
    ]


def representative_frame(frames: np.ndarray, *, bins: int) -> int:
    """Index of the frame that looks most like the clip as a whole (Sec. 7.1).

    The frame whose colour histogram is nearest, in Euclidean distance, to the mean histogram of the clip; of several
    such frames, the first.

    Args:
        frames: uint8 (frames, height, width, 3), RGB, one clip without padding.
        bins: bins per channel.

    Raises:
        ValueError: there are no frames, or ``bins`` does not divide 256.
    """
    if len(frames) == 0:
        raise ValueError("a clip without frames has no representative frame")
    if bins < 1 or 256 % bins:
        raise ValueError(f"bins must divide 256, got {bins}")
    histograms = colour_histograms(frames, bins)
    # Integers, so that equal distances compare as equal on every machine.
    distances = ((len(frames) * histograms - histograms.sum(axis=0)) ** 2).sum(axis=1)
    return int(distances.argmin())


def colour_histograms(frames: np.ndarray, bins: int) -> np.ndarray:
    """int64 (frames, 3 * bins): number of pixels of each frame in each bin of R, G and B."""
    channels = frames.reshape(len(frames), -1, 3) // (256 // bins) + np.arange(3, dtype=np.int64) * bins
    rows = channels.reshape(len(frames), -1) + np.arange(len(frames), dtype=np.int64)[:, None] * (3 * bins)
    return np.bincount(rows.ravel(), minlength=len(frames) * 3 * bins).reshape(len(frames), 3 * bins)


def choose_frames(clips: Sequence[Clip], read: Callable[[int, int], np.ndarray], *, bins: int, step: int) -> list[Clip]:
    """The clips with their representative frames, chosen among the frames that the strategy uses.

    Args:
        clips: clips without representative frames.
        read: gives the frames [start, end) of the trailer, uint8 (end - start, 27, 48, 3).
        bins: bins per channel.
        step: the strategy uses the first of every ``step`` frames.
    """
    chosen = []
    for clip in clips:
        alive()
        shown = read(clip.start, clip.end)[::step]
        chosen.append(replace(clip, frame=clip.start + step * representative_frame(shown, bins=bins)))
    return chosen


def spans_of(strategy: ClipStrategy, shots: Sequence[Shot], frame_count: int) -> list[Shot]:
    """The spans that are cut into clips: the shots, or for Seq-f the whole trailer (Sec. 7.1)."""
    return list(shots) if strategy.kind == "shot" else [Shot(0, frame_count)]


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument(
        "--clips", type=ClipStrategy.parse, required=True, help="clip strategy, such as shot24 or seq32-fps8"
    )
    add_setting_flags(parser, Settings, "clips")


def run(arguments: argparse.Namespace) -> None:
    variant = (str(arguments.clips),)
    shard.run_stage(Clips(Layout(arguments.results), variant, from_flags(Settings, arguments)), arguments)


class Clips(Stage):
    """The clips of one strategy."""

    name, folder, schema, axes = "clips", "clips", SCHEMA, ("clips",)
    settings: Settings

    @cached_property
    def strategy(self) -> ClipStrategy:
        return ClipStrategy.parse(self.variant[0])

    def path(self, trailer: str) -> Path:
        return self.layout.clips(self.variant[0], trailer)

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.path(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return self.layout.shots(trailer), self.layout.frames(trailer)

    def fingerprint(self, trailer: str) -> str:
        # Seq-f clips do not depend on the shots, so another threshold does not make them outdated.
        shots = read_header(self.layout.shots(trailer), schema=SHOTS_SCHEMA)
        read = shots["fingerprint"] if self.strategy.kind == "shot" else shots["frames_fingerprint"]
        return fingerprint(SCHEMA, self.settings, str(self.strategy), read)

    def stored_fingerprint(self, trailer: str) -> str:
        return read_header(self.path(trailer), schema=CLIPS_SCHEMA)["fingerprint"]

    def read(self, trailer: str) -> LedgerRow:
        clips, header = read_spans(self.path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        check_owner(trailer, header, self.path(trailer))
        return self.row_of(trailer, clips, header["fingerprint"])

    def row_of(self, trailer: str, clips: Sequence[Clip], fingerprint: str) -> LedgerRow:
        padded = sum(clip.padding > 0 for clip in clips)
        facts = {"clips": len(clips), "padded": padded, "padding_frames": sum(clip.padding for clip in clips)}
        return self.row(trailer, fingerprint, facts)

    def make(self, trailer: str) -> LedgerRow:
        wanted, strategy = self.fingerprint(trailer), self.strategy
        shots, _ = read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        with open_frames(self.layout.frames(trailer)) as frames:
            cut = cut_into_clips(spans_of(strategy, shots, len(frames)), frames=strategy.frames)
            clips = choose_frames(cut, frames.read, bins=self.settings.histogram_bins, step=strategy.step)
            header: dict[str, str | int] = {"trailer": trailer, "frames": len(frames), "fingerprint": wanted}
        write_spans(self.path(trailer), clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)
        return self.row_of(trailer, clips, wanted)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        clips, _ = read_spans(self.path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        try:
            shots, _ = read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        except StoreError:
            shots = []  # reported by the shots stage
        wrong = fault_of_clips(clips, self.strategy, shots)
        if wrong:
            raise StoreError(wrong, where=self.path(trailer), remedy="Remove it and rerun the clips stage.")


def fault_of_clips(clips: Sequence[Clip], strategy: ClipStrategy, shots: Sequence[Shot]) -> str:
    """What is wrong with ``clips``, or "". They are compared with ``shots`` only if there are any."""
    if not clips:
        return "has no clips"
    if any(len(clip) != strategy.frames for clip in clips):
        return f"has a clip whose length is not {strategy.frames} frames"
    if strategy.kind == "shot" and shots:
        if clips[-1].shot != len(shots) - 1:
            return f"has clips of {clips[-1].shot + 1} shots, but the trailer has {len(shots)} shots"
        if any(not shots[clip.shot].start <= clip.start < clip.end <= shots[clip.shot].end for clip in clips):
            return "has a clip that extends beyond its shot"
    return ""
