"""Reads the packets of a container once, without decoding, to find out which frames each video stream should have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

MAX_PACKETS = 4_000_000  # video packets in one file: nine hours at 120 per second
TRIED = 1000  # maximum number of packets of a stream that are decoded to find its first frame
HEADERS_BYTES = 1024  # at the beginning of a key frame, which contain its headers

# Decoder -> the headers with the pixel aspect: sequence parameter sets, and the sequence header of MPEG-2.
HEADERS = {
    "h264": re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67](.*?)(?=\x00\x00[\x00\x01])", re.DOTALL),
    "hevc": re.compile(rb"\x00\x00\x01\x42(.*?)(?=\x00\x00[\x00\x01])", re.DOTALL),
    "mpeg2video": re.compile(rb"\x00\x00\x01\xb3(.{4})", re.DOTALL),
}


@dataclass
class StreamPackets:
    """The packets of one video stream, in the order of the file."""

    stream: Any
    dts: list[int | None] = field(default_factory=list)
    pts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    discarded: list[bool] = field(default_factory=list)  # whether the container says to decode but not show it
    keys: list[bool] = field(default_factory=list)
    first_frame: Any = None  # the first frame that can be decoded, for its display matrix
    count: int = 0  # of all packets, including invisible ones
    header: bytes = b""  # of the last key frame
    aspects: list[tuple[int, Fraction]] = field(default_factory=list)  # (first packet, its pixel aspect), per change

    def __post_init__(self) -> None:
        self.codec = str(self.stream.codec_context.name)

    def __len__(self) -> int:
        return len(self.dts)

    def take(self, packet: Any) -> None:
        self.count += packet.dts is not None
        if self.first_frame is None and len(self) < TRIED:
            self.first_frame = first_of(packet)
        # An invisible reference picture of VP8 is a packet but not a frame.
        if packet.size and not (self.codec == "vp8" and not memoryview(packet)[0] & 0x10):
            if packet.is_keyframe and self.codec in HEADERS:
                self.take_header(packet)
            self.dts.append(packet.dts)
            self.pts.append(packet.pts)
            self.durations.append(packet.duration or 0)
            self.discarded.append(bool(packet.is_discard))
            self.keys.append(bool(packet.is_keyframe))

    def take_header(self, packet: Any) -> None:
        """Record changes of the pixel aspect, because the ffmpeg command gives all frames the container's aspect."""
        found = HEADERS[self.codec].search(bytes(memoryview(packet)[:HEADERS_BYTES]))
        if found is None or found[1] == self.header:
            return
        if self.header:
            first_of(packet)
        self.header = found[1]
        aspect = Fraction(self.stream.codec_context.sample_aspect_ratio or 1)
        if not self.aspects or self.aspects[-1][1] != aspect:
            self.aspects.append((len(self), aspect))

    def seconds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Decoding times, presentation times and durations, float64 in s; a missing time is replaced by the other."""
        base = float(self.stream.time_base or 0)
        durations = np.asarray(self.durations, np.float64)
        dts = filled(self.dts, self.pts, durations)
        pts = filled(self.pts, self.dts, durations)
        return dts * base, pts * base, durations * base

    def latest_s(self) -> float:
        """The end of the last packet by its time stamps, including damaged ones."""
        _, pts, durations = self.seconds()
        return float(np.max(pts + durations))


@dataclass(frozen=True)
class Packets:
    """The packets of a file."""

    streams: dict[int, StreamPackets]  # index of a video stream -> its packets
    end_s: float  # end of the last packet of any stream, on the clock of the container


def read_packets(container: Any) -> Packets:
    """Read the packets of ``container``, up to damage that its reader cannot skip.

    Raises:
        ValueError: it has more than ``MAX_PACKETS`` video packets.
    """
    videos = {stream.index: StreamPackets(stream) for stream in container.streams.video if stream.codec_context}
    for packets in videos.values():
        packets.stream.thread_type = "NONE"
    wanted = [stream for stream in container.streams if stream.type == "audio" or stream.index in videos]
    end_s, count = float("-inf"), 0
    for packet in demuxed(container, wanted):
        start = packet.pts if packet.pts is not None else packet.dts
        if start is not None:
            end_s = max(end_s, float((start + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index in videos:
            videos[packet.stream.index].take(packet)
            count += 1
            if count > MAX_PACKETS:
                raise ValueError(f"it has more than {MAX_PACKETS:,} video packets")
    return Packets(videos, end_s)


def demuxed(container: Any, streams: list[Any]) -> Iterator[Any]:
    import av

    if not streams:
        return
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        yield packet


def first_of(packet: Any) -> Any:
    import av

    try:
        return next(iter(packet.decode()), None)
    except av.FFmpegError:
        return None


def filled(times: list[int | None], others: list[int | None], durations: np.ndarray) -> np.ndarray:
    """float64 ``times``; a missing time is the one in ``others``, or else the end of the packet before."""
    values = np.array(
        [np.nan if time is None and other is None else other if time is None else time
         for time, other in zip(times, others, strict=True)],
        np.float64,
    )  # fmt: skip
    known = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    passed = np.concatenate([[0.0], np.cumsum(durations)])[:-1]
    ends: np.ndarray = np.nan_to_num(values[known]) + passed - passed[known]
    return ends
