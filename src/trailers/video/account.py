"""What a video promised against what it delivered, and what is to be told of the difference."""

from __future__ import annotations

from fractions import Fraction

from trailers.domain import FPS
from trailers.video.look import believed
from trailers.video.process import Converted
from trailers.video.source import Probe

TOLD_GAP_S = 1.0  # a gap that long is told
TOLD_JUMPS = 5  # and how many there are
PROMISED_SHARE, PROMISED_SLACK_S = 0.95, 1.0  # a site counts whole seconds, and the end of the sound
COPIES_SHARE = 0.75  # a source of 6 frames a second; animated pictures have 8 and more
FIELDS = 0.6  # where fewer of the packets are frames, and all is interlaced, each packet is a field


def share_of_frames(seen: Probe, made: Converted) -> float:
    """The share of the frames the video promises that could be decoded whole, 0 to 1.

    Promised are the frames that the decoder tried, those that the container still counts after its
    last packet or hides, and, where ffmpeg complained, all packets and what is missing between them.
    """
    promised = made.source_frames + made.decode_errors + seen.times.frames_hidden
    if made.complaints:
        promised = max(promised, packets_as_frames(seen, made)) + seen.times.frames_in_gaps
    promised += seen.frames_cut_off
    whole = made.source_frames - made.frames_corrupt - crowded(seen, made)
    return max(0.0, whole / max(promised, 1))


def crowded(seen: Probe, made: Converted) -> int:
    """Frames lost because their time stamps stand still; a decoder may know better than the packets."""
    return min(seen.times.frames_crowded, made.frames_dropped)


def frames(count: int) -> str:
    return "1 frame is" if count == 1 else f"{count:,} frames are"


def pixels(change: tuple[int, Fraction]) -> str:
    return f"pixels {change[1].numerator}:{change[1].denominator} from frame {change[0]:,}"


def packets_as_frames(seen: Probe, made: Converted) -> int:
    count = seen.times.frames
    return (count + 1) // 2 if seen.is_interlaced and made.source_frames < FIELDS * count else count


def copies(made: Converted) -> list[str]:
    """What is to be told of a video whose frames last far longer than a film's."""
    if made.frames_duplicated <= COPIES_SHARE * made.frames:
        return []
    words = f"{made.frames_duplicated:,} of {made.frames:,} frames are copies of the one before"
    return [f"{words}: the source shows {made.source_frames:,} frames in {made.frames / FPS:.1f} s"]


def warnings(seen: Probe, made: Converted, *, is_telecined: bool = False, promised_s: float | None = None) -> list[str]:
    """One sentence for everything about the frames that a reader of the ledger must know.

    Args:
        seen: the probe of the video as published.
        made: what its conversion counted.
        is_telecined: whether film was taken back out of interlaced video.
        promised_s: the duration that its site promised, where one did.
    """
    times = seen.times
    found = []
    if made.is_cut_short:
        found.append("the file was cut off: it ends within a frame, and nothing says how much more there was")
    if times.jumps_s:
        jumps = ", ".join(f"{jump:+.3f} s" for jump in times.jumps_s[:TOLD_JUMPS])
        more = len(times.jumps_s) - TOLD_JUMPS
        jumps += f" and {more} more" if more > 0 else ""
        found.append(f"time stamps jump ({jumps}); the clock goes on without the jumps")
    if times.gap_s > TOLD_GAP_S:
        found.append(f"no frame for {times.gap_s:.3f} s after {times.gap_at_s:.3f} s; the last one is repeated there")
    if times.frames_hidden:
        found.append(f"{frames(times.frames_hidden)} hidden by the container: time stamps go back")
    if crowded(seen, made):
        found.append(f"{frames(crowded(seen, made))} not shown: the time stamp is that of the frame before")
    if times.is_unordered:
        found.append(f"time stamps do not follow the order of the frames; frames are counted, at {times.fps:.3f} fps")
    if is_telecined:
        found.append("telecined film in interlaced video: its own frames were put together again")
    if len(made.shapes) > 1 or times.aspects:
        shapes = ", ".join(made.shapes if len(made.shapes) > 1 else map(pixels, times.aspects))
        how = "stretched to" if seen.is_odd else "fitted into"
        found.append(f"the picture changes its shape ({shapes}); all is {how} the first")
    found += copies(made)
    if seen.stated_aspect != believed(seen.stated_aspect):
        stated = f"{seen.stated_aspect.numerator}:{seen.stated_aspect.denominator}"
        found.append(f"its pixel aspect is said to be {stated}, which no real video has; pixels are taken as square")
    shown_s = made.frames / FPS
    if promised_s and shown_s < PROMISED_SHARE * promised_s - PROMISED_SLACK_S:
        found.append(f"{shown_s:.1f} s are shown of the {promised_s:.1f} s that were promised")
    if promised_s and PROMISED_SHARE * shown_s - PROMISED_SLACK_S > promised_s:
        found.append(f"{shown_s:.1f} s are shown, but only {promised_s:.1f} s were promised: it may be another video")
    return [*found, *seen.colours.assumptions]
