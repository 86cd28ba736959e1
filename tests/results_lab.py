"""Small results with every product, and helpers for tests of verify and retry."""

from __future__ import annotations

import argparse

import numpy as np

from trailers.domain import Clip, Shot
from trailers.store.embeddings import write_embedding
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import write_frames
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.scores import Scores, write_scores
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans
from trailers.tools import verify

FRAMES = 48
SHARD = "s0000"
SHOTS = [Shot(0, 20), Shot(20, 48)]
CLIPS = [Clip(0, 0, 20, 4), Clip(1, 20, 44, 0), Clip(1, 44, 48, 20)]
NAMES = ("one", "two")
LEDGERS = [("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("embed", "shot24", "tiny")]


def make_products(layout, name, video):
    published = layout.download_folder() / f"{name}.webm"
    published.parent.mkdir(parents=True, exist_ok=True)
    published.write_bytes(b"as published " + name.encode())
    digest = sha256_of(published)
    facts = {"bytes": published.stat().st_size}
    write_receipt(layout.receipt(name), Receipt(name, "ok", published.name, digest, "d", facts))
    layout.video(name).parent.mkdir(exist_ok=True)
    layout.video(name).write_bytes(video)
    with write_frames(layout.frames(name)) as writer:
        writer.append(np.random.default_rng(1).integers(0, 255, (FRAMES, 27, 48, 3), np.uint8))
        identity = {"video_bytes": len(video), "video_sha256": sha256_of(layout.video(name))}
        writer.describe({"trailer": name, "fingerprint": "n", **identity})
    flat = np.full(FRAMES, 0.1, np.float32)
    scores = Scores(flat, flat, np.ones(1, bool), "float32")
    write_scores(layout.scores(name), scores, {"trailer": name, "fingerprint": "x"})
    header = {"trailer": name, "frames": FRAMES, "fingerprint": "s", "frames_fingerprint": "n"}
    write_spans(layout.shots(name), SHOTS, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    header = {"trailer": name, "frames": FRAMES, "fingerprint": "c"}
    write_spans(layout.clips("shot24", name), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    write_embedding(
        layout.embedding("shot24", "tiny", name),
        np.eye(3, dtype=np.float32),
        CLIPS,
        {"trailer": name, "fingerprint": "e"},
    )


def run_verify(layout, capsys, **options):
    """Exit status and printed lines of verify, with paths relative to the results."""
    flags = {"results": layout.root, "stages": verify.folders(), "deep": False, "repair": False}
    status = verify.run(argparse.Namespace(**{**flags, "older_s": 600.0, **options}))
    return status, [line.removeprefix(f"{layout.root}/") for line in capsys.readouterr().out.splitlines()]


def files(layout):
    return {str(path.relative_to(layout.root)) for path in layout.root.rglob("*") if path.is_file()}


def attempts(layout):
    return {name.removeprefix("attempts/") for name in files(layout) if name.startswith("attempts/")}


def cut(path):
    """Remove the end, like a full disk or a power cut."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flip(path, offset):
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x55
    path.write_bytes(bytes(data))
