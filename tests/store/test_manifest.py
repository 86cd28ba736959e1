"""The manifest reader names the row and column of an invalid cell, the reason and the remedy."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.domain import GENRES, Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.videos import describe_shared, shared_videos


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


def test_additions_of_spreadsheets_are_accepted(tmp_path):
    text = "\ufefftrailer , url\r\n a , x.mp4 \r\n\r\n,\r\nb,y.mp4\r\n"
    assert [row.trailer for row in read(tmp_path, text)] == ["a", "b"]


UNSAFE = {
    "CON": "a name that Windows reserves",
    "nul": "another name that Windows reserves",
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
    assert "cannot name a file safely. Use 1 to 64 ASCII letters" in words
    assert len(words) < 400


@pytest.mark.parametrize("name", ["tt0133093", "A", "_", "0", "a-b_c", "x" * 64, "con1", "console"])
def test_safe_ids_are_accepted(tmp_path, name):
    assert read(tmp_path, f"trailer,url\n{name},x.mp4\n")[0].trailer == name


REFUSED = [
    ("trailer,url\na,x.mp4\nb,y.mp4\na,z.mp4\n", "row 4, column trailer: 'a' is already in row 2 "),
    (
        "trailer,url\nab,x.mp4\nAB,y.mp4\n",
        "row 3, column trailer: 'AB' is already in row 2 (ids must differ in more than upper and lower case)",
    ),
    ("trailer,url\na,\n", "row 2, column url: is empty. Give a link, a YouTube id or the path"),
    ("trailer,url\na, | \n", "row 2, column url: is empty."),
    ("trailer,url\na, |  | \n", "row 2, column url: is empty."),
    (
        "trailer,url,genres\na,x.mp4,action;western\n",
        "row 2, column genres: 'western' is not one of action, adventure,",
    ),
    (
        "trailer,url,split0\na,x.mp4,3\n",
        "row 2, column split0: '3' is not 0 (train), 1 (validation), 2 (test) or empty.",
    ),
    ("trailer,url,split2\na,x.mp4,0.5\n", "row 2, column split2: '0.5' is not 0 "),
    ("trailer,url,split1\na,x.mp4,٢\n", "row 2, column split1: '٢' is not 0 "),
    ("trailer,url,Split 1\na,x.mp4,nan\n", "row 2, column Split 1: 'nan' is not 0 "),
    ("trailer,title\na,b\n", "row 1: column url is missing, found trailer, title. Known columns are trailer, title,"),
    ("a,x.mp4\nb,y.mp4\n", "row 1: column trailer, url is missing, found a, x.mp4."),
    ("trailer,url,year\na,x.mp4,1999\n", "row 1: unknown column year. Rename or remove it. Known columns are trailer,"),
    ("trailer,url,Url\na,x.mp4,y.mp4\n", "row 1: unknown column Url."),
    ("trailer,url,url\na,x.mp4,y.mp4\n", "row 1: column url occurs twice."),
    ("id,imdb,url\na,b,x.mp4\n", "row 1: column id, imdb could each be the column trailer. Rename or remove all but"),
    ("trailer,url\na,x.mp4,y\n", "row 2: 3 cells, but the header has 2. Quote cells that contain a comma."),
    ("trailer;url\na;x.mp4;y\n", "row 2: 3 cells, but the header has 2. Quote cells that contain a semicolon."),
    ("trailer,url\na\n", "row 2: 1 cells, but the header has 2."),
    ("trailer,url,\na,x.mp4,y\n", "row 2: column 3 has no name, but this row has the value 'y' in it."),
    (",trailer,url\nz,a,x.mp4\n", "row 2: column 1 has no name, but this row has the value 'z' in it."),
    ('trailer,url\na,x.mp4\nb,"y\nc,z\n', "row 3: unexpected end of data. Put one '\"' at each end of a quoted cell"),
    ('trailer,url\na,"x"y\n', "row 2: ',' expected after '\"'."),
    ("trailer,url\na,x\x00y.mp4\n", "row 2, column url: holds a control character."),
    ("trailer,url,title\na,x.mp4,A\x00B\n", "row 2, column title: holds a control character."),
    ("trailer,url,title\na,x.mp4,A\x1b[2JB\n", "row 2, column title: holds a control character."),
    (
        f"trailer,url,title\na,x.mp4,{'A' * 100_000}\n",
        "row 2, column title: has 100,000 characters, more than the limit of 1,000",
    ),
    (f"trailer,url\na,{'A' * 100_000}\n", "row 2, column url: has 100,000 characters."),
    (f"trailer,url\na,{'A' * 200_000}\n", "row 2: field larger than field limit (131072). Shorten the cell."),
    ("", "is empty. Write a header with at least trailer,url"),
    ("\n\n", "is empty. Write a header with at least trailer,url"),
    ("# nothing\n", "row 1: column trailer, url is missing, found ."),
    ("trailer,url\n\n", "has a header but no trailer."),
    ('trailer,url\na,"x\ny"\n', "row 2, column url: holds a control character. Remove it; join several links with"),
    ("trailer,url\na,file:///etc/passwd\n", "row 2, column url: 'file:///etc/passwd' is not an http or https link."),
    (
        "trailer,url\na,https://host/x | ftp://host/y\n",
        "row 2, column url: 'ftp://host/y' is not an http or https link.",
    ),
    ("trailer,url,poster\na,x.mp4,file:///etc/passwd\n", "row 2, column poster: 'file:///etc/passwd' is not an http"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[expected[:50] for _, expected in REFUSED])
def test_invalid_rows_are_refused_with_row_and_column(tmp_path, text, expected):
    assert refusal(tmp_path, text).startswith(f"manifest.csv: {expected}")


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(
        ManifestError, match=r"nowhere\.csv: no such manifest\. Write one with `python -m trailers manifest`"
    ):
        read_manifest(tmp_path / "nowhere.csv")


def test_a_folder_is_refused_as_a_manifest(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read: Is a directory"):
        read_manifest(tmp_path)


# What spreadsheets and people write

TWO = [
    Trailer("t1", ("https://host/a.mp4",), "Amélie", ("comedy", "romance"), (0, None, None)),
    Trailer("t2", ("https://host/b.mp4",), "Zwölf", ("drama",), (1, None, None)),
]
PLAIN = (
    "trailer,title,url,genres,split0\n"
    "t1,Amélie,https://host/a.mp4,comedy;romance,0\n"
    "t2,Zwölf,https://host/b.mp4,drama,1\n"
)
SEMICOLONS = PLAIN.replace(";", "+").replace(",", ";").replace("comedy+romance", '"comedy;romance"')

UNDERSTOOD = {
    "as we write it": PLAIN,
    "a byte order mark": "\ufeff" + PLAIN,
    "semicolons": SEMICOLONS,
    "semicolons after a byte order mark": "\ufeff" + SEMICOLONS,
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "a line sep=,": "\ufeffsep=,\n" + PLAIN,
    "a line sep=; in quotes": '"sep=;"\n' + SEMICOLONS,
    "lines that end as on Windows": PLAIN.replace("\n", "\r\n"),
    "lines that end as on an old Macintosh": PLAIN.replace("\n", "\r"),
    "no end of the last line": PLAIN.rstrip(),
    "trailing commas": PLAIN.replace("\n", ",,\n"),
    "trailing commas in the header alone": PLAIN.replace("split0", "split0,,"),
    "trailing commas in the rows alone": PLAIN.replace(",0\n", ",0,,\n").replace(",1\n", ",1,\n"),
    "empty rows": PLAIN.replace("\n", "\n\n,,,,\n"),
    "empty rows at the start": "\n,,,,\n" + PLAIN,
    "every cell in quotes": "\n".join(",".join(f'"{c}"' for c in row.split(",")) for row in PLAIN.splitlines()),
    "blanks around cells": PLAIN.replace(",", " , "),
    "no-break spaces around cells": PLAIN.replace(",", "\u00a0,\u00a0"),
    "blanks before quotes": PLAIN.replace("Amélie", ' "Amélie"'),
    "an upper-case header": PLAIN.replace("trailer,title,url,genres,split0", "TRAILER,Title,URL,Genres,Split0"),
    "a header with blanks": PLAIN.replace("split0", " Split 0 "),
    "columns that go by other names": PLAIN.replace("trailer,title,url", "imdb_id,Movie Title,YouTube_URL"),
    "UTF-16 as Excel's Unicode text": ("\ufeff" + PLAIN.replace(",", "\t")).encode("utf-16-le"),
    "UTF-16 with the other end first": ("\ufeff" + PLAIN).encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-32": ("\ufeff" + PLAIN).encode("utf-32-le"),
    "Windows-1252": PLAIN.encode("cp1252"),
    "genres with bars": PLAIN.replace("comedy;romance", "Comedy|Romance"),
    "genres with commas": PLAIN.replace("comedy;romance", '"Comedy, Romance"'),
    "genres as Python prints a list": PLAIN.replace("comedy;romance", "\"['Comedy', 'Romance']\""),
    "splits as floats": PLAIN.replace(",0\n", ",0.0\n").replace(",1\n", ",1.0\n"),
    "splits as floats of Central Europe": PLAIN.replace(",0\n", ',"0,0"\n').replace(",1\n", ',"1,0"\n'),
    "splits as words": PLAIN.replace(",0\n", ",Train\n").replace(",1\n", ",validation\n"),
    "splits as other words": PLAIN.replace(",0\n", ",training\n").replace(",1\n", ",val\n"),
    "a column split": PLAIN.replace("split0", "split"),
    "comments": "# made by hand\n" + PLAIN.replace("t2,", "# t9,left out for now\n#\nt2,"),
    "row numbers of pandas": ",".join(["", *PLAIN.splitlines()[0].split(",")])
    + "\n"
    + "\n".join(f"{n},{row}" for n, row in enumerate(PLAIN.splitlines()[1:])),
    "row numbers of pandas, read and written twice": PLAIN.replace("trailer,", "Unnamed: 0,trailer,")
    .replace("t1", "7,t1")
    .replace("t2", "3,t2"),
    "ids kept as text": PLAIN.replace("t1,", '="t1",'),
    "a link kept as text": PLAIN.replace("https://host/a.mp4", '="https://host/a.mp4"'),
    "a link with invisible ends": PLAIN.replace("https://host/a.mp4", "\u200bhttps://host/a.mp4\ufeff"),
    "a title with a line break": PLAIN.replace("Amélie", '"Amélie\n"'),
}


@pytest.mark.parametrize("text", UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_csv_as_spreadsheets_write_it_is_understood(tmp_path, text):
    assert read(tmp_path, text) == TWO


def test_a_line_break_in_a_title_becomes_a_blank(tmp_path):
    assert read(tmp_path, 'trailer,url,title\na,x.mp4,"The\r\nMatrix"\n')[0].title == "The Matrix"


def test_genres_may_stand_on_lines_of_their_own_in_a_cell(tmp_path):
    for between in ("\n", "\r\n", ";\n"):
        assert read(tmp_path, f'trailer,url,genres\na,x.mp4,"Drama{between}comedy"\n')[0].genres == ("comedy", "drama")


def test_science_fiction_has_several_spellings(tmp_path):
    for spelling in ("Sci-Fi", "science fiction", "Science-Fiction", "SciFi", "sci fi"):
        assert read(tmp_path, f"trailer,url,genres\na,x.mp4,{spelling}\n")[0].genres == ("sci-fi",)


def test_a_title_may_begin_with_a_number_sign(tmp_path):
    assert [row.title for row in read(tmp_path, "title,trailer,url\n#Alive,a,x.mp4\n# a comment\n")] == ["#Alive"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trailer,url,title\na,x.mp4,\xe0 bout\n".encode("cp1252"), "row 2, column title: byte 26 is not UTF-8. Save"),
        (
            "trailer;title;url\na;ok;x.mp4\nb;Brzęk;y.mp4\n".encode("cp1250"),
            "row 3, column title: byte 34 is not UTF-8.",
        ),
        ("trailer,title,url\na,Матрица,x.mp4\n".encode("cp1251"), "row 2, column title: byte 20 is not UTF-8."),
        ("trailer,title,url\na,マトリックス,x.mp4\n".encode("cp932"), "row 2, column title: byte 20 is not UTF-8."),
        ("trailer,title,url\na,Amélie,x.mp4\n".encode("mac_roman"), "row 2, column title: byte 22 is not UTF-8."),
        (b"trailer,title,url\na,\xc3\xa9 \xe9,x.mp4\n", "row 2, column title: byte 23 is not UTF-8."),
        (b"\xff\xfet\x00r\x00a", "byte 6 is not UTF-16-LE. Save the file as UTF-8"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet or another zip archive, not a text file. Save the file as UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1", "is a spreadsheet of an old version of Excel, not a text file."),
        (b"\x1f\x8b\x08", "is compressed by gzip, not a text file."),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_the_position(tmp_path, text, expected):
    assert refusal(tmp_path, text).startswith(f"manifest.csv: {expected}")


SPREADSHEET_ERRORS = [
    "#NAME?",
    "#REF!",
    "#N/A",
    "#VALUE!",
    "#DIV/0!",
    "#NV",
    "#¿NOMBRE?",
    "#ÜBERLAUF!",
    "Err:502",
    "#####",
]


@pytest.mark.parametrize("value", SPREADSHEET_ERRORS)
@pytest.mark.parametrize("column", ["trailer", "url", "title", "genres", "split0", "poster"])
def test_error_values_of_a_spreadsheet_are_refused(tmp_path, value, column):
    cells = {"trailer": "a", "url": "x.mp4", "title": "", "genres": "", "split0": "", "poster": ""} | {column: value}
    words = refusal(tmp_path, f"{','.join(cells)}\n{','.join(cells.values())}\n")
    assert words.startswith(f"manifest.csv: row 2, column {column}: '{value}' is a spreadsheet error")


@pytest.mark.parametrize("value", ["1.5E+10", "1,33093E+05", "15e+7"])
def test_numbers_rounded_by_a_spreadsheet_are_refused_as_ids_and_links(tmp_path, value):
    words = refusal(tmp_path, f'trailer,url\n"{value}",x.mp4\n')
    assert words.startswith(
        f"manifest.csv: row 2, column trailer: '{value}' is a number that a spreadsheet has rounded"
    )
    words = refusal(tmp_path, f'trailer,url\na,"{value}"\n')
    assert words.startswith(f"manifest.csv: row 2, column url: '{value}' is a number that a spreadsheet has rounded")


# Links and paths

NO_SOURCE = [
    (
        "matrix",
        "is neither a link nor an existing file. Give a link with https://, a YouTube id, or a path; start",
    ),
    ("The Matrix (1999)", "is neither a link nor an existing file."),
    ("nan", "is neither a link nor an existing file."),
    ("videos/matrix", "is neither a link nor an existing file."),
    ("vKQi3bBA1y8;kYzz0FSgpSU", "is neither a link nor an existing file."),
    ("Matrix https://youtu.be/vKQi3bBA1y8", "contains more than a link. Give the link alone, or a table with"),
    ("<https://youtu.be/vKQi3bBA1y8>", "contains more than a link."),
    (
        "https://youtu.be/vKQi3bBA1y8 https://youtu.be/kYzz0FSgpSU",
        "is more than one link. Join several links with ' | '.",
    ),
    ("https://host/a;https://host/b", "is more than one link."),
    ("https://host/a|https://host/b", "is more than one link."),
    (
        "host.org/cat.mp4",
        "could be a link or the path of a file. Write https://host.org/cat.mp4 for the link, ./host.org/",
    ),
    ("videos\\cat.mp4", "is not a path on this system. Write / instead of"),
    ("C:\\cat.mp4", "is not an http or https link."),
    ("~/cat.mp4", "is not a path. Write the whole path"),
    ("//server/cat.mp4", "is neither a link nor an existing file."),
    ("https://www.youtube.com/watch?v=vKQi3b", "does not contain a YouTube id, which has 11 characters."),
    ("https://youtu.be/", "does not contain a YouTube id"),
]


@pytest.mark.parametrize(("url", "expected"), NO_SOURCE, ids=[url for url, _ in NO_SOURCE])
def test_text_that_is_neither_link_nor_path_is_refused(tmp_path, url, expected):
    words = refusal(tmp_path, f'trailer,url\na,"{url}"\n')
    assert words.startswith(f"manifest.csv: row 2, column url: '{url}' {expected}")


@pytest.mark.parametrize("url", ["./matrix", "../matrix", "/data/matrix", "cat.mp4", "videos/cat.MKV", "a b.webm"])
def test_an_explicit_path_need_not_exist(tmp_path, url):
    assert read(tmp_path, f"trailer,url\na,{url}\n")[0].urls == (url,)


@pytest.mark.parametrize("name", ["matrix", "videos/matrix", "host.org/cat.mp4", "~cat", "nan"])
def test_the_name_of_an_existing_file_is_a_path(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert read(tmp_path, f"trailer,url\na,{name}\n")[0].urls == (name,)


def test_a_bar_in_a_name_is_written_twice(tmp_path):
    write_manifest(tmp_path / "a.csv", [Trailer("a", ("./x | y.mp4", "./| | z.mp4"))])
    assert "./x || y.mp4 | ./| || z.mp4" in (tmp_path / "a.csv").read_text()
    assert read_manifest(tmp_path / "a.csv")[0].urls == ("./x | y.mp4", "./| | z.mp4")


def test_trailers_that_share_a_video_are_found_and_described(tmp_path):
    (tmp_path / "x.mp4").touch()
    trailers = [
        Trailer("a", ("https://youtu.be/vKQi3bBA1y8",), splits=(0, 0, None)),
        Trailer("b", ("x.mp4", "www.youtube.com/watch?v=vKQi3bBA1y8&t=3"), splits=(2, 0, None)),
        Trailer("c", ("videos/../x.mp4",), splits=(2, 1, None)),
        Trailer("d", ("http://Host/cat",)),
        Trailer("e", ("https://host/cat#t=30",)),
        Trailer("f", ("https://host/Cat", "https://host/Cat#t=3", "none.mp4")),
        Trailer("g", ("none.mp4",)),  # does not exist
    ]
    groups = shared_videos(trailers, tmp_path)
    assert [[trailer.trailer for trailer in group] for group in groups] == [["a", "b"], ["b", "c"], ["d", "e"]]
    assert [describe_shared(group) for group in groups] == [
        "a, b have the same video, but split0 has a in train, b in test",
        "b, c have the same video, but split1 has b in train, c in validation",
        "d, e have the same video",
    ]


# Properties

words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip)
ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{3,63}", fullmatch=True).filter(lambda name: len(name) > 4)
paths = words.map(lambda word: f"./{word}x")
webs = st.builds("https://host.org/{}.mp4".format, st.from_regex(r"[a-z0-9?&=%_.-]{0,20}", fullmatch=True))
tubes = st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True)
links = st.lists(paths | webs | tubes, min_size=1, max_size=3).map(tuple)
codes = st.tuples(*[st.sampled_from([None, 0, 1, 2])] * 3)
genres = st.sets(st.sampled_from(GENRES)).map(lambda some: tuple(genre for genre in GENRES if genre in some))


@given(
    st.lists(
        st.builds(Trailer, ids, links, words, genres, codes), min_size=1, unique_by=lambda row: row.trailer.lower()
    )
)
def test_a_written_manifest_is_read_back(tmp_path_factory, trailers):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_manifest(path, trailers)
    assert read_manifest(path) == trailers


cells = (
    st.sampled_from(
        ["", "a", "x.mp4", "https://youtu.be/vKQi3bBA1y8", "0", "2.0", "drama", "#", "#N/A", '"', "sep=;", "=", "|"]
    )
    | st.text(max_size=12)
    | st.text('",;\t|#\n\r\0 =', max_size=6)
)
headers = st.sampled_from(["trailer", "url", "title", "genres", "split0", "Link", "id", "year", ""]) | st.text(
    max_size=5
)
tables = st.builds(
    lambda separator, end, header, rows: end.join(separator.join(row) for row in [header, *rows]),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.just(["trailer", "url", "title", "split0"]) | st.lists(headers, max_size=5),
    st.lists(st.lists(cells, max_size=5), max_size=5),
)
encoded = st.builds(
    lambda text, encoding: text.encode(encoding, "replace"),
    tables,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp932"]),
)


@given(encoded | st.binary(max_size=60))
def test_any_file_is_read_or_refused_in_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    with contextlib.suppress(ManifestError):
        trailers = read_manifest(path)
        write_manifest(path, trailers)
        assert read_manifest(path) == trailers


def test_the_same_trailers_give_the_same_bytes(tmp_path):
    write_manifest(tmp_path / "a.csv", [Trailer("a", ("x.mp4", "y.mp4"), "A, b", ("drama",), (0, None, 2))])
    assert (tmp_path / "a.csv").read_bytes() == (
        b'trailer,title,url,genres,split0,split1,split2,poster\na,"A, b",x.mp4 | y.mp4,drama,0,,2,\n'
    )


def test_the_column_verified_is_written_only_if_a_trailer_is_verified(tmp_path):
    path = tmp_path / "m.csv"
    write_manifest(path, [Trailer("a", ("./a.mp4",), verified=True), Trailer("b", ("./b.mp4",))])
    assert path.read_text().splitlines()[0].endswith(",poster,verified")
    assert [trailer.verified for trailer in read_manifest(path)] == [True, False]
    write_manifest(path, [Trailer("b", ("./b.mp4",))])
    assert path.read_text().splitlines()[0].endswith(",poster")


@pytest.mark.parametrize(("cell", "verified"), [("yes", True), ("TRUE", True), ("1", True), ("", False), ("no", False)])
def test_verified_may_be_written_as_spreadsheets_do(tmp_path, cell, verified):
    (tmp_path / "m.csv").write_text(f"trailer,url,verified\na,./a.mp4,{cell}\n")
    assert read_manifest(tmp_path / "m.csv")[0].verified is verified


def test_an_ambiguous_value_of_verified_is_refused(tmp_path):
    (tmp_path / "m.csv").write_text("trailer,url,verified\na,./a.mp4,maybe\n")
    with pytest.raises(ManifestError, match="row 2, column verified: 'maybe' is neither yes nor empty"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_as_a_manifest(path):
    with pytest.raises(ManifestError, match=f"{path}: is a device, not a file"):
        read_manifest(Path(path))


@pytest.mark.parametrize("title", ["-30-", "+1", "=2", "@", '=HYPERLINK("http://a.org","x")', "'=1", "-2+cmd|'x'!A0"])
def test_a_title_that_a_spreadsheet_takes_for_a_formula_is_kept_as_it_is(tmp_path, title):
    write_manifest(tmp_path / "m.csv", [Trailer("a", ("./a.mp4",), title)])
    with (tmp_path / "m.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["title"] == title
    assert read_manifest(tmp_path / "m.csv")[0].title == title
