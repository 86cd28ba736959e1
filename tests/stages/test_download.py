"""The download stage: videos and posters, limits of the paper, one trailer by name."""

from __future__ import annotations

import argparse

import pytest

from server import Page, Server
from trailers.errors import ManifestError
from trailers.stages import download
from trailers.stages.download import Settings, shortcomings
from web_lab import HTML, get_posters


def test_one_trailer_alone_writes_no_ledger(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    work.words({"a": "cat.mp4"})
    words = ["--trailer", "a", "--manifest", str(tmp_path / "manifest.csv"), "--results", str(work.results)]
    parser = argparse.ArgumentParser()
    download.add_flags(parser)
    download.run(parser.parse_args(words))
    assert work.files() == ["download/a.json", "download/a.mp4"]


def test_a_trailer_that_is_not_in_the_manifest_is_named(work, tmp_path):
    work.words({"a": "cat.mp4"})
    words = ["--trailer", "b", "--manifest", str(tmp_path / "manifest.csv"), "--results", str(work.results)]
    parser = argparse.ArgumentParser()
    download.add_flags(parser)
    with pytest.raises(ManifestError, match="has no row for 'b'"):
        download.run(parser.parse_args(words))


# Posters


def test_posters_are_downloaded_by_the_same_rules(work, poster, tmp_path):
    (tmp_path / "local.jpg").write_bytes(poster)
    with Server(
        {
            "/a.jpg": [Page(status=500), Page(poster, kind="image/jpeg")],
            "/page": HTML,
            "/gone.jpg": Page(status=404),
            "/cut.jpg": Page(poster[:-99], kind="image/jpeg"),
        }
    ) as server:
        cells = {
            "a": server.link("/a.jpg"),
            "b": "local.jpg",
            "c": "",
            "d": server.link("/page"),
            "e": server.link("/gone.jpg"),
            "f": server.link("/cut.jpg"),
        }
        rows = get_posters(work, cells)
        del server.requests[:]
        assert get_posters(work, cells) == rows
        assert {request.path for request in server.requests} == {"/page"}  # only this link may give an image later
    assert {trailer: row.status for trailer, row in rows.items()} == {
        "a": "ok",
        "b": "ok",
        "c": "skipped",
        "d": "failed",
        "e": "dead",
        "f": "dead",
    }
    assert (rows["a"].path, rows["a"].facts) == (
        "posters/a.jpg",
        {"bytes": len(poster), "width_px": 20, "height_px": 30},
    )
    assert (work.results / "posters" / "b.jpg").read_bytes() == poster
    assert rows["d"].error.startswith("poster download: page: ")
    assert rows["e"].error.startswith("poster download: not found: ")
    assert rows["f"].error.startswith("poster download: not an image: Truncated File Read")
    assert not (work.results / "download").exists()


# The limits of the paper

SETTINGS = Settings(max_height=720, min_height=480, min_duration_s=30, max_duration_s=210, enforce_quality=False)


@pytest.mark.parametrize(
    ("duration_s", "height", "expected"),
    [
        (30, 480, {}),
        (210, 1080, {}),
        (29.5, 480, {"too short": "29.5 s, but download.min_duration_s is 30 s"}),
        (210.5, 480, {"too long": "210.5 s, but download.max_duration_s is 210 s"}),
        (60, 360, {"too small": "360 px high, but download.min_height is 480 px"}),
        (None, 0, {}),
    ],
)
def test_the_limits_of_the_paper(duration_s, height, expected):
    assert shortcomings(SETTINGS, duration_s=duration_s, height=height) == expected
