"""Members: their attributes in from tables, and their erasure."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from troth.app import folds, holds
from troth.app.home import Home, instant_or_now
from troth.core.errors import BadInput
from troth.core.events import Attributes, Erase
from troth.core.identity import accounts_of, joins_of
from troth.intake.subjects import read_subjects
from troth.ledger.accounts import Accounts
from troth.ledger.store import Receipt, clock

_SAME_START: Final = 1
"""Letters that a misspelt name shares with the right one, at least."""


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
    there: dict[str, list[Attributes]] = {}
    fresh: list[Attributes] = []
    for event in events:
        if event.subject not in there:
            old = known.member(event.subject)
            there[event.subject] = [one for _, one in old if isinstance(one, Attributes)]
        if _says_something_new(event, there[event.subject]):
            there[event.subject].append(event)
            fresh.append(event)
    if fresh and not dry_run:
        home.append(fresh)
    return len(events), len(fresh)


def _says_something_new(event: Attributes, before: list[Attributes]) -> bool:
    """Whether an entry changes anything: of two with one ``since``, the later in the ledger holds."""
    same_since = [dict(old.named) for old in before if old.since == event.since]
    holding = {name: value for named in same_since for name, value in named.items()}
    return not same_since or any(name not in holding or holding[name] != value for name, value in event.named)


def unknown(home: Home, subject: str) -> list[str] | None:
    """Whether the ledger knows no attributes of a member: then names like it, if there are any; else None."""
    with home.reading() as ledger:
        if any(isinstance(event, Attributes) for _, event in ledger.history(subject)):
            return None
        alike = ledger.subjects_like(subject[:_SAME_START])
    by_form = {_form(one): one for one in alike if one != subject}
    near = difflib.get_close_matches(_form(subject), by_form, n=2, cutoff=0.8)
    return [by_form[one] for one in near]


def _form(name: str) -> str:
    return "".join(name.split()).casefold()


def erase(home: Home, subject: str, at: int | str | None, *, bodies: bool = False) -> tuple[Receipt, int]:
    """Record an erasure of all accounts of a member; with ``bodies`` bodies and salts of earlier entries go for good.

    The entry of the erasure itself stays: it is the proof that it was honoured.
    """
    now = instant_or_now(at)
    if bodies and now > clock():
        raise BadInput(
            "bodies are erased at once, the erasure would hold later: until then what was chosen would be lost",
            remedy="erase the bodies on the day itself",
        )
    with home.writing() as ledger:
        acts = ledger.member_acts()
        accounts = accounts_of(subject, joins_of(acts))
        own = {
            one: [position for position, _ in ledger.history(one)]
            for one in dict.fromkeys((subject, *accounts))
        }
        earlier = [position for positions in own.values() for position in positions]
        # The erasure of each account stands by itself, so that the joins can go too.
        concerned = {*accounts, subject}
        earlier += [
            position
            for position, act in acts
            if {act.details.get("account"), act.details.get("subject")} & concerned
        ]
        receipt = ledger.append([Erase(one, now) for one in dict.fromkeys((subject, *accounts))])[0]
        # What a legal hold keeps is sealed before it is erased; the entry says so.
        going = {one: positions if bodies else [] for one, positions in own.items()}
        holds.seal_erased(home, ledger, going, receipt.position)
        erased = ledger.erase(earlier) if bodies else 0
    folds.forget(home)
    # From here on nobody can tell which tags and labels were theirs, unless they show their secret.
    for one in own:
        Accounts(home.accounts_path).forget(one, now, clock())
    return receipt, erased
