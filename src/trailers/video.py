"""Probe, decode, re-encode: the only module that calls ffmpeg or a decoder.

Videos from outside are not trusted. They are opened by full path, by a container reader that opens
nothing else, with no protocol but the file system's.

Frames are read with PyAV and not with decord: on the same 24 fps videos both give the same bytes,
and PyAV takes two thirds of the processor time for whole runs and two fifths for single frames.
decord also hides frames it cannot decode, and mistakes the row padding of 16, 32 and 48 px wide
frames for a fourth colour.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import io
import itertools
import os
import re
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from trailers.domain import FPS
from trailers.errors import StoreError, TrailerError, VideoError
from trailers.store.atomic import atomic

SMALL = (27, 48, 3)  # height, width, channels of the frames that detection sees

# Containers whose readers open nothing but the file itself. Playlists (hls, dash, concat), image
# sequences, devices and generators are not among them.
CONTAINERS = "mov,matroska,mpegts,avi,flv,mpeg,mpegvideo,ogg,asf,mxf,ivf,nut,dv,yuv4mpegpipe"
CONFINED = {"protocol_whitelist": "file,pipe", "format_whitelist": CONTAINERS}
PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<smil", b"<asx", b"<ASX", b"v=0")
LOOKED_AT = 16  # frames a probe decodes
ZSCALED = re.compile(r"yuvj?4(20|22|44)p(9|10|12)?(le)?")  # the pixel formats that zscale takes as they are
PORTION = 240  # frames handed on at once
MIN_SIDE = 16  # px of a video worth looking at; filters fail below 3
CLOCK_JITTER_S = Fraction(3, 1000)  # containers that count milliseconds are off by one at each end
TRIED = 1000  # packets a probe goes through for them

# ITU-T H.273 code points, by ffmpeg's names.
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c",
}  # fmt: skip
RANGES = {1: "limited", 2: "full"}
HDR = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG

# The signs of a display matrix's a, b, c, d -> the filters that turn the picture as it says.
TURNS = {
    (1, 0, 0, 1): (),
    (0, -1, 1, 0): ("transpose=cclock",),
    (0, 1, -1, 0): ("transpose=clock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
}


def ffmpeg_path() -> str:
    """The pinned ffmpeg that imageio-ffmpeg ships: frame decisions are the same everywhere."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


# What a video is.


@dataclass(frozen=True)
class Probe:
    """What a video says of itself, and what its first frames show."""

    container: str
    codec: str
    stream: int  # index of the video stream that is taken: no cover, and of several the largest
    video_streams: int
    duration_s: float  # of the video stream where it is known, else of the file; 0 when nobody says
    is_duration_own: bool  # whether duration_s speaks of the video stream alone
    fps: float  # the mean, as the container says; 0 when it does not
    first_s: float  # time stamp of the first frame
    width: int  # px, turned as the display matrix says, pixels as they are
    height: int
    pixel_aspect: Fraction  # width over height of a pixel, turned
    turn: tuple[str, ...]  # filters that apply the display matrix
    pix_fmt: str
    is_interlaced: bool
    matrix: str  # of the colours
    range: str
    hdr: str  # smpte2084 (PQ), arib-std-b67 (HLG), or empty


def probe(path: Path) -> Probe:
    """What ``path`` is, from its headers and first frames.

    Raises:
        VideoError: it is not a video that can be read.
    """
    import av

    refuse_early(path)
    try:
        with av.open(address(path), options=dict(CONFINED)) as container:
            return look(path, container)
    except (OSError, ValueError, av.FFmpegError) as problem:
        raise VideoError(
            f"{path}: is no video that can be read here: {why_not(path) or problem}. Download it again."
        ) from None


def why_not(path: Path) -> str:
    """What ffmpeg's command says first of a file that cannot be opened: more than its library does."""
    confined = [word for key, value in CONFINED.items() for word in (f"-{key}", value)]
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-loglevel", "level+error", *confined, "-i", address(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return ""
    log = Log()
    log.read(io.BytesIO(done.stderr))
    words = log.complaints[0] if log.complaints else ""
    return f"its container is none of {CONTAINERS}" if "not on whitelist" in words else words


def refuse_early(path: Path) -> None:
    """Raises VideoError for what needs no decoder to be told."""
    remedy = "Give a video file instead."
    if not path.is_file():
        raise VideoError(f"{path}: is not a file. {remedy}")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise VideoError(f"{path}: is empty. Download it again.")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(PLAYLISTS) or b"<MPD" in head[:1024]:
        raise VideoError(f"{path}: is a playlist and no video; nothing it names was opened. {remedy}")
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        raise VideoError(f"{path}: is text and no video. {remedy}")


