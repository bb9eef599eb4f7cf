"""The application: a home, the server's own state, routes, and what runs beside them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from troth.app.serving import ServedHome
from troth.core.entries import Act
from troth.core.errors import TrothError
from troth.server import api, auditors, charts, health, members, operators, signin
from troth.server.access import GuardedRoute, Rates, Who
from troth.server.config import Settings, read_settings
from troth.server.direct import Direct
from troth.server.edge import LOG, Accesses, Edge, Figures, TooLarge
from troth.server.errors import STATUS_KINDS, HttpError, envelope, status_of
from troth.server.hooks import Hooks
from troth.server.pages import LOCALES, read_texts, render
from troth.server.recalling import Recalls
from troth.server.state import State
from troth.server.withdrawals import Withdrawals

TITLE: Final = "Troth"


def make_app(home_path: Path, settings: Settings | None = None) -> Edge:
    """The ASGI application over a home.

    Args:
        home_path: the home; its ledger is written to by this application alone while there is work.
        settings: None: what ``server.yaml`` in the home says.

    Raises:
        BadInput: no home there, or its settings cannot be read.
    """
    settings = settings or read_settings(home_path)
    home = ServedHome(home_path, lambda error: LOG.warning("beside the requests: %s", error.message))
    app = FastAPI(
        title=TITLE,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        description=api.DESCRIPTION,
    )
    app.router.route_class = GuardedRoute
    app.state.home = home
    app.state.settings = settings
    app.state.texts = read_texts(settings.language, home.path / LOCALES)
    app.state.store = State(home.path / "server.sqlite3")
    app.state.rates = Rates()
    app.state.figures = Figures(lambda: home.writer.waiting)
    app.state.accesses = Accesses()
    app.state.hooks = Hooks(app.state.store, settings)
    app.state.recalls = Recalls(home, app.state.hooks)
    app.state.withdrawals = Withdrawals(home, app.state.store, app.state.hooks, app.state.recalls)
    app.state.stopping = asyncio.Event()
    app.state.intake = asyncio.Lock()
    app.state.ready = False
    # Routes are tried in this order, and what is asked for most comes first.
    for part in (api, members, health, signin, operators, auditors):
        app.include_router(part.router)
    app.add_exception_handler(TrothError, _troth_error)
    app.add_exception_handler(HttpError, _http_error)
    app.add_exception_handler(HTTPException, _starlette_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(TooLarge, _too_large)
    app.add_exception_handler(Exception, _unexpected)
    return Edge(
        app,
        Direct(app, answer_to_error),
        max_body=settings.max_body,
        secure=settings.secure,
        figures=app.state.figures,
        accesses=app.state.accesses,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(_keep_access_log(app)),
        asyncio.create_task(_keep_recalls(app)),
        asyncio.create_task(app.state.hooks.run()),
    ]
    await asyncio.to_thread(app.state.withdrawals.resume)
    if app.state.settings.warm:
        tasks.append(asyncio.create_task(asyncio.to_thread(charts.warm)))
    app.state.ready = True
    yield
    app.state.ready = False
    app.state.stopping.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.to_thread(app.state.withdrawals.close)
    await asyncio.to_thread(record_accesses, app)
    await asyncio.to_thread(app.state.home.close)
    app.state.store.close()


async def _keep_access_log(app: FastAPI) -> None:
    while True:
        await asyncio.sleep(app.state.settings.access_batch_seconds)
        try:
            await asyncio.to_thread(record_accesses, app)
        except TrothError as error:
            LOG.warning("the access log could not be recorded: %s", error.message)


async def _keep_recalls(app: FastAPI) -> None:
    while True:
        try:
            await asyncio.to_thread(app.state.recalls.open_due)
        except TrothError as error:
            LOG.warning("recalls could not be opened: %s", error.message)
        await asyncio.sleep(app.state.settings.recall_seconds)


def record_accesses(app: FastAPI) -> None:
    """Keep the lines of the access log, and their digest in the ledger.

    The ledger's entry holds a count and SHA-256 of the lines, each followed by a line feed; the lines name
    accounts by random numbers and routes by their patterns.
    """
    lines = app.state.accesses.take()
    if not lines:
        return
    store: State = app.state.store
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    with store.transaction():
        first = int(store.one("SELECT COALESCE(MAX(number), -1) + 1 FROM accesses")[0])
        for number, line in enumerate(lines, first):
            store.rows("INSERT INTO accesses VALUES (?, ?, NULL)", number, line)
    act = Act("access", {"first": first, "lines": len(lines), "sha256": digest})
    position = app.state.home.append([act])[0].position
    store.rows(
        "UPDATE accesses SET batch = ? WHERE number BETWEEN ? AND ?", position, first, first + len(lines) - 1
    )


# errors


def _answer(
    request: Request,
    status: int,
    message: str,
    *,
    kind: str | None = None,
    remedy: str | None = None,
    place: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    kind = kind or STATUS_KINDS.get(status, "internal")
    request_id = str(request.scope.get("state", {}).get("request_id", ""))
    if request.url.path.startswith("/api/") or request.url.path in ("/health", "/ready", "/metrics"):
        body = envelope(kind, message, request_id, remedy=remedy, place=place)
        return JSONResponse(body, status, headers=headers)
    if status == 401 and headers and "Location" in headers:
        return RedirectResponse(headers["Location"], 303)
    if not hasattr(request.state, "who"):
        request.state.who = Who()
    return render(
        request, "error.html.j2", status=status, headers=headers, message=message, remedy=remedy, code=status
    )


def answer_to_error(request: Request, error: Exception) -> Response:
    """The answer to an error, by the handler that is registered for its kind."""
    for kind in type(error).__mro__:
        handler = request.app.exception_handlers.get(kind)
        if handler is not None:
            answer: Response = handler(request, error)
            return answer
    return _unexpected(request, error)


def _troth_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TrothError)  # noqa: S101 - what it is registered for
    kind, status = status_of(error)
    headers = {"Retry-After": "1"} if status in (429, 503) else None
    if status >= 500:
        LOG.error("%s: %s", kind, error.message)
    place = None if error.place is None or "/" in error.place.source else str(error.place)
    return _answer(
        request, status, error.message, kind=kind, remedy=error.remedy, place=place, headers=headers
    )


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)  # noqa: S101 - what it is registered for
    return _answer(request, error.status, error.message, remedy=error.remedy, headers=error.headers)


def _starlette_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    words = {404: "there is nothing here for you", 405: "this address does not take that method"}
    headers = dict(error.headers) if error.headers else None
    return _answer(
        request,
        error.status_code,
        words.get(error.status_code, "the request cannot be read"),
        headers=headers,
    )


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return _answer(request, 400, str(first["msg"]), place=place, remedy="see the description of the API")


def _too_large(request: Request, error: Exception) -> Response:
    del error
    return _answer(request, 413, "the request is too large")


def _unexpected(request: Request, error: Exception) -> Response:
    # The error's text may hold personal data; its type and the request's id are enough to find it.
    logging.getLogger("troth.server").error(
        "unexpected %s in request %s", type(error).__name__, request.scope.get("state", {}).get("request_id")
    )
    return _answer(
        request, 500, "something went wrong on this side", remedy="tell the operator the request's id"
    )
