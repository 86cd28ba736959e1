"""From IMDb's tables to a verified manifest: titles, a search on a loopback site, decisions, manifest."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

import workflow_lab as lab
from server import Page, Server
from trailers.__main__ import main
from trailers.store.candidates import Candidate, Found, read_found, write_found
from trailers.store.decisions import Decision, Journal
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.tools.titles import BASICS_COLUMNS, RATINGS_COLUMNS

pytest.importorskip("rapidfuzz", reason="the extra search is not installed")

GENRES = ("Action", "Drama", "Action,Drama", "Comedy")
# A plugin for yt-dlp, which the jobs of a run also find below XDG_CONFIG_HOME: a search, and the pages of videos.
PLUGIN = """
from yt_dlp.extractor.common import InfoExtractor, SearchInfoExtractor

class LoopSearchIE(SearchInfoExtractor):
    _SEARCH_KEY = "loopsearch"
    def _search_results(self, query):
        for entry in self._download_json("ADDRESS/search/" + query.replace(" ", "_"), query):
            yield self.url_result("ADDRESS/watch/" + entry["id"], **entry)

class LoopIE(InfoExtractor):
    _VALID_URL = r"http://127\\.0\\.0\\.1:\\d+/watch/(?P<id>\\w+)"
    def _real_extract(self, url):
        return {"id": self._match_id(url), **self._download_json(url, url)}
"""


def write_imdb(folder: Path, count: int) -> None:
    basics = [f"tt{n:07}\tmovie\tMovie {n}\tMovie {n}\t0\t{1990 + n}\t\\N\t100\t{GENRES[n % 4]}" for n in range(count)]
    ratings = [f"tt{n:07}\t{9 - n / 10:.1f}\t5000" for n in range(count)]
    for name, columns, rows in (("basics", BASICS_COLUMNS, basics), ("ratings", RATINGS_COLUMNS, ratings)):
        text = "\n".join(["\t".join(columns), *rows]) + "\n"
        (folder / f"title.{name}.tsv.gz").write_bytes(gzip.compress(text.encode()))


def results_for(n: int) -> Page:
    """The results of the site: a review, a short film, and the trailer of movie ``n``."""
    name = f"Movie {n} ({1990 + n})"
    found = [
        {"id": f"review{n}", "title": f"{name} Review", "duration": 700},
        {"id": f"short{n}", "title": f"{name} Trailer #shorts", "duration": 40},
        {"id": f"good{n}", "title": f"{name} Official Trailer", "duration": 120},
    ]
    return Page(json.dumps(found).encode(), kind="application/json")


@pytest.fixture
def site(tmp_path):
    pages = {f"/search/Movie_{n}_{1990 + n}_trailer": results_for(n) for n in range(8)}
    pages["/search/Movie_7_1997_trailer"] = Page(b"[]", kind="application/json")
    watched = {f"/watch/good{n}": Page(b'{"title": "", "upload_date": "20100510"}') for n in range(8)}
    with Server({**pages, **watched}) as server:
        plugins = tmp_path / "config" / "yt-dlp" / "plugins" / "loop" / "yt_dlp_plugins" / "extractor"
        plugins.mkdir(parents=True)
        (plugins / "loop.py").write_text(PLUGIN.replace("ADDRESS", server.link("")))
        yield server


@pytest.mark.slow
def test_from_imdbs_tables_to_a_verified_manifest(tmp_path, monkeypatch, site):
    folder = tmp_path / "study"
    folder.mkdir()
    write_imdb(folder, 8)
    monkeypatch.chdir(folder)
    assert main(["titles", "--imdb", "."]) == 0
    (folder / "config.yaml").write_text("search: {site: loopsearch}\ndownload: {sleep_s: 0, backoff_s: 0.01}\n")
    without_proxy = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env = {**lab.environment(), **without_proxy, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    env["PATH"] = lab.environment()["PATH"]
    lab.snakemake(folder, "search", env=env)
    table = (folder / "results" / "candidates.csv").read_text().splitlines()
    assert len(table) == 1 + 7 * 3
    best = read_found(Layout(Path("results")).candidates("tt0000003")).candidates[0]
    assert (best.url, best.upload_date) == (site.link("/watch/good3"), "2010-05-10")

    assert main(["manifest", "--titles", "titles.csv"]) == 0
    first = read_manifest(folder / "manifest.csv")
    assert [trailer.urls[0] for trailer in first] == [site.link(f"/watch/good{n}") for n in range(7)]
    assert not any(trailer.verified for trailer in first)

    journal = Journal(folder / "decisions.csv")
    for n in range(7):
        action, url = ("reject", "") if n == 2 else ("accept", site.link(f"/watch/good{n}"))
        journal.append(Decision("2026-11-26T12:00:00Z", "ann", 1, f"tt{n:07}", action, url))
    words = ["manifest", "--titles", "titles.csv", "--decisions", "decisions.csv", "--force"]
    assert main(words) == 0
    verified = read_manifest(folder / "manifest.csv")
    assert [trailer.trailer for trailer in verified] == [f"tt{n:07}" for n in (0, 1, 3, 4, 5, 6)]
    assert all(trailer.verified and len(trailer.urls) == 1 for trailer in verified)
    assert verified[0].genres == ("action",)
    assert all({trailer.splits[n] for trailer in verified} == {0, 1, 2} for n in range(3))
    again = lab.snakemake(folder, "search", "-n", env=env)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three titles, each with three candidates of 90, 60 and 30 points; the best one of the third is unavailable."""
    rows = "".join(f"tt{n},Movie {n},drama;crime,https://example.com/{n}.jpg\n" for n in range(3))
    (tmp_path / "titles.csv").write_text(f"id,title,genres,poster\n{rows}")
    layout = Layout(tmp_path / "results")
    for n in range(3):
        candidates = tuple(
            Candidate(link(n, k), "x", score=90.0 - 30 * k, unavailable="removed" if (n, k) == (2, 0) else "")
            for k in range(3)
        )
        write_found(layout.candidates(f"tt{n}"), Found(f"tt{n}", "x", "y", "q", candidates))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def link(title: int, candidate: int) -> str:
    return f"https://example.com/{title}/{candidate}"


