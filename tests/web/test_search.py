"""Searches with yt-dlp's own classes: on a site on loopback, and with a recorded answer of YouTube."""

from __future__ import annotations

import argparse
import io
import json

import pytest

from server import Page, Server
from trailers.errors import ConfigError, SystemicError
from trailers.stages import search
from trailers.store.candidates import read_found
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.titles import Title
from trailers.web.search import as_candidate, query_of, thumbnail_of

pytest.importorskip("rapidfuzz", reason="the extra search is not installed")

HOST = "http://127.0.0.1"


class Site:
    """Adds a search to yt-dlp, `catsearch`, whose answers are JSON on loopback; its pages are those of `site`."""

    def __init__(self, folder, server: Server) -> None:
        self.folder, self.server = folder, server
        self.layout = Layout(folder / "results")
        self.flags = {"sleep-s": "0", "backoff-s": "0.01", "retries": "1", "max-failed-fraction": "1",
                      "site": "catsearch", "pages": "0"}  # fmt: skip

    def words(self, rows: str, **flags: str) -> list[str]:
        (self.folder / "titles.csv").write_text(f"id,title,year\n{rows}")
        (self.folder / "shard.txt").write_text("".join(f"{row.split(',')[0]}\n" for row in rows.splitlines()))
        given = {"shard": self.folder / "shard.txt", "titles": self.folder / "titles.csv", "ledger": self.ledger}
        merged = {**self.flags, **{name.replace("_", "-"): value for name, value in flags.items()}, **given}
        pairs = [word for name, value in merged.items() for word in (f"--{name}", str(value))]
        return [*pairs, "--results", str(self.layout.root)]

    @property
    def ledger(self):
        return self.layout.ledger("search", "t0000")

    def run(self, rows: str, **flags: str):
        parser = argparse.ArgumentParser()
        search.add_flags(parser)
        search.run(parser.parse_args(self.words(rows, **flags)))
        return read_ledger(self.ledger)

    def found(self, title: str):
        return read_found(self.layout.candidates(title))


@pytest.fixture
def cats(tmp_path, monkeypatch, surroundings, site):
    import yt_dlp
    from yt_dlp.extractor.common import SearchInfoExtractor

    with Server({}) as server:

        class CatSearchIE(SearchInfoExtractor):
            _SEARCH_KEY = "catsearch"

            def _search_results(self, query):
                path = "/search/" + query.replace(" ", "_")
                for entry in self._download_json(server.link(path), query)["entries"]:
                    yield self.url_result(server.link(f"/watch/{entry['id']}"), **entry)

        known = yt_dlp.YoutubeDL.add_default_info_extractors

        def with_search(downloader):
            downloader.add_info_extractor(CatSearchIE())
            known(downloader)

        monkeypatch.setattr(yt_dlp.YoutubeDL, "add_default_info_extractors", with_search)
        yield Site(tmp_path, server)


def answer(*entries: dict) -> Page:
    return Page(json.dumps({"entries": entries}).encode(), kind="application/json")


ALIEN = "tt1,Alien,1979\n"


def test_every_candidate_is_kept_with_its_score_and_the_best_comes_first(cats):
    cats.server.pages["/search/Alien_1979_trailer"] = [answer(
        {"id": "review", "title": "Alien (1979) Review", "duration": 600, "view_count": 9_000_000, "channel": "Talks"},
        {"id": "good", "title": "Alien (1979) Official Trailer", "duration": 120, "view_count": 7, "channel": "A24",
         "thumbnails": [{"url": "http://127.0.0.1/s", "width": 9}, {"url": "http://127.0.0.1/t.jpg", "width": 480}]},
    )]  # fmt: skip
    row = cats.run(ALIEN)["tt1"]
    good, review = cats.found("tt1").candidates
    assert (row.status, row.facts) == ("ok", {"candidates": 2, "score": 100.0, "url": good.url})
    assert good.url == cats.server.link("/watch/good")
    assert (good.channel, good.duration_s, good.views, good.thumbnail) == ("A24", 120, 7, "http://127.0.0.1/t.jpg")
    assert good.parts == {"title": 50, "year": 10, "duration": 15, "trailer words": 15, "official channel": 10}
    assert review.parts["review"] == -30
    assert cats.found("tt1").query == "Alien 1979 trailer"


