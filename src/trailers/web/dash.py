"""Joins the periods of DASH manifests to one video.

yt-dlp joins the formats of two periods only if they are equal in everything, including address and bit rate. It lists
other formats as separate videos, and one part would be taken for the whole video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin


def join_periods() -> None:
    """Make yt-dlp join periods with ``joined``; needed once per process."""
    from yt_dlp.extractor.common import InfoExtractor

    plain, parse = InfoExtractor._merge_mpd_periods, InfoExtractor._parse_mpd_periods
    if getattr(plain, "joins_periods", False):
        return

    def parse_with_durations(self: Any, mpd_doc: Any, *more: Any, **named: Any) -> Any:
        give_durations(mpd_doc)
        return parse(self, mpd_doc, *more, **named)

    def merge(self: Any, periods: Sequence[Mapping[str, Any]]) -> Any:
        periods = list(periods)
        if len(periods) < 2:
            return plain(self, periods)
        subtitles = plain(self, [{**period, "formats": []} for period in periods])[1]
        return joined([period["formats"] for period in periods]), subtitles

    merge.joins_periods = True  # type: ignore[attr-defined]
    InfoExtractor._merge_mpd_periods, InfoExtractor._parse_mpd_periods = merge, parse_with_durations


def give_durations(manifest: Any) -> None:
    """Add the missing durations of periods, from the start of the next period or the end of the manifest.

    Without them, yt-dlp uses the duration of the whole manifest and requests fragments that do not exist.
    """
    from yt_dlp.utils import parse_duration

    periods = [element for element in manifest if str(element.tag).rpartition("}")[2] == "Period"]
    end_s = parse_duration(manifest.get("mediaPresentationDuration"))
    for number, period in reversed(list(enumerate(periods))):
        start_s = parse_duration(period.get("start")) if period.get("start") else None if number else 0.0
        if period.get("duration") is None and start_s is not None and end_s is not None and end_s > start_s:
            period.set("duration", f"PT{end_s - start_s}S")
        end_s = start_s


def joined(periods: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The formats of the first period, each with the fragments of the most similar format in every other period.

    A format gets ``dash_periods``, (number of its periods, number of all periods), and ``promised_s``, the duration of
    all periods.
    """
    promised_s = sum(max((seconds_of(offer) for offer in period), default=0.0) for period in periods)
    made = []
    for first in periods[0]:
        chosen = [first, *(nearest(first, period) for period in periods[1:])]
        there = [offer for offer in chosen if offer is not None]
        fragments = [fragment for offer in there for fragment in fragments_of(offer)]
        made.append(
            {
                **first,
                "protocol": first.get("protocol") if first.get("protocol") == "mhtml" else "http_dash_segments",
                "fragments": fragments,
                "filesize": None,
                "dash_periods": (len(there), len(periods)),
                "promised_s": promised_s,
                "has_drm": any(offer.get("has_drm") for offer in there) or None,
            }
        )
    return made


def nearest(first: Mapping[str, Any], period: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The format of ``period`` that is most like ``first``: of the same kind and codec, then size, then bit rate."""

    def kind(offer: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(offer.get(key) or "").split(".")[0] for key in ("vcodec", "acodec", "ext"))

    def distance(offer: Mapping[str, Any]) -> tuple[float, ...]:
        return tuple(abs((offer.get(key) or 0) - (first.get(key) or 0)) for key in ("height", "width", "tbr"))

    return min((offer for offer in period if kind(offer) == kind(first)), key=distance, default=None)


def fragments_of(offer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fragments with their complete addresses; an unfragmented file is one fragment."""
    if "fragments" not in offer:
        return [{"url": offer["url"]}]
    base = str(offer.get("fragment_base_url") or offer.get("url") or "")
    return [
        {**fragment, "url": fragment.get("url") or urljoin(base, str(fragment["path"]))}
        for fragment in offer["fragments"]
    ]


def seconds_of(offer: Mapping[str, Any]) -> float:
    """Total duration of the fragments of a format, as the manifest states it; 0 if it does not."""
    return sum(float(fragment.get("duration") or 0) for fragment in offer.get("fragments") or ())
