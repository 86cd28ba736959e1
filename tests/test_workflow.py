"""The whole pipeline, from the manifest to the report: products agree, nothing is lost, errors are reported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import workflow_lab as lab
from trailers.__main__ import main
from trailers.domain import Clip, Shot
from trailers.store.failures import read_failures
from trailers.store.frames import open_frames
from trailers.store.ledger import read_ledger
from trailers.store.shards import make_shards
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_spans

pytestmark = pytest.mark.slow

SHARD_SIZE = "shard_size=3"
REPORT = "results/report/index.html"


def rows_of(folder: Path, *stage: str) -> dict:
    ledgers = sorted(folder.joinpath("results", "ledger", *stage).glob("*.tsv"))
    return {trailer: row for ledger in ledgers for trailer, row in read_ledger(ledger).items()}


def test_a_study_runs_to_its_report_and_states_why_trailers_are_missing(finished_study):
    assert (finished_study / REPORT).is_file()
    download = rows_of(finished_study, "download")
    assert {trailer: row.status for trailer, row in download.items()} == {
        "t0": "ok", "t1": "ok", "t2": "ok", "gone": "dead", "text": "dead",
    }  # fmt: skip
    assert "not found" in download["gone"].error
    assert "not a video" in download["text"].error
    embed = rows_of(finished_study, "embed", "shot24", "efficientnet_lite0")
    assert {trailer: row.status for trailer, row in embed.items()} == {
        "t0": "ok", "t1": "ok", "t2": "ok", "gone": "skipped", "text": "skipped",
    }  # fmt: skip
    assert embed["gone"].error == download["gone"].error


def test_the_demo_runs_to_its_report_and_reports_a_dead_link(finished_demo):
    assert (finished_demo / "results" / "report" / "demo" / "index.html").is_file()
    dead = {trailer for trailer, row in rows_of(finished_demo, "download").items() if row.status == "dead"}
    embed = rows_of(finished_demo, "embed", "shot24", "efficientnet_lite0")
    assert dead == {"demo-dead-link"} == {trailer for trailer, row in embed.items() if row.status != "ok"}
    assert len(embed) == 14
    assert len(list(finished_demo.glob("results/classify/demo/split?/metrics.json"))) == 3


def test_a_second_demo_has_nothing_to_do_and_its_report_and_pages_lead_to_each_other(finished_demo):
    assert lab.planned(finished_demo, "demo", "--snakefile", str(finished_demo / "Snakefile")) == {}
    report, pages = (finished_demo / "results" / folder / "demo" / "index.html" for folder in ("report", "pages"))
    assert 'href="../../pages/demo/index.html"' in report.read_text()
    assert 'href="../../report/demo/index.html"' in pages.read_text()
    assert "few_shots" in report.read_text()  # flags of the quality stage are in the report of the first run


def test_frame_counts_agree_and_every_clip_lies_in_its_shot(finished_study):
    for n in range(3):
        results = finished_study / "results"
        shots, header = read_spans(results / f"shots/t{n}.csv", kind=Shot, schema=SHOTS_SCHEMA)
        clips, clip_header = read_spans(results / f"clips/shot24/t{n}.csv", kind=Clip, schema=CLIPS_SCHEMA)
        with open_frames(results / f"normalise/t{n}.frames.h5") as frames:
            assert len(frames) == int(header["frames"]) == int(clip_header["frames"]) == 72  # 75 at 25 fps are 3 s
        assert [shot.start for shot in shots] == [0, 24, 48]
        assert all(shots[c.shot].start <= c.start < c.end <= shots[c.shot].end for c in clips)
        with h5py.File(results / f"embed/shot24/efficientnet_lite0/t{n}.h5") as file:
            assert file.attrs["schema"] == "trailer-embeddings/2"
            assert file["vectors"].shape == (len(clips), 1280)
            assert np.isfinite(file["vectors"][:]).all()
            assert (file["vectors"][:] != file["vectors"][0]).any()


def test_a_second_run_has_nothing_to_do(study):
    before = lab.times(study)
    done = lab.snakemake(study, "--config", SHARD_SIZE)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert lab.times(study) == before


def test_the_report_lists_the_settings_of_the_run(study):
    before = (study / REPORT).read_text()
    lab.snakemake(study, "--config", SHARD_SIZE, "download={min_height: 100}")
    after = (study / REPORT).read_text()
    assert "<dt>min_height</dt><dd>480</dd>" in before
    assert "<dt>min_height</dt><dd>100</dd>" in after


def test_one_trailer_by_file_name(study):
    path = "results/embed/shot24/efficientnet_lite0/t1.h5"
    digest = lab.products(study)[path.removeprefix("results/")]
    assert lab.planned(study, "--config", SHARD_SIZE, "--", path) == {}
    (study / path).unlink()
    assert lab.planned(study, "--config", SHARD_SIZE, "--", path) == {"embed_one": 1}
    lab.snakemake(study, "--config", SHARD_SIZE, "--", path)
    assert lab.products(study)[path.removeprefix("results/")] == digest
    # The products of the bulk run are still up to date.
    assert "embed" not in lab.planned(study, "--config", SHARD_SIZE)


def test_damaged_products_are_found_and_made_again_with_the_same_bytes(study):
    names = (
        "normalise/t0.mp4", "normalise/t1.frames.h5", "shots/t2.csv", "shots/t0.scores.h5",
        "clips/shot24/t1.csv", "embed/shot24/efficientnet_lite0/t2.h5",
    )  # fmt: skip
    before = lab.products(study)
    for name in names:
        path = study / "results" / name
        os.truncate(path, path.stat().st_size // 2)
    verify = [*lab.command(study)[:1], "-m", "trailers", "verify", "--results", str(study / "results")]
    found = subprocess.run(verify, capture_output=True, text=True, check=False, cwd=study)
    assert found.returncode == 1
    for name in names:
        assert name in found.stdout + found.stderr
    subprocess.run([*verify, "--repair"], capture_output=True, text=True, check=False, cwd=study)
    assert not [name for name in names if (study / "results" / name).exists()]
    lab.snakemake(study, "--config", SHARD_SIZE)
    assert subprocess.run(verify, capture_output=True, check=False, cwd=study).returncode == 0
    after = lab.products(study)
    assert {name: after[name] for name in before if not name.startswith("attempts/")} == {
        name: digest for name, digest in before.items() if not name.startswith("attempts/")
    }


def kill_group(job: subprocess.Popen) -> None:
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def test_after_a_kill_in_the_middle_of_a_shard_no_finished_trailer_is_made_again(tmp_path):
    folder = lab.make_study(tmp_path / "killed", 6)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(folder, undisturbed)
    words = ("--config", "shard_size=6", "--until", "normalise")
    job = subprocess.Popen(
        lab.command(folder, "--cores", "2", *words),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lab.environment(), start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(folder.glob("results/normalise/*.mp4"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    kill_group(job)
    assert not list(folder.glob("results/ledger/normalise/*.tsv"))
    made = {
        path: when for path, when in lab.times(folder).items() if path.startswith("normalise/") and "/." not in path
    }
    assert len(made) >= 3
    lab.snakemake(folder, "--unlock", *words)
    lab.snakemake(folder, *words)
    after = lab.times(folder)
    finished_pairs = [
        path for path in made if path.endswith(".frames.h5") and path.replace(".frames.h5", ".mp4") in made
    ]
    assert {path: after[path] for path in finished_pairs} == {path: made[path] for path in finished_pairs}
    lab.snakemake(undisturbed, *words)
    assert lab.products(folder) == lab.products(undisturbed)


def test_a_manifest_that_cannot_be_read_stops_the_run_before_its_first_job(tmp_path):
    (tmp_path / "manifest.csv").write_text("trailer,url\n../x,videos/t0.mp4\n")
    done = lab.snakemake(tmp_path, check=False)
    assert done.returncode != 0
    assert "row 2, column trailer: '../x' cannot name a file safely" in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_the_message_about_a_missing_manifest_says_how_to_make_one(tmp_path):
    done = lab.snakemake(tmp_path, check=False)
    assert done.returncode != 0
    assert "manifest.csv: no such manifest. Write one with `python -m trailers manifest`" in done.stdout + done.stderr


def test_a_failing_job_writes_its_reason_to_log_terminal_and_status(tmp_path):
    lab.write_manifest(tmp_path, ((name, f"http://127.0.0.1:9/{name}.mp4") for name in ("a", "b")))
    download = "download={retries: 0, sleep_s: 0, backoff_s: 0.1}"
    config = ["--config", download, "max_failed_fraction=0.1", "check_disk=false"]
    (ledger,) = make_shards(["a", "b"], size=100)
    target = f"results/ledger/download/{ledger}.tsv"
    done = lab.snakemake(tmp_path, target, "--cores", "1", "--retries", "0", *config, check=False)
    assert done.returncode != 0
    last = (tmp_path / "logs" / "download" / f"{ledger}.log").read_text().splitlines()[-1]
    assert last.startswith(
        "error: download: 2 of 2 trailers failed, more than max_failed_fraction 0.1 allows. The first:"
    )
    assert last in done.stderr.splitlines()
    assert read_failures(tmp_path / "results") == {f"download/{ledger}": last.removeprefix("error: ")}
    assert "message: None" not in done.stderr
    assert "python -m trailers download" not in done.stderr


@pytest.mark.parametrize("dead", [1, 2])
def test_a_run_without_a_usable_trailer_fails_with_a_message(tmp_path, dead):
    (tmp_path / "videos").mkdir()
    rows = [(f"t{n}", f"videos/t{n}.mp4") for n in range(2)]
    for _, path in rows[dead:]:
        lab.make_video(tmp_path / path, 0)
    lab.write_manifest(tmp_path, rows)
    random_weights = ["--config", "check_disk=false", "embed={random_weights: true}"]
    done = lab.snakemake(tmp_path, *random_weights, check=False)
    assert (done.returncode != 0) == (dead == 2)
    assert ("none of 2 trailers is ok in download (2 dead: not found)" in done.stderr) == (dead == 2)
    assert ("(100%) done" in done.stderr) == (dead == 1)
    assert (tmp_path / "results" / "report" / "index.html").exists() == (dead == 1)
    assert (tmp_path / "results" / "report" / "nothing-usable.html").exists() == (dead == 2)


def test_an_unknown_backbone_stops_the_run_before_its_first_job(tmp_path):
    lab.make_study(tmp_path, 1)
    done = lab.snakemake(tmp_path, "-n", "--config", "embed={backbones: [swin3d]}", check=False)
    assert done.returncode != 0
    message = "config.yaml, embed: no backbone is called 'swin3d'. The nearest are swin3d_t, swin3d_s"
    assert message in done.stdout + done.stderr


# A user may give a folder such a name; a shell must not interpret it.
ODD = "my packs; touch X $(touch Y) `touch Z` 'one' \"two\" *é"

STUDY = """
backbones:
  swin3d_t: {features: 8, parameters_m: 27.850, gmacs: 75.856}
