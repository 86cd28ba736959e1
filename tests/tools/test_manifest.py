"""Manifests from folders, lists of links and the published files."""

from __future__ import annotations

import contextlib
import json
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.__main__ import main
from trailers.domain import Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.videos import shared_videos, tell_shared
from trailers.tools.manifest.ids import id_of_link, make_unique, safe_id
from trailers.tools.manifest.links import from_links
from trailers.tools.manifest.trailers12k import read_metadata

HEADER = "mid,action,adventure,comedy,crime,drama,fantasy,horror,romance,sci-fi,thriller,split0,split1,split2\n"
LABELS = HEADER + "tt0035423,0,0,1,0,0,1,0,1,0,0,0,0,2\n" + "tt0113026,0,0,0,0,0,0,0,1,0,0,0,2,1\n"
FIRST = ("comedy", "fantasy", "romance")


def make(folder: Path, *flags: object) -> list[Trailer]:
    assert main(["manifest", *map(str, flags), "--output", str(folder / "out.csv")]) == 0
    return read_manifest(folder / "out.csv")


def refusal(folder: Path, capsys, *flags: object) -> str:
    assert main(["manifest", *map(str, flags), "--output", str(folder / "out.csv")]) == 1
    assert not (folder / "out.csv").exists()
    return capsys.readouterr().err.replace(f"{folder}/", "")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# A folder


