"""The report: right numbers, escaped text, nothing loaded from outside, the same bytes again."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import GENRES, Clip, Shot
from trailers.errors import StoreError
from trailers.reporting import report
from trailers.reporting.local_paths import without_local_paths
from trailers.reporting.report import dataset
from trailers.reporting.report.counts import enlarged_for
from trailers.reporting.report.experiments import untrained_sources
from trailers.stages.outcome import troubles
from trailers.store.embeddings import write_embedding
from trailers.store.experiment import write_metrics
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger
from trailers.store.shards import make_shards
from trailers.store.spans import SHOTS_SCHEMA, write_spans

EVIL = "<script>alert('title')</script>"
MANIFEST = f"""trailer,title,url,genres,split0,split1,split2
good,The Good,good.mp4,comedy,0,0,0
fine,{EVIL},fine.mp4,drama;comedy,2,2,2
gone,,gone.mp4,drama,1,1,1
late,,late.mp4,drama,1,1,1
"""
STRATEGY, BACKBONE = "shot24", "timm:tiny"
TRAILERS = ("good", "fine", "gone", "late")
(SHARD,) = make_shards(TRAILERS, size=100)


@pytest.fixture(autouse=True)
def _plain(request, monkeypatch):
    """Leaves out the figures of the data set, which take a second to draw; test_report_parts.py draws them."""
    if request.module.__name__.endswith("test_report"):
        monkeypatch.setattr(dataset, "draw_figures", lambda *_: {})


def ledger_rows():
    """The rows of every ledger of the study, by stage and variant."""
    skipped = [LedgerRow("gone", "skipped", error="download: removed: <b>taken</b> down")]
    late = LedgerRow(
        "late", "failed", error="normalise: late: ffmpeg stopped with code 1 after 812 frames: moov atom",
        facts={"reason": "ffmpeg stopped"},
    )  # fmt: skip
    frames = {"frames": 96, "frames_duplicated": 3, "frames_dropped": 0}
    return {
        ("download",): [
            LedgerRow("good", "ok", "download/good.mp4", "f", facts={"quality": ["too short", "too small"]}),
            LedgerRow("fine", "ok", "download/fine.mp4", "f", facts={"quality": ["too short"]}),
            LedgerRow("gone", "dead", error="download: removed: <b>taken</b> down", facts={"reason": "removed"}),
            LedgerRow("late", "ok"),
        ],
        ("normalise",): [*(LedgerRow(name, "ok", facts=frames) for name in ("good", "fine")), *skipped, late],
        ("shots",): [*(LedgerRow(name, "ok") for name in ("good", "fine")), *skipped, LedgerRow("late", "skipped")],
        ("clips", STRATEGY): [
            LedgerRow("good", "ok", facts={"clips": 4, "padded": 1, "padding_frames": 6}),
            LedgerRow("fine", "ok", facts={"clips": 4, "padded": 2, "padding_frames": 20}),
            *skipped, LedgerRow("late", "skipped"),
        ],
        ("embed", STRATEGY, BACKBONE): [
            LedgerRow("good", "ok", "embed/shot24/timm-tiny/good.h5", facts={"clips": 4}),
            LedgerRow("fine", "ok", "embed/shot24/timm-tiny/fine.h5", facts={"clips": 4}),
            *skipped, LedgerRow("late", "skipped"),
        ],
    }  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Four trailers: two pass all stages, one is dead, one fails in normalise."""
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    layout = Layout(tmp_path / "results")
    paths = []
    for (stage, *variant), rows in ledger_rows().items():
        paths.append(layout.ledger(stage, SHARD, *variant))
        write_ledger(paths[-1], rows)
    header = {"frames": 96, "fingerprint": "0", "frames_fingerprint": "0"}
    for name, shots in (("good", [Shot(0, 24), Shot(24, 96)]), ("fine", [Shot(0, 24), Shot(30, 40)])):
        write_spans(layout.shots(name), shots, kind=Shot, header={"trailer": name, **header}, schema=SHOTS_SCHEMA)
    attributes = {"trailer": "good", "fingerprint": "0", "backbone": BACKBONE, "F": 2, "weights": "in1k.v2"}
    write_embedding(
        layout.embedding(STRATEGY, BACKBONE, "good"), np.eye(2, dtype=np.float32), [Clip(0, 0, 24, 0)] * 2, attributes
    )
    return argparse.Namespace(
        manifest=tmp_path / "manifest.csv",
        ledgers=paths,
        shards=None,
        metrics=[],
        genres=None,
        settings={},
        metadata=[],
        tables=None,
        figures=None,
        results=layout.root,
        output=layout.report(),
    )


