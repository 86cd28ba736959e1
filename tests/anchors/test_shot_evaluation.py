"""The evaluation of shots agrees with published figures."""

from __future__ import annotations

import json

import pytest

from trailers.__main__ import main


def test_the_published_autoshot_predictions_give_the_reference_figures(anchors, tmp_path, capsys):
    folder = anchors / "autoshot"
    words = ["--truth", str(folder / "ground_truth_scenes.json.gz"), "--threshold", "0.296"]
    words += ["--predicted", str(folder / "predictions.json.gz"), "--json", str(tmp_path / "out.json")]
    assert main(["evaluate", "shots", *words]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert len(found["videos"]) == 200
    assert (found["all"]["tp"], found["all"]["fp"], found["all"]["fn"]) == (2098, 378, 418)
    assert found["all"]["f1"] == pytest.approx(0.8405448717948718, abs=1e-15)
    assert round(found["all"]["precision"], 4) == 0.8473
    assert round(found["all"]["recall"], 4) == 0.8339
    assert max(counts["f1"] for counts in found["sweep"].values()) == found["all"]["f1"]
    assert "best F1 over 50 thresholds: 0.8405 at 0.296" in capsys.readouterr().out