def test_a_folder_of_videos(tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("b.mp4", "a.MKV", "sub/b.webm", "notes.txt", ".hidden.mp4", ".git/c.mp4"):
        write(tmp_path / "videos" / name, "")
    assert make(tmp_path, "--folder", tmp_path / "videos") == [
        Trailer("a", ("videos/a.MKV",), "a"),
        Trailer("b", ("videos/b.mp4",), "b"),
        Trailer("b-2", ("videos/sub/b.webm",), "b"),
    ]
    assert f"{tmp_path / 'videos'}: hidden videos are left out: .hidden.mp4" in caplog.messages


def test_names_become_safe_and_unique_ids(tmp_path):
    for name in ("Amélie (2001).mp4", "con.mp4", "-rf.mp4", "日本.mp4", "a:b.mp4", "A_b.mp4", "x" * 90 + ".mp4"):
        write(tmp_path / "videos" / name, "")
    rows = {row.urls[0]: row.trailer for row in make(tmp_path, "--folder", tmp_path / "videos")}
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
    assert [row.urls for row in make(tmp_path, "--folder", tmp_path)] == [("./a.mp4",), ("./http:cat.mp4",)]


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
    rows = make(tmp_path, "--folder", tmp_path)
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
    rows = {row.title: row.trailer for row in make(tmp_path, "--folder", tmp_path / "videos")}
    assert rows.keys() == set(names)
    assert len(set(rows.values())) == len(names)
    assert rows["日本 2"].startswith("2-")
    assert (rows["Straße"], rows["Łódź"], rows["Ærø"]) == ("Strasse", "Lodz", "AEro")


def test_a_name_has_one_id_however_its_accents_are_stored():
    assert safe_id(unicodedata.normalize("NFD", "Й")) == safe_id(unicodedata.normalize("NFC", "Й"))


def test_a_file_name_that_a_manifest_cannot_contain_is_skipped_and_the_others_are_kept(tmp_path, caplog):
    for name in ("a\nb.mp4", "c\x7fd.mp4", os.fsdecode(b"e\xe9.mp4"), "f.mp4"):
        write(tmp_path / "videos" / name, "")
    assert [row.trailer for row in make(tmp_path, "--folder", tmp_path / "videos")] == ["f"]
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
    make(tmp_path, "--folder", tmp_path / "videos")
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
    assert tell_shared(group) == "a, b have the same video, but split0 has a in train, b in test"
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
    make(tmp_path, "--folder", tmp_path / "videos")
    first = (tmp_path / "out.csv").read_bytes()
    make(tmp_path, "--folder", tmp_path / "videos", "--force")
    assert (tmp_path / "out.csv").read_bytes() == first


# Links


def test_a_list_of_links(tmp_path):
    text = """
        # a comment
        https://www.youtube.com/watch?v=vKQi3bBA1y8&t=3s

        https://youtu.be/-KQi3bBA1y8
        vKQi3bBA1y9
        https://host/trailers/The%20Cat.mp4?size=1
        https://host/other/The%20Cat.webm
        vKQi3bBA1y9
    """
    rows = make(tmp_path, "--links", write(tmp_path / "links.txt", text))
    assert [(row.trailer, row.urls[0]) for row in rows] == [
        ("vKQi3bBA1y8", "https://www.youtube.com/watch?v=vKQi3bBA1y8&t=3s"),
        ("yt_-KQi3bBA1y8", "https://youtu.be/-KQi3bBA1y8"),
        ("vKQi3bBA1y9", "vKQi3bBA1y9"),
        ("The_Cat", "https://host/trailers/The%20Cat.mp4?size=1"),
        ("The_Cat-2", "https://host/other/The%20Cat.webm"),
    ]


def test_a_table_of_links_with_ids_titles_and_genres(tmp_path):
    text = (
        "id,title,link,genres,split0,note\n"
        'm1,"Cats, big",https://host/1,drama;comedy,2,x\nm2,Dogs,,,,\na/b,,https://host/3,,,\nm1,,https://host/4,,,\n'
    )
    assert make(tmp_path, "--links", write(tmp_path / "links.csv", text)) == [
        Trailer("m1", ("https://host/1", "https://host/4"), "Cats, big", ("comedy", "drama"), (2, None, None)),
        Trailer("a_b", ("https://host/3",)),
    ]


def test_forms_of_one_video_in_a_list_are_one_trailer(tmp_path, caplog):
    text = """
        https://youtu.be/vKQi3bBA1y8?si=abc
        ; a comment as in lists of yt-dlp
        youtube.com/watch?v=vKQi3bBA1y8
        ] another
        https://www.youtube.com/attribution_link?a=x&u=/watch%3Fv%3DvKQi3bBA1y8
        //www.youtube.com/watch?v=-KQi3bBA1y8
        vKQi3bBA1y8 | https://vimeo.com/76979871
        https://www.youtube.com/playlist?list=PL0123456789
    """
    rows = make(tmp_path, "--links", write(tmp_path / "links.txt", text))
    assert [(row.trailer, row.urls) for row in rows] == [
        ("vKQi3bBA1y8", ("https://youtu.be/vKQi3bBA1y8?si=abc", "https://vimeo.com/76979871")),
        ("yt_-KQi3bBA1y8", ("https://www.youtube.com/watch?v=-KQi3bBA1y8",)),
        ("PL0123456789", ("https://www.youtube.com/playlist?list=PL0123456789",)),
    ]
    lines = [line.replace(f"{tmp_path}/", "") for line in caplog.messages]
    assert lines[:3] == [f"links.txt: line {number}: the same video as line 2" for number in (4, 6, 8)]
    assert lines[3].startswith("links.txt: line 9: 'https://www.youtube.com/playlist?list=PL0123456789' is a playlist")


def test_rows_of_a_table_share_a_video_or_an_id(tmp_path, caplog):
    text = (
        "id;url;title;split\n"
        ";youtu.be/vKQi3bBA1y8;;\n"
        "m1;https://www.youtube.com/watch?v=vKQi3bBA1y8;A;0\n"
        "m1;vKQi3bBA1y8;A, the teaser;\n"
        "m1;https://host/a;;train\n"
        "m2;https://www.youtube.com/embed/vKQi3bBA1y8;B;2\n"
        ";https://host/c;C;\n"
    )
    rows = make(tmp_path, "--links", write(tmp_path / "links.csv", text))
    assert rows == [
        Trailer("m1", ("https://www.youtube.com/watch?v=vKQi3bBA1y8", "https://host/a"), "A", (), (0, None, None)),
        Trailer("m2", ("https://www.youtube.com/embed/vKQi3bBA1y8",), "B", (), (2, None, None)),
        Trailer("c", ("https://host/c",), "C"),
    ]
    reports = [line.replace(f"{tmp_path}/", "") for line in caplog.messages]
    assert reports == [
        "links.csv: row 4: the same video as row 3",
        "links.csv: row 2: the same video as row 3",
        "links.csv: row 4: 'm1' keeps the title 'A'",
        "m1, m2 have the same video, but split0 has m1 in train, m2 in test",
    ]


def test_two_rows_of_one_trailer_with_other_labels_are_refused(tmp_path, capsys):
    text = "id,url,split0\nm1,https://host/1,0\nm1,https://host/2,2\n"
    assert refusal(tmp_path, capsys, "--links", write(tmp_path / "links.csv", text)) == (
        "error: links.csv: row 3: is the same trailer as row 2, but with different split0. Use the same split0 in "
        "both rows, leave it empty in one, or use different ids.\n"
    )


TABLES_OF_LINKS = {
    "semicolons": "id;url;title\ntt1;https://youtu.be/vKQi3bBA1y8;Cats\n",
    "semicolons after a byte order mark": "\ufeffid;url;title\r\ntt1;https://youtu.be/vKQi3bBA1y8;Cats\r\n",
    "a line sep=": "sep=;\nid;url;title\ntt1;https://youtu.be/vKQi3bBA1y8;Cats\n",
    "tabs and carriage returns": "id\turl\ttitle\rtt1\thttps://youtu.be/vKQi3bBA1y8\tCats\r",
    "other names": '"IMDb ID","YouTube URL","Movie Title"\n"tt1","https://youtu.be/vKQi3bBA1y8","Cats"\n',
    "trailing commas": "id,url,title,,\ntt1,https://youtu.be/vKQi3bBA1y8,Cats,,\n,,,,\n",
    "comments": "# of us\nid,url,title\n# all\ntt1,https://youtu.be/vKQi3bBA1y8,Cats\n",
    "columns of others": "id,url,year,title,note\ntt1,https://youtu.be/vKQi3bBA1y8,1999,Cats,#N/A\n",
    "ids of a table of numbers": "id,url,title\ntt1,https://youtu.be/vKQi3bBA1y8,Cats\n\n",
}


@pytest.mark.parametrize("text", TABLES_OF_LINKS.values(), ids=TABLES_OF_LINKS)
def test_tables_of_links_that_are_understood(tmp_path, text):
    assert make(tmp_path, "--links", write(tmp_path / "links.csv", text)) == [
        Trailer("tt1", ("https://youtu.be/vKQi3bBA1y8",), "Cats")
    ]


NO_LINKS = [
    (
        "movie,clip\nA,https://youtu.be/vKQi3bBA1y8\n",
        "row 1: no known column of links, found movie, clip. Rename clip",
    ),
    ("movie;clip\nA;B\n", "row 1: no known column of links, found movie, clip. Name the column of links url."),
    (
        "tt1,https://youtu.be/vKQi3bBA1y8\n",
        "row 1: is not a header, found tt1, https://youtu.be/vKQi3bBA1y8. Write a header",
    ),
    ("Title\nhttps://youtu.be/vKQi3bBA1y8\n", "row 1: no known column of links, found Title. Rename Title"),
    ("id,url\ntt1,#NAME?\n", "row 2, column url: '#NAME?' is a spreadsheet error, not a value. Format the column"),
    ("id,url\ntt2,1.5E+10\n", "row 2, column url: '1.5E+10' is a number that a spreadsheet has rounded."),
    ("id,url\n#REF!,https://host/1\n", "row 2, column id: '#REF!' is a spreadsheet error"),
    ("id,url\nnan,https://host/1\n", "row 2, column id: 'nan' is not an id."),
    ("ID,Link\na,cat\n", "row 2, column Link: 'cat' is neither a link nor an existing file."),
    ("id,url\na,cat.mp4\n", "row 2, column url: 'cat.mp4' does not exist. Correct it, or write ./cat.mp4 for a file"),
    ("id,url,poster\na,https://host/1,a.jpg\n", "row 2, column poster: 'a.jpg' does not exist."),
    ("#NAME?\nhttps://host/1\n", "line 1: '#NAME?' is neither a link nor an existing file."),
    ("https://host/1\nThe Matrix\n", "line 2: 'The Matrix' is neither a link nor an existing file."),
    ("Matrix https://www.youtube.com/watch?v=vKQi3bBA1y8\n", "line 1: 'Matrix https://www.youtube.com/watch?v=vKQi3b"),
    ("https://host/1\nMatrix,https://host/2\n", "line 2: 'Matrix,https://host/2' contains more than a link."),
    ("cat.mp4\n", "line 1: 'cat.mp4' does not exist."),
    ("# nothing\n; at all\n", "contains no link. Write one link per line, or a table with a column url."),
    ("url\n", "contains no link."),
    ("", "contains no link."),
    ("{}\n", "line 1: '{}' is neither a link nor an existing file."),
]


@pytest.mark.parametrize(("text", "expected"), NO_LINKS, ids=[text[:30] for text, _ in NO_LINKS])
def test_a_list_without_links_is_refused(tmp_path, capsys, text, expected):
    listed = write(tmp_path / "links.csv", text)
    assert refusal(tmp_path, capsys, "--links", listed).startswith(f"error: links.csv: {expected}")


def test_ignored_columns_are_reported(tmp_path, caplog):
    caplog.set_level("INFO")
    make(tmp_path, "--links", write(tmp_path / "links.csv", "id,url,year,gernes\na,https://host/1,1999,drama\nb,,,\n"))
    reports = [line.replace(f"{tmp_path}/", "") for line in caplog.messages]
    assert reports[:2] == [
        "links.csv: columns that do not belong in a manifest are left out: year, gernes",
        "links.csv: row 3: has no link; left out",
    ]


def test_ids_that_were_typed_are_kept(tmp_path):
    text = "id,url\n_a_,https://host/1\na b,https://host/2\nA_B,https://host/3\n日本,https://host/4\n133093.0,https://host/5\n"
    rows = make(tmp_path, "--links", write(tmp_path / "links.csv", text))
    assert [(row.trailer, row.title) for row in rows] == [
        ("_a_", ""),
        ("a_b", ""),
        ("A_B-2", ""),
        ("trailer-cf2abf0c", "日本"),
        ("133093", ""),
    ]


def test_paths_in_a_list_are_relative_to_it(tmp_path):
    write(tmp_path / "lists" / "videos" / "a.mp4", "")
    rows = make(tmp_path, "--links", write(tmp_path / "lists" / "links.txt", "videos/a.mp4\n../b.mp4\n"))
    assert [row.urls[0] for row in rows] == ["lists/videos/a.mp4", "./b.mp4"]


def test_a_bad_link_is_named_by_line_or_row(tmp_path, capsys):
    lines = write(tmp_path / "links.txt", "https://host/1\nftp://host/2\n")
    assert refusal(tmp_path, capsys, "--links", lines).startswith(
        "error: links.txt: line 2: 'ftp://host/2' is not an http or https link."
    )
    table = write(tmp_path / "links.csv", "id,url\na,https://host/1\nb,file:///etc/passwd\n")
    assert refusal(tmp_path, capsys, "--links", table).startswith("error: links.csv: row 3, column url: 'file:///etc")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.youtube.com/watch?v=vKQi3bBA1y8", "vKQi3bBA1y8"),
        ("https://m.youtube.com/watch?feature=x&v=vKQi3bBA1y8", "vKQi3bBA1y8"),
        ("https://youtu.be/vKQi3bBA1y8?t=3", "vKQi3bBA1y8"),
        ("https://www.youtube.com/shorts/vKQi3bBA1y8", "vKQi3bBA1y8"),
        ("https://www.youtube-nocookie.com/embed/vKQi3bBA1y8", "vKQi3bBA1y8"),
        ("-KQi3bBA1y8", "yt_-KQi3bBA1y8"),
        ("https://vimeo.com/76979871", "76979871"),
        ("https://host/", "host"),
        ("_KQi3bBA1y_", "_KQi3bBA1y_"),
        ("https://www.dailymotion.com/video/x7tgad0_the-cat", "x7tgad0"),
        ("https://www.youtube.com/playlist?list=PL0123456789", "PL0123456789"),
        ("https://www.imdb.com/video/vi123/?playlistId=tt1", "vi123"),
        ("videos/The Cat.mp4", "The_Cat"),
        ("https://host/..%2F..%2Fetc%2Fpasswd", "passwd"),
    ],
)
def test_ids_of_links(url, expected):
    assert id_of_link(url) == expected


