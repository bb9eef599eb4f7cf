"""The member's pages. Everything is about who is signed in; no address names a member."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from troth.app import consequences, membership
from troth.app.serving import ServedHome
from troth.core.errors import BadInput
from troth.core.events import Choose, Objection, Withdraw
from troth.core.standing import Known
from troth.core.values import Use
from troth.core.written import Json
from troth.intake.parts import part_paths
from troth.intake.theirs import count_theirs, find_one, find_theirs
from troth.ledger.store import Batch, Receipt, clock
from troth.server import charts, proving
from troth.server.access import GuardedRoute, Who, allow
from troth.server.errors import not_found
from troth.server.hooks import Hooks
from troth.server.pages import render, texts
from troth.server.state import State
from troth.server.withdrawals import Withdrawals

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

PAGE: Final = 25
GPC: Final = "sec-gpc"
_POLL_SECONDS: Final = 0.3


def home_of(request: Request) -> ServedHome:
    """The home that is served."""
    home: ServedHome = request.app.state.home
    return home


async def _known(request: Request) -> Known:
    """What is known now of who is signed in, and of everybody."""
    home, subject = home_of(request), request.state.who.subject
    if home.remote:
        return (await asyncio.to_thread(home.member, subject))[0]
    return home.member(subject)[0]


async def _own_entry(request: Request, position: int) -> Receipt:
    """The receipt of an entry of one's own; what is somebody else's is not there."""
    home, subject = home_of(request), request.state.who.subject

    def found() -> Receipt | None:
        with home.reading() as ledger:
            return ledger.receipt(position) if position in dict(ledger.history(subject)) else None

    receipt = await asyncio.to_thread(found)
    if receipt is None:
        raise not_found()
    return receipt


def _use(request: Request) -> Use:
    return Use(request.app.state.settings.purpose, "operator")


async def _recorded(request: Request, batch: Batch) -> list[Receipt]:
    """Record what a member chose here, and tell the platform that it was: where it stands, not whose it is."""
    receipts = await home_of(request).writer.submit(batch)
    hooks: Hooks = request.app.state.hooks
    for one in receipts:
        said: dict[str, Json] = {"position": one.position, "commitment": one.commitment}
        await asyncio.to_thread(hooks.announce, "choice.recorded", said)
    return receipts


@router.get("/me")
@allow("member")
async def overview(request: Request) -> Response:
    """The switches, and what each rests on."""
    who: Who = request.state.who
    known = await _known(request)
    signal = request.headers.get(GPC) == "1"
    if signal and await heed_signal(request, known):
        known = await _known(request)
    now = clock()
    return render(
        request,
        "me.html.j2",
        switches=membership.switches(known, who.subject, now),
        consents=membership.consents(known, who.subject, now),
        objected=membership.objected(known, who.subject, now),
        withdrawals=request.app.state.withdrawals.of(who.subject)[:3],
        signals=_signals(request),
        signal=signal,
        notices=[one for one in membership.inbox(known, who.subject, now) if one.delivered][:3],
    )


def _signals(request: Request) -> list[tuple[str, int, int]]:
    account = request.state.who.session.account.id
    store: State = request.app.state.store
    rows = store.rows(
        "SELECT application, MIN(at), MIN(position) FROM signals WHERE account = ? GROUP BY application",
        account,
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def heed_signal(request: Request, known: Known) -> bool:
    """Record Global Privacy Control once for each browser that sends it; answers whether it was news.

    The signal is a choice of off of every switch, made by ``signal``: an explicit choice outweighs it.
    """
    session = request.state.who.session
    subject = request.state.who.subject
    store: State = request.app.state.store
    seen = {
        row[0]
        for row in store.rows(
            "SELECT setting FROM signals WHERE account = ? AND application = ?",
            session.account.id, session.application,
        )
    }  # fmt: skip
    now = clock()
    fresh = [
        name
        for name, entries in known.settings.items()
        if name not in seen and (entries[0][1].introduced_at or 0) <= now
    ]
    for name in fresh:
        event = Choose(subject, name, on=False, at=now, by="signal")
        request_id = "gpc:" + store.derive("gpc", session.account.id, session.application, name)[:40]
        try:
            receipts = await _recorded(request, Batch([event], request_id))
        except BadInput:
            continue  # the signal of this browser is recorded, its row here was lost
        store.rows(
            "INSERT INTO signals VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            session.account.id, session.application, name, now, receipts[0].position,
        )  # fmt: skip
    return bool(fresh)


@router.get("/me/settings/{setting}")
@allow("member")
async def preview(request: Request, setting: str, to: str = "off", past: str = "") -> Response:
    """What a choice would change, before it is made."""
    subject = request.state.who.subject
    known = await _known(request)
    switch = next(
        (one for one in membership.switches(known, subject, clock()) if one.setting == setting), None
    )
    if switch is None or to not in ("on", "off"):
        raise not_found()
    event = Choose(subject, setting, to == "on", clock(), "member", covers_past=to == "on" and past == "yes")
    effects = await asyncio.to_thread(membership.effect, home_of(request), subject, event, event.at)
    return render(request, "setting.html.j2", switch=switch, to=to, past=past == "yes", effects=effects)


@router.post("/me/settings/{setting}")
@allow("member")
async def choose(request: Request, setting: str) -> Response:
    """Make a choice."""
    subject = request.state.who.subject
    form = await request.form()
    to = form.get("to")
    known = await _known(request)
    if to not in ("on", "off") or setting not in known.settings:
        raise not_found()
    past = to == "on" and form.get("past") == "yes"
    event = Choose(subject, setting, to == "on", clock(), "member", covers_past=past)
    receipts = await _recorded(request, Batch([event]))
    return RedirectResponse(f"/me/receipts/{receipts[0].position}", 303)


@router.get("/me/receipts/{position}")
@allow("member")
async def receipt(request: Request, position: int) -> Response:
    """Where an entry of one's own stands in the ledger."""
    found = await _own_entry(request, position)
    public = await asyncio.to_thread(proving.published, home_of(request))
    return render(
        request,
        "receipt.html.j2",
        receipt=found,
        has_log=public is not None,
        published=public is not None and position < public,
    )


