"""review: starting with a long list of titles, and the time of a key press.

It writes ``--titles`` invented titles with ten candidates each. At a key press, the server appends the decision,
synchronises it to the disk, and looks up the next title. This is measured with an empty file of decisions, and with one
that contains a decision on every title except the last thousand.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from trailers.bench.harness import cpu_seconds
from trailers.review.queue import items_by_id
from trailers.review.session import Session
from trailers.store.candidates import Candidate, Found, write_found
from trailers.store.decisions import Decision, Journal, as_line, now
from trailers.store.layout import Layout
from trailers.store.titles import Title, as_csv, read_titles
from trailers.tools.review import found_candidates

CANDIDATES = 10  # of each title
OPEN = 1000  # titles without a decision in the long file of decisions


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--titles", type=int, default=12_000, metavar="N", help="titles on the list (12000)")
    parser.add_argument("--presses", type=int, default=200, metavar="N", help="key presses that are measured (200)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        titles = write_titles(folder, arguments.titles)
        wall_s, cpu_s = time.monotonic(), cpu_seconds()
        session = start(folder, "few.csv")
        session.show()
        begun = {"wall_s": time.monotonic() - wall_s, "cpu_s": cpu_seconds() - cpu_s}
        few = press(session, arguments.presses)
        write_decisions(folder / "many.csv", titles[: max(0, len(titles) - OPEN)])
        many = press(start(folder, "many.csv"), arguments.presses)
    figures = {f"start on {arguments.titles:,} titles": begun, "first decisions": few, "last decisions": many}
    return {"figures": figures, "ratios": {"start_s": begun["wall_s"], "decisions_per_s": many["per_s"]}}


def write_titles(folder: Path, count: int) -> list[Title]:
    """Write titles.csv, and the candidates of every title."""
    layout = Layout(folder / "results")
    titles = [Title(f"tt{n:07}", f"A Title of Common Length {n}", year=1930 + n % 90) for n in range(count)]
    (folder / "titles.csv").write_text(as_csv(titles), encoding="utf-8")
    for n, title in enumerate(titles):
        candidates = tuple(
            Candidate(
                f"https://www.youtube.com/watch?v={n:07}_{k:03}", f"{title.title} Official Trailer {k}", "A Studio",
                duration_s=90.0 + k, views=1000 * n, upload_date="2010-05-10", height_px=720, place=k + 1,
                score=95.0 - n % 60 - 5 * k, parts={"title": 50.0, "duration": 15.0, "trailer words": 15.0},
            )
            for k in range(CANDIDATES)
        )  # fmt: skip
        write_found(layout.candidates(title.id), Found(title.id, "x", "y", title.title, candidates))
    return titles


def start(folder: Path, decisions: str) -> Session:
    """The session, as `trailers review` prepares it before it serves the page."""
    layout, titles = Layout(folder / "results"), read_titles(folder / "titles.csv")
    items = items_by_id(titles, found_candidates(layout, titles))
    return Session(items, Journal(folder / decisions), "ann", 1, layout, folder)


def write_decisions(path: Path, titles: list[Title]) -> None:
    """Write a decision of another reviewer on each of ``titles``."""
    Journal(path).append(Decision(now(), "bob", 1, "tt0000000", "note"))  # with the header
    with path.open("a", encoding="utf-8") as file:
        file.writelines(as_line(Decision(now(), "bob", 1, title.id, "reject")) for title in titles)


def press(session: Session, count: int) -> dict[str, float]:
    """Decide ``count`` titles, one after the other."""
    title, times_s = session.show()["title"], []
    for _ in range(count):
        if title is None:
            break
        before = time.monotonic()
        session.decide({"trailer": title["id"], "action": "accept", "url": title["candidates"][0]["url"]})
        title = session.show(after=title["id"])["title"]
        times_s.append(time.monotonic() - before)
    return {
        "presses": len(times_s), "per_s": len(times_s) / sum(times_s), "median_ms": 1000 * statistics.median(times_s),
        "slowest_ms": 1000 * max(times_s),
    }  # fmt: skip