def address(path: Path) -> str:
    """``path`` as ffmpeg is given it: never an option, a pattern or an address, whatever its name."""
    return f"file:{path.absolute()}"


def look(path: Path, container: Any) -> Probe:
    stream, video_streams = choose_stream(path, container)
    shown = list(itertools.islice(decodable(container, stream), LOOKED_AT))
    turn = turn_of(path, shown)
    is_sideways = any(word.startswith("transpose") for word in turn)
    width, height, aspect = stream.width, stream.height, Fraction(stream.sample_aspect_ratio or 1)
    duration_s, is_own = duration_of(container, stream)
    context = stream.codec_context
    return Probe(
        container=container.format.name,
        codec=context.name,
        stream=stream.index,
        video_streams=video_streams,
        duration_s=duration_s,
        is_duration_own=is_own,
        fps=float(stream.average_rate or 0),
        first_s=float(next((frame.time for frame in shown if frame.time is not None), 0)),
        width=height if is_sideways else width,
        height=width if is_sideways else height,
        pixel_aspect=1 / aspect if is_sideways else aspect,
        turn=turn,
        pix_fmt=context.pix_fmt or "unknown",
        is_interlaced=any(frame.interlaced_frame for frame in shown),
        matrix=MATRICES.get(int(context.colorspace), "unknown"),
        range=RANGES.get(int(context.color_range), "unknown"),
        hdr=HDR.get(int(context.color_trc), ""),
    )


def choose_stream(path: Path, container: Any) -> tuple[Any, int]:
    """The largest video stream that is no cover picture, the first of equals; and how many there are."""
    import av

    pictures = [stream for stream in container.streams.video if stream.codec_context is not None]
    videos = [stream for stream in pictures if not stream.disposition & av.stream.Disposition.attached_pic]
    if not videos:
        sound = "sound and no video" if container.streams.audio else "no video stream"
        raise VideoError(
            f"{path}: has {'a cover picture and no video' if pictures else sound}. Get another format of it."
        )
    stream = max(videos, key=lambda stream: stream.width * stream.height)
    if not stream.width or not stream.height:
        raise VideoError(f"{path}: its video stream cannot be decoded, not even its size. Download it again.")
    if min(stream.width, stream.height) < MIN_SIDE:
        raise VideoError(f"{path}: is {stream.width}x{stream.height} px and shows nothing. Get another format of it.")
    return stream, len(videos)


