"""The numbers of the report: stages, reasons, shots, clips, backbones, metrics, and what is missing."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from report_lab import (
    BACKBONE,
    MANIFEST,
    STRATEGY,
    TRAILERS,
    add_metrics,
    add_warnings,
    made,
    plain,
)
from trailers.__main__ import main
from trailers.domain import Clip
from trailers.errors import StoreError
from trailers.reporting import report
from trailers.reporting.report.counts import enlarged_for
from trailers.reporting.report.experiments import untrained_sources
from trailers.stages.outcome import troubles
from trailers.store.embeddings import write_embedding
from trailers.store.experiment import write_metrics
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger
from trailers.store.shards import make_shards


def test_stages_are_counted_by_status(study):
    text = plain(made(study))
    assert "stage ok dead failed skipped download 3 1 0 0 normalise 2 0 1 1 shots 2 0 0 2" in text
    assert "clips shot24 2 0 0 2 embed shot24 timm-tiny 2 0 0 2" in text


def test_trailers_are_counted_by_outcome(study):
    outcomes = report.make_page(study)["outcomes"]
    assert outcomes == {"ok": 2, "dead": 1, "failed": 1}


def test_a_trailer_without_a_poster_passes_all_stages(study):
    layout = Layout(study.results)
    rows = [
        LedgerRow("good", "ok"),
        LedgerRow("fine", "dead", error="poster download: not found: it", facts={"reason": "not found"}),
    ]
    first, _ = make_shards(TRAILERS, size=2)
    write_ledger(layout.ledger("posters", first), rows)
    write_ledger(layout.ledger("posters", first, BACKBONE), [LedgerRow("good", "ok"), skipped("fine")])
    # As the workflow names them: folders and shards. The second shard has no posters, so no ledger of them.
    study.ledgers += [layout.ledger("posters", "", *variant).parent for variant in ((), (BACKBONE,))]
    study.shards = "s2"
    text = plain(made(study))
    assert "posters 1 1 0 0 posters timm-tiny 1 0 0 1" in text
    assert "dead in poster download: not found (1) fine not found: it" in text
    assert report.make_page(study)["outcomes"] == {"ok": 2, "dead": 1, "failed": 1}


def skipped(trailer):
    return LedgerRow(trailer, "skipped", error="the manifest gives none")


def test_reasons_are_shown_with_the_original_sentences(study):
    text = plain(made(study))
    assert "dead in download: removed (1) gone removed: &lt;b&gt;taken&lt;/b&gt; down" in text
    assert "failed in normalise: ffmpeg stopped (1) late late: ffmpeg stopped with code 1 after 812 frames" in text


def test_trailers_with_the_same_reason_count_together_even_if_their_sentences_differ():
    words = {
        "tt1": "only 34.6% of its frames (18 decoded, 2 errors)",
        "tt2": "only 81.1% of its frames (90 decoded, 1 errors)",
    }
    rows = {
        name: LedgerRow(
            name, "dead", error=f"normalise: /disk/a b/{name}.mp4: {sentence}", facts={"reason": "too few frames"}
        )
        for name, sentence in words.items()
    }
    rows["tt3"] = LedgerRow("tt3", "dead", error="normalise: /disk/tt3.mp4: is empty", facts={"reason": "not a video"})
    first, second = troubles({("normalise",): rows})
    assert (first.stage, first.status, first.reason) == ("normalise", "dead", "too few frames")
    assert [trailer for trailer, _ in first.trailers] == ["tt1", "tt2"]
    assert second.reason == "not a video"


def test_shots_are_measured(study):
    text = plain(made(study))
    # 24, 72, 24 and 10 frames
    assert (
        "shots 4 mean 32.5 frames, 1.35 s median 24 frames mode 24 frames shortest and longest 10 and 72 frames" in text
    )
    assert "shorter than 24 frames 1 (25.0 %)" in text


def test_the_height_of_a_bar_of_the_histogram_is_its_number_of_shots():
    drawing = report.histogram({1: 1, 2: 1, 3: 1, 24: 1, 160: 1, 4000: 1})
    assert drawing.startswith("<svg")
    assert "≥160" in drawing
    assert "mean 698.3" in drawing
    # A bar is a path of four corners in the colour of bars; an empty one has no height.
    bars = re.findall(
        r'<path d="M ([\d.]+) ([\d.]+)\s+L [\d.]+ [\d.]+\s+L [\d.]+ ([\d.]+)[^"]*"[^>]*var\(--accent\)', drawing
    )
    heights = [round(float(bottom) - float(top), 1) for _, bottom, top in bars]
    assert len(heights) == 41
    assert [number for number, height in enumerate(heights) if height] == [0, 6, 40]
    assert heights[0] == pytest.approx(3 * heights[6], abs=0.2)
    assert heights[40] == pytest.approx(2 * heights[6], abs=0.2)


def test_clips_and_frames_are_added_up(study):
    text = plain(made(study))
    assert "shot24 2 8 4.0 3 (37.5 %) 26" in text
    assert "frames 192 duration 0.1 min frames duplicated 6 (3.1 %) frames dropped 0 (0.0 %)" in text
    assert "outside the limits 2 too short, 1 too small" in text


def test_backbones_are_described_and_random_weights_are_named(study):
    text = plain(made(study))
    assert "timm:tiny shot24 2 8 2 in1k.v2" in text
    assert "Synthetic or random" not in text
    row = {"backbone": "x", "attributes": {"weights": "random, seed 0"}}
    assert untrained_sources([row], []) == ["x (random, seed 0)"]


def test_attributes_of_one_trailer_are_not_shown_for_its_backbone(study):
    layout = Layout(study.results)
    own = {"backbone": BACKBONE, "F": 2, "weights": "in1k.v2", "transform": "to 224"}
    for name in ("good", "fine"):
        attributes = {"trailer": name, "fingerprint": name, "source_sha256": name, "precision": name, **own}
        path, clips = layout.embedding(STRATEGY, BACKBONE, name), [Clip(0, 0, 24, 0)] * 2
        write_embedding(path, np.eye(2, dtype=np.float32), clips, attributes)
    (row,) = report.make_page(study)["backbones"]
    assert row["attributes"].keys() >= {"F", "weights", "transform"}
    assert not row["attributes"].keys() & {"trailer", "fingerprint", "source_sha256", "precision"}
    layout.embedding(STRATEGY, BACKBONE, "fine").unlink()  # also if there is only one file
    (row,) = report.make_page(study)["backbones"]
    assert "source_sha256" not in row["attributes"]
    assert row["attributes"]["precision"] == "good"


def test_the_section_what_needs_a_look_lists_warnings_with_their_trailers(study):
    add_warnings(study)
    text = plain(made(study))
    look = text[text.index("What needs a look These") :]
    assert "warning in download: too short (2) good" in look
    assert "warning in normalise: see each trailer (1) good the file was cut off; 5 frames are &lt;missing&gt;" in look


def test_outcomes_that_many_trailers_share_come_first(study):
    names = [f"t{n}" for n in range(6)]
    study.manifest.write_text("trailer,url\n" + "".join(f"{name},{name}.mp4\n" for name in names))
    facts = {"reason": "client", "sentence": "please sign in"}
    rows = [LedgerRow(name, "failed" if n < 5 else "ok", facts=facts if n < 5 else {}) for n, name in enumerate(names)]
    (shard,) = make_shards(names, size=100)
    study.ledgers = [Layout(study.results).ledger("download", shard)]
    write_ledger(study.ledgers[0], rows)
    text = plain(made(study))
    alarm = "download: 5 of 6 trailers are failed for the same reason, 5 of them in a row: client"
    assert text.index(alarm) < text.index("passed all stages")


def test_a_study_without_a_usable_trailer_fails_and_gets_another_page(study, tmp_path, capsys):
    study.manifest.write_text("trailer,url\ngone,gone.mp4\nlate,late.mp4\n")
    (shard,) = make_shards(("gone", "late"), size=100)
    ledger = Layout(study.results).ledger("download", shard)
    dead = {"status": "dead", "error": "download: removed: x", "facts": {"reason": "removed"}}
    write_ledger(ledger, [LedgerRow("gone", **dead), LedgerRow("late", **dead)])
    words = ["report", "--manifest", str(study.manifest), "--ledgers", str(ledger), "--results", str(study.results)]
    assert main([*words, "--output", str(study.output)]) == 1
    assert "none of 2 trailers is ok in download (2 dead: removed)." in capsys.readouterr().err
    assert not study.output.exists()
    failure_page = study.output.with_name("nothing-usable.html")
    assert "Nothing usable: none of 2 trailers" in plain(failure_page.read_text())
    write_ledger(ledger, [LedgerRow("gone", **dead), LedgerRow("late", "ok")])  # one ok trailer is enough
    assert main([*words, "--output", str(study.output)]) == 0
    assert study.output.exists()
    assert not failure_page.exists()


def test_packs_made_elsewhere_are_marked_and_synthetic_ones_at_the_top(study):
    study.ledgers = []
    add_metrics(study)
    path = study.metrics[0]
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "packs": [{"backbone": "resnet50", "weights": "synthetic, signal 0.5"}]}))
    text = plain(made(study))
    assert "passed all stages" not in text
    assert "0 shots" not in text
    assert "The vectors were made elsewhere" in text
    assert text.index("Synthetic or random vectors: resnet50 (synthetic, signal 0.5)") < text.index(
        "trailers in the manifest"
    )


def test_metrics_are_mean_and_deviation_over_splits_by_convention(study):
    add_metrics(study)
    text = plain(made(study))
    # 60, 62, 67: mean 63, squared distances 9 + 1 + 16 = 26, / (3 - 1) = 13, root 3.61
    assert (
        "trapezoid experiment micro AP macro AP weighted AP sample AP main 63.00 ± 3.61 50.00 ± 0.00 undefined" in text
    )
    assert "floor of main 11.00 ± 0.00" in text
    assert "step experiment micro AP macro AP weighted AP sample AP main 33.00 ± 3.61" in text
    assert "left out 12 no embedding" in text
    assert "best epoch 10, 11, 12 of 30, 30, 30" in text


def test_one_split_has_no_deviation(study):
    add_metrics(study, micros=(60.0,))
    assert "main 60.00 50.00 undefined 40.00" in plain(made(study))


def test_a_small_test_set_is_pointed_out(study):
    add_metrics(study)
    assert "The smallest test set" not in plain(made(study))
    add_metrics(study, name="little", test_trailers=3)
    assert "The smallest test set has 3 trailers" in plain(made(study))


def test_without_metrics_the_reason_is_shown(study):
    assert "There are no metrics. No experiment is configured." in plain(made(study))
    study.manifest.write_text("trailer,url\ngood,good.mp4\n")
    assert "No trailer of the manifest has genres" in plain(made(study))
    study.manifest.write_text("trailer,url,genres,split0\ngood,good.mp4,drama,0\n")
    assert "No split of the manifest has train (0), validation (1) and test (2)" in plain(made(study))


def test_a_trailer_without_a_ledger_row_is_counted_as_absent(study):
    study.manifest.write_text(MANIFEST + "new,,new.mp4,drama,0,0,0\n")
    page = report.make_page(study)
    assert page["outcomes"]["absent"] == 1
    assert page["rows"][-1]["words"] == "no ledger contains this trailer"


def test_damaged_shots_are_left_out_and_named(study):
    Layout(study.results).shots("good").write_text("start,end\n")
    text = plain(made(study))
    assert "The shots of 1 trailers cannot be read, such as good" in text
    assert "shots 2 mean 17.0 frames" in text


def test_metrics_that_lack_a_key_are_named(study):
    write_metrics(study.results / "x", {"experiment": "x", "split": 0})
    study.metrics = [study.results / "x" / "metrics.json"]
    with pytest.raises(StoreError, match=r"metrics\.json: lacks metrics\. Remove it"):
        report.run(study)


def test_a_ledger_of_other_results_is_refused(study, tmp_path):
    write_ledger(tmp_path / "other" / "ledger" / "shots" / "s.tsv", [])
    study.ledgers.append(tmp_path / "other" / "ledger" / "shots" / "s.tsv")
    with pytest.raises(StoreError, match=r"s\.tsv: is not below .*results/ledger"):
        report.run(study)


def test_folders_of_ledgers_are_read_shard_by_shard(study):
    asked = {path.parent for path in study.ledgers}
    whole = made(study)
    study.ledgers, study.shards = sorted(asked), "s100"
    assert made(study) == whole


@pytest.mark.parametrize(("kept", "count"), [(256, 1), (518, 0), (None, 0)])
def test_a_backbone_for_which_frames_were_enlarged_is_reported(kept, count):
    made_of = [{"backbone": "timm:tiny", "attributes": {"resized_short_side": "518"}}]
    made_of += [{"backbone": "resnet50", "attributes": {}}, *made_of]  # of an earlier version, and of other clips
    found = enlarged_for(made_of, kept)
    assert len(found) == count
    assert all("timm:tiny takes frames with a short side of 518 px" in sentence for sentence in found)


def test_shots_of_another_run_are_not_counted(study):
    path = next(path for path in study.ledgers if path.parent.name == "shots")
    rows = read_ledger(path)
    write_ledger(path, [dataclasses.replace(row, fingerprint="another") for row in rows.values()])
    text = plain(made(study))
    assert "The shots of 2 trailers cannot be read, such as good" in text
