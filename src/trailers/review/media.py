"""The media that a reviewer sees: the downloaded video, the site's player, a few pictures, the poster."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from trailers.domain import FPS
from trailers.errors import ImageError, ManifestError, StoreError
from trailers.store.candidates import safe_link
from trailers.store.image import open_image
from trailers.store.layout import Layout
from trailers.store.ledger import OK
from trailers.store.quality import read_quality
from trailers.store.receipt import read_receipt, source_of
from trailers.store.titles import Title
from trailers.web.formats import IMAGE_SUFFIXES
from trailers.web.links import identity

# Site -> address of its embeddable player. Only these may be framed.
PLAYERS = {
    "youtube": "https://www.youtube-nocookie.com/embed/{id}?autoplay=1&rel=0&playsinline=1",
    "vimeo": "https://player.vimeo.com/video/{id}?autoplay=1&dnt=1",
    "dailymotion": "https://www.dailymotion.com/embed/video/{id}?autoplay=1",
}
PLAYER_HOSTS = ("https://www.youtube-nocookie.com", "https://player.vimeo.com", "https://www.dailymotion.com")
# Pictures that YouTube takes at a quarter, half and three quarters of every video.
PICTURES = tuple(f"https://i.ytimg.com/vi/{{id}}/mq{n}.jpg" for n in (1, 2, 3))


def site_and_id(link: str) -> tuple[str, str]:
    """The site and its id of the video, if its player is known; otherwise two empty strings."""
    site, _, name = identity(link).partition(":")
    return (site, name) if site in PLAYERS and name else ("", "")


def player_of(link: str) -> str:
    """The link of the site's embedded player; "" if it is not known."""
    site, name = site_and_id(link)
    return PLAYERS[site].format(id=quote(name, safe="")) if site else ""


def pictures_of(link: str) -> list[str]:
    """Links of pictures from the video, to judge it without playing it."""
    site, name = site_and_id(link)
    return [picture.format(id=quote(name, safe="")) for picture in PICTURES] if site == "youtube" else []


def local_video(layout: Layout, trailer: str) -> tuple[Path, frozenset[str]] | None:
    """The downloaded video, and the keys of its links (``key_of``); None if there is none."""
    path = layout.receipt(trailer)
    file = file_of(path)
    if file is None:
        return None
    receipt = read_receipt(path)
    links = (str(receipt.facts.get(name) or "") for name in ("url", "final_url"))
    return file, frozenset(filter(None, map(key_of, links)))


def measured_flags(layout: Layout, trailer: str) -> list[dict[str, Any]]:
    """The flags of the downloaded video from the stage quality: flag, reason and spans in seconds.

    Empty if the stage has not run since the download.
    """
    path, receipt = layout.quality(trailer), layout.receipt(trailer)
    try:
        if path.stat().st_mtime_ns < receipt.stat().st_mtime_ns:
            return []
        flags = read_quality(path).flags
    except (OSError, StoreError):
        return []
    return [
        {"flag": row.flag, "reason": row.reason, "spans_s": [[start / FPS, end / FPS] for start, end in row.spans]}
        for row in flags
    ]


def key_of(link: str) -> str:
    """A key that is the same for all links to one video; "" if ``link`` is not a link."""
    try:
        return identity(link) if link else ""
    except ManifestError:
        return ""


def poster_of(layout: Layout, title: Title, base: Path) -> Path | str | None:
    """The poster: an image file, a link, or None."""
    downloaded = file_of(layout.poster_receipt(title.id))
    if downloaded is not None and is_image(downloaded):
        return downloaded
    if safe_link(title.poster):
        return title.poster
    path = base / title.poster
    return path if title.poster and is_image(path) else None


def file_of(path: Path) -> Path | None:
    """The file that the receipt at ``path`` names; None if one of them is missing."""
    try:
        receipt = read_receipt(path)
    except StoreError:
        return None
    if receipt.status != OK:
        return None
    file = source_of(path, receipt)
    return file if file.is_file() else None


def is_image(path: Path) -> bool:
    if path.suffix.lower().lstrip(".") not in IMAGE_SUFFIXES or not path.is_file():
        return False
    try:
        open_image(path)
    except (ImageError, OSError):
        return False
    return True
