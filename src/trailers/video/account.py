"""Compares the frames that a video should have with those that were decoded, and words the warnings."""

from __future__ import annotations

from fractions import Fraction

from trailers.domain import FPS
from trailers.video.look import plausible_aspect
from trailers.video.process import Converted
from trailers.video.source import Probe

LONG_GAP_S = 1.0  # a longer gap gets a warning
SHOWN_JUMPS = 5  # maximum number of jumps that a warning lists
PROMISED_SHARE, PROMISED_SLACK_S = 0.95, 1.0  # sites state whole seconds, and include the end of the sound
COPIES_SHARE = 0.75  # the share in a source of 6 frames per second; animated pictures have 8 or more
FIELDS = 0.6  # if fewer packets of interlaced video gave frames, each packet is a field


def share_of_frames(seen: Probe, made: Converted) -> float:
    """The share of the expected frames that could be decoded without errors, 0 to 1.

    The expected frames are those that the decoder tried, those that the container counts after its last packet or
    hides, and, if ffmpeg reported errors, all packets and the frames that are missing between them.
    """
    promised = made.source_frames + made.decode_errors + seen.times.frames_hidden
    if made.complaints:
        promised = max(promised, packets_as_frames(seen, made)) + seen.times.frames_in_gaps
    promised += seen.frames_cut_off
    whole = made.source_frames - made.frames_corrupt - crowded(seen, made)
    return max(0.0, whole / max(promised, 1))


def crowded(seen: Probe, made: Converted) -> int:
    """Frames that were lost because their time stamps are equal; not more than the frames that were dropped."""
    return min(seen.times.frames_crowded, made.frames_dropped)


def frames(count: int) -> str:
    return "1 frame is" if count == 1 else f"{count:,} frames are"


def pixels(change: tuple[int, Fraction]) -> str:
    return f"pixels {change[1].numerator}:{change[1].denominator} from frame {change[0]:,}"


def packets_as_frames(seen: Probe, made: Converted) -> int:
    count = seen.times.frames
    return (count + 1) // 2 if seen.is_interlaced and made.source_frames < FIELDS * count else count


def copies(made: Converted) -> list[str]:
    """A warning about a video that shows far fewer frames per second than a film."""
    if made.frames_duplicated <= COPIES_SHARE * made.frames:
        return []
    words = f"{made.frames_duplicated:,} of {made.frames:,} frames are copies of the one before"
    return [f"{words}: the source shows {made.source_frames:,} frames in {made.frames / FPS:.1f} s"]


def warnings(seen: Probe, made: Converted, *, is_telecined: bool = False, promised_s: float | None = None) -> list[str]:
    """Sentences about everything unusual in the frames, for readers of the ledger.

    Args:
        seen: the probe of the video as published.
        made: the counts of its conversion.
        is_telecined: whether film was restored from interlaced video.
        promised_s: the duration that its site stated, if any.
    """
    times = seen.times
    found = []
    if made.is_cut_short:
        found.append("the file is truncated: it ends within a frame, and does not state how much is missing")
    if times.jumps_s:
        jumps = ", ".join(f"{jump:+.3f} s" for jump in times.jumps_s[:SHOWN_JUMPS])
        more = len(times.jumps_s) - SHOWN_JUMPS
        jumps += f" and {more} more" if more > 0 else ""
        found.append(f"time stamps jump ({jumps}); the jumps are left out")
    if times.gap_s > LONG_GAP_S:
        found.append(f"no frame for {times.gap_s:.3f} s after {times.gap_at_s:.3f} s; the last one is repeated there")
    if times.frames_hidden:
        found.append(f"{frames(times.frames_hidden)} hidden by the container: time stamps go back")
    if crowded(seen, made):
        found.append(f"{frames(crowded(seen, made))} not shown: the time stamp is that of the frame before")
    if times.is_unordered:
        found.append(f"time stamps do not follow the order of the frames; frames are counted, at {times.fps:.3f} fps")
    if is_telecined:
        found.append("telecined film in interlaced video: the frames of the film were restored")
    if len(made.shapes) > 1 or times.aspects:
        shapes = ", ".join(made.shapes if len(made.shapes) > 1 else map(pixels, times.aspects))
        verb = "stretched to" if seen.is_odd else "fitted into"
        found.append(f"the picture changes its shape ({shapes}); all frames are {verb} the first shape")
    found += copies(made)
    if seen.stated_aspect != plausible_aspect(seen.stated_aspect):
        stated = f"{seen.stated_aspect.numerator}:{seen.stated_aspect.denominator}"
        found.append(f"its stated pixel aspect of {stated} is not plausible; pixels are taken as square")
    shown_s = made.frames / FPS
    if abs(shown_s - seen.duration_s) > max(PROMISED_SLACK_S, (1 - PROMISED_SHARE) * seen.duration_s):
        found.append(f"{shown_s:.1f} s are shown, but its time stamps say {seen.duration_s:.1f} s")
    if promised_s and shown_s < PROMISED_SHARE * promised_s - PROMISED_SLACK_S:
        found.append(f"it lasts {shown_s:.1f} s, but its site states {promised_s:.1f} s")
    if promised_s and PROMISED_SHARE * shown_s - PROMISED_SLACK_S > promised_s:
        found.append(f"it lasts {shown_s:.1f} s, but its site states only {promised_s:.1f} s: it may be another video")
    return [*found, *seen.colours.assumptions]
