"""Routes that are found by their address alone, answered without the framework's search for them.

What is asked for most (a choice coming in, a member's pages) has a fixed address and takes nothing but the request. For
these the framework's routing, middleware and search for dependencies cost more than the answer. Here the very same
guarded handler is called, and what it raises goes to the very same handlers of errors. Every other request, and these
with another method, go through the framework.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from fastapi import FastAPI, Request, Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from troth.server.access import GuardedRoute

Failing: TypeAlias = Callable[[Request, Exception], Response]
_Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Direct:
    """The routes of an application that can be answered so.

    Args:
        app: the application, with all its routes.
        failing: makes the answer to an error, as the application itself does.
    """

    def __init__(self, app: FastAPI, failing: Failing) -> None:
        self._app = app
        self._failing = failing
        self._routes: dict[tuple[str, str], tuple[GuardedRoute, _Handler]] = {}
        for route in guarded_routes(app.router.routes):
            if route.plain and "{" not in route.path:
                for method in route.methods or ():
                    self._routes.setdefault((method, route.path), (route, route.get_route_handler()))

    def takes(self, scope: Scope) -> bool:
        """Whether a request is for one of these routes."""
        return (scope["method"], scope["path"]) in self._routes and not scope.get("root_path")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that ``takes`` said yes to."""
        route, handler = self._routes[scope["method"], scope["path"]]
        scope["app"], scope["route"] = self._app, route
        request = Request(scope, receive, send)
        try:
            answer = await handler(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it has its answer, as in the framework
            answer = self._failing(request, error)
        await answer(scope, receive, send)


def guarded_routes(those: list[BaseRoute]) -> Iterator[GuardedRoute]:
    """Every guarded route among routes and routers that were included."""
    for one in those:
        inner = getattr(one, "original_router", None)
        if inner is not None:
            yield from guarded_routes(inner.routes)
        elif isinstance(one, GuardedRoute):
            yield one
