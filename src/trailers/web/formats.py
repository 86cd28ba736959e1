"""Which of the formats that a site offers is taken (Sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

# What yt-dlp fetches by itself. Others would start ffmpeg or speak to hosts in their own ways.
PROTOCOLS = ("http", "https", "http_dash_segments", "http_dash_segments_generator", "m3u8_native")
HIDDEN = -1000  # a preference below it says that a format is not to be taken
VIDEO_SUFFIXES = tuple("3gp avi flv gif m4v mkv mov mp4 mpeg mpg mts ogg ogv ts vob webm wmv".split())  # noqa: SIM905
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

    None that the site itself holds back, such as a watermarked or an audio-described one, where there is another. Then
    the largest between the two heights; else the smallest above them, else the largest below. Of equals the site's own
    favourite, then the one that is cheapest to come by and to decode: standard range, at most 30 fps, one file rather
    than fragments, H.264, no sound, then the highest bit rate.
    """

    def rank(offer: Mapping[str, Any]) -> tuple[float, ...]:
        height = lines(offer.get("width"), offer.get("height"))
        within = min_height <= height <= max_height
        above = height > max_height
        codec = str(offer.get("vcodec") or "")
        preferences = [preference(offer, key) for key in ("preference", "language_preference")]
        return (
            min(0.0, *(value + 1 for value in preferences)),
            3 if within else 2 if above else 1 if height else 0,
            -height if above else height,
            *preferences,
            offer.get("dynamic_range") in (None, "SDR"),
            (offer.get("fps") or 0) <= 30,
            offer.get("protocol") in ("http", "https"),
            2 if codec.startswith(("avc", "h264")) else 1 if codec.startswith("vp") else 0,
            offer.get("acodec") == "none",
            preference(offer, "quality"),
            preference(offer, "source_preference"),
            offer.get("tbr") or 0,
        )

    usable = [offer for offer in formats if is_usable(offer)]
    return max(reversed(usable), key=rank, default=None)


def preference(offer: Mapping[str, Any], key: str) -> float:
    """A preference of the site's for a format; -1 is yt-dlp's middle, less is worse than what nothing is said of."""
    value = offer.get(key)
    return float(value) if isinstance(value, int | float) else -1.0


def why_none(formats: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Reason and words where no format can be taken.

    Sound alone, without a picture in any form, is not a video. All else is what a site offers to a client that it
    refuses, or what yt-dlp makes of a site that has changed: storyboards, formats under DRM, protocols of its own.
    """
    pictures = [offer for offer in formats if offer.get("vcodec") != "none"]
    if not pictures and formats and all(offer.get("acodec") not in (None, "none") for offer in formats):
        return "not a video", "the site offers only sound"
    if not pictures:
        return "no format", "the site offers only still pictures (a storyboard), no video"
    if all(offer.get("has_drm") for offer in pictures):
        return "no format", "the site offers only formats that are protected by DRM"
    if all(preference(offer, "preference") <= HIDDEN for offer in pictures):
        return "no format", "the site marks all of its formats as not to be taken"
    protocols = sorted({str(offer.get("protocol")) for offer in pictures})
    return "no format", f"the site offers no format over http or https, only {', '.join(protocols)}"


def is_usable(offer: Mapping[str, Any]) -> bool:
    return (
        offer.get("vcodec") != "none"
        and preference(offer, "preference") > HIDDEN
        and not offer.get("has_drm")
        and offer.get("protocol") in PROTOCOLS
        and urlsplit(str(offer.get("url"))).scheme in ("http", "https")
    )


def safe_suffix(suffix: str, known: Sequence[str]) -> str:
    """``suffix`` where it is one of the ``known``; a name from a stranger is not taken over."""
    return suffix.lower() if suffix.lower() in known else "bytes"
