"""One pass from any video to 24 fps: an mp4 for the backbones, 48x27 frames for detection.

source -> one shape, progressive, 24 fps, upright, BT.709 -+-> square pixels, short side -> x264 -> mp4
                                                           +-> 48x27, bicubic, squashed  -> RGB  -> pipe
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import FPS
from trailers.errors import VideoError
from trailers.video.clock import on_grid
from trailers.video.colours import ZSCALED, Step, tone_mapping
from trailers.video.look import WIDEST, believed
from trailers.video.process import CONFINED, SMALL, Converted, Log, address, ffmpeg_path, running
from trailers.video.source import Probe
from trailers.video.telecine import inverse


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
    is_telecined: bool = False,
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
        is_telecined: whether to take film back out of interlaced video.

    Raises:
        VideoError: there is no frame, or there are too many, or ffmpeg failed.
        TrailerError: ffmpeg hung; it may go well another time.
    """
    refuse_too_long(source, seen.duration_s, max_hours)
    width, height = size_at(seen, short_side)
    command = conversion(
        source, target, seen=seen, size=(width, height), crf=crf, gop=gop, fingerprint=fingerprint,
        is_telecined=is_telecined,
    )  # fmt: skip
    log = Log()
    frames = 0
    with running(command, source, log, stall_s, target=target) as portions:
        for portion in portions:
            frames += len(portion)
            refuse_too_long(source, frames / FPS, max_hours)
            take(portion)
    return log.converted(source, frames, width, height)


def refuse_too_long(source: Path, seconds: float, max_hours: float) -> None:
    if seconds > max_hours * 3600:
        raise VideoError(
            f"lasts more than {max_hours:g} h at {FPS} fps: it is that long, or its time stamps are damaged",
            where=source,
            remedy="If it is that long, raise normalise.max_hours in config.yaml.",
            reason="too long",
        )


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
    source: Path, target: Path, *, seen: Probe, size: tuple[int, int], crf: int, gop: int, fingerprint: str,
    is_telecined: bool = False,
) -> list[str]:  # fmt: skip
    """The command of ``convert``."""
    import ffmpeg

    # reinit_filter=0: when the size changes half-way, the scalers follow and time goes on; a new
    # graph would start at zero again. Display matrices are applied here, after deinterlacing.
    # copyts: jumps of the clock are left for the filters, which read them alike in every container.
    opened = ffmpeg.input(
        address(source), **CONFINED, **edits(seen), threads=1, copyts=None, noautorotate=None, reinit_filter=0
    )
    at_24 = opened[str(seen.stream)]
    for name, arguments, options in before_split(seen, is_telecined=is_telecined):
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


def edits(seen: Probe) -> dict[str, Any]:
    """Options of the reader: an edit list made for time stamps in another order would take frames away."""
    return {"ignore_editlist": 1} if seen.times.is_unordered and "mp4" in seen.container else {}


def before_split(seen: Probe, *, is_telecined: bool) -> list[Step]:
    """What both outputs share."""
    # Only what is flagged as interlaced: material can be mixed, and flags may come late.
    deinterlaced: list[Step] = [("bwdif", (), {"mode": "send_frame", "deint": "interlaced"})]
    steps = [
        *seen.colours.steps,
        ("vfrdet", (), {}),
        *fit(seen),
        *(inverse() if is_telecined else deinterlaced),
        *on_grid(seen.times, is_telecined=is_telecined),
    ]
    for word in seen.turn:
        name, _, direction = word.partition("=")
        steps.append((name, (direction,) if direction else (), {}))
    return steps + (tone_mapping(seen.colours, seen.width, seen.height) if seen.hdr else [])


def fit(seen: Probe) -> list[Step]:
    """Do nothing until the size or the pixel aspect changes; from then on fit the picture into the first shape.

    What follows could not follow such a change.
    """
    is_sideways = any(word.startswith("transpose") for word in seen.turn)
    width, height = (seen.height, seen.width) if is_sideways else (seen.width, seen.height)
    aspect = 1 / seen.pixel_aspect if is_sideways else seen.pixel_aspect
    wider = f"(iw*{aspect_at(seen)}*{height}*{aspect.denominator})/(ih*{width}*{aspect.numerator})"
    scaled = {"w": f"round({width}*min(1,{wider}))", "h": f"round({height}*min(1,1/({wider})))", "eval": "frame"}
    if seen.is_odd:
        # Borders come in pairs of pixels: what changes is stretched, and told.
        return [("scale@fit", (width, height), {})]
    return [("scale@fit", (), scaled), ("pad", (width, height, "(ow-iw)/2", "(oh-ih)/2"), {"eval": "frame"})]


def aspect_at(seen: Probe) -> str:
    """The pixel aspect of frame ``n``, as it is stored; square where none can be so."""
    expression = f"if(between(sar,1/{WIDEST},{WIDEST}),sar,1)"
    for number, (frame, stated) in enumerate(seen.times.aspects):
        aspect = believed(stated)
        value = f"{aspect.numerator}/{aspect.denominator}"
        expression = f"({value})" if number == 0 else f"if(lt(n,{frame}),{expression},{value})"
    return expression


def to_size(seen: Probe, size: tuple[int, int]) -> Step:
    """Catmull-Rom with antialiasing, as Pillow resizes; full range becomes limited."""
    is_plain = ZSCALED.fullmatch(seen.pix_fmt) is not None and seen.colours.matrix != "gbr"
    if is_plain and not seen.is_odd:
        # A quarter of swscale's time, and nearer to the backbones' own transforms.
        return "zscale", size, {"filter": "bicubic", "param_a": 0, "param_b": 0.5, "r": "limited"}
    return "scale", size, {"flags": "bicubic", "out_range": "tv"}
