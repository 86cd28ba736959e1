"""Reads the frames of a 24 fps video by index.

PyAV is used and not decord: both give the same bytes for 24 fps videos, and PyAV takes two thirds of the processor time
for consecutive frames and two fifths for single frames. decord also hides frames that it cannot decode, and mistakes
the row padding of frames that are 16, 32 or 48 px wide for a fourth colour. It is only used to count frames again.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from trailers.domain import FPS
from trailers.errors import StoreError


class VideoFrames:
    """The frames of a 24 fps video that the normalise stage made, by index.

    Single frames are decoded from the key frame before them, consecutive frames in one go. A reader must not be shared
    between threads.

        with VideoFrames(layout.video(trailer)) as frames:
            clip = frames.batch(range(0, 24))
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Open ``path``.

        Args:
            path: an mp4 of the normalise stage.
            threads: decoding threads. One has the lowest total cost, so use one per reader if there are several
                readers; a single reader is faster with two or more.

        Raises:
            StoreError: the file is missing, damaged, or not what normalise makes.
            ValueError: ``threads`` is below one.
        """
        import av
        from av.video.reformatter import VideoReformatter

        if threads < 1:
            raise ValueError(f"a reader has at least one thread, got {threads}")
        self.path = path
        self._position = 0  # index of the frame the decoder gives next
        self._decoded: Iterator[Any] = iter(())
        self._stream: Any = None
        self._to_rgb: Any = VideoReformatter()
        try:
            # An absolute path cannot be mistaken for an address.
            self._container = av.open(str(path.absolute()), format="mp4", metadata_errors="replace")
        except FileNotFoundError:
            raise StoreError(f"{path}: does not exist. Run the normalise stage first.") from None
        except (OSError, av.FFmpegError) as problem:
            raise self._damaged(problem) from None
        try:
            self._look(threads)
        except BaseException:
            self.close()
            raise

    def _look(self, threads: int) -> None:
        streams = self._container.streams.video
        if len(streams) != 1 or streams[0].average_rate != FPS or not streams[0].frames:
            raise self._damaged(f"it does not have one video stream of {FPS} frames per second")
        self._stream = streams[0]
        self._stream.thread_type = "FRAME" if threads > 1 else "NONE"
        self._stream.codec_context.thread_count = threads
        self._length, self.width, self.height = (
            int(self._stream.frames),
            int(self._stream.width),
            int(self._stream.height),
        )
        # In decoding order, which for key frames of closed groups of pictures is also the order of showing.
        self._keys = [n for n, entry in enumerate(self._stream.index_entries) if entry.is_keyframe]
        self._decoded = self._container.decode(self._stream)

    def __len__(self) -> int:
        return self._length

    def batch(
        self, indices: Sequence[int] | np.ndarray, *, width_px: int | None = None, height_px: int | None = None
    ) -> np.ndarray:
        """uint8 (len(indices), height, width, 3), RGB; indices in any order, and also repeated.

        Args:
            width_px: width of reduced pictures for people, by averaging; by default that of the video.
            height_px: height, as ``width_px``.

        Raises:
            IndexError: an index is not that of a frame.
            StoreError: the video is damaged.
        """
        wanted = np.asarray(indices, dtype=np.int64).ravel()
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"{self.path}: has frames 0 to {len(self) - 1}, not {wanted.min()} to {wanted.max()}")
        size = (height_px or self.height, width_px or self.width)
        images = np.empty((len(wanted), *size, 3), np.uint8)
        previous = -1
        for row in np.argsort(wanted, kind="stable"):
            if previous >= 0 and wanted[row] == wanted[previous]:
                images[row] = images[previous]
            else:
                self._read(int(wanted[row]), images[row])
            previous = int(row)
        return images

    def _read(self, index: int, image: np.ndarray) -> None:
        """Decode frame ``index`` into ``image``."""
        import av

        try:
            frame = self._decode(index)
            plane = self._to_rgb.reformat(frame, format="rgb24", **self._scaling(image)).planes[0]
        except (OSError, av.FFmpegError) as problem:
            raise self._damaged(f"frame {index}: {problem}") from None
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        image[...] = rows[:, : image.shape[1] * 3].reshape(image.shape)

    def _scaling(self, image: np.ndarray) -> dict[str, Any]:
        """Options that scale a frame to the size of ``image``; empty if it has that size, so that bytes are kept."""
        height, width = image.shape[:2]
        is_whole = (height, width) == (self.height, self.width)
        return {} if is_whole else {"width": width, "height": height, "interpolation": "AREA"}

    def _decode(self, index: int) -> Any:
        key = self._keys[max(0, bisect.bisect_right(self._keys, index) - 1)] if self._keys else 0
        if not key <= self._position <= index:
            self._container.seek(round(key / FPS / self._stream.time_base), stream=self._stream)
            self._decoded = self._container.decode(self._stream)
            self._position = key
        for frame in self._decoded:
            number = Fraction(frame.pts) * self._stream.time_base * FPS
            if number != self._position:
                raise self._damaged(f"frame {self._position} was expected, but frame {float(number):g} was found")
            self._position += 1
            if number == index:
                return frame
        raise self._damaged(f"it ends at frame {self._position} of {len(self)}")

    def _damaged(self, problem: object) -> StoreError:
        self._position = sys.maxsize  # the position of the decoder is unknown, so the next read seeks
        remedy = "Remove it and rerun the normalise stage."
        return StoreError(f"is damaged: {problem}", where=self.path, remedy=remedy)

    def close(self) -> None:
        """Free the decoder; can be called repeatedly."""
        # The threads of the decoder end when the last of these is released.
        self._decoded, self._stream, self._to_rgb = iter(()), None, None
        self._container.close()

    def __enter__(self) -> VideoFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def frame_counts(path: Path) -> dict[str, int]:
    """Reader -> the number of frames that it counts in a 24 fps video.

    Raises:
        StoreError: it cannot be read.
    """
    import decord

    with VideoFrames(path) as frames:
        counts = {"PyAV": len(frames)}
    try:
        counts["decord"] = len(decord.VideoReader(str(path.absolute()), num_threads=1))
    except (RuntimeError, AssertionError) as problem:
        raise StoreError(f"{path}: decord cannot read it: {problem}. Rerun the normalise stage.") from None
    return counts
