"""Shots cut into clips, and the frame that represents each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trailers.api.options import settings_of
from trailers.api.video import Source, Video, opened
from trailers.domain import FPS, Clip, ClipStrategy, Shot
from trailers.errors import ConfigError
from trailers.stages import clips as stage


def cut_into_clips(shots: Iterable[Shot | tuple[int, int]], frames: int = 24) -> list[Clip]:
    """All clips of all shots, in order; the last of each shot is padded with black up to ``frames`` (Sec. 5, step 2).

    ``[Shot(0, len(video))]`` gives the clips of Seq-f. The frame that represents a clip cannot be derived from
    the shots: ``embed`` chooses it, and ``choose_frames`` returns it.

    Args:
        shots: of a video; also pairs of start and end.
        frames: of a clip, at 24 fps.
    """
    plain = [shot if isinstance(shot, Shot) else Shot(*shot) for shot in shots]
    return stage.cut_into_clips(plain, frames=frames)


def choose_frames(video: Source, clips: Sequence[Clip], *, fps: int = FPS, progress: bool | None = None) -> list[Clip]:
    """The clips with the frame that represents each in 2D backbones (Sec. 7.1).

    Args:
        video: anything that ``open_video`` accepts.
        clips: clips of the same length.
        fps: see ``embed``.
        progress: see ``open_video``.

    Raises:
        ConfigError: the clips differ in length, or extend beyond the video.
    """
    strategy = strategy_of(clips, fps)
    with opened(video, progress) as frames:
        return chosen(frames, clips, strategy)


def chosen(video: Video, clips: Sequence[Clip], strategy: ClipStrategy) -> list[Clip]:
    check_ends(clips, len(video))
    settings, _ = settings_of("clips", (stage.Settings, stage.Settings), {})
    return stage.choose_frames(clips, video.small, bins=settings.histogram_bins, step=strategy.step)


def strategy_of(clips: Sequence[Clip], fps: int) -> ClipStrategy:
    """The clip strategy that fits the length of all clips.

    Raises:
        ConfigError: the clips differ in length, or ``fps`` does not divide it.
    """
    lengths = sorted({len(clip) for clip in clips})
    if len(lengths) != 1:
        what = f"clips must have the same length, padding included; got {', '.join(map(str, lengths)) or 'no clips'}"
        raise ConfigError(what, remedy="Cut all of them with the same number of frames.")
    return ClipStrategy.parse(f"shot{lengths[0]}" + ("" if fps == FPS else f"-fps{fps}"))


def check_ends(clips: Sequence[Clip], frames: int) -> None:
    """Raises ConfigError for a clip beyond the end of a video of ``frames`` frames."""
    number, end = max(enumerate(clip.end for clip in clips), key=lambda pair: pair[1])
    if end > frames:
        raise ConfigError(f"clip {number} ends at frame {end}, but the video has {frames} frames at {FPS} fps")