experiments:
  one: {clips: shot24, backbones: [swin3d_t], aggregation: average}
tables:
  - number: 6
    title: Backbones and pretraining
    section: '7.5'
    rows:
      - {group: Transformer, name: Swin-3D, experiment: one, pretraining: [Kinetics], printed_parameters_m: 27.9,
         printed_gmacs: 1590.0, printed: [[75.57, 0.66], [70.48, 0.41], [74.21, 0.40], [80.02, 0.47]]}
"""
ROW = "      - {group: Transformer, name: mine, experiment: two, pretraining: [Kinetics]}\n"


def test_tables_from_packs_and_a_row_that_is_added_later(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    packs = tmp_path / ODD
    drawn = ["--trailers", "40", "--shortest", "3", "--longest", "9"]
    words = ["synthetic", "--study", str(tmp_path / "study.yaml"), "--output", str(packs), *drawn]
    assert main(words) == 0
    (tmp_path / "config.yaml").write_text(json.dumps({"packs": ODD, "manifest": f"{ODD}/manifest.csv"}))
    config = ["study=study.yaml", "classify={epochs: 1}"]
    lab.snakemake(tmp_path, "tables", "--config", *config)
    assert not {path.name for path in tmp_path.iterdir()} & {"X", "Y", "Z"}
    figures = {name for name in lab.products(tmp_path) if name.startswith("figures/")}
    drawn, kinds = ("titles", "genres", "labels", "shots", "costs"), ("svg", "pdf", "png")
    pictures = {f"figures/{name}.{kind}" for name in drawn for kind in kinds}
    assert figures == {*pictures, "figures/figures.json"}
    page = (tmp_path / "results" / "report" / "tables" / "index.html").read_text()
    assert page.count('<img alt="Fig. ') == 5
    assert page.count("Not drawn") == 1  # Fig. 9, which needs the videos
    assert all(words in page for words in ("Table 6", "75.57", "Swin-3D"))

    second = "  two: {clips: shot24, backbones: [swin3d_t], aggregation: gru}\n"
    (tmp_path / "study.yaml").write_text(STUDY.replace("tables:\n", f"{second}tables:\n") + ROW)
    assert lab.planned(tmp_path, "tables", "--config", *config) == {
        "classify": 3, "make_tables": 1, "make_figures": 1, "report_tables": 1, "tables": 1,
    }  # fmt: skip
