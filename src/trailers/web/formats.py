"""Which of the formats that a site offers is taken (Sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

# What yt-dlp fetches by itself. Others would start ffmpeg or speak to hosts in their own ways.
PROTOCOLS = ("http", "https", "http_dash_segments", "http_dash_segments_generator", "m3u8_native")
VIDEO_SUFFIXES = tuple("3gp avi flv m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv".split())  # noqa: SIM905
IMAGE_SUFFIXES = ("avif", "gif", "jpeg", "jpg", "png", "webp")


def lines(width: int | None, height: int | None) -> int:
    """The resolution as sites count it: 854x356 is 480p, as are 640x480 and 480x854; 0 is unknown.

    The height of the smallest 16:9 frame, upright or not, that holds the picture, rounded up to a
    multiple of four since encoders cut widths: 848 stands for 854.
    """
    if not width or not height:
        return height or 0
    exact = max(min(width, height), round(max(width, height) * 9 / 16))
    return -(-exact // 4) * 4


def choose_format(
    formats: Sequence[Mapping[str, Any]], *, min_height: int, max_height: int
) -> Mapping[str, Any] | None:
    """The format to take of those a site offers (yt-dlp's, worst first), or None.

    The largest between the two heights; else the smallest above them, else the largest below. Of
    equals the one that is cheapest to come by and to decode: standard range, at most 30 fps, one
    file rather than fragments, H.264, no sound, then the highest bit rate.
    """

    def rank(offer: Mapping[str, Any]) -> tuple[float, ...]:
        height = lines(offer.get("width"), offer.get("height"))
        within = min_height <= height <= max_height
        above = height > max_height
        codec = str(offer.get("vcodec") or "")
        return (
            3 if within else 2 if above else 1 if height else 0,
            -height if above else height,
            offer.get("dynamic_range") in (None, "SDR"),
            (offer.get("fps") or 0) <= 30,
            offer.get("protocol") in ("http", "https"),
            2 if codec.startswith(("avc", "h264")) else 1 if codec.startswith("vp") else 0,
            offer.get("acodec") == "none",
            offer.get("tbr") or 0,
        )

    usable = [offer for offer in formats if is_usable(offer)]
    return max(reversed(usable), key=rank, default=None)


def is_usable(offer: Mapping[str, Any]) -> bool:
    return (
        offer.get("vcodec") != "none"
        and not offer.get("has_drm")
        and offer.get("protocol") in PROTOCOLS
        and urlsplit(str(offer.get("url"))).scheme in ("http", "https")
    )


def safe_suffix(suffix: str, known: Sequence[str]) -> str:
    """``suffix`` where it is one of the ``known``; a name from a stranger is not taken over."""
    return suffix.lower() if suffix.lower() in known else "bytes"
