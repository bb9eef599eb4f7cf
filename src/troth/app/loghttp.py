"""A log and a witness over HTTP: static files, and C2SP tlog-witness. Needs the extra ``serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from troth.core.errors import BadInput, TrothError
from troth.core.tiles import parse_path
from troth.core.witness import MAX_REQUEST_BYTES, PLAIN
from troth.ledger.shelf import CHECKPOINT, Shelf
from troth.ledger.witness import Witness

_BYTES: Final = "application/octet-stream"
_FRESH: Final = "no-cache"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_HEADERS: Final = {
    # Anybody may read the log from anywhere, a page in a browser too.
    "Access-Control-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}
_COMPRESSED_FROM: Final = 1024


def log_app(folder: Path) -> Starlette:
    """A log's public folder, and nothing but the paths that C2SP tlog-tiles names."""
    shelf = Shelf(folder)

    def checkpoint(request: Request) -> Response:
        del request
        return _file(shelf, CHECKPOINT, PLAIN, _FRESH)

    def tile(request: Request) -> Response:
        path = f"tile/{request.path_params['path']}"
        try:
            parse_path(path)
        except BadInput:
            return _missing()
        return _file(shelf, path, _BYTES, _FOR_GOOD)

    return Starlette(
        routes=[Route("/checkpoint", checkpoint), Route("/tile/{path:path}", tile)],
        middleware=[Middleware(GZipMiddleware, minimum_size=_COMPRESSED_FROM)],
    )


def _file(shelf: Shelf, path: str, kind: str, caching: str) -> Response:
    try:
        data = shelf.find(path)
    except TrothError:
        return Response("storage failed\n", 500, media_type="text/plain")
    if data is None:
        return _missing()
    return Response(data, headers={**_HEADERS, "Cache-Control": caching, "Content-Type": kind})


def _missing() -> Response:
    return Response("not found\n", 404, {**_HEADERS, "Cache-Control": _FRESH}, media_type="text/plain")


def witness_app(witness: Witness) -> Starlette:
    """A witness: ``POST /add-checkpoint``, and ``GET /<hash of origin>/checkpoint`` for monitors."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response("the request is too large\n", 413, media_type="text/plain")
        try:
            answer = await run_in_threadpool(witness.add_checkpoint, body)
        except TrothError:
            return Response("storage failed; nothing was cosigned\n", 500, media_type="text/plain")
        return Response(answer.body, answer.status, headers={"Content-Type": answer.type})

    async def checkpoint(request: Request) -> Response:
        try:
            data = await run_in_threadpool(witness.checkpoint, request.path_params["origin"])
        except TrothError:
            return Response("storage failed\n", 500, media_type="text/plain")
        if data is None:
            return _missing()
        return Response(data, headers={**_HEADERS, "Cache-Control": _FRESH, "Content-Type": PLAIN})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin}/checkpoint", checkpoint),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it is longer than any that is right."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_REQUEST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def serve(app: Starlette, host: str, port: int) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, access_log=False)
