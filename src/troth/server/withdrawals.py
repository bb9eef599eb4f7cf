"""Withdrawals under way: what was asked, and the dated steps from the ledger's entry to the last effect.

The withdrawal itself is one entry in the ledger, made at once. What follows from it runs in one thread beside
the requests, survives a restart, and may be repeated.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from troth.app import membership
from troth.app.serving import ServedHome
from troth.core.errors import TrothError
from troth.core.events import Withdraw
from troth.core.written import Json
from troth.ledger.store import clock
from troth.server.hooks import Hooks
from troth.server.recalling import Recalls
from troth.server.state import State


@dataclass(frozen=True, slots=True)
class Step:
    """A dated fact of a withdrawal: ``kind`` names it, ``details`` are its figures."""

    kind: str
    at: int
    details: dict[str, Any]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"kind": self.kind, "at": self.at, "details": self.details}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal and how far it has come."""

    id: str
    subject: str
    setting: str | None
    at: int
    position: int | None
    steps: tuple[Step, ...]
    done: bool

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values, without whose it is."""
        return {
            "id": self.id,
            "setting": self.setting,
            "at": self.at,
            "position": self.position,
            "steps": [step.as_json() for step in self.steps],
            "done": self.done,
        }


class Withdrawals:
    """All withdrawals of a server. ``follow`` is what happens after the entry; it yields steps."""

    def __init__(self, home: ServedHome, store: State, hooks: Hooks, recalls: Recalls) -> None:
        self._home = home
        self._recalls = recalls
        self._store = store
        self._hooks = hooks
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def request(self, subject: str, setting: str | None, request: str | None = None) -> Withdrawal:
        """Record a withdrawal of a setting, or (None) of everything, and begin what follows.

        The number is derived from the request's id, so that a repeated request finds its withdrawal.

        Raises:
            BadInput: there is no such setting.
        """
        number = secrets.token_hex(12) if request is None else self._store.derive("withdrawal", request)[:24]
        kept = self.find(number, subject)
        if kept is not None:
            return kept
        now = clock()
        self._store.rows(
            "INSERT INTO withdrawals VALUES (?, ?, ?, ?, NULL, '[]', 0) ON CONFLICT DO NOTHING",
            number, subject, setting, now,
        )  # fmt: skip
        try:
            receipt = self._home.append(
                [Withdraw(subject, now, setting=setting)], request=f"withdrawal:{number}"
            )[0]
        except TrothError:
            self._store.rows("DELETE FROM withdrawals WHERE id = ? AND position IS NULL", number)
            raise
        self._store.rows("UPDATE withdrawals SET position = ? WHERE id = ?", receipt.position, number)
        self._step(number, "recorded", {"position": receipt.position, "commitment": receipt.commitment})
        self._hooks.announce("withdrawal.requested", {"withdrawal": number, "position": receipt.position})
        self._queue.put(number)
        found = self.find(number, subject)
        if found is None:
            raise KeyError(number)
        return found

    def find(self, number: str, subject: str | None = None) -> Withdrawal | None:
        """A withdrawal; None where there is none, and where it is not this member's."""
        rows = self._store.rows(
            "SELECT id, subject, setting, at, position, steps, done FROM withdrawals WHERE id = ?", number
        )
        if not rows or (subject is not None and rows[0][1] != subject):
            return None
        return _withdrawal(rows[0])

    def of(self, subject: str) -> list[Withdrawal]:
        """A member's withdrawals, newest first."""
        rows = self._store.rows(
            "SELECT id, subject, setting, at, position, steps, done FROM withdrawals WHERE subject = ?"
            " AND position IS NOT NULL ORDER BY at DESC",
            subject,
        )
        return [_withdrawal(row) for row in rows]

    def recent(self, limit: int = 50) -> list[Withdrawal]:
        """The newest withdrawals of everybody."""
        rows = self._store.rows(
            "SELECT id, subject, setting, at, position, steps, done FROM withdrawals"
            " WHERE position IS NOT NULL ORDER BY at DESC LIMIT ?",
            limit,
        )
        return [_withdrawal(row) for row in rows]

    def resume(self) -> None:
        """Start working, beginning with what a stop interrupted."""
        rows = self._store.rows("SELECT id, subject, setting FROM withdrawals WHERE position IS NULL")
        for number, subject, setting in rows:
            # Killed between noting the wish and recording it; nothing was acknowledged, so nothing is claimed.
            del subject, setting
            self._store.rows("DELETE FROM withdrawals WHERE id = ?", number)
        for (number,) in self._store.rows("SELECT id FROM withdrawals WHERE done = 0 ORDER BY at"):
            self._queue.put(str(number))
        self._thread = threading.Thread(target=self._run, name="troth-withdrawals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the step at hand, then stop; the rest is taken up at the next start."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while (number := self._queue.get()) is not None:
            found = self.find(number)
            if found is not None and not found.done:
                self._follow(found)

    def _follow(self, found: Withdrawal) -> None:
        from troth.app.consequences import follow, models_made_without

        def step(kind: str, details: dict[str, Any]) -> None:
            self._step(found.id, kind, details)

        done = {one.kind for one in found.steps}
        try:
            follow(self._home, found.subject, done, step)
            if "recalls" not in done:
                self._recall(found.subject, step)
            position = 0 if found.position is None else found.position
            made = models_made_without(self._home, found.subject, position)
        except TrothError as error:
            self._step(found.id, "interrupted", {"problem": type(error).__name__})
            return
        if made:
            # Before it counts as done: after a crash in between it is told twice, but never not at all.
            self._hooks.announce("unlearning.completed", {"withdrawal": found.id, "models": [*made]})
        self._store.rows("UPDATE withdrawals SET done = 1 WHERE id = ?", found.id)

    def _recall(self, subject: str, step: Callable[[str, dict[str, Any]], None]) -> None:
        """Call back what left; the step names recipients and days, of the recalls that name the member's records."""
        self._recalls.open_due()
        records = [one.record.id for one in membership.theirs(self._home, subject)]
        found = self._recalls.of(records)
        if found:
            step("recalls", {"recalls": found})

    def _step(self, number: str, kind: str, details: dict[str, Any]) -> None:
        with self._store.transaction():
            steps = json.loads(self._store.one("SELECT steps FROM withdrawals WHERE id = ?", number)[0])
            steps.append(Step(kind, clock(), details).as_json())
            self._store.rows("UPDATE withdrawals SET steps = ? WHERE id = ?", json.dumps(steps), number)


def _withdrawal(row: tuple[Any, ...]) -> Withdrawal:
    steps = tuple(Step(one["kind"], one["at"], one["details"]) for one in json.loads(row[5]))
    return Withdrawal(row[0], row[1], row[2], row[3], row[4], steps, bool(row[6]))
