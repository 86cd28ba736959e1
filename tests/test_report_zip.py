"""Snakemake's own report holds the project's."""

from __future__ import annotations

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
