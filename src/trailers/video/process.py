"""Runs ffmpeg, and reads its frames, messages and exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from trailers.errors import TrailerError, VideoError

SMALL = (27, 48, 3)  # height, width, channels of the frames for detection
PORTION = 240  # frames that are passed on together
FILLING = "fps@fill"  # the filter that fills gaps before frames are counted
CLOCK_JITTER_S = Fraction(3, 1000)  # containers that count milliseconds are off by one at each end

# Containers whose readers open only the file itself: no playlists (hls, dash, concat), image sequences, devices or
# generators.
CONTAINERS = "mov,matroska,mpegts,avi,flv,mpeg,mpegvideo,ogg,asf,mxf,ivf,nut,dv,yuv4mpegpipe,gif,apng"
CONFINED = {"protocol_whitelist": "file,pipe", "format_whitelist": CONTAINERS}


def ffmpeg_path() -> str:
    """The pinned ffmpeg in imageio-ffmpeg, so that frames are chosen in the same way on all machines."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def address(path: Path) -> str:
    """``path`` in a form that ffmpeg cannot take for an option, a pattern or another address."""
    return f"file:{path.absolute()}"


def environment() -> dict[str, str]:
    """The environment for ffmpeg, without variables that make it write a report file or colours."""
    return {name: value for name, value in os.environ.items() if name not in ("FFREPORT", "AV_LOG_FORCE_COLOR")}


