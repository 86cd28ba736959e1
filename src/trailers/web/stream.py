"""Prepares the download of a chosen format: as one file, or as fragments that a playlist or manifest names."""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from trailers.web.fragments import steady_version
from trailers.web.parts import DifferentPartsError, put_on_one_clock
from trailers.web.playlist import Promise, keys_of, read_playlist, with_one_map
from trailers.web.reasons import LinkError
from trailers.web.verdict import shorten

log = logging.getLogger(__name__)

PROMISED_SHARE = 0.95  # of the stated duration; shorter videos get a warning
PROMISED_SLACK_S = 1.0  # because sites state whole seconds


@dataclass(frozen=True)
class Stream:
    """The stated content of a format, and the version of its fragments."""

    promise: Promise
    version: str = ""  # digest of the names of all fragments; empty for one file
    keys: frozenset[str] = frozenset()  # addresses of the keys of encrypted fragments

    def finish(self, path: Path) -> dict[str, Any]:
        """Put the parts in the finished file on one clock; returns facts about ``promise`` for the receipt."""
        facts: dict[str, Any] = {}
        if self.promise.seconds:
            facts["promised_s"] = round(self.promise.seconds, 3)
        if self.promise.fragments:
            facts["fragments"] = self.promise.fragments
        if self.promise.parts > 1:
            facts["parts"] = self.promise.parts
            try:
                put_on_one_clock(path)
            except (DifferentPartsError, ValueError, KeyError, struct.error) as problem:
                log.info("download: %s: the time stamps of its parts could not be made continuous: %r", path, problem)
                facts["parts_differ"] = True
        return facts


def prepare(downloader: Any, info: dict[str, Any]) -> Stream:
    """The stream of the format in ``info``; a playlist in ``info`` is put into a form that yt-dlp reads completely.

    Raises:
        LinkError: yt-dlp cannot download it by itself, or the playlist has no end yet.
        YoutubeDLError: the playlist cannot be downloaded.
    """
    check_downloader(info, downloader.params)
    said_s = float(info.get("duration") or 0)
    if info.get("protocol") == "m3u8_native":
        return playlist(downloader, info, said_s)
    fragments = info.get("fragments")
    if not isinstance(fragments, list):
        return Stream(Promise(said_s, 0))
    manifest_s = float(info.get("promised_s") or sum(float(one.get("duration") or 0) for one in fragments))
    periods = (info.get("dash_periods") or (1, 1))[1]
    promise = Promise(max(said_s, manifest_s), len(fragments), periods)
    return Stream(promise, digest([(one.get("url") or one.get("path"), one.get("duration")) for one in fragments]))


def playlist(downloader: Any, info: dict[str, Any], said_s: float) -> Stream:
    from yt_dlp.downloader.hls import HlsFD
    from yt_dlp.networking import Request

    text = info.get("hls_media_playlist_data")
    marks: tuple[str, ...] = ()
    if not text:
        answer = downloader.urlopen(Request(info["url"], headers=info.get("http_headers") or {}))
        text, info["url"] = answer.read().decode("utf-8", "ignore"), answer.url
        version = steady_version(answer.headers)
        marks = version.etag, version.last_modified
    if not HlsFD.can_download(text, info):
        raise LinkError("no format", "the playlist is encrypted with DRM")
    found = read_playlist(text)
    if not found.is_ended:
        raise LinkError("not ready", f"{shorten(info['url'])}: the playlist is still growing")
    info["hls_media_playlist_data"] = with_one_map(text)
    promise = Promise(max(said_s, found.seconds), found.fragments, found.parts, is_ranged=found.is_ranged)
    keys = frozenset(urljoin(info["url"], key) for key in keys_of(text))
    return Stream(promise, digest([text, marks]), keys)


def missing(facts: Mapping[str, Any]) -> dict[str, str]:
    """Reason -> sentence, if a video is shorter than the site, playlist or manifest stated.

    The reason is temporary, because the trailer is not the cause: a site may give a preview to users who are not logged
    in, or a download may have been incomplete.

    Args:
        facts: the facts of its receipt.
    """
    parts, promised_s, duration_s = facts.get("parts", 1), facts.get("promised_s"), facts["duration_s"]
    if facts.get("parts_differ"):
        return {
            "incomplete": f"its {parts} parts are encoded differently, and readers may apply the first encoding to all"
        }
    # If time stamps restart in the middle, as in joined MPEG-TS, the container does not have the whole duration.
    is_known = parts == 1 or facts["container"].startswith("mov")
    if not (is_known and promised_s and duration_s) or duration_s >= PROMISED_SHARE * promised_s - PROMISED_SLACK_S:
        return {}
    return {"incomplete": f"{duration_s:g} s of the {promised_s:g} s that the site states"}


def check_downloader(info: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Raise LinkError unless yt-dlp downloads ``info`` by itself, without a program such as ffmpeg."""
    from yt_dlp.downloader import get_suitable_downloader
    from yt_dlp.downloader.dash import DashSegmentsFD
    from yt_dlp.downloader.hls import HlsFD
    from yt_dlp.downloader.http import HttpFD

    chosen = get_suitable_downloader(dict(info), params)
    if chosen not in (HttpFD, HlsFD, DashSegmentsFD):
        raise LinkError(
            "no format", f"yt-dlp needs another program for this format: {getattr(chosen, '__name__', chosen)}"
        )


def digest(thing: Any) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()[:16]
