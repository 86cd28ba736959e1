"""A small results folder with pages, made without a neural network, for tests of pages and of their list."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import Clip, Shot
from trailers.reporting import browse
from trailers.stages import shard
from trailers.stages.pages import Pages, Settings, Shown
from trailers.store.embeddings import write_embedding
from trailers.store.frames import SHAPE, write_frames
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, SKIPPED, LedgerRow, write_ledger
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.scores import Scores, write_scores
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans
from trailers.video import encode_frames

SHARD = "s0000"
SHOTS = [Shot(0, 30), Shot(30, 54), Shot(54, 96)]
CLIPS = [
    Clip(0, 0, 24, 0, 7), Clip(0, 24, 30, 18, 25), Clip(1, 30, 54, 0, 40), Clip(2, 54, 78, 0, 60),
    Clip(2, 78, 96, 6, 80),
]  # fmt: skip
FACTS: dict[str, Any] = {
    "frames": 96, "frames_duplicated": 0, "frames_dropped": 4, "source_frames": 100, "source_fps": 25.0,
    "width_px": 64, "height_px": 36, "source_width_px": 1280, "source_height_px": 720, "codec": "h264",
    "container": "mov,mp4,m4a,3gp,3g2,mj2", "warnings": "its end is missing",
}  # fmt: skip


def make_trailer(layout: Layout, trailer: str, seed: int) -> None:
    """Make everything that the pages stage reads of a trailer, and its vectors; ``seed`` decides the colours."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 255, (len(SHOTS), 9, 16, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    frames = [pictures[number] for number, shot in enumerate(SHOTS) for _ in range(len(shot))]
    encode_frames(layout.video(trailer), frames, width_px=64, height_px=36, fps=24, fingerprint="video")
    with write_frames(layout.frames(trailer)) as writer:
        writer.append(np.zeros((96, *SHAPE), np.uint8))
        writer.describe({"trailer": trailer, "fingerprint": "frames", **FACTS})
    single = np.zeros(96, np.float32)
    single[[29, 53]] = 0.9
    scores = Scores(single, single / 2, np.ones(2, np.bool_), "float32")
    write_scores(layout.scores(trailer), scores, {"trailer": trailer, "fingerprint": "scores"})
    header: dict[str, str | int] = {"trailer": trailer, "frames": 96, "fingerprint": "shots"}
    header["frames_fingerprint"] = "frames"
    write_spans(layout.shots(trailer), SHOTS, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    header = {"trailer": trailer, "frames": 96, "fingerprint": "clips"}
    write_spans(layout.clips("shot24", trailer), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    vectors = random.normal(size=(len(CLIPS), 6)).astype(np.float32)
    attributes = {"trailer": trailer, "fingerprint": "vectors", "backbone": "flat"}
    write_embedding(layout.embedding("shot24", "flat", trailer), vectors, CLIPS, attributes)
    facts = {
        "bytes": 3_000_000,
        "duration_s": 4.0,
        "url": f"https://example.org/{trailer}?a=1&b=<2>",
        "quality": ["too short"],
    }
    write_receipt(layout.receipt(trailer), Receipt(trailer, OK, f"{trailer}.mp4", "0" * 64, "download", facts))


def pages_stage(layout: Layout, **changed: Any) -> Pages:
    stage = Pages(layout, (), Settings(**{"picture_px": 96, "largest_kb": 400, **changed}))
    stage.show(Shown(("shot24",), 0.5, "single"))
    return stage


def make_ledgers(layout: Layout, trailers: Sequence[str], dead: Sequence[str]) -> None:
    """Write the ledgers of all stages before the pages; ``dead`` trailers have no video."""
    facts = {
        ("download",): {"bytes": 3_000_000, "quality": ["too short"]},
        ("normalise",): FACTS,
        ("shots",): {"frames": 96, "shots": 3},
        ("clips", "shot24"): {"clips": 5},
        ("embed", "shot24", "flat"): {"clips": 5, "F": 6, "precision": "float32"},
    }
    for key, known in facts.items():
        rows = [LedgerRow(name, OK, "x", "", known) for name in trailers]
        error = "download: removed: “<b>gone</b>”"
        for name in dead:
            first = key == ("download",)
            rows.append(
                LedgerRow(name, DEAD if first else SKIPPED, facts={"reason": "removed"} if first else {}, error=error)
            )
        write_ledger(layout.ledger(key[0], SHARD, *key[1:]), rows)


def make_results(folder: Path, titles: dict[str, str], dead: Sequence[str] = ()) -> Layout:
    """Make results with the pages of the trailers in ``titles``, and their list; returns the layout."""
    layout = Layout(folder / "results")
    existing = [name for name in titles if name not in dead]
    for seed, name in enumerate(existing):
        make_trailer(layout, name, seed)
    make_ledgers(layout, existing, dead)
    layout.shard(SHARD).parent.mkdir(parents=True)
    layout.shard(SHARD).write_text("".join(f"{name}\n" for name in (*existing, *dead)))
    parser = argparse.ArgumentParser()
    shard.add_flags(parser)
    words = ["--shard", str(layout.shard(SHARD)), "--ledger", str(layout.ledger("pages", SHARD))]
    words += ["--upstream", str(layout.ledger("shots", SHARD)), "--results", str(layout.root)]
    shard.run_stage(pages_stage(layout), parser.parse_args(words))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["trailer", "url", "title", "genres", "split0"])
        for number, (name, title) in enumerate(titles.items()):
            table.writerow(
                [name, f"https://example.org/{name}", title, ("action", "drama;comedy")[number % 2], number % 3]
            )
    run_browse(folder)
    return layout


def run_browse(folder: Path, *more: str) -> None:
    """Make the list of all trailers, and the data of each page."""
    results = folder / "results"
    parser = argparse.ArgumentParser()
    browse.add_flags(parser)
    ledgers = sorted(str(path) for path in (results / "ledger").rglob(f"{SHARD}.tsv"))
    words = ["--manifest", str(folder / "manifest.csv"), "--ledgers", *ledgers, "--results", str(results)]
    words += ["--near", "shot24", "flat", "--output", str(results / "pages" / "index.html"), *more]
    browse.run(parser.parse_args(words))