def press(who: str, title: str, action: str, url: str = "", second: int = 0) -> None:
    Journal(Path("decisions.csv")).append(Decision(f"2026-11-26T12:00:{second:02}Z", who, 1, title, action, url))


def manifest(*words: str):
    assert main(["manifest", "--titles", "titles.csv", *words, "--force"]) == 0
    return {trailer.trailer: trailer for trailer in read_manifest(Path("manifest.csv"))}


def test_without_a_review_good_candidates_become_links_the_best_first(folder):
    found = manifest()
    assert [trailer.urls for trailer in found.values()] == [
        (link(0, 0), link(0, 1)),
        (link(1, 0), link(1, 1)),
        (link(2, 1),),
    ]
    assert found["tt0"].genres == ("crime", "drama")
    assert found["tt0"].poster == "https://example.com/0.jpg"
    assert manifest("--alternatives", "0", "--min-score", "80").keys() == {"tt0", "tt1"}


def test_accepted_links_are_verified_and_rejected_or_open_titles_are_left_out(folder):
    press("ann", "tt0", "accept", link(0, 1))
    press("ann", "tt1", "reject")
    found = manifest("--decisions", "decisions.csv")
    assert [(trailer.trailer, trailer.urls, trailer.verified) for trailer in found.values()] == [
        ("tt0", (link(0, 1),), True)
    ]
    assert Path("manifest.csv").read_text().splitlines()[0].endswith(",poster,verified")


def test_undecided_titles_can_be_included_and_are_not_verified(folder):
    press("ann", "tt0", "accept", link(0, 1))
    press("ann", "tt1", "reject")
    found = manifest("--decisions", "decisions.csv", "--unreviewed")
    assert {name: trailer.verified for name, trailer in found.items()} == {"tt0": True, "tt2": False}


def test_titles_on_which_reviewers_disagree_are_left_out_and_named(folder, caplog):
    caplog.set_level("INFO")
    press("ann", "tt0", "accept", link(0, 0))
    press("ann", "tt1", "accept", link(1, 0))
    press("bob", "tt1", "accept", link(1, 1))
    press("bob", "tt9", "reject")
    assert manifest("--decisions", "decisions.csv").keys() == {"tt0"}
    log = caplog.text
    assert "1 accepted, 1 disagreed on, 1 not reviewed" in log
    assert "left out, because reviewers disagree: tt1; a third review decides" in log
    assert "contains decisions on titles that are not in titles.csv: tt9" in log


def test_a_file_without_decisions_makes_no_manifest(folder, capsys):
    assert main(["manifest", "--titles", "titles.csv", "--decisions", "decisions.csv"]) == 1
    assert "decisions.csv: contains no decision" in capsys.readouterr().err


def test_a_genre_that_a_manifest_cannot_contain_is_reported_with_its_title(folder, capsys):
    Path("titles.csv").write_text("id,title,genres\ntt0,Movie,opera\n")
    assert main(["manifest", "--titles", "titles.csv"]) == 1
    assert "titles.csv: tt0: 'opera' is not one of" in capsys.readouterr().err


def test_decisions_without_titles_are_refused(folder, capsys):
    assert main(["manifest", "--decisions", "decisions.csv"]) == 1
    assert "--titles with --decisions" in capsys.readouterr().err
