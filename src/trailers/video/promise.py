"""What a container promises beyond the packets that it gives: the sign of a file that was cut off."""

from __future__ import annotations

import re
from typing import Any

from trailers.video.packets import StreamPackets
from trailers.video.timeline import Timeline

# These count what is there: their durations promise nothing.
MEASURED = {"mpegts", "mpeg", "mpegvideo", "ogg", "gif", "apng", "dv", "ivf", "yuv4mpegpipe"}

# These count the duration of the file from zero, others from the first packet. Matroska's is read below.
POSITIONS = {"flv", "nut"}


def frames_cut_off(container: Any, packets: StreamPackets, times: Timeline, end_s: float) -> int:
    """Frames after the last packet that the headers of ``container`` still count, by what each format writes.

    Args:
        container: as opened.
        packets: of the stream that is taken.
        times: the timeline of ``packets``.
        end_s: where the last packet of any stream ends.
    """
    name = container.format.name
    if name in MEASURED:
        return 0
    if "mp4" in name and packets.stream.frames:
        # The index counts every frame, and an edit list has taken out what is not shown.
        return max(0, len(packets.stream.index_entries) - packets.count)
    if times.jumps_s:
        return 0  # the headers were written for another clock
    fps = times.fps or float(packets.stream.average_rate or 0)
    # One frame less: the last may be short, and ends are rounded.
    return max(0, round(seconds_cut_off(container, packets, times, end_s) * fps) - 1)


def seconds_cut_off(container: Any, packets: StreamPackets, times: Timeline, end_s: float) -> float:
    """How much later the headers end than the packets do; positions are compared with positions."""
    if not container.duration:
        return 0.0
    promised_s = float(container.duration / 1_000_000)
    if "matroska" not in container.format.name:
        start_s = float(container.start_time or 0) / 1_000_000
        return promised_s - (end_s if container.format.name in POSITIONS else end_s - start_s)
    # Matroska's durations are positions, counted from zero. Its writers note each stream's own in a tag, which
    # outlives many an edit of the file; the duration of the whole does not.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", packets.stream.metadata.get("DURATION", ""))
    if tag is None:
        return promised_s - end_s
    promised_s = min(promised_s, int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]))
    # A writer that met a damaged time stamp counted it: what reaches as far as the tag says was not cut off.
    return promised_s - max(times.end_s, packets.latest_s())
