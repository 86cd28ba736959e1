"""Reads the cookies.txt of a browser, also if an editor has changed its tabs.

domain  with subdomains  path  secure  expires  name  value        seven columns, one tab between two
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from trailers.errors import ConfigError

REMEDY = "Export it in Netscape format and name it in config.yaml, download.cookies."
HTTP_ONLY = "#HttpOnly_"  # begins a cookie, not a comment
COLUMNS = 7
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_cookies(path: Path) -> str:
    """The text of a cookies file in the form for yt-dlp: UTF-8 without a byte order mark, tabs between columns.

    Raises:
        ConfigError: it cannot be read, or a line of it is not a cookie.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"cannot be read: {problem}", where=path, remedy=REMEDY) from None
    rows = [cookie(line, f"{path}, line {number}") for number, line in enumerate(text.split("\n"), start=1)]
    if not any(rows):
        raise ConfigError("is not a cookies.txt: it contains no cookie", where=path, remedy=REMEDY)
    if all(has_expired(row) for row in filter(None, rows)):
        raise ConfigError("all of its cookies have expired", where=path, remedy=REMEDY)
    return "\n".join(("# Netscape HTTP Cookie File", *filter(None, rows), ""))


def has_expired(row: str) -> bool:
    """Whether a cookie has expired and is never sent. Session cookies, with expiry 0 or none, have not."""
    expires = float(row.split("\t")[4] or 0)
    return 0 < expires < time.time()


def cookie(line: str, where: str) -> str:
    """One line with tabs between its columns; empty for a comment.

    Raises:
        ConfigError: it is neither a cookie nor a comment.
    """
    if not line.strip() or (line.startswith("#") and not line.startswith(HTTP_ONLY)):
        return ""
    columns = line.rstrip("\r\n").split("\t")
    columns = columns[:COLUMNS] if not any(columns[COLUMNS:]) else columns  # tabs at the end
    if len(columns) != COLUMNS:
        # An editor replaced the tabs by blanks, or removed the last tab of a cookie without a value.
        columns = re.split(r"\s+", line.strip(), maxsplit=COLUMNS - 1)
        columns += [""] * (len(columns) == COLUMNS - 1)
    if len(columns) != COLUMNS:
        raise ConfigError(f"has {len(columns)} columns, but a cookie has {COLUMNS}", where=where, remedy=REMEDY)
    flags = {columns[1].upper(), columns[3].upper()}
    if not flags <= {"TRUE", "FALSE"} or not re.fullmatch(r"(-?\d+(\.\d+)?)?", columns[4]):
        raise ConfigError(
            "is not a cookie: its columns are domain, TRUE or FALSE, path, TRUE or FALSE, expiry in s, name and value",
            where=where,
            remedy=REMEDY,
        )
    if CONTROL.search("".join(columns)):
        raise ConfigError(
            "contains a tab or another control character in a column, which is not allowed in a cookie",
            where=where, remedy=REMEDY,
        )  # fmt: skip
    domain, flag = consistent(columns[0], columns[1].upper())
    return "\t".join((domain, flag, columns[2], columns[3].upper(), *columns[4:]))


def consistent(domain: str, flag: str) -> tuple[str, str]:
    """``domain`` and ``flag``, made to agree on whether a cookie is also for subdomains.

    Some browser extensions write the flag without the leading dot, or the dot without the flag; yt-dlp refuses both.
    """
    name = domain.removeprefix(HTTP_ONLY)
    if name.startswith("."):
        return domain, "TRUE"
    if flag == "TRUE" and not re.fullmatch(r"[\d.]+|\[?[0-9a-fA-F:]*:[0-9a-fA-F:]*\]?|localhost", name):
        return domain.replace(name, f".{name}"), flag
    return domain, "FALSE"
