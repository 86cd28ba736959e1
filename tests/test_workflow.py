"""What a user of the whole pipeline relies on: nothing is lost, nothing done twice, only what changed is redone."""

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

SIZE = "shard_size=3"
REPORT = "results/report/index.html"


@pytest.fixture
def study(finished_study, tmp_path) -> Path:
    """A copy of the finished study to change; times are kept, so that it is as finished as the first."""
    folder = tmp_path / "study"
    shutil.copytree(finished_study, folder, copy_function=shutil.copy2, symlinks=True)
    return folder


def rows_of(folder: Path, *stage: str) -> dict:
    ledgers = sorted(folder.joinpath("results", "ledger", *stage).glob("*.tsv"))
    return {trailer: row for ledger in ledgers for trailer, row in read_ledger(ledger).items()}


def test_a_study_runs_to_its_report_and_explains_what_it_lacks(finished_study):
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


def test_the_demo_runs_to_its_report_and_meets_a_dead_link(finished_demo):
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
    assert "few_shots" in report.read_text()  # what the stage quality flags, already after the first run


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
    done = lab.snakemake(study, "--config", SIZE)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert lab.times(study) == before


def change_manifest(study: Path, old: str, new: str) -> None:
    text = (study / "manifest.csv").read_text()
    assert old in text
    (study / "manifest.csv").write_text(text.replace(old, new))


def jobs_after(study: Path, *config: str) -> dict[str, int]:
    """What a dry run would do, without the target itself."""
    jobs = lab.planned(study, "--config", *(config or (SIZE,)))
    jobs.pop("all", None)
    return jobs


EMBED_ON = {"embed": 2, "pack": 1, "classify": 1, "report": 1}
TINY = "experiments={default: {clips: shot24, backbones: [efficientnet_lite0], aggregation: %s}}"

