"""`trailers manifest --folder`: manifests from folders of videos, and ids from names."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from manifest_lab import make_manifest, refusal, write
from trailers.__main__ import main
from trailers.domain import Trailer
from trailers.store.manifest import read_manifest
from trailers.store.videos import describe_shared, shared_videos
from trailers.tools.manifest.ids import safe_id


def test_a_folder_of_videos(tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("b.mp4", "a.MKV", "sub/b.webm", "notes.txt", ".hidden.mp4", ".git/c.mp4"):
        write(tmp_path / "videos" / name, "")
    assert make_manifest(tmp_path, "--folder", tmp_path / "videos") == [
        Trailer("a", ("videos/a.MKV",), "a"),
        Trailer("b", ("videos/b.mp4",), "b"),
        Trailer("b-2", ("videos/sub/b.webm",), "b"),
    ]
    assert f"{tmp_path / 'videos'}: hidden videos are left out: .hidden.mp4" in caplog.messages


def test_names_become_safe_and_unique_ids(tmp_path):
    for name in ("Amélie (2001).mp4", "con.mp4", "-rf.mp4", "日本.mp4", "a:b.mp4", "A_b.mp4", "x" * 90 + ".mp4"):
        write(tmp_path / "videos" / name, "")
    rows = {row.urls[0]: row.trailer for row in make_manifest(tmp_path, "--folder", tmp_path / "videos")}
    assert rows == {
        "videos/-rf.mp4": "rf",
        "videos/A_b.mp4": "A_b",
        "videos/Amélie (2001).mp4": "Amelie_2001",
        "videos/a:b.mp4": "a_b-2",
        "videos/con.mp4": "con_",
        "videos/" + "x" * 90 + ".mp4": "x" * 55 + "-efdfd9ee",
        "videos/日本.mp4": "trailer-cf2abf0c",
    }


def test_a_file_beside_the_manifest_is_a_path_and_not_a_link(tmp_path):
    for name in ("http:cat.mp4", "a.mp4"):
        write(tmp_path / name, "")
    assert [row.urls for row in make_manifest(tmp_path, "--folder", tmp_path)] == [("./a.mp4",), ("./http:cat.mp4",)]


UNUSUAL_NAMES = [
    "a | b.mp4",
    "| a.mp4",
    "a || b.mp4",
    "#NAME?.mp4",
    "#1.mp4",
    "youtube.com.mp4",
    "vKQi3bBA1y8.mp4",
    "=1+1.mp4",
    "~a.mp4",
    "a\\b.mp4",
    "a;b,c.mp4",
    "https:a.mp4",
    " a.mp4",
    "\u200ba.mp4",
    'a"b.mp4',
    "Матрица.mp4",
    "マトリックス.mp4",
    "👨‍👩‍👧.mp4",
    "1.5E+10.mp4",
]


def test_any_file_name_can_be_written_to_a_manifest(tmp_path):
    for name in UNUSUAL_NAMES:
        write(tmp_path / "host.org" / name, "")
        write(tmp_path / name, "")
    rows = make_manifest(tmp_path, "--folder", tmp_path)
    assert {(tmp_path / row.urls[0]).relative_to(tmp_path) for row in rows} == {
        Path(folder, name) for folder in ("", "host.org") for name in UNUSUAL_NAMES
    }
    assert {row.title for row in rows} >= {"a | b", "#NAME?.mp4", "Матрица", "マトリックス", "1.5E+10"}
    for path in tmp_path.rglob("*.mp4"):
        path.unlink()
    assert read_manifest(tmp_path / "out.csv") == rows  # paths are recognised even if the files are gone


def test_names_in_other_scripts_get_unique_ids(tmp_path):
    names = ["日本", "東京", "日本 2", "Матрица", "Матрица 2", "Straße", "Łódź", "Ærø", "!!!", "???"]
    for name in names:
        write(tmp_path / "videos" / f"{name}.mp4", "")
    rows = {row.title: row.trailer for row in make_manifest(tmp_path, "--folder", tmp_path / "videos")}
    assert rows.keys() == set(names)
    assert len(set(rows.values())) == len(names)
    assert rows["日本 2"].startswith("2-")
    assert (rows["Straße"], rows["Łódź"], rows["Ærø"]) == ("Strasse", "Lodz", "AEro")


def test_a_name_has_one_id_however_its_accents_are_stored():
    assert safe_id(unicodedata.normalize("NFD", "Й")) == safe_id(unicodedata.normalize("NFC", "Й"))


def test_a_file_name_that_a_manifest_cannot_contain_is_skipped_and_the_others_are_kept(tmp_path, caplog):
    for name in ("a\nb.mp4", "c\x7fd.mp4", os.fsdecode(b"e\xe9.mp4"), "f.mp4"):
        write(tmp_path / "videos" / name, "")
    assert [row.trailer for row in make_manifest(tmp_path, "--folder", tmp_path / "videos")] == ["f"]
    left_out = [line for line in caplog.messages if "a manifest cannot hold this file" in line]
    assert [name for name in ("a\\nb", "c\\x7fd", "e\\udce9") if any(name in line for line in left_out)] == [
        "a\\nb",
        "c\\x7fd",
        "e\\udce9",
    ]


def test_a_folder_of_only_such_names_is_refused(tmp_path, capsys):
    write(tmp_path / "videos" / "a\nb.mp4", "")
    assert "contains no video whose name a manifest can hold" in refusal(
        tmp_path, capsys, "--folder", tmp_path / "videos"
    )


def test_other_files_in_a_folder_are_reported(tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("a.mp4", "a.srt", "b.srt", "c.jpg", "README"):
        write(tmp_path / "videos" / name, "")
    (tmp_path / "videos" / "more").symlink_to(tmp_path)
    make_manifest(tmp_path, "--folder", tmp_path / "videos")
    assert "4 files do not have the suffix of a video and are left out: 2 .srt, 1 .jpg, 1 no suffix" in caplog.messages
    assert f"{tmp_path}/videos/more: is a link to a directory; left out" in caplog.messages


def test_a_link_to_a_file_of_the_folder_is_not_a_second_trailer(tmp_path, caplog):
    videos = tmp_path / "videos"
    (videos / "more").mkdir(parents=True)
    for name in ("b.mp4", "more/c.mp4"):
        (videos / name).touch()
    (tmp_path / "outside.mp4").touch()
    for name, to in (("a.mp4", "b.mp4"), ("d.mp4", "more/c.mp4"), ("e.mp4", "../outside.mp4"), ("f.mp4", "e.mp4")):
        (videos / name).symlink_to(to)
    output = tmp_path / "m.csv"
    assert main(["manifest", "--folder", str(videos), "--output", str(output)]) == 0
    assert [trailer.trailer for trailer in read_manifest(output)] == ["b", "e", "c"]
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert messages == [
        f"{videos}/a.mp4: the same file as {videos}/b.mp4; left out",
        f"{videos}/d.mp4: the same file as {videos}/more/c.mp4; left out",
        f"{videos}/f.mp4: the same file as {videos}/e.mp4; left out",
    ]


def test_a_link_to_the_file_of_another_trailer_is_the_same_video(tmp_path, caplog, monkeypatch):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to("there")
    (tmp_path / "there/b.mp4").symlink_to("../a.mp4")
    monkeypatch.chdir(tmp_path)
    text = "trailer,url,genres,split0\na,a.mp4,drama,0\nb,here/b.mp4,drama,2\nc,c.mp4,drama,0\n"
    (tmp_path / "m.csv").write_text(text)
    (group,) = shared_videos(read_manifest(Path("m.csv")), Path())
    assert describe_shared(group) == "a, b have the same video, but split0 has a in train, b in test"
    assert main(["manifest", "--folder", "here", "--output", "m.csv", "--update"]) == 0
    assert (tmp_path / "m.csv").read_text() == text


def test_a_folder_without_videos_is_refused(tmp_path, capsys):
    write(tmp_path / "videos" / "notes.txt", "")
    assert refusal(tmp_path, capsys, "--folder", tmp_path / "videos").startswith("error: videos: contains no video.")
    assert (
        refusal(tmp_path, capsys, "--folder", tmp_path / "none")
        == "error: none: is not a directory. Choose a folder of videos.\n"
    )


def test_a_folder_makes_the_same_manifest_again(tmp_path):
    for name in ("b.mp4", "a.mp4", "c/a.mp4"):
        write(tmp_path / "videos" / name, "")
    make_manifest(tmp_path, "--folder", tmp_path / "videos")
    first = (tmp_path / "out.csv").read_bytes()
    make_manifest(tmp_path, "--folder", tmp_path / "videos", "--force")
    assert (tmp_path / "out.csv").read_bytes() == first