@pytest.mark.parametrize("text", ["..", "", "/", "NUL", "a\x00b", "-", "--", "...mp4", "\u202eabc", "x" * 500, "Ω"])
def test_any_text_becomes_a_safe_id(text):
    assert is_safe_id(safe_id(text))


def test_ids_are_unique_in_any_case_and_stay_short():
    given = ["a", "A", "a-2", "a", "x" * 64, "x" * 64]
    assert list(make_unique(given)) == ["a", "A-2", "a-2-2", "a-3", "x" * 64, "x" * 62 + "-2"]


# Trailers12k

METADATA_SHAPES = {
    "a mapping": {
        "x1": {"imdb": {"id": "0035423", "title": "Kate &\nLeopold"}, "youtube": {"trailers": [{"id": "vKQi3bBA1y8"}]}},
        "x2": {"imdb": {"id": "tt0113026"}, "youtube": {"trailers": [{"id": "aaaaaaaaaaa"}, {"id": "bbbbbbbbbbb"}]}},
    },
    "a list": [
        {"imdb": {"id": 35423, "title": "Kate & Leopold"}, "youtube": {"trailers": ["vKQi3bBA1y8"]}},
        {"imdb": {"id": "0113026"}, "youtube": {"trailers": [{"id": "aaaaaaaaaaa"}, {"id": "bbbbbbbbbbb"}]}},
    ],
}


