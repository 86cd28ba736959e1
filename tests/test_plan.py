"""The plan for a configuration and a manifest, without Snakemake."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from trailers.config import read_config
from trailers.errors import ConfigError, ManifestError
from trailers.plan import reruns
from trailers.plan.flags import effort_flags, settings_text, shaping_flags
from trailers.plan.studies import Plan, make_plan
from trailers.plan.study import pairs_of
from trailers.project import PROJECT
from trailers.store.pack import Part, write_pack
from trailers.store.receipt import Receipt, write_receipt

MANIFEST = """trailer,url,genres,split0,split1,poster
a,videos/a.mp4,action,0,0,a.jpg
b,videos/b.mp4,drama,1,0,
c,videos/c.mp4,comedy,2,0,
d,videos/d.mp4,,0,1,
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(**config) -> Plan:
    return make_plan(read_config({"shard_size": 2, **config}), PROJECT)


TWO = {"clips": {"strategies": ["shot24", "seq32"]}, "embed": {"backbones": ["resnet50"]}}
EXPERIMENTS = {
    "default": {"clips": "shot24", "backbones": ["swin3d_t", "resnet50"]},
    "again": {"clips": "shot24", "backbones": ["resnet50"], "aggregation": "gru"},
}


def test_pairs_are_those_of_the_configuration_then_those_of_experiments():
    assert pairs_of(EXPERIMENTS, ["shot24", "seq32"], ["resnet50"]) == (
        ("shot24", "resnet50"), ("seq32", "resnet50"), ("shot24", "swin3d_t"),
    )  # fmt: skip
    assert pairs_of(EXPERIMENTS) == (("shot24", "swin3d_t"), ("shot24", "resnet50"))
    assert pairs_of({}, [], ["resnet50"]) == ()


def test_several_weights_of_one_model_are_different_backbones(folder):
    names = ["resnet50", "torchvision:resnet50", "torchvision:resnet50.IMAGENET1K_V1"]
    found = plan(embed={"backbones": names}, experiments={})
    assert {name: f for f, name in found.full_names.items() if name in names} == {
        "resnet50": "resnet50", "torchvision:resnet50": "torchvision-resnet50",
        "torchvision:resnet50.IMAGENET1K_V1": "torchvision-resnet50.IMAGENET1K_V1",
    }  # fmt: skip


def test_two_spellings_of_one_backbone_are_one_pair():
    experiments = {"default": {"clips": "shot24", "backbones": ["timm:vit?size=224&pool=avg"]}}
    assert pairs_of(experiments, ["shot24"], ["timm:vit?pool=avg&size=224"]) == (
        ("shot24", "timm:vit?pool=avg&size=224"),
    )


def test_shards_are_consecutive_rows_named_by_their_trailers(folder):
    users = plan().users
    assert list(users.shards.values()) == [("a", "b"), ("c", "d")]
    assert [name[:6] for name in users.shards] == ["s0000-", "s0001-"]
    assert all(name.startswith("d") for name in plan().demo.shards)


def test_a_split_is_used_if_each_subset_has_a_trailer_with_genres(folder):
    assert plan().users.splits == (0,)
    assert plan().users.metrics() == ["results/classify/default/split0/metrics.json"]


def test_the_report_waits_for_the_ledgers_of_every_stage_pair_and_shard(folder):
    study = plan(**TWO, experiments=EXPERIMENTS).users
    first, second = study.shards
    assert [path for path in study.all_ledgers() if second in path] == [
        f"results/ledger/{stage}/{second}.tsv"
        for stage in (
            "download", "normalise", "shots", "clips/shot24", "clips/seq32",
            "embed/shot24/resnet50", "embed/seq32/resnet50", "embed/shot24/swin3d_t",
        )
    ]  # fmt: skip
    # Only the first of the two shards has a poster, and only one of the two backbones takes single pictures.
    assert study.poster_ledgers() == [
        f"results/ledger/posters/{first}.tsv", f"results/ledger/posters/resnet50/{first}.tsv",
    ]  # fmt: skip


def test_a_manifest_without_posters_has_no_poster_stages(folder):
    (folder / "manifest.csv").write_text("trailer,url\na,videos/a.mp4\n")
    assert plan().users.poster_stages == ()


def test_the_demo_and_the_papers_tables_have_no_poster_stages(folder):
    assert plan().demo.poster_stages == plan().paper.poster_stages == ()


def test_packs_made_elsewhere_replace_embeddings(folder):
    planned = plan(packs="my packs")
    assert planned.users.all_ledgers() == []
    assert planned.packs_of("default") == ["my packs/shot24/efficientnet_lite0.h5"]
    assert planned.packs_of("demo") == ["results/pack/demo/shot24/efficientnet_lite0.h5"]
    assert planned.users.shot_ledgers() == []
    (folder / "my packs/ledger/shots").mkdir(parents=True)
    (folder / "my packs/ledger/shots/x.tsv").touch()
    assert planned.users.shot_ledgers() == ["my packs/ledger/shots/x.tsv"]
    assert planned.users.shot_flags() == "--results 'my packs' --ledgers 'my packs/ledger/shots/x.tsv'"


