"""Pages in a real browser, on a phone and on a wide screen, light and dark."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pages_lab as lab
from trailers.domain import GENRES, Trailer
from trailers.pages.rendering import as_script, read_script, render, write_assets
from trailers.reporting.browse import LIST, TRAILER
from trailers.reporting.browse.listing import make_listing
from trailers.store.ledger import DEAD, OK, LedgerRow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"  # which git ignores
WIDTHS = {400: 850, 1400: 900}
HOSTILE = "\"><script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\"> & 'more'"
TITLES = {"one": "The First", "two": HOSTILE, "three": "The Third", "gone": "Never Found"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/pages of three trailers and a dead one; "one" has predictions: its third clip contributes to "drama"."""
    folder = tmp_path_factory.mktemp("browser")
    layout = lab.make_results(folder, TITLES, dead=["gone"])
    path = layout.page_data("one")
    contributions = [[0] * len(GENRES) for _ in lab.CLIPS]
    contributions[2][GENRES.index("drama")] = 1500
    contributions[4][GENRES.index("drama")] = -400
    probabilities = [0.9 if genre == "drama" else 0.1 for genre in GENRES]
    experiment = {
        "key": "x", "name": "planted", "split": 0, "subset": "test", "clips": "shot24", "method": "By hand.",
        "genres": GENRES, "probabilities": probabilities, "contributions": contributions,
        "snippets": [[0, 54, [int(1000 * p) for p in probabilities]], [54, 96, [500] * len(GENRES)]],
    }  # fmt: skip
    path.write_text(as_script(TRAILER, {**read_script(path, TRAILER), "experiments": [experiment]}))
    return layout.pages_folder()


