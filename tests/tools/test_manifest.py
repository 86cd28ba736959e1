"""`trailers manifest`: existing manifests, --update, --force and the choice of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifest_lab import make_manifest, refusal, write
from trailers.__main__ import main
from trailers.domain import Trailer
from trailers.store.manifest import read_manifest, write_manifest


def test_an_existing_manifest_is_not_overwritten(tmp_path, capsys):
    write(tmp_path / "out.csv", "precious")
    write(tmp_path / "videos" / "a.mp4", "")
    flags = ["manifest", "--folder", str(tmp_path / "videos"), "--output", str(tmp_path / "out.csv")]
    assert main(flags) == 1
    assert (
        "out.csv: already exists. Add new trailers with --update, name another --output, or overwrite it with --force, "
        "which loses its content, which is not a manifest.\n"
    ) in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "precious"
    assert main([*flags, "--force"]) == 0
    assert read_manifest(tmp_path / "out.csv")[0].trailer == "a"


BY_HAND = [
    Trailer("second", ("videos/b.mp4",), "B by hand", ("drama",), (0, None, None)),
    Trailer("a", ("./videos/a.mp4",), "A", poster="a.jpg"),
    Trailer("gone", ("https://host/gone",), "Gone"),
]


def by_hand(folder: Path) -> None:
    for name in ("a.mp4", "b.mp4", "sub/a.mp4", "c.mp4"):
        write(folder / "videos" / name, "")
    write_manifest(folder / "out.csv", BY_HAND)


def test_update_keeps_existing_rows_and_appends_new_ones(tmp_path, caplog):
    caplog.set_level("INFO")
    by_hand(tmp_path)
    rows = make_manifest(tmp_path, "--folder", tmp_path / "videos", "--update")
    assert rows == [
        *BY_HAND,
        Trailer("c", ("videos/c.mp4",), "c"),
        Trailer("a-2", ("videos/sub/a.mp4",), "a"),
    ]
    assert "b: skipped, its video is already in the manifest as second" in caplog.messages
    assert "3 trailers are unchanged, 2 are added" in caplog.messages
    assert "1 of the unchanged ones are not in the source: gone" in caplog.messages


def test_update_without_new_rows_does_not_change_the_file(tmp_path):
    write(tmp_path / "out.csv", "id;url\r\nx;https://youtu.be/vKQi3bBA1y8\r\n# a comment\r\n")
    before = (tmp_path / "out.csv").stat()
    make_manifest(tmp_path, "--links", write(tmp_path / "links.txt", "vKQi3bBA1y8\n"), "--update")
    assert (tmp_path / "out.csv").stat() == before


def test_update_without_a_manifest_makes_one(tmp_path):
    assert make_manifest(tmp_path, "--links", write(tmp_path / "links.txt", "vKQi3bBA1y8\n"), "--update") == [
        Trailer("vKQi3bBA1y8", ("vKQi3bBA1y8",))
    ]


def test_update_uses_the_ids_that_a_list_gives(tmp_path, caplog):
    write_manifest(
        tmp_path / "out.csv", [Trailer("m1", ("https://host/1",), "", ("drama",)), Trailer("old", ("x.mp4",))]
    )
    table = write(
        tmp_path / "links.csv",
        "id,url,genres\nM1,https://host/other,comedy\nm2,https://host/2,\nm3,https://host/1,\n",
    )
    rows = make_manifest(tmp_path, "--links", table, "--update")
    assert [(row.trailer, row.urls) for row in rows] == [
        ("m1", ("https://host/1",)),
        ("old", ("x.mp4",)),
        ("m2", ("https://host/2",)),
    ]
    assert "m1: keeps its links; not added: https://host/other" in caplog.messages
    assert "m1: keeps its genres; the source has others" in caplog.messages


def test_force_reports_lost_rows_before_and_after(tmp_path, capsys, caplog):
    by_hand(tmp_path)
    flags = ["manifest", "--folder", str(tmp_path / "videos"), "--output", str(tmp_path / "out.csv")]
    assert main(flags) == 1
    lost = "2 trailers: second, gone; the titles of 1: a; the posters of 1: a"
    assert f"overwrite it with --force, which loses {lost}." in capsys.readouterr().err
    assert read_manifest(tmp_path / "out.csv") == BY_HAND
    assert main([*flags, "--force"]) == 0
    assert f"{tmp_path}/out.csv: overwritten; lost: {lost}" in caplog.messages


def test_force_reports_ids_that_get_another_video(tmp_path, caplog):
    for name in ("b/x.mp4", "c/x.mp4"):
        write(tmp_path / "videos" / name, "")
    make_manifest(tmp_path, "--folder", tmp_path / "videos")
    write(tmp_path / "videos" / "a" / "x.mp4", "")
    make_manifest(tmp_path, "--folder", tmp_path / "videos", "--force")
    assert "lost: the videos of 2 ids, which get other ones: x, x-2" in caplog.text


def test_update_and_force_exclude_each_other(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["manifest", "--folder", str(tmp_path), "--update", "--force"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_list_is_not_overwritten(tmp_path, capsys):
    listed = write(tmp_path / "out.csv", "id,url\na,https://host/1\n")
    assert main(["manifest", "--links", str(listed), "--output", str(listed), "--force"]) == 1
    assert "out.csv: is the source of the manifest. Name another --output." in capsys.readouterr().err
    assert main(["manifest", "--links", str(listed), "--output", str(tmp_path), "--force"]) == 1
    assert "is a directory. Name a file in --output." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "error: got none as the source. Give one: --folder, --links, --trailers12k with --metadata"),
        (["--folder", "x", "--links", "y"], "got --folder, --links as the source."),
        (["--trailers12k", "mtgc.csv"], "mtgc.csv: contains labels but no links. Add --metadata metadata.json"),
        (["--links", "nowhere.txt"], "nowhere.txt: no such"),
    ],
)
def test_sources_that_cannot_be_used_are_named(tmp_path, capsys, flags, expected):
    assert expected in refusal(tmp_path, capsys, *flags)
