"""The paper's tables with our numbers beside the printed ones."""

from __future__ import annotations

import csv
import json
import math

import pytest
import yaml

from trailers.__main__ import main
from trailers.store.experiment import write_metrics
from trailers.store.study import read_study

STUDY = {
    "backbones": {"resnet50": {"features": 2048, "parameters_m": 23.5, "gmacs": 4.0}},
    "experiments": {
        "a": {"clips": "shot24", "backbones": ["resnet50"], "aggregation": "transformer"},
        "b": {"clips": "shot24", "backbones": ["resnet50"], "aggregation": "gru", "snippet_clips": 10},
    },
    "tables": [
        {
            "number": 6,
            "title": "Backbones <b>",
            "section": "7.5",
            "rows": [
                {
                    "group": "Conv", "name": "A", "experiment": "a",
                    "printed_parameters_m": 23.9, "printed_gmacs": 122.7,
                    "printed": [[71.42, 0.59], [66.63, 0.36], [70.64, 0.34], [76.41, 0.38]],
                },
                {"name": "B", "experiment": "b"},
            ],
        }
    ],
}  # fmt: skip


def metrics(experiment, split, micro, **more):
    values = {"micro": micro, "macro": micro - 5, "weighted": micro - 1, "sample": micro + 5}
    floor = dict.fromkeys(values, 60.0 + split)
    wanted = STUDY["experiments"][experiment]
    return {
        "experiment": experiment, "split": split, "clips": "shot24", "backbones": ["resnet50"], "preset": "authors",
        "settings": {"aggregation": wanted["aggregation"], "snippet_clips": wanted.get("snippet_clips", 30)},
        "packs": [{"weights": "IMAGENET1K_V1"}], "parameters": 500_000,
        "complete": True, "left_out": {"no_embedding": 0},
        "metrics": {"trapezoid": values, "step": {name: value - 30 for name, value in values.items()}},
        "floor": {"trapezoid": floor, "step": {name: value - 40 for name, value in floor.items()}}, **more,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path


def tables(folder, *rows):
    paths = []
    for row in rows:
        place = folder / "classify" / row["experiment"] / f"split{row['split']}"
        write_metrics(place, row)
        paths.append(str(place / "metrics.json"))
    return main(["tables", "--study", str(folder / "study.yaml"), "--output", str(folder / "out"), "--metrics", *paths])


def complete():
    return [metrics("a", split, micro) for split, micro in enumerate((70.0, 71.0, 75.0))]


def table(folder):
    whole = json.loads((folder / "out" / "tables.json").read_text())
    return whole["tables"][0], whole["incomplete"]


def test_our_numbers_are_mean_and_deviation_over_the_splits(folder):
    assert tables(folder, *complete()) == 0
    first, second = table(folder)[0]["rows"]
    # 70, 71, 75: mean 72, squares of differences 4 + 1 + 9 over 2.
    assert first["ours"]["trapezoid"]["micro"] == [72, pytest.approx(math.sqrt(7))]
    assert first["ours"]["step"]["sample"] == [47, pytest.approx(math.sqrt(7))]
    # 72 lies 0.58 above the printed mean, which is 0.98 of the printed deviation.
    assert first["printed"]["micro"] == [71.42, 0.59, pytest.approx(0.58 / 0.59)]
    assert first["splits"] == [0, 1, 2]
    assert second["ours"]["trapezoid"]["micro"] == [None, None]
    assert second["printed"] is None


def test_costs_are_those_of_the_backbones_for_thirty_clips_and_of_the_classifier(folder):
    tables(folder, *complete())
    row = table(folder)[0]["rows"][0]
    assert (row["parameters_m"], row["gmacs"], row["printed_parameters_m"], row["printed_gmacs"]) == (
        24,
        120,
        23.9,
        122.7,
    )


def test_the_floor_is_shown_below_every_table(folder):
    tables(folder, *complete())
    assert table(folder)[0]["floor"]["trapezoid"]["micro"] == [61, 1]
    assert table(folder)[0]["floor"]["step"]["macro"] == [21, 1]
    page = (folder / "out" / "tables.html").read_text()
    assert "<td>floor: genre shares alone</td><td>trapezoid</td><td>61.00 ± 1.00</td>" in page


def test_what_is_missing_marks_the_comparison_as_incomplete(folder):
    lacking = metrics("b", 0, 70.0, complete=False, left_out={"no_embedding": 7})
    drawn = metrics("a", 1, 70.0, packs=[{"weights": "random, seed 0"}])
    tables(folder, lacking, drawn)
    assert table(folder)[1] == [
        "a has no results for split 0, 2",
        "a uses random, seed 0: its numbers say nothing about trailers",
        "b has no results for split 1, 2",
        "b was trained without 7 trailers that have no embedding",
    ]
    assert "This comparison is incomplete:" in (folder / "out" / "tables.html").read_text()


def test_a_complete_table_is_not_marked_as_incomplete(folder):
    tables(folder, *complete(), *(metrics("b", split, 70.0) for split in range(3)))
    assert table(folder)[1] == []
    assert "incomplete" not in (folder / "out" / "tables.html").read_text()


def test_the_csv_has_every_row_of_the_table_and_the_floor(folder):
    tables(folder, *complete())
    with (folder / "out" / "table6.csv").open() as file:
        first, second, floor = csv.DictReader(file)
    assert (first["micro"], first["micro_std"], first["micro_printed"], first["micro_step"]) == (
        "72.00",
        "2.65",
        "71.42",
        "42.00",
    )
    assert (second["splits"], second["micro"]) == ("0", "")
    assert (floor["name"], floor["macro"], floor["macro_step"]) == ("floor: genre shares alone", "61.00", "21.00")


def test_text_of_the_study_cannot_become_markup(folder):
    tables(folder)
    page = (folder / "out" / "tables.html").read_text()
    assert "Backbones &lt;b&gt;" in page
    assert "<b>" not in page


def test_metrics_of_other_settings_are_refused(folder, capsys):
    assert tables(folder, metrics("b", 0, 70.0, settings={"aggregation": "gru", "snippet_clips": 30})) == 1
    assert "snippet_clips is 30, but the study has 10. Rerun the classify stage." in capsys.readouterr().err


def test_metrics_of_other_studies_are_left_out(folder):
    other = {**metrics("a", 0, 70.0), "experiment": "mine"}
    assert tables(folder, other) == 0
    assert table(folder)[0]["rows"][0]["splits"] == []


def test_the_projects_study_has_the_papers_tables(project):
    study = read_study(project / "workflow" / "study.yaml")
    assert [(table.number, len(table.rows)) for table in study.tables] == [(2, 8), (3, 5), (4, 8), (5, 6), (6, 9)]
    rows = {(table.number, row.group, row.name): row for table in study.tables for row in table.rows}
    assert rows[6, "Transformer", "Swin-3D"].printed == ((75.57, 0.66), (70.48, 0.41), (74.21, 0.40), (80.02, 0.47))
    assert rows[2, "ImageNet-Kinetics", "Shot-24"].experiment == rows[6, "Transformer", "Swin-3D"].experiment
    assert rows[5, "ImageNet", "GRU"].printed[3] == (76.22, 2.88)
    # Without overrides, settings are those of the paper's default: one training is used in five tables.
    assert dict(study.experiments["swin3d"]) == {
        "clips": "shot24",
        "backbones": ["swin3d_t"],
        "aggregation": "transformer",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda s: s["experiments"]["a"].update(agregation="gru"),
            "key 'experiments.a.agregation' is unknown. Did you mean",
        ),
        (lambda s: s["experiments"]["a"].update(clips="shot24-fps5"), "experiment 'a': clip strategy 'shot24-fps5'"),
        (lambda s: s["tables"][0]["rows"][1].update(experiment="c"), "Table 6, row 'B': no experiment is called 'c'"),
        (lambda s: s["tables"][0]["rows"][0].update(printed=[[1, 2]]), "tables.0.rows.0.printed"),
    ],
)
def test_an_invalid_study_is_refused(folder, capsys, change, words):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    change(study)
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    assert tables(folder) == 1
    assert words in capsys.readouterr().err


