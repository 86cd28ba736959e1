"""When the report is made again, and Snakemake's own report, which contains it."""

from __future__ import annotations

import os
import shutil
import zipfile

import pytest

import workflow_lab as lab


@pytest.mark.slow
def test_snakemakes_report_as_a_zip_holds_the_report_of_the_run(finished_study, tmp_path):
    folder = shutil.copytree(finished_study, tmp_path / "study")
    lab.snakemake(folder, "--config", "shard_size=3", "--report", "report.zip")
    with zipfile.ZipFile(folder / "report.zip") as archive:
        held = [archive.read(name) for name in archive.namelist() if name.endswith("index.html")]
    assert (folder / "results" / "report" / "index.html").read_bytes() in held


@pytest.mark.slow
def test_the_report_is_made_again_when_pages_and_flags_exist(finished_study, tmp_path):
    folder = shutil.copytree(finished_study, tmp_path / "study")
    assert lab.planned(folder, "--config", "shard_size=3") == {}
    for stage in ("pages", "quality"):
        (shard, *_) = sorted((folder / "results" / "ledger" / "shots").glob("*.tsv"))
        ledger = folder / "results" / "ledger" / stage / shard.name
        ledger.parent.mkdir()
        ledger.write_bytes(shard.read_bytes())
        os.utime(ledger, (0, 0))  # older than the report; only its existence counts
        assert lab.planned(folder, "--config", "shard_size=3") == {"all": 1, "report": 1}
        lab.snakemake(folder, "--config", "shard_size=3")
        assert lab.planned(folder, "--config", "shard_size=3") == {}
