"""The page of `trailers review`, driven by keys in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from review.lab import link, make_session, serving
from trailers.review.verdicts import verdicts
from trailers.store.ledger import OK
from trailers.store.quality import FlagRow, QualityFile, write_quality
from trailers.store.receipt import Receipt, write_receipt
from web_lab import make_video, until

for package in ("starlette", "uvicorn"):
    pytest.importorskip(package, reason="the extra review is not installed")

WIDE, NARROW = (1400, 900), (400, 860)


class Desk:
    """A reviewer's browser on the page of a session."""

    def __init__(self, browser, served, *, size=WIDE, scheme="light") -> None:
        self.served = served
        width, height = size
        self.page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.page.route("**/*", self.answer)
        self.page.on("pageerror", lambda problem: self.wrong.append(str(problem)))
        self.page.on("console", self.listen)
        self.page.goto(served.page)
        self.page.wait_for_selector("main[aria-busy=false]")

    def listen(self, message) -> None:
        if "Content Security" in message.text:
            self.wrong.append(message.text)

    def answer(self, route) -> None:
        """Answers requests to the server; all others are recorded and refused."""
        if route.request.url.startswith(self.served.page):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def title(self) -> str:
        return self.page.inner_text("#name")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.wait("!state.busy")

    def wait(self, condition: str) -> None:
        """Waits until ``condition`` is true in the page; playwright's waiting needs eval, which the page forbids."""
        until(lambda: self.page.evaluate(condition))

    def decided(self):
        found = verdicts(self.served.session.journal.refresh())
        return {title: (verdict.action, verdict.url) for title, verdict in found.get(("ann", 1), {}).items()}


@pytest.fixture
def open_desk(browser, tmp_path):
    desks, servers = [], []

    def start(session=None, **options) -> Desk:
        server = serving(session or make_session(tmp_path))
        servers.append(server)
        desks.append(Desk(browser, server.__enter__(), **options))
        return desks[-1]

    yield start
    for desk in desks:
        assert desk.wrong == []
        desk.page.close()
    for server in servers:
        server.__exit__(None, None, None)


def test_a_review_by_keys_from_the_first_title_to_the_last(open_desk):
    desk = open_desk()
    assert desk.title() == "Movie <b>3</b> (1993)"  # the most doubtful
    desk.press("a")
    assert desk.title() == "Movie <b>2</b> (1992)"
    desk.press("n", "n", "p", "a")
    desk.press("r")
    desk.press("v")
    desk.page.fill("#link", "https://vimeo.com/12345")
    desk.press("Enter")
    desk.page.wait_for_selector("#done:not([hidden])")
    assert desk.decided() == {
        "t03": ("accept", link("t03", 0)), "t02": ("accept", link("t02", 1)), "t01": ("reject", ""),
        "t00": ("accept", "https://vimeo.com/12345"),
    }  # fmt: skip
    assert "4 of 4 titles are decided, 4 of them by you" in desk.page.inner_text("#doneWords")


def test_undo_returns_to_the_title_and_shows_it_as_undecided(open_desk):
    desk = open_desk()
    desk.press("r", "r", "u", "u")
    assert desk.title() == "Movie <b>3</b> (1993)"
    assert desk.decided() == {}
    desk.press("u")
    assert "nothing to undo" in desk.page.inner_text("#status")


def test_flags_and_notes_are_recorded_at_once_and_shown_when_the_title_returns(open_desk):
    desk = open_desk()
    desk.press("2", "3", "2", "m")
    desk.page.fill("#note", "a <i>note</i>, with a comma")
    desk.press("Enter")
    until(lambda: "Note: a <i>note</i>" in desk.page.inner_text("#noted"))
    desk.press("s", "s", "s", "s")
    assert desk.title() == "Movie <b>3</b> (1993)"
    pressed = desk.page.eval_on_selector_all("[data-flag][aria-pressed=true]", "all => all.map(b => b.dataset.flag)")
    assert pressed == ["fan-made"]
    found = verdicts(desk.served.session.journal.refresh())["ann", 1]["t03"]
    assert (found.note, found.flags) == ("a <i>note</i>, with a comma", {link("t03", 0): ("fan-made",)})
    assert desk.page.inner_text("#list button[aria-current=true] .mark") == " · fan-made"


def test_an_invalid_link_is_refused_with_a_message_and_nothing_is_decided(open_desk):
    desk = open_desk()
    desk.press("v")
    desk.page.fill("#link", "javascript:alert(1)")
    desk.press("Enter")
    desk.page.wait_for_selector("#status.error")
    assert "is not a complete http or https link" in desk.page.inner_text("#status")
    assert desk.decided() == {}
    assert desk.title() == "Movie <b>3</b> (1993)"


def test_keys_typed_into_a_field_decide_nothing(open_desk):
    desk = open_desk()
    desk.press("m", "a", "r", "n")
    assert desk.page.input_value("#note") == "arn"
    desk.press("Escape")
    assert desk.decided() == {}