def test_candidate_pages_are_read_until_the_best_candidate_does_not_change(cats):
    cats.server.pages["/search/Alien_1979_trailer"] = [answer(
        {"id": "tall", "title": "Alien (1979) Official Trailer", "duration": 120},
        {"id": "good", "title": "Alien (1979) Trailer", "duration": 120},
        {"id": "poor", "title": "Alien", "duration": 120},
    )]  # fmt: skip
    formats = {"formats": [{"format_id": "a", "url": "/a.mp4", "ext": "mp4", "width": 406, "height": 720}]}
    wide = {"formats": [{"format_id": "a", "url": "/a.mp4", "ext": "mp4", "width": 1280, "height": 720}]}
    cats.server.pages["/watch/tall"] = [Page(json.dumps(formats).encode(), kind="application/json")]
    cats.server.pages["/watch/good"] = [
        Page(json.dumps({**wide, "title": "Alien (1979) Trailer", "upload_date": "20100510"}).encode())
    ]
    cats.run(ALIEN, pages="3")
    first, *_ = cats.found("tt1").candidates
    assert first.url.endswith("/watch/good")
    assert (first.upload_date, first.width_px, first.height_px) == ("2010-05-10", 1280, 720)
    by_url = {candidate.url.rpartition("/")[2]: candidate for candidate in cats.found("tt1").candidates}
    assert by_url["tall"].parts["vertical"] == -30
    assert not cats.server.requests_for("/watch/poor")


def test_a_candidate_that_is_unavailable_becomes_the_last_with_the_reason(cats):
    cats.server.pages["/search/Alien_1979_trailer"] = [answer(
        {"id": "gone", "title": "Alien (1979) Official Trailer"}, {"id": "here", "title": "Alien Trailer"},
    )]  # fmt: skip
    cats.server.pages["/watch/gone"] = [Page(b'{"error": "This video has been removed"}')]
    cats.server.pages["/watch/here"] = [Page(b'{"title": "Alien Trailer"}')]
    cats.run(ALIEN, pages="3")
    last = cats.found("tt1").candidates[-1]
    assert (last.url.rpartition("/")[2], last.unavailable, last.score) == ("gone", "removed", 0)


def test_a_title_without_a_video_is_dead_and_searched_again_after_forget(cats):
    cats.server.pages["/search/Alien_1979_trailer"] = [answer(), answer({"id": "a", "title": "Alien"})]
    row = cats.run(ALIEN)["tt1"]
    assert (row.status, row.reason) == ("dead", "not found")
    assert row.error == "search: not found: the search 'Alien 1979 trailer' found no video"
    assert cats.run(ALIEN)["tt1"] == row
    search.Search(cats.layout).forget("tt1")
    assert cats.run(ALIEN)["tt1"].status == "ok"


def test_a_site_that_does_not_answer_is_tried_again_by_this_run_and_the_next(cats):
    good = answer({"id": "a", "title": "Alien"})
    cats.server.pages["/search/Alien_1979_trailer"] = [Page(status=503), Page(status=503), Page(status=503), good]
    row = cats.run(ALIEN)["tt1"]
    assert (row.status, row.reason) == ("failed", "network")
    assert cats.run(ALIEN)["tt1"].status == "ok"
    assert len(cats.server.requests_for("/search/Alien_1979_trailer")) == 4


def test_an_error_of_the_search_never_makes_a_title_dead(cats):
    cats.server.pages["/search/Alien_1979_trailer"] = [Page(status=404)]
    assert cats.run(ALIEN)["tt1"].status == "failed"


def test_a_site_that_refuses_five_searches_in_a_row_stops_the_job(cats):
    rows = "".join(f"tt{n},Cat {n},\n" for n in range(6))
    for n in range(6):
        cats.server.pages[f"/search/Cat_{n}_trailer"] = [Page(status=403)]
    with pytest.raises(SystemicError, match="refused 5 links in a row"):
        cats.run(rows)


def test_a_search_is_repeated_only_if_the_title_or_a_setting_changes(cats):
    path = "/search/Alien_1979_trailer"
    cats.server.pages[path] = [answer({"id": "a", "title": "Alien"})]
    cats.server.pages["/search/Alien_1980_trailer"] = cats.server.pages[path]
    cats.run(ALIEN)
    cats.run(ALIEN)
    assert len(cats.server.requests_for(path)) == 1
    cats.run(ALIEN, candidates="5")
    assert len(cats.server.requests_for(path)) == 2
    cats.run("tt1,Alien,1980\n")
    assert len(cats.server.requests_for("/search/Alien_1980_trailer")) == 1


def test_changed_preferences_score_the_stored_candidates_again_without_a_request(cats):
    path = "/search/Alien_1979_trailer"
    first, second = {"id": "a", "title": "Alien Trailer"}, {"id": "b", "title": "Alien", "channel": "Mine"}
    cats.server.pages[path] = [answer(first, second)]
    before = cats.run(ALIEN)["tt1"]
    after = cats.run(ALIEN, official_channels="Mine")["tt1"]
    assert after.fingerprint != before.fingerprint
    assert len(cats.server.requests_for(path)) == 1
    (kept,) = (each for each in cats.found("tt1").candidates if each.channel == "Mine")
    assert kept.parts["official channel"] == 10


