"""The operator's console: verdicts, terms, releases, withdrawals, models, gaps, identities, webhooks, people."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from troth.app import changes, consequences, disclosures, identity, membership, recalls, telling, views
from troth.app.home import read_events_files
from troth.app.serving import ServedHome
from troth.core.errors import BadInput, Refused, TrothError
from troth.core.terms import Terms
from troth.core.values import Use
from troth.ledger.store import clock
from troth.server import charts
from troth.server.access import GuardedRoute, allow
from troth.server.errors import not_found
from troth.server.pages import render, texts
from troth.server.passwords import hashed
from troth.server.state import ROLES, SCOPES, State

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

T = TypeVar("T")
STAFF: Final = ("privacy", "ml", "admin")
_LONGEST_TERMS: Final = 1_000_000
_MOST_DOUBTS: Final = 500


def home_of(request: Request) -> ServedHome:
    """The home that is served."""
    home: ServedHome = request.app.state.home
    return home


async def engine(request: Request, work: Callable[[], T]) -> T:
    """Do work that asks the engine, beside the event loop."""
    return await asyncio.to_thread(home_of(request).exclusively, work)


def _asked(request: Request, purpose: str, recipient: str) -> Use:
    return Use(purpose or request.app.state.settings.purpose, recipient or "operator")


def _uses(request: Request) -> list[Use]:
    home = home_of(request)
    known, _ = home.member("")
    return membership.uses(known, [act for _, act in membership.acts_of(home)])


@router.get("/operator")
@allow(*STAFF)
async def overview(request: Request, purpose: str = "", recipient: str = "") -> Response:
    """Verdicts by reason and country for one use."""
    use = _asked(request, purpose, recipient)
    uses = await asyncio.to_thread(_uses, request)
    try:
        found = await engine(request, partial(views.overview, home_of(request), use))
    except BadInput as error:
        return render(
            request, "operator.html.j2", use=use, uses=uses, found=None, problem=error.message, charts={}
        )
    _ = texts(request)
    drawn = await asyncio.to_thread(
        lambda: {
            "reasons": charts.bars(
                _("Records that stay out, by first reason"), _falling(found["summary"]["first_reasons"])
            ),
            "countries": charts.verdicts(_("Verdicts by the author’s country"), found["countries"]),
        }
    )
    return render(request, "operator.html.j2", use=use, uses=uses, found=found, problem=None, charts=drawn)


def _falling(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


@router.get("/operator/gaps")
@allow(*STAFF)
async def gaps(request: Request, purpose: str = "", recipient: str = "") -> Response:
    """What is not known and could be mended."""
    use = _asked(request, purpose, recipient)
    found = await engine(request, partial(views.overview, home_of(request), use))
    return render(
        request, "gaps.html.j2", use=use, uses=await asyncio.to_thread(_uses, request), gaps=found["gaps"]
    )


@router.get("/operator/identities")
@allow(*STAFF)
async def identities(request: Request) -> Response:
    """Accounts that may be one person's, and are not joined."""
    found = await engine(request, partial(identity.doubtful, home_of(request)))
    shown = found[:_MOST_DOUBTS]
    return render(request, "operator-identities.html.j2", doubts=shown, more=len(found) - len(shown))


# terms


@router.get("/operator/terms")
@allow(*STAFF)
async def terms(request: Request) -> Response:
    """The versions, who was told of them, and a new one to try."""
    return await _terms(request)


async def _terms(request: Request, **values: Any) -> Response:  # noqa: ANN401 - what a page shows
    home = home_of(request)

    def listed() -> list[changes.Reach]:
        known, _ = home.known()
        now = clock()
        return [
            changes.reach_of(known, placed, max(now, placed.terms.effective_at))
            for document in known.documents.values()
            for placed in sorted(document, key=lambda one: one.newness, reverse=True)
        ]

    reaches = await asyncio.to_thread(listed)
    shown = {
        "text": "",
        "problem": None,
        "found": None,
        "status": 200,
        "use": _asked(request, "", ""),
    } | values
    return render(
        request,
        "operator-terms.html.j2",
        reaches=reaches,
        uses=await asyncio.to_thread(_uses, request),
        **shown,
    )


