"""Describes a video from outside, from the packets of its container and its first frames in ffmpeg."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from trailers.errors import VideoError
from trailers.video.colours import RANGES, Colours, read_colours
from trailers.video.look import Look, goes_back, is_steady, look, plausible_aspect
from trailers.video.packets import Packets, StreamPackets, read_packets
from trailers.video.process import CONFINED, CONTAINERS, Log, address, words_about
from trailers.video.promise import frames_cut_off
from trailers.video.timeline import Timeline, may_be_unordered, timeline

PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<smil", b"<asx", b"<ASX", b"v=0")
MIN_SIDE = 16  # px; smaller videos are refused, and filters fail below 3
ORDER_LOOKED_AT = 64  # frames that are decoded to recognise wrong time stamps
SLOWEST_S = 2.0  # seconds per frame; with longer ones, it is a slide show

# The signs of a, b, c, d in a display matrix -> the filters that rotate or mirror the picture accordingly.
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


# Dispositions of video streams that are still pictures.
PICTURES = ("attached_pic", "timed_thumbnails")


@dataclass(frozen=True)
class Probe:
    """The properties of a video, from its headers, packets and first frames."""

    container: str
    codec: str
    stream: int  # index of the chosen video stream
    video_streams: int
    times: Timeline  # when its frames are shown, by its packets
    frames_cut_off: int  # frames after the last packet, by the headers of the container
    fps: float  # mean rate by the container; 0 if it states none
    width: int  # px, cropped and rotated by the display matrix; pixels may not be square
    height: int
    pixel_aspect: Fraction  # width over height of a pixel, after rotation
    turn: tuple[str, ...]  # filters that apply the display matrix
    pix_fmt: str
    is_interlaced: bool
    matrix: str  # colour matrix in the tags
    range: str
    colours: Colours  # how they are read
    stated_aspect: Fraction = Fraction(1)  # pixel aspect in the container, which may not be plausible

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last, without jumps of the clock."""
        return self.times.length_s

    @property
    def first_s(self) -> float:
        """The time stamp of the first frame."""
        return self.times.first_s

    @property
    def is_odd(self) -> bool:
        """Whether a side has an odd number of pixels."""
        return self.width % 2 + self.height % 2 > 0

    @property
    def hdr(self) -> str:
        """smpte2084 (PQ), arib-std-b67 (HLG), or empty."""
        return self.colours.hdr


def probe(path: Path) -> Probe:
    """The properties of the video at ``path``.

    Raises:
        VideoError: it cannot be read as a video, or is a still picture.
    """
    import av

    refuse_early(path)
    try:
        # metadata_errors: text in a container may have any encoding, which does not affect the video.
        with av.open(address(path), options=dict(CONFINED), metadata_errors="replace") as container:
            return inspect(path, container)
    except (OSError, ValueError, av.FFmpegError) as problem:
        raise VideoError(
            f"cannot be read as a video: {why_not(path) or problem}",
            where=path,
            remedy="Download it again.",
            reason="not a video",
        ) from None


def why_not(path: Path) -> str:
    """The first error of the ffmpeg command for a file that cannot be opened, which says more than the library."""
    messages = words_about(path, level="error", timeout_s=30)
    log = Log()
    log.read(io.BytesIO(messages.encode()))
    words = log.complaints[0] if log.complaints else ""
    return f"its container is not one of {CONTAINERS}" if "not on whitelist" in words else words


def refuse_early(path: Path) -> None:
    """Raise VideoError for files that can be recognised as no video without a decoder."""
    remedy = "Give a video file instead."
    if not path.is_file():
        raise VideoError("is not a file", where=path, remedy=remedy, reason="not a file")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise VideoError("is empty", where=path, remedy="Download it again.", reason="not a video")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(PLAYLISTS) or b"<MPD" in head[:1024]:
        what = "is a playlist, not a video; nothing in it was opened"
        raise VideoError(what, where=path, remedy=remedy, reason="not a video")
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        raise VideoError("is text, not a video", where=path, remedy=remedy, reason="not a video")


def inspect(path: Path, container: Any) -> Probe:
    refuse_without_video(path, container)
    packets = read_packets(container)
    chosen, video_streams = choose_stream(path, container, packets)
    stream = chosen.stream
    seen = look(path, stream.index) or as_the_container_says(stream)
    times = times_of(path, container, chosen, seen)
    cut_off = frames_cut_off(container, chosen, times, packets.end_s)
    refuse_still(path, times, cut_off)
    if not seen.width or not seen.height:
        what = "none of its frames could be decoded"
        raise VideoError(what, where=path, remedy="Download it again.", reason="no frames")
    if min(seen.width, seen.height) < MIN_SIDE:
        raise VideoError(
            f"is {seen.width}x{seen.height} px, which is too small to show anything",
            where=path,
            remedy="Use another format of it.",
            reason="too small",
        )
    turn = turn_of(path, chosen.first_frame)
    is_sideways = any(word.startswith("transpose") for word in turn)
    aspect = plausible_aspect(seen.pixel_aspect)
    return Probe(
        container=container.format.name,
        codec=stream.codec_context.name,
        stream=stream.index,
        video_streams=video_streams,
        times=times,
        frames_cut_off=cut_off,
        fps=float(stream.average_rate or 0),
        width=seen.height if is_sideways else seen.width,
        height=seen.width if is_sideways else seen.height,
        pixel_aspect=1 / aspect if is_sideways else aspect,
        stated_aspect=seen.pixel_aspect,
        turn=turn,
        pix_fmt=seen.pix_fmt,
        is_interlaced=seen.is_interlaced,
        matrix=seen.matrix,
        range=RANGES.get(seen.range, "unknown"),
        colours=read_colours(
            pix_fmt=seen.pix_fmt, matrix=seen.matrix, primaries=seen.primaries, transfer=seen.transfer,
            width=seen.width, height=seen.height,
        ),
    )  # fmt: skip


