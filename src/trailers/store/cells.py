"""The values of a manifest's cells. Each function takes one cell and returns its value.

Raises:
    ManifestError: the problem and its remedy; the caller adds file, row and column.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import GENRES, is_safe_id
from trailers.errors import ManifestError
from trailers.genres import near_genre, normal_genre
from trailers.store.text import shorten
from trailers.web.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from trailers.web.links import EXPLICIT, HOST, web_link

ALTERNATIVES = " | "
BETWEEN = re.compile(r"(?<![^ ])\|(?![^ ])")  # the bar of ALTERNATIVES, also at the ends of a cell
BARS = re.compile(r"(?<![^ ])\|+(?![^ ])")  # bars inside a path, which are written with one more bar

LONGEST_URL = 8192
LONGEST_TITLE = 1000  # characters; a longer cell comes from a quote that was never closed

# Containers that ffmpeg knows, also those that no site sends.
MEDIA_SUFFIXES = frozenset((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, *"asf divx f4v m2ts mxf ogm ogg rm".split()))  # noqa: SIM905
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE_BREAKS = re.compile(r"[\t\n\x0b\x0c\r]+")
AT_ENDS = " \t\u00a0\u200b\u200e\u200f\u2060\ufeff"  # invisible characters that are copied with a link
ROUNDED = re.compile(r"\d+(?:[.,]\d+)?[eE]\+\d+", re.ASCII)
AS_TEXT = re.compile(r'="(.*)"')  # keeps a spreadsheet from changing a cell into a number

GENRE_BETWEEN = re.compile(r"[;,|/\r\n]")
OTHER_NAMES = dict.fromkeys(("science fiction", "science-fiction", "sci fi", "scifi"), "sci-fi")
MARKED, UNMARKED = ("yes", "true", "1", "1.0"), ("", "no", "false", "0", "0.0")
SPLIT_WORDS = {
    **{f"{code}{rest}": code for code in (0, 1, 2) for rest in ("", ".0", ",0")},
    **{word: code for code, words in enumerate(("train training", "validation valid val dev", "test testing"))
       for word in words.split()},
}  # fmt: skip


def parse_id(cell: str) -> str:
    text = plain(cell)
    if not is_safe_id(text):
        raise ManifestError(
            f"{shorten(text)!r} cannot name a file safely",
            remedy="Use 1 to 64 ASCII letters, digits, '_' and '-'; do not start with '-' or use a name that a "
            "system reserves, such as CON.",
        )
    return text


def plain(cell: str) -> str:
    """``cell`` without the characters that spreadsheets and copying put around it.

    Raises:
        ManifestError: it is a number that a spreadsheet has rounded.
    """
    text = cell.strip(AT_ENDS)
    quoted = AS_TEXT.fullmatch(text) if text.startswith("=") else None
    if quoted:
        text = quoted[1].strip(AT_ENDS)
    if "+" in text and ROUNDED.fullmatch(text):
        raise ManifestError(
            f"'{text}' is a number that a spreadsheet has rounded",
            remedy="Format the column as text there, enter the value again and save.",
        )
    return text


def parse_urls(cell: str, base: Path) -> tuple[str, ...]:
    """The links and paths of one trailer, in the order they are tried; paths are relative to ``base``."""
    whole = plain(cell)
    parts = [whole]
    if "|" in whole:
        parts = [BARS.sub(lambda bars: bars[0][1:], plain(part)) for part in BETWEEN.split(whole)]
    urls = tuple(url for url in parts if url)
    if not urls:
        raise ManifestError("is empty", remedy="Give a link, a YouTube id or the path of a file.")
    for url in urls:
        check_url(url, base)
    return urls


def join_urls(urls: Sequence[str]) -> str:
    """The cell that ``parse_urls`` reads as ``urls``."""
    return ALTERNATIVES.join(BARS.sub(lambda bars: f"|{bars[0]}", url) for url in urls)


def parse_poster(cell: str, base: Path) -> str:
    text = plain(cell)
    if text:
        check_url(text, base)
    return text


def check_url(url: str, base: Path) -> None:
    """Refuse anything that is neither a link nor clearly the path of a file."""
    if CONTROL.search(url):
        raise ManifestError("holds a control character", remedy="Remove it; join several links with ' | '.")
    if len(url) > LONGEST_URL:
        raise ManifestError(f"has {len(url):,} characters", remedy="Give one link, or several joined with ' | '.")
    if web_link(url) is None and not is_path(url, base):
        raise not_understood(url)


def is_path(url: str, base: Path) -> bool:
    """Whether ``url`` is a path: by its form, or because the file exists."""
    return is_path_by_form(url) or path_exists(base / url)


def path_exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  Path.exists fails if a name is too long for a file


def is_path_by_form(url: str) -> bool:
    """Whether ``url`` can only be a path: it begins like one, or has the suffix of a video or an image."""
    if url.startswith(EXPLICIT) and not url.startswith("//"):
        return True
    suffix = url.rpartition(".")[2].lower()
    is_doubtful = "://" in url or "\\" in url or url.startswith(("~", "//", "=")) or reads_as_host(url)
    return suffix in MEDIA_SUFFIXES and not is_doubtful


def reads_as_host(url: str) -> bool:
    host = HOST.match(url)
    return host is not None and url[host.end() :].startswith("/")


def not_understood(url: str) -> ManifestError:
    quoted = f"'{shorten(url)}'"
    if "://" in url:
        return ManifestError(
            f"{quoted} contains more than a link",
            remedy="Give the link alone, or a table with columns such as title,url.",
        )
    if reads_as_host(url):
        return ManifestError(
            f"{quoted} could be a link or the path of a file",
            remedy=f"Write https://{shorten(url)} for the link, ./{shorten(url)} for the path.",
        )
    if "\\" in url:
        return ManifestError(f"{quoted} is not a path on this system", remedy="Write / instead of \\.")
    if url.startswith("~"):
        return ManifestError(f"{quoted} is not a path", remedy="Write the whole path; ~ is not expanded.")
    return ManifestError(
        f"{quoted} is neither a link nor an existing file",
        remedy="Give a link with https://, a YouTube id, or a path; start a path that does not exist yet with ./ or /.",
    )


def parse_title(cell: str) -> str:
    title = LINE_BREAKS.sub(" ", cell)
    if CONTROL.search(title):
        raise ManifestError("holds a control character", remedy="Remove it.")
    if len(title) > LONGEST_TITLE:
        raise ManifestError(
            f"has {len(title):,} characters, more than the limit of {LONGEST_TITLE:,}",
            remedy="Shorten it. If a quote is opened and never closed, the cell includes everything after it.",
        )
    return title


@functools.lru_cache(maxsize=4096)
def parse_genres(cell: str, genres: tuple[str, ...] | None = GENRES) -> tuple[str, ...]:
    """The genres of a cell, in the order of ``genres``; if that is None, in their own order.

    Args:
        cell: names joined by ``;``, ``,``, ``|``, ``/`` or a line break; also a list as Python prints it.
        genres: the allowed names; None allows any.
    """
    bare = cell.strip().strip("[]")
    found = [name for name in (normal_genre(part.strip(" '\"")) for part in GENRE_BETWEEN.split(bare)) if name]
    if genres is None:
        return tuple(dict.fromkeys(found))
    names = {name if name in genres else OTHER_NAMES.get(name, name) for name in found}
    unknown = sorted(names.difference(genres))
    if unknown:
        raise ManifestError(
            f"'{shorten(unknown[0])}' is not one of {', '.join(genres)}",
            remedy=f"{near_genre(unknown[0], genres)}Correct or remove it, or list it in config.yaml, genres; separate "
            "genres with ';'.",
        )
    return tuple(genre for genre in genres if genre in names)


def parse_verified(cell: str) -> bool | None:
    """True for yes; None for no and for an empty cell."""
    word = cell.strip().lower()
    if word not in (*MARKED, *UNMARKED):
        raise ManifestError(f"'{shorten(cell)}' is neither yes nor empty", remedy="Correct it.")
    return True if word in MARKED else None


def parse_split(cell: str) -> int | None:
    if not cell:
        return None
    code = SPLIT_WORDS.get(cell.lower())
    if code is None:
        raise ManifestError(
            f"'{shorten(cell)}' is not 0 (train), 1 (validation), 2 (test) or empty", remedy="Correct it."
        )
    return code
