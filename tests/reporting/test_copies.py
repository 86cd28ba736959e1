"""The report's section on copies and on trailers that flags exclude."""

import argparse

import pytest

from trailers.reporting import report
from trailers.reporting.report.copies import Copy, copies_of
from trailers.store.duplicates import Duplicate, Excluded, write_rows
from trailers.store.layout import Layout


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "results")
    pairs = [
        Duplicate("b", "a", "a", 0.954, 50, 0, 1.0, "train/test", "", "validation/test"),
        Duplicate("c", "a", "a", 0.5, 20, 0, 1.0, "train/test", "", ""),
        Duplicate("demo", "a", "a", 0.5, 20, 0, 1.0, "train/test", "", ""),
    ]
    write_rows(layout.duplicates(), pairs, Duplicate, {})
    out = [Excluded("b", "dark", "x"), Excluded("b", "duplicate", "x"), Excluded("c", "duplicate", "x")]
    write_rows(layout.excluded(), out, Excluded, {})
    return layout


def test_pairs_leaks_and_flags_are_those_of_the_manifests_trailers(layout):
    assert copies_of(["a", "b", "c"], layout) == {
        "copies": [
            Copy("b", "a", "95%", "split0: train/test, split2: validation/test"),
            Copy("c", "a", "50%", "split0: train/test"),
        ],
        "leaking": {"split0": 2, "split2": 1},
        "left_out": {"duplicate": 2, "dark": 1},
        "left_out_trailers": 2,
    }


def test_the_page_shows_copies_and_flags(layout):
    manifest = layout.root.parent / "m.csv"
    manifest.write_text("trailer,url\na,a.mp4\nb,b.mp4\nc,c.mp4\n")
    parser = argparse.ArgumentParser()
    report.add_flags(parser)
    page = layout.root.parent / "index.html"
    words = ["--manifest", str(manifest), "--results", str(layout.root), "--output", str(page)]
    report.run(parser.parse_args(words))
    text = page.read_text()
    assert "2 pairs of trailers show the same pictures" in text
    assert "In split0, 2 of them are in different subsets." in text
    assert "2 trailers are excluded from training and tests, by flag: duplicate 2, dark 1." in text


def test_a_damaged_list_of_copies_is_reported_and_not_shown(layout, caplog):
    layout.duplicates().write_text("# duplicates/1\n")
    found = copies_of(["a", "b", "c"], layout)
    assert (found["copies"], found["leaking"]) == ([], {})
    assert "duplicates.csv" in caplog.text


def test_a_study_without_the_quality_stage_has_no_section_on_copies(tmp_path):
    found = copies_of(["a"], Layout(tmp_path))
    assert not any(found.values())
