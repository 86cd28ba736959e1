"""`trailers manifest --links`: manifests from lists and tables of links."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest_lab import make_manifest, refusal, write
from trailers.domain import Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest, write_manifest
from trailers.tools.manifest.ids import id_of_link, make_unique, safe_id
from trailers.tools.manifest.links import from_links


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
    rows = make_manifest(tmp_path, "--links", write(tmp_path / "links.txt", text))
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
    assert make_manifest(tmp_path, "--links", write(tmp_path / "links.csv", text)) == [
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
    rows = make_manifest(tmp_path, "--links", write(tmp_path / "links.txt", text))
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
    rows = make_manifest(tmp_path, "--links", write(tmp_path / "links.csv", text))
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
    assert make_manifest(tmp_path, "--links", write(tmp_path / "links.csv", text)) == [
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
    make_manifest(
        tmp_path, "--links", write(tmp_path / "links.csv", "id,url,year,gernes\na,https://host/1,1999,drama\nb,,,\n")
    )
    reports = [line.replace(f"{tmp_path}/", "") for line in caplog.messages]
    assert reports[:2] == [
        "links.csv: columns that do not belong in a manifest are left out: year, gernes",
        "links.csv: row 3: has no link; left out",
    ]


def test_ids_that_were_typed_are_kept(tmp_path):
    text = "id,url\n_a_,https://host/1\na b,https://host/2\nA_B,https://host/3\n日本,https://host/4\n133093.0,https://host/5\n"
    rows = make_manifest(tmp_path, "--links", write(tmp_path / "links.csv", text))
    assert [(row.trailer, row.title) for row in rows] == [
        ("_a_", ""),
        ("a_b", ""),
        ("A_B-2", ""),
        ("trailer-cf2abf0c", "日本"),
        ("133093", ""),
    ]


def test_paths_in_a_list_are_relative_to_it(tmp_path):
    write(tmp_path / "lists" / "videos" / "a.mp4", "")
    rows = make_manifest(tmp_path, "--links", write(tmp_path / "lists" / "links.txt", "videos/a.mp4\n../b.mp4\n"))
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
