"""Converts any video to 24 fps in one pass: an mp4 for the backbones, and 48x27 frames for detection.

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
from trailers.video.look import WIDEST, plausible_aspect
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
    """Decode ``source`` once: write it to ``target`` at 24 fps, and pass all its frames at 48x27 to ``take``.

    Frame 0 is the first frame of the source, even if its time stamp is not 0.

    Args:
        source: any video; it is untrusted.
        target: the mp4 to write. It is encoded in one thread, so that the same source gives the same bytes.
        take: called with uint8 (frames, 27, 48, 3) RGB, in order, in portions.
        seen: the probe of ``source``.
        short_side: maximum length of the shorter side of ``target`` in px; None keeps the size.
        crf: x264 quality, 0 to 51.
        gop: exact number of frames from one key frame to the next.
        max_hours: maximum duration; a damaged time stamp can cause years of repeated frames.
        fingerprint: stored in the container, for ``read_fingerprint``.
        stall_s: seconds without a frame after which ffmpeg is stopped.
        is_telecined: whether to restore film from interlaced video.

    Raises:
        VideoError: the video has no frames or too many, or ffmpeg failed.
        TrailerError: ffmpeg hung, which may be temporary.
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
            f"lasts more than {max_hours:g} h at {FPS} fps, or its time stamps are damaged",
            where=source,
            remedy="If it is really that long, increase normalise.max_hours in config.yaml.",
            reason="too long",
        )


def size_at(seen: Probe, short_side: int | None) -> tuple[int, int]:
    """Width and height in px of the 24 fps video: even, for square pixels, and not enlarged."""
    # Pixels that are not square are made square by reducing their longer side.
    width = seen.width * min(Fraction(1), seen.pixel_aspect)
    height = seen.height / max(Fraction(1), seen.pixel_aspect)
    scale = Fraction(1) if short_side is None else min(Fraction(1), short_side / min(width, height))
    return even(width * scale, seen.width), even(height * scale, seen.height)


def even(length: Fraction, most: int) -> int:
    """The even number nearest to ``length``, from 2 to ``most``, because in 4:2:0 video two pixels share a colour."""
    return max(2, 2 * min(int(length / 2 + Fraction(1, 2)), most // 2))


def conversion(
    source: Path, target: Path, *, seen: Probe, size: tuple[int, int], crf: int, gop: int, fingerprint: str,
    is_telecined: bool = False,
) -> list[str]:  # fmt: skip
    """The command that ``convert`` runs."""
    import ffmpeg

    # reinit_filter=0: if the size changes in the middle, the scaling filters follow and the clock continues; a new
    # filter graph would start at time 0 again. noautorotate: the display matrix is applied after deinterlacing.
    # copyts: jumps of the clock are left to the filters, which treat them in the same way for every container.
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
        # Key frames exactly every gop frames, so that readers can seek without waste.
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
    """Options for reading: ignore an edit list whose time stamps have another order, because it would drop frames."""
    return {"ignore_editlist": 1} if seen.times.is_unordered and "mp4" in seen.container else {}


def before_split(seen: Probe, *, is_telecined: bool) -> list[Step]:
    """The filters that both outputs share."""
    # Only frames that are flagged as interlaced, because they can be mixed with others, and flags may come late.
    deinterlaced: list[Step] = [("bwdif", (), {"mode": "send_frame", "deint": "interlaced"})]
    steps = [
        *seen.colours.steps,
        ("vfrdet", (), {}),
        *fit(seen),
        *(inverse(seen.times) if is_telecined else deinterlaced),
        *on_grid(seen.times, is_telecined=is_telecined),
    ]
    for word in seen.turn:
        name, _, direction = word.partition("=")
        steps.append((name, (direction,) if direction else (), {}))
    return steps + (tone_mapping(seen.colours, seen.width, seen.height) if seen.hdr else [])


def fit(seen: Probe) -> list[Step]:
    """Filters that fit the picture into its first shape after a change of size or pixel aspect.

    The filters after them cannot handle such a change. Before it, they do nothing.
    """
    is_sideways = any(word.startswith("transpose") for word in seen.turn)
    width, height = (seen.height, seen.width) if is_sideways else (seen.width, seen.height)
    aspect = 1 / seen.pixel_aspect if is_sideways else seen.pixel_aspect
    wider = f"(iw*{aspect_at(seen)}*{height}*{aspect.denominator})/(ih*{width}*{aspect.numerator})"
    scaled = {"w": f"round({width}*min(1,{wider}))", "h": f"round({height}*min(1,1/({wider})))", "eval": "frame"}
    if seen.is_odd:
        # Borders have an even number of pixels, so the picture is stretched; a warning says so.
        return [("scale@fit", (width, height), {})]
    return [("scale@fit", (), scaled), ("pad", (width, height, "(ow-iw)/2", "(oh-ih)/2"), {"eval": "frame"})]


def aspect_at(seen: Probe) -> str:
    """The expression of the stored pixel aspect of frame ``n``; 1 if it is not plausible."""
    expression = f"if(between(sar,1/{WIDEST},{WIDEST}),sar,1)"
    for number, (frame, stated) in enumerate(seen.times.aspects):
        aspect = plausible_aspect(stated)
        value = f"{aspect.numerator}/{aspect.denominator}"
        expression = f"({value})" if number == 0 else f"if(lt(n,{frame}),{expression},{value})"
    return expression


def to_size(seen: Probe, size: tuple[int, int]) -> Step:
    """The filter that resizes like Pillow, by Catmull-Rom with antialiasing, and makes full range limited."""
    is_plain = ZSCALED.fullmatch(seen.pix_fmt) is not None and seen.colours.matrix != "gbr"
    if is_plain and not seen.is_odd:
        # It takes a quarter of the time of swscale, and is closer to the transforms of backbones.
        return "zscale", size, {"filter": "bicubic", "param_a": 0, "param_b": 0.5, "r": "limited"}
    return "scale", size, {"flags": "bicubic", "out_range": "tv"}
