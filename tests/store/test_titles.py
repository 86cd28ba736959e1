"""titles.csv, as `trailers titles`, a person or a spreadsheet writes it."""

from __future__ import annotations

import pytest

from trailers.errors import ManifestError, StoreError
from trailers.store.candidates import Candidate, read_found, safe_link
from trailers.store.titles import Title, as_csv, read_titles


def read(tmp_path, text: str):
    (tmp_path / "titles.csv").write_text(text)
    return read_titles(tmp_path / "titles.csv")


def test_a_written_file_is_read_back(tmp_path):
    titles = [Title("tt1", 'Six "quoted"', "Six", 2011, 7.5, 6000, "drama;thriller", 90), Title("tt2", "Up, up")]
    assert read(tmp_path, as_csv(titles)) == titles


def test_id_and_title_are_sufficient_and_headers_may_have_other_spellings(tmp_path):
    assert read(tmp_path, "IMDb ID;Movie Title;Plot;Country\ntt1;Alien;In space;UK\n") == [
        Title("tt1", "Alien", plot="In space")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title,year\nAlien,1979\n", "column id is missing"),
        ("id,title\n", "has a header but no title"),
        ("id,title\n../x,Alien\n", "row 2, column id"),
        ("id,title\ntt1,\n", "row 2, column title: is empty"),
        ("id,title,year\ntt1,Alien,soon\n", "row 2, column year: 'soon' is not a year"),
        ("id,title\ntt1,Alien\nTT1,Up\n", "row 3, column id: 'TT1' is already in row 2"),
    ],
)
def test_errors_are_reported_with_row_and_column(tmp_path, text, words):
    with pytest.raises(ManifestError, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "https://a b", "ftp://a.com", 7, None, "//x"]
)
def test_only_web_links_are_links_of_candidates(link):
    assert safe_link(link) == ""
    with pytest.raises(ValueError, match="http or https"):
        Candidate(str(link or ""), "Alien")


@pytest.mark.parametrize(
    "text",
    ["{}", '{"schema": "search/1"}', '{"schema": "search/9", "candidates": []}', "[1", '"x"',
     '{"schema": "search/1", "trailer": "a", "fingerprint": "", "asked": "", "query": "", "candidates": [{"url": "file:///a"}]}',
     '{"schema": "search/1", "trailer": "b", "fingerprint": "", "asked": "", "query": "", "candidates": []}'],
)  # fmt: skip
def test_a_damaged_file_of_candidates_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StoreError, match="Remove it and run"):
        read_found(tmp_path / "a.json")
