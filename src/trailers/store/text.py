"""The text of a file that a person or a spreadsheet wrote, in any encoding that can be identified."""

from __future__ import annotations

import codecs
import csv
import io
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from trailers.errors import ManifestError

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BINARY_FORMATS = (
    (b"PK\x03\x04", "a spreadsheet or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of an old version of Excel"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"%PDF", "a PDF"),
)
SHOWN = 5  # maximum number of names in a message
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SAVE_AS = "Save the file as UTF-8 (Excel: 'CSV UTF-8')."

# Bytes that are the same letter in the Windows code pages of Western Europe, Central Europe and Turkey. Other bytes
# are ambiguous ("è" could also be "č"), and other systems mostly write bytes below 0xC0.
PAGES = ("cp1252", "cp1250", "cp1254")
SHARED = bytes(
    byte for byte in range(0xC0, 0x100) if len({bytes([byte]).decode(page, "replace") for page in PAGES}) == 1
)
ACCENTED = re.compile(rb"(?<![\x80-\xff])[" + re.escape(SHARED) + rb"](?![\x80-\xff])")


def read_text(path: Path, *, kind: str = "file") -> str:
    """The text of ``path``, without a byte order mark.

    Args:
        path: of a text file.
        kind: what it should be, for the message, such as "manifest" or "list of links".

    Raises:
        ManifestError: it cannot be read, or its encoding is unknown; the second error names row and column.
    """
    try:
        if is_device(path):
            raise ManifestError("is a device, not a file", where=path, remedy="Name a readable file.")
        data = path.read_bytes()
    except FileNotFoundError:
        remedy = f"Give the path of your {kind}."
        if kind == "manifest":
            remedy = "Write one with `python -m trailers manifest`, or set `manifest` in config.yaml."
        raise ManifestError(f"no such {kind}", where=path, remedy=remedy) from None
    except OSError as problem:
        raise ManifestError(f"cannot be read: {problem.strerror}", where=path, remedy="Name a readable file.") from None
    return decode(path, data)


def is_device(path: Path) -> bool:
    """Whether ``path`` is a device. Raises OSError."""
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def decode(path: Path, data: bytes) -> str:
    for signature, what in BINARY_FORMATS:
        if data.startswith(signature):
            raise ManifestError(f"is {what}, not a text file", where=path, remedy=SAVE_AS)
    mark, encoding = next((pair for pair in BYTE_ORDER_MARKS if data.startswith(pair[0])), (b"", without_mark(data)))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as problem:
        if encoding == "utf-8" and not mark and not ACCENTED.sub(b"", data).strip(bytes(range(128))):
            return data.decode(PAGES[0])
        raise ManifestError(
            f"byte {problem.start + len(mark)} is not {encoding.upper()}",
            where=place_of(path, data, problem.start, encoding),
            remedy=SAVE_AS,
        ) from None


def without_mark(data: bytes) -> str:
    """The encoding: UTF-16 if every other byte of the beginning is zero, as in Latin letters, otherwise UTF-8."""
    even, odd = data[0:200:2], data[1:200:2]
    if len(odd) > 1 and not even.count(0) and odd.count(0) > 0.9 * len(odd):
        return "utf-16-le"
    if len(odd) > 1 and not odd.count(0) and even.count(0) > 0.9 * len(even):
        return "utf-16-be"
    return "utf-8"


def place_of(path: Path, data: bytes, offset: int, encoding: str) -> str:
    """The file, and for UTF-8 the row and column of byte ``offset``."""
    if encoding != "utf-8":
        return str(path)
    before = data[: offset + 1].decode("latin-1")
    first = before.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(before, newline=""), delimiter=delimiter))
    except csv.Error:
        return str(path)
    names = rows[0] if len(rows) > 1 else []
    number = len(rows[-1])
    name = names[number - 1].strip(" \ufeff") if number <= len(names) else ""
    return f"{path}: row {len(rows)}, column {name or number}"


def shorten(text: str) -> str:
    """``text``, shortened for a message."""
    return text if len(text) <= 80 else text[:77] + "..."


def size_text(size: float) -> str:
    """A number of bytes with a suitable unit, such as 1.5 GB, 9.4 MB, 20.0 kB or 0 bytes."""
    for unit, name in UNITS:
        if round(size / unit, 1) >= 1:
            return f"{size / unit:,.1f} {name}"
    return "1 byte" if round(size) == 1 else f"{size:.0f} bytes"


def first_few(names: Sequence[str]) -> str:
    """The first of ``names`` and the number of the others, such as "a, b, c, d, e and 7 more"."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"