def test_quality_exclude_makes_quality_a_part_of_that_study_only(folder):
    planned = plan(quality={"exclude": ["black"]})
    assert ("quality",) in planned.users.stages
    assert planned.excluded_of("default") == ["results/quality/excluded.csv"]
    assert ("quality",) not in planned.demo.stages
    assert planned.excluded_of("demo") == []
    assert ("quality",) not in plan().users.stages
    assert plan().excluded_of("default") == []


def test_packs_made_elsewhere_cannot_exclude_trailers_by_flags(folder):
    with pytest.raises(ConfigError, match=r"quality\.exclude: leaves out trailers by flags"):
        plan(quality={"exclude": ["black"]}, packs="elsewhere")


def test_folders_of_ledgers_are_given_instead_of_thousands_of_paths(folder):
    flags = plan().users.ledger_flags_of([("shots",), ("embed", "shot24", "timm:vit.dino")])
    assert flags == "--ledgers results/ledger/shots results/ledger/embed/shot24/timm-vit.dino --shards s2"


def test_extra_pairs_are_those_of_the_same_study_that_the_shard_lacks(folder):
    planned = plan(**TWO, experiments=EXPERIMENTS)
    shard = next(iter(planned.users.shards))
    own = ("shot24", "resnet50")
    assert planned.extra_pairs(shard, own) == [("seq32", "resnet50"), ("shot24", "swin3d_t")]
    ledger = folder / f"results/ledger/embed/seq32/resnet50/{shard}.tsv"
    ledger.parent.mkdir(parents=True)
    ledger.touch()
    assert planned.extra_pairs(shard, own) == [("shot24", "swin3d_t")]
    # The paper's own pairs are made together, and never by a job of the user's study.
    assert set(planned.extra_pairs(shard, ("shot32", "swin3d_t"))) <= set(planned.paper.own_pairs)
    assert planned.extra_pairs(next(iter(planned.demo.shards)), ("shot24", "efficientnet_lite0")) == []


def test_a_trailer_belongs_to_the_study_whose_manifest_names_it(folder):
    planned = plan()
    assert planned.with_trailer("a") is planned.users
    assert planned.with_trailer("demo-dead-link") is planned.demo
    with pytest.raises(ManifestError, match=r"no manifest contains 'x'\. Add it to manifest\.csv\."):
        planned.with_trailer("x")


def test_settings_of_an_experiment_override_the_section_classify(folder):
    planned = plan(classify={"epochs": 7}, experiments={"default": {"epochs": 3}})
    assert (planned.experiment("default")["epochs"], planned.experiment("demo")["epochs"]) == (3, 7)


def test_two_experiments_of_the_same_name_are_refused(folder):
    name = next(iter(plan().paper.experiments))
    with pytest.raises(ConfigError, match=f"two experiments are called '{name}'"):
        plan(experiments={name: EXPERIMENTS["again"]})


def test_the_plan_of_a_demo_needs_no_manifest_of_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan()
    assert len(planned.demo.trailers) == 14
    assert planned.demo.prerequisites == ("results/demo/cuts.csv",)
    with pytest.raises(ManifestError, match=r"manifest\.csv: no such manifest"):
        _ = planned.users.shards


def digests(planned: Plan) -> dict[str, list[str]]:
    """The parameters that make jobs run again, by subject."""
    shards = list(planned.users.shards)
    return {
        "links": [reruns.links(planned, shard) for shard in shards],
        "posters": [reruns.poster_links(planned, shard) for shard in shards],
        "labels": [reruns.labels(planned, "default")],
    }


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("videos/c.mp4", "videos/x.mp4", ("links", 1)),
        ("videos/c.mp4", "videos/c.mp4 | videos/x.mp4", ("links", 1)),
        ("a.jpg", "b.jpg", ("posters", 0)),
        ("drama", "drama;crime", ("labels", 0)),
        ("action,0,0", "action,1,0", ("labels", 0)),
    ],
)
def test_a_changed_cell_changes_only_the_digests_of_the_stages_that_read_it(folder, old, new, changed):
    before = digests(plan())
    (folder / "manifest.csv").write_text(MANIFEST.replace(old, new))
    after = digests(plan())
    assert [(name, n) for name in before for n, one in enumerate(before[name]) if after[name][n] != one] == [changed]


def put_pack(folder: Path, vector: float, time_s: int) -> None:
    """A pack made elsewhere, whose file has this time."""
    path = folder / "elsewhere" / "shot24" / "efficientnet_lite0.h5"
    part = Part("a", 1, lambda: np.full((1, 4), vector, np.float32))
    attributes = {"backbone": "efficientnet_lite0", "clips": "shot24", "fingerprint": f"vectors of {vector}"}
    write_pack(path, [part], features=4, attributes=attributes)
    os.utime(path, (time_s, time_s))
    reruns.pack_fingerprint.cache_clear()


