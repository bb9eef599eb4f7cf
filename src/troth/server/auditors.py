"""The auditor's view: the head, consistency, random openings, the access log; and what a recipient sees."""

from __future__ import annotations

import asyncio
import random
import secrets
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from troth.app import auditing, disclosures, recalls, views
from troth.app.serving import ServedHome
from troth.core.errors import TrothError
from troth.server.access import GuardedRoute, allow
from troth.server.pages import render

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

MOST: Final = 500
LONGEST: Final = 20_000
"""Signs of a checkpoint with all its cosignatures, at most."""


def home_of(request: Request) -> ServedHome:
    """The home that is served."""
    home: ServedHome = request.app.state.home
    return home


@router.get("/auditor")
@allow("auditor", "admin")
async def overview(request: Request) -> Response:
    """The head, the kinds of entries, releases, the checkpoints."""
    found = await asyncio.to_thread(auditing.overview, home_of(request))
    return render(request, "auditor.html.j2", found=found)


@router.get("/auditor/openings")
@allow("auditor", "admin")
async def openings(request: Request, seed: str = "", count: int = 20) -> Response:
    """Entries drawn at random, opened and held against their commitments.

    The draw follows from the seed, so that it can be repeated, and from nothing that the operator chooses.
    """
    count = min(max(count, 1), MOST)
    seed = seed[:64] or secrets.token_hex(8)
    head = await asyncio.to_thread(lambda: home_of(request).position)
    drawn = sorted(random.Random(seed).sample(range(head), min(count, head)))  # noqa: S311 - repeatable on purpose
    found = await asyncio.to_thread(auditing.openings, home_of(request), drawn)
    return render(request, "openings.html.j2", openings=found, seed=seed, count=count, head=head)


@router.post("/auditor/check")
@allow("auditor", "admin")
async def check(request: Request) -> Response:
    """Derive the whole ledger anew."""
    damage = await asyncio.to_thread(auditing.check, home_of(request))
    found = await asyncio.to_thread(auditing.overview, home_of(request))
    return render(request, "auditor.html.j2", found=found, damage=damage)


@router.post("/auditor/consistency")
@allow("auditor", "admin")
async def consistency(request: Request) -> Response:
    """Whether the log still goes on from a checkpoint that the auditor kept."""
    form = await request.form()
    text = str(form.get("checkpoint", ""))[:LONGEST].replace("\r\n", "\n")
    found = await asyncio.to_thread(auditing.overview, home_of(request))
    shown: dict[str, Any] = {"found": found, "checkpoint": text}
    try:
        data = f"{text.strip(chr(10))}\n".encode("utf-8", "surrogateescape")
        shown["contained"] = await asyncio.to_thread(auditing.contains, home_of(request), data)
    except TrothError as error:
        return render(request, "auditor.html.j2", status=400, problem=error.message, **shown)
    return render(request, "auditor.html.j2", **shown)


@router.get("/auditor/accesses")
@allow("auditor", "admin")
async def accesses(request: Request) -> Response:
    """The access log, batch by batch, each held against its digest in the ledger."""
    found = await asyncio.to_thread(auditing.accesses, home_of(request), request.app.state.store.rows)
    return render(request, "accesses.html.j2", batches=found)


@router.get("/recipient")
@allow("recipient")
async def recipient(request: Request) -> Response:
    """The releases that were made for the recipient who is signed in."""
    name = request.state.who.session.account.recipient
    found = await asyncio.to_thread(views.release_page, home_of(request), -1, 1_000)
    mine = [one for one in found["items"] if one["recipient"] == name][::-1]
    home = home_of(request)
    given = [one for one in await asyncio.to_thread(disclosures.listed, home) if one["recipient"] == name]
    due = await asyncio.to_thread(partial(recalls.listed, home, everything=True))
    return render(
        request,
        "recipient.html.j2",
        recipient=name,
        releases=mine,
        disclosures=given,
        recalls=[one for one in due if one["recipient"] == name],
    )