@router.get("/me/receipts/{position}/proof")
@allow("member")
async def receipt_proof(request: Request, position: int) -> Response:
    """The proof that an entry of one's own is in the public log."""
    await _own_entry(request, position)
    data = await asyncio.to_thread(proving.receipt, home_of(request), position)
    return _file(data, "text/plain", f"receipt-{position}.txt")


@router.get("/me/certificates/{model}/{name}")
@allow("member")
async def certificate(request: Request, model: str, name: str) -> Response:
    """A certificate that came of one of one's own withdrawals."""
    own = {
        (one["model"], one["certificate"])
        for withdrawal in request.app.state.withdrawals.of(request.state.who.subject)
        for step in withdrawal.steps
        for one in step.details.get("certificates", [])
    }
    if (model, name) not in own:
        raise not_found()
    data = await asyncio.to_thread(consequences.certificate_of, home_of(request), model, name)
    if data is None:
        raise not_found()
    return _file(data, "application/json", name)


def _file(data: bytes, kind: str, name: str) -> Response:
    plain = "".join(sign for sign in name if sign.isalnum() or sign in "._-")
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{plain}"'})


@router.post("/me/object")
@allow("member")
async def object_(request: Request) -> Response:
    """Object to training."""
    receipts = await _recorded(request, Batch([Objection(request.state.who.subject, clock())]))
    return RedirectResponse(f"/me/receipts/{receipts[0].position}", 303)


# withdrawing


