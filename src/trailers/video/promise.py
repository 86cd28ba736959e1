"""Finds out whether a container states more frames than it has packets, as a truncated file does."""

from __future__ import annotations

import re
from typing import Any

from trailers.video.packets import StreamPackets
from trailers.video.timeline import Timeline

# In these formats, the reader measures durations from the packets, so they state nothing more.
MEASURED = {"mpegts", "mpeg", "mpegvideo", "ogg", "gif", "apng", "dv", "ivf", "yuv4mpegpipe"}

# In these formats, durations count from zero, in others from the first packet. For Matroska see ``seconds_cut_off``.
POSITIONS = {"flv", "nut"}


def frames_cut_off(container: Any, packets: StreamPackets, times: Timeline, end_s: float) -> int:
    """Number of frames after the last packet that the headers of ``container`` count.

    Args:
        container: the opened container.
        packets: of the chosen stream.
        times: the timeline of ``packets``.
        end_s: end of the last packet of any stream.
    """
    name = container.format.name
    if name in MEASURED:
        return 0
    if "mp4" in name and packets.stream.frames:
        # The index has all frames, without those that an edit list removes.
        return max(0, len(packets.stream.index_entries) - packets.count)
    if times.jumps_s:
        return 0  # the headers belong to another clock
    fps = times.fps or float(packets.stream.average_rate or 0)
    # One frame less, because the last may be short, and ends are rounded.
    return max(0, round(seconds_cut_off(container, packets, times, end_s) * fps) - 1)


def seconds_cut_off(container: Any, packets: StreamPackets, times: Timeline, end_s: float) -> float:
    """Seconds from the end of the packets to the end that the headers state."""
    if not container.duration:
        return 0.0
    promised_s = float(container.duration / 1_000_000)
    if "matroska" not in container.format.name:
        start_s = float(container.start_time or 0) / 1_000_000
        return promised_s - (end_s if container.format.name in POSITIONS else end_s - start_s)
    # Matroska's durations are positions from zero. Its writers store the duration of each stream in a tag, which is
    # often kept when the file is edited, unlike the duration of the whole file.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", packets.stream.metadata.get("DURATION", ""))
    if tag is None:
        return promised_s - end_s
    promised_s = min(promised_s, int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]))
    # The tag includes damaged time stamps: a stream that reaches the end in the tag was not truncated.
    return promised_s - max(times.end_s, packets.latest_s())
