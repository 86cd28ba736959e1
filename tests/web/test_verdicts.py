"""Only answers about the video make it dead: problems of the client, the site, the tool or a part are temporary."""

from __future__ import annotations

import pytest

from server import Page, Server
from trailers.errors import SystemicError
from web_lab import HTML, formats_of, get_posters, json_page, playlist

SENTENCES = (
    "The following content is not available on this app.. Watch on the latest version of YouTube.",
    "Please sign in",
    "Sign in to confirm you're not a bot",
    "This video is only available for registered users",
)
STORYBOARD = {"format_id": "sb0", "ext": "mhtml", "protocol": "mhtml", "vcodec": "none", "acodec": "none", "url": "/sb"}
SOUND = {"format_id": "a", "url": "/a.m4a", "vcodec": "none", "acodec": "aac", "ext": "m4a"}


def formats(*offers, **more):
    return [{**offer, **more} for offer in offers]


NO_USABLE_FORMAT = {
    "storyboards": (formats(STORYBOARD, STORYBOARD), "the site offers only still pictures (a storyboard), no video"),
    "storyboards and sound": (
        formats(STORYBOARD, SOUND),
        "the site offers only still pictures (a storyboard), no video",
    ),
    "DRM": (formats(*formats_of(480), has_drm=True), "This video is DRM protected"),
    "hidden formats": (
        formats(*formats_of(480), preference=-2000),
        "yt-dlp advises against every format that the site offers",
    ),
    "an unknown protocol": (
        formats(*formats_of(480), protocol="sabr"),
        "the site offers no format over http or https, only sabr",
    ),
    "none": ([], ""),
}


@pytest.mark.parametrize("name", NO_USABLE_FORMAT)
def test_a_site_that_offers_no_format_is_tried_again(work, video, site, name):
    offered, words = NO_USABLE_FORMAT[name]
    pages = {"/watch/cat": [json_page(formats=offered), json_page(formats=formats_of(480))], "/480.mp4": Page(video)}
    with Server(pages) as server:
        row = work.one(server.link("/watch/cat"))
        assert (row.status, row.error.split(": ")[1]) == ("failed", "no format")
        assert row.error.endswith(words)
        assert work.one(server.link("/watch/cat")).status == "ok"


@pytest.mark.parametrize("words", SENTENCES)
def test_a_site_that_refuses_the_client_stops_the_run_after_five(work, site, words):
    with Server({f"/watch/v{n}": json_page(error=words) for n in range(8)}) as server:
        rows = {f"t{n}": server.link(f"/watch/v{n}") for n in range(8)}
        with pytest.raises(SystemicError, match=r"127\.0\.0\.1 refused 5 links in a row; the last answer: ") as problem:
            work.run(rows)
        assert len(server.requests) == 5
    assert problem.value.where == "download"
    assert list((work.results / "download").glob("*.json")) == []


def test_storyboards_alone_stop_the_run_after_five(work, site):
    with Server({f"/watch/v{n}": json_page(duration=120, formats=[STORYBOARD]) for n in range(8)}) as server:
        with pytest.raises(SystemicError, match="refused 5 links in a row"):
            work.run({f"t{n}": server.link(f"/watch/v{n}") for n in range(8)})
        assert len(server.requests) == 5


def test_an_unknown_message_stops_the_run_after_five(work, site):
    with Server({f"/watch/v{n}": json_page(error="Unable to parse the player") for n in range(8)}) as server:
        rows = {f"t{n}": server.link(f"/watch/v{n}") for n in range(8)}
        with pytest.raises(SystemicError, match="refused 5 links in a row"):
            work.run(rows)
        assert len(server.requests) == 5


@pytest.mark.parametrize("words", SENTENCES)
@pytest.mark.parametrize("trailers", [1, 4])
def test_in_a_small_shard_a_refused_client_is_temporary_too(work, site, words, trailers):
    with Server({f"/watch/v{n}": json_page(error=words) for n in range(trailers)}) as server:
        rows = work.run({f"t{n}": server.link(f"/watch/v{n}") for n in range(trailers)})
    assert {row.status for row in rows.values()} == {"failed"}
    assert {row.facts["sentence"] for row in rows.values()} == {words.rstrip(".")}