def predictions(folder, experiment, split, shift=0.0):
    """Predictions of eight test trailers on two genres; ``shift`` worsens those of the first genre."""
    lines = ["trailer,subset,action,drama,is_action,is_drama", "v,validation,0.5,0.5,1,0"]
    for n in range(8):
        action, drama = n % 2, 1 - n % 2
        lines.append(
            f"t{n},test,{0.2 + 0.6 * action + shift * (0.5 - action):.2f},{0.1 + 0.7 * drama:.2f},{action},{drama}"
        )
    (folder / "classify" / experiment / f"split{split}" / "predictions.csv").write_text("\n".join(lines) + "\n")


def test_numbers_have_an_interval_and_a_paired_difference_from_the_first_row(folder):
    every = [*complete(), *(metrics("b", split, micro) for split, micro in enumerate((69.0, 70.5, 73.0)))]
    tables(folder, *every)
    for experiment, shift in (("a", 0.0), ("b", 1.5)):
        for split in range(3):
            predictions(folder, experiment, split, shift)
    assert tables(folder, *every) == 0
    first, second = table(folder)[0]["rows"]
    assert first["difference"] is None
    # A perfect ranking stays perfect in every draw; the worsened one is worse in every draw.
    assert first["interval"]["micro"] == [100.0, 100.0]
    assert second["interval"]["micro"][1] < 100.0
    # 69 - 70, 70.5 - 71, 73 - 75: mean -7/6, squares of differences from it (1 + 16 + 25) / 36 over 2.
    assert second["difference"]["micro"]["mean"] == [pytest.approx(-7 / 6), pytest.approx(math.sqrt(42 / 72))]
    assert second["difference"]["micro"]["interval"][1] < 0
    with (folder / "out" / "table6.csv").open() as file:
        assert [row["micro_diff"] for row in csv.DictReader(file)] == ["", "-1.17", ""]
    page = (folder / "out" / "tables.html").read_text()
    assert "<td>95 % interval</td><td>100.00 to 100.00</td>" in page
    assert "<td>less Conv A</td><td>-1.17 ± 0.76<br>" in page


