"""What happens around every request: an id, limits, headers, a line in the log, figures, the access log."""

from __future__ import annotations

import itertools
import json
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Count
from starlette.types import Message, Receive, Scope, Send

from troth.core.values import format_instant
from troth.ledger.store import clock
from troth.server.direct import Direct

LOG: Final = logging.getLogger("troth.server")
_ID: Final = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_START: Final = secrets.token_hex(4)
_NUMBERS: Final = itertools.count(1)
"""Ids of requests need to be unique, not secret."""
_SLOW: Final = 1.0
_QUIET: Final = ("/health", "/ready", "/metrics")

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = [
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class Figures:
    """The metrics of one server; none of them says anything about a person."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Count(
            "troth_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "troth_request_seconds",
            "Seconds from the request to the end of its answer",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.6, 1.2, 5, 30),
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        queue = Gauge("troth_writer_waiting", "Batches that wait to be written", registry=self.registry)
        queue.set_function(waiting)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        kept = self._children.get((method, route, status))
        if kept is None:
            kept = (self.requests.labels(method, route, str(status)), self.seconds.labels(method, route))
            self._children[method, route, status] = kept
        kept[0].inc()
        kept[1].observe(seconds)


class Accesses:
    """Who used which route in which second, counted; taken away in batches for the access log."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str, str, str, int]] = Counter()

    def add(self, who: str, method: str, route: str, status: int) -> None:
        """Count one request."""
        self._counts[int(time.time()), who, method, route, status] += 1

    def take(self) -> list[str]:
        """The lines so far (canonical JSON, one each), and begin anew."""
        taken, self._counts = self._counts, Counter()
        return [
            json.dumps(
                {
                    "at": format_instant(second * 1_000_000),
                    "method": method,
                    "route": route,
                    "status": status,
                    "times": times,
                    "who": who,
                },
                sort_keys=True,
                separators=(",", ":"),
            )
            for (second, who, method, route, status), times in sorted(taken.items())
        ]


class TooLarge(Exception):
    """The body of a request is larger than is taken."""


class Edge:
    """The outermost layer of the application (plain ASGI, since it is passed by every request)."""

    def __init__(
        self,
        inner: FastAPI,
        direct: Direct,
        *,
        max_body: int,
        secure: bool,
        figures: Figures,
        accesses: Accesses,
    ) -> None:
        self.app = inner
        self._direct = direct
        self._max_body = max_body
        self._figures = figures
        self._accesses = accesses
        self._headers = [*HEADERS, _HSTS] if secure else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500
        taken = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers += self._headers
                headers.append((b"x-request-id", request_id.encode()))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body:
                raise TooLarge
            return message

        try:
            refused = _unacceptable(scope, self._max_body)
            if refused is not None:
                await _refuse(sending, *refused, request_id)
            elif self._direct.takes(scope):
                await self._direct(scope, receiving, sending)
            else:
                await self.app(scope, receiving, sending)
        except TooLarge:
            await _refuse(sending, 413, "the request is too large", request_id)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = scope.get("route")
        # The route's pattern, never the path: a path may name a member or a record.
        name = str(getattr(route, "path", None) or "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._figures.note(method, name, status, seconds)
        if name in _QUIET or name == "unknown":
            return
        who = scope["state"].get("who")
        if who is not None:
            self._accesses.add(who.label, method, name, status)
        # What went well is counted in the figures; a line each would cost more than answering.
        level = logging.INFO if status >= 400 or seconds > _SLOW else logging.DEBUG
        if LOG.isEnabledFor(level):
            line = {
                "at": format_instant(clock()),
                "event": "request",
                "method": method,
                "ms": round(seconds * 1000, 1),
                "request": request_id,
                "route": name,
                "status": status,
            }
            LOG.log(level, json.dumps(line))


def _request_id(scope: Scope) -> str:
    """The id that the proxy in front gave, if it is a plain one, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _ID.fullmatch(given) else f"{_START}{next(_NUMBERS):08x}"


def _unacceptable(scope: Scope, max_body: int) -> tuple[int, str] | None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        return 400, "the length of the request is no number"
    if int(length) > max_body:
        return 413, "the request is too large"
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        # Nothing is unpacked here, so nothing can be a bomb.
        return 415, "compressed requests are not taken"
    return None


async def _refuse(send: Send, status: int, message: str, request_id: str) -> None:
    from troth.server.errors import STATUS_KINDS, envelope

    body = json.dumps(envelope(STATUS_KINDS[status], message, request_id)).encode()
    headers: list[Any] = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