@router.post("/operator/terms/what-if")
@allow(*STAFF)
async def what_if(request: Request) -> Response:
    """What terms would change, before they are published."""
    form = await request.form()
    text = str(form.get("text", ""))
    use = _use_of(str(form.get("use", "")))
    try:
        with _terms_file(text) as path:
            found = await engine(request, partial(changes.what_if, home_of(request), [path], use))
    except TrothError as error:
        return await _terms(request, text=text, problem=_plain(error), use=use, status=400)
    _ = texts(request)
    groups = {
        _("now"): found.before.records,
        _("published, nobody told"): found.after.records,
        _("published, all told in time"): found.after_told.records,
    }
    drawn = await asyncio.to_thread(charts.verdicts, _("Records before and after"), groups)
    return await _terms(request, text=text, found=found, chart=drawn, use=use)


@router.post("/operator/terms/publish")
@allow("privacy", "admin")
async def publish(request: Request) -> Response:
    """Add terms to the ledger: from then on they are what was promised."""
    form = await request.form()
    text = str(form.get("text", ""))
    try:
        with _terms_file(text) as path:
            written = read_events_files([path], changes.TERMS_KINDS)
        await asyncio.to_thread(home_of(request).append, written.events, places=written.places)
    except TrothError as error:
        return await _terms(request, text=text, problem=_plain(error), status=400)
    named = [one for one in written.events if isinstance(one, Terms)]
    if named:
        return RedirectResponse(
            f"/operator/notices?document={named[0].document}&version={named[0].version}", 303
        )
    return RedirectResponse("/operator/terms", 303)


def _plain(error: TrothError) -> str:
    line = f"Line {error.place.line}: " if error.place is not None and error.place.line else ""
    return f"{line}{error.message}" + (f" ({error.remedy})" if error.remedy else "")


def _use_of(text: str) -> Use:
    purpose, _, recipient = text.partition(" ")
    return Use(purpose, recipient)


@contextmanager
def _terms_file(text: str) -> Iterator[Path]:
    """The text as the file that the operations on terms read."""
    import tempfile

    if not text.strip() or len(text) > _LONGEST_TERMS:
        raise BadInput("there are no terms here", remedy="paste a terms file, such as docs/how-to shows")
    with tempfile.TemporaryDirectory(prefix="troth-") as folder:
        path = Path(folder) / "terms.yaml"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text.replace("\r\n", "\n"))
        yield path


@router.get("/operator/notices")
@allow(*STAFF)
async def notices(request: Request, document: str, version: str) -> Response:
    """Who was told of a version, and who has to be."""
    found = await asyncio.to_thread(changes.reach_in_effect, home_of(request), document, version)
    return render(request, "operator-notices.html.j2", reach=found)


@router.post("/operator/notices")
@allow("privacy", "admin")
async def tell(request: Request) -> Response:
    """Record that the members who had not been told of a version were sent it, by a channel."""
    form = await request.form()
    document, version = str(form.get("document", "")), str(form.get("version", ""))
    channel = str(form.get("channel", "")) or "email"
    if channel not in ("email", "banner", "letter"):
        raise not_found()
    home = home_of(request)

    def told() -> None:
        missing = changes.reach_in_effect(home, document, version).not_told
        if missing:
            telling.tell(home, document, version, missing, channel, None)

    await asyncio.to_thread(told)
    return RedirectResponse(f"/operator/notices?document={document}&version={version}", 303)


# releases, models, withdrawals


@router.get("/operator/releases")
@allow(*STAFF)
async def releases_page(request: Request) -> Response:
    """The releases."""
    return await _releases(request)


async def _releases(request: Request, problem: str | None = None, status: int = 200) -> Response:
    found = await asyncio.to_thread(views.release_page, home_of(request), -1, 1_000)
    flows = await asyncio.to_thread(disclosures.listed, home_of(request))
    due = await asyncio.to_thread(partial(recalls.listed, home_of(request), everything=True))
    return render(
        request,
        "operator-releases.html.j2",
        status=status,
        releases=found["items"][::-1],
        disclosures=flows,
        flow=charts.flow(flows) if flows else None,
        recalls=due,
        uses=await asyncio.to_thread(_uses, request),
        problem=problem,
    )