def decodable(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of ``stream`` that decode; steps over damage, and gives up after ``TRIED`` packets."""
    import av

    stream.thread_type = "NONE"
    for packet in itertools.islice(container.demux(stream), TRIED):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from frames


def turn_of(path: Path, frames: Sequence[Any]) -> tuple[str, ...]:
    """The filters that apply the display matrix of the first of ``frames``."""
    for data in frames[0].side_data if frames else ():
        if data.type.name != "DISPLAYMATRIX":
            continue
        a, b, _, c, d = struct.unpack("<5i", bytes(data)[:20])
        largest = max(abs(a), abs(b), abs(c), abs(d), 1)
        signs = tuple(round(value / largest) for value in (a, b, c, d))
        if signs not in TURNS or max(abs(x / largest - y) for x, y in zip((a, b, c, d), signs, strict=True)) > 0.01:
            raise VideoError(
                f"{path}: is to be shown turned by {frames[0].rotation} degrees, and only multiples of 90 leave no "
                "empty corners. Re-encode it upright."
            )
        return TURNS[signs]
    return ()


def duration_of(container: Any, stream: Any) -> tuple[float, bool]:
    """Seconds, and whether they speak of ``stream`` alone; audio may go on after the video."""
    if stream.duration:
        return float(stream.duration * stream.time_base), True
    # Matroska knows one duration for all; its writers note each stream's own in a tag.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]), True
    is_alone = not any(other.type in ("video", "audio") for other in container.streams if other.index != stream.index)
    return (container.duration or 0) / 1_000_000, is_alone


# From any video to 24 fps.


@dataclass(frozen=True)
class Converted:
    """What one pass over a video gave, by ffmpeg's own counts."""

    frames: int  # at 24 fps
    frames_duplicated: int
    frames_dropped: int
    source_frames: int  # that were decoded
    decode_errors: int
    frames_corrupt: int  # decoded, but with parts made up
    complaints: tuple[str, ...]  # the first lines that ffmpeg logged as errors
    is_variable_rate: bool
    longest_gap_s: float  # between two source frames; 0 where the rate is constant
    width: int
    height: int


def convert(
    source: Path,
    target: Path,
    take: Callable[[np.ndarray], None],
    *,
    seen: Probe,
    short_side: int | None,
    crf: int,
    gop: int,
    max_hours: float,
    fingerprint: str,
    stall_s: float,
) -> Converted:
    """Decode ``source`` once: write it to ``target`` at 24 fps, and give ``take`` all its frames at 48x27.

        source -> progressive, upright -> 24 fps -> tone mapped -+-> square pixels, short side -> x264 -> target
                                                                 +-> 48x27, bicubic, squashed  -> RGB  -> take

    Frame 0 is the first frame there is, whatever its time stamp.

    Args:
        source: any video; it is not trusted.
        target: the mp4 to write. Encoded in one thread: the same source gives the same bytes.
        take: gets uint8 (frames, 27, 48, 3) RGB, in order, in portions.
        seen: the probe of ``source``.
        short_side: px of the shorter side of ``target`` at most; None keeps the size.
        crf: x264 quality, 0 to 51.
        gop: frames between key frames, exactly.
        max_hours: longer is refused; a damaged time stamp can ask for years of copies.
        fingerprint: kept in the container, for ``read_fingerprint``.
        stall_s: seconds without a frame after which ffmpeg is given up.

    Raises:
        VideoError: there is no frame, or there are too many, or ffmpeg failed.
        TrailerError: ffmpeg hung; it may go well another time.
    """
    width, height = size_at(seen, short_side)
    command = conversion(source, target, seen=seen, size=(width, height), crf=crf, gop=gop, fingerprint=fingerprint)
    log = Log()
    frames = 0
    with running(command, source, log, stall_s) as portions:
        for portion in portions:
            frames += len(portion)
            if frames > max_hours * 3600 * FPS:
                raise VideoError(
                    f"{source}: gives more than {max_hours:g} h at {FPS} fps: it is that long, or a time stamp is "
                    "damaged. Raise normalise.max_hours in config.yaml if it is that long."
                )
            take(portion)
    return log.converted(source, frames, width, height)


def size_at(seen: Probe, short_side: int | None) -> tuple[int, int]:
    """Width and height in even px, with square pixels, never enlarged."""
    # Of pixels that are not square the longer side shrinks to the shorter.
    width = seen.width * min(Fraction(1), seen.pixel_aspect)
    height = seen.height / max(Fraction(1), seen.pixel_aspect)
    scale = Fraction(1) if short_side is None else min(Fraction(1), short_side / min(width, height))
    return even(width * scale, seen.width), even(height * scale, seen.height)


def even(length: Fraction, most: int) -> int:
    """The even number nearest to ``length``, from 2 to ``most``: 4:2:0 video has a colour for two pixels."""
    return max(2, 2 * min(int(length / 2 + Fraction(1, 2)), most // 2))


def conversion(
    source: Path, target: Path, *, seen: Probe, size: tuple[int, int], crf: int, gop: int, fingerprint: str
) -> list[str]:
    """The command of ``convert``."""
    import ffmpeg

    # reinit_filter=0: when the size changes half-way, the scalers follow and time goes on; a new
    # graph would start at zero again. Display matrices are applied here, after deinterlacing.
    opened = ffmpeg.input(address(source), **CONFINED, threads=1, noautorotate=None, reinit_filter=0)
    at_24 = opened[str(seen.stream)]
    for name, arguments, options in before_split(seen):
        at_24 = at_24.filter(name, *arguments, **options)
    both = at_24.filter_multi_output("split")
    name, arguments, options = to_size(seen, size)
    video = both[0].filter(name, *arguments, **options).filter("setsar", "1").filter("format", "yuv420p")
    small = both[1].filter("scale", SMALL[1], SMALL[0], flags="bicubic").filter("format", "rgb24")
    mp4 = ffmpeg.output(
        video, address(target), format="mp4", fps_mode="passthrough", movflags="+faststart",
        metadata=f"comment={fingerprint}", threads=1,
        vcodec="libx264", preset="veryfast", tune="fastdecode", crf=crf, g=gop,
        # Key frames exactly every gop frames: a reader knows where they are.
        **{"x264-params": f"scenecut=0:min-keyint={gop}:open-gop=0", "fflags": "+bitexact", "flags:v": "+bitexact"},
    )  # fmt: skip
    pipe = ffmpeg.output(small, "pipe:1", format="rawvideo", fps_mode="passthrough")
    whole = ffmpeg.merge_outputs(mp4, pipe).global_args(
        "-y", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+verbose",
        "-filter_complex_threads", "1", "-max_error_rate", "1",
    )  # fmt: skip
    command: list[str] = whole.compile(ffmpeg_path())
    return command


def before_split(seen: Probe) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Filter, its arguments, its options: what both outputs share."""
    is_sideways = any(word.startswith("transpose") for word in seen.turn)
    stored = (seen.height, seen.width) if is_sideways else (seen.width, seen.height)
    steps: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("vfrdet", (), {}),
        # Does nothing until the size changes half-way; what follows could not follow that.
        ("scale", stored, {}),
        # Only what is flagged as interlaced: material can be mixed, and flags may come late.
        ("bwdif", (), {"mode": "send_frame", "deint": "interlaced"}),
        # The grid starts at the first frame: at 24 fps in, jitter of the clock then moves no frame.
        ("setpts", ("PTS-STARTPTS",), {}),
        ("fps", (FPS,), {}),
    ]
    for word in seen.turn:
        name, _, direction = word.partition("=")
        steps.append((name, (direction,) if direction else (), {}))
    return steps + (tone_mapping(seen) if seen.hdr else [])


def to_size(seen: Probe, size: tuple[int, int]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Catmull-Rom with antialiasing, as Pillow resizes; full range becomes limited."""
    if ZSCALED.fullmatch(seen.pix_fmt) and seen.width % 2 == seen.height % 2 == 0:
        # A quarter of swscale's time, and nearer to the backbones' own transforms.
        return "zscale", size, {"filter": "bicubic", "param_a": 0, "param_b": 0.5, "r": "limited"}
    return "scale", size, {"flags": "bicubic", "out_range": "tv"}


def tone_mapping(seen: Probe) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """From BT.2020 in PQ or HLG to BT.709, in linear light (Hable's curve)."""
    # zscale takes no odd sizes, and no guesses where a colour space is not said.
    size = (seen.width // 2 * 2 or 2, seen.height // 2 * 2 or 2)
    return [
        ("scale", size, {"flags": "bicubic"}),
        ("zscale", (), {"tin": seen.hdr, "pin": "bt2020", "min": "bt2020nc", "t": "linear", "npl": 100}),
        ("format", ("gbrpf32le",), {}),
        ("zscale", (), {"p": "bt709"}),
        ("tonemap", (), {"tonemap": "hable", "desat": 0}),
        ("zscale", (), {"t": "bt709", "m": "bt709", "r": "limited"}),
        ("format", ("yuv420p",), {}),
    ]


class Log:
    """What ffmpeg says, read line by line: its counts, its complaints, never all of it at once."""

    KEPT = 5
    ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
    COMPLAINT = re.compile(r"\[(?:error|fatal|panic)\] *(.+)")
    TIME_BASE = re.compile(r"graph 0 input from stream .* tb:(\d+)/(\d+)")
    # Of lines that are written in several strokes only what comes in one: other threads write between them.
    GAPS = re.compile(r"min: (-?\d+) max: (-?\d+) avg: -?\d+")
    RATE = re.compile(r"(\d+) frames in, (\d+) frames out; (\d+) frames dropped, (\d+) frames duplicated")
    DECODED = re.compile(r"(\d+) frames decoded; (\d+) decode errors")

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.last = ""
        self.frames_corrupt = 0
        self.time_base = Fraction(0)
        self.shortest_gap = self.longest_gap = 0
        self.frames_out = self.frames_dropped = self.frames_duplicated = 0
        self.source_frames = self.decode_errors = 0

    def read(self, stream: IO[bytes]) -> None:
        """Take lines until ``stream`` ends."""
        while line := stream.readline(65536):
            self.take(self.ADDRESS.sub("", line.decode(errors="replace").strip()))

    def take(self, line: str) -> None:
        if match := self.COMPLAINT.search(line):
            self.last = match[1]
            if len(self.complaints) < self.KEPT:
                self.complaints.append(match[1])
        elif "corrupt decoded frame" in line:
            self.frames_corrupt += 1
        elif match := self.TIME_BASE.search(line):
            self.time_base = Fraction(int(match[1]), int(match[2]))
        elif match := self.GAPS.search(line):
            self.shortest_gap, self.longest_gap = int(match[1]), int(match[2])
        elif match := self.RATE.search(line):
            # Two graphs are made, one to look at and one to run; the first counts nothing.
            self.frames_out += int(match[2])
            self.frames_dropped += int(match[3])
            self.frames_duplicated += int(match[4])
        elif match := self.DECODED.search(line):
            self.source_frames, self.decode_errors = int(match[1]), int(match[2])

    def quoted(self) -> str:
        """`` (ffmpeg: "...")``, the first complaint and the last; empty when there is none."""
        if not self.complaints:
            return ""
        words = self.complaints[0] if self.last == self.complaints[0] else f"{self.complaints[0]} ... {self.last}"
        return f' (ffmpeg: "{words}")'

    def converted(self, source: Path, frames: int, width: int, height: int) -> Converted:
        """The counts, with the ``frames`` that were seen.

        Raises:
            VideoError: they do not agree, or there is no frame at all.
        """
        if not frames:
            raise nothing_decoded(source, self)
        if frames != self.frames_out:
            raise VideoError(
                f"{source}: detection got {frames} frames where ffmpeg made {self.frames_out}{self.quoted()}. "
                "Report this video."
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
            is_variable_rate=is_variable,
            longest_gap_s=round(float(longest), 3) if is_variable else 0.0,
            width=width,
            height=height,
        )


@contextlib.contextmanager
def running(command: Sequence[str], source: Path, log: Log, stall_s: float) -> Iterator[Iterator[np.ndarray]]:
    """Run ffmpeg; gives its frames in portions, and on leaving waits for its good end."""
    # A report file asked for by the environment would be written wherever it says.
    environment = {name: value for name, value in os.environ.items() if name not in ("FFREPORT", "AV_LOG_FORCE_COLOR")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
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
    check_end(code, source, log)


def portions(pipe: IO[bytes], source: Path, stall_s: float) -> Iterator[np.ndarray]:
    """uint8 (frames, 27, 48, 3) as they come, some hundred at once."""
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
        f"{source}: ffmpeg gave nothing for {stall_s:g} s and was stopped. Run again; raise normalise.stall_s in "
        "config.yaml if this machine is that slow."
    )


def check_end(code: int, source: Path, log: Log) -> None:
    """Raises the error that ffmpeg's exit status means."""
    if code == 0:
        return
    if "No space left on device" in log.last:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise TrailerError(
            f"{source}: ffmpeg was stopped from outside by signal {-code}; for want of memory? Run again."
        )
    if not log.frames_out:
        raise nothing_decoded(source, log)
    raise VideoError(f"{source}: ffmpeg stopped with code {code}{log.quoted()}. Download it again.")


def nothing_decoded(source: Path, log: Log) -> VideoError:
    return VideoError(f"{source}: not one frame of it could be decoded{log.quoted()}. Download it again.")


def frame_counts(path: Path) -> dict[str, int]:
    """The frames of a 24 fps video, as each of its possible readers counts them.

    Raises:
        StoreError: it cannot be read.
    """
    import decord

    with VideoFrames(path) as frames:
        counts = {"PyAV": len(frames)}
    try:
        counts["decord"] = len(decord.VideoReader(str(path.absolute()), num_threads=1))
    except (RuntimeError, AssertionError) as problem:
        raise StoreError(f"{path}: decord cannot read it: {problem}. Run the stage normalise again.") from None
    return counts


# Frames of a 24 fps video.


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
        self._stream: Any = None
        self._to_rgb: Any = VideoReformatter()
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
        self._length, self.width, self.height = (
            int(self._stream.frames),
            int(self._stream.width),
            int(self._stream.height),
        )
        # In decoding order, which at the key frames of closed groups of pictures is showing order.
        self._keys = [n for n, entry in enumerate(self._stream.index_entries) if entry.is_keyframe]
        self._decoded = self._container.decode(self._stream)

    def __len__(self) -> int:
        return self._length

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
        # The decoder's threads go with the last of these.
        self._decoded, self._stream, self._to_rgb = iter(()), None, None
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
    """The fingerprint in a video's comment; none when there is none, or the file is no whole video."""
    import av

    try:
        with av.open(str(path.absolute())) as container:
            comment: str | None = container.metadata.get("comment")
            return comment
    except (OSError, av.FFmpegError):
        return None