class Reader:
    """A window with one page; the browser must not report errors or warnings."""

    def __init__(self, browser: sync_api.Browser, address: str, *, width: int = 1400, theme: str = "light") -> None:
        self.complaints: list[str] = []
        size = {"width": width, "height": WIDTHS[width]}
        self.context = browser.new_context(viewport=size, color_scheme=theme)
        self.page = self.context.new_page()
        self.page.on("console", self.listen)
        self.page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        self.page.goto(address)
        self.wait()

    def listen(self, message: sync_api.ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def wait(self) -> None:
        self.page.wait_for_selector("body[data-ready=true]")
        self.page.wait_for_load_state("load")

    def text(self, selector: str) -> str:
        return re.sub(r"\s+", " ", self.page.locator(selector).first.inner_text()).strip()

    def count(self, selector: str) -> int:
        return self.page.locator(selector).count()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def close(self) -> None:
        assert self.complaints == []
        self.context.close()


@pytest.fixture
def read(browser: sync_api.Browser) -> Iterator[object]:
    readers: list[Reader] = []

    def open_page(path: Path, **options: object) -> Reader:
        readers.append(Reader(browser, path.as_uri(), **options))  # type: ignore[arg-type]
        return readers[-1]

    yield open_page
    for reader in readers:
        reader.close()


def violations(reader: Reader) -> list[str]:
    """The problems that axe-core rates as serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # Without "preload" it would request the style sheet again, which the page's policy refuses.
    options = {"resultTypes": ["violations"], "preload": False}
    found = axe.Axe().run(reader.page, options=options).response["violations"]
    return [
        f"{each['id']}: {node['html'][:120]}: {node['failureSummary'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["one", "two", "index"])
def test_pages_fit_every_screen_and_are_accessible(pages, read, name, width, theme):
    reader = read(pages / f"{name}.html", width=width, theme=theme)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= width
    assert reader.page.evaluate("document.documentElement.dataset.theme") == theme
    assert violations(reader) == []
    SCREENSHOTS.mkdir(exist_ok=True)
    reader.page.screenshot(path=SCREENSHOTS / f"small-{name}-{width}-{theme}.png", full_page=True)


def test_html_in_a_title_is_shown_as_text(pages, read):
    reader = read(pages / "two.html")
    assert reader.text("h1") == HOSTILE
    assert reader.page.title() == HOSTILE
    listed = read(pages / "index.html")
    assert listed.page.locator("#rows .name").nth(1).inner_text() == HOSTILE
    assert listed.count("#rows script") == listed.count("#rows li img[src=x]") == 0


def test_the_strip_shows_every_shot_and_its_clips(pages, read):
    reader = read(pages / "one.html")
    assert reader.count("#strip .shot") == 3
    assert reader.text("#shot-heading") == "Shot 1 of 3: 0.00 s to 1.25 s, 30 frames"
    assert reader.count("#clips .clip") == 2
    assert "18 black frames" in reader.text("#clips .clip:nth-child(2)")
    reader.page.locator("#strip .shot").nth(1).click()
    assert reader.text("#shot-heading") == "Shot 2 of 3: 1.25 s to 2.25 s, 24 frames"
    assert reader.text("#time") == "1.25 s · frame 30 · shot 2"
    assert reader.count("#clips .clip") == 1


def test_keys_move_through_shots_frames_genres_and_trailers(pages, read):
    reader = read(pages / "one.html")
    reader.press("ArrowRight", "ArrowRight")
    assert "shot 3" in reader.text("#time")
    reader.press("ArrowLeft", ".", ".", ",")
    assert reader.text("#time") == "1.29 s · frame 31 · shot 2"
    reader.press("Home")
    assert "frame 0" in reader.text("#time")
    chosen = "#genre-choice [aria-pressed=true]"
    assert "drama" in reader.text(chosen)  # the most probable one
    reader.press("g")
    assert "fantasy" in reader.text(chosen)
    reader.press("G", "c")  # the clip that contributes most to drama
    assert "frame 30" in reader.text("#time")
    assert "+1.50 drama" in reader.text("#clips .clip")
    reader.press("j")
    reader.wait()
    assert reader.page.url.endswith("two.html")
    reader.press("k")
    reader.page.wait_for_url("**/one.html")
    reader.press("Escape")
    reader.page.wait_for_url("**/index.html")


def test_the_video_plays_and_the_strip_follows(pages, read):
    reader = read(pages / "one.html")
    reader.press("Space")
    sync_api.expect(reader.page.locator("#time")).to_contain_text("shot 3", timeout=15_000)
    assert not reader.page.locator("#no-video").is_visible()


def test_without_the_video_the_nearest_picture_is_shown(pages, tmp_path, browser):
    shutil.copytree(pages, tmp_path / "pages")
    reader = Reader(browser, (tmp_path / "pages" / "one.html").as_uri())
    reader.page.wait_for_selector("#still", state="visible")
    assert reader.text("#no-video") == "The video is not available here; pictures are shown instead."
    reader.press("ArrowRight")
    assert "shot 2" in reader.text("#time")
    shown = np.asarray(Image.open(io.BytesIO(reader.page.locator("#still").screenshot())).convert("RGB"))
    assert shown.std() > 10  # an empty canvas is black
    reader.context.close()  # the browser rightly reports the missing video


def test_the_strip_zooms_from_the_whole_trailer_to_single_frames(pages, read):
    reader = read(pages / "one.html", width=400)
    width = "document.getElementById('film').offsetWidth / document.getElementById('scroller').clientWidth"
    reader.press("0")
    assert reader.page.evaluate(width) == pytest.approx(1, abs=0.01)
    for _ in range(12):
        reader.press("+")
    assert reader.page.evaluate(width) > 4
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_theme_is_chosen_by_a_button_and_remembered(pages, read):
    reader = read(pages / "index.html", theme="light")
    reader.page.locator("#theme").click()
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "dark"
    reader.page.reload()
    reader.wait()
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_list_is_searched_filtered_and_read_with_keys_alone(pages, read):
    reader = read(pages / "index.html")
    assert reader.text("#found") == "4 trailers"
    reader.press("/")
    reader.page.keyboard.type("third")
    assert (reader.text("#found"), reader.text("#rows .name")) == ("1 of 4 trailers", "The Third")
    reader.press("Escape")
    reader.page.select_option("#status", label="dead (1)")
    assert reader.text("#rows > li") == "Never Found gone comedy drama download: removed: “<b>gone</b>” dead"
    assert reader.count("#rows a") == 0
    reader.page.locator("#clear").click()
    reader.page.evaluate("document.activeElement.blur()")
    reader.press("j", "j", "k", "Enter")
    reader.page.wait_for_url("**/one.html")
    reader.page.go_back()
    reader.wait()
    assert reader.text("#found") == "4 trailers"


def test_an_address_with_an_id_finds_that_trailer(pages, browser):
    reader = Reader(browser, f"{(pages / 'index.html').as_uri()}#gone")
    assert reader.text("#rows .name") == "Never Found"
    reader.close()


def many(count: int) -> tuple[list[Trailer], dict]:
    """Trailers and ledgers; every tenth is dead."""
    trailers = [
        Trailer(f"tt{n:07d}", (), f"Film {n:05d}: {('Night', 'Day')[n % 2]}", (GENRES[n % 10],), (n % 3, 0, None))
        for n in range(count)
    ]
    facts = [{"frames": 2000 + n % 999, "shots": n % 200, "clips": 9} for n in range(count)]
    table = {row.trailer: LedgerRow(row.trailer, OK, facts=known) for row, known in zip(trailers, facts, strict=True)}
    rows = {key: dict(table) for key in (("download",), ("normalise",), ("shots",), ("clips", "shot24"))}
    for trailer in trailers[::10]:
        rows["download",][trailer.trailer] = LedgerRow(trailer.trailer, DEAD, facts={"reason": "removed"}, error="x")
    return trailers, rows


def test_a_list_of_12000_trailers_is_filtered_within_a_second(tmp_path, read):
    trailers, rows = many(12_000)
    (tmp_path / "index.js").write_text(as_script(LIST, {**make_listing(trailers, rows, []), "root": ""}))
    values = {"root": "", "script": "index.js", "trailers": len(trailers), "report": ""}
    (tmp_path / "index.html").write_text(render("index.html.j2", values))
    write_assets(tmp_path / "assets", below=tmp_path)
    reader = read(tmp_path / "index.html", width=400)
    reader.page.locator("#q").fill("night 119")
    assert reader.text("#found") == "60 of 12,000 trailers"  # even ones of 1190 to 1199, 11190 to 11199, 11900 to 11999
    took = [int(reader.page.evaluate("document.body.dataset.ms"))]
    reader.page.locator("#q").fill("")
    reader.page.locator("#more").click()
    reader.page.select_option("#sort", "shots")
    reader.page.select_option("#status", label="dead (1,200)")
    took.append(int(reader.page.evaluate("document.body.dataset.ms")))
    assert reader.text("#found") == "1,200 of 12,000 trailers"
    assert reader.count("#rows > li") == 40
    reader.press("]")
    assert reader.text("#place") == "41 to 80"
    assert max(took) < 1000


@pytest.mark.slow
def test_the_pages_of_the_demo_open_without_errors_and_show_which_clip_contributes_to_action(finished_demo, read):
    folder = finished_demo / "results" / "pages"
    reader = read(folder / "demo" / "index.html")
    assert reader.text("#counts") == "13 ok · 1 dead"
    SCREENSHOTS.mkdir(exist_ok=True)
    names = sorted(path.stem for path in folder.glob("*.html"))
    assert len(names) == 13
    for name in names:
        opened = read(folder / f"{name}.html")
        assert violations(opened) == []
        assert opened.count("#near-list li") == 8
    for width in WIDTHS:
        for theme in ("light", "dark"):
            shown = read(folder / "demo-action-3.html", width=width, theme=theme)
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
            shown.page.locator("#near").scroll_into_view_if_needed()
            shown.page.wait_for_timeout(300)  # pictures further down are loaded when they are near
            shown.page.screenshot(path=SCREENSHOTS / f"demo-trailer-{width}-{theme}.png", full_page=True)
            listed = read(folder / "demo" / "index.html", width=width, theme=theme)
            listed.page.screenshot(path=SCREENSHOTS / f"demo-list-{width}-{theme}.png", full_page=True)
    reader.press("j", "Enter")
    reader.page.wait_for_url("**/demo-action-1.html")
    reader.wait()
    assert "action" in reader.text("#genre-choice [aria-pressed=true]")
    reader.press("c")
    assert re.search(r"\+\d\.\d\d+ action", reader.text("#clips"))
