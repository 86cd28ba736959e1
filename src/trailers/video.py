"""Probe, decode, re-encode: the only module that calls ffmpeg or a decoder.

Frames are read with PyAV and not with decord: on the same 24 fps videos both give the same bytes,
and PyAV takes two thirds of the processor time for whole runs and two fifths for single frames.
decord also hides frames it cannot decode, and mistakes the row padding of 16, 32 and 48 px wide
frames for a fourth colour.
"""

from __future__ import annotations

import bisect
import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from trailers.domain import FPS
from trailers.errors import StoreError, VideoError
from trailers.store.atomic import atomic


class VideoFrames:
    """The frames of a 24 fps video that the stage normalise made, by index.

    Sparse indices are sought from key frame to key frame, runs are decoded in one go. Not to be
    shared between threads; open one a thread instead.

        with VideoFrames(layout.video(trailer)) as frames:
            clip = frames.batch(range(0, 24))
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Open ``path``.

        Args:
            path: an mp4 of the stage normalise.
            threads: decoding threads. One costs least in all, so with several readers at work
                take one each; two or more give a single reader its frames sooner.

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
        self._to_rgb = VideoReformatter()
        try:
            # An absolute path cannot be taken for an address, whatever its name.
            self._container = av.open(str(path.absolute()), format="mp4")
        except FileNotFoundError:
            raise StoreError(f"{path}: is not there. Run the stage normalise first.") from None
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
            raise self._damaged(f"it is not one video stream of {FPS} frames a second")
        self._stream = streams[0]
        self._stream.thread_type = "FRAME" if threads > 1 else "NONE"
        self._stream.codec_context.thread_count = threads
        self._length = int(self._stream.frames)
        # In decoding order, which at the key frames of closed groups of pictures is showing order.
        self._keys = [n for n, entry in enumerate(self._stream.index_entries) if entry.is_keyframe]
        self._decoded = self._container.decode(self._stream)

    def __len__(self) -> int:
        return self._length

    @property
    def height(self) -> int:
        return int(self._stream.height)

    @property
    def width(self) -> int:
        return int(self._stream.width)

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (len(indices), height, width, 3), RGB; any order, the same index as often as wanted.

        Raises:
            IndexError: there is no such frame.
            StoreError: the video is damaged.
        """
        wanted = np.asarray(indices, dtype=np.int64).ravel()
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"{self.path}: has frames 0 to {len(self) - 1}, not {wanted.min()} to {wanted.max()}")
        images = np.empty((len(wanted), self.height, self.width, 3), np.uint8)
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
            plane = self._to_rgb.reformat(frame, format="rgb24").planes[0]
        except (OSError, av.FFmpegError) as problem:
            raise self._damaged(f"frame {index}: {problem}") from None
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        image[...] = rows[:, : image.shape[1] * 3].reshape(image.shape)

    def _decode(self, index: int) -> Any:
        key = self._keys[max(0, bisect.bisect_right(self._keys, index) - 1)] if self._keys else 0
        if not key <= self._position <= index:
            self._container.seek(round(key / FPS / self._stream.time_base), stream=self._stream)
            self._decoded = self._container.decode(self._stream)
            self._position = key
        for frame in self._decoded:
            number = Fraction(frame.pts) * self._stream.time_base * FPS
            if number != self._position:
                raise self._damaged(f"frame {self._position} was expected where frame {float(number):g} is")
            self._position += 1
            if number == index:
                return frame
        raise self._damaged(f"it ends at frame {self._position} of {len(self)}")

    def _damaged(self, problem: object) -> StoreError:
        self._position = sys.maxsize  # wherever the decoder stopped, the next read seeks
        return StoreError(f"{self.path}: is damaged: {problem}. Remove it and run the stage normalise again.")

    def close(self) -> None:
        """Free the decoder; more than once does no harm."""
        self._decoded = iter(())
        self._container.close()

    def __enter__(self) -> VideoFrames:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# Videos made from arrays: the demo's trailers and tests' stand-ins.


def encode_frames(
    path: Path, frames: Iterable[np.ndarray], *, width_px: int, height_px: int, fps: int, fingerprint: str
) -> None:
    """Write ``frames``, uint8 (height, width, 3) RGB, as h264 in mp4; ``path`` appears only when it is whole.

    One thread, so that the same frames give the same bytes on every machine with this ffmpeg. The
    index stands at the end of the file: what is cut off cannot be opened.

    Raises:
        VideoError: ffmpeg did not take them.
    """
    import ffmpeg
    import imageio_ffmpeg

    with atomic(path) as temporary:
        source = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="rgb24", s=f"{width_px}x{height_px}", r=fps)
        written = source.output(
            str(temporary), vcodec="libx264", preset="ultrafast", crf=23, pix_fmt="yuv420p", threads=1,
            fflags="+bitexact", metadata=f"comment={fingerprint}",
        )  # fmt: skip
        command = written.global_args("-hide_banner", "-loglevel", "error").compile(imageio_ffmpeg.get_ffmpeg_exe())
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            try:
                # A broken pipe means that ffmpeg has stopped; its code and its words say why.
                with contextlib.suppress(BrokenPipeError):
                    for frame in frames:
                        process.stdin.write(frame.tobytes())
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
            words = process.stderr.read().decode(errors="replace").strip()
        if process.returncode:
            raise VideoError(f"{path}: ffmpeg stopped with code {process.returncode}: {words}. Run it again.")


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint in a video's comment; none when there is none, or the file is no whole video."""
    import av

    try:
        with av.open(str(path.absolute())) as container:
            comment: str | None = container.metadata.get("comment")
            return comment
    except (OSError, av.FFmpegError):
        return None
