"""Fixtures of reporting: a small study with ledgers and products."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from report_lab import (
    BACKBONE,
    MANIFEST,
    SHARD,
    STRATEGY,
    ledger_rows,
)
from trailers.domain import Clip, Shot
from trailers.reporting.report import dataset
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import write_ledger
from trailers.store.spans import SHOTS_SCHEMA, write_spans


@pytest.fixture(autouse=True)
def _plain(request, monkeypatch):
    """Leaves out the figures of the data set, which take a second to draw; test_report_parts.py draws them."""
    if request.module.__name__.endswith(("test_report", "test_report_page")):
        monkeypatch.setattr(dataset, "draw_figures", lambda *_: {})


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