@pytest.mark.parametrize("titles", METADATA_SHAPES.values(), ids=METADATA_SHAPES)
def test_labels_and_metadata(tmp_path, titles):
    labels = write(tmp_path / "mtgc.csv", LABELS)
    metadata = write(tmp_path / "metadata.json", json.dumps({"trailers12k": titles}))
    assert make(tmp_path, "--trailers12k", labels, "--metadata", metadata) == [
        Trailer("tt0035423", ("vKQi3bBA1y8",), "Kate & Leopold", FIRST, (0, 0, 2)),
        Trailer("tt0113026", ("aaaaaaaaaaa", "bbbbbbbbbbb"), "", ("romance",), (0, 2, 1)),
    ]


def test_titles_without_a_link_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    labels = write(tmp_path / "mtgc.csv", LABELS)
    titles = [
        {"imdb": {"id": "0035423"}, "youtube": {"trailers": [{"id": "vKQi3bBA1y8"}]}},
        {"imdb": {"id": "0113026"}},
    ]
    metadata = write(tmp_path / "metadata.json", json.dumps({"trailers12k": titles}))
    assert [row.trailer for row in make(tmp_path, "--trailers12k", labels, "--metadata", metadata)] == ["tt0035423"]
    reports = [" ".join(line.split()) for line in caplog.messages]
    assert reports[0] == "1 of 2 titles have no link and are left out:"
    assert reports[1:11] == [
        "action 0 of 0",
        "adventure 0 of 0",
        "comedy 0 of 1",
        "crime 0 of 0",
        "drama 0 of 0",
        "fantasy 0 of 1",
        "horror 0 of 0",
        "romance 1 of 2",
        "sci-fi 0 of 0",
        "thriller 0 of 0",
    ]
    assert reports[11:20] == [
        "split0 train 1 of 2",
        "split0 validation 0 of 0",
        "split0 test 0 of 0",
        "split1 train 0 of 1",
        "split1 validation 0 of 0",
        "split1 test 1 of 1",
        "split2 train 0 of 0",
        "split2 validation 1 of 1",
        "split2 test 0 of 1",
    ]


