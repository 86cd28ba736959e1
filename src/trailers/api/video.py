"""A video at 24 fps, to find shots in and to embed: from a file, or from an array of frames."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from trailers.api.options import bar, settings_of
from trailers.domain import FPS
from trailers.errors import StoreError, VideoError
from trailers.stages import normalise
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import FramesAhead, FramesWriter, open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import OK
from trailers.store.receipt import Receipt, write_receipt
from trailers.video import SMALL, VideoFrames, probe, read_fingerprint, shrink

log = logging.getLogger(__name__)

NAME = "video"  # the trailer's id in a temporary results folder

Read = Callable[[np.ndarray], np.ndarray]  # frame numbers, ascending -> uint8 (n, height, width, 3), RGB


class Video(ABC):
    """A video at 24 fps. Times are frames, frame 0 is the first.

        with trailers.open_video("trailer.webm") as video:
            shots = trailers.detect_shots(video)
            vectors = trailers.embed(video, trailers.cut_into_clips(shots, frames=24))

    ``height_px`` and ``width_px`` are those of its frames.
    """

    height_px: int
    width_px: int

    @abstractmethod
    def __len__(self) -> int:
        """Frames."""

    @abstractmethod
    def small(self, start: int, end: int) -> np.ndarray:
        """uint8 (end - start, 27, 48, 3), RGB: the frames [start, end) as shot detection sees them."""

    @abstractmethod
    def reader(self) -> contextlib.AbstractContextManager[Read]:
        """A reader of frames by number; not thread-safe."""

    def frame(self, number: int) -> np.ndarray:
        """uint8 (height, width, 3), RGB. Raises IndexError if the video has fewer frames."""
        if not 0 <= number < len(self):
            raise IndexError(f"the video has frames 0 to {len(self) - 1}, not {number}")
        with self.reader() as read:
            image: np.ndarray = read(np.array([number]))[0]
            return image

    def close(self) -> None:  # noqa: B027  an array has nothing to close
        """Remove its temporary files; it can be called more than once."""

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


class ArrayVideo(Video):
    """Frames in memory. Nothing is encoded; the frames are scaled down for detection only."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames = np.asarray(frames)
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise ValueError(f"expected uint8 (frames, height, width, 3), RGB, got {self.frames.dtype} {shape}")
        self.height_px, self.width_px = shape[1:3]

    def __len__(self) -> int:
        return len(self.frames)

    def small(self, start: int, end: int) -> np.ndarray:
        frames = self.frames[start:end]
        return frames if frames.shape[1:] == SMALL else shrink(frames)

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        yield lambda numbers: self.frames[numbers]


class FileVideo(Video):
    """A 24 fps video and its frames for detection, as the normalise stage makes them.

    Args:
        path: the mp4.
        small_path: the frames at 48x27.
        folder: removed when the video is closed; None if the files are not temporary.
    """

    def __init__(self, path: Path, small_path: Path, folder: tempfile.TemporaryDirectory[str] | None = None) -> None:
        self.path = path
        self.folder = folder
        with VideoFrames(path) as frames:
            self.count, self.height_px, self.width_px = len(frames), frames.height, frames.width
        self.ahead = FramesAhead(small_path, self.count)

    def __len__(self) -> int:
        return self.count

    def small(self, start: int, end: int) -> np.ndarray:
        return self.ahead.read(start, end)

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        with VideoFrames(self.path) as frames:
            yield frames.batch

    def close(self) -> None:
        if self.folder is not None:
            self.folder.cleanup()


Source = str | Path | np.ndarray | Video


def open_video(source: Source, *, progress: bool | None = None) -> Video:
    """The video ``source`` at 24 fps.

    Args:
        source: a file, which is re-encoded as by the normalise stage, in a temporary folder that is removed with the
            video; a 24 fps video made by that stage, with its frames for detection beside it, which is used without
            changes; or frames at 24 fps, uint8 (frames, height, width, 3), RGB, which are used as they are.
        progress: whether to draw a bar; by default in a terminal and in a notebook.

    Raises:
        VideoError: the source is not a video, or cannot be decoded.
        StoreError: the file does not exist.
    """
    if isinstance(source, Video):
        return source
    if isinstance(source, str | Path):
        return open_file(Path(source), progress)
    return ArrayVideo(source)


@contextlib.contextmanager
def opened(source: Source, progress: bool | None) -> Iterator[Video]:
    """The video ``source``, closed at the end unless it was open before."""
    if isinstance(source, Video):
        yield source
        return
    with open_video(source, progress=progress) as video:
        yield video


def open_file(path: Path, progress: bool | None) -> Video:
    if not path.is_file():
        raise StoreError("is not a file", where=path, remedy="Give the path of a video on this machine.")
    beside = path.with_name(f"{path.stem}.frames.h5")
    if path.suffix == ".mp4" and beside.is_file() and is_normalised(path, beside):
        return FileVideo(path, beside)
    folder = tempfile.TemporaryDirectory(prefix="trailers-")
    try:
        layout = normalise_into(Path(folder.name), path, progress)
        return FileVideo(layout.video(NAME), layout.frames(NAME), folder)
    except BaseException:
        folder.cleanup()
        raise


def is_normalised(path: Path, beside: Path) -> bool:
    """Whether the normalise stage made these two files together."""
    with open_frames(beside) as frames:
        return read_fingerprint(path) == frames.attributes.get("fingerprint")


def normalise_into(folder: Path, path: Path, progress: bool | None) -> Layout:
    """Run the normalise stage on ``path``, in a results folder of one trailer."""
    settings, effort = settings_of("normalise", (normalise.Settings, normalise.Effort), {})
    layout = Layout(folder)
    receipt = Receipt(NAME, OK, sha256=sha256_of(path), reference=str(path.resolve()))
    write_receipt(layout.receipt(NAME), receipt)
    total = round(probe(path).duration_s * FPS)
    with bar("normalise", total=total, unit="frame", shown=progress) as shown:
        stage = Normalise(layout, (), settings, effort)
        stage.shown = shown
        row = stage.make(NAME)
    if row.warnings:
        log.warning("%s: %s", path, row.warnings)
    if not row.facts["frames"]:
        raise VideoError("contains no frames", where=path, reason="no frames")
    return layout


class Normalise(normalise.Normalise):
    """The stage, with a bar that counts the frames."""

    shown: object = None

    def taker(self, writer: FramesWriter) -> Callable[[np.ndarray], None]:
        def take(frames: np.ndarray) -> None:
            writer.append(frames)
            self.shown.update(len(frames))  # type: ignore[attr-defined]

        return take
