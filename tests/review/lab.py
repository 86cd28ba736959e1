"""Titles with candidates in a folder, and the page served in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trailers.review.queue import items_by_id
from trailers.review.server import LOOPBACK, make_app
from trailers.review.session import Session
from trailers.store.candidates import Candidate, Found, write_found
from trailers.store.decisions import Journal
from trailers.store.layout import Layout
from trailers.store.titles import Title
from trailers.tools.review import found_candidates

TOKEN = "token"
WATCH = "https://www.youtube.com/watch?v="


def link(title: str, number: int) -> str:
    return f"{WATCH}{title}-{number}".ljust(len(WATCH) + 11, "x")


def make_titles(count: int) -> list[Title]:
    """t00, t01, ...; the later ones are more doubtful."""
    return [
        Title(
            f"t{n:02}", f"Movie <b>{n}</b>", "", 1990 + n, 7.5, 1000 * n, "drama;crime", 100 + n, f"Plot of {n} & more."
        )
        for n in range(count)
    ]


def candidate(title: Title, n: int, k: int) -> Candidate:
    return Candidate(
        link(title.id, k), f"{title.title} Official Trailer {k}", "Studio", duration_s=90.0 + k, views=12345 * (n + 1),
        upload_date="2010-05-10", height_px=720, score=90 - 6 * n - 20 * k,
        parts={"title": 50.0, "duration": 15.0, "teaser": -10.0},
    )  # fmt: skip


def make_candidates(layout: Layout, titles: list[Title]) -> None:
    for n, title in enumerate(titles):
        candidates = tuple(candidate(title, n, k) for k in range(3))
        write_found(layout.candidates(title.id), Found(title.id, "x", "y", title.title, candidates))


def make_session(folder: Path, count: int = 4, *, who: str = "ann", review: int = 1) -> Session:
    layout, titles = Layout(folder / "results"), make_titles(count)
    if not layout.search_folder().exists():
        make_candidates(layout, titles)
    items = items_by_id(titles, found_candidates(layout, titles))
    return Session(items, Journal(folder / "decisions.csv"), who, review, layout, folder)


@dataclass(frozen=True)
class Served:
    session: Session
    port: int
    stop: Callable[[], None]

    @property
    def page(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/{TOKEN}/"


@contextlib.contextmanager
def serving(session: Session) -> Iterator[Served]:
    import uvicorn

    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    listener.listen()
    port = listener.getsockname()[1]
    config = uvicorn.Config(make_app(session, token=TOKEN, port=port), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(10)

    try:
        yield Served(session, port, stop)
    finally:
        stop()
