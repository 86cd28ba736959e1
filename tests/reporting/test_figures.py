"""The paper's figures: their numbers, and that they are drawn."""

from __future__ import annotations

import csv
import json

import pytest
from matplotlib.text import Text

from trailers.__main__ import main
from trailers.domain import GENRES, Shot, Trailer
from trailers.errors import StoreError
from trailers.reporting.drawing.costs import draw_costs
from trailers.reporting.drawing.genres import draw_genres
from trailers.reporting.drawing.histogram import draw_shots
from trailers.reporting.drawing.labels import draw_labels
from trailers.reporting.figures.numbers import read_shots
from trailers.reporting.statistics import genre_counts, label_counts
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, LedgerRow, write_ledger
from trailers.store.manifest import write_manifest
from trailers.store.spans import SHOTS_SCHEMA, write_spans


def figures(folder, *more):
    assert main(["figures", "--output", str(folder), *map(str, more)]) == 0
    return json.loads((folder / "figures.json").read_text())


def drawn(folder):
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in folder.glob("*.png"))
    assert all(path.read_bytes()[:5] == b"%PDF-" for path in folder.glob("*.pdf"))
    assert all(b"<svg" in path.read_bytes()[:1000] for path in folder.glob("*.svg"))
    return sorted(path.name for path in folder.iterdir())


def kinds(name):
    return [f"{name}.pdf", f"{name}.png", f"{name}.svg"]


def test_counts_of_genres_and_of_genres_together(tmp_path):
    trailers = [
        Trailer("a", ("x.mp4",), genres=("action", "drama"), splits=(0, 0, 0)),
        Trailer("b", ("x.mp4",), genres=("drama",), splits=(2, 0, 0)),
        Trailer("c", ("x.mp4",), genres=("action", "drama", "horror"), splits=(1, 0, 0)),
        Trailer("d", ("x.mp4",)),
    ]
    write_manifest(tmp_path / "m.csv", trailers)
    found = figures(tmp_path / "out", "--manifest", tmp_path / "m.csv")
    assert drawn(tmp_path / "out") == ["figures.json", *kinds("genres"), *kinds("labels")]
    assert found["genres"]["whole set"]["trailers"] == 3
    assert found["genres"]["whole set"]["positives"]["drama"] == 3
    assert found["genres"]["validation"]["positives"] == {genre: int(genre in trailers[2].genres) for genre in GENRES}
    assert found["labels"]["trailers"] == {"1": 1, "2": 1, "3": 1}
    assert found["labels"]["cardinality"] == 2
    action, drama = GENRES.index("action"), GENRES.index("drama")
    assert found["labels"]["together"][action][drama] == 2
    assert found["labels"]["together"][drama][drama] == 3


