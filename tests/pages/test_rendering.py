"""A finished page is checked by its digest, and text from outside is shown as text."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from trailers.errors import StoreError
from trailers.pages import rendering, words
from trailers.pages.timeline import curve

HOSTILE = "</script><script>alert(1)</script>\u2028\"'&"
DATA = {"trailer": "one", "video": HOSTILE, "words": HOSTILE}


def page(**changed):
    values = {
        "trailer": HOSTILE,
        "data": DATA,
        "data_file": HOSTILE,
        "stages": {HOSTILE: [HOSTILE]},
        "warnings": [HOSTILE],
    }
    return rendering.render("trailer.html.j2", {**values, **changed})


def test_html_in_titles_and_messages_is_shown_as_text():
    text = page()
    assert "<script>alert" not in text
    assert "\u2028" not in text.split('id="page">')[1].split("</script>")[0]
    assert len(re.findall("<script", text)) == 4  # theme, data of the page, data of the list, the page's own


def test_the_data_of_a_page_can_be_read_back(tmp_path):
    (tmp_path / "one.html").write_text(rendering.sealed(page()))
    assert rendering.read_page(tmp_path / "one.html") == DATA


@pytest.mark.parametrize("harm", [lambda text: text[:-40], lambda text: text.replace("one", "two"), lambda text: ""])
def test_a_page_that_is_cut_off_or_changed_is_refused(tmp_path, harm):
    (tmp_path / "one.html").write_text(harm(rendering.sealed(page())))
    with pytest.raises(StoreError, match="damaged or truncated"):
        rendering.read_page(tmp_path / "one.html")


def test_no_page_runs_an_inline_script():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page())
    assert policy is not None
    assert "unsafe-inline" not in policy[1]
    assert "default-src 'none'" in policy[1]


def test_the_parts_that_the_script_of_a_page_loads_are_assets():
    script = (rendering.HERE / "assets" / "trailer.js").read_text()
    (parts,) = re.findall(r"PARTS = (\[[^\]]*\])", script)
    assert json.loads(parts) == list(rendering.PARTS)
    for asset in rendering.ASSETS:
        assert (rendering.HERE / "assets" / asset).is_file(), asset


def test_assets_are_written_once(tmp_path):
    folder = tmp_path / "pages" / "assets"
    rendering.write_assets(folder, below=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {path.name for path in before} == set(rendering.ASSETS)
    (folder / "pages.css").write_text("old")
    rendering.write_assets(folder, below=tmp_path)
    changed = [path.name for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == ["pages.css"]


def test_a_curve_has_a_byte_per_frame():
    assert curve(np.array([0, 0.5, 1], np.float32)) == {"step": 1, "values": base64.b64encode(b"\x00\x80\xff").decode()}


def test_a_curve_of_a_long_trailer_keeps_its_peaks():
    values = np.zeros(50_000, np.float32)
    values[[7, 49_999]] = 1
    found = curve(values)
    bytes_of = base64.b64decode(found["values"])
    assert (found["step"], len(bytes_of)) == (3, 16_667)
    assert [n for n, value in enumerate(bytes_of) if value] == [2, 16_666]


def test_counted_nouns_are_singular_or_plural():
    assert words.shot_sentences([24, 48, 72], head="single", threshold=0.5)[0] == (
        "3 shots, the median 48 frames or 2.0 s."
    )
    assert words.clip_sentence("shot24", 1, 0) == "shot24: 1 clip, 0 of them padded with black."
