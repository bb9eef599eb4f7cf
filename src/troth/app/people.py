"""Members: their attributes in from tables, and their erasure."""

from __future__ import annotations

from pathlib import Path

from troth.app.home import Home, instant_or_now
from troth.core.events import Erase
from troth.intake.subjects import read_subjects
from troth.ledger.store import Receipt


def import_subjects(home: Home, path: Path, *, dry_run: bool = False) -> tuple[int, int]:
    """Record the attributes in a table, all rows or none; rows that say nothing new are left out.

    Returns:
        The rows read and the entries recorded.

    Raises:
        BadInput: a row cannot be read; names file and line.
    """
    events = list(read_subjects(path))
    with home.reading() as ledger:
        known = ledger.known(None, [event.subject for event in events])
    there = {
        (event.subject, event) for event in events for _, old in known.member(event.subject) if old == event
    }
    fresh = [event for event in events if (event.subject, event) not in there]
    if fresh and not dry_run:
        home.append(fresh)
    return len(events), len(fresh)


def erase(home: Home, subject: str, at: int | str | None, *, bodies: bool = False) -> tuple[Receipt, int]:
    """Record a member's erasure; with ``bodies`` the bodies and salts of their earlier entries go for good.

    The entry of the erasure itself stays: it is the proof that it was honoured.
    """
    now = instant_or_now(at)
    with home.writing() as ledger:
        earlier = [position for position, _ in ledger.history(subject)]
        receipt = ledger.append([Erase(subject, now)])[0]
        erased = ledger.erase(earlier) if bodies else 0
    return receipt, erased
