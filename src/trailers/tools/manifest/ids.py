"""Ids that are safe as file names, made from names that are not."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

from trailers.domain import RESERVED_NAMES, is_safe_id
from trailers.web.links import name_of

ID_LENGTH = 64
DIGEST_LENGTH = 8
# Latin letters that NFKD does not split into a plain letter and an accent.
LATIN = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
                       "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"})  # fmt: skip


def safe_id(text: str) -> str:
    """An id that resembles ``text``: accents are removed, other unsafe characters become underscores.

    If letters are lost, because the name is long or in another script, a digest of the whole name is appended to
    distinguish it from others: "日本" becomes "trailer-" and eight digits.
    """
    letters = unicodedata.normalize("NFKD", text.translate(LATIN))
    plain = letters.encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_").lstrip("-")
    if not plain or len(plain) > ID_LENGTH or loses_letters(text):
        whole = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(whole).hexdigest()[:DIGEST_LENGTH]
        return f"{plain[: ID_LENGTH - DIGEST_LENGTH - 1] or 'trailer'}-{digest}"
    return f"{plain}_" if plain.lower() in RESERVED_NAMES else plain


def loses_letters(text: str) -> bool:
    """Whether ``text`` has letters or digits that an id cannot contain."""
    letters = unicodedata.normalize("NFKD", text.translate(LATIN))
    return any(letter.isalnum() and not letter.isascii() for letter in letters)


def make_unique(wanted: Iterable[str], taken: Iterable[str] = ()) -> Iterator[str]:
    """The ids in order; -2, -3 ... is appended to those that came before or are ``taken``, ignoring case."""
    used = {name.lower() for name in taken}
    for name in wanted:
        number, unique = 1, name
        while unique.lower() in used:
            number += 1
            ending = f"-{number}"
            unique = name[: ID_LENGTH - len(ending)] + ending
        used.add(unique.lower())
        yield unique


def id_of_link(url: str) -> str:
    """The YouTube id in ``url``, otherwise the last part of its path, made safe."""
    name = name_of(url)
    if name.startswith("-"):  # like one in 64 YouTube ids; an id must not
        name = f"yt_{name}"
    return name if is_safe_id(name) else safe_id(name)


def one_line(text: str) -> str:
    """``text`` without line breaks, control characters and characters that UTF-8 cannot encode."""
    whole = text.encode("utf-8", "replace").decode()
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in whole).split())
