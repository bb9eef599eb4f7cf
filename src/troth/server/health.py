"""Health, readiness, metrics, static files, and what browsers ask for by themselves."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.resources
from functools import cache
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from troth.core.errors import TrothError
from troth.core.tiles import parse_path
from troth.server.access import GuardedRoute, allow
from troth.server.errors import HttpError, not_found

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@router.get("/health")
@allow(public=True)
async def health() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
@allow(public=True)
async def ready(request: Request) -> Response:
    """The ledger can be read, and the server is neither starting nor stopping."""
    if not request.app.state.ready:
        raise HttpError(503, "not ready")
    try:
        head = await asyncio.to_thread(lambda: request.app.state.home.position)
    except TrothError:
        raise HttpError(503, "the ledger cannot be read") from None
    return JSONResponse({"status": "ready", "position": head})


@router.get("/metrics")
@allow("admin", scope="metrics:read")
async def metrics(request: Request) -> Response:
    """The metrics in the text format of Prometheus."""
    return Response(generate_latest(request.app.state.figures.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/static/{name}")
@allow(public=True)
async def static(request: Request, name: str) -> Response:
    """The few files of the pages, by name; nothing else can be named."""
    found = files().get(name)
    if found is None:
        raise not_found()
    content, kind, tag = found
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(content, media_type=kind, headers={"ETag": tag, "Cache-Control": "public, max-age=300"})


@cache
def files() -> dict[str, tuple[bytes, str, str]]:
    """All static files: content, type, tag."""
    found = {}
    for package in ("troth.server.static", "troth.web"):
        try:
            folder = importlib.resources.files(package)
        except ModuleNotFoundError:
            continue
        for item in folder.iterdir():
            kind = _TYPES.get(item.name.rpartition(".")[2])
            if kind is not None and item.is_file():
                content = item.read_bytes()
                tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
                found[item.name] = (content, kind, tag)
    return found


@router.get("/favicon.ico")
@allow(public=True)
async def icon() -> Response:
    """The icon."""
    content, kind, tag = files()["icon.svg"]
    return Response(content, media_type=kind, headers={"ETag": tag, "Cache-Control": "public, max-age=86400"})


@router.get("/.well-known/gpc.json")
@allow(public=True)
async def gpc() -> Response:
    """That Global Privacy Control is honoured here (the specification's resource)."""
    return JSONResponse({"gpc": True, "lastUpdate": "2026-11-21"})


@router.get("/log/{path:path}")
@allow(public=True)
async def log(request: Request, path: str) -> Response:
    """The public log (C2SP tlog-tiles): its checkpoint, tiles and entries; nothing else can be named."""
    home = request.app.state.home
    if path != "checkpoint":
        try:
            parse_path(path)
        except TrothError:
            raise not_found() from None
    file = home.log_path / path
    if home.config.origin is None or not await asyncio.to_thread(file.is_file):
        raise not_found()
    content = await asyncio.to_thread(file.read_bytes)
    if path == "checkpoint":
        return Response(
            content, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"}
        )
    cache = "public, max-age=31536000, immutable"
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": cache})


@router.get("/keys/operator.pub")
@allow(public=True)
async def operator_key(request: Request) -> Response:
    """The operator's public key, with which releases and certificates are checked."""
    content = await asyncio.to_thread(request.app.state.home.public_key_path.read_bytes)
    return Response(content, media_type="application/x-pem-file")
