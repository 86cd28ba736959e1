"""The manifest reader refuses by row and column, with a reason and a remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.domain import GENRES, Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest, web_link, write_manifest


def read(folder, text: str | bytes) -> list[Trailer]:
    path = folder / "manifest.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_manifest(path)


def refusal(folder, text: str | bytes) -> str:
    with pytest.raises(ManifestError) as problem:
        read(folder, text)
    return str(problem.value).replace(f"{folder}/", "")


def test_a_whole_row(tmp_path):
    text = (
        "trailer,title,url,genres,split0,split1,split2,poster\n"
        'tt0133093,"The Matrix, again",vKQi3bBA1y8,sci-fi;Action,0,1,2,https://host/matrix.jpg\n'
    )
    assert read(tmp_path, text) == [
        Trailer(
            "tt0133093",
            ("vKQi3bBA1y8",),
            "The Matrix, again",
            ("action", "sci-fi"),
            (0, 1, 2),
            "https://host/matrix.jpg",
        )
    ]


def test_trailer_and_url_suffice_in_any_order(tmp_path):
    assert read(tmp_path, "url,trailer\nvideos/cat.mp4,cat\n") == [Trailer("cat", ("videos/cat.mp4",))]


def test_alternatives_keep_their_order(tmp_path):
    (row,) = read(tmp_path, "trailer,url\na,https://host/1 | ./2.mp4 | vKQi3bBA1y8\n")
    assert row.urls == ("https://host/1", "./2.mp4", "vKQi3bBA1y8")


def test_what_spreadsheets_add_is_taken(tmp_path):
    text = "\ufefftrailer , url\r\n a , x.mp4 \r\n\r\n,\r\nb,y.mp4\r\n"
    assert [row.trailer for row in read(tmp_path, text)] == ["a", "b"]


UNSAFE = {
    "CON": "a name that Windows keeps",
    "nul": "another",
    "..": "a parent folder",
    ".hidden": "a hidden file",
    "-rf": "an option",
    "a/b": "a path",
    "a\\b": "a path on Windows",
    "a;b": "two commands",
    "a b": "two words",
    "$HOME": "a variable",
    "a\u200bb": "an invisible space",
    "tt\u0660133093": "a digit of another script",
    "\u0430bc": "a Cyrillic a",
    "ｔｔ0133093": "full-width letters",
    "é": "an accent",
    "": "nothing",
    "x" * 65: "too long",
    "y" * 5000: "far too long",
    "a.mp4": "a suffix",
}


@pytest.mark.parametrize("name", UNSAFE, ids=UNSAFE.values())
def test_unsafe_ids_are_refused(tmp_path, name):
    words = refusal(tmp_path, f'trailer,url\nfine,x.mp4\n"{name}",y.mp4\n')
    assert words.startswith("manifest.csv: row 3, column trailer: ")
    assert "cannot name a file safely. Use 1 to 64 of the ASCII letters" in words
    assert len(words) < 400


@pytest.mark.parametrize("name", ["tt0133093", "A", "_", "0", "a-b_c", "x" * 64, "con1", "console"])
def test_safe_ids_are_taken(tmp_path, name):
    assert read(tmp_path, f"trailer,url\n{name},x.mp4\n")[0].trailer == name


REFUSED = [
    ("trailer,url\na,x\nb,y\na,z\n", "row 4, column trailer: 'a' stands already in row 2 "),
    ("trailer,url\nab,x\nAB,y\n", "row 3, column trailer: 'AB' stands already in row 2 (upper and lower case"),
    ("trailer,url\na,\n", "row 2, column url: is empty. Give a link, a YouTube id or the path"),
    ("trailer,url\na, | \n", "row 2, column url: is empty."),
    ("trailer,url\na, |  | \n", "row 2, column url: is empty."),
    ("trailer,url,genres\na,x,action;western\n", "row 2, column genres: 'western' is not one of action, adventure,"),
    ("trailer,url,split0\na,x,3\n", "row 2, column split0: '3' is not 0 (train), 1 (validation), 2 (test) or empty."),
    ("trailer,url,split2\na,x,1.0\n", "row 2, column split2: '1.0' is not 0 "),
    ("trailer,url,split1\na,x,٢\n", "row 2, column split1: '٢' is not 0 "),
    ("trailer,title\na,b\n", "row 1: column url is missing, found trailer, title. Known columns are trailer, title,"),
    ("a,x.mp4\nb,y.mp4\n", "row 1: column trailer, url is missing, found a, x.mp4."),
    ("trailer;url\na;x\n", "row 1: column trailer, url is missing, found trailer;url. Separate cells by commas."),
    ("trailer,url,Url\na,x,y\n", "row 1: unknown column Url."),
    ("trailer,url,url\na,x,y\n", "row 1: column url stands twice."),
    ("trailer,url\na,x,y\n", "row 2: 3 cells where the header has 2. Quote cells that hold a comma."),
    ("trailer,url\na\n", "row 2: 1 cells where the header has 2."),
    ('trailer,url\na,x\nb,"y\nc,z\n', "row 3: unexpected end of data. Quote a cell with one '\"' at either end"),
    ('trailer,url\na,"x"y\n', "row 2: ',' expected after '\"'."),
    ("trailer,url\na,x\x00y\n", "row 2"),
    ("", "is empty. Write a header with at least trailer,url"),
    ("trailer,url\n\n", "has a header but no trailer."),
    (b"trailer,url\na,\xe9.mp4\n", "byte 14 is not UTF-8. Save the file as UTF-8"),
    ("trailer,url\na,x\n".encode("utf-16"), "byte 0 is not UTF-8."),
    ('trailer,url\na,"x\ny"\n', "row 2, column url: holds a control character. Remove it."),
    ("trailer,url\na,file:///etc/passwd\n", "row 2, column url: 'file:///etc/passwd' is no http or https link."),
    ("trailer,url\na,https://host/x | ftp://host/y\n", "row 2, column url: 'ftp://host/y' is no http or https link."),
    ("trailer,url,poster\na,x,file:///etc/passwd\n", "row 2, column poster: 'file:///etc/passwd' is no http"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:50] for _, expected in REFUSED])
def test_what_is_refused(tmp_path, text, expected):
    assert refusal(tmp_path, text).startswith(f"manifest.csv: {expected}")


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(
        ManifestError, match=r"nowhere\.csv: no such manifest\. Write one with `python -m trailers manifest`"
    ):
        read_manifest(tmp_path / "nowhere.csv")


def test_a_folder_is_no_manifest(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read: Is a directory"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("vKQi3bBA1y8", "https://www.youtube.com/watch?v=vKQi3bBA1y8"),
        ("-KQi3bBA1y_", "https://www.youtube.com/watch?v=-KQi3bBA1y_"),
        ("./vKQi3bBA1y8", None),
        ("vKQi3bBA1y", None),
        ("https://host/cat.mp4", "https://host/cat.mp4"),
        ("HTTP://host:8080/cat?x=a b", "HTTP://host:8080/cat?x=a b"),
        ("videos/cat.mp4", None),
        ("/data/cat.mp4", None),
        ("../cat:1.mp4", None),
        ("./file:cat.mp4", None),
    ],
)
def test_what_a_url_stands_for(url, expected):
    assert web_link(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "file:cat.mp4",
        "FILE:///etc/passwd",
        "ftp://host/cat.mp4",
        "concat:a.ts|b.ts",
        "pipe:0",
        "data:video/mp4;base64,AAAA",
        "ytsearch:matrix trailer",
        "rtmp://host/live",
        "C:\\videos\\cat.mp4",
        "http:cat.mp4",
        "https:///cat.mp4",
        "https://host:99999/cat.mp4",
        "https://[::1/cat.mp4",
        "https://host/cat#__youtubedl_smuggle=%7B%7D",
    ],
)
def test_other_schemes_and_broken_links_are_refused(url):
    with pytest.raises(ValueError, match=r"link|yt-dlp"):
        web_link(url)


words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip)
ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{3,63}", fullmatch=True).filter(lambda name: len(name) > 4)
links = st.lists(words.map(lambda word: f"./{word}x".replace(" | ", "_")), min_size=1, max_size=3).map(tuple)
codes = st.tuples(*[st.sampled_from([None, 0, 1, 2])] * 3)
genres = st.sets(st.sampled_from(GENRES)).map(lambda some: tuple(genre for genre in GENRES if genre in some))


@given(
    st.lists(
        st.builds(Trailer, ids, links, words, genres, codes), min_size=1, unique_by=lambda row: row.trailer.lower()
    )
)
def test_what_is_written_is_read_back(tmp_path_factory, trailers):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_manifest(path, trailers)
    assert read_manifest(path) == trailers


def test_the_same_trailers_give_the_same_bytes(tmp_path):
    write_manifest(tmp_path / "a.csv", [Trailer("a", ("x.mp4", "y.mp4"), "A, b", ("drama",), (0, None, 2))])
    assert (tmp_path / "a.csv").read_bytes() == (
        b'trailer,title,url,genres,split0,split1,split2,poster\na,"A, b",x.mp4 | y.mp4,drama,0,,2,\n'
    )
