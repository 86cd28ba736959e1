"""Unusual videos, made with the pinned ffmpeg, and the expected result for each.

Every video shows the test chart: four quarters in four colours, the last of which counts the frames.

    red   green         grey of frame n = 40 + 8 * (n % 20)
    blue  grey(n)

So frames that are rotated, mirrored, repeated or missing, or have wrong colours, can be seen in the product.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trailers.video import ffmpeg_path

RED, GREEN, BLUE = (200, 30, 30), (30, 180, 30), (40, 40, 220)


def chart(frames: int, *, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 (frames, height, width, 3)."""
    video = np.empty((frames, height, width, 3), np.uint8)
    video[:, : height // 2, : width // 2] = RED
    video[:, : height // 2, width // 2 :] = GREEN
    video[:, height // 2 :, : width // 2] = BLUE
    video[:, height // 2 :, width // 2 :] = (40 + 8 * (np.arange(frames) % 20))[:, None, None, None]
    return video


def ffmpeg(*words: str | Path, data: bytes | None = None) -> None:
    """Run the pinned ffmpeg; if it fails, the error contains its messages."""
    command = [ffmpeg_path(), "-y", "-hide_banner", "-loglevel", "error", *map(str, words)]
    done = subprocess.run(command, input=data, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()


@dataclass(frozen=True)
class Video:
    """How ffmpeg makes one video of the test chart; calling it with a folder makes the video."""

    name: str
    options: str = "-c:v libx264 -crf 8 -preset ultrafast -pix_fmt yuv420p"
    frames: int = 48
    fps: str = "24"
    width: int = 64
    height: int = 48
    inputs: str = ""  # more inputs, such as sound

    def __call__(self, folder: Path) -> Path:
        path = folder / self.name
        size = f"{self.width}x{self.height}"
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", self.fps, "-i", "pipe:0"]
        data = chart(self.frames, width=self.width, height=self.height).tobytes()
        ffmpeg(*raw, *self.inputs.split(), *self.options.split(), f"file:{path}", data=data)
        return path


@dataclass(frozen=True)
class Case:
    """One row of the table: a video, and its expected facts or refusal."""

    name: str
    make: Callable[[Path], Path]
    facts: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""  # words in the refusal; empty if the video is accepted
    colours: Sequence[Any] = (RED, GREEN, BLUE)  # top left, top right, bottom left as shown; None is the counter
    tolerance: int = 14  # grey levels, for encoding and for the blurred edges at 48x27
    slow: bool = False


def then(make: Callable[[Path], Path], step: Callable[[Path, Path], None], suffix: str = "") -> Callable[[Path], Path]:
    """``make``, followed by ``step``, which makes another file from its file."""

    def both(folder: Path) -> Path:
        source = make(folder)
        target = source.with_name(f"odd{suffix or source.suffix}")
        step(source, target)
        return target

    return both


def remux(*options: str, before: str = "") -> Callable[[Path, Path], None]:
    """Copy the streams, with ``options``; ``before`` are options of the input."""
    return lambda source, target: ffmpeg(*before.split(), "-i", source, "-c", "copy", *options, target)


def cut_off(share: float) -> Callable[[Path, Path], None]:
    """Keep the first ``share`` of the bytes."""

    def step(source: Path, target: Path) -> None:
        data = source.read_bytes()
        target.write_bytes(data[: int(len(data) * share)])

    return step


def spoil(every: int, *, start: float = 0.2) -> Callable[[Path, Path], None]:
    """Damage one byte in ``every``, after the first ``start`` of the file; always the same bytes."""

    def step(source: Path, target: Path) -> None:
        data = bytearray(source.read_bytes())
        begin = int(len(data) * start)
        places = np.random.default_rng(0).integers(begin, len(data), max(1, (len(data) - begin) // every))
        for place in places:
            data[place] ^= 0xFF
        target.write_bytes(bytes(data))

    return step


def write(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def latin_1(source: Path, target: Path) -> None:
    """Put bytes that are not UTF-8 into the title that ``TITLED`` sets."""
    target.write_bytes(source.read_bytes().replace(b"Am?lie", b"Am\xe9lie"))


def nominal_60(source: Path, target: Path) -> None:
    """State 60 fps in the headers of a Matroska file of 24 fps (DefaultDuration, in ns)."""
    data, header = source.read_bytes(), b"\x23\xe3\x83\x84"
    stated = header + (41_666_666).to_bytes(4, "big")
    assert stated in data
    target.write_bytes(data.replace(stated, header + (16_666_666).to_bytes(4, "big")))


def two_sizes(folder: Path) -> Path:
    """A transport stream whose picture becomes larger in the middle, as between two broadcasts."""
    parts = [Video("a.ts", frames=24)(folder), Video("b.ts", frames=24, width=96, height=80)(folder)]
    path = folder / "odd.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def with_cover(folder: Path) -> Path:
    video, cover, path = (
        Video("v.mp4")(folder),
        Video("c.png", "-c:v png", frames=1, width=200, height=200)(folder),
        folder / "odd.mp4",
    )
    ffmpeg("-i", cover, "-i", video, "-map", "1", "-map", "0", "-c", "copy", "-disposition:v:1", "attached_pic", path)
    return path


def cover_alone(folder: Path) -> Path:
    cover, path = Video("c.png", "-c:v png", frames=1)(folder), folder / "odd.m4a"
    ffmpeg(
        *SOUND.split(), "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic", path
    )
    return path


def two_videos(folder: Path) -> Path:
    small, large = Video("s.mkv", width=32, height=24, frames=24)(folder), Video("l.mkv")(folder)
    path = folder / "odd.mkv"
    ffmpeg("-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy", path)
    return path


def sound_alone(folder: Path) -> Path:
    path = folder / "odd.mp4"
    ffmpeg(*SOUND.split(), path)
    return path


def no_frames(folder: Path) -> Path:
    """A Matroska file that announces a video and ends after its headers."""
    source, path = Video("v.mkv")(folder), folder / "odd.mkv"
    data = source.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # where the first cluster starts
    return path


def interlace(folder: Path) -> Path:
    """48 fields per second, two per frame, the top field first."""
    return Video("odd.ts", WOVEN, frames=96, fps="48")(folder)


WOVEN = "-vf tinterlace=interleave_top,setfield=tff -c:v mpeg2video -qscale:v 2 -flags +ildct+ilme"
X264 = "-c:v libx264 -crf 8 -preset ultrafast"
P420 = f"{X264} -pix_fmt yuv420p"
SOUND = "-f lavfi -i sine=d=5"
ALL_48 = {"frames": 48, "frames_duplicated": 0, "frames_dropped": 0, "source_frames": 48, "frames_share": 1.0}


def colours(matrix: str, extra: str = "") -> str:
    names = {"bt2020nc": "bt2020"}
    return (
        f"-vf scale=out_color_matrix={names.get(matrix, matrix)}:out_range=limited,format=yuv420p {X264} "
        f"-colorspace {matrix} -color_range tv {extra}"
    )


def hdr(transfer: str) -> str:
    """Options that convert the chart from SDR to BT.2020 and ``transfer``."""
    return (
        "-vf format=gbrp,zscale=tin=bt709:pin=bt709:min=gbr:rin=full:t=linear:p=bt709:m=gbr:npl=203,"
        f"format=gbrpf32le,zscale=p=bt2020,zscale=t={transfer}:m=bt2020nc:r=limited:npl=203,format=yuv420p10le "
        "-c:v libx265 -preset ultrafast "
        f"-x265-params log-level=error:crf=8 -colorspace bt2020nc -color_trc {transfer} -color_primaries bt2020"
    )


RATES = [
    # fps, source frames, 24 fps frames, duplicated, dropped
    ("24000/1001", 48, 48, 0, 0),
    ("25", 50, 48, 0, 2),
    ("30000/1001", 60, 48, 0, 12),
    ("30", 60, 48, 0, 12),
    ("50", 100, 48, 0, 52),
    ("60000/1001", 120, 48, 0, 72),
    ("60", 120, 48, 0, 72),
    ("10", 20, 48, 28, 0),
    ("1", 2, 48, 46, 0),
]

# Not the realtime mode of libvpx, which depends on the clock and gives other bytes on a busy machine.
CODECS = [
    # file, options, name in the test
    ("h264.mp4", P420, "h264"),
    ("h264.mkv", P420, "h264"),
    ("h264.ts", P420, "h264"),
    ("h264.mov", P420, "h264"),
    ("h264.flv", P420, "h264"),
    ("hevc.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=error:crf=8 -pix_fmt yuv420p", "hevc"),
    ("vp8.webm", "-c:v libvpx -crf 4 -b:v 1M -deadline good -cpu-used 5 -threads 1", "vp8"),
    ("vp9.webm", "-c:v libvpx-vp9 -crf 8 -b:v 0 -deadline good -cpu-used 5 -threads 1 -pix_fmt yuv420p", "vp9"),
    ("av1.mp4", "-c:v libsvtav1 -preset 12 -crf 10 -pix_fmt yuv420p", "libdav1d"),
    ("av1.mkv", "-c:v libsvtav1 -preset 12 -crf 10 -pix_fmt yuv420p", "libdav1d"),
    ("mpeg2.ts", "-c:v mpeg2video -qscale:v 2", "mpeg2video"),
    ("mpeg2.mpg", "-c:v mpeg2video -qscale:v 2", "mpeg2video"),
    ("mpeg4.avi", "-c:v mpeg4 -qscale:v 2", "mpeg4"),
    ("mpeg4.mp4", "-c:v mpeg4 -qscale:v 2", "mpeg4"),
    ("theora.ogv", "-c:v libtheora -qscale:v 10", "theora"),
    ("theora.mkv", "-c:v libtheora -qscale:v 10", "theora"),
    ("prores.mov", "-c:v prores_ks -profile:v 3", "prores"),
]

TITLED = f"{P420} -metadata title=Am?lie -metadata comment=Am?lie"
ANIMATED = {"frames": 48, "source_frames": 20, "frames_share": 1.0}

GAP = f"-vf setpts='(N+if(gte(N,24),24,0))/(24*TB)' -fps_mode passthrough -enc_time_base 1/24000 {P420}"

CASES = [
    # Rates.
    *(
        Case(
            f"{fps} fps",
            Video("odd.mp4", P420, frames=source, fps=fps),
            {"frames": frames, "frames_duplicated": twice, "frames_dropped": out, "source_frames": source,
             "variable_rate": False},
        )
        for fps, source, frames, twice, out in RATES
    ),
    Case("a gap of a second", Video("odd.mp4", GAP), {
        "frames": 72, "frames_duplicated": 24, "frames_dropped": 0, "frames_share": 1.0,
        "variable_rate": True, "longest_gap_s": 1.042,
    }),
    Case("milliseconds", Video("odd.mkv", P420), {**ALL_48, "variable_rate": False}),
    Case("one frame", Video("odd.mp4", P420, frames=1), refused="is one still picture, not a video"),
    Case("one frame of webm", Video("odd.webm", CODECS[6][1], frames=1), refused="is one still picture, not a video"),
    Case("two frames", Video("odd.mp4", P420, frames=2), {"frames": 2, "source_frames": 2}),
    Case("no frames", no_frames, refused="cannot be read as a video"),
    # Codecs and containers.
    *(Case(file, Video(file, options), {**ALL_48, "codec": codec}) for file, options, codec in CODECS),
    # Geometry.
    Case("interlaced", interlace, {"frames": 48, "interlaced": True, "source_frames": 48}),
    Case("turned by 90", then(Video("v.mp4"), remux(before="-display_rotation 90")),
         {**ALL_48, "width_px": 48, "height_px": 64, "turned": "transpose=cclock"}, colours=(GREEN, None, RED)),
    Case("turned by 180", then(Video("v.mp4"), remux(before="-display_rotation 180")),
         {**ALL_48, "width_px": 64, "height_px": 48, "turned": "hflip+vflip"}, colours=(None, BLUE, GREEN)),
    Case("turned by 270", then(Video("v.mp4"), remux(before="-display_rotation 270")),
         {**ALL_48, "width_px": 48, "height_px": 64, "turned": "transpose=clock"}, colours=(BLUE, RED, None)),
    Case("mirrored", then(Video("v.mp4"), remux(before="-display_hflip")),
         {**ALL_48, "turned": "hflip"}, colours=(GREEN, RED, None)),
    Case("turned by 45", then(Video("v.mp4"), remux(before="-display_rotation 45")), refused="rotated by 45 degrees"),
    Case("turned by 37", then(Video("v.mp4"), remux(before="-display_rotation 37")), refused="rotated by 37 degrees"),
    Case("wide pixels", Video("odd.mp4", f"-vf setsar=2 {P420}"),
         {**ALL_48, "pixel_aspect": "2:1", "width_px": 64, "height_px": 24}),
    Case("tall pixels", Video("odd.mp4", f"-vf setsar=1/2 {P420}"),
         {**ALL_48, "pixel_aspect": "1:2", "width_px": 32, "height_px": 48}),
    Case("tall pixels, turned", then(Video("v.mp4", f"-vf setsar=1/2 {P420}"), remux(before="-display_rotation 90")),
         {**ALL_48, "pixel_aspect": "2:1", "width_px": 48, "height_px": 32}, colours=(GREEN, None, RED)),
    Case("odd width and height", Video("odd.webm", CODECS[7][1], width=65, height=49),
         {**ALL_48, "source_width_px": 65, "source_height_px": 49, "width_px": 64, "height_px": 48}),
    Case("larger than short_side", Video("odd.mp4", P420, width=640, height=360, frames=12),
         {"frames": 12, "width_px": 456, "height_px": 256}),
    Case("two by two", Video("odd.mp4", P420, width=2, height=2), refused="is 2x2 px, which is too small to show"),
    Case("the size changes half-way", two_sizes, {"frames": 48, "source_frames": 48, "frames_duplicated": 0}),
    # Colours.
    Case("10 bit h264", Video("odd.mp4", f"{X264} -pix_fmt yuv420p10le"), ALL_48),
    Case("10 bit vp9", Video("odd.webm", f"{CODECS[7][1]}10le"), ALL_48),
    Case("4:2:2", Video("odd.mp4", f"{X264} -pix_fmt yuv422p"), ALL_48),
    Case("4:4:4", Video("odd.mp4", f"{X264} -pix_fmt yuv444p"), ALL_48),
    Case("12 bit 4:4:4 with alpha", Video("odd.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le"), ALL_48),
    Case("grey", Video("odd.mp4", f"{X264} -pix_fmt gray"), ALL_48, colours=()),
    Case("RGB", Video("odd.mp4", "-c:v libx264rgb -crf 8 -preset ultrafast"), ALL_48),
    Case("full range", Video("odd.mp4", f"-vf scale=out_range=full,format=yuvj420p {X264} -color_range pc"),
         {**ALL_48, "colour": "yuvj420p unknown full"}),
    Case("motion jpeg", Video("odd.avi", "-c:v mjpeg -qscale:v 2 -pix_fmt yuvj420p"), ALL_48),
    Case("BT.601", Video("odd.mp4", colours("smpte170m")), {**ALL_48, "colour": "yuv420p smpte170m limited"}),
    Case("BT.709", Video("odd.mp4", colours("bt709")), {**ALL_48, "colour": "yuv420p bt709 limited"}),
    Case("BT.2020", Video("odd.mp4", colours("bt2020nc")),
         {**ALL_48, "colour": "yuv420p bt2020nc limited", "tone_mapped": "no"}),
    # Tone mapping darkens colours and makes them paler, so a tolerance is needed.
    Case("HDR, PQ", Video("odd.mp4", hdr("smpte2084")), {**ALL_48, "tone_mapped": "smpte2084"}, tolerance=70),
    Case("HDR, HLG", Video("odd.mp4", hdr("arib-std-b67")), {**ALL_48, "tone_mapped": "arib-std-b67"}, tolerance=70),
    Case("HDR, odd size", Video("odd.mkv", hdr("smpte2084").replace("yuv420p10le", "yuv444p10le"), width=65, height=49),
         {**ALL_48, "tone_mapped": "smpte2084"}, tolerance=70),
    # Time and streams.
    Case("starts late", then(Video("v.ts"), remux("-output_ts_offset", "7")), {**ALL_48}),
    # The edit list says that frames before time 0 are not shown.
    Case("starts below zero", Video("odd.mp4", f"{P420} -bf 0 -output_ts_offset -0.5 -avoid_negative_ts disabled"),
         {"frames": 36, "source_frames": 36, "frames_share": 1.0}),
    # Matroska cannot store negative times: those frames have no time, and follow each other.
    Case("starts below zero, mkv", Video("odd.mkv", f"{P420} -bf 0 -output_ts_offset -0.5 -avoid_negative_ts disabled"),
         ALL_48),
    Case("edit list", then(Video("v.mp4", f"{P420} -g 48 -bf 0"), remux(before="-ss 0.5")),
         {"frames": 36, "source_frames": 36, "frames_share": 1.0}),
    Case("sound is longer", Video("odd.mp4", f"{P420} -c:a aac", inputs=SOUND), ALL_48),
    Case("sound is longer, mkv", Video("odd.mkv", f"{P420} -c:a aac", inputs=SOUND), ALL_48),
    Case("sound is longer, webm", Video("odd.webm", f"{CODECS[6][1]} -c:a libopus", inputs=SOUND), ALL_48),
    Case("sound is longer, cut off", then(Video("v.webm", f"{CODECS[6][1]} -c:a libopus", inputs=SOUND), cut_off(0.3)),
         refused="of its frames could be decoded"),
    Case("sound alone", sound_alone, refused="sound but no video"),
    Case("two videos", two_videos, {**ALL_48, "video_streams": 2, "width_px": 64}),
    Case("a cover beside", with_cover, {**ALL_48, "video_streams": 1, "width_px": 64}),
    Case("a cover alone", cover_alone, refused="a cover picture but no video"),
    Case("an hour", Video("odd.mkv", f"{P420} -g 600", frames=3600, fps="1", width=16, height=16),
         {"frames": 86400, "source_frames": 3600}, colours=(), slow=True),
    # Damage.
    *(
        Case(f"{share:.0%} of {name}", then(Video(name, f"{options} -g 6", frames=240), cut_off(share)), facts, refused)
        for name, options, share, facts, refused in [
            ("v.mp4", P420, 0.1, {}, "moov atom not found"),
            ("v.mp4", P420, 0.5, {}, "moov atom not found"),
            ("v.mp4", P420, 0.9, {}, "moov atom not found"),
            ("fast.mp4", f"{P420} -movflags +faststart", 0.1, {}, "none of its frames could be decoded"),
            ("fast.mp4", f"{P420} -movflags +faststart", 0.5, {}, "of its frames could be decoded"),
            ("fast.mp4", f"{P420} -movflags +faststart", 0.9, {}, "of its frames could be decoded"),
            ("v.mkv", P420, 0.1, {}, "of its frames could be decoded"),
            ("v.mkv", P420, 0.5, {}, "of its frames could be decoded"),
            ("v.mkv", P420, 0.9, {}, "of its frames could be decoded"),
            ("v.webm", CODECS[6][1], 0.5, {}, "of its frames could be decoded"),
            ("v.flv", P420, 0.5, {}, "of its frames could be decoded"),
            # The rest of a transport stream is complete: it does not state a length.
            ("v.ts", P420, 0.5, {"frames_share": 1.0}, ""),
        ]
    ),
    *(
        Case(f"one byte in {every} of {name}", then(Video(name, f"{code} -g 6", frames=240), spoil(every)), facts, no)
        for name, code, every, facts, no in [
            ("v.mp4", P420, 20000, {"frames": 240, "frames_share": 0.9958, "frames_corrupt": 1}, ""),
            ("v.ts", P420, 20000, {"frames": 240, "frames_share": 0.9958, "frames_corrupt": 1}, ""),
            ("v.mkv", P420, 20000, {"frames": 240, "frames_share": 0.9958, "frames_corrupt": 1}, ""),
            ("v.avi", CODECS[12][1], 20000, {"frames": 240, "frames_share": 0.9958, "frames_corrupt": 1}, ""),
            ("v.mp4", P420, 500, {}, "of its frames could be decoded"),
            ("v.ts", P420, 500, {}, "of its frames could be decoded"),
            ("v.mkv", P420, 500, {}, "of its frames could be decoded"),
            ("v.webm", CODECS[6][1], 500, {}, "of its frames could be decoded"),
            ("v.avi", CODECS[12][1], 500, {}, "of its frames could be decoded"),
        ]
    ),
    # Headers that state another rate, and one harmless error. The last frame lasts 17 ms and gets no position.
    Case("60 fps in the headers", then(Video("v.mkv", f"{P420} -g 6", frames=240), nominal_60),
         {"frames": 239, "frames_share": 1.0, "source_fps": 60.0}),
    Case("60 fps in the headers, and one byte",
         then(then(Video("v.mkv", f"{P420} -g 6", frames=240), nominal_60), spoil(20000), ".2.mkv"),
         {"frames": 239, "frames_share": 0.9958, "frames_corrupt": 1, "source_fps": 60.0}),
    # Text that is not UTF-8.
    *(
        Case(f"a title in Latin-1, {name}", then(Video(f"v.{name}", TITLED), latin_1), ALL_48)
        for name in ("mp4", "mov", "mkv", "avi", "flv", "nut")
    ),
    # Pictures that move.
    Case("gif", Video("odd.gif", "-c:v gif", frames=20, fps="10"), {**ANIMATED, "codec": "gif"}, tolerance=40),
    Case("gif, odd size", Video("odd.gif", "-c:v gif", frames=20, fps="10", width=65, height=49), ANIMATED,
         tolerance=40),
    Case("apng", Video("odd.png", "-f apng", frames=20, fps="10"), {**ANIMATED, "codec": "apng"}),
    # Disguise.
    Case("a movie named avi", then(Video("v.mp4"), remux(), ".mp4"), ALL_48),
    Case("text named mp4", write("odd.mp4", b"Not the video you look for.\n" * 99), refused="is text, not a video"),
    Case("nothing", write("odd.mp4", b""), refused="is empty"),
    Case("noise", write("odd.mp4", np.random.default_rng(0).bytes(65536)), refused="cannot be read as a video"),
    Case("hls", write("odd.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"), refused="is a playlist"),
    Case("concat", write("odd.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"), refused="is a playlist"),
    Case("dash", write("odd.mp4", b"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>"),
         refused="is a playlist"),
    Case("sdp", write("odd.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"), refused="is a playlist"),
    Case("a picture", Video("odd.png", "-c:v png", frames=1), refused="its container is not one of"),
]  # fmt: skip
