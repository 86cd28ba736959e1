"""Re-encode videos to constant 24 fps, and keep all frames at the size for shot detection (Sec. 3).

in   results/download/{trailer}.json          names the downloaded video
out  results/normalise/{trailer}.mp4          24 fps, square pixels, upright, no audio
     results/normalise/{trailer}.frames.h5    all its frames at 48x27, and a record of the conversion

The downloaded video is decoded only here, and only once. The 48x27 frames are made from its own pixels, not from the
smaller mp4.

    source  25 fps  |0 |1 |2 |3 |4 |5 | ...
    24 fps          |0  |1 |2  |3  |4  |...      frames are dropped or repeated, and counted
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.errors import ConfigError, StoreError, VideoError
from trailers.machine.threads import CORES_PER_VIDEO, job_cores
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, Work, check_owner
from trailers.store.atomic import atomic
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.frames import BLOCK, FramesWriter, open_frames, write_frames
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow
from trailers.store.receipt import check_reference, read_receipt, source_of
from trailers.video import (
    Converted,
    Probe,
    VideoFrames,
    convert,
    crowded,
    frame_counts,
    is_telecined,
    probe,
    read_fingerprint,
    share_of_frames,
    warnings,
)

if TYPE_CHECKING:
    import numpy as np

SCHEMA = "normalise/2"

# Attributes that identify the frames file; all other attributes are facts of the ledger.
IDENTITY = ("schema", "trailer", "fingerprint", "video_bytes", "video_sha256")


REMEDY = "Remove it and rerun the normalise stage."


@dataclass(frozen=True)
class Settings:
    """options that change the 24 fps video"""

    short_side: int | None = setting("maximum length of the shorter side in px; none keeps the size")
    crf: int = setting("x264 quality, 0 to 51; lower values give better and larger videos")
    gop: int = setting("maximum number of frames between key frames")
    min_share: float = setting("minimum share of its frames that a damaged video must have")
    max_hours: float = setting("maximum duration in hours; longer videos are refused")

    def __post_init__(self) -> None:
        # ffmpeg would also refuse such values, but for each video, and each trailer would be recorded as dead.
        limits = {
            "short_side must be at least 16, or null": self.short_side is None or self.short_side >= 16,
            "crf must be 0 to 51": 0 <= self.crf <= 51,
            "gop must be at least 1": self.gop >= 1,
            "min_share must be 0 to 1": 0 <= self.min_share <= 1,
            "max_hours must be above 0": self.max_hours > 0,
        }
        for limit, is_kept in limits.items():
            if not is_kept:
                raise ConfigError(f"config.yaml: normalise.{limit}, got {getattr(self, limit.split()[0])}. Correct it.")


@dataclass(frozen=True)
class Effort:
    """performance options (do not change the 24 fps video)"""

    stall_s: float = setting("seconds without a new frame after which decoding stops")


def facts_of(seen: Probe, made: Converted, share: float, warned: Sequence[str]) -> dict[str, Any]:
    """The facts of one trailer for the ledger and the frames file; ``warned`` are warnings as sentences."""
    facts = {
        "frames": made.frames,
        "frames_duplicated": made.frames_duplicated,
        "frames_dropped": made.frames_dropped,
        "source_frames": made.source_frames,
        "decode_errors": made.decode_errors,
        "frames_corrupt": made.frames_corrupt,
        "frames_share": round(share, 4),
        "first_s": round(seen.first_s, 3),
        "source_fps": round(seen.fps, 3),
        "variable_rate": made.is_variable_rate,
        "longest_gap_s": made.longest_gap_s,
        "width_px": made.width,
        "height_px": made.height,
        "source_width_px": seen.width,
        "source_height_px": seen.height,
        "pixel_aspect": f"{seen.pixel_aspect.numerator}:{seen.pixel_aspect.denominator}",
        "turned": "+".join(seen.turn) or "no",
        "interlaced": seen.is_interlaced,
        "tone_mapped": seen.hdr or "no",
        "colour": f"{seen.pix_fmt} {seen.matrix} {seen.range}",
        "codec": seen.codec,
        "container": seen.container,
        "video_streams": seen.video_streams,
    }
    return {**facts, "warnings": "; ".join(warned)} if warned else facts


def check_share(source: Path, seen: Probe, made: Converted, share: float, *, min_share: float) -> None:
    """Raise VideoError if more frames are damaged or missing than the settings allow."""
    if share < min_share:
        words = f'; ffmpeg: "{made.complaints[0]}"' if made.complaints else ""
        absent = seen.frames_cut_off + seen.times.frames_hidden
        lost = crowded(seen, made)
        lost_words = f", {lost} with the time stamp of the frame before" if lost else ""
        raise VideoError(
            f"only {share:.1%} of its frames could be decoded without errors ({made.source_frames} decoded, "
            f"{made.decode_errors} errors, {made.frames_corrupt} corrupt, {absent} cut off or hidden{lost_words}"
            f"{words}), less than normalise.min_share of {min_share:.0%}",
            where=source,
            remedy="Download it again.",
            reason="too few frames decoded",
        )


def check_counts(path: Path, frames: int) -> None:
    """Raise VideoError unless all readers of the 24 fps video count as many frames as were stored for detection."""
    counts = frame_counts(path)
    wrong = {reader: count for reader, count in counts.items() if count != frames}
    if wrong:
        found = ", ".join(f"{reader} {count}" for reader, count in wrong.items())
        raise VideoError(
            f"{frames} frames were stored for detection, but readers of the 24 fps video count differently: {found}. "
            "Report this video.",
            reason="frame counts differ",
        )


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    add_setting_flags(parser, Settings, "normalise")
    add_setting_flags(parser, Effort, "normalise")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    shard.run_stage(Normalise(Layout(arguments.results), (), settings, effort), arguments)


class Normalise(Stage):
    """The 24 fps video of a trailer, and its frames for detection."""

    name, folder, schema = "normalise", "normalise", SCHEMA
    settings: Settings
    effort: Effort

    def products(self, trailer: str) -> tuple[Path, ...]:
        return self.layout.video(trailer), self.layout.frames(trailer)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.receipt(trailer),)

    def source(self, trailer: str) -> tuple[Path, str]:
        """The video as published, and its sha256."""
        receipt = read_receipt(self.layout.receipt(trailer))
        if receipt.status != OK:
            raise VideoError(
                f"the video was not downloaded: {receipt.error}",
                where=self.layout.receipt(trailer),
                reason="not downloaded",
            )
        return source_of(self.layout.receipt(trailer), receipt), receipt.sha256

    def fingerprint(self, trailer: str) -> str:
        # The digest of the bytes: if the same video is downloaded again, nothing is outdated.
        return fingerprint(SCHEMA, self.settings, self.source(trailer)[1])

    def read(self, trailer: str) -> LedgerRow:
        video, path = self.products(trailer)
        with open_frames(path) as frames:
            attributes = frames.attributes
        check_owner(trailer, attributes, path)
        if not video.is_file():
            raise StoreError("does not exist, but its frames file does", where=video, remedy=REMEDY)
        size = video.stat().st_size
        if size != attributes.get("video_bytes"):
            wrong = f"has {size:,} bytes, but its frames file says {attributes.get('video_bytes', 0):,}"
            raise StoreError(wrong, where=video, remedy=REMEDY)
        return self.row_of(trailer, attributes)

    def row_of(self, trailer: str, attributes: Mapping[str, Any]) -> LedgerRow:
        facts = {key: value for key, value in attributes.items() if key not in IDENTITY}
        return self.row(trailer, str(attributes["fingerprint"]), facts, self.layout.video(trailer))

    def make(self, trailer: str) -> LedgerRow:
        settings = self.settings
        source, wanted = self.source(trailer)[0], self.fingerprint(trailer)
        if not source.exists():
            raise StoreError(
                "does not exist, but its receipt does", where=source,
                remedy=f"Remove {self.layout.receipt(trailer)} and rerun snakemake.",
            )  # fmt: skip
        receipt = read_receipt(self.layout.receipt(trailer))
        check_reference(self.layout.receipt(trailer), receipt)
        seen = probe(source)
        telecined = is_telecined(source, seen)
        # The frames file appears last: if it exists, both exist.
        with write_frames(self.layout.frames(trailer)) as writer, atomic(self.layout.video(trailer)) as target:
            made = convert(
                source, target, self.receiver(writer), seen=seen, short_side=settings.short_side, crf=settings.crf,
                gop=settings.gop, max_hours=settings.max_hours, fingerprint=wanted, stall_s=self.effort.stall_s,
                is_telecined=telecined,
            )  # fmt: skip
            share = share_of_frames(seen, made)
            check_share(source, seen, made, share, min_share=settings.min_share)
            check_counts(target, len(writer))
            identity = {"video_bytes": target.stat().st_size, "video_sha256": sha256_of(target)}
            warned = warnings(seen, made, is_telecined=telecined, promised_s=receipt.facts.get("promised_s"))
            facts = facts_of(seen, made, share, warned)
            attributes = {"trailer": trailer, "fingerprint": wanted, **identity, **facts}
            writer.describe(attributes)
        return self.row_of(trailer, attributes)

    def receiver(self, writer: FramesWriter) -> Callable[[np.ndarray], None]:
        """The function that receives the frames for detection, in order and in portions."""
        return writer.append

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Make several videos at once if the job has enough cores; the bytes of one do not depend on the others."""
        at_once = min(len(trailers), job_cores() // CORES_PER_VIDEO)
        if at_once < 2:
            super().make_all(trailers, work)
            return

        def make(trailer: str) -> LedgerRow:
            work.starts(trailer)
            return self.make(trailer)

        pool = ThreadPoolExecutor(at_once, thread_name_prefix="video")
        futures = {pool.submit(make, trailer): trailer for trailer in trailers}
        try:
            for future in as_completed(futures):
                try:
                    work.record(future.result())
                except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                    work.fail(futures[future], problem)
        finally:
            pool.shutdown(cancel_futures=True)

    def check(self, trailer: str) -> None:
        """Read all frames for detection, and the end of the video."""
        video, path = self.products(trailer)
        self.read(trailer)
        with open_frames(path) as frames:
            for start in range(0, len(frames), BLOCK):
                frames.read(start, min(start + BLOCK, len(frames)))
            check_video(video, str(frames.attributes.get("fingerprint")), len(frames))

    def check_digests(self, trailer: str) -> None:
        video, path = self.products(trailer)
        with open_frames(path) as frames:
            if sha256_of(video) != frames.attributes.get("video_sha256"):
                raise StoreError("its sha256 is not the one in its frames file", where=video, remedy=REMEDY)


def check_video(video: Path, fingerprint: str, count: int) -> None:
    """Raise StoreError unless ``video`` has this fingerprint and ``count`` frames, and its end can be decoded."""
    stored = read_fingerprint(video)
    if stored != fingerprint:
        raise StoreError(
            f"its fingerprint is {stored}, but its frames file says {fingerprint}", where=video, remedy=REMEDY
        )
    with VideoFrames(video) as frames:
        if len(frames) != count:
            raise StoreError(f"has {len(frames)} frames, but its frames file says {count}", where=video, remedy=REMEDY)
        frames.batch([count - 1])  # decodes the whole last group of pictures
