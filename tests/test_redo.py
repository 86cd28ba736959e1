"""After a change, exactly the jobs that depend on it run again; docs/redo.md lists the changes."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest

import workflow_lab as lab
from trailers.bench.scale import BACKBONE

pytestmark = pytest.mark.slow

SHARD_SIZE = "shard_size=3"


def change_manifest(study: Path, old: str, new: str) -> None:
    text = (study / "manifest.csv").read_text()
    assert old in text
    (study / "manifest.csv").write_text(text.replace(old, new))


def jobs_after(study: Path, *config: str) -> dict[str, int]:
    """The jobs of a dry run, without the target itself."""
    jobs = lab.planned(study, "--config", *(config or (SHARD_SIZE,)))
    jobs.pop("all", None)
    return jobs


EMBED_ON = {"embed": 2, "pack": 1, "classify": 1, "report": 1}
TINY = "experiments={default: {clips: shot24, backbones: [efficientnet_lite0], aggregation: %s}}"

# The rows of docs/redo.md: change -> settings, and the jobs that run again. The study has two shards.
REDO = {
    "nothing": ((), {}),
    "threshold": (("shots={threshold: 0.9}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "the other head": (("shots={head: many}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "short shots dropped": (("shots={min_frames: 5}",), {"shots": 2, "clips": 2, **EMBED_ON}),
    "frames per clip": (
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
    "performance options": (("max_failed_fraction=0.4", "download={sleep_s: 3, retries: 9}"), {}),
    "genres": (("genres=[action,drama,comedy,western]",), {"classify": 1, "report": 1}),
    "settings of normalise": (("normalise={crf: 20}",), {"normalise": 2, "shots": 2, "clips": 2, **EMBED_ON}),
}


@pytest.mark.parametrize("change", REDO)
def test_a_changed_setting_redoes_what_depends_on_it(finished_study, change):
    settings, expected = REDO[change]
    weights = finished_study / "brought" / "resnet50-0676ba61.pth"  # planning refuses a backbone without weights
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(b"weights")
    jobs = lab.planned(finished_study, "--config", SHARD_SIZE, *settings)
    jobs.pop("all", None)
    assert jobs == expected


# The jobs of one shard, and the jobs that depend on its ledgers.
ONE_SHARD = {"download": 1, "normalise": 1, "shots": 1, "clips": 1, **EMBED_ON, "embed": 1}


def test_a_changed_link_redoes_its_own_shard(study):
    change_manifest(study, "t1,videos/t1.mp4", "t1,videos/t2.mp4")
    assert jobs_after(study) == ONE_SHARD


def test_a_video_replaced_in_place_redoes_its_own_shard(study):
    shutil.copyfile(study / "videos" / "t2.mp4", study / "videos" / "t1.mp4")
    assert jobs_after(study) == ONE_SHARD


def test_videos_removed_after_their_download_redo_nothing(study):
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
    lab.snakemake(study, "--config", SHARD_SIZE, "--until", "embed")
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
    words = ("--config", SHARD_SIZE, "--snakefile", str(snakefile))
    assert lab.planned(study, *words) == {}
    # A job that is forced to run does not make anything again either.
    before = lab.products(study)
    lab.snakemake(study, *words, "--forcerun", "embed", "--until", "embed")
    assert all(", 0 to make" in log.read_text() for log in (study / "logs" / "embed").rglob("*.log"))
    assert lab.products(study) == before


def test_a_copied_study_is_still_finished(finished_study, tmp_path):
    shutil.copytree(finished_study, tmp_path / "elsewhere", copy_function=shutil.copy2, symlinks=True)
    assert jobs_after(tmp_path / "elsewhere") == {}


def test_changed_weights_embed_again(study):
    lock = study / "weights" / "efficientnet_lite0.json"
    lock.parent.mkdir()
    lock.write_text('{"lock": {"sha256": "0"}}')
    assert jobs_after(study) == {"embed": 2, "pack": 1, "classify": 1, "report": 1}


def test_a_removed_backbone_redoes_only_the_report(study):
    words = ("--config", SHARD_SIZE, f"embed={{backbones: [efficientnet_lite0, {own_backbone(study)}]}}")
    lab.snakemake(study, *words)
    assert lab.planned(study, *words) == {}
    assert jobs_after(study) == {"report": 1}


def own_backbone(study: Path) -> str:
    """A backbone in a file of the user, small enough for a test."""
    import torch

    (study / "mine.py").write_text(BACKBONE)
    (study / "weights").mkdir()
    torch.save({"2.weight": torch.eye(48)}, study / "weights" / "tiny.pt")
    return "mine.py:tiny"


def test_an_added_backbone_changes_only_its_own_files(study):
    before = lab.times(study)
    words = ("--config", SHARD_SIZE, f"embed={{backbones: [efficientnet_lite0, {own_backbone(study)}]}}")
    jobs = lab.planned(study, *words)
    jobs.pop("all")
    assert jobs == {"embed": 2, "report": 1}
    lab.snakemake(study, *words)
    after = lab.times(study)
    new = {path for path in after if after[path] != before.get(path)}
    assert {path.split("/")[0] for path in new} == {"embed", "ledger", "report"}
    assert all("/mine.py-tiny/" in path for path in new if not path.startswith("report/"))
    assert len([path for path in new if path.startswith("embed/shot24/mine.py-tiny/")]) == 3
    # Now an edit of its file or of its weights makes the vectors again, and nothing else.
    assert lab.planned(study, *words) == {}
    again = {"embed": 2, "report": 1, "all": 1}
    saved = (study / "weights" / "tiny.pt").read_bytes()
    (study / "weights" / "tiny.pt").write_bytes(saved[:-1])
    assert lab.planned(study, *words) == again
    (study / "weights" / "tiny.pt").write_bytes(saved)
    assert lab.planned(study, *words) == {}
    (study / "mine.py").write_text(f"import helper\n{BACKBONE}")
    (study / "helper.py").write_text("")
    assert lab.planned(study, *words) == again
    lab.snakemake(study, *words, "--until", "embed")
    (study / "helper.py").write_text("EDITED = True")
    assert lab.planned(study, *words)["embed"] == 2


def test_appended_trailers_change_only_the_last_incomplete_shard(study):
    text = (study / "manifest.csv").read_text()
    (study / "manifest.csv").write_text(text + "t3,videos/t0.mp4,action,0\nt4,videos/t1.mp4,drama,1\n")
    # Of five rows and shards of three, the second shard grows from two rows to three and a third is new.
    assert jobs_after(study) == {
        "shard_list": 2, "download": 2, "normalise": 2, "shots": 2, "clips": 2, **EMBED_ON,
    }  # fmt: skip
    before = lab.times(study)
    lab.snakemake(study, "--config", SHARD_SIZE, "--until", "clips")
    after = lab.times(study)
    same = [path for path in before if path.startswith(("normalise/", "shots/", "clips/", "embed/"))]
    assert {path: after[path] for path in same} == {path: before[path] for path in same}


OTHER_SETTINGS = ("--config", "shard_size=2", "normalise={crf: 40}", "--until", "clips")
OTHER_MANIFEST = ("--config", SHARD_SIZE, "manifest=other.csv", "--until", "normalise")


@pytest.mark.parametrize("between", [OTHER_SETTINGS, OTHER_MANIFEST], ids=["settings and shard size", "manifest"])
def test_products_replaced_by_another_run_are_made_again_by_the_next_run(study, between):
    rows = (study / "manifest.csv").read_text().replace("t0,videos/t0.mp4", "t0,videos/t1.mp4").splitlines()
    (study / "other.csv").write_text("\n".join(rows[:2]) + "\n")
    before = lab.products(study, ".mp4", ".csv", ".h5", ".tsv")
    lab.snakemake(study, *between)
    name = "normalise/t0.mp4"
    assert lab.products(study)[name] != before[name]
    assert jobs_after(study)["normalise"] >= 1
    lab.snakemake(study, "--config", SHARD_SIZE)
    after = lab.products(study)
    assert {path: after[path] for path in before} == before
    assert jobs_after(study) == {}


def test_another_threshold_redoes_shots_without_inference(study):
    scores = {path: when for path, when in lab.times(study).items() if path.endswith(".scores.h5")}
    words = ("--config", SHARD_SIZE, "shots={threshold: 0.9}")
    lab.snakemake(study, *words, "--until", "shots")
    assert {path: lab.times(study)[path] for path in scores} == scores


def mark_incomplete(folder: Path, output: str) -> None:
    """What a run leaves that was killed while it wrote ``output``."""
    marks = folder / ".snakemake" / "incomplete"
    marks.mkdir(parents=True, exist_ok=True)
    (marks / base64.b64encode(output.encode()).decode()).touch()


ALL_JOBS = {"download": 2, "normalise": 2, "shots": 2, "clips": 2, "embed": 2, "pack": 1, "classify": 1, "report": 1}


def test_a_kill_while_a_shard_list_is_written_hides_no_later_job(study):
    for path in (study / "results").iterdir():
        if path.name != "shards":
            shutil.rmtree(path)
    shard_list = sorted((study / "results" / "shards").glob("*.txt"))[0]
    mark_incomplete(study, f"results/shards/{shard_list.name}")
    assert jobs_after(study) == {"shard_list": 1, **ALL_JOBS}


def test_a_kill_while_the_demos_videos_are_written_hides_no_later_job(tmp_path):
    everything = lab.planned(tmp_path, "demo")
    (tmp_path / "results" / "demo").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "cuts.csv").write_text("trailer,kind,frame,frames,fps\n")
    mark_incomplete(tmp_path, "results/demo/cuts.csv")
    assert lab.planned(tmp_path, "demo") == everything
    assert everything["report_demo"] == 1


def test_no_input_is_marked_ancient():
    """Where a job must run whose output exists, Snakemake 9.27 forgets everything behind an ancient input of it."""
    marked = [path.name for path in lab.PROJECT.glob("workflow/rules/*.smk") if "ancient(" in path.read_text()]
    assert marked == []
