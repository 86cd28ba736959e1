"""`snakemake replicate`: from published files to the paper's tables, on small archives under the published names."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
import yaml

import workflow_lab as lab
from server import Page, Server
from trailers.domain import GENRES
from trailers.store.published import write_published

pytestmark = pytest.mark.slow

STORES = {"trailers_i_resnet_fpc24": 2048, "trailers_k_r2plus1d_fps24_fpc24": 512}
COUNT = 24


def labels() -> bytes:
    """A file of the published form: every genre and every subset of every split has some trailers."""
    lines = [",".join(("mid", *GENRES, "split0", "split1", "split2"))]
    for n in range(COUNT):
        genres = [int(n % 10 == genre or (n + 3) % 10 == genre) for genre in range(10)]
        lines.append(",".join(map(str, (f"tt{n:07d}", *genres, n % 3, (n + 1) % 3, (n // 2) % 3))))
    return ("\n".join(lines) + "\n").encode()


def archive(folder, stem, features) -> bytes:
    vectors = {
        f"tt{n:07d}": lambda n=n: np.random.default_rng(n).standard_normal((3, features)).astype(np.float32)
        for n in range(COUNT)
    }
    write_published(folder / f"{stem}.zarr", vectors, attributes={"F": features})
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.add(folder / f"{stem}.zarr", f"{stem}.zarr")
    return raw.getvalue()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    files = {f"{stem}.zarr.tar.gz": archive(folder, stem, features) for stem, features in STORES.items()}
    return {"mtgc.csv": labels(), **files}


def configure(folder, server, published):
    digests = [f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in published.items()]
    (folder / "md5s").write_text("".join(digests))
    replicate = {"folder": "archives", "record": server.link("/") + "{name}", "md5s": "md5s", "stores": list(STORES)}
    config = {"replicate": replicate, "classify": {"epochs": 1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_published_archives_give_the_table_and_a_wrong_archive_stops_with_a_sentence(tmp_path, published):
    wrong = {**published, "trailers_i_resnet_fpc24.zarr.tar.gz": b"not the archive"}
    with Server({f"/{name}": Page(content) for name, content in wrong.items()}) as server:
        configure(tmp_path, server, published)
        done = lab.snakemake(tmp_path, "replicate", check=False)
    assert done.returncode != 0
    log = (tmp_path / "logs" / "replicate" / "shot24" / "resnet50.log").read_text()
    assert "trailers_i_resnet_fpc24.zarr.tar.gz: has MD5 " in log
    kept = tmp_path / "archives" / "trailers_k_r2plus1d_fps24_fpc24.zarr.tar.gz"
    assert kept.read_bytes() == published[kept.name]

    with Server({f"/{name}": Page(content) for name, content in published.items()}) as server:
        configure(tmp_path, server, published)
        lab.snakemake(tmp_path, "replicate")
        assert not server.requests_for(f"/{kept.name}"), "a kept archive is fetched again"
    found = json.loads((tmp_path / "results" / "replicate" / "tables" / "tables.json").read_text())
    rows = {row["name"]: row for table in found["tables"] if table["number"] == 6 for row in table["rows"]}
    trained = {name for name, row in rows.items() if row["splits"]}
    assert trained == {"CTT-MMC-A", "ResNet", "ResNet-2+1D", "ResNet-Fusion"}
    assert rows["ResNet"]["splits"] == [0, 1, 2]
    assert rows["ResNet"]["repository"]["micro"][:2] == [70.92, 3.49]
    assert rows["ResNet"]["interval"]["micro"] is not None
    why = "\n".join(found["incomplete"])
    assert "resnet2d: trailers is 24, but 12,000 for the printed numbers" in why
    assert "resnet2d: epochs is 1, but 100 for the printed numbers" in why
    table2 = next(table for table in found["tables"] if table["number"] == 2)
    assert any(
        "has no seq24/swin3d_t.h5; with the trailers' videos, `snakemake results/pack/study/seq24/swin3d_t.h5` makes it"
        in reason
        for reason in table2["incomplete"]
    )
    page = (tmp_path / "results" / "report" / "replicate" / "index.html").read_text()
    assert "authors&#39; repository" in page
    assert lab.planned(tmp_path, "replicate") == {}


def test_tables_of_packs_made_elsewhere_train_what_the_packs_cover(tmp_path):
    words = ["synthetic", "--output", str(tmp_path / "packs"), "--packs", "shot24/resnet50:2048", "--trailers", "30"]
    from trailers.__main__ import main

    assert main([*words, "--shortest", "3", "--longest", "5"]) == 0
    planned = lab.planned(tmp_path, "tables", "--config", "packs=packs", "manifest=packs/manifest.csv")
    # CTT-MMC-A and ResNet, on three splits each; 28 experiments need missing packs.
    assert planned["classify"] == 6
