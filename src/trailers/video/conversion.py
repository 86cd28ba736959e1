"""One pass from any video to 24 fps: an mp4 for the backbones, 48x27 frames for detection.

source -> progressive, upright -> 24 fps -> tone mapped -+-> square pixels, short side -> x264 -> mp4
                                                         +-> 48x27, bicubic, squashed  -> RGB  -> pipe
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import FPS
from trailers.errors import VideoError
from trailers.video.process import CONFINED, SMALL, Converted, Log, address, ffmpeg_path, running
from trailers.video.source import Probe

ZSCALED = re.compile(r"yuvj?4(20|22|44)p(9|10|12)?(le)?")  # the pixel formats that zscale takes as they are

Step = tuple[str, tuple[Any, ...], dict[str, Any]]  # a filter, its arguments, its options


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


def before_split(seen: Probe) -> list[Step]:
    """What both outputs share."""
    is_sideways = any(word.startswith("transpose") for word in seen.turn)
    stored = (seen.height, seen.width) if is_sideways else (seen.width, seen.height)
    steps: list[Step] = [
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


def to_size(seen: Probe, size: tuple[int, int]) -> Step:
    """Catmull-Rom with antialiasing, as Pillow resizes; full range becomes limited."""
    is_plain = ZSCALED.fullmatch(seen.pix_fmt) is not None and seen.matrix not in ("gbr", "ycgco")
    if is_plain and seen.width % 2 == seen.height % 2 == 0:
        # A quarter of swscale's time, and nearer to the backbones' own transforms.
        return "zscale", size, {"filter": "bicubic", "param_a": 0, "param_b": 0.5, "r": "limited"}
    return "scale", size, {"flags": "bicubic", "out_range": "tv"}


def tone_mapping(seen: Probe) -> list[Step]:
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
