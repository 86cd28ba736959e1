"""What a video from outside is, from its headers and first frames."""

from __future__ import annotations

import io
import itertools
import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from trailers.errors import VideoError
from trailers.video.process import CONFINED, CONTAINERS, Log, address, ffmpeg_path

PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<smil", b"<asx", b"<ASX", b"v=0")
LOOKED_AT = 16  # frames a probe decodes
TRIED = 1000  # packets a probe goes through for them
MIN_SIDE = 16  # px of a video worth looking at; filters fail below 3

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
