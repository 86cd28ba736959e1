"""`trailers trace`: from one vector back to its source."""

from __future__ import annotations

import shutil
from fractions import Fraction

import h5py
import numpy as np
import pytest

from trailers.__main__ import main
from trailers.tools.trace.again import draw
from trailers.tools.trace.source import rate_of, source_frame, source_words

FILE = "results/embed/shot24/efficientnet_lite0/t1.h5"


@pytest.fixture
def study(finished_study, tmp_path, monkeypatch):
    """A copy of the finished study, as the working folder."""
    shutil.copytree(finished_study, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


def trace(capsys, *words):
    status = main(["trace", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_vector_is_traced_to_its_source_frames_weights_and_settings(study, capsys):
    status, output, _ = trace(capsys, FILE, "--clip", "1")
    assert status == 0
    assert f"{FILE}: clip 1 of 3, float32 (1280,)" in output
    assert "videos/t1.mp4, receipt of " in output
    assert output.count(": the file has it") == 2  # the video's digest and the weights'
    assert "frames 25 to 49 of 75, 1.000 s to 2.000 s" in output
    assert "frames [24, 48), 1.000 s to 2.000 s, no padding" in output
    assert "<- the clip begins" in output
    assert output.count(": made with {") == 4
    assert "NOT" not in output
    assert "BUT" not in output
    again = trace(capsys, "t1", "shot24", "efficientnet_lite0", "--clip", "1")[1]
    assert again == output


@pytest.mark.slow
def test_the_clip_embedded_again_has_the_same_vector_and_its_frames_are_drawn(study, capsys):
    status, output, _ = trace(capsys, FILE, "--clip", "1", "--verify", "--show", "out.png")
    assert status == 0
    assert "cosine 1.000000, largest difference 0, bit for bit the same" in output
    assert (study / "out.png").read_bytes().startswith(b"\x89PNG")
    with h5py.File(FILE, "r+") as file:
        file["vectors"][1] = -file["vectors"][1]
    status, output, _ = trace(capsys, FILE, "--clip", "1", "--verify")
    assert status == 1
    assert "cosine -1.000000" in output


def test_products_that_no_longer_match_are_reported(study, capsys):
    (study / "results" / "download" / "t1.mp4").write_bytes(b"other")
    (study / "results" / "shots" / "t1.scores.h5").unlink()
    (study / "config.yaml").write_text("clips: {histogram_bins: 4}\n")
    status, output, _ = trace(capsys, FILE, "--clip", "0")
    assert status == 0
    assert "BUT the file has d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa" in output
    assert "transitions    not known: results/shots/t1.scores.h5: does not exist" in output
    assert "DIFFERS from that of the present config.yaml and files" in output


def test_a_python_file_named_in_a_file_is_not_run_and_control_characters_are_not_printed(study, capsys):
    (study / "evil.py").write_text("raise SystemExit('it was run')\n")
    with h5py.File(FILE, "r+") as file:
        file.attrs["backbone"] = "evil.py:net"
        file.attrs["transform"] = "red\x1b[31m"
    status, output, problem = trace(capsys, FILE, "--clip", "0", "--verify")
    assert status == 1
    assert "is a file of your own, which is not run unless you name it" in problem
    assert "red?[31m" in output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([FILE, "--clip", "3"], "has clips 0 to 2, not 3"),
        (["results/none.h5", "--clip", "0"], "none.h5: does not exist"),
        (["t1", "shot24", "--clip", "0"], "Give a file, or a trailer, a clip strategy and a backbone"),
        (["../t1", "shot24", "resnet50", "--clip", "0"], "is not the id of a trailer"),
    ],
)
def test_a_missing_product_is_named(study, capsys, words, expected):
    status, _, problem = trace(capsys, *words)
    assert status == 1
    assert expected in problem


@pytest.mark.parametrize(
    ("fps", "shown"),
    [
        (25.0, [n for n in range(50) if n not in (12, 37)]),
        (30.0, [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19]),
        (10.0, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4]),
        (23.976, list(range(48))),
    ],
)
def test_source_frames_are_those_that_the_24_fps_grid_shows(fps, shown):
    # The frames that ffmpeg shows in tests/video/test_grid.py.
    assert [source_frame(number, rate_of(fps)) for number in range(len(shown))] == shown


def test_a_rounded_rate_is_read_as_the_exact_one():
    assert rate_of(29.97) == Fraction(30000, 1001)
    assert rate_of(12.5) == Fraction(25, 2)


def test_source_frames_of_a_variable_rate_video_are_marked_as_approximate():
    facts = {"source_fps": 25.0, "first_s": 2.0, "source_frames": 20, "variable_rate": True}
    assert source_words(facts, 0, 24).startswith("about frames 0 to 19 of 20, 2.000 s to 2.800 s (its rate varies")


def test_frames_are_drawn_eight_in_a_row(tmp_path):
    from PIL import Image

    draw(np.full((9, 10, 20, 3), 7, np.uint8), [str(n) for n in range(9)], tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (8 * 22, 2 * 26)
        assert picture.getpixel((0, 26)) == (7, 7, 7)
