"""Decides how the colour tags of a video are read: as they are, after a conversion, or as other tags.

A tag that the filters cannot read does not make a video undecodable: it is replaced by the nearest tag that they can
read, with a warning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Step = tuple[str, tuple[Any, ...], dict[str, Any]]  # a filter, its arguments, its options

HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
RANGES = {"tv": "limited", "pc": "full"}
HD_PX = 720  # video without tags counts as BT.709 from this number of lines on

# Tags that swscale reads, in ffmpeg's names for the code points of ITU-T H.273.
MATRICES = {"unknown", "gbr", "bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}
PRIMARIES = {
    "unknown", "bt709", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020", "smpte428", "smpte431",
    "smpte432", "ebu3213", "jedec-p22", "vgamut",
}  # fmt: skip
TRANSFERS = {
    "unknown", "bt709", "bt470m", "bt470bg", "gamma22", "gamma28", "smpte170m", "smpte240m", "linear", "iec61966-2-4",
    "bt1361e", "iec61966-2-1", "bt2020-10", "bt2020-12", "smpte2084", "smpte428", "arib-std-b67",
}  # fmt: skip

# Primaries -> the matrix that is derived from them.
DERIVED = {"bt709": "bt709", "bt2020": "bt2020nc", "bt470m": "fcc", "smpte170m": "smpte240m", "smpte240m": "smpte240m"}

ZSCALED = re.compile(r"yuvj?4(20|22|44)p(9|10|12)?(le)?")  # pixel formats that zscale reads without conversion


@dataclass(frozen=True)
class Colours:
    """How the colours of a video are read."""

    matrix: str  # after ``steps``
    hdr: str  # the transfer to map tones from: smpte2084, arib-std-b67, or empty
    hdr_matrix: str  # zscale's name of the matrix that tone mapping starts from
    steps: tuple[Step, ...]  # filters before all others
    assumptions: tuple[str, ...]  # warnings about replaced tags


def read_colours(*, pix_fmt: str, matrix: str, primaries: str, transfer: str, width: int, height: int) -> Colours:
    """How to read frames with these tags, in ffmpeg's names."""
    hdr = transfer if transfer in HDR else ""
    is_plain = ZSCALED.fullmatch(pix_fmt) is not None and width % 2 == height % 2 == 0
    tags: dict[str, str] = {}
    if primaries not in PRIMARIES or (hdr and primaries == "unknown"):
        # zscale cannot convert unknown primaries to those of BT.709, which tone mapping needs.
        tags["color_primaries"] = "bt2020" if hdr else "unknown"
    if transfer not in TRANSFERS:
        tags["color_trc"] = "unknown"
    if matrix == "ycgco" and is_plain and not hdr:
        convert: tuple[Step, ...] = (("zscale", (), {"min": "ycgco", "m": "bt709"}),)
        return Colours("bt709", hdr, "bt2020nc", retag(tags) + convert, assumptions_of(tags, primaries, transfer))
    if matrix == "ictcp" and hdr and is_plain:
        # swscale, which comes before zscale, cannot read this tag; zscale gets the matrix as an option.
        tags["colorspace"] = "bt2020nc"
        return Colours("bt2020nc", hdr, "ictcp", retag(tags), assumptions_of(tags, primaries, transfer))
    read = readable(matrix, primaries=primaries, is_hdr=bool(hdr), pix_fmt=pix_fmt, height=height)
    assumptions = () if read == matrix else (f"the colour matrix {matrix} is read as {read}",)
    if read != matrix:
        tags["colorspace"] = read
    return Colours(read, hdr, "bt2020nc", retag(tags), assumptions + assumptions_of(tags, primaries, transfer))


def readable(matrix: str, *, primaries: str, is_hdr: bool, pix_fmt: str, height: int) -> str:
    """``matrix``, or the most similar one that can be read."""
    is_rgb = re.match(r"(gbr|rgb|bgr|argb|abgr|0rgb|0bgr|pal8|x2rgb|x2bgr|gray|mono)", pix_fmt) is not None
    if matrix in MATRICES and (matrix != "gbr" or is_rgb):
        return matrix
    if is_rgb:
        return "gbr" if not pix_fmt.startswith(("gray", "mono")) else "unknown"
    if is_hdr or matrix == "bt2020c":
        return "bt2020nc"
    if matrix.startswith("chroma-derived") and primaries in DERIVED:
        return DERIVED[primaries]
    return "bt709" if height >= HD_PX else "smpte170m"


def retag(tags: dict[str, str]) -> tuple[Step, ...]:
    return (("setparams", (), tags),) if tags else ()


def assumptions_of(tags: dict[str, str], primaries: str, transfer: str) -> tuple[str, ...]:
    words = []
    if "color_primaries" in tags:
        words.append(f"the colour primaries {primaries} are read as {tags['color_primaries']}")
    if "color_trc" in tags:
        words.append(f"the transfer {transfer} is read as unknown, which is shown as BT.709")
    return tuple(words)


def tone_mapping(colours: Colours, width: int, height: int) -> list[Step]:
    """From BT.2020 in PQ or HLG to BT.709, in linear light (Hable's curve)."""
    # zscale accepts neither odd sizes nor colour spaces that are not stated.
    size = (width // 2 * 2 or 2, height // 2 * 2 or 2)
    return [
        ("scale", size, {"flags": "bicubic"}),
        ("zscale", (), {"tin": colours.hdr, "pin": "bt2020", "min": colours.hdr_matrix, "t": "linear", "npl": 100}),
        ("format", ("gbrpf32le",), {}),
        ("zscale", (), {"p": "bt709"}),
        ("tonemap", (), {"tonemap": "hable", "desat": 0}),
        ("zscale", (), {"t": "bt709", "m": "bt709", "r": "limited"}),
        ("format", ("yuv420p",), {}),
    ]