def test_labels_and_a_table_of_links(tmp_path):
    labels = write(tmp_path / "mtgc.csv", LABELS)
    table = write(
        tmp_path / "links.csv", "imdb,youtube\n0113026,aaaaaaaaaaa\ntt0035423,vKQi3bBA1y8\n113026,bbbbbbbbbbb\n"
    )
    assert [(row.trailer, row.urls) for row in make(tmp_path, "--trailers12k", labels, "--links", table)] == [
        ("tt0035423", ("vKQi3bBA1y8",)),
        ("tt0113026", ("aaaaaaaaaaa", "bbbbbbbbbbb")),
    ]


LABELS_BY_SPREADSHEETS = {
    "semicolons after a byte order mark": "\ufeff" + LABELS.replace(",", ";"),
    "upper case and trailing commas": LABELS.replace(HEADER, HEADER.upper()).replace("\n", ",,\n"),
    "floats": LABELS.replace(",0", ",0.0").replace(",1", ",1.0").replace(",2", ",2.0").replace("tt0035423", "35423.0"),
    "empty rows and comments": "# labels\n" + LABELS.replace("tt0113026", "\n,,,\ntt0113026"),
}


@pytest.mark.parametrize("text", LABELS_BY_SPREADSHEETS.values(), ids=LABELS_BY_SPREADSHEETS)
def test_labels_are_read_as_spreadsheets_write_them(tmp_path, caplog, text):
    caplog.set_level("INFO")
    labels = write(tmp_path / "mtgc.csv", text)
    table = write(
        tmp_path / "links.csv",
        "IMDb ID;Link\n0113026;youtube.com/watch?v=aaaaaaaaaaa\n113026.0;https://youtu.be/aaaaaaaaaaa\n"
        "35423;vKQi3bBA1y8\n9;bbbbbbbbbbb\n",
    )
    assert [
        (row.trailer, row.urls, row.genres, row.splits)
        for row in make(tmp_path, "--trailers12k", labels, "--links", table)
    ] == [
        ("tt0035423", ("vKQi3bBA1y8",), FIRST, (0, 0, 2)),
        ("tt0113026", ("https://www.youtube.com/watch?v=aaaaaaaaaaa",), ("romance",), (0, 2, 1)),
    ]
    assert "1 titles with links have no labels and are left out" in caplog.messages


