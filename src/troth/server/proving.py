"""Proofs on the member's page. Until releases commit to sets of members there are none to show."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from troth.app import consequences
from troth.app.serving import ServedHome


async def page(request: Request) -> dict[str, Any]:
    """What the page of proofs shows."""
    home: ServedHome = request.app.state.home
    held = await asyncio.to_thread(consequences.holdings, home, request.state.who.subject)
    return {"releases": held, "available": False}
