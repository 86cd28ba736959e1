"""Ids that can name files, from names that cannot."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from trailers.domain import RESERVED_NAMES
from trailers.store.manifest import YOUTUBE_ID

ID_LENGTH = 64


def safe_id(text: str) -> str:
    """An id that resembles ``text``: accents fall, everything else unsafe becomes an underscore."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_").lstrip("-")[:ID_LENGTH]
    if plain.lower() in RESERVED_NAMES:
        plain += "_"
    return plain or "trailer"


def make_unique(wanted: Iterable[str]) -> Iterator[str]:
    """The ids in order, with -2, -3 ... where one came before, in whatever case."""
    taken: set[str] = set()
    for name in wanted:
        number, unique = 1, name
        while unique.lower() in taken:
            number += 1
            ending = f"-{number}"
            unique = name[: ID_LENGTH - len(ending)] + ending
        taken.add(unique.lower())
        yield unique


def id_of_link(url: str) -> str:
    """The YouTube id in ``url``, else the last word of its path, made safe."""
    if YOUTUBE_ID.fullmatch(url):
        return youtube_name(url)
    parts = urlsplit(url)
    words = [word for word in unquote(parts.path).split("/") if word]
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be" and words:
        return youtube_name(words[0])
    if host in ("youtube.com", "youtube-nocookie.com"):
        named = parse_qs(parts.query).get("v") or words[1:2]
        if named:
            return youtube_name(named[0])
    return safe_id(Path(words[-1]).stem if words else host)


def youtube_name(video: str) -> str:
    # One in 64 begins with '-', which no id may.
    return f"yt_{video}" if video.startswith("-") else safe_id(video)


def one_line(text: str) -> str:
    """``text`` without line breaks and control characters."""
    return " ".join("".join(" " if ord(letter) < 32 else letter for letter in text).split())