def test_text_and_links_of_a_site_are_treated_as_text():
    entry = {"url": "https://example.com/a", "title": "a\n\x1b[31m\u202eb" + "c" * 1000, "duration": "long",
             "view_count": True, "upload_date": "someday", "thumbnails": [{"url": "file:///etc"}, "x"]}  # fmt: skip
    found = as_candidate(entry)
    assert found is not None
    assert found.title.startswith("a [31m bccc")
    assert len(found.title) == 300
    assert (found.duration_s, found.views, found.upload_date, found.thumbnail) == (None, None, "", "")


@pytest.mark.parametrize(
    "link", ["file:///etc/passwd", "javascript:alert(1)", "", None, "https://a.com/ b", "https://"]
)
def test_a_result_without_a_web_link_is_not_a_candidate(link):
    assert as_candidate({"url": link, "title": "Alien Trailer"}) is None


def test_a_year_that_is_not_known_is_left_out_of_the_query():
    assert query_of("{title} {year} trailer", Title("a", "Alien")) == "Alien trailer"
    assert query_of("{original_title} ({year})", Title("a", "Alien", "", 1979)) == "Alien (1979)"


@pytest.mark.parametrize("template", ["{title} {country}", "{title", "{0}", "{title.x}"])
def test_a_template_that_cannot_be_filled_in_is_refused(template):
    with pytest.raises(ConfigError, match="Known fields"):
        query_of(template, Title("a", "Alien"))


def test_an_unknown_field_of_a_template_is_named_in_words():
    with pytest.raises(
        ConfigError, match=r"'\{title\} \{country\}' cannot be filled in: a title has no field 'country'"
    ):
        query_of("{title} {country}", Title("a", "Alien"))


def renderer(video: str, title: str, length: str, views: str, **more: object) -> dict:
    """One result, in the form of YouTube's answers."""
    owner = {"runs": [{"text": "Rotten Tomatoes Classic Trailers"}]}
    return {"videoRenderer": {
        "videoId": video, "title": {"runs": [{"text": title}]}, "lengthText": {"simpleText": length},
        "viewCountText": {"simpleText": views}, "ownerText": owner,
        "thumbnail": {"thumbnails": [{"url": f"https://i.ytimg.com/vi/{video}/hq720.jpg", "width": 720}]},
        **more,
    }}  # fmt: skip


def test_a_recorded_answer_of_youtube_is_read_by_yt_dlps_own_search(tmp_path, monkeypatch, surroundings):
    import yt_dlp
    from yt_dlp.networking import Response

    shorts = {"navigationEndpoint": {"commandMetadata": {"webCommandMetadata": {"url": "/shorts/bbbbbbbbbbb"}}}}
    items = [renderer("aaaaaaaaaaa", "Alien (1979) Official Trailer", "2:04", "1,234,567 views"),
             renderer("bbbbbbbbbbb", "Alien trailer", "0:45", "12 views", **shorts)]  # fmt: skip
    section = {"itemSectionRenderer": {"contents": items}}
    lists = {"sectionListRenderer": {"contents": [section]}}
    recorded = {"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": lists}}}
    asked = []

    def urlopen(downloader, request):
        asked.append((request.url, request.data))
        body = json.dumps(recorded).encode() if "/youtubei/v1/search" in request.url else b"<html></html>"
        return Response(io.BytesIO(body), request.url, {"Content-Type": "application/json"})

    monkeypatch.setattr(yt_dlp.YoutubeDL, "urlopen", urlopen)
    site = Site(tmp_path, Server({}))
    row = site.run(ALIEN, site="ytsearch")["tt1"]
    good, short = site.found("tt1").candidates
    assert row.facts["url"] == good.url == "https://www.youtube.com/watch?v=aaaaaaaaaaa"
    assert (good.duration_s, good.views, good.channel) == (124, 1234567, "Rotten Tomatoes Classic Trailers")
    assert good.thumbnail == "https://i.ytimg.com/vi/aaaaaaaaaaa/hq720.jpg"
    assert good.score == 100
    assert short.url == "https://www.youtube.com/shorts/bbbbbbbbbbb"
    assert short.parts["short"] == -30
    assert any(b"Alien 1979 trailer" in (data or b"") for _, data in asked)


def test_the_thumbnail_is_the_one_that_fits_a_page():
    sizes = [{"url": f"https://example.com/{width}.jpg", "width": width} for width in (120, 480, 1920)]
    assert thumbnail_of({"thumbnails": sizes}) == "https://example.com/480.jpg"
    assert thumbnail_of({"thumbnail": "https://example.com/a.jpg"}) == "https://example.com/a.jpg"
    assert thumbnail_of({}) == ""