def test_an_answer_about_a_video_resets_the_count_of_refusals(work, site):
    answers = [*SENTENCES, "This video has been removed by the uploader", *SENTENCES]
    with Server({f"/watch/v{n}": json_page(error=words) for n, words in enumerate(answers)}) as server:
        rows = work.run({f"t{n}": server.link(f"/watch/v{n}") for n in range(len(answers))})
    assert [row.status for row in rows.values()] == ["failed"] * 4 + ["dead"] + ["failed"] * 4


def test_removed_videos_in_a_row_do_not_stop_the_run(work, site):
    with Server({f"/watch/v{n}": json_page(error="This video has been removed") for n in range(8)}) as server:
        rows = work.run({f"t{n}": server.link(f"/watch/v{n}") for n in range(8)})
    assert {row.status for row in rows.values()} == {"dead"}
    assert {row.facts["sentence"] for row in rows.values()} == {"This video has been removed"}


# Answers to parts


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 451])
def test_a_refused_fragment_is_named_and_does_not_make_the_trailer_dead(work, video, status):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts?key=secret"), "/0.ts": Page(video)}
    with Server({**pages, "/1.ts?key=secret": Page(status=status)}) as server:
        row = work.one(server.link("/cat.m3u8"))
        assert len(server.requests_for("/1.ts?key=secret")) == 1
    assert row.status == "failed"
    assert row.error.startswith(f"download: part refused: {server.link('/1.ts')}: HTTP Error {status}")


@pytest.mark.parametrize("status", [401, 404, 410, 451])
def test_a_download_refused_by_an_existing_page_is_named_and_does_not_make_the_trailer_dead(work, site, status):
    with Server({"/watch/cat": json_page(formats=formats_of(480)), "/480.mp4": Page(status=status)}) as server:
        row = work.one(server.link("/watch/cat"))
    assert row.status == "failed"
    assert row.error.startswith(f"download: part refused: {server.link('/480.mp4')}: HTTP Error {status}")


def test_a_file_removed_between_request_and_download_does_not_make_the_trailer_dead(work, video):
    with Server({"/cat.mp4": [Page(video), Page(status=404)]}) as server:
        assert work.one(server.link("/cat.mp4")).status == "failed"


def test_a_refused_key_does_not_make_the_trailer_dead(work, video):
    pages = {"/cat.m3u8": playlist("0.ts", head='#EXT-X-KEY:METHOD=AES-128,URI="key"\n'), "/0.ts": Page(bytes(160))}
    with Server({**pages, "/key": Page(status=403)}) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert row.error.startswith(f"download: part refused: {server.link('/key')}: HTTP Error 403")


def test_a_refused_second_playlist_does_not_make_the_trailer_dead(work):
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=854x480\nlow.m3u8\n"
    with Server({"/cat.m3u8": Page(master, kind="application/vnd.apple.mpegurl")}) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert row.error.startswith(f"download: part refused: {server.link('/low.m3u8')}: HTTP Error 404")


@pytest.mark.parametrize("status", [201, 202, 203, 207])
@pytest.mark.parametrize("body", [b'{"status": "processing"}', b"<html>one moment</html>"])
def test_an_answer_with_a_status_that_means_not_yet_is_requested_again(work, video, status, body):
    not_yet = Page(body, status=status, kind="application/json")
    with Server({"/cat.mp4": not_yet}) as server:
        row = work.one(server.link("/cat.mp4"), retries="0")
        assert row.status == "failed"
        assert row.error.startswith(f"download: not ready: {server.link('/cat.mp4')}: HTTP status {status}: ")
        server.pages["/cat.mp4"] = [not_yet, Page(video)]
        assert work.one(server.link("/cat.mp4")).status == "ok"


def test_a_download_that_is_not_ready_is_requested_again(work, video):
    pages = [Page(video), Page(b'{"status": "processing"}' * 9, status=202, kind="application/json")]
    with Server({"/cat.mp4": pages}) as server:
        assert work.one(server.link("/cat.mp4"), retries="0").error.startswith("download: not ready: ")
        server.pages["/cat.mp4"] = [Page(video)]
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"


def test_a_playlist_without_an_end_is_left_for_a_later_run(work, video):
    endless = playlist("0.ts")
    endless = Page(endless.body.replace(b"#EXT-X-ENDLIST\n", b""), kind=endless.kind)
    with Server({"/cat.m3u8": endless, "/0.ts": Page(video)}) as server:
        assert work.one(server.link("/cat.m3u8"), retries="0").status == "failed"