def test_a_pack_made_elsewhere_is_noticed_by_its_fingerprint_and_not_by_its_time(folder):
    def digest() -> str:
        return digests(plan(packs="elsewhere"))["labels"][0]

    missing = digest()
    put_pack(folder, 1.0, 2000)
    first = digest()
    put_pack(folder, 1.0, 3000)
    assert digest() == first
    put_pack(folder, 2.0, 1000)  # copied over the first with its own, older time
    assert len({missing, first, digest()}) == 3
    # With embeddings made by the run, the digest is that of earlier versions.
    assert digests(plan())["labels"] == ["60ae5e668153e221"]


@pytest.fixture
def videos(folder) -> Path:
    (folder / "videos").mkdir()
    for name in ("videos/a.mp4", "videos/b.mp4", "videos/c.mp4", "a.jpg"):
        (folder / name).write_bytes(b"first")
    return folder


def changed_by(act) -> list[tuple[str, int]]:
    before = digests(plan())
    act()
    after = digests(plan())
    return [(name, n) for name in before for n, one in enumerate(before[name]) if after[name][n] != one]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("videos/b.mp4", [("links", 0)]),
        ("videos/c.mp4", [("links", 1)]),
        ("videos/d.mp4", [("links", 1)]),  # it did not exist before
        ("a.jpg", [("posters", 0)]),
        ("videos/e.mp4", []),
    ],
)
def test_a_file_replaced_in_place_changes_the_digest_of_its_shard_alone(videos, name, changed):
    assert changed_by(lambda: None) == []
    assert changed_by(lambda: (videos / name).write_bytes(b"a better one")) == changed


def test_a_replaced_file_of_the_same_size_is_detected_by_its_time(videos):
    assert changed_by(lambda: os.utime(videos / "videos/a.mp4", ns=(1, 1))) == [("links", 0)]


def test_a_file_removed_after_its_download_changes_nothing(videos):
    for name in "abc":
        status = (videos / f"videos/{name}.mp4").stat()
        facts = {"url": f"videos/{name}.mp4", "source_bytes": status.st_size, "source_mtime_ns": status.st_mtime_ns}
        receipt = Receipt(name, "ok", f"{name}.mp4", "0" * 64, "", {"extractor": "file", **facts})
        if name == "b":  # one that was refused
            receipt = Receipt(name, "dead", "", "", "", {"refused": [facts]}, "not a video")
        write_receipt(videos / f"results/download/{name}.json", receipt)
    assert changed_by(lambda: shutil.rmtree(videos / "videos")) == []


def test_without_local_files_in_the_manifest_no_file_is_checked(videos, monkeypatch):
    (videos / "manifest.csv").write_text("trailer,url\na,https://a.test/a.mp4\nb,vKQi3bBA1y8\n")
    monkeypatch.setattr(reruns, "version_of", None)
    planned = plan()
    assert len(reruns.links(planned, next(iter(planned.users.shards)))) == 16


def test_digests_of_the_demo_do_not_depend_on_the_videos_that_it_makes(videos):
    def demos():
        planned = plan()
        return [reruns.links(planned, shard) for shard in planned.demo.shards]

    before = demos()
    for trailer in plan().demo.trailers:
        for url in trailer.urls:
            if not url.startswith("http"):
                (videos / url).parent.mkdir(parents=True, exist_ok=True)
                (videos / url).write_bytes(b"made")
    assert demos() == before


def test_a_trailer_requested_by_name_is_made_again_like_its_shard(videos):
    before = [reruns.links_of_one(plan(), "a"), reruns.poster_links_of_one(plan(), "a")]
    (videos / "videos/a.mp4").write_bytes(b"a better one")
    (videos / "a.jpg").write_bytes(b"a better one")
    after = [reruns.links_of_one(plan(), "a"), reruns.poster_links_of_one(plan(), "a")]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True]


def test_another_attempt_or_other_weights_change_the_digest(folder):
    planned = plan()
    shard = next(iter(planned.users.shards))
    assert reruns.attempts(planned, "embed", shard, "shot24", "resnet50") == 0
    count = folder / f"results/attempts/embed/shot24/resnet50/{shard}"
    count.parent.mkdir(parents=True)
    count.write_text("3\n")
    assert reruns.attempts(planned, "embed", shard, "shot24", "resnet50") == 3
    assert reruns.weights(planned, "resnet50") == ""
    (folder / "weights").mkdir()
    (folder / "weights/resnet50.json").write_text('{"lock": {"sha256": "0f"}}')
    assert reruns.weights(plan(), "resnet50") == "0f"


def test_flags_that_shape_products_are_separate_from_other_flags():
    config = read_config({"embed": {"precision": "float32", "workers": 0}})
    assert shaping_flags(config, "embed") == "--precision float32 --random-weights false"
    assert shaping_flags(config, "posters") == shaping_flags(config, "embed")
    assert effort_flags(config, "embed").endswith("--weights-dir weights --device auto --batch-clips none --workers 0")
    assert effort_flags(config, "clips") == "--max-failed-fraction 0.5 --trailer-timeout-s 1800"
    assert settings_text(config, ["clips"]) == '{"clips": {"histogram_bins": 8}}'
