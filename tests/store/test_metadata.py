"""Year, countries and languages of titles: what is read from tables of any origin, and what is refused."""

from __future__ import annotations

import json

import pytest

from trailers.errors import ManifestError
from trailers.store.metadata import Metadata, parse_names, parse_year, read_metadata

TABLE = "tconst;startYear;country;languages;rating\ntt1;1999;US, GB;English;8.7\ntt2;\\N;;French,\\N;\n"


def test_a_table_is_read_as_spreadsheets_write_it(tmp_path):
    (tmp_path / "titles.csv").write_text(TABLE)
    assert read_metadata([tmp_path / "titles.csv"]) == {
        "tt1": Metadata(1999, ("US", "GB"), ("English",)),
        "tt2": Metadata(None, (), ("French",)),
    }


@pytest.mark.parametrize("shape", ["mapping", "list"])
def test_the_published_record_is_read_in_both_of_its_shapes(tmp_path, shape):
    entries = [
        {"imdb": {"id": "133093", "year": 1999, "countries": ["United States", 3], "languages": "English"}},
        {"imdb": {"id": "tt0000002"}},
    ]
    titles = entries if shape == "list" else {str(number): entry for number, entry in enumerate(entries)}
    (tmp_path / "metadata.json").write_text(json.dumps({"trailers12k": titles}))
    assert read_metadata([tmp_path / "metadata.json"]) == {
        "tt0133093": Metadata(1999, ("United States",), ("English",)),
        "tt0000002": Metadata(),
    }


def test_the_first_file_takes_precedence_and_the_second_fills_gaps(tmp_path):
    (tmp_path / "a.csv").write_text("id,year\na,1999\nb,\n")
    (tmp_path / "b.csv").write_text("id,year,languages\na,2005,Greek\nb,2001,\n")
    read = read_metadata([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert read == {"a": Metadata(1999, (), ("Greek",)), "b": Metadata(2001)}


@pytest.mark.parametrize(
    ("cell", "year"),
    [("1999", 1999), ("1999.0", 1999), ("1999-03-31", 1999), (" 2001 ", 2001), ("", None), ("\\N", None)],
)
def test_a_year_is_read_from_numbers_and_dates(cell, year):
    assert parse_year(cell) == year


@pytest.mark.parametrize("cell", ["99", "1999 or so", "0999", "12999", "９９９９"])
def test_an_invalid_year_is_refused_with_row_and_column(tmp_path, cell):
    (tmp_path / "m.csv").write_text(f"trailer,year\na,{cell}\n")
    with pytest.raises(ManifestError, match=r"m\.csv: row 2, column year: '.*' is not a year"):
        read_metadata([tmp_path / "m.csv"])


def test_names_are_unique_and_keep_their_order():
    assert parse_names(" Hong  Kong; France|Hong Kong,;") == ("Hong Kong", "France")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "trailer,rating\na,9\n", "needs a column of ids and at least one of year, countries and languages, "),
        ("m.csv", "year\n1999\n", "needs a column of ids"),
        ("m.json", "[1", "is not JSON"),
        ("m.json", "[]", "has no mapping or list under 'trailers12k'"),
        ("m.json", '{"trailers12k": [{"imdb": {"id": "../x"}}]}', "trailers12k, 0: has no imdb id"),
        ("m.json", '{"trailers12k": [{"imdb": {"id": "1", "year": "MCM"}}]}', "trailers12k, 0: 'MCM' is not a year"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ManifestError, match=words):
        read_metadata([tmp_path / name])
