"""Videos made from arrays: the demo's trailers and tests' stand-ins; and the mark that videos carry."""

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
    """Write ``frames``, uint8 (height, width, 3) RGB, as h264 in mp4; ``path`` appears only when it is whole.

    One thread, so that the same frames give the same bytes on every machine with this ffmpeg. The
    index stands at the end of the file: what is cut off cannot be opened.

    Raises:
        VideoError: ffmpeg did not take them.
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
    """The fingerprint in a video's comment; none when there is none, or the file is not a whole video."""
    import av

    try:
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            comment: str | None = container.metadata.get("comment")
            return comment
    except (OSError, av.FFmpegError):
        return None
