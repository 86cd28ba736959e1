"""The share of the expected frames of a video that were decoded, and the warnings."""

from dataclasses import replace

import pytest

from corpus import P420, Video, cut_off, then
from trailers.video import Converted, share_of_frames, warnings
from trailers.video.account import copies as warnings_about_copies
from video_lab import SEEN, TIMES

MADE = Converted(
    frames=240, frames_duplicated=0, frames_dropped=10, source_frames=250, decode_errors=0, frames_corrupt=0,
    complaints=(), is_cut_short=False, shapes=("640x360 1:1",), is_variable_rate=False,
    longest_gap_s=0, width=456, height=256,
)  # fmt: skip
COMPLAINT = {"complaints": ("something",)}


@pytest.mark.parametrize(
    ("seen", "times", "made", "share"),
    [
        ({}, {}, {}, 1),
        ({}, {}, {"source_frames": 200, "decode_errors": 50}, 0.8),
        ({}, {}, {"frames_corrupt": 25}, 0.9),
        ({}, {}, {"source_frames": 10, "frames_corrupt": 10}, 0),
        # The container counts the same number of frames after its last packet.
        ({"frames_cut_off": 250}, {}, {}, 0.5),
        ({}, {"frames": 300, "frames_hidden": 50}, {}, 0.8333),
        # More packets than frames: frames were lost only if ffmpeg reports an error.
        ({}, {}, {"source_frames": 125}, 1),
        ({}, {}, {"source_frames": 125, **COMPLAINT}, 0.5),
        ({"is_interlaced": True}, {}, {"source_frames": 125, **COMPLAINT}, 1),
        # Frames missing between two packets were lost only if ffmpeg reports an error.
        ({}, {"frames_in_gaps": 250}, {}, 1),
        ({}, {"frames_in_gaps": 250}, COMPLAINT, 0.5),
        # The rate that the container states may be wrong.
        ({"fps": 60}, {}, COMPLAINT, 1),
        ({}, {"length_s": 100.0}, COMPLAINT, 1),
    ],
)
def test_the_share_counts_expected_frames(seen, times, made, share):
    video = replace(SEEN, times=replace(TIMES, **times), **seen)
    assert round(share_of_frames(video, replace(MADE, **made)), 4) == share


@pytest.mark.parametrize(
    ("times", "made", "words"),
    [
        ({"jumps_s": (3600.0,)}, {}, "time stamps jump (+3600.000 s); the jumps are left out"),
        (
            {"jumps_s": (1.0, -2.5, 3.0, 4.0, 5.0, 6.0, 7.0)},
            {},
            "time stamps jump (+1.000 s, -2.500 s, +3.000 s, +4.000 s, +5.000 s and 2 more); the jumps are left out",
        ),
        ({"gap_s": 3.25, "gap_at_s": 2.0}, {}, "no frame for 3.250 s after 2.000 s; the last one is repeated there"),
        ({"frames_hidden": 48}, {}, "48 frames are hidden by the container: time stamps go back"),
        (
            {"is_unordered": True},
            {},
            "time stamps do not follow the order of the frames; frames are counted, at 25.000 fps",
        ),
        (
            {},
            {"shapes": ("72x72 1:1", "128x72 1:1")},
            "the picture changes its shape (72x72 1:1, 128x72 1:1); all frames are fitted into the first shape",
        ),
    ],
)
def test_a_difference_is_reported_in_one_sentence(times, made, words):
    assert warnings(replace(SEEN, times=replace(TIMES, **times)), replace(MADE, **made)) == [words]


@pytest.mark.parametrize(
    ("promised_s", "expected"),
    [
        (None, []),
        (10.0, []),
        (11.5, []),  # 0.95 * 11.5 s - 1 s is 9.925 s
        (12.0, ["it lasts 10.0 s, but its site states 12.0 s"]),
        (120.0, ["it lasts 10.0 s, but its site states 120.0 s"]),
    ],
)
def test_the_duration_stated_by_a_site_is_compared_with_the_video(promised_s, expected):
    assert warnings(SEEN, MADE, promised_s=promised_s) == expected


def test_a_good_video_has_no_warnings():
    assert warnings(SEEN, MADE) == []


def test_a_truncated_file_without_a_stated_length_is_reported(lab, tmp_path):
    options = f"{P420} -g 6 -movflags +frag_keyframe+empty_moov"
    lab.put(then(Video("v.mp4", options, frames=240), cut_off(0.5))(tmp_path))
    assert lab.make(min_share=0.9).facts["warnings"].startswith("the file is truncated")


@pytest.mark.parametrize(
    ("source_frames", "copies", "expected"),
    [
        (96, 2376, ["2,376 of 2,472 frames are copies of the one before: the source shows 96 frames in 103.0 s"]),
        (60, 180, []),  # 6 frames per second
        (59, 181, ["181 of 240 frames are copies of the one before: the source shows 59 frames in 10.0 s"]),
    ],
)
def test_a_video_of_mostly_duplicated_frames_gets_a_warning(source_frames, copies, expected):
    made = replace(MADE, frames=source_frames + copies, frames_duplicated=copies, source_frames=source_frames)
    assert warnings_about_copies(made) == expected