def test_the_same_manifest_gives_the_same_bytes(tmp_path):
    write_manifest(tmp_path / "m.csv", [Trailer("a", ("x.mp4",), genres=("action", "drama"), splits=(0, 1, 2))])
    for name in ("one", "two"):
        figures(tmp_path / name, "--manifest", tmp_path / "m.csv")
    for name in drawn(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_real_labels_have_the_published_counts(tmp_path, shared_data):
    with (shared_data / "trailers12k" / "mtgc.csv").open() as file:
        trailers = [
            Trailer(
                row["mid"], ("x.mp4",), genres=tuple(genre for genre in GENRES if row[genre] == "1"),
                splits=tuple(int(row[f"split{n}"]) for n in range(3)),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    write_manifest(tmp_path / "m.csv", trailers)
    found = figures(tmp_path / "out", "--manifest", tmp_path / "m.csv")
    assert found["genres"]["whole set"]["positives"] == {
        "action": 3115, "adventure": 1951, "comedy": 4194, "crime": 2484, "drama": 5968, "fantasy": 1568,
        "horror": 2573, "romance": 2193, "sci-fi": 1535, "thriller": 4447,
    }  # fmt: skip
    assert [found["genres"][name]["trailers"] for name in ("train", "validation", "test")] == [8384, 1228, 2388]
    assert found["labels"]["cardinality"] == pytest.approx(2.5023, abs=5e-5)


def test_shots_are_counted_by_duration(tmp_path):
    layout = Layout(tmp_path / "results")
    header = {"frames": 1000, "fingerprint": "0", "frames_fingerprint": "0"}
    shots = {"a": [Shot(0, 10), Shot(10, 20), Shot(20, 320)], "b": [Shot(0, 20)]}
    for trailer, spans in shots.items():
        write_spans(layout.shots(trailer), spans, kind=Shot, header={"trailer": trailer, **header}, schema=SHOTS_SCHEMA)
    write_ledger(
        tmp_path / "s0.tsv", [LedgerRow("a", OK), LedgerRow("gone", DEAD, error="removed"), LedgerRow("b", OK)]
    )
    found = figures(tmp_path / "out", "--ledgers", tmp_path / "s0.tsv", "--results", layout.root)["shots"]
    assert found["durations"] == {"10": 2, "20": 1, "300": 1}
    assert (found["trailers"], found["shots"], found["mean"], found["median"], found["commonest"]) == (2, 4, 85, 15, 10)
    assert drawn(tmp_path / "out") == ["figures.json", *kinds("shots"), *kinds("titles")]


def test_costs_are_those_of_the_tables(tmp_path):
    row = {
        "name": "ResNet", "gmacs": 122.6, "parameters_m": 24.0, "ours": {"trapezoid": {"micro": [70.5, 1.0]}},
        "printed_gmacs": 122.7, "printed_parameters_m": 23.9, "printed": {"micro": [71.42, 0.59]},
    }  # fmt: skip
    mine = {**row, "name": "mine", "printed": None, "printed_gmacs": None, "printed_parameters_m": None}
    (tmp_path / "tables.json").write_text(json.dumps({"tables": [{"rows": [row, mine]}]}))
    found = figures(tmp_path / "out", "--tables", tmp_path / "tables.json")["costs"]
    assert found[0] == {"name": "ResNet", "ours": [122.6, 24.0, 70.5], "printed": [122.7, 23.9, 71.42]}
    assert found[1] == {"name": "mine", "ours": [122.6, 24.0, 70.5], "printed": [None, None, None]}
    assert drawn(tmp_path / "out") == [*kinds("costs"), "figures.json"]


def test_a_file_that_is_not_tables_json_is_refused(tmp_path, capsys):
    (tmp_path / "tables.json").write_text("{}")
    assert main(["figures", "--output", str(tmp_path), "--tables", str(tmp_path / "tables.json")]) == 1
    assert "is not a tables.json" in capsys.readouterr().err


def test_without_inputs_no_figure_is_drawn_and_old_figures_are_removed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shots.svg").write_text("of another run")
    assert figures(tmp_path / "out") == {"schema": "figures/1"}
    assert drawn(tmp_path / "out") == ["figures.json"]


def test_shots_that_do_not_match_their_ledger_are_refused(tmp_path):
    layout = Layout(tmp_path)
    header = {"trailer": "a", "frames": 24, "fingerprint": "f"}
    write_spans(layout.shots("a"), [Shot(0, 24)], kind=Shot, header=header, schema=SHOTS_SCHEMA)
    ledger = layout.ledger("shots", "s")
    write_ledger(ledger, [LedgerRow("a", OK, fingerprint="f")])
    assert read_shots([ledger], layout).counts["shots"] == 1
    write_ledger(ledger, [LedgerRow("a", OK, fingerprint="another")])
    with pytest.raises(StoreError, match="its fingerprint is f, but its ledger says another"):
        read_shots([ledger], layout)


def cost(name, gmacs, parameters, ours, printed):
    return {"name": name, "ours": [gmacs, parameters, ours], "printed": [gmacs, parameters, printed]}


CROWDED = [cost(f"Network-{n}", 100 + 2 * n, 20 + n, 71 + n / 10, 71.05 + n / 10) for n in range(6)]


def test_names_of_points_cover_neither_each_other_nor_a_point():
    figure = draw_costs([*CROWDED, cost("small", 3, 1, 60, 60.2), cost("large", 2000, 60, 75, 75.3)])
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}
        assert len(boxes) == 8
        for name, box in boxes.items():
            assert not [other for other in boxes if other != name and box.overlaps(boxes[other])]
            assert axes.bbox.x0 <= box.x0
            assert box.x1 <= axes.bbox.x1
            points = [axes.transData.transform(place) for dots in axes.collections for place in dots.get_offsets()]
            assert not [point for point in points if box.contains(*point)]


def test_no_name_covers_the_line_between_the_points_of_a_network_far_from_its_printed_number():
    figure = draw_costs([cost(f"Network-{n}", 90 + 4 * n, 20 + 3 * n, 40 + n, 70 + n) for n in range(4)])
    figure.draw_without_rendering()
    for axes in figure.axes:
        lines = [axes.transData.transform_path(line.get_path()) for line in axes.lines]
        assert len(lines) == 4
        boxes = [Text.get_window_extent(text) for text in axes.texts]
        assert not [box for box in boxes for line in lines if line.intersects_bbox(box, filled=False)]


def test_the_share_of_the_whole_set_is_shown_above_its_own_bar():
    counts = genre_counts(
        [Trailer(f"t{n}", ("x.mp4",), genres=(GENRES[n % 2],), splits=(n % 3, 0, 0)) for n in range(9)]
    )
    (axes,) = draw_genres(counts).axes
    whole = axes.containers[0]
    for bar, text in zip(whole, axes.texts, strict=True):
        assert text.xy == pytest.approx((bar.get_x() + bar.get_width() / 2, bar.get_height()))


@pytest.mark.parametrize("trailers", [1, 2, 3, 40])
def test_axes_of_counts_have_ticks_at_whole_numbers_and_begin_at_zero(trailers):
    found = label_counts([Trailer(f"t{n}", ("x.mp4",), genres=("action", "drama")) for n in range(trailers)])
    durations = {"trailers": trailers, "mean": 24.0, "median": 24.0, "durations": {"24": trailers}}
    bars, _, colours = draw_labels(found).axes
    (shots,) = draw_shots(durations).axes
    for axes in (bars, colours, shots):
        assert all(float(tick).is_integer() for tick in axes.get_yticks())
        assert axes.get_ylim()[0] == 0
    assert shots.get_xlim()[0] == 0


def test_legends_are_outside_the_data():
    durations = {"trailers": 1, "mean": 24.0, "median": 24.0, "durations": {"24": 1}}
    for figure in (draw_shots(durations), draw_costs(CROWDED), draw_genres(genre_counts([]))):
        figure.draw_without_rendering()
        for axes in figure.axes:
            assert axes.get_legend().get_window_extent().y0 >= axes.bbox.y1 - 1
