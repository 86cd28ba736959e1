"""A small study with ledgers and products, and what tests of its report need."""

from __future__ import annotations

import re

from trailers.domain import GENRES
from trailers.reporting import report
from trailers.store.experiment import write_metrics
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger
from trailers.store.shards import make_shards

EVIL = "<script>alert('title')</script>"
MANIFEST = f"""trailer,title,url,genres,split0,split1,split2
good,The Good,good.mp4,comedy,0,0,0
fine,{EVIL},fine.mp4,drama;comedy,2,2,2
gone,,gone.mp4,drama,1,1,1
late,,late.mp4,drama,1,1,1
"""
STRATEGY, BACKBONE = "shot24", "timm:tiny"
TRAILERS = ("good", "fine", "gone", "late")
(SHARD,) = make_shards(TRAILERS, size=100)


def ledger_rows():
    """The rows of every ledger of the study, by stage and variant."""
    skipped = [LedgerRow("gone", "skipped", error="download: removed: <b>taken</b> down")]
    late = LedgerRow(
        "late", "failed", error="normalise: late: ffmpeg stopped with code 1 after 812 frames: moov atom",
        facts={"reason": "ffmpeg stopped"},
    )  # fmt: skip
    frames = {"frames": 96, "frames_duplicated": 3, "frames_dropped": 0}
    return {
        ("download",): [
            LedgerRow("good", "ok", "download/good.mp4", "f", facts={"quality": ["too short", "too small"]}),
            LedgerRow("fine", "ok", "download/fine.mp4", "f", facts={"quality": ["too short"]}),
            LedgerRow("gone", "dead", error="download: removed: <b>taken</b> down", facts={"reason": "removed"}),
            LedgerRow("late", "ok"),
        ],
        ("normalise",): [*(LedgerRow(name, "ok", facts=frames) for name in ("good", "fine")), *skipped, late],
        ("shots",): [*(LedgerRow(name, "ok") for name in ("good", "fine")), *skipped, LedgerRow("late", "skipped")],
        ("clips", STRATEGY): [
            LedgerRow("good", "ok", facts={"clips": 4, "padded": 1, "padding_frames": 6}),
            LedgerRow("fine", "ok", facts={"clips": 4, "padded": 2, "padding_frames": 20}),
            *skipped, LedgerRow("late", "skipped"),
        ],
        ("embed", STRATEGY, BACKBONE): [
            LedgerRow("good", "ok", "embed/shot24/timm-tiny/good.h5", facts={"clips": 4}),
            LedgerRow("fine", "ok", "embed/shot24/timm-tiny/fine.h5", facts={"clips": 4}),
            *skipped, LedgerRow("late", "skipped"),
        ],
    }  # fmt: skip


def add_metrics(study, name="main", micros=(60.0, 62.0, 67.0), test_trailers=2000):
    for split, micro in enumerate(micros):
        folder = Layout(study.results).experiment(name, split)
        scores = {"micro": micro, "macro": 50.0, "weighted": None, "sample": 40.0}
        write_metrics(
            folder,
            {
                "experiment": name, "split": split, "clips": STRATEGY, "backbones": [BACKBONE], "parameters": 1234567,
                "metrics": {"trapezoid": scores, "step": {**scores, "micro": micro - 30}},
                "floor": {key: {**scores, "micro": 11.0} for key in ("trapezoid", "step")},
                "genres": {genre: {"positives": 7, "trapezoid": 33.0, "step": 22.0} for genre in GENRES},
                "positives": {"test": dict.fromkeys(GENRES, 7)},
                "trailers": {"train": 8000, "validation": 1000, "test": test_trailers},
                "settings": {"seed": 0}, "epochs": 30, "best_epoch": 10 + split, "short_trailers": 5,
                "left_out": {"no_genres": 0, "no_split": 0, "no_embedding": 12, "no_embedding_by_subset": {}},
            },
        )  # fmt: skip
        study.metrics.append(folder / "metrics.json")


def made(study):
    report.run(study)
    return study.output.read_text()


def plain(html):
    """The words of a page, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|svg).*?</\1>", " ", html)))


def add_warnings(study):
    path = Layout(study.results).ledger("normalise", SHARD)
    rows = read_ledger(path)
    warning = "the file was cut off; 5 frames are <missing>"
    rows["good"] = LedgerRow("good", "ok", facts={"frames": 96, "warnings": warning})
    write_ledger(path, rows.values())