BROKEN = [
    ("[" * 100_000, "metadata.json: is not JSON: "),
    ("[1, 2", "metadata.json: is not JSON: "),
    ("[]", "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": 3}', "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": {"x": 3}}', "metadata.json: trailers12k, x: has no imdb id."),
    ('{"trailers12k": [{"imdb": {"id": "../x"}}]}', "metadata.json: trailers12k, 0: '../x' is not an IMDb id."),
    (
        '{"trailers12k": [{"imdb": {"id": "1"}, "youtube": {"trailers": [{"id": "file:///x"}]}}]}',
        "metadata.json: trailers12k, 0: 'file:///x' is not a YouTube id.",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_broken_metadata_is_named(tmp_path, text, expected):
    with pytest.raises(ManifestError) as problem:
        read_metadata(write(tmp_path / "metadata.json", text))
    assert str(problem.value).replace(f"{tmp_path}/", "").startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "mtgc.csv: is not mtgc.csv. Its columns are mid, action,"),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0\n", "mtgc.csv: row 2: 13 cells, but the header has 14."),
        (HEADER + "x,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column mid: 'x' is not an IMDb id."),
        (HEADER + "tt1,2,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column action: '2' is neither 0 nor 1."),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0,3\n", "mtgc.csv: row 2, column split2: '3' is not 0 (train)"),
        (LABELS + LABELS.splitlines()[1] + "\n", "mtgc.csv: row 4, column mid: 'tt0035423' is already in row 2."),
        (HEADER + "tt9,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "no title has a link, so there is nothing to write."),
    ],
)
def test_broken_labels_are_named(tmp_path, capsys, text, expected):
    labels = write(tmp_path / "mtgc.csv", text)
    table = write(tmp_path / "links.csv", "id,url\ntt0035423,vKQi3bBA1y8\ntt1,vKQi3bBA1y8\n")
    assert refusal(tmp_path, capsys, "--trailers12k", labels, "--links", table).startswith("error: " + expected)


# The command


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
    rows = make(tmp_path, "--folder", tmp_path / "videos", "--update")
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
    make(tmp_path, "--links", write(tmp_path / "links.txt", "vKQi3bBA1y8\n"), "--update")
    assert (tmp_path / "out.csv").stat() == before


def test_update_without_a_manifest_makes_one(tmp_path):
    assert make(tmp_path, "--links", write(tmp_path / "links.txt", "vKQi3bBA1y8\n"), "--update") == [
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
    rows = make(tmp_path, "--links", table, "--update")
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
    make(tmp_path, "--folder", tmp_path / "videos")
    write(tmp_path / "videos" / "a" / "x.mp4", "")
    make(tmp_path, "--folder", tmp_path / "videos", "--force")
    assert "lost: the meaning of 2 ids, which get other videos: x, x-2" in caplog.text


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


def test_the_published_labels(tmp_path, shared_data):
    labels = shared_data / "trailers12k" / "mtgc.csv"
    mids = [line.split(",")[0] for line in labels.read_text().splitlines()[1:]]
    table = "id,url\n" + "".join(f"{mid},https://host/{mid}\n" for mid in mids)
    rows = make(tmp_path, "--trailers12k", labels, "--links", write(tmp_path / "links.csv", table))
    assert len(rows) == 12000
    assert sum("drama" in row.genres for row in rows) == 5968
    assert sum("sci-fi" in row.genres for row in rows) == 1535
    assert [sum(row.splits[1] == code for row in rows) for code in (0, 1, 2)] == [8397, 1189, 2414]
    assert round(sum(len(row.genres) for row in rows) / len(rows), 4) == 2.5023


lines = st.lists(
    st.sampled_from(
        ["id,url", "url;title", "#", "; x", "https://youtu.be/vKQi3bBA1y8", "youtube.com/vKQi3bBA1y8", "a,b", '"']
    )
    | st.text(max_size=15)
).map("\n".join)


@given(lines.map(str.encode) | st.binary(max_size=40))
def test_any_list_makes_a_manifest_that_can_be_read_or_is_refused(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.txt").write_bytes(data)
    with contextlib.suppress(ManifestError):
        source = from_links(folder / "any.txt", folder / "any.csv")
        linked = [trailer for trailer in source.trailers if trailer.urls]
        if linked:
            write_manifest(folder / "any.csv", linked)
            assert read_manifest(folder / "any.csv") == linked
