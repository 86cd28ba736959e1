"""The page of `trailers review`, on loopback only.

Anyone who can read the page can write decisions. Therefore every address contains a random token, and requests that
pages of other sites could cause are refused: by their headers Host, Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.errors import ConfigError, TrailerError
from trailers.machine.trouble import of_path, systemic
from trailers.review.media import PLAYER_HOSTS, local_video, poster_of
from trailers.review.session import FILTERS, Session
from trailers.store.decisions import FLAGS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
ASSETS = {"review_show.js": "text/javascript", "review.js": "text/javascript", "review.css": "text/css"}
LARGEST_BODY = 20_000  # maximum size of a decision in bytes
KEPT = "and decide again; this decision is not saved, all earlier ones are."
POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "media-src 'self'",
        "img-src 'self' data: https: http:",  # thumbnails may be on any site
        f"frame-src {' '.join(PLAYER_HOSTS)}",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin",  # players need the origin of the page; the token is not part of an origin
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Guard:
    """Passes on the requests of this page; all others get only the answer that they are refused."""

    def __init__(self, app: App, *, token: str, hosts: frozenset[str]) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self.is_ours(headers, str(scope["path"])):
            await PlainTextResponse("refused\n", status_code=403, headers=HEADERS)(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        await self.app(scope, receive, with_headers)

    def is_ours(self, headers: dict[str, str], path: str) -> bool:
        # Another host name means that another site's name was pointed to this address (DNS rebinding).
        if headers.get("host", "").lower() not in self.hosts:
            return False
        if "origin" in headers and headers["origin"].lower().removeprefix("http://") not in self.hosts:
            return False
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return False
        given = path.split("/")[1] if path.count("/") > 1 else ""
        return hmac.compare_digest(given.encode(), self.token.encode())


def make_app(session: Session, *, token: str, port: int) -> Starlette:
    """The page and the requests that it makes, below /TOKEN/."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
    from starlette.routing import Mount, Route

    def page(request: Request) -> Response:  # noqa: ARG001
        return HTMLResponse(render(session))

    def show(request: Request) -> Response:
        query = request.query_params
        shown = query.get("shown", "open")
        if shown not in FILTERS:
            return JSONResponse({"error": f"'{shown[:40]}' is not one of {', '.join(FILTERS)}"}, status_code=400)
        return JSONResponse(session.show(query.get("title", ""), after=query.get("after", ""), shown=shown))

    async def decide(request: Request) -> Response:
        try:
            decision = await run_in_threadpool(session.decide, await body_of(request))
        except ValueError as problem:
            return JSONResponse({"error": str(problem)}, status_code=400)
        return JSONResponse({"recorded": decision.action, "when": decision.when})

    async def undo(request: Request) -> Response:
        try:
            await body_of(request)
        except ValueError as problem:
            return JSONResponse({"error": str(problem)}, status_code=400)
        return JSONResponse({"title": await run_in_threadpool(session.undo)})

    def media(request: Request) -> Response:
        title, kind = request.path_params["title"], request.path_params["kind"]
        path = file_for(session, title, kind)
        if path is None:
            return PlainTextResponse("not found\n", status_code=404)
        return FileResponse(path)

    routes = [
        Route("/", page), Route("/assets/{name}", asset), Route("/api/show", show),
        Route("/api/decide", decide, methods=["POST"]), Route("/api/undo", undo, methods=["POST"]),
        Route("/media/{title}/{kind}", media),
    ]  # fmt: skip
    hosts = frozenset(f"{name}:{port}" for name in (LOOPBACK, "localhost"))
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={OSError: failed, TrailerError: failed},
    )


def asset(request: Request) -> Response:
    """The page's style and script."""
    from starlette.responses import FileResponse, PlainTextResponse

    name = request.path_params["name"]
    if name not in ASSETS:
        return PlainTextResponse("not found\n", status_code=404)
    return FileResponse(HERE / "assets" / name, media_type=ASSETS[name])


async def failed(request: Request, problem: Exception) -> Response:  # noqa: ARG001
    """The answer to a request that failed here, for example because of a full disk; nothing was recorded."""
    from starlette.responses import JSONResponse

    sentence = sentence_of(problem) if isinstance(problem, OSError) else str(problem)
    log.error("review: %s", sentence)
    return JSONResponse({"error": sentence}, status_code=500)


def sentence_of(problem: OSError) -> str:
    """What the system refused and what to do, in one sentence."""
    found = systemic(problem, then=KEPT) or of_path(problem)
    if found is not None:
        return str(found)
    place = f"{problem.filename}: " if problem.filename else ""
    return f"{place}{str(problem.strerror or problem).lower()}. Check the disk {KEPT}"


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON of a request. Raises ValueError if the page could not have sent it."""
    # Forms of other sites cannot send this content type without a preflight request.
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise ValueError("expected JSON")
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > LARGEST_BODY:
            raise ValueError(f"has more than {LARGEST_BODY:,} bytes")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("expected a table")
    return found


def file_for(session: Session, title: str, kind: str) -> Path | None:
    """The file of a title that the page shows; only those that the receipts of ``session`` name."""
    item = session.items.get(title)
    if item is None:
        return None
    if kind == "video":
        local = local_video(session.layout, title)
        return local[0] if local else None
    found = poster_of(session.layout, item.title, session.base) if kind == "poster" else None
    return found if isinstance(found, Path) else None


def render(session: Session) -> str:
    """The page without titles and candidates, which it requests as JSON."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(HERE),
    )  # fmt: skip
    values = {"who": session.who, "review": session.review, "flags": FLAGS, "total": len(session.order)}
    return environment.get_template("page.html.j2").render(values) + "\n"


def serve(session: Session, *, port: int = 0, opens: bool = True, token: str = "") -> None:
    """Serves the page until it is interrupted.

    Args:
        session: the reviewer and the titles.
        port: port on loopback; 0 takes a free one.
        opens: whether a browser is opened.
        token: part of all addresses; random if empty.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    import uvicorn

    token = token or secrets.token_urlsafe(16)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except (OSError, OverflowError) as problem:
        what = f"port {port} of this machine cannot be used: {getattr(problem, 'strerror', problem)}"
        raise ConfigError(what, where="--port", remedy="Choose another port, or omit --port.") from None
    listener.listen()  # before the browser is opened, because it may be faster than the server
    port = listener.getsockname()[1]
    link = f"http://{LOOPBACK}:{port}/{token}/"
    config = uvicorn.Config(
        make_app(session, token=token, port=port), log_level="warning", access_log=False, server_header=False,
        lifespan="off", timeout_graceful_shutdown=2,
    )  # fmt: skip
    print(f"review: {link}  (Ctrl-C stops it; every decision is already saved)", flush=True)
    if opens and not webbrowser.open(link):
        log.warning("review: no browser could be started; open the link above yourself")
    uvicorn.Server(config).run(sockets=[listener])
