"""Fixtures of the tools: small results with every product."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from results_lab import (
    FRAMES,
    LEDGERS,
    NAMES,
    SHARD,
    make_products,
)
from trailers.domain import GENRES
from trailers.store.embeddings import write_poster
from trailers.store.experiment import WEIGHTS_SCHEMA, save_state, write_metrics, write_table
from trailers.store.experiment_files import COLUMNS, prediction_columns
from trailers.store.fingerprint import sha256_of
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, write_ledger
from trailers.store.pack import Part, write_pack
from trailers.store.receipt import Receipt, write_receipt
from trailers.video import encode_frames


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A real video of 48 frames at 24 fps with the fingerprint n."""
    path = tmp_path_factory.mktemp("video") / "x.mp4"
    random = np.random.default_rng(0)
    pictures = (random.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(FRAMES))
    encode_frames(path, pictures, width_px=64, height_px=64, fps=24, fingerprint="n")
    return path.read_bytes()


@pytest.fixture
def results(tmp_path, video, experiment):
    """Two trailers with every product, as the stages write them; a third is dead."""
    layout = Layout(tmp_path / "results")
    for name in NAMES:
        make_products(layout, name, video)
    write_receipt(layout.receipt("gone"), Receipt("gone", "dead", fingerprint="d", error="removed: by its owner"))
    for key, digest in zip(LEDGERS, "dnsce", strict=True):
        rows = [LedgerRow(name, "ok", fingerprint=digest) for name in NAMES]
        rows.append(
            LedgerRow("gone", "dead" if key == ("download",) else "skipped", error="download: removed: by its owner")
        )
        write_ledger(layout.ledger(key[0], SHARD, *key[1:]), rows)
    layout.shard(SHARD).parent.mkdir()
    layout.shard(SHARD).write_text("one\ntwo\ngone\n")
    vectors = np.eye(3, dtype=np.float32)
    attributes = {"backbone": "tiny", "clips": "shot24", "fingerprint": "p"}
    parts = [Part(name, 3, lambda: vectors) for name in NAMES]
    write_pack(layout.pack("study", "shot24", "tiny"), parts, features=3, attributes=attributes)
    shutil.copytree(experiment, layout.experiment("main", 0))
    return layout


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A training of two epochs on two trailers, as the classify stage leaves it."""
    import torch

    folder = tmp_path_factory.mktemp("experiment") / "split0"
    state = {"schema": WEIGHTS_SCHEMA, "fingerprint": "x", "experiment": "main", "split": 0, "clips": "shot24",
             "backbones": ["tiny"], "features": [3], "packs": [{}], "genres": list(GENRES),
             "recipe": {"epochs": 2}, "state": {"w": torch.ones(2)},
             "curves": [(1, 0.1, 0.5, 0.6), (2, 0.1, 0.4, 0.5)], "best_epoch": 2}  # fmt: skip
    folder.mkdir()
    save_state(folder / "weights.pt", state)
    numbers = ["0.5"] * len(GENRES) + ["0"] * len(GENRES)
    write_table(folder / "predictions.csv", prediction_columns(GENRES),
                [["one", "validation", *numbers], ["two", "test", *numbers]])  # fmt: skip
    write_table(folder / "curves.csv", COLUMNS["curves.csv"], [[1, 0.1, 0.5, 0.6], [2, 0.1, 0.4, 0.5]])
    write_table(folder / "left_out.csv", COLUMNS["left_out.csv"], [["gone", "no embedding", "tiny", "train", ""]])
    counts = {"trailers": {"train": 0, "validation": 1, "test": 1}, "epochs": 2}
    write_metrics(folder, {"fingerprint": "x", **counts, "left_out": {"no embedding": 1, "by": {"train": 1}}})
    return folder


@pytest.fixture
def posters(results):
    """The first trailer's poster is embedded; the second has none, and the third's was not found."""
    image = results.poster_folder() / "one.png"
    image.parent.mkdir()
    image.write_bytes(b"a poster")
    receipt = Receipt("one", "ok", image.name, sha256_of(image), "p", {"bytes": 8})
    write_receipt(results.poster_receipt("one"), receipt)
    write_receipt(results.poster_receipt("gone"), Receipt("gone", "dead", fingerprint="d", error="not found: it"))
    write_poster(results.poster("tiny", "one"), np.ones((1, 3), np.float32), {"trailer": "one", "fingerprint": "v"})
    rest = [
        LedgerRow("two", "skipped", error="the manifest gives none"),
        LedgerRow("gone", "dead", error="poster download: not found: it"),
    ]
    write_ledger(results.ledger("posters", SHARD), [LedgerRow("one", "ok", fingerprint="p"), *rest])
    write_ledger(results.ledger("posters", SHARD, "tiny"), [LedgerRow("one", "ok", fingerprint="v"), *rest[:1]])
    return results