def test_without_predictions_or_draws_there_is_no_interval(folder):
    tables(folder, *complete())
    assert table(folder)[0]["rows"][0]["interval"]["micro"] is None
    for split in range(3):
        predictions(folder, "a", split)
    paths = [str(folder / "classify" / "a" / f"split{split}" / "metrics.json") for split in range(3)]
    words = ["tables", "--study", str(folder / "study.yaml"), "--output", str(folder / "out"), "--metrics", *paths]
    assert main([*words, "--draws", "0"]) == 0
    assert table(folder)[0]["rows"][0]["interval"]["micro"] is None


def test_damaged_predictions_are_named(folder, capsys):
    tables(folder, *complete())
    (folder / "classify" / "a" / "split1" / "predictions.csv").write_text(
        "trailer,subset,action,is_action\nt,test,x,1\n"
    )
    assert tables(folder, *complete()) == 1
    assert "split1/predictions.csv: cannot be read as predictions" in capsys.readouterr().err


def test_every_difference_from_the_printed_setting_is_named(folder):
    study = {**STUDY, "printed_with": {"trailers": 12000, "epochs": 100, "snippet_clips": 30, "learning_rate": 0.0001}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    settings = {"aggregation": "transformer", "snippet_clips": 30, "epochs": 2, "learning_rate": 0.01}
    rows = [
        {**row, "settings": settings, "trailers": {"train": 300, "validation": 40, "test": 60}} for row in complete()
    ]
    # b has no printed numbers, and another length of snippets.
    of_b = {"aggregation": "gru", "snippet_clips": 10, "epochs": 3, "learning_rate": 0.0001}
    rows += [{**metrics("b", split, 70.0), "settings": of_b} for split in range(3)]
    tables(folder, *rows)
    assert table(folder)[1] == [
        "a: epochs is 2, but 100 for the printed numbers",
        "a: learning_rate is 0.01, but 0.0001 for the printed numbers",
        "a: trailers is 400, but 12,000 for the printed numbers",
    ]
