"""`trailers titles`: which titles are chosen from IMDb's tables, and what is refused."""

from __future__ import annotations

import csv
import gzip

import pytest

from trailers.__main__ import main
from trailers.errors import StoreError
from trailers.tools.titles import BASICS_COLUMNS, RATINGS_COLUMNS, read_rows

BASICS = [
    r"tt0000001	movie	The One	Der Eine	0	1999	\N	100	Action,Drama",
    r"tt0000002	movie	Two	Two	0	2005	\N	\N	Comedy",
    r"tt0000003	short	Three	Three	0	2005	\N	10	Drama",
    r"tt0000004	movie	Four	Four	0	2010	\N	90	Documentary",
    r"tt0000005	movie	Five	Five	0	\N	\N	90	Drama",
    r'tt0000006	movie	Six "quoted"	Six	0	2011	\N	90	Sci-Fi,Documentary,Thriller',
    r"tt0000007	movie	Few votes	Few	0	2011	\N	90	Drama",
    r"tt0000008	movie	Unrated	Unrated	0	2011	\N	90	Drama",
]
RATINGS = [f"tt000000{n}\t{rating}\t{votes}" for n, rating, votes in (
    (1, 7.5, 5000), (2, 8.1, 1000), (3, 9.9, 9999), (4, 9.9, 9999), (5, 9.9, 9999), (6, 7.5, 6000), (7, 9.0, 999),
)]  # fmt: skip


@pytest.fixture
def imdb(tmp_path):
    write(tmp_path, "title.basics.tsv.gz", BASICS_COLUMNS, BASICS)
    write(tmp_path, "title.ratings.tsv.gz", RATINGS_COLUMNS, RATINGS)
    return tmp_path


def write(folder, name, columns, rows):
    text = "\n".join(["\t".join(columns), *rows]) + "\n"
    (folder / name).write_bytes(gzip.compress(text.encode()))


def titles(imdb, *words):
    assert main(["titles", "--imdb", str(imdb), "--output", str(imdb / "out.csv"), "--force", *words]) == 0
    with (imdb / "out.csv").open() as file:
        return list(csv.DictReader(file))


def test_movies_of_the_ten_genres_with_enough_votes_best_rated_first(imdb):
    found = titles(imdb)
    assert [row["id"] for row in found] == ["tt0000002", "tt0000006", "tt0000001"]
    assert found[1] == {
        "id": "tt0000006", "title": 'Six "quoted"', "original_title": "Six", "year": "2011", "rating": "7.5",
        "votes": "6000", "genres": "sci-fi;thriller", "runtime_min": "90",
    }  # fmt: skip
    assert found[0]["runtime_min"] == ""


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--from-year", "2000"], ["tt0000002", "tt0000006"]),
        (["--to-year", "1999"], ["tt0000001"]),
        (["--most", "1"], ["tt0000002"]),
        (["--min-votes", "999"], ["tt0000007", "tt0000002", "tt0000006", "tt0000001"]),
        (["--types", "short", "movie"], ["tt0000003", "tt0000002", "tt0000006", "tt0000001"]),
        (["--genres", "Documentary"], ["tt0000004", "tt0000006"]),
    ],
)
def test_flags_choose(imdb, words, ids):
    assert [row["id"] for row in titles(imdb, *words)] == ids


def test_unpacked_files_are_read_too(imdb):
    for name in ("title.basics.tsv", "title.ratings.tsv"):
        (imdb / name).write_bytes(gzip.decompress((imdb / f"{name}.gz").read_bytes()))
        (imdb / f"{name}.gz").unlink()
    assert len(titles(imdb)) == 3


def test_an_existing_file_is_kept(imdb, capsys):
    (imdb / "out.csv").write_text("mine")
    assert main(["titles", "--imdb", str(imdb), "--output", str(imdb / "out.csv")]) == 1
    assert "out.csv: already exists" in capsys.readouterr().err
    assert (imdb / "out.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "title.ratings.tsv.gz").unlink(), "lacks title.ratings.tsv.gz"),
        (lambda folder: write(folder, "title.ratings.tsv.gz", ("id", "stars"), []), "its columns are id, stars"),
        (lambda folder: cut(folder / "title.basics.tsv.gz"), "is damaged or truncated after line"),
        (lambda folder: (folder / "title.basics.tsv.gz").write_bytes(b"no gzip"), "is damaged or truncated"),
        (lambda folder: write(folder, "title.basics.tsv.gz", BASICS_COLUMNS, ["a\tb"] * 5), "5 of 6 lines are damaged"),
        (
            lambda folder: write(folder, "title.ratings.tsv.gz", RATINGS_COLUMNS, ["tt1\tten\t5000"]),
            "tt1: 'ten' is not a rating",
        ),
    ],
)
def test_damaged_tables_are_named(imdb, capsys, spoil, words):
    spoil(imdb)
    assert main(["titles", "--imdb", str(imdb), "--output", str(imdb / "out.csv")]) == 1
    assert words in capsys.readouterr().err


def cut(path):
    path.write_bytes(path.read_bytes()[:-12])


def test_a_damaged_line_is_left_out_and_counted(tmp_path, caplog):
    write(tmp_path, "r.tsv.gz", RATINGS_COLUMNS, [*RATINGS, "tt9\tbroken", "tt0000010\t5.0\t10"])
    with caplog.at_level("WARNING"):
        assert len(list(read_rows(tmp_path / "r.tsv.gz", RATINGS_COLUMNS))) == 8
    assert "1 damaged lines are left out, the first is line 9" in caplog.text
    with pytest.raises(StoreError):
        list(read_rows(tmp_path / "nowhere.tsv.gz", RATINGS_COLUMNS))
