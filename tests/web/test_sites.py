"""Video sites, whose pages offer several formats; and several links for one trailer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server import Page, Server
from trailers.web import client, collect, reasons
from web_lab import HTML, formats_of, json_page, make_video


def test_the_format_for_the_configured_height_is_downloaded(work, video, site):
    pages = {"/watch/cat": json_page(duration=60, formats=formats_of(360, 480, 1080)), "/480.mp4": Page(video)}
    with Server(pages) as server:
        link = server.link("/watch/cat")
        row = work.one(link)
        assert [request.path for request in server.requests] == ["/watch/cat", "/480.mp4"]
    assert row.status == "ok"
    facts = work.receipt().facts
    assert (facts["extractor"], facts["format"], facts["final_url"]) == ("cats", "v480", link)


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("Private video. Sign in if you've been granted access to this video", "dead", "private"),
        ("This video has been removed by the uploader", "dead", "removed"),
        ("Sign in to confirm your age", "dead", "age"),
        ("Sign in to confirm you're not a bot", "failed", "bot check"),
    ],
)
def test_the_message_of_a_site_gives_the_reason(work, site, words, status, reason):
    with Server({"/watch/cat": json_page(error=words)}) as server:
        row = work.one(server.link("/watch/cat"))
        assert len(server.requests) == 1
    assert (row.status, row.error) == (status, f"download: {reason}: [cats] cat: {words}")


def test_a_site_that_withholds_the_bytes_is_a_temporary_failure(work, site):
    with Server({"/watch/cat": json_page(formats=formats_of(480)), "/480.mp4": Page(status=403)}) as server:
        row = work.one(server.link("/watch/cat"))
    assert row.status == "failed"
    assert row.error == f"download: bot check: {server.link('/480.mp4')}: HTTP Error 403: Forbidden"


def test_a_film_is_excluded_before_it_is_downloaded(work, site):
    with Server({"/watch/cat": json_page(duration=7200, formats=formats_of(480))}) as server:
        row = work.one(server.link("/watch/cat"), enforce_quality="true")
        assert [request.path for request in server.requests] == ["/watch/cat"]
    assert (row.status, row.error) == ("dead", "download: too long: 7200 s, but download.max_duration_s is 210 s")


@pytest.mark.parametrize("state", ["is_live", "is_upcoming"])
def test_a_live_video_is_left_for_a_later_run(work, site, state):
    with Server({"/watch/cat": json_page(live_status=state, formats=formats_of(480))}) as server:
        row = work.one(server.link("/watch/cat"))
        assert [request.path for request in server.requests] == ["/watch/cat"]
    assert (row.status, row.error.split(": ")[1]) == ("failed", "other")


def test_sound_alone_is_not_a_video(work, site):
    sound = [{"format_id": "a", "url": "/a.m4a", "vcodec": "none", "acodec": "aac", "ext": "m4a"}]
    with Server({"/watch/cat": json_page(formats=sound)}) as server:
        row = work.one(server.link("/watch/cat"))
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")


def test_the_first_of_several_videos_on_a_page_is_downloaded(work, video, site):
    links = '<a></a><video src="/1.mp4"></video><video src="/2.mp4"></video>'
    pages = {"/cats.html": replace(HTML, body=f"<!doctype html><html><body>{links}</body></html>".encode())}
    with Server({**pages, "/1.mp4": Page(video), "/2.mp4": Page(video)}) as server:
        row = work.one(server.link("/cats.html"))
        assert (len(server.requests_for("/1.mp4")), server.requests_for("/2.mp4")) == (1, [])
    assert row.status == "ok"


# Several links


def test_the_first_working_link_is_used_and_failures_of_the_others_are_recorded(work, video):
    with Server({"/gone.mp4": Page(status=410), "/cat.mp4": Page(video), "/last.mp4": Page(video)}) as server:
        gone, cat, last = (server.link(path) for path in ("/gone.mp4", "/cat.mp4", "/last.mp4"))
        row = work.one(f"{gone} | {cat} | {last}")
        assert server.requests_for("/last.mp4") == []
    assert row.status == "ok"
    facts = work.receipt().facts
    assert facts["url"] == cat
    assert [(item["url"], item["reason"]) for item in facts["refused"]] == [(gone, "removed")]


def test_a_trailer_is_dead_only_if_all_its_links_are_dead(work):
    with Server({"/gone.mp4": Page(status=410), "/busy.mp4": Page(status=500), "/not.mp4": Page(status=404)}) as server:
        gone, busy, absent = (server.link(path) for path in ("/gone.mp4", "/busy.mp4", "/not.mp4"))
        rows = work.run({"a": f"{gone} | {busy}", "b": f"{gone} | {absent}"})
    assert (rows["a"].status, rows["a"].error[:19]) == ("failed", "download: network: ")
    assert rows["b"].status == "dead"
    assert rows["b"].error == "download: removed: " + rows["b"].error[19:]
    assert "; not found: " in rows["b"].error


def test_a_link_added_later_is_tried_without_asking_the_dead_one(work, video):
    with Server({"/gone.mp4": Page(status=410), "/cat.mp4": Page(video)}) as server:
        gone = server.link("/gone.mp4")
        work.one(gone)
        assert work.one(f"{gone} | {server.link('/cat.mp4')}").status == "ok"
        assert len(server.requests_for("/gone.mp4")) == 1


def test_a_youtube_id_and_its_link_are_the_same(work, monkeypatch, tmp_path):
    monkeypatch.setattr(client.Client, "fetch", lambda self, link, *_: gone(link))
    first = work.one("vKQi3bBA1y8")
    assert first.error == "download: removed: https://www.youtube.com/watch?v=vKQi3bBA1y8"
    monkeypatch.setattr(client.Client, "fetch", lambda *_: pytest.fail("asked again"))
    second = work.one("https://www.youtube.com/watch?v=vKQi3bBA1y8")
    assert (second.status, second.error) == (first.status, first.error)


@pytest.mark.parametrize("form", ["youtu.be/vKQi3bBA1y8", "//www.youtube.com/watch?v=vKQi3bBA1y8", "vKQi3bBA1y8"])
def test_every_form_of_a_youtube_video_asks_for_the_same_link(work, monkeypatch, form):
    monkeypatch.setattr(client.Client, "fetch", lambda self, link, *_: gone(link))
    assert work.one(form).error == "download: removed: https://www.youtube.com/watch?v=vKQi3bBA1y8"


def test_a_link_that_was_taken_for_a_path_is_requested_after_all(work, monkeypatch):
    """An earlier version looked for a file of this name, and wrote a dead receipt."""
    url, asked = "www.youtube.com/watch?v=vKQi3bBA1y8", []
    monkeypatch.setattr(client.Client, "fetch", lambda self, link, *_: asked.append(link) or gone(link))
    monkeypatch.setattr(collect, "completed", lambda text: text)
    monkeypatch.setattr(collect, "web_link", lambda text: None)
    assert work.one(url).error.endswith(f"{url} does not exist")
    monkeypatch.undo()
    monkeypatch.setattr(client.Client, "fetch", lambda self, link, *_: asked.append(link) or gone(link))
    for _ in range(2):
        assert work.one(url).error == "download: removed: https://www.youtube.com/watch?v=vKQi3bBA1y8"
    assert asked == ["https://www.youtube.com/watch?v=vKQi3bBA1y8"]


def gone(link: str):
    raise reasons.LinkError("removed", link)


def test_after_a_link_that_does_not_meet_the_limits_the_next_is_used(work, video, tmp_path):
    large = make_video(tmp_path / "large.mp4", picture="testsrc2=size=160x120:rate=24")
    with Server({"/small.mp4": Page(video), "/large.mp4": Page(large)}) as server:
        links = f"{server.link('/small.mp4')} | {server.link('/large.mp4')}"
        flags = {"enforce_quality": "true", "min_height": "100", "min_duration_s": "1"}
        row = work.one(links, **flags)
    assert (row.status, row.facts["height_px"]) == ("ok", 120)
