"""The report in a real browser, on a telephone and on a wide screen, light and dark."""

from __future__ import annotations

import shutil

import pytest

from reporting.test_report import add_metrics, made, study  # noqa: F401  a fixture
from reporting.test_report_parts import keep_predictions, predicted, write_page
from trailers.store.layout import Layout

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")

OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"


def test_the_report_is_readable_in_every_window(study):  # noqa: F811
    add_metrics(study)
    keep_predictions(study, [predicted("good", "0.9", 1), predicted("fine", "0.8", 0)])
    write_page(Layout(study.results), "fine")
    Layout(study.results).thumbnail("fine").unlink()
    made(study)
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        # The sandbox of chromium needs rights that containers often lack; the page is this test's own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, theme in ((400, "light"), (1400, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
            page.on("console", lambda said: complaints.append(said.text))
            page.on("pageerror", lambda problem: complaints.append(str(problem)))
            page.goto(study.output.as_uri())
            page.evaluate(OPEN)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe_api.Axe().run(page).response["violations"]
            assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
        page.get_by_role("link", name="fine", exact=True).first.click()
        assert page.url == Layout(study.results).page("fine").resolve().as_uri()
        browser.close()
    assert complaints == []
