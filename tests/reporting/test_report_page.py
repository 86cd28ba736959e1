"""The page of the report: escaped text, no paths of this machine, nothing loaded from outside, contrast, contents."""

from __future__ import annotations

import re

import pytest

from report_lab import (
    SHARD,
    add_metrics,
    add_warnings,
    made,
    plain,
)
from trailers.__main__ import main
from trailers.reporting import report
from trailers.reporting.local_paths import without_local_paths
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("/disk/me/videos/a.mp4: is empty", "a.mp4: is empty"),
        ("see file:///disk/me/a.mp4 (at '/tmp/x/y.json')", "see a.mp4 (at 'y.json')"),
        (
            "https://example.org/a/b.mp4 and 10/12/2020, Face/Off",
            "https://example.org/a/b.mp4 and 10/12/2020, Face/Off",
        ),
        ({"weights": ["~/weights/a/b.pth", 3]}, {"weights": ["b.pth", 3]}),
    ],
)
def test_no_path_of_a_machine_is_shown(words, shown):
    assert without_local_paths(words) == shown


def test_paths_below_the_working_folder_are_shown_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert without_local_paths(f"{tmp_path}/results/a.mp4: is empty") == "results/a.mp4: is empty"


def test_a_page_names_no_path_of_a_machine(study):
    path = Layout(study.results).ledger("download", SHARD)
    rows = read_ledger(path)
    error = "download: not a video: /disk/somebody/my videos/gone.mp4: is empty"
    rows["gone"] = LedgerRow("gone", "dead", error=error, facts={"reason": "not a video"})
    write_ledger(path, rows.values())
    study.settings = {"embed": {"weights_dir": "/disk/somebody/weights"}}
    html = made(study)
    assert "/disk" not in html
    assert "somebody" not in html
    assert "weights_dir weights" in plain(html)


def test_text_from_outside_is_escaped(study):
    html = made(study)
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;title&#39;)&lt;/script&gt;" in html
    assert "<b>taken" not in html


def test_nothing_is_fetched_from_outside(study):
    add_metrics(study)
    html = made(study)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", html))
    assert addresses <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names of the SVG, not addresses
    assert not re.search(r"<(link|img|script|iframe|object)\b|@import|url\((?!#)", html)


def test_the_same_study_gives_the_same_bytes(study):
    add_metrics(study)
    assert made(study) == made(study)


def test_every_entry_of_the_contents_leads_to_a_section(study):
    add_warnings(study)
    add_metrics(study)
    html = made(study)
    entries = re.findall(r'<li><a href="#(\w+)">([^<]*)</a>', html)
    sections = re.findall(r'<h2 id="(\w+)">([^<]*)</h2>', html)
    assert entries == sections
    assert len(entries) == 9


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_of_text_has_a_contrast_of_four_and_a_half(study, scheme):
    html = made(study)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{([^}]*)\}", html)[scheme]))
    assert "opacity" not in html[: html.index("</style>")]  # it would reduce the contrast
    for ground in ("paper", "card"):
        for ink in ("ink", "faint", "accent", "good", "warn", "bad"):
            bright, dim = sorted((luminance(colours[ground]), luminance(colours[ink])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ground, ink)


def test_the_page_does_not_contain_the_path_of_the_project(study, tmp_path, monkeypatch):
    assert str(tmp_path) not in made(study)
    assert "Manifest manifest.csv" in plain(made(study))
    (tmp_path / "lists").mkdir()
    study.manifest = study.manifest.rename(tmp_path / "lists" / "mine.csv")
    monkeypatch.chdir(tmp_path)
    assert "Manifest lists/mine.csv" in plain(made(study))


def test_tables_and_figures_of_the_paper_are_shown_within_the_page(study, tmp_path):
    (tmp_path / "tables.html").write_text("<table id='two'></table>")
    (tmp_path / "labels.svg").write_text("<svg/>")
    study.tables, study.figures = tmp_path / "tables.html", tmp_path
    page = made(study)
    assert "<table id='two'></table>" in page
    assert page.count("data:image/svg+xml;base64,PHN2Zy8+") == 1
    assert 'trailers that have both of two genres." src="data:image/svg+xml;base64,PHN2Zy8+"' in page
    assert "Fig. 8: durations of shots. Not drawn: its input is missing." in plain(page)
    assert "both of two genres. Not drawn" not in plain(page)


def test_settings_are_those_that_were_given(study):
    assert "None were given; every product" in plain(made(study))
    study.settings = report.sections('{"shots": {"threshold": 0.9, "head": "<single>"}}')
    text = plain(made(study))
    assert "shots threshold 0.9 head &lt;single&gt; As set in config.yaml" in text


@pytest.mark.parametrize("word", ["[]", "{", '{"shots": 0.9}'])
def test_settings_that_are_not_sections_are_refused(study, capsys, word):
    words = ["report", "--manifest", str(study.manifest), "--output", str(study.output), "--settings", word]
    with pytest.raises(SystemExit):
        main(words)
    assert "--settings" in capsys.readouterr().err
