"""HLS playlists: what they state, and a form of them that yt-dlp's own downloader reads completely.

#EXT-X-MAP:URI="a.mp4"      the beginning of every fMP4 part
#EXTINF:2.0,                duration of the next fragment
0.m4s
#EXT-X-DISCONTINUITY        another part begins: its time stamps may restart
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True)
class Promise:
    """The content that a playlist or manifest states."""

    seconds: float  # 0 if it does not state a duration
    fragments: int
    parts: int = 1  # parts whose time stamps may restart
    is_ended: bool = True
    is_ranged: bool = False  # fragments are ranges of a file


def read_playlist(text: str) -> Promise:
    lines = [line.strip() for line in text.splitlines()]
    durations = [line.removeprefix("#EXTINF:").split(",")[0] for line in lines if line.startswith("#EXTINF:")]
    fragments = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    breaks = [
        number for number, line in enumerate(lines) if line == "#EXT-X-DISCONTINUITY" and fragments[:1] < [number]
    ]
    # A discontinuity after the last fragment, or directly after another one, does not begin a part.
    begun = {
        sum(fragment < number for fragment in fragments) for number in breaks if number < max(fragments, default=0)
    }
    return Promise(
        seconds=sum(float(word) for word in durations if re.fullmatch(r"\d+(\.\d*)?", word)),
        fragments=len(fragments),
        parts=1 + len(begun),
        is_ended="#EXT-X-ENDLIST" in lines or "#EXT-X-PLAYLIST-TYPE:VOD" in lines,
        is_ranged=any(line.startswith("#EXT-X-BYTERANGE") for line in lines),
    )


def keys_of(text: str) -> list[str]:
    """The addresses of keys as they are in the playlist."""
    lines = [line for line in text.splitlines() if line.startswith("#EXT-X-KEY:")]
    found = [dict(ATTRIBUTE.findall(line.partition(":")[2])).get("URI", "") for line in lines]
    return [address.strip('"') for address in found if address]


def with_one_map(text: str) -> str:
    """The playlist in a form that yt-dlp can read: the beginnings of later parts are written as fragments.

    yt-dlp refuses a second EXT-X-MAP, and counts the first as a fragment of the sequence, whose number gives the
    initialisation vector of AES-128 if none is stated. A playlist without EXT-X-MAP is not changed.
    """
    return "\n".join(rewritten(text)) + "\n" if "#EXT-X-MAP" in text else text


def rewritten(text: str) -> Iterator[str]:
    maps: list[str] = []
    sequence, offset, length, has_begun = 0, 0, 0, False
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
            sequence = int(line.partition(":")[2])
        elif line.startswith("#EXT-X-MAP:"):
            if maps[-1:] == [line]:
                continue
            maps.append(line)
            if has_begun:
                yield from map_as_fragment(line)
            else:
                yield line
            yield f"#EXT-X-MEDIA-SEQUENCE:{sequence}"
            continue
        elif line.startswith("#EXT-X-BYTERANGE:"):
            size, _, start = line.partition(":")[2].partition("@")
            offset, length = int(start) if start else offset + length, int(size)
            line = f"#EXT-X-BYTERANGE:{length}@{offset}"
        elif line and not line.startswith("#"):
            has_begun = True
            sequence += 1
        yield line


def map_as_fragment(line: str) -> Iterator[str]:
    named = {name: value.strip('"') for name, value in ATTRIBUTE.findall(line.partition(":")[2])}
    if named.get("BYTERANGE"):
        size, _, start = named["BYTERANGE"].partition("@")
        yield f"#EXT-X-BYTERANGE:{size}@{start or 0}"
    yield named.get("URI", "")
