"""Chooses one of the formats that a site offers (Sec. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

# Protocols that yt-dlp downloads by itself. Others would start ffmpeg, or use other protocols than http.
PROTOCOLS = ("http", "https", "http_dash_segments", "http_dash_segments_generator", "m3u8_native")
HIDDEN = -1000  # a format with this preference or a lower one must not be used
VIDEO_SUFFIXES = tuple("3gp avi flv gif m4v mkv mov mp4 mpeg mpg mts ogg ogv ts vob webm wmv".split())  # noqa: SIM905
IMAGE_SUFFIXES = ("avif", "gif", "jpeg", "jpg", "png", "webp")


def lines(width: int | None, height: int | None) -> int:
    """The resolution as sites state it: 480 for 854x356, 640x480 and 480x854; 0 if unknown.

    The height of the smallest landscape or portrait 16:9 frame around the picture, rounded up to a multiple of four,
    because encoders reduce widths, such as 854 to 848.
    """
    if not width or not height:
        return height or 0
    exact = max(min(width, height), round(max(width, height) * 9 / 16))
    return -(-exact // 4) * 4


def choose_format(
    formats: Sequence[Mapping[str, Any]], *, min_height: int, max_height: int
) -> Mapping[str, Any] | None:
    """The best of the formats that a site offers (in the order of yt-dlp, worst first), or None.

    Formats that the site marks as undesirable, such as watermarked ones, are used only if there is no other. Then the
    largest format between the two heights is preferred, then the smallest above them, then the largest below. Among
    equal formats, the one that the site prefers, then the one that is cheapest to download and decode: standard
    dynamic range, up to 30 fps, one file rather than fragments, H.264, no sound, and last the highest bit rate.
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
    """The site's preference for a format; formats without a stated preference have -1, lower values are worse."""
    value = offer.get(key)
    return float(value) if isinstance(value, int | float) else -1.0


def why_no_format(formats: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Reason and sentence if none of ``formats`` can be used.

    If all formats are sound, the link is not a video. Other offers (storyboards, formats with DRM, other protocols)
    mean that the site refuses this client, or has changed in a way that yt-dlp does not know.
    """
    pictures = [offer for offer in formats if offer.get("vcodec") != "none"]
    if not pictures and formats and all(offer.get("acodec") not in (None, "none") for offer in formats):
        return "not a video", "the site offers only sound"
    if not pictures:
        return "no format", "the site offers only still pictures (a storyboard), no video"
    if all(offer.get("has_drm") for offer in pictures):
        return "no format", "the site offers only formats that are protected by DRM"
    if all(preference(offer, "preference") <= HIDDEN for offer in pictures):
        return "no format", "yt-dlp advises against every format that the site offers"
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
    """``suffix`` if it is one of the ``known``, otherwise "bytes", because the suffix of a download is untrusted."""
    return suffix.lower() if suffix.lower() in known else "bytes"
