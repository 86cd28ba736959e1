"""The numbers of a set of trailers: Table 1 and Figures 2, 3 and 4."""

from __future__ import annotations

import pytest

from trailers.domain import Trailer
from trailers.reporting.statistics import label_counts, overview, title_counts
from trailers.store.metadata import Metadata

TITLES = [
    Metadata(1999, ("US", "GB"), ("English",)),
    Metadata(1999, ("US",), ("English", "French")),
    Metadata(2001, ("FR",), ()),
    Metadata(),
]


def test_cardinality_is_the_mean_number_of_genres_and_density_its_share_of_ten():
    trailers = [Trailer("a", ("x",), genres=("action", "drama")), Trailer("b", ("x",), genres=("drama",))]
    counts = label_counts(trailers)
    assert (counts["cardinality"], counts["density"]) == (1.5, 0.15)
    assert counts["trailers"] == {"1": 1, "2": 1}


def test_a_title_counts_for_each_of_its_countries_and_unknown_titles_do_not_count():
    counts = title_counts(TITLES, [])
    assert counts["countries"] == {"titles": 3, "names": 3, "first": {"US": 2, "FR": 1, "GB": 1}, "titles_of_first": 3}
    assert counts["languages"]["titles"] == 2
    assert counts["years"] == {"1999": 2, "2001": 1}


def test_the_first_fifteen_names_are_shown_and_the_others_are_counted():
    titles = [Metadata(None, (f"c{number:02d}",)) for number in range(16)] + [Metadata(None, ("c15", "c00"))]
    counts = title_counts(titles, [])["countries"]
    assert list(counts["first"])[:3] == ["c00", "c15", "c01"]
    assert (len(counts["first"]), counts["names"], counts["titles"], counts["titles_of_first"]) == (15, 16, 17, 16)


def test_durations_are_counted_by_ten_seconds_of_24_frames():
    counts = title_counts([], [24 * 30, 24 * 39, 24 * 149, 24 * 150])["durations"]
    assert counts["bins_s"] == {"30": 2, "140": 1, "150": 1}
    assert (counts["frames"], counts["range_s"], counts["shorter_than_150_s"]) == (24 * 368, [30.0, 150.0], 3)


def test_the_row_of_table_1_is_compared_with_that_of_trailers12k():
    trailers = [
        Trailer("a", ("https://example.org/a",), genres=("action", "drama"), poster="a.jpg"),
        Trailer("b", ("b.mp4",), genres=("drama",), verified=True),
        Trailer("c", ("c.mp4",)),
    ]
    titles = {"a": Metadata(1999, ("US",)), "b": Metadata(2001)}
    counts = title_counts(titles.values(), [24 * 60, 24 * 180])
    rows = {name: (own, published) for name, own, published in overview(trailers, titles, counts, [2, 2])}
    assert rows == {
        "trailers": ("3", "12,000"),
        "checked by a person": ("1", "all"),
        "genres": ("2", "10"),
        "genres per trailer (cardinality)": ("1.50", "2.5"),
        "share of the genres per trailer (density)": ("0.150", "0.25"),
        "links to trailers": ("1", "yes"),
        "vectors of images (2D backbones)": ("yes", "yes"),
        "vectors of clips (3D backbones)": ("no", "yes"),
        "posters": ("1", "12,000"),
        "years, countries or languages": ("2", "yes"),
        "countries": ("1", "128"),
        "languages": ("", "200"),
        "years": ("1999 to 2001", ""),
        "hours at 24 fps": ("0.07", "407.61"),
        "frames at 24 fps": ("5,760", "35,217,616"),
        "shortest and longest (s)": ("60 to 180", "30 to 210"),
        "shorter than 150 s": ("50.0 %", "87.9 %"),
    }


def test_without_data_nothing_is_stated():
    rows = {name: own for name, own, _ in overview([], {}, title_counts([], []), [])}
    assert rows["hours at 24 fps"] == rows["years"] == rows["genres per trailer (cardinality)"] == ""
    assert rows["trailers"] == "0"


@pytest.mark.parametrize("frames", [[], [1]])
def test_one_frame_is_a_duration(frames):
    assert title_counts([], frames)["durations"]["trailers"] == len(frames)
