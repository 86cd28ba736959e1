"""Colour tags of every kind: no tag makes a video undecodable, and assumptions are reported."""

import numpy as np
import pytest

from corpus import BLUE, GREEN, RED
from trailers.video.colours import read_colours
from video_lab import quarters
from video_made import tagged_h264

# Code points of ITU-T H.273 -> the expected warning; empty for matrices that are read as they are.
MATRICES = {
    3: "",
    10: "the colour matrix bt2020c is read as bt2020nc",
    11: "the colour matrix smpte2085 is read as smpte170m",
    12: "the colour matrix chroma-derived-nc is read as smpte170m",
    13: "the colour matrix chroma-derived-c is read as smpte170m",
    14: "the colour matrix ictcp is read as smpte170m",
    15: "the colour matrix ipt-c2 is read as smpte170m",
    0: "the colour matrix gbr is read as smpte170m",
    1: "",
    5: "",
    6: "",
    9: "",
}
TOLERANCE = 45  # grey levels; the difference between two matrices


@pytest.mark.parametrize("number", MATRICES)
def test_a_video_with_any_matrix_is_read(lab, tmp_path, number):
    lab.put(tagged_h264(tmp_path, matrix_coefficients=number))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"]) == (12, 1.0)
    assert facts.get("warnings", "") == MATRICES[number]
    for frames in (lab.small(), lab.large()):
        for seen, wanted in zip(quarters(frames), (RED, GREEN, BLUE), strict=False):
            assert np.abs(seen - wanted).max() <= TOLERANCE


@pytest.mark.parametrize(
    "tags",
    [
        {"transfer_characteristics": 9},
        {"transfer_characteristics": 10},
        {"transfer_characteristics": 3},
        {"transfer_characteristics": 200},
        {"colour_primaries": 3},
        {"colour_primaries": 77},
        {"colour_primaries": 3, "transfer_characteristics": 9, "matrix_coefficients": 14},
    ],
)
def test_a_video_with_any_primaries_and_transfer_is_read(lab, tmp_path, tags):
    lab.put(tagged_h264(tmp_path, **tags))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"]) == (12, 1.0)
    for seen, wanted in zip(quarters(lab.large()), (RED, GREEN, BLUE), strict=False):
        assert np.abs(seen - wanted).max() <= TOLERANCE


@pytest.mark.parametrize(("transfer", "matrix"), [(16, 9), (16, 14), (18, 14), (16, 10), (16, 15), (18, 2)])
def test_hdr_with_any_matrix_is_read(lab, tmp_path, transfer, matrix):
    lab.put(tagged_h264(tmp_path, transfer_characteristics=transfer, matrix_coefficients=matrix, colour_primaries=9))
    facts = lab.make().facts
    assert (facts["frames"], facts["tone_mapped"] != "no") == (12, True)


@pytest.mark.parametrize("tags", [{}, {"matrix_coefficients": 8}, {"colour_primaries": 3}, {"colour_primaries": 255}])
@pytest.mark.parametrize(("transfer", "name"), [(16, "smpte2084"), (18, "arib-std-b67")])
def test_hdr_without_stated_primaries_is_read(lab, tmp_path, transfer, name, tags):
    lab.put(tagged_h264(tmp_path, transfer_characteristics=transfer, **tags))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"], facts["tone_mapped"]) == (12, 1.0, name)
    assert "are read as bt2020" in facts["warnings"]


def test_hdr_without_stated_primaries_is_read_as_bt2020(lab, tmp_path):
    hdr = {"transfer_characteristics": 16, "matrix_coefficients": 9}
    lab.put(tagged_h264(tmp_path, **hdr))
    lab.make()
    silent = lab.large()
    lab.put(tagged_h264(tmp_path, **hdr, colour_primaries=9))
    lab.make()
    assert np.array_equal(silent, lab.large())


def test_ycgco_is_converted_and_not_assumed_to_be_another_matrix(lab, tmp_path):
    # Pixels in YCgCo: Y is a half of green and a quarter of red and blue; Cg and Co are differences.
    from corpus import chart, ffmpeg

    rgb = chart(12).astype(float)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    planes = [
        16 + 219 / 255 * (red / 4 + green / 2 + blue / 4),
        (128 + 224 / 255 * (-red / 4 + green / 2 - blue / 4))[:, ::2, ::2],
        (128 + 224 / 255 * (red / 2 - blue / 2))[:, ::2, ::2],
    ]
    data = b"".join(np.rint(plane[n]).astype(np.uint8).tobytes() for n in range(12) for plane in planes)
    raw = "-f rawvideo -pix_fmt yuv420p -s 64x48 -r 24 -i pipe:0 -c:v libx264 -crf 4 -preset ultrafast"
    ffmpeg(*raw.split(), "-bsf:v", "h264_metadata=matrix_coefficients=8", tmp_path / "odd.mp4", data=data)
    lab.put(tmp_path / "odd.mp4")
    assert "warnings" not in lab.make().facts
    for frames in (lab.small(), lab.large()):
        for seen, wanted in zip(quarters(frames), (RED, GREEN, BLUE), strict=False):
            assert np.abs(seen - wanted).max() <= 14


@pytest.mark.parametrize(
    ("tags", "matrix", "warnings"),
    [
        ({}, "unknown", ()),
        ({"matrix": "bt709"}, "bt709", ()),
        ({"matrix": "chroma-derived-nc", "primaries": "bt2020"}, "bt2020nc", 1),
        ({"matrix": "chroma-derived-nc", "primaries": "bt709"}, "bt709", 1),
        ({"matrix": "ictcp", "height": 720}, "bt709", 1),
        ({"matrix": "ictcp", "transfer": "smpte2084", "primaries": "bt2020"}, "bt2020nc", ()),
        ({"matrix": "ictcp", "transfer": "smpte2084"}, "bt2020nc", 1),
        ({"matrix": "gbr", "pix_fmt": "gbrp"}, "gbr", ()),
        ({"matrix": "ycgco", "pix_fmt": "gbrp"}, "gbr", 1),
        ({"matrix": "(null)", "primaries": "(null)", "transfer": "(null)"}, "smpte170m", 3),
    ],
)
def test_every_assumption_about_a_tag_is_reported(tags, matrix, warnings):
    plain = {"pix_fmt": "yuv420p", "matrix": "unknown", "primaries": "unknown", "transfer": "unknown", "width": 64,
             "height": 48}  # fmt: skip
    colours = read_colours(**(plain | tags))
    assert colours.matrix == matrix
    assert len(colours.assumptions) == (warnings or 0)
