"""Pictures that are cropped by the container or the codec, or change their shape; and several video streams."""

import numpy as np
import pytest

from corpus import P420, Video, ffmpeg
from video_lab import Lab
from video_made import disc, joined, with_clap


def disc_sizes(lab: Lab) -> list[tuple[int, int]]:
    """Width and height of the white disc in the first frame and the last."""
    sizes = []
    frames = lab.large()
    for frame in (frames[0], frames[-1]):
        rows, columns = np.where(frame.min(2) > 190)
        sizes.append((int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1))
    return sizes


def is_round(size: tuple[int, int]) -> bool:
    return abs(size[0] - size[1]) <= 1


def clap(folder):
    with_clap(disc(folder, "v.mp4"), folder / "odd.mp4", width=128, height=48)
    return folder / "odd.mp4"


def pixel_crop(folder):
    ffmpeg("-i", clap(folder), "-c", "copy", folder / "odd.mkv")
    return folder / "odd.mkv"


def h264_window(folder):
    ffmpeg("-i", disc(folder, "v.mp4"), "-c", "copy", "-bsf:v", "h264_metadata=crop_top=12:crop_bottom=20",
           folder / "odd.mp4")  # fmt: skip
    return folder / "odd.mp4"


def hevc_window(folder):
    options = "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p"
    ffmpeg("-i", disc(folder, "v.mp4", options=options), "-c", "copy", "-bsf:v",
           "hevc_metadata=crop_top=12:crop_bottom=20", folder / "odd.mp4")  # fmt: skip
    return folder / "odd.mp4"


@pytest.mark.parametrize(
    ("make", "size"),
    [(clap, (128, 48)), (pixel_crop, (128, 48)), (h264_window, (128, 48)), (hevc_window, (128, 48))],
)
def test_a_cropped_video_keeps_its_shape(lab, tmp_path, make, size):
    lab.put(make(tmp_path))
    facts = lab.make().facts
    assert (facts["width_px"], facts["height_px"]) == size
    assert (facts["source_width_px"], facts["source_height_px"]) == size
    assert disc_sizes(lab) == [(35, 35), (35, 35)]


WIDE = f"-vf setsar=2 {P420}"


@pytest.mark.parametrize(
    ("parts", "size", "shapes"),
    [
        ([("72x72", P420), ("128x72", P420)], (72, 72), "(72x72 1:1, 128x72 1:1)"),
        ([("128x72", P420), ("72x72", P420)], (128, 72), "(128x72 1:1, 72x72 1:1)"),
        ([("128x72", P420), ("72x96", P420), ("128x72", P420)], (128, 72), "(128x72 1:1, 72x96 1:1)"),
    ],
)
def test_a_change_of_size_keeps_the_shape_and_is_reported(lab, tmp_path, parts, size, shapes):
    made = [
        disc(tmp_path, f"{number}.ts", size=part, options=options).read_bytes()
        for number, (part, options) in enumerate(parts)
    ]
    lab.put(joined(tmp_path, "odd.ts", made))
    facts = lab.make().facts
    assert (facts["width_px"], facts["height_px"], facts["frames"]) == (*size, 24 * len(parts))
    assert all(is_round(size) for size in disc_sizes(lab))
    assert f"the picture changes its shape {shapes}; all frames are fitted into the first shape" in facts["warnings"]


HEVC = "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p"
MPEG2 = "-c:v mpeg2video -qscale:v 2"


@pytest.mark.parametrize(
    ("suffix", "first", "second", "discs"),
    [
        # A disc of wide pixels is twice as wide as high; pixels are made square by reducing the height.
        ("ts", P420, WIDE, [(35, 35), (35, 17)]),
        ("ts", WIDE, P420, [(35, 17), (17, 17)]),
        ("ts", HEVC, f"-vf setsar=2 {HEVC}", [(35, 35), (35, 17)]),
        ("mpg", f"{MPEG2} -aspect 1", f"{MPEG2} -aspect 16:9", [(35, 35), (35, 20)]),
    ],
)
def test_a_change_of_pixel_aspect_keeps_the_shape_and_is_reported(lab, tmp_path, suffix, first, second, discs):
    parts = [
        disc(tmp_path, f"{number}.{suffix}", size="72x72", options=options).read_bytes()
        for number, options in enumerate((first, second))
    ]
    lab.put(joined(tmp_path, f"odd.{suffix}", parts))
    facts = lab.make().facts
    assert "the picture changes its shape (pixels " in facts["warnings"]
    assert np.abs(np.subtract(disc_sizes(lab), discs)).max() <= 1


