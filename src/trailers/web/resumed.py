"""A single file that came in part, from a server that says nothing by which its versions can be told apart.

A length alone does not tell a video from another that replaced it. So before such a download goes on, the first and
the last bytes that are there are compared with what the server gives now.
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
    """Drop the bytes that are there where nothing but their number speaks for them, and the server gives others now.

    Args:
        downloader: yt-dlp.
        partial: of one file, not of fragments.
        info: of its format: address and headers.

    Raises:
        YoutubeDLError: the server gives nothing, which the download would need too.
    """
    size = size_of(partial.part_path)
    if not size or partial.version().if_range:
        return
    for first in sorted({0, max(0, size - COMPARED_BYTES)}):
        with partial.part_path.open("rb") as file:
            file.seek(first)
            here = file.read(COMPARED_BYTES)
        given = given_now(downloader, info, first, len(here))
        if given is not None and given != here:
            log.info("download: %s: the bytes downloaded earlier are not the server's any more", shorten(info["url"]))
            partial.drop()
            return


def given_now(downloader: Any, info: Mapping[str, Any], first: int, count: int) -> bytes | None:
    """``count`` bytes of the file from ``first`` on, as the server gives them; none where it has no such range.

    None where it sends the whole in place of a range: it will do so too when the download is to go on, and then
    nothing is joined.
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
        # The first bytes of a whole file are those of a range that begins it.
        return read_head(answer, count)[:count] if answer.status == 206 or first == 0 else None
    finally:
        answer.close()  # a server that ignores Range would go on to send all of it
