"""The report in a real browser, on a phone and on a wide screen, light and dark."""

from __future__ import annotations

import pytest

from report_lab import add_metrics, made
from reporting.test_report_parts import keep_predictions, predicted, write_page
from trailers.store.layout import Layout

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"


def test_the_report_is_readable_in_every_window(study, browser):
    add_metrics(study)
    keep_predictions(study, [predicted("good", "0.9", 1), predicted("fine", "0.8", 0)])
    write_page(Layout(study.results), "fine")
    Layout(study.results).thumbnail("fine").unlink()
    made(study)
    complaints: list[str] = []
    for width, theme in ((400, "light"), (1400, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.goto(study.output.as_uri())
        page.evaluate(OPEN)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe_api.Axe().run(page).response["violations"]
        assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    page.get_by_role("link", name="fine", exact=True).first.click()
    assert page.url == Layout(study.results).page("fine").resolve().as_uri()
    assert complaints == []
