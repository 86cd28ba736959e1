"""Words where bytes of a video should be: a login page, a notice in JSON, "rate limited" as plain text.

A server may send them with any status and call them any type. They speak of the site and of who asks,
never of the video.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from trailers.web.reasons import CLIENT, LinkError
from trailers.web.verdict import clean, reason_of_words

LOOKED_AT = 1000  # bytes
QUOTED = 80  # letters of a notice that a message repeats
MARKUP = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE | re.DOTALL
)


def read_head(file: Any, size: int = LOOKED_AT) -> bytes:
    """The first ``size`` bytes of ``file``, which may give fewer at a time than it is asked for."""
    head = b""
    while len(head) < size and (more := file.read(size - len(head))):
        head += more
    return head


def is_words(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is text: no format of videos or pictures goes without a control byte."""
    return bool(head) and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def kind_of_words(head: bytes) -> str:
    """What words they are, and the words themselves where they are a short notice."""
    if MARKUP.match(head):
        return "a web page"
    text = clean(head.decode("utf-8", "replace"))
    quoted = text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."
    return f"{'JSON' if head.lstrip()[:1] in (b'{', b'[') else 'text'} ({quoted})"


def words_in_place_of(path: Path, kind: str) -> LinkError | None:
    """Why the bytes at ``path`` say nothing about the trailer; None where they are not words.

    Args:
        path: what a web link gave.
        kind: what was looked for, such as "a video".
    """
    with path.open("rb") as file:
        head = read_head(file)
    if not head:
        return LinkError("page", f"returns nothing instead of {kind}")
    if not is_words(head):
        return None
    found = kind_of_words(head)
    said = reason_of_words(head.decode("utf-8", "replace")) if found != "a web page" else "page"
    return LinkError(said if said in CLIENT else "page", f"returns {found} instead of {kind}")