def times_of(path: Path, container: Any, chosen: StreamPackets, seen: Look) -> Timeline:
    """The timeline of the chosen stream; if its packets are suspicious, frames are decoded to check their order."""
    is_unordered = goes_back(seen.stamps)
    if not is_unordered and may_be_unordered(chosen):
        more = look(path, chosen.stream.index, frames=ORDER_LOOKED_AT)
        is_unordered = more is not None and not is_steady(more.stamps)
    return timeline(chosen, container.format.name, is_unordered=is_unordered)


def refuse_without_video(path: Path, container: Any) -> None:
    """Raise VideoError if no stream is a video, or all are still pictures."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    if all(is_picture(stream) for stream in streams):
        sound = "sound but no video" if container.streams.audio else "no video stream"
        what = "a cover picture but no video" if streams else sound
        raise VideoError(f"has {what}", where=path, remedy="Use another format of it.", reason="not a video")


def is_picture(stream: Any) -> bool:
    import av

    return any(stream.disposition & getattr(av.stream.Disposition, name) for name in PICTURES)


def choose_stream(path: Path, container: Any, packets: Packets) -> tuple[StreamPackets, int]:
    """The packets of the main video stream, and the number of video streams.

    Still pictures, slides, and streams shorter than half of the longest are left out. Of the others, the one that
    ffmpeg itself would choose: the default flag counts as much as five million pixels; the first of equal streams.
    """
    import av

    videos = [video for video in packets.streams.values() if not is_picture(video.stream)]
    filled = [video for video in videos if len(video)]
    if not filled:
        raise VideoError("none of its frames can be found", where=path, remedy="Download it again.", reason="no frames")
    if len(filled) == 1:
        return filled[0], len(videos)
    lengths = {id(video): timeline(video, container.format.name) for video in filled}
    most = max(times.frames for times in lengths.values())
    # Slides have far fewer frames than the video.
    lively = [video for video in filled if lengths[id(video)].frames > max(1, most / 10)]
    longest = max((lengths[id(video)].length_s for video in lively), default=0.0)
    moving = [video for video in lively if lengths[id(video)].length_s >= longest / 2]

    def score(video: StreamPackets) -> int:
        stream = video.stream
        is_default = bool(stream.disposition & av.stream.Disposition.default)
        return int(stream.width * stream.height) + 5_000_000 * is_default

    return max(moving or filled, key=score), len(videos)


def refuse_still(path: Path, times: Timeline, cut_off: int) -> None:
    """Raise VideoError for a single picture, and for a slide show."""
    if times.frames + cut_off == 1:
        raise VideoError(
            "is one still picture, not a video", where=path, remedy="Give another link.", reason="still picture"
        )
    # Joined recordings have many frames per jump of the clock.
    is_torn = 1 < times.frames <= len(times.jumps_s) + 1
    if is_torn or times.length_s > SLOWEST_S * times.frames:
        seconds = times.length_s + sum(times.jumps_s)
        raise VideoError(
            f"shows {times.frames} pictures in {seconds:.0f} s: it is a slide show, not a video",
            where=path,
            remedy="Give another link.",
            reason="slide show",
        )


def as_the_container_says(stream: Any) -> Look:
    """A replacement for ``look`` if no frame can be decoded."""
    context = stream.codec_context
    return Look(stream.width, stream.height, Fraction(1), context.pix_fmt or "unknown", is_interlaced=False)


def turn_of(path: Path, frame: Any) -> tuple[str, ...]:
    """The filters that apply the display matrix of ``frame``."""
    for data in frame.side_data if frame is not None else ():
        if data.type.name != "DISPLAYMATRIX":
            continue
        a, b, _, c, d = struct.unpack("<5i", bytes(data)[:20])
        largest = max(abs(a), abs(b), abs(c), abs(d), 1)
        signs = tuple(round(value / largest) for value in (a, b, c, d))
        degrees = round(-math.degrees(math.atan2(b, a)))  # libav would truncate 36.99 to 36
        if signs not in TURNS or max(abs(x / largest - y) for x, y in zip((a, b, c, d), signs, strict=True)) > 0.01:
            raise VideoError(
                f"must be rotated by {degrees} degrees when shown, but only multiples of 90 are supported",
                where=path,
                remedy="Re-encode it upright.",
                reason="turned picture",
            )
        return TURNS[signs]
    return ()