def add_metrics(study, name="main", micros=(60.0, 62.0, 67.0), test_trailers=2000):
    for split, micro in enumerate(micros):
        folder = Layout(study.results).experiment(name, split)
        scores = {"micro": micro, "macro": 50.0, "weighted": None, "sample": 40.0}
        write_metrics(
            folder,
            {
                "experiment": name, "split": split, "clips": STRATEGY, "backbones": [BACKBONE], "parameters": 1234567,
                "metrics": {"trapezoid": scores, "step": {**scores, "micro": micro - 30}},
                "floor": {key: {**scores, "micro": 11.0} for key in ("trapezoid", "step")},
                "genres": {genre: {"positives": 7, "trapezoid": 33.0, "step": 22.0} for genre in GENRES},
                "positives": {"test": dict.fromkeys(GENRES, 7)},
                "trailers": {"train": 8000, "validation": 1000, "test": test_trailers},
                "settings": {"seed": 0}, "epochs": 30, "best_epoch": 10 + split, "short_trailers": 5,
                "left_out": {"no_genres": 0, "no_split": 0, "no_embedding": 12, "no_embedding_by_subset": {}},
            },
        )  # fmt: skip
        study.metrics.append(folder / "metrics.json")


def made(study):
    report.run(study)
    return study.output.read_text()


def plain(html):
    """The words of a page, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|svg).*?</\1>", " ", html)))


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


def add_warnings(study):
    path = Layout(study.results).ledger("normalise", SHARD)
    rows = read_ledger(path)
    warning = "the file was cut off; 5 frames are <missing>"
    rows["good"] = LedgerRow("good", "ok", facts={"frames": 96, "warnings": warning})
    write_ledger(path, rows.values())


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


def test_the_page_does_not_contain_the_path_of_the_project(study, tmp_path, monkeypatch):
    assert str(tmp_path) not in made(study)
    assert "Manifest manifest.csv" in plain(made(study))
    (tmp_path / "lists").mkdir()
    study.manifest = study.manifest.rename(tmp_path / "lists" / "mine.csv")
    monkeypatch.chdir(tmp_path)
    assert "Manifest lists/mine.csv" in plain(made(study))


def test_folders_of_ledgers_are_read_shard_by_shard(study):
    asked = {path.parent for path in study.ledgers}
    whole = made(study)
    study.ledgers, study.shards = sorted(asked), "s100"
    assert made(study) == whole


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


@pytest.mark.parametrize(("kept", "count"), [(256, 1), (518, 0), (None, 0)])
def test_a_backbone_for_which_frames_were_enlarged_is_reported(kept, count):
    made_of = [{"backbone": "timm:tiny", "attributes": {"resized_short_side": "518"}}]
    made_of += [{"backbone": "resnet50", "attributes": {}}, *made_of]  # of an earlier version, and of other clips
    found = enlarged_for(made_of, kept)
    assert len(found) == count
    assert all("timm:tiny takes frames with a short side of 518 px" in sentence for sentence in found)


@pytest.mark.parametrize("word", ["[]", "{", '{"shots": 0.9}'])
def test_settings_that_are_not_sections_are_refused(study, capsys, word):
    words = ["report", "--manifest", str(study.manifest), "--output", str(study.output), "--settings", word]
    with pytest.raises(SystemExit):
        main(words)
    assert "--settings" in capsys.readouterr().err


def test_shots_of_another_run_are_not_counted(study):
    path = next(path for path in study.ledgers if path.parent.name == "shots")
    rows = read_ledger(path)
    write_ledger(path, [dataclasses.replace(row, fingerprint="another") for row in rows.values()])
    text = plain(made(study))
    assert "The shots of 2 trailers cannot be read, such as good" in text