@router.post("/operator/releases")
@allow("ml", "admin")
async def build(request: Request) -> Response:
    """Build a release of what a use may have now."""
    form = await request.form()
    use = _use_of(str(form.get("use", "")))
    try:
        made = await engine(
            request, partial(consequences.built, home_of(request), use.purpose, use.recipient, None)
        )
    except Refused as error:
        return await _releases(request, problem=error.message, status=403)
    return RedirectResponse(f"/operator/releases/{made['release']}", 303)


@router.get("/operator/releases/{release}")
@allow(*STAFF)
async def release(request: Request, release: str) -> Response:
    """One release, checked."""
    found = await asyncio.to_thread(views.release, home_of(request), release)
    if found is None:
        raise not_found()
    _ = texts(request)
    reasons = (found["counts"] or {}).get("first_reasons") or {}
    drawn = (
        await asyncio.to_thread(charts.bars, _("Records that stayed out, by first reason"), _falling(reasons))
        if reasons
        else None
    )
    return render(request, "operator-release.html.j2", release=found, chart=drawn)


@router.get("/operator/models")
@allow(*STAFF)
async def models(request: Request) -> Response:
    """Models, and withdrawals in progress."""
    found = await asyncio.to_thread(views.models, home_of(request))
    return render(
        request,
        "operator-models.html.j2",
        models=found,
        withdrawals=request.app.state.withdrawals.recent(),
    )


# webhooks, people, tokens


@router.get("/operator/hooks")
@allow("admin")
async def hooks(request: Request) -> Response:
    """Webhooks and what could not be delivered."""
    return _hooks(request)


def _hooks(request: Request, **values: object) -> Response:
    from troth.server.hooks import EVENTS

    shown = {"secret": None, "problem": None, "status": 200} | values
    return render(
        request,
        "operator-hooks.html.j2",
        hooks=request.app.state.hooks.listed(),
        dead=request.app.state.hooks.dead(),
        events=EVENTS,
        **shown,  # type: ignore[arg-type]
    )


@router.post("/operator/hooks")
@allow("admin")
async def change_hooks(request: Request) -> Response:
    """Add or remove a webhook, or try a delivery again."""
    form = await request.form()
    hooks = request.app.state.hooks
    match form.get("do"):
        case "add":
            try:
                chosen = [str(one) for one in form.getlist("events")]
                _, secret = hooks.add(str(form.get("url", ""))[:2000], chosen)
            except BadInput as error:
                return _hooks(request, problem=error.message, status=400)
            return _hooks(request, secret=secret)
        case "remove":
            hooks.remove(str(form.get("hook", "")))
        case "again":
            hooks.again(str(form.get("delivery", "")))
        case _:
            raise not_found()
    return RedirectResponse("/operator/hooks", 303)


@router.get("/operator/people")
@allow("admin")
async def people(request: Request) -> Response:
    """Accounts and tokens."""
    return _people(request)


def _people(request: Request, **values: object) -> Response:
    store: State = request.app.state.store
    shown = {"made": None, "problem": None, "status": 200} | values
    return render(
        request,
        "operator-people.html.j2",
        accounts=store.accounts(),
        tokens=store.tokens(),
        roles=ROLES,
        scopes=SCOPES,
        **shown,  # type: ignore[arg-type]
    )


@router.post("/operator/people")
@allow("admin")
async def change_people(request: Request) -> Response:
    """Add or disable an account, make or revoke a token."""
    form = await request.form()
    store: State = request.app.state.store
    name = str(form.get("name", "")).strip()[:200]
    try:
        match form.get("do"):
            case "add-account":
                password = secrets.token_urlsafe(12)
                store.add_account(
                    name or "?",
                    str(form.get("role", "")),
                    clock(),
                    password=await asyncio.to_thread(hashed, password),
                    subject=str(form.get("subject", "")) or None,
                    recipient=str(form.get("recipient", "")) or None,
                )
                return _people(request, made=f"{name}: {password}")
            case "disable-account":
                store.disable(str(form.get("account", "")))
            case "add-token":
                text = store.add_token(name or "?", [str(one) for one in form.getlist("scopes")], clock())
                return _people(request, made=text)
            case "revoke-token":
                store.revoke(str(form.get("token", "")))
            case _:
                raise not_found()
    except BadInput as error:
        return _people(request, problem=error.message, status=400)
    return RedirectResponse("/operator/people", 303)