def test_a_page_without_a_video_is_requested_again(work, video):
    with Server({"/cat.html": HTML}) as server:
        row = work.one(server.link("/cat.html"))
        found = "a web page on which yt-dlp finds no video"
        assert (row.status, row.facts) == ("failed", {"reason": "page", "sentence": found})
        assert row.error == f"download: page: {server.link('/cat.html')}: {found}"
        server.pages["/cat.html"] = [Page(video)]
        assert work.one(server.link("/cat.html")).status == "ok"


def test_pages_without_a_video_do_not_stop_the_others(work, video):
    pages = {**{f"/{n}.html": HTML for n in range(6)}, "/cat.mp4": Page(video)}
    with Server(pages) as server:
        rows = work.run({f"t{n}": server.link(path) for n, path in enumerate(pages)})
    assert [row.status for row in rows.values()] == ["failed"] * 6 + ["ok"]


@pytest.mark.parametrize("body", [b"rate limited", b'{"error": "gone"}', b"<html>log in</html>"])
@pytest.mark.parametrize("kind", ["video/mp2t", "text/plain", "text/html"])
def test_text_in_place_of_a_fragment_is_named_and_does_not_make_the_trailer_dead(work, video, body, kind):
    pages = {"/cat.m3u8": playlist("0.ts", "1.ts"), "/0.ts": Page(video), "/1.ts": Page(body, kind=kind)}
    with Server(pages) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert row.error.startswith(f"download: part refused: {server.link('/1.ts')}: returns ")


@pytest.mark.parametrize("key", [b"", b"15 bytes of it.", b"<html>log in</html>", bytes(32)])
def test_a_key_of_another_length_is_reported_in_one_sentence(work, key):
    pages = {"/cat.m3u8": playlist("0.ts", head='#EXT-X-KEY:METHOD=AES-128,URI="key"\n'), "/0.ts": Page(bytes(160))}
    with Server({**pages, "/key": Page(key)}) as server:
        row = work.one(server.link("/cat.m3u8"))
        words = f"the server sent {len(key)} bytes as the key, but an AES-128 key has 16"
    assert (row.status, row.error) == ("failed", f"download: part refused: {server.link('/key')}: {words}")


# What is permanent


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:video/mp4,x", "concat:/etc/passwd", "gopher://h/x"]
)
def test_a_redirect_to_something_that_is_not_a_web_address_is_dead(work, target):
    with Server({"/cat.mp4": Page(status=302, headers={"Location": target})}) as server:
        row = work.one(server.link("/cat.mp4"))
        assert len(server.requests) == 1
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")
    assert row.error.startswith("download: not a video: leads to an address that is neither http nor https: ")


def test_a_playlist_that_names_a_local_file_is_dead(work):
    with Server({"/cat.m3u8": playlist("file:///etc/passwd")}) as server:
        row = work.one(server.link("/cat.m3u8"))
    assert (row.status, row.facts["reason"]) == ("dead", "not a video")


def test_posters_have_the_same_reasons(work):
    refused = Page(b"{}", status=202, kind="application/json")
    with Server({"/a.jpg": refused, "/b.jpg": Page(status=404)}) as server:
        rows = get_posters(work, {"a": server.link("/a.jpg"), "b": server.link("/b.jpg")})
    assert [row.status for row in rows.values()] == ["failed", "dead"]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("is_local", [True, False])
def test_a_still_picture_is_dead_with_that_reason(work, tmp_path, name, is_local):
    from PIL import Image

    path = tmp_path / f"cat.{name.lower()}"
    Image.new("RGB", (64, 48), "red").save(path, name)
    with Server({"/cat": Page(path.read_bytes(), kind=f"image/{name.lower()}")}) as server:
        row = work.one(path.name if is_local else server.link("/cat"))
    assert (row.status, row.error) == ("dead", f"download: not a video: is a picture ({name}), not a video")


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize(("frames", "status"), [(20, "ok"), (1, "dead")])
def test_an_animated_gif_is_a_video_and_a_still_one_is_not(work, tmp_path, is_local, frames, status):
    from PIL import Image

    pictures = [Image.new("RGB", (64, 48), (12 * n, 0, 0)) for n in range(frames)]
    pictures[0].save(tmp_path / "cat.gif", save_all=True, append_images=pictures[1:], duration=40)
    with Server({"/cat.gif": Page((tmp_path / "cat.gif").read_bytes(), kind="image/gif")}) as server:
        row = work.one("cat.gif" if is_local else server.link("/cat.gif"))
    assert row.status == status
    assert row.path == ("download/a.gif" if status == "ok" else "")