@router.get("/me/withdraw")
@allow("member")
async def withdraw_page(request: Request) -> Response:
    """What a withdrawal of everything would touch."""
    subject = request.state.who.subject
    event = Withdraw(subject, clock())
    effects = await asyncio.to_thread(membership.effect, home_of(request), subject, event, event.at)
    held = await asyncio.to_thread(consequences.holdings, home_of(request), subject)
    return render(
        request,
        "withdraw.html.j2",
        effects=effects,
        held=[one for one in held if one.rows],
        withdrawals=request.app.state.withdrawals.of(subject),
    )


@router.post("/me/withdraw")
@allow("member")
async def withdraw(request: Request) -> Response:
    """Withdraw everything."""
    withdrawals: Withdrawals = request.app.state.withdrawals
    found = await asyncio.to_thread(withdrawals.request, request.state.who.subject, None)
    return RedirectResponse(f"/me/withdrawals/{found.id}", 303)


@router.get("/me/withdrawals/{withdrawal}")
@allow("member")
async def progress(request: Request, withdrawal: str) -> Response:
    """How far a withdrawal has come."""
    found = request.app.state.withdrawals.find(withdrawal, request.state.who.subject)
    if found is None:
        raise not_found()
    return render(request, "withdrawal.html.j2", withdrawal=found)


@router.get("/me/withdrawals/{withdrawal}/events")
@allow("member")
async def events(request: Request, withdrawal: str) -> Response:
    """The steps of a withdrawal as they happen (server-sent events), to the end."""
    withdrawals: Withdrawals = request.app.state.withdrawals
    subject = request.state.who.subject
    if withdrawals.find(withdrawal, subject) is None:
        raise not_found()

    async def stream() -> AsyncIterator[str]:
        sent = 0
        while not request.app.state.stopping.is_set() and not await request.is_disconnected():
            found = await asyncio.to_thread(withdrawals.find, withdrawal, subject)
            if found is None:
                return
            for step in found.steps[sent:]:
                page = render(request, "step.html.j2", step=step)
                yield f"event: step\ndata: {json.dumps({'html': bytes(page.body).decode()})}\n\n"
            sent = len(found.steps)
            if found.done:
                yield "event: done\ndata: {}\n\n"
                return
            await asyncio.sleep(_POLL_SECONDS)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


# what happened


@router.get("/me/written")
@allow("member")
async def written(request: Request) -> Response:
    """What happened with what one wrote."""
    subject = request.state.who.subject
    home = home_of(request)
    known = await _known(request)
    use = _use(request)

    def gathered() -> tuple[
        list[consequences.Holding], list[consequences.Learned], dict[str, int], dict[str, int]
    ]:
        records = membership.theirs(home, subject)
        held = consequences.holdings(home, subject)
        return (
            held,
            consequences.learned(home, held),
            count_theirs(part_paths(home.records_path), subject),
            membership.reasons(records, subject, use, clock(), known),
        )

    held, learned, kinds, reasons = await asyncio.to_thread(gathered)
    points = [(one.at[:10], one.recipient, one.rows) for one in held]
    _ = texts(request)
    said = {_(reason): count for reason, count in reasons.items()}
    named = {_.kind(category): count for category, count in kinds.items()}
    drawn = await asyncio.to_thread(
        lambda: {
            "kinds": charts.bars(_("Your records by kind"), named) if kinds else None,
            "reasons": charts.bars(_("Your side, for training by the operator"), said) if said else None,
            "releases": charts.bars(_("Your rows by release"), _by_release(held))
            if any(one.rows for one in held)
            else None,
            "time": charts.lines(_("Your rows in releases over time"), points)
            if len({at for at, _, _ in points}) > 1
            else None,
        }
    )
    shown: dict[str, Any] = {"held": held, "learned": learned, "kinds": kinds, "reasons": reasons}
    return render(request, "written.html.j2", charts=drawn, use=use, **shown)


def _by_release(held: list[consequences.Holding]) -> dict[str, int]:
    return {f"{one.recipient}, {one.at[:10]} ({one.release[:6]})": one.rows for one in held}


