"""Who may do what: every route says whom it is for, and whoever is not named is not let in.

A route without a rule cannot be made: ``GuardedRoute`` refuses it when the application is built. The rules are
also what the matrix of authorisation tests is generated from.
"""

from __future__ import annotations

import hmac
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.routing import APIRoute

from troth.ledger.store import clock
from troth.server.config import Settings
from troth.server.errors import HttpError
from troth.server.state import Session, State, Token

F = TypeVar("F", bound=Callable[..., Any])
SAFE: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a route is for: people of these roles, programs with this scope, or everybody."""

    roles: tuple[str, ...] = ()
    scope: str | None = None
    public: bool = False


def allow(*roles: str, scope: str | None = None, public: bool = False) -> Callable[[F], F]:
    """Say whom a route is for. A program's token counts only where a scope is named."""

    def mark(function: F) -> F:
        function.__troth_rule__ = Rule(roles, scope, public)  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: a signed-in person, a program, or nobody known."""

    session: Session | None = None
    token: Token | None = None

    @property
    def role(self) -> str | None:
        """The role of a signed-in person."""
        return self.session.account.role if self.session else None

    @property
    def subject(self) -> str:
        """The member who is signed in.

        Raises:
            HttpError: nobody, or no member.
        """
        subject = self.session.account.subject if self.session else None
        if subject is None:
            raise HttpError(403, "this page is for members")
        return subject

    @property
    def label(self) -> str:
        """What the access log calls them: a random number, never a name."""
        if self.session:
            return f"account:{self.session.account.id}"
        return f"token:{self.token.id}" if self.token else "nobody"


class Rates:
    """So many requests a second for each who asks, with a burst of ten seconds' worth (a token bucket)."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, kind: str, who: str, rate: float) -> float:
        """Take one; answers 0, or the seconds to wait."""
        now = time.monotonic()
        burst = max(10.0 * rate, 5.0)
        left, then = self._buckets.get((kind, who), (burst, now))
        left = min(burst, left + (now - then) * rate)
        if left < 1:
            self._buckets[kind, who] = (left, now)
            return (1 - left) / rate
        if len(self._buckets) > 50_000:
            self._buckets.clear()  # full buckets are the same as none; a flood of names must not fill memory
        self._buckets[kind, who] = (left - 1, now)
        return 0.0


def cookie_name(settings: Settings) -> str:
    """The session's cookie; the prefix binds it to this host and HTTPS."""
    return "__Host-troth" if settings.secure else "troth"


def identify(request: Request, state: State, settings: Settings) -> Who:
    """Who asks. A token counts only in the header, a session only in its cookie.

    Raises:
        HttpError: a token was shown that is not, or no longer, one.
    """
    header = request.headers.get("authorization")
    now = clock()
    if header is not None:
        scheme, _, text = header.partition(" ")
        token = state.token(text.strip(), now) if scheme.lower() == "bearer" else None
        if token is None:
            raise HttpError(401, "this token is not valid", headers={"WWW-Authenticate": "Bearer"})
        return Who(token=token)
    secret = request.cookies.get(cookie_name(settings))
    return Who(session=state.session(secret, now)) if secret else Who()


def form_token(state: State, session: Session) -> str:
    """The hidden text of every form of a session: nobody else's page can know it."""
    return state.derive("form", session.key.hex())


class GuardedRoute(APIRoute):
    """A route that asks its rule before anything else happens; without a rule it cannot be made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        rule = getattr(endpoint, "__troth_rule__", None)
        if not isinstance(rule, Rule) or not (rule.roles or rule.scope or rule.public):
            raise TypeError(f"{path}: say whom this route is for, with @allow")
        self.rule = rule
        # An endpoint that takes the request and nothing else needs nothing of the framework's search for arguments.
        self.plain = list(inspect.signature(endpoint).parameters) == ["request"]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the rule."""
        inner = self.endpoint if self.plain else super().get_route_handler()
        rule = self.rule

        async def guarded(request: Request) -> Response:
            state: State = request.app.state.store
            settings: Settings = request.app.state.settings
            who = identify(request, state, settings)
            request.state.who = who
            check_rate(request, who)
            check_rule(request, who, rule)
            if request.method not in SAFE and not request.url.path.startswith("/api/"):
                check_origin(request, settings)
                if who.session is not None and not rule.public:
                    await check_form(request, state, who.session)
            answer: Response = await inner(request)
            return answer

        return guarded


def check_rule(request: Request, who: Who, rule: Rule) -> None:
    """Let in whom the rule names, and nobody else.

    Raises:
        HttpError: 401 for nobody known, 403 for somebody else.
    """
    if rule.public or (who.role is not None and who.role in rule.roles):
        return
    if who.token is not None:
        if rule.scope is not None and rule.scope in who.token.scopes:
            return
        raise HttpError(403, "this token may not do this", remedy=f"it needs the scope {rule.scope}")
    if who.session is None:
        page = not request.url.path.startswith("/api/")
        location = f"/sign-in?next={quote(request.url.path, safe='/')}" if page else None
        raise HttpError(
            401,
            "sign in first",
            headers={"Location": location} if location else {"WWW-Authenticate": "Bearer"},
        )
    raise HttpError(403, "this is not for your role")


def check_rate(request: Request, who: Who) -> None:
    """Not more than so many requests a second.

    Raises:
        HttpError: 429 with the seconds to wait.
    """
    settings: Settings = request.app.state.settings
    rates: Rates = request.app.state.rates
    if who.token is not None:
        wait = rates.take("token", who.token.id, settings.token_rate)
    else:
        address = request.client.host if request.client else ""
        name = who.session.account.id if who.session else address
        wait = rates.take("page", name, settings.page_rate)
    if wait:
        raise HttpError(429, "more requests than are allowed", headers={"Retry-After": str(int(wait) + 1)})


def check_origin(request: Request, settings: Settings) -> None:
    """A form may be sent from this site's own pages only.

    Raises:
        HttpError: another site sent it.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise HttpError(403, "this form was sent from another site")
    origin = request.headers.get("origin")
    own = settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    if origin is not None and origin != own.rstrip("/"):
        raise HttpError(403, "this form was sent from another site")


async def check_form(request: Request, state: State, session: Session) -> None:
    """The hidden text of the form must be this session's.

    Raises:
        HttpError: it is not.
    """
    form = await request.form(max_files=4, max_fields=200)
    given = form.get("form_token")
    expected = form_token(state, session)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise HttpError(
            403, "this form is too old, or not ours", remedy="go back, load the page again, repeat"
        )
