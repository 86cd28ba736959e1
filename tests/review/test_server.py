"""Requests to the server of `trailers review`, by its own page, by other sites and by other programs."""

from __future__ import annotations

import errno
import http.client
import json
import os
from dataclasses import replace

import pytest
from PIL import Image

from review.lab import TOKEN, link, make_session, serving
from trailers.review.media import player_of, poster_of
from trailers.review.session import per_hour
from trailers.store.candidates import Candidate, Found, write_found
from trailers.store.ledger import DEAD, OK
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.titles import Title

for package in ("starlette", "uvicorn"):
    pytest.importorskip(package, reason="the extra review is not installed")


@pytest.fixture
def served(tmp_path):
    with serving(make_session(tmp_path)) as found:
        yield found


def ask(served, path: str, body: object = None, *, method: str = "", **headers: str):
    """Status, headers and body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    given = {"Host": f"127.0.0.1:{served.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    if data is not None:
        given = {"Content-Type": "application/json", **given}
    connection.request(method or ("GET" if data is None else "POST"), path, data, given)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def show(served, query: str = ""):
    status, _, body = ask(served, f"/{TOKEN}/api/show?{query}")
    assert status == 200
    return json.loads(body)


def decide(served, **body):
    return ask(served, f"/{TOKEN}/api/decide", body)


def test_a_decision_is_in_the_file_before_its_answer_and_the_next_title_is_shown(served):
    first = show(served)["title"]["id"]
    status, _, _ = decide(served, trailer=first, action="accept", url=link(first, 1))
    assert status == 200
    (line,) = served.session.journal.path.read_text().splitlines()[1:]
    assert line.split(",")[1:] == ["ann", "1", first, "accept", link(first, 1), "2", "", "", "."]
    found = show(served, f"after={first}")
    assert found["title"]["id"] != first
    assert (found["progress"]["closed"], found["progress"]["total"], found["progress"]["mine"]) == (1, 4, 1)


def test_the_last_title_has_no_next_one_and_undo_returns_to_it(served):
    for _ in range(4):
        decide(served, trailer=show(served)["title"]["id"], action="reject")
    assert show(served)["title"] is None
    status, _, body = ask(served, f"/{TOKEN}/api/undo", {})
    assert status == 200
    back = json.loads(body)["title"]
    assert show(served)["title"]["id"] == back


def test_a_title_decided_by_one_reviewer_is_not_shown_to_the_other(tmp_path):
    ann, bob = make_session(tmp_path), make_session(tmp_path, who="bob")
    first = ann.show()["title"]["id"]
    bob.decide({"trailer": first, "action": "reject"})
    assert ann.show()["title"]["id"] != first
    assert ann.show()["progress"]["closed"] == 1


def test_a_file_of_decisions_that_is_replaced_while_the_page_is_open_is_read_again(tmp_path):
    session = make_session(tmp_path)
    for title in ("t00", "t01"):
        session.decide({"trailer": title, "action": "reject"})
    assert session.show()["progress"]["closed"] == 2
    before = (tmp_path / "decisions.csv").read_text()
    (tmp_path / "new.csv").write_text(before.replace(",t01,", ",t00,"))
    (tmp_path / "new.csv").rename(tmp_path / "decisions.csv")
    assert session.show()["progress"]["closed"] == 1


def test_the_second_review_does_not_show_earlier_decisions(tmp_path):
    ann = make_session(tmp_path)
    title = ann.show()["title"]["id"]
    ann.decide({"trailer": title, "action": "accept", "url": link(title, 0)})
    again = make_session(tmp_path, review=2)
    shown = again.show(title)["title"]
    assert (shown["verdict"], shown["url"], shown["opinions"]) == ("", "", [])
    assert again.show()["progress"]["closed"] == 0


def test_disagreements_are_shown_with_all_decisions_until_a_third_reviewer_has_decided(tmp_path):
    ann, bob, cleo = (make_session(tmp_path, who=who) for who in ("ann", "bob", "cleo"))
    ann.decide({"trailer": "t01", "action": "reject"})
    bob.decide({"trailer": "t01", "action": "accept", "url": link("t01", 0)})
    found = cleo.show(shown="disagreements")["title"]
    assert found["id"] == "t01"
    assert [(opinion["who"], opinion["action"]) for opinion in found["opinions"]] == [
        ("ann", "reject"),
        ("bob", "accept"),
    ]
    cleo.decide({"trailer": "t01", "action": "reject"})
    assert cleo.show(shown="disagreements")["title"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"trailer": "t00", "action": "accept", "url": "javascript:alert(1)"}, "http or https link"),
        ({"trailer": "t00", "action": "accept", "url": "file:///etc/passwd"}, "http or https link"),
        ({"trailer": "t00", "action": "accept"}, "accept needs a link"),
        ({"trailer": "t00", "action": "undo"}, "not a title"),
        ({"trailer": "t99", "action": "reject"}, "not a title"),
        ({"trailer": "t00", "action": "flag", "url": "https://a.org/b", "flags": ["ugly"]}, "a flag is one of"),
        ({"trailer": "t00", "action": "flag", "url": "https://a.org/b", "flags": "teaser"}, "flags are a list"),
        ({"trailer": "t00", "action": "note", "note": "x" * 301}, "300 characters"),
        (b"[1]", "expected a table"),
        (b"{", "Expecting"),
        (b"x" * 30_000, "more than 20,000 bytes"),
    ],
)
def test_an_invalid_decision_is_refused_with_a_message_and_leaves_no_row(served, body, words):
    status, _, answer = ask(served, f"/{TOKEN}/api/decide", body)
    assert status == 400
    assert words in json.loads(answer)["error"]
    assert not served.session.journal.path.exists()


def test_a_full_disk_is_reported_and_the_title_stays_undecided(served):
    served.session.journal.path.mkdir()
    status, _, answer = decide(served, trailer="t00", action="reject")
    assert status == 500
    path = served.session.journal.path
    assert json.loads(answer)["error"] == (
        f"{path}: cannot be used: is a directory. Choose another path, or change the file or folder there."
    )


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk of this folder is full. Free some space on it"),
        (errno.EDQUOT, "your quota on the disk of this folder is used up. Remove some files or raise the quota"),
        (errno.EIO, "input/output error. Check the disk"),
    ],
)
def test_a_disk_that_refuses_a_decision_is_reported_and_only_complete_rows_remain(
    served, monkeypatch, number, sentence
):
    decide(served, trailer="t00", action="reject")
    path = served.session.journal.path
    before = path.read_bytes()

    write = os.pwrite

    def part_of(handle, data, place):
        """Write the first 9 bytes, as on a nearly full disk, then fail."""
        if place == len(before):
            return write(handle, data[:9], place)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("trailers.machine.trouble.has_no_inodes", lambda place: False)
    with monkeypatch.context() as patched:
        patched.setattr("trailers.store.decisions.os.pwrite", part_of)
        status, _, answer = decide(served, trailer="t01", action="reject")
    assert status == 500
    assert json.loads(answer)["error"] == (
        f"{path if number == errno.EIO else path.parent}: {sentence} and decide again; this decision is not saved, "
        "all earlier ones are."
    )
    assert path.read_bytes() == before
    assert decide(served, trailer="t01", action="reject")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_requests_from_other_sites_are_refused(served, headers):
    for path in ("/", "/api/show", "/assets/review.js"):
        assert ask(served, f"/{TOKEN}{path}", **headers)[0] == 403
    assert ask(served, f"/{TOKEN}/api/decide", {"trailer": "t00", "action": "reject"}, **headers)[0] == 403
    assert not served.session.journal.path.exists()


@pytest.mark.parametrize(
    "path", ["/", "/api/show", "/wrong/", "/wrong/api/show", f"//{TOKEN}/", f"/{TOKEN}", "/%74oken"]
)
def test_without_the_token_every_request_is_refused(served, path):
    assert ask(served, path)[0] == 403


def test_a_form_of_another_page_decides_nothing(served):
    body = b'{"trailer": "t00", "action": "reject"}'
    status, _, _ = ask(served, f"/{TOKEN}/api/decide", body, Content_Type="text/plain")
    assert status == 400
    assert ask(served, f"/{TOKEN}/api/decide?trailer=t00&action=reject")[0] == 405
    assert not served.session.journal.path.exists()


def test_requests_of_the_page_are_accepted_under_both_names_of_this_machine(served):
    for host in (f"127.0.0.1:{served.port}", f"localhost:{served.port}"):
        assert ask(served, f"/{TOKEN}/", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200


def test_every_answer_limits_what_the_page_may_load_and_who_may_frame_it(served):
    for path in (f"/{TOKEN}/", f"/{TOKEN}/api/show", f"/{TOKEN}/assets/review.css", "/wrong/"):
        _, headers, _ = ask(served, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_only_the_assets_of_the_page_are_served(served):
    for name in ("review_show.js", "review.js", "review.css"):
        assert ask(served, f"/{TOKEN}/assets/{name}")[0] == 200
    for name in ("../server.py", "..%2fserver.py", "page.html.j2", "%2e%2e/server.py"):
        assert ask(served, f"/{TOKEN}/assets/{name}")[0] == 404


def test_a_downloaded_video_plays_from_this_machine_and_any_part_can_be_requested(served):
    folder = served.session.layout.download_folder()
    folder.mkdir(parents=True)
    (folder / "t01.mp4").write_bytes(bytes(range(100)))
    facts = {"url": link("t01", 1), "final_url": link("t01", 1)}
    write_receipt(folder / "t01.json", Receipt("t01", OK, "t01.mp4", "0" * 64, "x", facts))
    cards = show(served, "title=t01")["title"]["candidates"]
    assert [card["local"] for card in cards] == ["", "media/t01/video", ""]
    status, headers, body = ask(served, f"/{TOKEN}/media/t01/video", Range="bytes=10-19")
    assert (status, body, headers["Content-Range"]) == (206, bytes(range(10, 20)), "bytes 10-19/100")
    assert ask(served, f"/{TOKEN}/media/t00/video")[0] == 404
    assert ask(served, f"/{TOKEN}/media/..%2f..%2fetc/video")[0] == 404


def test_a_dead_link_or_a_missing_file_gives_no_video(served):
    folder = served.session.layout.download_folder()
    folder.mkdir(parents=True)
    write_receipt(folder / "t00.json", Receipt("t00", DEAD, error="removed"))
    write_receipt(folder / "t01.json", Receipt("t01", OK, "t01.mp4", "0" * 64, "x", {"url": link("t01", 0)}))
    for title in ("t00", "t01"):
        assert ask(served, f"/{TOKEN}/media/{title}/video")[0] == 404
        assert not any(card["local"] for card in show(served, f"title={title}")["title"]["candidates"])


def test_a_poster_is_a_link_or_an_image_and_never_another_file(tmp_path):
    layout = make_session(tmp_path).layout
    Image.new("RGB", (20, 30)).save(tmp_path / "a.png")
    (tmp_path / "secret.png").write_text("no image")
    (tmp_path / "secret.txt").write_text("secret")
    posters = ["a.png", "https://example.com/a.jpg", "secret.png", "secret.txt", "javascript:alert(1)", ""]
    found = [poster_of(layout, Title("t", "T", poster=poster), tmp_path) for poster in posters]
    assert found == [tmp_path / "a.png", "https://example.com/a.jpg", None, None, None, None]


def test_players_are_those_of_known_sites_and_ids_cannot_leave_their_place():
    assert player_of("https://youtu.be/aaaaaaaaaaa").startswith("https://www.youtube-nocookie.com/embed/aaaaaaaaaaa?")
    assert player_of("https://vimeo.com/12345").startswith("https://player.vimeo.com/video/12345?")
    assert player_of("https://www.dailymotion.com/video/x%22%3E").endswith("/embed/video/x%22%3E?autoplay=1")
    assert player_of("https://example.com/watch/1") == ""


def test_a_title_that_was_not_searched_for_can_be_given_a_link(tmp_path):
    session = make_session(tmp_path)
    write_found(session.layout.candidates("t00"), Found("t00", "x", "y", "q", ()))
    session = make_session(tmp_path)
    assert session.show("t00")["title"]["candidates"] == []
    session.decide({"trailer": "t00", "action": "accept", "url": "https://example.com/a"})
    (card,) = session.show("t00")["title"]["candidates"]
    assert (card["url"], card["is_scored"]) == ("https://example.com/a", False)


def test_the_rate_counts_work_and_not_pauses():
    times = [
        f"2026-11-26T12:{minute:02}:{second:02}Z" for minute, second in ((0, 0), (0, 18), (0, 36), (50, 0), (50, 18))
    ]
    assert per_hour(times) == 200
    assert per_hour(times[:2]) is None


def test_a_candidate_of_the_list_keeps_its_place_when_it_is_pasted(tmp_path):
    session = make_session(tmp_path)
    decision = session.decide({"trailer": "t00", "action": "accept", "url": f" {link('t00', 2)} "})
    assert decision.candidate == "3"
    assert replace(decision, when="2026-11-26T12:00:00Z").url == link("t00", 2)
    assert isinstance(session.items["t00"].candidates[0], Candidate)