# docs/redo.md: what is changed, and the jobs that follow. The study has two shards.
REDO = {
    "nothing": ((), {}),
    "threshold": (("shots={threshold: 0.9}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "the other head": (("shots={head: many}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "short shots dropped": (("shots={min_frames: 5}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "frames a clip": (
        (
            "clips={strategies: [shot12]}",
            "experiments={default: {clips: shot12, backbones: [efficientnet_lite0], aggregation: transformer}}",
        ),
        {"clips": 2, **EMBED_ON},
    ),
    "a clip strategy added": (("clips={strategies: [shot24, seq24]}",), {"clips": 2, "embed": 2, "report": 1}),
    "a backbone added": (
        ("embed={backbones: [efficientnet_lite0, resnet50], weights_dir: brought}",),
        {"embed": 2, "report": 1},
    ),
    "the classifier's settings": (("classify={epochs: 7}",), {"classify": 1, "report": 1}),
    "another aggregation": ((TINY % "gru",), {"classify": 1, "report": 1}),
    "an experiment added": (
        ("experiments={second: {clips: shot24, backbones: [efficientnet_lite0], aggregation: gru}}",),
        {"classify": 1, "report": 1},
    ),
    "how a stage works": (("max_failed_fraction=0.4", "download={sleep_s: 3, retries: 9}"), {}),
    "genres": (("genres=[action,drama,comedy,western]",), {"classify": 1, "report": 1}),
    "how normalise encodes": (("normalise={crf: 20}",), {"normalise": 2, "shots": 2, "clips": 2, **EMBED_ON}),
}


@pytest.mark.parametrize("change", REDO)
def test_a_changed_setting_redoes_what_depends_on_it(finished_study, change):
    settings, expected = REDO[change]
    weights = finished_study / "brought" / "resnet50-0676ba61.pth"  # planning refuses a backbone without weights
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"weights")
    jobs = lab.planned(finished_study, "--config", SIZE, *settings)
    jobs.pop("all", None)
    assert jobs == expected


# All stages of one shard, and what its ledgers lead to.
ONE_SHARD = {"download": 1, "normalise": 1, "shots": 1, "clips": 1, **EMBED_ON, "embed": 1}


def test_a_changed_link_redoes_its_own_shard(study):
    change_manifest(study, "t1,videos/t1.mp4", "t1,videos/t2.mp4")
    assert jobs_after(study) == ONE_SHARD


def test_a_video_replaced_in_place_redoes_its_own_shard(study):
    shutil.copyfile(study / "videos" / "t2.mp4", study / "videos" / "t1.mp4")
    assert jobs_after(study) == ONE_SHARD


def test_videos_that_went_after_their_download_redo_nothing(study):
    shutil.rmtree(study / "videos")
    assert jobs_after(study) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [("t1,videos/t1.mp4,drama,1", "t1,videos/t1.mp4,drama;crime,1"), ("none.mp4,action,0", "none.mp4,action,1")],
    ids=["genres", "split"],
)
def test_changed_labels_train_again_and_redo_nothing_else(study, old, new):
    change_manifest(study, old, new)
    assert jobs_after(study) == {"classify": 1, "report": 1}


def test_a_removed_trailer_redoes_ledgers_not_products(study):
    text = (study / "manifest.csv").read_text().splitlines()
    (study / "manifest.csv").write_text("\n".join(line for line in text if not line.startswith("text,")) + "\n")
    assert jobs_after(study) == {"shard_list": 1, **ONE_SHARD}
    before = lab.times(study)
    lab.snakemake(study, "--config", SIZE, "--until", "embed")
    after = lab.times(study)
    products = [path for path in before if path.startswith(("normalise/", "shots/", "clips/", "embed/"))]
    assert {path: after[path] for path in products} == {path: before[path] for path in products}


def test_another_shard_size_makes_ledgers_not_products(study):
    assert jobs_after(study, "shard_size=5") == {"shard_list": 1, **ONE_SHARD}
    before = lab.times(study)
    lab.snakemake(study, "--config", "shard_size=5", "--until", "embed")
    after = lab.times(study)
    products = [path for path in before if path.startswith(("download/", "normalise/", "shots/", "clips/", "embed/"))]
    assert {path: after[path] for path in products} == {path: before[path] for path in products}


def test_a_new_version_of_the_package_redoes_nothing(study, tmp_path):
    snakefile = lab.copy_project(tmp_path / "newer")
    package = snakefile.parent / "src" / "trailers"
    (package / "__init__.py").write_text('__version__ = "99.0"\n')
    for stage in (package / "stages").glob("*.py"):
        stage.write_text(stage.read_text() + "\nNEW = True\n")
    words = ("--config", SIZE, "--snakefile", str(snakefile))
    assert lab.planned(study, *words) == {}
    # Nor does a job that runs all the same.
    before = lab.products(study)
    lab.snakemake(study, *words, "--forcerun", "embed", "--until", "embed")
    assert all(", 0 to make" in log.read_text() for log in (study / "logs" / "embed").rglob("*.log"))
    assert lab.products(study) == before


def test_results_moved_elsewhere_are_as_finished_as_before(finished_study, tmp_path):
    shutil.copytree(finished_study, tmp_path / "elsewhere", copy_function=shutil.copy2, symlinks=True)
    assert jobs_after(tmp_path / "elsewhere") == {}


def test_weights_that_changed_embed_again(study):
    lock = study / "weights" / "efficientnet_lite0.json"
    lock.parent.mkdir()
    lock.write_text('{"lock": {"sha256": "0"}}')
    assert jobs_after(study) == {"embed": 2, "pack": 1, "classify": 1, "report": 1}


def test_a_backbone_taken_out_redoes_the_report_only(study):
    words = ("--config", SIZE, f"embed={{backbones: [efficientnet_lite0, {own_backbone(study)}]}}")
    lab.snakemake(study, *words)
    assert lab.planned(study, *words) == {}
    assert jobs_after(study) == {"report": 1}


OWN_BACKBONE = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    return torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(48, 48, bias=False))

