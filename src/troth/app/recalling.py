"""Recalls beside a server's requests: opened when something was taken back, reminded of, escalated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from troth.app import holdings, recalls, recipients
from troth.app.decisions import stamps_of
from troth.app.directories import limits_of
from troth.app.home import Home
from troth.core.values import format_instant
from troth.core.written import Json
from troth.ledger.store import clock
from troth.release import holdings as kept

PAUSE_SECONDS: Final = 1.0
REMIND_SECONDS: Final = 3600.0
_SHARE: Final = 20
"""Looking takes a twentieth of the time at most: it reads the ledger as a whole."""


class Recalling:
    """What a server does about recalls by itself; call ``work`` often.

    Args:
        home: the home.
        tell: told of every recall that was opened, falls due or is overdue: ids and dates, never a member.
        now: seconds that only grow; a test's own clock.
    """

    def __init__(
        self,
        home: Home,
        tell: Callable[[dict[str, Json]], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._tell = tell
        self._now = now
        self._seen: object = None
        self._next = self._next_reminder = 0.0

    def work(self) -> None:
        """Open what is to be opened, if anything has changed; once an hour, look what falls due.

        Raises:
            TrothError: what ``recalls.sync`` raises; the next call tries again.
        """
        home, started = self._home, self._now()
        if not holdings.folder(home).is_dir():
            return
        hourly = started >= self._next_reminder
        state = (home.position, stamps_of(home, None))
        # Once an hour in any case: what was dated later may have come.
        if not hourly and (state == self._seen or started < self._next):
            return
        for one in recalls.sync(home):
            self._tell({"recall": one.id, "status": "open", "due_at": format_instant(one.due_at)})
        if hourly:
            for due in recalls.remind(home):
                self._tell({"recall": due["recall"], "status": due["status"], "due_at": due["due_at"]})
            self._next_reminder = started + REMIND_SECONDS
        self._seen = (home.position, state[1])
        ended = self._now()
        self._next = ended + max(PAUSE_SECONDS, _SHARE * (ended - started))


def of_member(home: Home, subject: str) -> list[dict[str, Json]]:
    """The recalls that name rows of a member: release, recipient, how many of theirs, how it stands and by when."""
    found: list[dict[str, Json]] = []
    now = clock()
    book = recipients.book(home)
    theirs: dict[str, set[str]] = {}
    for recall in book.recalls.values():
        if recall.replaced:
            continue
        said = book.links[recall.receipt].receipt.said
        if said.release not in theirs:
            rows = holdings.path_of(home, said.release)
            theirs[said.release] = (
                kept.ids_of_parties(rows, [subject], limits_of(home)) if rows is not None else set()
            )
        count = len(theirs[said.release].intersection(recalls.ids_of(home, recall.id)))
        if count:
            found.append(
                {
                    "release": said.release,
                    "recipient": said.recipient.name,
                    "rows": count,
                    "status": recall.status(now),
                    "due_at": format_instant(recall.due_at),
                }
            )
    return found
