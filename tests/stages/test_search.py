"""The search stage: titles, shards, and the table of candidates.

The interface of stages is tested in test_contract.py, requests to a site in tests/web/test_search.py.
"""

from __future__ import annotations

import csv

import pytest

from trailers.__main__ import main
from trailers.config import read_config
from trailers.errors import ConfigError, ManifestError
from trailers.plan import reruns
from trailers.plan.studies import make_plan
from trailers.plan.titles import check_titles
from trailers.project import PROJECT
from trailers.settings import from_section
from trailers.stages.search import Search, Settings
from trailers.store.candidates import Candidate, Found, read_found, write_found
from trailers.store.layout import Layout

TITLES = "id,title,year\ntt1,Alien,1979\ntt2,Up,2009\ntt3,Her,2013\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "titles.csv").write_text(TITLES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(**config):
    return make_plan(read_config({"shard_size": 2, **config}), PROJECT)


def test_titles_have_their_own_shards_and_no_manifest_is_read(folder):
    first, second = plan().titles.shards
    assert first.startswith("t0000-")
    assert plan().members(first) == ("tt1", "tt2")
    assert plan().members(second) == ("tt3",)
    assert plan().titles.ledgers() == [f"results/ledger/search/{shard}.tsv" for shard in (first, second)]
    assert not (folder / "manifest.csv").exists()


def test_a_changed_year_repeats_the_search_of_its_shard_and_a_changed_plot_does_not(folder):
    first, second = plan().titles.shards
    before = [reruns.titles(plan(), shard) for shard in (first, second)]
    (folder / "titles.csv").write_text("id,title,year,plot\ntt1,Alien,1980,\ntt2,Up,2009,\ntt3,Her,2013,A man\n")
    after = [reruns.titles(plan(), shard) for shard in (first, second)]
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"template": "{title} {country}"}, "Known fields: {title}"),
        (
            {"shortest_s": 300},
            "shortest_s is 300, longest_s 210. shortest_s must be at least 0 and no more than longest_s.",
        ),
    ],
)
def test_settings_that_make_no_sense_are_reported_before_the_first_search(folder, setting, words):
    found = check_titles(plan().titles, read_config({"search": setting}))
    assert [words in str(problem) for problem in found] == [True]


def test_titles_that_are_missing_are_reported_before_the_first_search(folder):
    (folder / "titles.csv").unlink()
    (problem,) = check_titles(plan().titles, plan().config)
    assert str(problem).startswith("titles.csv: no such list of titles")


def test_the_missing_package_is_reported_with_the_command_that_installs_it(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = check_titles(plan().titles, plan().config)
    assert 'pip install "trailers[search]"' in str(problem)


def test_a_site_that_is_not_a_search_prefix_of_yt_dlp_is_refused(folder):
    for site in ("ytsearch5:", "file", "ytsearch\n"):
        with pytest.raises(ConfigError, match="site"):
            read_config({"search": {"site": site}})


def test_a_title_that_is_not_in_the_list_is_refused(folder):
    stage = Search(Layout(folder / "results"), (), from_section(Settings, read_config()["search"]))
    stage.open(folder / "titles.csv")
    with pytest.raises(ManifestError, match="has no row for 'tt9'"):
        stage.skips("tt9")


def test_the_table_has_a_row_per_candidate_and_no_spreadsheet_formulas(folder):
    layout = Layout(folder / "results")
    candidates = (
        Candidate(
            "https://example.com/a", "=HYPERLINK(1)", "@b", duration_s=60, score=70, parts={"title": 50, "year": 20}
        ),
        Candidate("https://example.com/b", "Alien"),
    )
    write_found(layout.candidates("tt1"), Found("tt1", "x", "y", "Alien", candidates))
    assert main(["candidates", "--titles", "titles.csv", "--output", "out.csv"]) == 0
    with (folder / "out.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["trailer"], first["movie"], first["year"], first["rank"], first["score"]) == (
        "tt1", "Alien", "1979", "1", "70",
    )  # fmt: skip
    assert (first["title"], first["channel"]) == ("'=HYPERLINK(1)", "'@b")
    assert first["why"] == "title +50, year +20"
    assert (second["rank"], second["duration_s"], second["why"]) == ("2", "", "")


def test_a_file_of_candidates_is_read_as_it_was_written(folder):
    found = Found(
        "tt1", "x", "y", "Alien trailer", (Candidate("https://example.com/a", "Alien", parts={"title": 50.0}),)
    )
    write_found(folder / "tt1.json", found)
    assert read_found(folder / "tt1.json") == found
