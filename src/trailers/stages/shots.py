"""Find shots with TransNet V2 (Sec. 5, step 1; Sec. 7.1) or another detector.

in   results/normalise/{trailer}.frames.h5   all frames at 48x27
out  results/shots/{trailer}.scores.h5       both heads' transition probabilities
     results/shots/{trailer}.csv             start, end

The scores do not depend on threshold, head and minimum length: if only these change, the shots are derived from the
existing scores. Where a score in reduced precision is so close to the threshold that a shot could differ, the score is
computed again in float32.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from trailers.detector.precision import uncertain_windows
from trailers.detector.shots import HEADS, find_shots, implausible
from trailers.domain import Shot
from trailers.errors import ConfigError, StoreError, VideoError
from trailers.machine.watchdog import alive
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import detectors, shard
from trailers.stages.stage import Stage, Work, check_owner
from trailers.store.fingerprint import fingerprint
from trailers.store.frames import FramesAhead, open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.scores import Scores, read_scores, write_scores
from trailers.store.spans import SHOTS_SCHEMA, read_header, read_spans, write_spans

if TYPE_CHECKING:
    import numpy as np

    from trailers.detector.detector import Detector, Video
    from trailers.detector.others import OtherDetector

SCORES_SCHEMA = "scores/1"


@dataclass(frozen=True)
class Settings:
    """options that change the shots"""

    detector: str = setting(
        "transnetv2; content (the detector of PySceneDetect); or your own function, as FILE.py:FUNCTION"
    )
    threshold: float = setting("a frame with a higher probability marks a transition")
    head: str = setting(
        "single: one frame per transition; many: all frames of a transition, which then belong to no shot"
    )
    min_frames: int = setting("shots with fewer frames are dropped")

    def __post_init__(self) -> None:
        detectors.check_name(self.detector)
        if not 0 < self.threshold < 1:
            raise ConfigError(f"shots.threshold: {self.threshold} is not between 0 and 1. The paper uses 0.5.")
        if self.head not in HEADS:
            raise ConfigError(f"shots.head: '{self.head}' is not known. Use {' or '.join(HEADS)}.")
        if self.min_frames < 1:
            raise ConfigError(f"shots.min_frames: {self.min_frames} is less than 1. 1 keeps all shots.")


@dataclass(frozen=True)
class Effort:
    """performance options (do not change the shots)"""

    precision: str = setting("auto: reduced precision where the shots stay the same; float32: always float32")
    device: str = setting("auto, cpu or cuda")
    batch_windows: int | None = setting("windows of 100 frames per batch; null: the fastest measured value")


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    add_setting_flags(parser, Settings, "shots")
    add_setting_flags(parser, Effort, "shots")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    shard.run_stage(Shots(Layout(arguments.results), (), settings, effort), arguments)


class Shots(Stage):
    """The shots of a trailer, and the scores they are derived from."""

    name, folder, schema = "shots", "shots", SHOTS_SCHEMA
    settings: Settings
    effort: Effort

    @cached_property
    def detector(self) -> Detector | OtherDetector:
        if self.settings.detector != detectors.TRANSNET:
            return detectors.other_detector(self.settings.detector)
        from trailers.detector.detector import Detector
        from trailers.machine.memory import keep_freed_memory

        keep_freed_memory()
        effort = self.effort
        return Detector(precision=effort.precision, device=effort.device, batch_windows=effort.batch_windows)

    def products(self, trailer: str) -> tuple[Path, ...]:
        return self.layout.scores(trailer), self.layout.shots(trailer)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.frames(trailer),)

    def fingerprint(self, trailer: str) -> str:
        return self.shots_fingerprint(self.frames_fingerprint(trailer))

    def existing(self, trailer: str) -> LedgerRow | None:
        scores = self.kept_scores(trailer)
        if scores is None or self.uncertain(scores):
            return None
        return super().existing(trailer)

    def read(self, trailer: str) -> LedgerRow:
        scores, attributes = read_scores(self.layout.scores(trailer))
        shots, header = read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        check_owner(trailer, attributes, self.layout.scores(trailer))
        check_owner(trailer, header, self.layout.shots(trailer))
        return self.row_of(trailer, shots, scores, header["fingerprint"])

    def stored_fingerprint(self, trailer: str) -> str:
        return read_header(self.layout.shots(trailer), schema=SHOTS_SCHEMA)["fingerprint"]

    def make(self, trailer: str) -> LedgerRow:
        known = self.kept_scores(trailer)
        scores = next(self.fresh_scores([trailer])) if known is None else known
        return self.make_from(trailer, scores=scores, is_kept=known is not None)

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Compute the scores of all trailers in one stream, so that windows of several trailers share a batch."""
        kept = {trailer: self.kept_scores(trailer) for trailer in trailers}
        fresh = self.fresh_scores([trailer for trailer in trailers if kept[trailer] is None])
        for trailer in trailers:
            work.starts(trailer)
            known = kept[trailer]
            scores = next(fresh) if known is None else known
            try:
                work.record(self.make_from(trailer, scores=scores, is_kept=known is not None))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                work.fail(trailer, problem)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        path = self.layout.shots(trailer)
        scores, _ = read_scores(self.layout.scores(trailer))
        shots, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
        wrong = fault_of_shots(shots, header, len(scores)) or self.fault_of_origin(trailer, header)
        if wrong:
            raise StoreError(wrong, where=path, remedy="Remove it and rerun the shots stage.")

    def fault_of_origin(self, trailer: str, header: Mapping[str, str]) -> str:
        try:
            now = self.frames_fingerprint(trailer)
        except StoreError:
            return ""  # reported by the normalise stage
        made = header.get("frames_fingerprint")
        return "" if made == now else f"was made from frames with fingerprint {made}, which is now {now}"

    def kept_scores(self, trailer: str) -> Scores | None:
        """The scores on disk, if they are complete, up to date and exact enough."""
        try:
            scores, attributes = read_scores(self.layout.scores(trailer))
            wanted = self.scores_fingerprint(self.frames_fingerprint(trailer))
        except StoreError:
            return None  # missing or damaged: computed again; damaged frames are then reported
        if attributes.get("fingerprint") != wanted:
            return None
        return None if self.effort.precision == "float32" and not scores.exact.all() else scores

    def fresh_scores(self, trailers: list[str]) -> Iterator[Scores | Exception]:
        """The scores of these trailers in order; the exception in place of scores that cannot be computed."""
        if trailers:
            yield from self.detector.stream(partial(self.open_video, trailer) for trailer in trailers)

    def make_from(self, trailer: str, *, scores: Scores | Exception, is_kept: bool) -> LedgerRow:
        """Write the shots that ``scores`` give, and the scores unless they are already on disk."""
        if isinstance(scores, Exception):
            raise scores
        frames_fingerprint = self.frames_fingerprint(trailer)
        if self.uncertain(scores):
            settings = self.settings
            video = self.open_video(trailer)
            scores = self.detector.refine(scores, video, head=settings.head, threshold=settings.threshold)
            is_kept = False
        if not is_kept:
            attributes = {"trailer": trailer, "fingerprint": self.scores_fingerprint(frames_fingerprint)}
            write_scores(self.layout.scores(trailer), scores, attributes)
        shots = self.find(trailer, scores)
        wanted = self.shots_fingerprint(frames_fingerprint)
        header: dict[str, str | int] = {"trailer": trailer, "frames": len(scores)}
        header |= {"fingerprint": wanted, "frames_fingerprint": frames_fingerprint}
        write_spans(self.layout.shots(trailer), shots, kind=Shot, header=header, schema=SHOTS_SCHEMA)
        return self.row_of(trailer, shots, scores, wanted)

    def find(self, trailer: str, scores: Scores) -> list[Shot]:
        """The shots that ``scores`` give. Raises VideoError if there are none."""
        settings = self.settings
        probabilities = scores.head(settings.head)
        shots = find_shots(
            probabilities, threshold=settings.threshold, head=settings.head, min_frames=settings.min_frames
        )
        if not shots:
            raise VideoError(
                f"{trailer}: none of its {len(scores)} frames is in a shot of {settings.min_frames} or more frames. "
                "Lower shots.min_frames.",
                reason="no shot",
            )
        return shots

    def uncertain(self, scores: Scores) -> bool:
        """Whether scores in float32 could give other transitions than these scores."""
        settings = self.settings
        windows = uncertain_windows(
            scores.head(settings.head), scores.exact, threshold=settings.threshold, precision=scores.precision
        )
        return len(windows) > 0

    def row_of(self, trailer: str, shots: list[Shot], scores: Scores, fingerprint: str) -> LedgerRow:
        # Only facts from the files, so that the row of a trailer is the same when it is made and when it is read.
        facts = {
            "frames": len(scores),
            "shots": len(shots),
            "median_shot_frames": statistics.median(map(len, shots)),
            "precision": scores.precision,
            "windows": len(scores.exact),
            "windows_recomputed": 0 if scores.precision == "float32" else int(scores.exact.sum()),
        }
        warning = implausible(shots, len(scores))
        return self.row(trailer, fingerprint, {**facts, "warnings": warning} if warning else facts)

    def open_video(self, trailer: str) -> Video:
        """The frames for the detector. The file is opened for each read, so that it does not stay open over a shard.

        Raises:
            StoreError: the file is missing or damaged.
            VideoError: it contains no frames.
        """
        from trailers.detector.detector import Video

        path = self.layout.frames(trailer)
        with open_frames(path) as frames:
            count = len(frames)
        if count == 0:
            raise VideoError(f"{path}: contains no frames. Check the video of {trailer}.", reason="no frames")

        ahead = FramesAhead(path, count)

        def read(start: int, end: int) -> np.ndarray:
            alive()
            return ahead.read(start, end)

        return Video(count, read)

    def frames_fingerprint(self, trailer: str) -> str:
        """The fingerprint in the frames file. Raises StoreError."""
        with open_frames(self.layout.frames(trailer)) as frames:
            return str(frames.attributes["fingerprint"])

    def shots_fingerprint(self, frames_fingerprint: str) -> str:
        # The detector is part of the fingerprint of the scores.
        shaping = dataclasses.asdict(self.settings)
        del shaping["detector"]
        return fingerprint(SHOTS_SCHEMA, shaping, self.scores_fingerprint(frames_fingerprint))

    def scores_fingerprint(self, frames_fingerprint: str) -> str:
        """The fingerprint of the scores, without precision and device, which do not change the shots."""
        return fingerprint(SCORES_SCHEMA, self.identity, frames_fingerprint)

    @cached_property
    def identity(self) -> dict[str, str]:
        return detectors.identity(self.settings.detector)


def fault_of_shots(shots: Sequence[Shot], header: Mapping[str, str], frames: int) -> str:
    """What is wrong with the shots of a trailer whose scores have ``frames`` frames, or ""."""
    if header.get("frames") != str(frames):
        return f"has {header.get('frames')} frames, but its scores have {frames}"
    if not shots:
        return "has no shots"
    if any(after.start < before.end for before, after in itertools.pairwise(shots)):
        return "has shots that overlap"
    return f"has a shot beyond frame {frames}" if shots[-1].end > frames else ""