tiny = Row(
    name="", library="own", model="tiny", dimensions=2, features=48,
    transform=Transform((32,), (32, 32), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    weights=Weights("none", "tiny.pt"), make=build,
)
"""


def own_backbone(study: Path) -> str:
    """A backbone of the user's own: so small that it costs nothing."""
    import torch

    (study / "mine.py").write_text(OWN_BACKBONE)
    (study / "weights").mkdir()
    torch.save({"2.weight": torch.eye(48)}, study / "weights" / "tiny.pt")
    return "mine.py:tiny"


def test_one_more_backbone_touches_nothing_but_its_own_files(study):
    before = lab.times(study)
    words = ("--config", SIZE, f"embed={{backbones: [efficientnet_lite0, {own_backbone(study)}]}}")
    jobs = lab.planned(study, *words)
    jobs.pop("all")
    assert jobs == {"embed": 2, "report": 1}
    lab.snakemake(study, *words)
    after = lab.times(study)
    new = {path for path in after if after[path] != before.get(path)}
    assert {path.split("/")[0] for path in new} == {"embed", "ledger", "report"}
    assert all("/mine.py-tiny/" in path for path in new if not path.startswith("report/"))
    assert len([path for path in new if path.startswith("embed/shot24/mine.py-tiny/")]) == 3
    # From here on its own file and its weights decide: an edit of either embeds again, and nothing else.
    assert lab.planned(study, *words) == {}
    again = {"embed": 2, "report": 1, "all": 1}
    saved = (study / "weights" / "tiny.pt").read_bytes()
    (study / "weights" / "tiny.pt").write_bytes(saved[:-1])
    assert lab.planned(study, *words) == again
    (study / "weights" / "tiny.pt").write_bytes(saved)
    assert lab.planned(study, *words) == {}
    (study / "mine.py").write_text(f"import helper\n{OWN_BACKBONE}")
    (study / "helper.py").write_text("")
    assert lab.planned(study, *words) == again
    lab.snakemake(study, *words, "--until", "embed")
    (study / "helper.py").write_text("EDITED = True")
    assert lab.planned(study, *words)["embed"] == 2


def test_appended_trailers_touch_only_the_last_partly_filled_shard(study):
    text = (study / "manifest.csv").read_text()
    (study / "manifest.csv").write_text(text + "t3,videos/t0.mp4,action,0\nt4,videos/t1.mp4,drama,1\n")
    # Of five rows and shards of three, the second shard grows from two rows to three and a third is new.
    assert jobs_after(study) == {
        "shard_list": 2, "download": 2, "normalise": 2, "shots": 2, "clips": 2, **EMBED_ON,
    }  # fmt: skip
    before = lab.times(study)
    lab.snakemake(study, "--config", SIZE, "--until", "clips")
    after = lab.times(study)
    same = [path for path in before if path.startswith(("normalise/", "shots/", "clips/", "embed/"))]
    assert {path: after[path] for path in same} == {path: before[path] for path in same}


OTHER_SETTINGS = ("--config", "shard_size=2", "normalise={crf: 40}", "--until", "clips")
OTHER_MANIFEST = ("--config", SIZE, "manifest=other.csv", "--until", "normalise")


@pytest.mark.parametrize("between", [OTHER_SETTINGS, OTHER_MANIFEST], ids=["settings and shard size", "manifest"])
def test_what_another_run_replaced_is_made_again_by_the_next(study, between):
    rows = (study / "manifest.csv").read_text().replace("t0,videos/t0.mp4", "t0,videos/t1.mp4").splitlines()
    (study / "other.csv").write_text("\n".join(rows[:2]) + "\n")
    before = lab.products(study, ".mp4", ".csv", ".h5", ".tsv")
    lab.snakemake(study, *between)
    name = "normalise/t0.mp4"
    assert lab.products(study)[name] != before[name]
    assert jobs_after(study)["normalise"] >= 1
    lab.snakemake(study, "--config", SIZE)
    after = lab.products(study)
    assert {path: after[path] for path in before} == before
    assert jobs_after(study) == {}


def test_another_threshold_redoes_shots_without_inference(study):
    scores = {path: when for path, when in lab.times(study).items() if path.endswith(".scores.h5")}
    words = ("--config", SIZE, "shots={threshold: 0.9}")
    lab.snakemake(study, *words, "--until", "shots")
    assert {path: lab.times(study)[path] for path in scores} == scores


def test_the_report_tells_the_settings_that_were_asked_for(study):
    before = (study / REPORT).read_text()
    lab.snakemake(study, "--config", SIZE, "download={min_height: 100}")
    after = (study / REPORT).read_text()
    assert "<dt>min_height</dt><dd>480</dd>" in before
    assert "<dt>min_height</dt><dd>100</dd>" in after


def test_one_trailer_by_file_name(study):
    path = "results/embed/shot24/efficientnet_lite0/t1.h5"
    digest = lab.products(study)[path.removeprefix("results/")]
    assert lab.planned(study, "--config", SIZE, "--", path) == {}
    (study / path).unlink()
    assert lab.planned(study, "--config", SIZE, "--", path) == {"embed_one": 1}
    lab.snakemake(study, "--config", SIZE, "--", path)
    assert lab.products(study)[path.removeprefix("results/")] == digest
    # What the bulk run made is up to date still.
    assert "embed" not in lab.planned(study, "--config", SIZE)


def test_damaged_products_are_noticed_and_made_again_with_the_same_bytes(study):
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
    lab.snakemake(study, "--config", SIZE)
    assert subprocess.run(verify, capture_output=True, check=False, cwd=study).returncode == 0
    after = lab.products(study)
    assert {name: after[name] for name in before if not name.startswith("attempts/")} == {
        name: digest for name, digest in before.items() if not name.startswith("attempts/")
    }


def kill_group(job: subprocess.Popen) -> None:
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def test_after_kill_of_everything_in_mid_shard_no_trailer_is_done_twice(tmp_path):
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


def test_a_manifest_that_cannot_be_read_stops_before_anything_is_done(tmp_path):
    (tmp_path / "manifest.csv").write_text("trailer,url\n../x,videos/t0.mp4\n")
    done = lab.snakemake(tmp_path, check=False)
    assert done.returncode != 0
    assert "row 2, column trailer: '../x' cannot name a file safely" in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_without_a_manifest_it_is_said_how_to_make_one(tmp_path):
    done = lab.snakemake(tmp_path, check=False)
    assert done.returncode != 0
    assert "manifest.csv: no such manifest. Write one with `python -m trailers manifest`" in done.stdout + done.stderr


def test_a_failing_job_says_why_in_its_log_at_the_terminal_and_for_status(tmp_path):
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
def test_a_run_that_leaves_no_trailer_fails_and_says_so(tmp_path, dead):
    (tmp_path / "videos").mkdir()
    rows = [(f"t{n}", f"videos/t{n}.mp4") for n in range(2)]
    for _, path in rows[dead:]:
        lab.make_video(tmp_path / path, 0)
    lab.write_manifest(tmp_path, rows)
    random_weights = ["--config", "check_disk=false", "embed={random_weights: true}"]
    done = lab.snakemake(tmp_path, *random_weights, check=False)
    assert (done.returncode != 0) == (dead == 2)
    told = "none of 2 trailers is ok in download (2 dead: not found)" in done.stderr
    assert told == (dead == 2)
    assert ("(100%) done" in done.stderr) == (dead == 1)
    assert (tmp_path / "results" / "report" / "index.html").exists() == (dead == 1)
    assert (tmp_path / "results" / "report" / "nothing-usable.html").exists() == (dead == 2)


def test_a_backbone_nobody_knows_is_named_before_anything_is_done(tmp_path):
    lab.make_study(tmp_path, 1)
    done = lab.snakemake(tmp_path, "-n", "--config", "embed={backbones: [swin3d]}", check=False)
    assert done.returncode != 0
    told = "config.yaml, embed: no backbone is called 'swin3d'. The nearest are swin3d_t, swin3d_s"
    assert told in done.stdout + done.stderr


# A folder as a user may name it, and no shell may read.
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


def test_the_tables_of_a_study_on_packs_and_a_row_added_to_them(tmp_path):
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
