"""Signing in and out: local accounts, a provider (OpenID Connect), and the sign-ins of the demo."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from troth.ledger.store import clock
from troth.server.access import GuardedRoute, Who, allow, cookie_name
from troth.server.config import Settings
from troth.server.errors import HttpError
from troth.server.pages import render, texts
from troth.server.passwords import LONGEST, matches
from troth.server.state import ROLES, Account, State

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

APPLICATION: Final = "troth-application"
VISIT: Final = "troth-visit"
HOMES: Final = {
    "member": "/me",
    "privacy": "/operator",
    "ml": "/operator",
    "admin": "/operator",
    "recipient": "/recipient",
    "auditor": "/auditor",
}
_YEAR: Final = 365 * 24 * 3600


@router.get("/")
@allow(public=True)
async def front(request: Request) -> Response:
    """Where somebody belongs: their own pages, or the sign-in."""
    who: Who = request.state.who
    return RedirectResponse(HOMES[who.role] if who.role else "/sign-in", 303)


@router.get("/sign-in")
@allow(public=True)
async def sign_in_page(request: Request, next: str = "") -> Response:  # noqa: A002 - the word in the address
    """The form."""
    return _form(request, local(next))


def _form(request: Request, following: str, problem: str | None = None, status: int = 200) -> Response:
    settings: Settings = request.app.state.settings
    visit = request.cookies.get(VISIT) or secrets.token_urlsafe(16)
    answer = render(
        request,
        "sign-in.html.j2",
        status=status,
        following=following,
        problem=problem,
        visit_token=request.app.state.store.derive("visit", visit),
        oidc=settings.oidc is not None,
        accounts=settings.demo,
    )
    set_cookie(answer, settings, VISIT, visit, 3600)
    return answer


@router.post("/sign-in")
@allow(public=True)
async def sign_in(request: Request) -> Response:
    """Check a name and a password. Unknown names take as long, and get the same answer."""
    form = await request.form(max_files=0, max_fields=10)
    store: State = request.app.state.store
    settings: Settings = request.app.state.settings
    visit = request.cookies.get(VISIT, "")
    given = str(form.get("visit_token", ""))
    if not visit or not hmac.compare_digest(given.encode(), store.derive("visit", visit).encode()):
        _ = texts(request)
        return _form(request, "", _("This form was too old. Please try again."), 403)
    name, password = str(form.get("name", ""))[:200], str(form.get("password", ""))[: LONGEST + 1]
    address = request.client.host if request.client else ""
    if any(
        request.app.state.rates.take("sign-in", one, settings.sign_in_rate)
        for one in (f"address {address}", f"name {name}")
    ):
        raise HttpError(
            429, "too many tries to sign in", remedy="wait a minute", headers={"Retry-After": "60"}
        )
    found = store.account(name)
    kept = found[1] if found is not None else None
    right = await asyncio.to_thread(matches, kept, password)
    if not right or found is None:
        _ = texts(request)
        return _form(
            request, local(str(form.get("next", ""))), _("The name or the password is not right."), 403
        )
    return begin(request, found[0], local(str(form.get("next", ""))))


def begin(request: Request, account: Account, following: str) -> Response:
    """Begin a session with a new secret, whatever the browser brought (so that none can be planted)."""
    store: State = request.app.state.store
    settings: Settings = request.app.state.settings
    old: Who = request.state.who
    if old.session is not None:
        store.end(old.session.account.id, old.session.key)
    application = request.cookies.get(APPLICATION, "")
    if not (
        application.isascii()
        and application.replace("-", "").replace("_", "").isalnum()
        and len(application) < 64
    ):
        application = secrets.token_urlsafe(16)
    agent = agent_of(request.headers.get("user-agent", ""))
    secret = store.begin(account, application, agent, clock(), settings.session_seconds)
    answer = RedirectResponse(following or HOMES[account.role], 303)
    set_cookie(answer, settings, cookie_name(settings), secret, settings.session_seconds)
    set_cookie(answer, settings, APPLICATION, application, _YEAR)
    return answer


@router.post("/sign-out")
@allow(*ROLES)
async def sign_out(request: Request) -> Response:
    """End the session."""
    who: Who = request.state.who
    if who.session is not None:
        request.app.state.store.end(who.session.account.id, who.session.key)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(cookie_name(request.app.state.settings), secure=request.app.state.settings.secure)
    return answer


@router.get("/account")
@allow(*ROLES)
async def account(request: Request) -> Response:
    """One's sign-ins."""
    session = request.state.who.session
    found = request.app.state.store.sessions(session.account.id, clock())
    return render(request, "account.html.j2", sessions=found, current=session.key)


@router.post("/account/end")
@allow(*ROLES)
async def end(request: Request) -> Response:
    """End one of one's own sign-ins, elsewhere or here."""
    form = await request.form()
    try:
        key = bytes.fromhex(str(form.get("session", "")))
    except ValueError:
        key = b""
    request.app.state.store.end(request.state.who.session.account.id, key)
    return RedirectResponse("/account", 303)


@router.get("/sign-in/provider")
@allow(public=True)
async def to_provider(request: Request, next: str = "") -> Response:  # noqa: A002 - the word in the address
    """Off to the provider."""
    from troth.server.oidc import start

    return await start(request, local(next))


@router.get("/sign-in/back")
@allow(public=True)
async def from_provider(request: Request) -> Response:
    """Back from the provider."""
    from troth.server.oidc import COOKIE, finish

    account, following = await finish(request)
    answer = begin(request, account, local(following))
    answer.delete_cookie(COOKIE)
    return answer


def local(path: str) -> str:
    """A path of this site, or nothing: an address in a link must not lead elsewhere."""
    parts = urlsplit(path)
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and not parts.scheme and not parts.netloc else ""


def set_cookie(answer: Response, settings: Settings, name: str, value: str, seconds: int) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send along with forms."""
    answer.set_cookie(
        name, value, max_age=seconds, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )


def agent_of(header: str) -> str:
    """Browser and system in two words; the whole header would be a fingerprint."""
    browsers = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Mac OS": "macOS",
               "Linux": "Linux"}  # fmt: skip
    browser = next((name for mark, name in browsers.items() if mark in header), "a browser")
    system = next((name for mark, name in systems.items() if mark in header), "a device")
    return f"{browser} on {system}"