def words_about(path: Path, *arguments: str, level: str, timeout_s: float) -> str:
    """The messages of ffmpeg with ``arguments`` on ``path``; empty if it takes longer than ``timeout_s``."""
    confined = [word for key, value in CONFINED.items() for word in (f"-{key}", value)]
    command = [
        ffmpeg_path(), "-nostdin", "-hide_banner", "-nostats", "-loglevel", f"level+{level}", *confined,
        "-threads", "1", "-noautorotate", "-i", address(path), *arguments,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(),
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return done.stderr.decode(errors="replace")


@dataclass(frozen=True)
class Converted:
    """The results of one pass over a video, by ffmpeg's own counts."""

    frames: int  # at 24 fps
    frames_duplicated: int
    frames_dropped: int
    source_frames: int  # number of decoded frames
    decode_errors: int
    frames_corrupt: int  # decoded, but partly guessed by the decoder
    complaints: tuple[str, ...]  # the first lines that ffmpeg logged as errors
    is_cut_short: bool  # whether the file ends within a packet or an element
    shapes: tuple[str, ...]  # sizes and pixel aspects of the source, such as "1280x720 1:1", in order
    is_variable_rate: bool
    longest_gap_s: float  # between two source frames; 0 if the rate is constant
    width: int
    height: int


class Log:
    """Reads the log of ffmpeg line by line and keeps counts and the first errors."""

    KEPT = 5
    ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
    CUT_SHORT = ("ended prematurely", "partial file")
    COMPLAINT = re.compile(r"\[(?:error|fatal|panic)\] *(.+)")
    # The filter that fits pictures of another shape logs every change of its input.
    SHAPE = re.compile(r"\[scale@fit\] \[verbose\] w:(\d+) h:(\d+) .*? sar:(\d+)/(\d+) -> ")
    TIME_BASE = re.compile(r"graph 0 input from stream .* tb:(\d+)/(\d+)")
    # Patterns match only parts of lines that are written at once, because other threads write in between.
    GAPS = re.compile(r"min: (-?\d+) max: (-?\d+) avg: -?\d+")
    RATE = re.compile(r"(\d+) frames in, (\d+) frames out; (\d+) frames dropped, (\d+) frames duplicated")
    DECODED = re.compile(r"(\d+) frames decoded; (\d+) decode errors")

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.last = ""
        self.is_cut_short = False
        self.shapes: list[str] = []
        self.frames_corrupt = 0
        self.time_base = Fraction(0)
        self.shortest_gap = self.longest_gap = 0
        self.frames_out = self.frames_dropped = self.frames_duplicated = 0
        self.source_frames = self.decode_errors = 0

    def read(self, stream: IO[bytes]) -> None:
        """Read lines until ``stream`` ends."""
        while line := stream.readline(65536):
            self.take(self.ADDRESS.sub("", line.decode(errors="replace").strip()))

    def take(self, line: str) -> None:
        if match := self.COMPLAINT.search(line):
            self.last = match[1]
            self.is_cut_short |= any(words in match[1] for words in self.CUT_SHORT)
            if len(self.complaints) < self.KEPT:
                self.complaints.append(match[1])
        elif "corrupt decoded frame" in line:
            self.frames_corrupt += 1
        elif match := self.SHAPE.match(line):
            self.take_shape("{}x{} {}:{}".format(*match.groups()))
        elif match := self.TIME_BASE.search(line):
            self.time_base = Fraction(int(match[1]), int(match[2]))
        elif match := self.GAPS.search(line):
            self.shortest_gap, self.longest_gap = int(match[1]), int(match[2])
        elif match := self.RATE.search(line):
            # ffmpeg makes two graphs, one to inspect and one to run; the first logs zeros.
            self.frames_duplicated += int(match[4])
            if not line.startswith(f"[{FILLING}"):
                self.frames_out += int(match[2])
                self.frames_dropped += int(match[3])
        elif match := self.DECODED.search(line):
            self.source_frames, self.decode_errors = int(match[1]), int(match[2])

    def take_shape(self, shape: str) -> None:
        # A pixel aspect that is not stated is square.
        shape = shape.replace(" 0:1", " 1:1")
        if shape not in self.shapes and len(self.shapes) < self.KEPT:
            self.shapes.append(shape)

    def quoted(self) -> str:
        """`` (ffmpeg: "...")`` with the first error and the last, or "" if there are none."""
        if not self.complaints:
            return ""
        words = self.complaints[0] if self.last == self.complaints[0] else f"{self.complaints[0]} ... {self.last}"
        return f' (ffmpeg: "{words}")'

    def converted(self, source: Path, frames: int, width: int, height: int) -> Converted:
        """The counts of a conversion that gave ``frames`` frames.

        Raises:
            VideoError: the counts do not agree, or there are no frames.
        """
        if not frames:
            raise nothing_decoded(source, self)
        if frames != self.frames_out:
            raise VideoError(
                f"{source}: {frames} frames were received, but ffmpeg made {self.frames_out}{self.quoted()}. "
                "Report this video.",
                reason="frame counts differ",
            )
        shortest, longest = self.shortest_gap * self.time_base, self.longest_gap * self.time_base
        is_variable = longest - shortest > CLOCK_JITTER_S
        return Converted(
            frames=frames,
            frames_duplicated=self.frames_duplicated,
            frames_dropped=self.frames_dropped,
            source_frames=self.source_frames,
            decode_errors=self.decode_errors,
            frames_corrupt=self.frames_corrupt,
            complaints=tuple(self.complaints),
            is_cut_short=self.is_cut_short,
            shapes=tuple(self.shapes),
            is_variable_rate=is_variable,
            longest_gap_s=round(float(longest), 3) if is_variable else 0.0,
            width=width,
            height=height,
        )


@contextlib.contextmanager
def running(
    command: Sequence[str], source: Path, log: Log, stall_s: float, *, target: Path
) -> Iterator[Iterator[np.ndarray]]:
    """Run ffmpeg; gives its frames in portions, and at the end of the block waits until it has finished.

    Args:
        command: the command.
        source: the file that it reads, for messages.
        log: reads its messages.
        stall_s: seconds without a frame after which it is stopped.
        target: the file that it writes, for messages.

    Raises:
        VideoError: ffmpeg failed because of the video.
        TrailerError: it hung, was killed, or failed because of this machine.
        OSError: the disk is full or failed.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        listener = threading.Thread(target=log.read, args=(process.stderr,), daemon=True)
        listener.start()
        try:
            yield portions(process.stdout, source, stall_s)
            code = process.wait(stall_s)
        except subprocess.TimeoutExpired:
            raise hung(source, stall_s) from None
        finally:
            if process.poll() is None:
                process.kill()
            listener.join()
    check_end(code, source, log, target=target)


def portions(pipe: IO[bytes], source: Path, stall_s: float) -> Iterator[np.ndarray]:
    """uint8 (frames, 27, 48, 3), in portions of some hundred frames."""
    size = SMALL[0] * SMALL[1] * SMALL[2]
    pending = bytearray()
    while True:
        if not select.select([pipe], [], [], stall_s)[0]:
            raise hung(source, stall_s)
        data = os.read(pipe.fileno(), 1 << 20)
        pending += data
        if pending and (len(pending) >= PORTION * size or not data):
            whole = len(pending) // size * size
            yield np.frombuffer(bytes(pending[:whole]), np.uint8).reshape(-1, *SMALL)
            del pending[:whole]
        if not data:
            return


def hung(source: Path, stall_s: float) -> TrailerError:
    return TrailerError(
        f"{source}: ffmpeg produced nothing for {stall_s:g} s and was stopped. Rerun; if this machine is that slow, "
        "increase normalise.stall_s in config.yaml."
    )


# The errors of a full or failed disk, in the words of ffmpeg's C library.
FULL = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "uota exceeded",
    errno.EROFS: "Read-only file system",
    errno.EFBIG: "File too large",
}


def check_end(code: int, source: Path, log: Log, *, target: Path) -> None:
    """Raise the error for the exit status of ffmpeg."""
    if code == 0:
        return
    for number, words in FULL.items():
        if any(words in line for line in (*log.complaints, log.last)) or (number, code) == (
            errno.EFBIG,
            -signal.SIGXFSZ,
        ):
            raise OSError(number, os.strerror(number), str(target))
    if any("opening output" in words for words in log.complaints):
        raise TrailerError(
            f"{source}: ffmpeg could not write, because the disk is full{log.quoted()}. Free some space and rerun.",
            reason="no place to write to",
        )
    if any(words in log.last for words in ("Cannot allocate memory", "Resource temporarily unavailable")):
        raise TrailerError(
            f"{source}: ffmpeg ran out of memory or threads{log.quoted()}. Rerun with more of them.",
            reason="out of memory",
        )
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise TrailerError(
            f"{source}: ffmpeg was killed by signal {-code}, possibly because memory ran out. Rerun.",
            reason="ffmpeg was stopped",
        )
    if not log.frames_out:
        raise nothing_decoded(source, log)
    raise VideoError(
        f"{source}: ffmpeg stopped with code {code}{log.quoted()}. Download it again.", reason="ffmpeg stopped"
    )


def nothing_decoded(source: Path, log: Log) -> VideoError:
    return VideoError(
        f"{source}: none of its frames could be decoded{log.quoted()}. Download it again.", reason="no frames"
    )
