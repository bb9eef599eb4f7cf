"""Webhooks out: signed, retried with growing pauses, and set aside where they cannot be delivered.

Signed as the Standard Webhooks specification says: ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` (``v1,`` and base64 of HMAC-SHA-256 over id, timestamp and body, joined by dots).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
from typing import Final
from urllib.parse import urlsplit

import httpx2

from troth.core.addresses import is_loopback, is_public
from troth.core.errors import BadInput
from troth.core.values import format_instant
from troth.core.written import Json
from troth.ledger.store import clock
from troth.server.config import Settings
from troth.server.state import State

EVENTS: Final = ("withdrawal.requested", "unlearning.completed", "recall.due", "choice.recorded")
"""``choice.recorded``: a member chose or objected on a page of this server, or their browser sent a signal. What came
in through the API its sender knows. ``unlearning.completed``: models were made again without what was taken back."""
_SECONDS: Final = 10.0
_POLL: Final = 1.0


class Hooks:
    """The webhooks of a server."""

    def __init__(self, store: State, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def add(self, url: str, events: list[str]) -> tuple[str, str]:
        """Subscribe an address; answers its id and the secret that signs what is sent to it.

        Raises:
            BadInput: no HTTPS address, or an event that there is not.
        """
        parts = urlsplit(url)
        wanted = ("https", "http") if self._settings.loopback_hooks else ("https",)
        if parts.scheme not in wanted or not parts.hostname or parts.username or parts.fragment:
            raise BadInput("expected an https:// address without a name or password in it")
        unknown = [one for one in events if one not in EVENTS]
        if unknown or not events:
            raise BadInput(f"expected events of {', '.join(EVENTS)}")
        number, secret = secrets.token_hex(8), f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self._store.rows(
            "INSERT INTO hooks VALUES (?, ?, ?, ?, ?, 0)", number, url, " ".join(events), secret, clock()
        )
        return number, secret

    def remove(self, number: str) -> None:
        """Send nothing to an address any more."""
        self._store.rows("UPDATE hooks SET disabled = 1 WHERE id = ?", number)

    def listed(self) -> list[dict[str, Json]]:
        """The subscriptions, without their secrets."""
        rows = self._store.rows("SELECT id, url, events, created_at FROM hooks WHERE disabled = 0 ORDER BY 4")
        return [
            {
                "id": row[0],
                "url": row[1],
                "events": list(row[2].split()),
                "created_at": format_instant(row[3]),
            }
            for row in rows
        ]

    def announce(self, event: str, data: dict[str, Json]) -> None:
        """Queue an event for all who asked for it; it survives a restart from here on."""
        now = clock()
        body = json.dumps({"type": event, "timestamp": format_instant(now), "data": data}, sort_keys=True)
        for number, events in self._store.rows("SELECT id, events FROM hooks WHERE disabled = 0"):
            if event in events.split():
                self._store.rows(
                    "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, 0, 'waiting', NULL)",
                    f"msg_{secrets.token_hex(12)}", number, event, body, now, now,
                )  # fmt: skip

    def dead(self) -> list[dict[str, Json]]:
        """What could not be delivered."""
        rows = self._store.rows(
            "SELECT d.id, h.url, d.event, d.made_at, d.tries, d.problem FROM deliveries d"
            " JOIN hooks h ON h.id = d.hook WHERE d.state = 'dead' ORDER BY d.made_at DESC LIMIT 200"
        )
        names = ("id", "url", "event", "made_at", "tries", "problem")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def again(self, delivery: str) -> None:
        """Try a dead delivery again from the beginning."""
        self._store.rows(
            "UPDATE deliveries SET state = 'waiting', tries = 0, next_at = ? WHERE id = ? AND state = 'dead'",
            clock(), delivery,
        )  # fmt: skip

    async def run(self) -> None:
        """Deliver what is due, for ever."""
        while True:
            try:
                if not await self.deliver_due():
                    await asyncio.sleep(_POLL)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - one bad moment must not end all deliveries
                from troth.server.edge import LOG

                LOG.error("webhooks: %s", type(error).__name__)
                await asyncio.sleep(_POLL)

    async def deliver_due(self) -> int:
        """Deliver what is due now, one after another; answers how many were tried."""
        due = await asyncio.to_thread(self._claim)
        for number, url, secret, body, tries in due:
            problem = await self._send(number, url, secret, body)
            await asyncio.to_thread(self._settle, number, tries + 1, problem)
        return len(due)

    def _claim(self) -> list[tuple[str, str, str, str, int]]:
        """Take what is due; another worker leaves it alone for a minute."""
        now = clock()
        with self._store.transaction():
            rows = self._store.rows(
                "SELECT d.id, h.url, h.secret, d.body, d.tries FROM deliveries d JOIN hooks h ON h.id = d.hook"
                " WHERE d.state = 'waiting' AND d.next_at <= ? AND h.disabled = 0 ORDER BY d.next_at LIMIT 20",
                now,
            )
            for row in rows:
                self._store.rows("UPDATE deliveries SET next_at = ? WHERE id = ?", now + 60_000_000, row[0])
        return [(str(a), str(b), str(c), str(d), int(e)) for a, b, c, d, e in rows]

    def _settle(self, number: str, tries: int, problem: str | None) -> None:
        pauses = self._settings.hook_pauses
        if problem is None:
            self._store.rows("DELETE FROM deliveries WHERE id = ?", number)
        elif tries > len(pauses):
            self._store.rows(
                "UPDATE deliveries SET state = 'dead', tries = ?, problem = ? WHERE id = ?",
                tries,
                problem,
                number,
            )
        else:
            jitter = 0.8 + secrets.randbelow(400) / 1000
            later = clock() + int(pauses[tries - 1] * jitter * 1_000_000)
            self._store.rows(
                "UPDATE deliveries SET tries = ?, problem = ?, next_at = ? WHERE id = ?",
                tries, problem, later, number,
            )  # fmt: skip

    async def _send(self, number: str, url: str, secret: str, body: str) -> str | None:
        """Send one delivery; None, or in a few words why it was not taken."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            address = await self._resolve(host, port)
        except (OSError, ValueError) as error:
            return f"the address cannot be used: {type(error).__name__}"
        if address is None:
            return "the address leads into a private network"
        stamp = str(clock() // 1_000_000)
        headers = {
            "content-type": "application/json",
            "host": parts.netloc,
            "webhook-id": number,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(secret, number, stamp, body),
        }
        # To the very address that was looked at: a name may answer differently the next time.
        bare = f"[{address}]" if ":" in address else address
        target = (
            f"{parts.scheme}://{bare}:{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        )
        try:
            async with httpx2.AsyncClient(
                timeout=_SECONDS, follow_redirects=False, trust_env=False
            ) as client:
                answer = await client.post(
                    target, content=body.encode(), headers=headers, extensions={"sni_hostname": host}
                )
        except httpx2.HTTPError as error:
            return f"not reached: {type(error).__name__}"
        return None if 200 <= answer.status_code < 300 else f"answered {answer.status_code}"

    async def _resolve(self, host: str, port: int) -> str | None:
        """One address of a host, unless any of them is not a public one."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        if not addresses or not all(self._may(one) for one in addresses):
            return None
        return addresses[0]

    def _may(self, address: str) -> bool:
        return is_public(address) or (self._settings.loopback_hooks and is_loopback(address))


def sign(secret: str, number: str, stamp: str, body: str) -> str:
    """The signature of a delivery."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{number}.{stamp}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
