"""Manifests from folders, lists of links and the published files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trailers.__main__ import main
from trailers.domain import Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest
from trailers.tools.manifest.ids import id_of_link, make_unique, safe_id
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


def test_a_folder_of_videos(tmp_path):
    for name in ("b.mp4", "a.MKV", "sub/b.webm", "notes.txt", ".hidden.mp4", ".git/c.mp4"):
        write(tmp_path / "videos" / name, "")
    assert make(tmp_path, "--folder", tmp_path / "videos") == [
        Trailer("a", ("videos/a.MKV",), "a"),
        Trailer("b", ("videos/b.mp4",), "b"),
        Trailer("b-2", ("videos/sub/b.webm",), "b"),
    ]


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
        "videos/" + "x" * 90 + ".mp4": "x" * 64,
        "videos/日本.mp4": "trailer",
    }


def test_a_file_beside_the_manifest_is_no_link(tmp_path):
    for name in ("http:cat.mp4", "a.mp4"):
        write(tmp_path / name, "")
    assert [row.urls for row in make(tmp_path, "--folder", tmp_path)] == [("./a.mp4",), ("./http:cat.mp4",)]


@pytest.mark.parametrize("name", ["a | b.mp4", "a\nb.mp4"])
def test_a_name_that_a_manifest_cannot_hold_is_refused(tmp_path, capsys, name):
    write(tmp_path / "videos" / name, "")
    assert "a manifest cannot name this file" in refusal(tmp_path, capsys, "--folder", tmp_path / "videos")


def test_a_folder_without_videos_is_refused(tmp_path, capsys):
    write(tmp_path / "videos" / "notes.txt", "")
    assert refusal(tmp_path, capsys, "--folder", tmp_path / "videos").startswith("error: videos: holds no video.")
    assert (
        refusal(tmp_path, capsys, "--folder", tmp_path / "none")
        == "error: none: is no folder. Name one that holds videos.\n"
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


def test_paths_in_a_list_are_relative_to_it(tmp_path):
    rows = make(tmp_path, "--links", write(tmp_path / "lists" / "links.txt", "videos/a.mp4\n../b.mp4\n"))
    assert [row.urls[0] for row in rows] == ["lists/videos/a.mp4", "./b.mp4"]


def test_a_bad_link_is_named_by_line_or_row(tmp_path, capsys):
    lines = write(tmp_path / "links.txt", "https://host/1\nftp://host/2\n")
    assert refusal(tmp_path, capsys, "--links", lines).startswith(
        "error: links.txt: line 2, column url: 'ftp://host/2' is no http or https link."
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
    told = [" ".join(line.split()) for line in caplog.messages]
    assert told[0] == "1 of 2 titles lack a link and are left out:"
    assert told[1:11] == [
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
    assert told[11:20] == [
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


BROKEN = [
    ("[1, 2", "metadata.json: is no JSON: "),
    ("[]", "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": 3}', "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": {"x": 3}}', "metadata.json: trailers12k, x: has no imdb id."),
    ('{"trailers12k": [{"imdb": {"id": "../x"}}]}', "metadata.json: trailers12k, 0: '../x' is no IMDb id."),
    (
        '{"trailers12k": [{"imdb": {"id": "1"}, "youtube": {"trailers": [{"id": "file:///x"}]}}]}',
        "metadata.json: trailers12k, 0: 'file:///x' is no YouTube id.",
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
        ("a,b\n1,2\n", "mtgc.csv: is not mtgc.csv: its columns are mid, action,"),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0\n", "mtgc.csv: row 2: 13 cells where the header has 14."),
        (HEADER + "x,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column mid: 'x' is no IMDb id."),
        (HEADER + "tt1,2,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column action: '2' is neither 0 nor 1."),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0,3\n", "mtgc.csv: row 2, column split2: '3' is not 0 (train)"),
        (LABELS + LABELS.splitlines()[1] + "\n", "'tt0035423' stands in two rows of the labels."),
        (HEADER + "tt9,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "no title has a link, so there is nothing to write."),
    ],
)
def test_broken_labels_are_named(tmp_path, capsys, text, expected):
    labels = write(tmp_path / "mtgc.csv", text)
    table = write(tmp_path / "links.csv", "id,url\ntt0035423,vKQi3bBA1y8\ntt1,vKQi3bBA1y8\n")
    assert refusal(tmp_path, capsys, "--trailers12k", labels, "--links", table).startswith("error: " + expected)


# The command


def test_a_manifest_that_is_there_is_kept(tmp_path, capsys):
    write(tmp_path / "out.csv", "precious")
    write(tmp_path / "videos" / "a.mp4", "")
    flags = ["manifest", "--folder", str(tmp_path / "videos"), "--output", str(tmp_path / "out.csv")]
    assert main(flags) == 1
    assert "out.csv: exists. Name another --output, or write over it with --force." in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "precious"
    assert main([*flags, "--force"]) == 0
    assert read_manifest(tmp_path / "out.csv")[0].trailer == "a"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], "error: give one source: --folder, --links, --trailers12k with --metadata"),
        (["--folder", "x", "--links", "y"], "got --folder, --links."),
        (["--trailers12k", "mtgc.csv"], "mtgc.csv: holds labels and no links. Add --metadata metadata.json"),
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