@router.get("/me/conversations")
@allow("member")
async def conversations(request: Request, page: int = 1, kind: str = "private_message") -> Response:
    """One's records, newest first, each with its status as far as it is one's own."""
    subject = request.state.who.subject
    home = home_of(request)
    page = min(max(page, 1), 100_000)
    category = kind if kind.replace("_", "").replace(".", "").isalnum() else ""
    known = await _known(request)
    use = _use(request)
    paths = part_paths(home.records_path)
    kinds = await asyncio.to_thread(count_theirs, paths, subject)
    found = await asyncio.to_thread(
        lambda: find_theirs(paths, subject, category=category, skip=(page - 1) * PAGE, limit=PAGE + 1)
    )
    own = membership.Own(known, subject, clock())
    rows = [(one, own.side(one.record, use)) for one in found[:PAGE]]
    return render(
        request,
        "conversations.html.j2",
        rows=rows,
        kinds=kinds,
        kind=category,
        page=page,
        more=len(found) > PAGE,
        subject=subject,
        use=use,
    )


@router.get("/me/records/{record}")
@allow("member")
async def record(request: Request, record: str) -> Response:
    """One of one's records: its words, and one's own side for every training use."""
    subject = request.state.who.subject
    home = home_of(request)
    found = await asyncio.to_thread(find_one, part_paths(home.records_path), subject, record)
    if found is None:
        raise not_found()
    known = await _known(request)
    own = membership.Own(known, subject, clock())
    asked = membership.uses(known, [act for _, act in membership.acts_of(home)])
    sides = [own.side(found.record, use) for use in asked]
    return render(request, "record.html.j2", kept=found, sides=sides, subject=subject)


# terms and notices


@router.get("/me/terms")
@allow("member")
async def terms(request: Request) -> Response:
    """What one was promised, version by version, and when one was told."""
    subject = request.state.who.subject
    known = await _known(request)
    documents = membership.history_of_terms(known, subject, clock())
    return render(request, "terms.html.j2", documents=documents)


@router.get("/me/notices")
@allow("member")
async def notices(request: Request) -> Response:
    """The notices one was sent."""
    subject = request.state.who.subject
    known = await _known(request)
    return render(request, "notices.html.j2", messages=membership.inbox(known, subject, clock()))


@router.get("/me/proofs")
@allow("member")
async def proofs(request: Request) -> Response:
    """Proofs of presence and absence, to download and to check here."""
    shown = await asyncio.to_thread(proving.page, home_of(request), request.state.who.subject)
    return render(request, "proofs.html.j2", **shown)


@router.get("/me/proofs/{release}/proof.json")
@allow("member")
async def proof(request: Request, release: str) -> Response:
    """The proof that rows of one's own are in a release, or that none is."""
    data = await asyncio.to_thread(proving.proof, home_of(request), release, request.state.who.subject)
    return _file(data, "application/json", f"proof-{release}.json")


@router.get("/me/proofs/{release}/manifest.json")
@allow("member")
async def manifest(request: Request, release: str) -> Response:
    """The signed manifest of a release, against which a proof is checked."""
    data = await asyncio.to_thread(proving.manifest, home_of(request), release)
    return _file(data, "application/json", f"manifest-{release}.json")


@router.post("/me/proofs/secret")
@allow("member")
async def secret(request: Request) -> Response:
    """One's secret, handed out once: with it nobody can bind another to one's account."""
    data = await asyncio.to_thread(proving.secret, home_of(request), request.state.who.subject)
    return _file(data, "application/json", "my-secret.json")


@router.get("/me/copy")
@allow("member")
async def copy(request: Request) -> Response:
    """What is kept of one, to take along."""
    return render(request, "copy.html.j2")


@router.get("/me/copy/download")
@allow("member")
async def download(request: Request) -> Response:
    """A copy of one's data as JSON."""
    subject = request.state.who.subject
    found = await asyncio.to_thread(membership.copy_of, home_of(request), subject)
    return Response(
        json.dumps(found, ensure_ascii=False, indent=1),
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
    )
