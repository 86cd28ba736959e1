"""Sections of the report other than counts: links to pages, doubts, predictions, the data set."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from report_lab import BACKBONE, SHARD, add_metrics, made, plain
from trailers.backbones.row import Transform, resized_side
from trailers.classifier.metrics import areas, precision_recall
from trailers.domain import GENRES, Trailer
from trailers.reporting.drawing.curves import draw_scores, thinned
from trailers.reporting.report.doubts import doubts, flagged
from trailers.reporting.report.pages import Pages
from trailers.reporting.report.predictions import examples, genre_scores
from trailers.reporting.report.predictions import test_rows as read_test_rows
from trailers.reporting.report.sources import source_tables
from trailers.reporting.report.stages import Stage
from trailers.store.experiment import PREDICTIONS, write_table
from trailers.store.experiment_files import prediction_columns
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, write_ledger


def write_page(layout, trailer):
    layout.page(trailer).parent.mkdir(parents=True, exist_ok=True)
    layout.page(trailer).write_text("<html>")
    layout.thumbnail(trailer).write_bytes(b"picture of " + trailer.encode())


def test_a_trailer_with_a_page_is_linked_and_one_without_is_not(study):
    layout = Layout(study.results)
    for trailer in ("gone", "fine"):
        write_page(layout, trailer)
    html = made(study)
    assert '<a href="../pages/gone.html">gone</a>' in html
    assert '<a href="../pages/fine.html">fine</a>' in html
    assert "pages/late.html" not in html
    assert "a page per trailer" not in html


def test_the_list_of_pages_is_that_of_the_reports_study(tmp_path):
    layout = Layout(tmp_path)
    layout.page_index("demo").parent.mkdir(parents=True)
    layout.page_index("demo").write_text("<html>")
    assert Pages(layout, layout.report("demo")).index() == "../../pages/demo/index.html"
    assert Pages(layout, layout.report()).index() == ""
    assert Pages(layout, tmp_path / "elsewhere.html").index() == ""


def test_a_thumbnail_is_embedded_in_the_report_and_another_file_is_not(tmp_path):
    layout = Layout(tmp_path)
    write_page(layout, "a")
    pages = Pages(layout, layout.report())
    assert pages.picture("a") == base64.b64encode(b"picture of a").decode()
    layout.thumbnail("a").write_bytes(bytes(1 << 20))
    assert pages.picture("a") == pages.picture("missing") == ""


def row(trailer, **facts):
    return LedgerRow(trailer, "ok", facts=facts)


def test_doubts_are_listed_with_their_trailers():
    trailers = [
        Trailer("a", ("dQw4w9WgXcQ",), splits=(0, 0, 0)),
        Trailer("b", ("https://youtu.be/dQw4w9WgXcQ",), splits=(2, 0, 0)),
        Trailer("c", ("x.mp4",)),
    ]
    size = {"frames": 100, "width_px": 320, "height_px": 180}
    rows = {
        "a": row("a", frames_duplicated=37, **size),
        "b": row("b", frames_duplicated=20, **size),
        "c": row("c", **size),
    }
    backbones = [
        {"backbone": "big", "attributes": {"transform": "resize short side 256 (bicubic), centre crop 224x224"}},
        {"backbone": "small", "attributes": {"transform": "resize 112x180 (bilinear), centre crop 112x112"}},
    ]
    found = doubts(trailers, Path(), [Stage("normalise", (), rows)], {"a": 1, "b": 9}, backbones)
    assert [(doubt.what.split(":")[0], doubt.trailers) for doubt in found] == [
        ("1 video of several trailers", ("a", "b")),
        ("1 trailer with more than 20% of the frames shown twice", ("a",)),
        ("1 trailer of one shot (50.0 %)", ("a",)),
        ("big enlarges the pictures of 3 trailers", ()),
    ]
    assert "1 of them are both trained on and tested on" in found[0].what
    assert "it needs a short side of 256 px, but the median of these is 180 px" in found[3].what


def test_without_problems_there_are_no_doubts():
    good = {"a": row("a", frames=100, frames_duplicated=0, width_px=456, height_px=256)}
    backbones = [{"backbone": "x", "attributes": {"transform": "resize short side 256 (bicubic), centre crop 224x224"}}]
    folder = Path()
    assert doubts([Trailer("a", ("x",))], folder, [Stage("normalise", (), good)], {"a": 20}, backbones) == []


@pytest.mark.parametrize(("resize", "side"), [((256,), 256), ((112, 171), 112)])
def test_the_side_that_a_transform_resizes_to_is_read_from_its_words(resize, side):
    transform = Transform(resize, (112, 112), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert resized_side(str(transform)) == side


def test_text_that_is_not_a_transform_gives_no_side():
    assert resized_side("") is resized_side("made elsewhere") is None


def test_flags_of_the_stage_quality_are_grouped_and_shown(study):
    rows = [row("good", flags={"vertical": "9:16"}), row("fine", flags={"vertical": "9:16", "dark": "level 7 <b>"})]
    groups = flagged({each.trailer: each for each in rows})
    assert [(group.reason, [trailer for trailer, _ in group.trailers]) for group in groups] == [
        ("vertical", ["good", "fine"]), ("dark", ["fine"]),
    ]  # fmt: skip
    skipped = [LedgerRow(name, "skipped") for name in ("gone", "late")]
    write_ledger(Layout(study.results).ledger("quality", SHARD), [*rows, *skipped])
    html = made(study)
    assert "flagged in quality: dark (1) fine level 7 &lt;b&gt;" in plain(html)


def test_rates_and_formats_are_counted():
    facts = {"codec": "h264", "container": "mov,mp4,m4a", "source_height_px": 720, "interlaced": False}
    rows = {
        "a": row("a", source_fps=23.976, **facts), "b": row("b", source_fps=25.0, **facts),
        "c": row("c", source_fps=25.0, **facts | {"interlaced": True, "variable_rate": True}),
        "d": LedgerRow("d", "dead", facts={"source_fps": 60.0}),
    }  # fmt: skip
    assert source_tables([Stage("normalise", (), rows)]) == {
        "frames per second": [("25", "2 (66.7 %)"), ("23.976", "1 (33.3 %)")],
        "codec and container": [("h264, mov", "3 (100.0 %)")],
        "height (px)": [("720", "3 (100.0 %)")],
        "pictures": [("progressive", "2 (66.7 %)"), ("interlaced, variable rate", "1 (33.3 %)")],
    }
    assert source_tables([]) == {}


def predicted(trailer, action, label, subset="test"):
    """A row of predictions.csv: the probability of action, and whether the trailer has it."""
    return [trailer, subset, action, *["0.01"] * (len(GENRES) - 1), str(label), *["0"] * (len(GENRES) - 1)]


ROWS = [
    predicted("hit", "0.9", 1), predicted("miss", "0.1", 1), predicted("false", "0.8", 0), predicted("right", "0.2", 0),
    predicted("other", "1.0", 1, "validation"),
]  # fmt: skip


def test_examples_are_the_clearest_hits_misses_and_false_alarms_of_the_test_set():
    action, *others = examples([read_test_rows(ROWS, 10)], count=1)
    assert (action.found, action.missed, action.claimed) == ((("hit", 0.9),), (("miss", 0.1),), (("false", 0.8),))
    assert all(not other.found for other in others)


def test_a_trailer_in_two_test_sets_is_shown_with_the_first_prediction():
    second = [predicted("hit", "0.3", 1), predicted("new", "0.5", 1)]
    action = examples([read_test_rows(ROWS, 10), read_test_rows(second, 10)])[0]
    assert action.found == (("hit", 0.9), ("new", 0.5), ("miss", 0.1))
    assert action.missed == ()


def test_the_scores_of_a_genre_are_its_areas_shares_and_curves():
    (score,) = genre_scores([read_test_rows(ROWS, 10)])
    assert (score.genre, score.shares) == ("action", (50.0,))
    recall, precision = score.curves[0]
    assert recall.tolist() == [0, 0.5, 0.5, 0.5, 1]
    assert precision.tolist() == pytest.approx([1, 1, 1 / 2, 1 / 3, 1 / 2])
    assert score.areas == (pytest.approx(100 * (0.5 + 0.5 * (1 / 3 + 1 / 2) / 2)),)


def test_the_area_under_the_curve_is_the_one_that_is_reported():
    random = np.random.default_rng(0)
    labels, scores = random.integers(0, 2, 300), np.round(random.random(300), 2)  # with equal scores
    recall, precision = precision_recall(labels, scores)
    area = (np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum()
    assert area == pytest.approx(areas(labels[None], scores[None])["trapezoid"][0])


def test_a_thinned_curve_keeps_its_ends_and_few_points():
    recall, precision = thinned(np.linspace(0, 1, 5000), np.linspace(1, 0.25, 5000))
    assert len(recall) <= 60
    assert (recall[0], recall[-1], precision[0], precision[-1]) == (0, 100, 100, 25)


def test_every_genre_has_a_panel_and_a_bar():
    labels = np.eye(len(GENRES), dtype=int)
    rows = [[f"t{n}", "test", *["0.5"] * len(GENRES), *map(str, own)] for n, own in enumerate(labels)]
    figure = draw_scores(genre_scores([read_test_rows(rows, 10)] * 3))
    figure.draw_without_rendering()
    bars, *panels = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == list(GENRES)
    assert [label.get_text() for label in bars.get_yticklabels()] == list(GENRES)
    assert all(len(axes.lines) == 3 + 1 for axes in panels)


def keep_predictions(study, rows):
    for metrics in study.metrics:
        write_table(metrics.with_name(PREDICTIONS), prediction_columns(GENRES), rows)


def test_predictions_that_were_kept_are_drawn_and_shown_with_pictures(study):
    add_metrics(study)
    keep_predictions(study, [predicted("good", "0.9", 1), predicted("fine", "0.8", 0)])
    write_page(Layout(study.results), "good")
    html = made(study)
    words = plain(html)
    assert "Examples from the test sets of main" in words
    assert "Trailers of the genre, most probable first: The Good 0.900" in words
    assert "Other trailers, most probable first: &lt;script&gt;alert(&#39;title&#39;)&lt;/script&gt; 0.800" in words
    picture = base64.b64encode(b"picture of good").decode()
    assert f'<a href="../pages/good.html"><img alt="" src="data:image/jpeg;base64,{picture}">The Good</a>' in html
    assert "AP, trapezoid (%)" in html


def test_the_report_states_what_macro_ap_counts_for_genres_without_test_trailers(study):
    add_metrics(study)
    assert "As scikit-learn does" not in made(study)
    for path in study.metrics:
        metrics = json.loads(path.read_text())
        metrics["settings"]["no_positives"] = "sklearn"
        metrics["positives"]["test"]["horror"] = 0
        path.write_text(json.dumps(metrics))
    words = plain(made(study))
    assert "main: some test set has no trailer of horror. As scikit-learn does, macro AP counts" in words
    assert "50 under trapezoid and as 0 under step" in words


def test_without_kept_predictions_the_report_is_made_without_them(study):
    add_metrics(study)
    words = plain(made(study))
    assert "Examples from the test sets" not in words
    assert "60.00" in words or "63.00" in words


def test_the_data_set_is_compared_with_trailers12k(study, tmp_path):
    (tmp_path / "metadata.csv").write_text("trailer,year,countries\ngood,1999,<script>x</script>\nother,1890,FR\n")
    study.metadata = [tmp_path / "metadata.csv"]
    html = made(study)
    words = plain(html)
    assert "trailers 4 12,000" in words
    assert "genres per trailer (cardinality) 1.25 2.5" in words
    assert "share of the genres per trailer (density) 0.125 0.25" in words
    assert "vectors of images (2D backbones)" in words
    assert "years 1999 to 1999" in words
    assert "<script>x" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert len(re.findall(r"\((?:Fig\. [234])\)\.</figcaption>", html)) == 3


def test_every_id_is_unique_in_the_report(study):
    add_metrics(study)
    keep_predictions(study, [predicted("good", "0.9", 1), predicted("fine", "0.8", 0)])
    ids = re.findall(r'\sid="([^"]*)"', made(study))
    assert len(ids) == len(set(ids))


def test_the_same_results_give_the_same_report(study):
    add_metrics(study)
    keep_predictions(study, [predicted("good", "0.9", 1), predicted("fine", "0.8", 0)])
    assert made(study) == made(study)
    assert BACKBONE in made(study)