def test_html_in_titles_is_shown_as_text_and_the_page_loads_only_pictures_and_players(open_desk):
    desk = open_desk()
    assert desk.page.locator("main b b, h1 b, .title b").count() == 0
    desk.press(" ")
    assert desk.page.get_attribute("iframe", "src").startswith("https://www.youtube-nocookie.com/embed/t03-0xxxxxx?")
    desk.page.wait_for_timeout(100)
    hosts = {address.split("/")[2] for address in desk.requests}
    assert hosts <= {"i.ytimg.com", "www.youtube-nocookie.com"}


def test_a_downloaded_video_plays_in_place_of_the_sites_player(open_desk, tmp_path):
    session = make_session(tmp_path)
    folder = session.layout.download_folder()
    folder.mkdir(parents=True)
    make_video(folder / "t03.webm", more=("-c:v", "libvpx", "-deadline", "realtime"))
    facts = {"url": link("t03", 1), "final_url": ""}
    write_receipt(folder / "t03.json", Receipt("t03", OK, "t03.webm", "0" * 64, "x", facts))
    desk = open_desk(session)
    assert desk.page.locator("video").count() == 0
    desk.press("n")
    desk.wait("document.querySelector('video')?.readyState > 0")
    assert desk.page.evaluate("document.querySelector('video').duration") == pytest.approx(2, abs=0.2)
    desk.press(" ")
    desk.wait("document.querySelector('video').currentTime > 0")


def with_quality(session) -> None:
    """The second candidate of t03 is downloaded and measured: black from 1 s to 1.5 s, and dark."""
    folder = session.layout.download_folder()
    folder.mkdir(parents=True)
    make_video(folder / "t03.webm", more=("-c:v", "libvpx", "-deadline", "realtime"))
    write_receipt(folder / "t03.json", Receipt("t03", OK, "t03.webm", "0" * 64, "x", {"url": link("t03", 1)}))
    flags = (FlagRow("black", "black for 0.5 s of 2.0 s", ((24, 36),)), FlagRow("few_shots", "1 shots <b>in</b> 2 s"))
    found = QualityFile("t03", "x", 48, {}, {}, flags, np.zeros(0, np.int64))
    write_quality(session.layout.quality("t03"), found)


def test_flags_are_shown_beside_the_downloaded_candidate_and_their_times_can_be_clicked(open_desk, tmp_path):
    session = make_session(tmp_path)
    with_quality(session)
    desk = open_desk(session)
    assert desk.page.locator("#measured li").count() == 0
    desk.press("n")
    assert desk.page.locator("#measured li").all_inner_texts() == [
        "black: black for 0.5 s of 2.0 s 0:01 to 0:02", "few shots: 1 shots <b>in</b> 2 s",
    ]  # fmt: skip
    assert "few shots" in desk.page.inner_text("#list button[aria-current=true]")
    desk.wait("document.querySelector('video')?.readyState > 0")
    desk.page.click("#measured button")
    desk.wait("document.querySelector('video').currentTime >= 1")
    desk.press("a")  # the keys still work
    assert desk.decided() == {"t03": ("accept", link("t03", 1))}


def test_measurements_of_an_earlier_download_are_not_shown(open_desk, tmp_path):
    session = make_session(tmp_path)
    with_quality(session)
    os.utime(session.layout.quality("t03"), (1, 1))
    desk = open_desk(session)
    desk.press("n")
    assert desk.page.locator("video").count() == 1
    assert desk.page.locator("#measured li").count() == 0


def test_a_video_that_the_browser_cannot_play_is_replaced_by_the_sites_player(open_desk, tmp_path):
    session = make_session(tmp_path)
    folder = session.layout.download_folder()
    folder.mkdir(parents=True)
    (folder / "t03.mp4").write_bytes(b"no video")
    write_receipt(folder / "t03.json", Receipt("t03", OK, "t03.mp4", "0" * 64, "x", {"url": link("t03", 0)}))
    desk = open_desk(session)
    desk.page.wait_for_selector("button.play")


def test_a_stopped_server_is_reported_and_the_title_stays(open_desk):
    desk = open_desk()
    desk.served.stop()
    desk.press("a")
    assert "does not respond" in desk.page.inner_text("#status")
    assert desk.title() == "Movie <b>3</b> (1993)"
    assert desk.decided() == {}


def test_a_key_that_is_held_down_decides_one_title(open_desk):
    desk = open_desk()
    for _ in range(5):
        desk.page.keyboard.down("r")
    desk.wait("!state.busy")
    assert len(desk.decided()) == 1


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits(open_desk, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    desk = open_desk(size=size, scheme=scheme)
    desk.press("1")
    for prepare in (lambda: None, lambda: desk.press("?"), lambda: desk.press("Escape", "v")):
        prepare()
        found = axe.Axe().run(desk.page)
        assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in found.response["violations"]] == []
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_that_decides_can_be_seen_without_scrolling(open_desk):
    desk = open_desk()
    for name in ("accept", "reject", "undo"):
        box = desk.page.locator(f"#actions [data-do={name}]").bounding_box()
        assert box["y"] + box["height"] <= WIDE[1]


def test_the_page_names_no_addresses_of_other_sites():
    text = (Path(__file__).parents[2] / "src/trailers/review/page.html.j2").read_text()
    assert "http" not in text.replace("http or https", "").replace("https://www.youtube.com/watch", "")
