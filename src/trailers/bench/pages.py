"""pages: the page of a trailer with its pictures, compared with only decoding its video; and the list of 12,000.

cpu_s_beyond_decoding: CPU seconds per trailer of the stage, minus those of decoding the same video on one thread.
largest_kb: of a page with its pictures and data. list_mb: of the list with its data.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from trailers.bench import harness
from trailers.config import defaults
from trailers.domain import GENRES, Trailer
from trailers.errors import ConfigError
from trailers.pages.rendering import as_script
from trailers.reporting.browse import LIST
from trailers.reporting.browse.listing import make_listing
from trailers.reporting.browse.near import nearest
from trailers.settings import from_section
from trailers.stages.pages import Pages, Settings, Shown
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow

FEATURES = 1280  # of efficientnet_lite0, the default backbone


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="results of a finished run"
    )
    parser.add_argument("--clips", nargs="+", default=["shot24"], help="strategies to show (shot24)")
    parser.add_argument("--trailers", type=int, default=12_000, help="trailers of the list (12000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    layout = Layout(arguments.results)
    names = sorted(path.stem for path in (layout.root / "shots").glob("*.csv"))
    if not names:
        raise ConfigError("contains no shots", where=layout.root, remedy="Choose results of a run that found shots.")
    shots = defaults("shots")
    stage = Pages(layout, (), from_section(Settings, defaults("pages")))
    stage.show(Shown(tuple(arguments.clips), float(shots["threshold"]), str(shots["head"])))
    figures = {name: of_trailer(stage, name, rounds=arguments.rounds) for name in names}
    figures |= {f"list of {arguments.trailers:,}": of_list(arguments.trailers)}
    pages = [figures[name] for name in names]
    ratios = {
        "cpu_s_beyond_decoding": statistics.mean(page["cpu_s"] - page["decode_cpu_s"] for page in pages),
        "largest_kb": max(page["kb"] for page in pages),
        "list_mb": figures[f"list of {arguments.trailers:,}"]["mb"],
    }
    return {"figures": figures, "ratios": ratios}


def of_trailer(stage: Pages, trailer: str, *, rounds: int) -> dict[str, float]:
    """Time and size of the page of one trailer."""
    video = stage.layout.video(trailer)
    ways = {"decode": lambda: decode(video), "page": lambda: stage.make(trailer)}
    timings = harness.alternate(ways, rounds=rounds, keep=True)
    files = [*stage.products(trailer), stage.layout.page_data(trailer)]
    facts = timings["page"].results[0].facts
    return {
        "shots": facts["shots"],
        "pictures": facts["pictures"],
        "cpu_s": timings["page"].median_cpu_s,
        "decode_cpu_s": timings["decode"].median_cpu_s,
        "kb": sum(path.stat().st_size for path in files if path.exists()) / 1000,
    }


def decode(video: Path) -> None:
    """Decode all frames on one thread and discard them."""
    import av

    with av.open(str(video.absolute())) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for _ in container.decode(stream):
            pass


def of_list(count: int) -> dict[str, float]:
    """Time and size of the list of ``count`` invented trailers, and the time to find their neighbours."""
    names = [f"tt{number:07d}" for number in range(count)]
    trailers = [
        Trailer(name, (), f"A Title of Common Length {name}", (GENRES[n % 10], GENRES[(n + 3) % 10]), (n % 3, 0, 1))
        for n, name in enumerate(names)
    ]
    facts = {"frames": 3000, "shots": 90, "clips": 160, "quality": ["too short"]}
    table = {name: LedgerRow(name, OK, facts=facts) for name in names}
    keys = (("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("pages",))
    before = time.process_time()
    text = as_script(LIST, make_listing(trailers, dict.fromkeys(keys, table), []))
    listed = time.process_time()
    nearest(names, np.random.default_rng(0).normal(size=(count, FEATURES)).astype(np.float32))
    return {"mb": len(text.encode()) / 1e6, "cpu_s": listed - before, "near_cpu_s": time.process_time() - listed}
