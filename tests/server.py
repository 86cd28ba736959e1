"""A web server on loopback that misbehaves as configured and records all requests.

    with Server({"/trailer.mp4": Page(video)}) as server:
        ...  # server.link("/trailer.mp4"), server.requests_for("/trailer.mp4")

The pages of a path are sent in order; the last one is repeated.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NEVER = 3600.0  # s; longer than any test waits


@dataclass(frozen=True)
class Page:
    """One answer. If ``cut`` is not 0, only that many bytes of the body are sent."""

    body: bytes = b""
    status: int = 200
    kind: str = "video/mp4"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    ranges: bool = True  # whether Range is honoured
    sent: tuple[int, int] | None = None  # first and last byte of the range that is sent in answer to any request
    length: bool = True  # whether Content-Length is sent; without it, the body ends with the connection
    silent_s: float = 0  # before the first byte of the answer
    trickle_s: float = 0  # pause before every thousand bytes of the body


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]  # names in lower case
    moment: float  # on the clock of time.monotonic


class Server:
    def __init__(self, pages: dict[str, Page | list[Page]], *, heads: bool = False) -> None:
        self.heads = heads  # whether HEAD is answered, from the next page
        self.pages = {path: page if isinstance(page, list) else [page] for path, page in pages.items()}
        self.requests: list[Request] = []
        self.stopped = threading.Event()

    def __enter__(self) -> Server:
        self.http = Listener(("127.0.0.1", 0), type("Bound", (Handler,), {"owner": self}))
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.stopped.set()  # ends all waits of handlers
        self.http.shutdown()
        self.http.server_close()

    def link(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"

    def requests_for(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def next_page(self, path: str) -> Page:
        pages = self.pages.get(path) or [Page(status=404)]
        return pages.pop(0) if len(pages) > 1 else pages[0]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *connection: object) -> None:
        """Ignore clients that close the connection after the first bytes."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*connection)


class Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Do not log."""

    def do_HEAD(self) -> None:
        if not self.owner.heads:
            self.send_error(501)
            return
        page = (self.owner.pages.get(self.path) or [Page(status=404)])[0]
        self.send_response(page.status)
        self.send_header("Content-Length", str(len(page.body)))
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        server = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.requests.append(Request(self.path, headers, time.monotonic()))
        page = server.next_page(self.path)
        if page.silent_s and server.stopped.wait(page.silent_s):
            return
        wanted = self.wanted_range(page)
        first, last = wanted or (0, len(page.body) - 1)
        body = page.body[first : last + 1]
        self.send_response(206 if wanted else page.status)
        self.send_header("Content-Type", page.kind)
        if page.length:
            self.send_header("Content-Length", str(len(body)))
        self.close_connection |= not page.length
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(page.body)}")
        for name, value in page.headers.items():
            self.send_header(name, value.format(server=server.link(""), now=self.date_time_string()))
        self.end_headers()
        try:
            self.send_body(page, body)
        except OSError:  # the client closed the connection
            self.close_connection = True

    def wanted_range(self, page: Page) -> tuple[int, int] | None:
        """The first and last byte of the requested range, if ranges are honoured."""
        if page.sent:
            return page.sent
        first, dash, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not (page.ranges and dash and page.status == 200):
            return None
        end = len(page.body) - 1
        return int(first), min(int(last), end) if last else end

    def send_body(self, page: Page, body: bytes) -> None:
        if page.trickle_s:
            for number in range(0, len(body), 1000):
                if self.owner.stopped.wait(page.trickle_s):
                    return
                self.wfile.write(body[number : number + 1000])
            return
        self.wfile.write(body[: page.cut] if page.cut else body)
        if page.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
