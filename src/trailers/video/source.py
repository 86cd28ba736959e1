"""What a video from outside is: its packets as its container gives them, its first frames as ffmpeg shows them."""

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
from trailers.video.look import Look, believed, is_steady, look
from trailers.video.packets import Packets, StreamPackets, read_packets
from trailers.video.process import CONFINED, CONTAINERS, Log, address, words_about
from trailers.video.promise import frames_cut_off
from trailers.video.timeline import Timeline, may_be_unordered, timeline

PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]", b"<smil", b"<asx", b"<ASX", b"v=0")
MIN_SIDE = 16  # px of a video worth looking at; filters fail below 3
ORDER_LOOKED_AT = 64  # frames among which wrong time stamps show
SLOWEST_S = 2.0  # seconds a frame: slower, and it is a slide show

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

# What says of a video stream that it is not a video to watch.
PICTURES = ("attached_pic", "timed_thumbnails")


@dataclass(frozen=True)
class Probe:
    """What a video says of itself, and what its first frames show."""

    container: str
    codec: str
    stream: int  # index of the video stream that is taken
    video_streams: int
    times: Timeline  # when its frames are shown, by its packets
    frames_cut_off: int  # that the container promises after the last packet
    fps: float  # the mean, as the container says; 0 when it does not
    width: int  # px, cropped, turned as the display matrix says, pixels as they are
    height: int
    pixel_aspect: Fraction  # width over height of a pixel, turned
    turn: tuple[str, ...]  # filters that apply the display matrix
    pix_fmt: str
    is_interlaced: bool
    matrix: str  # of the colours, as tagged
    range: str
    colours: Colours  # how they are read
    stated_aspect: Fraction = Fraction(1)  # of a pixel, as the container says it; an absurd one is taken as square

    @property
    def duration_s(self) -> float:
        """The seconds that are shown, from the first frame to the end of the last."""
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
    """What ``path`` is, from its packets and first frames.

    Raises:
        VideoError: it is not a video that can be read, or a still picture.
    """
    import av

    refuse_early(path)
    try:
        # Text in a container is anything, and no reason to refuse the video beside it.
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
    """What ffmpeg's command says first of a file that cannot be opened: more than its library does."""
    said = words_about(path, level="error", timeout_s=30)
    log = Log()
    log.read(io.BytesIO(said.encode()))
    words = log.complaints[0] if log.complaints else ""
    return f"its container is not one of {CONTAINERS}" if "not on whitelist" in words else words


def refuse_early(path: Path) -> None:
    """Raises VideoError for what needs no decoder to be told."""
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
    times = times_of(path, container, chosen)
    cut_off = frames_cut_off(container, chosen, times, packets.end_s)
    refuse_still(path, times, cut_off)
    seen = look(path, stream.index) or as_the_container_says(stream)
    if min(seen.width, seen.height) < MIN_SIDE:
        raise VideoError(
            f"is {seen.width}x{seen.height} px, which is too small to show anything",
            where=path,
            remedy="Get another format of it.",
            reason="too small",
        )
    turn = turn_of(path, chosen.first_frame)
    is_sideways = any(word.startswith("transpose") for word in turn)
    aspect = believed(seen.pixel_aspect)
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


def times_of(path: Path, container: Any, chosen: StreamPackets) -> Timeline:
    """The timeline of the stream that is taken; where its packets are suspicious, with a second look at its frames."""
    is_unordered = False
    if may_be_unordered(chosen):
        seen = look(path, chosen.stream.index, frames=ORDER_LOOKED_AT)
        is_unordered = seen is not None and not is_steady(seen.stamps)
    return timeline(chosen, container.format.name, is_unordered=is_unordered)


def refuse_without_video(path: Path, container: Any) -> None:
    """Raises VideoError where no stream is a video, or the only ones are pictures."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    if all(is_picture(stream) for stream in streams):
        sound = "sound but no video" if container.streams.audio else "no video stream"
        what = "a cover picture but no video" if streams else sound
        raise VideoError(f"has {what}", where=path, remedy="Get another format of it.", reason="not a video")


def is_picture(stream: Any) -> bool:
    import av

    return any(stream.disposition & getattr(av.stream.Disposition, name) for name in PICTURES)


def choose_stream(path: Path, container: Any, packets: Packets) -> tuple[StreamPackets, int]:
    """The packets of the video stream that is taken, and how many there are.

    Of those that move and last at least half as long as the longest of them, the one that ffmpeg itself
    would take: its default flag counts as much as five million pixels, the first of equals wins.
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
    # Slides beside a video are fewer by far, whatever their size and flag.
    lively = [video for video in filled if lengths[id(video)].frames > max(1, most / 10)]
    longest = max((lengths[id(video)].length_s for video in lively), default=0.0)
    moving = [video for video in lively if lengths[id(video)].length_s >= longest / 2]

    def score(video: StreamPackets) -> int:
        stream = video.stream
        is_default = bool(stream.disposition & av.stream.Disposition.default)
        return int(stream.width * stream.height) + 5_000_000 * is_default

    return max(moving or filled, key=score), len(videos)


def refuse_still(path: Path, times: Timeline, cut_off: int) -> None:
    """Raises VideoError where there is nothing to watch: one picture, or hours made of a few."""
    if times.frames + cut_off == 1:
        raise VideoError(
            "is one still picture, not a video", where=path, remedy="Give another link.", reason="still picture"
        )
    # Two recordings that were joined have many frames for each jump of the clock.
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
    """What stands in for a look where no frame could be decoded."""
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
        degrees = round(-math.degrees(math.atan2(b, a)))  # libav cuts 36.99 to 36
        if signs not in TURNS or max(abs(x / largest - y) for x, y in zip((a, b, c, d), signs, strict=True)) > 0.01:
            raise VideoError(
                f"is to be rotated by {degrees} degrees when shown, but only multiples of 90 leave no empty corners",
                where=path,
                remedy="Re-encode it upright.",
                reason="turned picture",
            )
        return TURNS[signs]
    return ()