@pytest.mark.parametrize(
    ("suffix", "size", "aspect"),
    [("mp4", "72x272", "255/1"), ("mp4", "272x72", "1/255"), ("mkv", "128x72", "1/5"), ("ts", "128x72", "5/1")],
)
def test_a_pixel_aspect_that_is_not_plausible_is_reported_and_taken_as_square(lab, tmp_path, suffix, size, aspect):
    lab.put(disc(tmp_path, f"odd.{suffix}", size=size, options=f"-vf setsar={aspect}:max=255 {P420}"))
    facts = lab.make().facts
    assert f"{facts['width_px']}x{facts['height_px']}" == size
    assert facts["pixel_aspect"] == "1:1"
    assert f"its stated pixel aspect of {aspect.replace('/', ':')} is not plausible" in facts["warnings"]
    assert all(map(is_round, disc_sizes(lab)))


@pytest.mark.parametrize("aspect", ["0/1", "2/1", "1/2", "40/33", "4/1"])
def test_a_plausible_pixel_aspect_is_used(lab, tmp_path, aspect):
    lab.put(disc(tmp_path, "odd.mkv", options=f"-vf setsar={aspect} {P420}"))
    facts = lab.make().facts
    assert "warnings" not in facts
    assert facts["pixel_aspect"] == ("1:1" if aspect == "0/1" else aspect.replace("/", ":"))


def test_a_pixel_aspect_that_becomes_implausible_in_the_middle_does_not_change_the_shape(lab, tmp_path):
    parts = [
        disc(tmp_path, f"{number}.ts", size="72x272", options=f"{options} {P420}").read_bytes()
        for number, options in enumerate(("", "-vf setsar=255/1:max=255"))
    ]
    lab.put(joined(tmp_path, "odd.ts", parts))
    facts = lab.make().facts
    assert (facts["width_px"], facts["height_px"]) == (72, 272)
    assert all(map(is_round, disc_sizes(lab)))


def beside(folder, name, *options, first, second):
    ffmpeg("-i", first, "-i", second, "-map", "0:v", "-map", "1:v", "-c", "copy", *options, folder / name)
    return folder / name


STILL = Video("still.mp4", "-c:v mjpeg -qscale:v 2 -pix_fmt yuvj420p", frames=1, fps="1", width=320, height=180)
SMALL = Video("small.mp4", P420)
LARGE = Video("large.mp4", P420, width=320, height=200)
SHORT = Video("short.mp4", P420, frames=8, width=320, height=200)
SLIDES = Video("slides.mp4", P420, frames=2, fps="1", width=320, height=200)


@pytest.mark.parametrize("name", ["odd.mp4", "odd.mkv"])
@pytest.mark.parametrize(
    ("first", "second", "flags", "width"),
    [
        (SMALL, STILL, ("default", "0"), 64),
        (SMALL, STILL, ("0", "default"), 64),
        (STILL, SMALL, ("default", "0"), 64),
        (SMALL, LARGE, ("default", "0"), 64),
        (SMALL, LARGE, ("0", "default"), 320),
        (SMALL, LARGE, ("default", "default"), 320),
        (SHORT, SMALL, ("default", "default"), 64),
        (SLIDES, SMALL, ("default", "0"), 64),
    ],
)
def test_the_main_one_of_several_video_streams_is_used(lab, tmp_path, name, first, second, flags, width):
    options = [word for number, flag in enumerate(flags) for word in (f"-disposition:v:{number}", flag)]
    lab.put(beside(tmp_path, name, *options, first=first(tmp_path), second=second(tmp_path)))
    facts = lab.make().facts
    assert (facts["width_px"], facts["source_frames"], facts["video_streams"]) == (width, 48, 2)
