"""Checks the partial bytes of a file from a server that sends neither an ETag nor a date.

The length alone does not show whether a video was replaced. Therefore, before such a download continues, the first and
the last bytes on disk are compared with the server's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trailers.web.fragments import COMPARED_BYTES, NO_RANGES, size_of
from trailers.web.partial import Partial
from trailers.web.verdict import shorten
from trailers.web.words import read_head

log = logging.getLogger(__name__)


def keep_same_bytes(downloader: Any, partial: Partial, info: Mapping[str, Any]) -> None:
    """Discard the bytes on disk if only their number is known of their version, and the server now gives other bytes.

    Args:
        downloader: yt-dlp.
        partial: the files of a download without fragments.
        info: address and headers of its format.

    Raises:
        YoutubeDLError: the server does not answer, so that a new download would fail too.
    """
    size = size_of(partial.part_path)
    if not size or partial.version().if_range:
        return
    for first in sorted({0, max(0, size - COMPARED_BYTES)}):
        with partial.part_path.open("rb") as file:
            file.seek(first)
            here = file.read(COMPARED_BYTES)
        given = current_bytes(downloader, info, first, len(here))
        if given is not None and given != here:
            log.info("download: %s: the file has changed since the last try; starting again", shorten(info["url"]))
            partial.drop()
            return


def current_bytes(downloader: Any, info: Mapping[str, Any], first: int, count: int) -> bytes | None:
    """``count`` bytes of the server's file from byte ``first``; b"" if it has no such range.

    None if it sends the whole file in place of a range: then it will do the same when the download continues, and no
    versions are joined.
    """
    from yt_dlp.networking import Request
    from yt_dlp.networking.exceptions import HTTPError

    span = f"bytes={first}-{first + count - 1}"
    headers = {**(info.get("http_headers") or {}), "Accept-Encoding": "identity", "Range": span}
    try:
        answer = downloader.urlopen(Request(info["url"], headers=headers))
    except HTTPError as problem:
        if problem.status in NO_RANGES:
            return b""
        raise
    try:
        # The first bytes of the whole file are also those of a range that starts at 0.
        return read_head(answer, count)[:count] if answer.status == 206 or first == 0 else None
    finally:
        answer.close()  # a server that ignores Range would send the whole file
