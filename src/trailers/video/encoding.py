"""Makes videos from arrays, for the demo and tests; reads the fingerprint in a video."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from trailers.errors import VideoError
from trailers.store.atomic import atomic
from trailers.video.process import ffmpeg_path


def encode_frames(
    path: Path, frames: Iterable[np.ndarray], *, width_px: int, height_px: int, fps: int, fingerprint: str
) -> None:
    """Write ``frames``, uint8 (height, width, 3) RGB, as h264 in mp4; ``path`` appears only when it is complete.

    One thread, so that the same frames give the same bytes on every machine with this ffmpeg. The index is at the
    end of the file, so a truncated file cannot be opened.

    Raises:
        VideoError: ffmpeg failed.
    """
    import ffmpeg

    with atomic(path) as temporary:
        source = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="rgb24", s=f"{width_px}x{height_px}", r=fps)
        written = source.output(
            str(temporary), vcodec="libx264", preset="ultrafast", crf=23, pix_fmt="yuv420p", threads=1,
            fflags="+bitexact", metadata=f"comment={fingerprint}",
        )  # fmt: skip
        command = written.global_args("-hide_banner", "-loglevel", "error").compile(ffmpeg_path())
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            try:
                # A broken pipe means that ffmpeg has stopped; its exit code and messages say why.
                with contextlib.suppress(BrokenPipeError):
                    for frame in frames:
                        process.stdin.write(frame.tobytes())
                    process.stdin.close()
            except BaseException:
                process.kill()
                raise
            words = process.stderr.read().decode(errors="replace").strip()
        if process.returncode:
            raise VideoError(f"{path}: ffmpeg stopped with code {process.returncode}: {words}. Rerun the command.")


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint in the comment of a video; None if it has no comment, or is not a complete video."""
    import av

    try:
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            comment: str | None = container.metadata.get("comment")
            return comment
    except (OSError, av.FFmpegError):
        return None
