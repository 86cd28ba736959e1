"""Recognises text in place of the bytes of a video: a login page, a notice in JSON, "rate limited" as plain text.

A server may send such text with any status and any type. It says something about the site or the client, never about
the video.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from trailers.web.reasons import CLIENT, LinkError
from trailers.web.verdict import clean, reason_of_words

LOOKED_AT = 1000  # first bytes that are checked
QUOTED = 80  # maximum number of characters of a notice that a message quotes
MARKUP = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|script|title|meta)\b", re.IGNORECASE | re.DOTALL
)


def read_head(file: Any, size: int = LOOKED_AT) -> bytes:
    """The first ``size`` bytes of ``file``, whose ``read`` may return fewer bytes than requested."""
    head = b""
    while len(head) < size and (more := file.read(size - len(head))):
        head += more
    return head


def is_words(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is text; videos and pictures of all formats begin with control bytes."""
    return bool(head) and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def kind_of_words(head: bytes) -> str:
    """What kind of text it is, with a quotation unless it is a web page."""
    if MARKUP.match(head):
        return "a web page"
    text = clean(head.decode("utf-8", "replace"))
    quoted = text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."
    return f"{'JSON' if head.lstrip()[:1] in (b'{', b'[') else 'text'} ({quoted})"


def words_in_place_of(path: Path, kind: str) -> LinkError | None:
    """The error if the file at ``path`` is text or empty, which says nothing about the trailer; otherwise None.

    Args:
        path: a downloaded file.
        kind: what was expected, such as "a video".
    """
    with path.open("rb") as file:
        head = read_head(file)
    if not head:
        return LinkError("page", f"returns nothing instead of {kind}")
    if not is_words(head):
        return None
    found = kind_of_words(head)
    reason = reason_of_words(head.decode("utf-8", "replace")) if found != "a web page" else "page"
    return LinkError(reason if reason in CLIENT else "page", f"returns {found} instead of {kind}")
