"""Videos with unusual clocks, shapes and tags, made with the pinned ffmpeg; in some, a field is changed afterwards."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from corpus import P420, Video, ffmpeg

GREY_DISC = (
    "color=c=0x404040:s={size}:r=24:d={seconds},format=yuv444p,"
    "geq=lum='if(lt(hypot(X-W/2,Y-H/2),17.4),235,60)':cb=128:cr=128,format=yuv420p"
)


def joined(folder: Path, name: str, parts: list[bytes]) -> Path:
    path = folder / name
    path.write_bytes(b"".join(parts))
    return path


def recordings(folder: Path, suffix: str, offsets: list[float], *, frames: int = 24) -> list[bytes]:
    """One recording of the chart per offset, which is the time in s at which its clock starts."""
    options = P420 if suffix == "ts" else "-c:v mpeg2video -qscale:v 2"
    made = []
    for number, offset in enumerate(offsets):
        video = Video(f"{number}.{suffix}", f"{options} -g 24 -output_ts_offset {offset}", frames=frames)
        made.append(video(folder).read_bytes())
    return made


def disc(folder: Path, name: str, *, size: str = "128x72", options: str = P420, seconds: float = 1) -> Path:
    """A white disc of 35x35 px on grey."""
    path = folder / name
    ffmpeg("-f", "lavfi", "-i", GREY_DISC.format(size=size, seconds=seconds), *options.split(), path)
    return path


def with_clap(source: Path, target: Path, *, width: int, height: int) -> None:
    """Add a centred clean aperture to the sample entry of the video; the index is after the frames."""
    data = bytearray(source.read_bytes())
    box = struct.pack(">I4s8I", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    data[end:end] = box
    # Every box that contains the entry becomes larger; each begins before it, with its size and name.
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = data.rindex(name, 0, entry + 8) - 4
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(box)).to_bytes(4, "big")
    target.write_bytes(bytes(data))


def tagged_h264(folder: Path, **tags: int) -> Path:
    """The chart in h264, with code points of ITU-T H.273 as colour tags; its pixels are not changed."""
    plain, path = Video("plain.mp4", P420, frames=12)(folder), folder / "tagged.mp4"
    words = ":".join(f"{name}={number}" for name, number in tags.items())
    ffmpeg("-i", plain, "-c", "copy", "-bsf:v", f"h264_metadata={words}", path)
    return path


def soft_telecine(folder: Path, name: str, *, frames: int) -> Path:
    """Film in MPEG-2 with repeated fields: pictures at 23.976 fps that are shown for 2 and 3 fields alternately."""
    plain = Video("plain.m2v", "-c:v mpeg2video -qscale:v 2 -bf 0", frames=frames, fps="24000/1001")(folder)
    data = bytearray(plain.read_bytes())
    for header in re.finditer(rb"\x00\x00\x01\xb3", bytes(data)):
        data[header.end() + 3] = data[header.end() + 3] & 0xF0 | 4  # 30000/1001
    extensions = [found.end() for found in re.finditer(rb"\x00\x00\x01\xb5", bytes(data))]
    for at in extensions:
        if data[at] >> 4 == 1:
            data[at + 1] &= ~0x08  # the sequence is not progressive
    pictures = [at for at in extensions if data[at] >> 4 == 8]
    for number, at in enumerate(pictures):
        top, repeat = [(1, 1), (0, 0), (0, 1), (1, 0)][number % 4]
        data[at + 3] = data[at + 3] & ~0x82 | top << 7 | repeat << 1
        data[at + 4] |= 0x80
    (folder / "soft.m2v").write_bytes(bytes(data))
    path = folder / name
    ffmpeg("-i", folder / "soft.m2v", "-c", "copy", path)
    return path


def without_composition_offsets(folder: Path, name: str, codec: str, *, frames: int, fps: str) -> Path:
    """B-frames whose time stamps are in the order of decoding, as in raw streams."""
    options = {
        "h264": "-c:v libx264 -crf 8 -bf 3 -g 12 -pix_fmt yuv420p -f h264",
        "hevc": "-c:v libx265 -preset fast -pix_fmt yuv420p -x265-params log-level=error:crf=8:bframes=4:keyint=12 "
        "-f hevc",
    }[codec]
    raw, path = Video(f"raw.{codec}", options, frames=frames, fps=fps)(folder), folder / name
    # Matroska needs packets with time stamps; the writer of mp4 adds them, and an edit list.
    stamps = [] if name.endswith("mp4") else ["-bsf:v", f"setts=ts=N/({fps}*TB)"]
    ffmpeg("-r", fps, "-f", codec, "-i", raw, "-c", "copy", *stamps, path)
    return path
