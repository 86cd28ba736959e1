"""The jobs of `snakemake pages`, as a dry run lists them."""

from __future__ import annotations

import pytest

import workflow_lab as lab

pytestmark = pytest.mark.slow

SIZE = "shard_size=3"  # two shards in the finished study


def test_after_a_run_pages_need_flags_pages_and_the_list(finished_study):
    jobs = lab.planned(finished_study, "pages", "--config", SIZE)
    assert jobs == {"quality_of_shard": 2, "make_pages": 2, "browse": 1, "pages": 1}


def test_without_experiments_pages_need_neither_embeddings_nor_training(finished_study, tmp_path):
    for name in ("manifest.csv", "videos"):
        (tmp_path / name).symlink_to(finished_study / name)
    jobs = lab.planned(tmp_path, "pages", "--config", SIZE, "pages={with_experiments: false}")
    stages = dict.fromkeys(("shard_list", "download", "normalise", "shots", "clips", "make_pages"), 2)
    assert jobs == {**stages, "quality_of_shard": 2, "browse": 1, "pages": 1}


def test_one_page_is_made_by_its_name(finished_study):
    assert lab.planned(finished_study, "results/pages/t0.html", "--config", SIZE) == {"make_pages_one": 1}
