"""The pack stage: from one embedding per trailer to one file for all."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, LedgerRow, write_ledger
from trailers.store.pack import open_pack
from trailers.store.shards import make_shards

VECTORS = {
    "t1": np.array([[1, 2], [3, 4]], np.float32),
    "t2": np.array([[5, 6], [7, 8], [9, 10]], np.float32),
    "t3": np.array([[11, 12]], np.float32),
}


def embed(layout, trailer, vectors, **attributes):
    clips = [Clip(0, 24 * i, 24 * i + 24, 0) for i in range(len(vectors))]
    path = layout.embedding("shot24", "resnet50", trailer)
    given = {
        "trailer": trailer,
        "backbone": "resnet50",
        "fingerprint": f"fingerprint-{trailer}",
        "weights": "V2",
        **attributes,
    }
    write_embedding(path, vectors, clips, given)


@pytest.fixture
def results(tmp_path):
    """Two shards: t2 and t1, then t3 and t4; t4 is dead."""
    layout = Layout(tmp_path / "results")
    for trailer, vectors in VECTORS.items():
        embed(layout, trailer, vectors)
    write_ledger(
        tmp_path / "s0.tsv",
        [LedgerRow("t2", OK, fingerprint="fingerprint-t2"), LedgerRow("t1", OK, fingerprint="fingerprint-t1")],
    )
    write_ledger(
        tmp_path / "s1.tsv", [LedgerRow("t3", OK, fingerprint="fingerprint-t3"), LedgerRow("t4", DEAD, error="removed")]
    )
    return layout


def pack(layout, folder, ledgers=("s0.tsv", "s1.tsv"), output="pack.h5"):
    words = [
        "pack",
        "--clips",
        "shot24",
        "--backbone",
        "resnet50",
        "--ledgers",
        *(str(folder / name) for name in ledgers),
    ]
    return main([*words, "--output", str(folder / output), "--results", str(layout.root)])


def test_the_trailers_that_are_ok_are_packed_in_the_order_of_the_ledgers(results, tmp_path):
    assert pack(results, tmp_path) == 0
    made = open_pack(tmp_path / "pack.h5")
    assert made.trailers == ("t2", "t1", "t3")
    assert made.vectors.tolist() == [[5, 6], [7, 8], [9, 10], [1, 2], [3, 4], [11, 12]]
    assert made.attributes["weights"] == "V2"
    assert "trailer" not in made.attributes


def test_a_folder_of_ledgers_is_read_shard_by_shard_in_the_order_of_the_manifest(results, tmp_path):
    pack(results, tmp_path)
    rows = [LedgerRow("t2", OK, fingerprint="fingerprint-t2"), LedgerRow("t1", OK, fingerprint="fingerprint-t1")]
    rows += [LedgerRow("t3", OK, fingerprint="fingerprint-t3"), LedgerRow("t4", DEAD, error="removed")]
    names = make_shards([row.trailer for row in rows], size=1)
    for row, name in zip(rows, names, strict=True):
        write_ledger(tmp_path / "ledgers" / f"{name}.tsv", [row])
    (tmp_path / "manifest.csv").write_text("trailer,url\n" + "".join(f"{row.trailer},x.mp4\n" for row in rows))
    words = ["pack", "--clips", "shot24", "--backbone", "resnet50", "--ledgers", str(tmp_path / "ledgers")]
    words += ["--output", str(tmp_path / "folder.h5"), "--results", str(results.root)]
    assert main([*words, "--manifest", str(tmp_path / "manifest.csv"), "--shards", "s1"]) == 0
    assert (tmp_path / "folder.h5").read_bytes() == (tmp_path / "pack.h5").read_bytes()


def test_packing_twice_gives_the_same_bytes(results, tmp_path):
    pack(results, tmp_path)
    pack(results, tmp_path, output="again.h5")
    assert (tmp_path / "pack.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()


def test_other_embeddings_give_another_fingerprint(results, tmp_path):
    pack(results, tmp_path)
    pack(results, tmp_path, ledgers=["s0.tsv"], output="fewer.h5")
    embed(results, "t3", VECTORS["t3"], fingerprint="other")
    write_ledger(tmp_path / "s1.tsv", [LedgerRow("t3", OK, fingerprint="other")])
    pack(results, tmp_path, output="other.h5")
    fingerprints = {open_pack(tmp_path / name).fingerprint for name in ("pack.h5", "fewer.h5", "other.h5")}
    assert len(fingerprints) == 3


def test_an_embedding_of_another_length_is_named_together_with_the_first(results, tmp_path, capsys):
    embed(results, "t3", np.ones((1, 5), np.float32))
    assert pack(results, tmp_path) == 1
    words = capsys.readouterr().err
    assert "t3.h5: F is 5, but it is 2 in" in words
    assert "t2.h5. Remove the wrong file and rerun the embed stage." in words
    assert not (tmp_path / "pack.h5").exists()


def test_embeddings_of_different_weights_are_not_packed_together(results, tmp_path, capsys):
    embed(results, "t1", VECTORS["t1"], weights="random")
    assert pack(results, tmp_path) == 1
    assert "t1.h5: weights is 'random', but it is 'V2' in" in capsys.readouterr().err


def test_an_attribute_that_differs_harmlessly_is_left_out(results, tmp_path):
    embed(results, "t1", VECTORS["t1"], device="cuda")
    assert pack(results, tmp_path) == 0
    assert "device" not in open_pack(tmp_path / "pack.h5").attributes


def test_a_missing_embedding_is_named(results, tmp_path, capsys):
    results.embedding("shot24", "resnet50", "t1").unlink()
    assert pack(results, tmp_path) == 1
    assert "t1.h5: does not exist. Run the embed stage first." in capsys.readouterr().err


def test_the_message_for_a_study_without_embeddings_gives_the_reason(results, tmp_path, capsys):
    write_ledger(tmp_path / "s1.tsv", [LedgerRow("t4", DEAD, error="download: removed: gone")])
    assert pack(results, tmp_path, ledgers=["s1.tsv"]) == 1
    assert "none of 1 trailers has an embedding of resnet50 on shot24" in capsys.readouterr().err
