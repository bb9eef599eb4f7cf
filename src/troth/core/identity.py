"""Several accounts of one person: how what was said under one of them counts for the others.

An account is whatever names a party of a record: a member's id, a mail address, a profile's address. A join
says that an account is a subject's; it is recorded with its evidence, holds from its ledger position on, and
can be undone. Records keep the names that they came with: only what is known of these is shared, here and
nowhere else, so that an undone join leaves no trace in a verdict.

- A **no** (off, withdrawal, objection, erasure) reaches every account of the subject.
- A **yes**, a notice, and the facts of an account (place, tier, when it was opened) stay with the account that
  they were given for. A no under another account is ended by a yes under this one alone.
- An account without attributes of its own is a mere name of the subject: whatever is known of the subject is
  known of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from troth.core.entries import Act
from troth.core.errors import BadInput
from troth.core.events import Attributes, Choose, Erase, MemberEvent, Objection, Withdraw
from troth.core.standing import Known
from troth.core.values import format_instant, parse_instant

ACT: Final = "member"
"""The public type of the entries that record joins: they concern a member, and can be erased."""

_JOIN: Final = "identity-join"
_UNDO: Final = "identity-undo"


@dataclass(frozen=True, slots=True)
class Join:
    """An account is a subject's: since which ledger position that is known, when it was said, and why."""

    subject: str
    account: str
    evidence: str
    at: int
    position: int


def join_act(subject: str, account: str, evidence: str, at: int) -> Act:
    """The entry of a join; ``at`` in microseconds UTC."""
    details = {"what": _JOIN, "subject": subject, "account": account, "evidence": evidence}
    return Act(ACT, {**details, "at": format_instant(at)})


def undo_act(join: Join, evidence: str, at: int) -> Act:
    """The entry that undoes a join."""
    details = {"what": _UNDO, "subject": join.subject, "account": join.account, "evidence": evidence}
    return Act(ACT, {**details, "at": format_instant(at)})


def joins_of(acts: Iterable[tuple[int, Act]]) -> dict[str, Join]:
    """The joins that hold after these entries, in ledger order, by account."""
    found: dict[str, Join] = {}
    for position, act in acts:
        details = {key: value for key, value in act.details.items() if isinstance(value, str)}
        subject, account = details.get("subject"), details.get("account")
        if subject is None or account is None:
            continue
        if details.get("what") == _JOIN:
            at = parse_instant(details.get("at", ""))
            found[account] = Join(subject, account, details.get("evidence", ""), at, position)
        elif details.get("what") == _UNDO:
            found.pop(account, None)
    return found


def check_join(subject: str, account: str, joins: Mapping[str, Join]) -> None:
    """Make sure that a join is new and leaves every account with one subject.

    Raises:
        BadInput: it does not.
    """
    if subject == account:
        raise BadInput(
            "an account is not joined to itself", remedy="name the subject first, then the account"
        )
    if account in joins:
        owner = joins[account].subject
        if owner == subject:
            raise BadInput(f"{account!r} is {subject!r}'s already", remedy="see `troth identity list`")
        raise BadInput(
            f"{account!r} is joined to {owner!r}",
            remedy=f"undo that first: troth identity undo {account}",
        )
    if subject in joins:
        owner = joins[subject].subject
        raise BadInput(
            f"{subject!r} is itself an account of {owner!r}", remedy=f"join {account!r} to {owner!r}"
        )
    if any(join.subject == account for join in joins.values()):
        raise BadInput(
            f"{account!r} has accounts of its own",
            remedy="join these to the subject one by one after undoing their joins",
        )


def accounts_of(subject: str, joins: Mapping[str, Join]) -> list[str]:
    """A subject and all accounts joined with it, whichever of them is named; the subject first."""
    main = joins[subject].subject if subject in joins else subject
    return [main, *sorted(join.account for join in joins.values() if join.subject == main)]


def share(known: Known, joins: Mapping[str, Join]) -> None:
    """Let what is known of one account count for the others of its subject; changes ``known``."""
    groups: dict[str, list[str]] = defaultdict(list)
    for join in joins.values():
        groups[join.subject].append(join.account)
    for subject, accounts in groups.items():
        own = {one: list(known.member(one)) for one in (subject, *accounts)}
        for one, history in own.items():
            noes = [entry for other in own if other != one for entry in own[other] if is_no(entry[1])]
            if one != subject and not any(isinstance(event, Attributes) for _, event in history):
                noes += [entry for entry in own[subject] if not is_no(entry[1])]
            if noes:
                merged = {position: (position, event) for position, event in (*history, *map(_spread, noes))}
                known.members[one] = [merged[position] for position in sorted(merged)]


def is_no(event: MemberEvent) -> bool:
    """Whether an event says no to something, and is to reach every account of whoever said it."""
    match event:
        case Choose():
            return not event.on
        case Withdraw() | Objection() | Erase():
            return True
        case Attributes():
            return dict(event.named).get("status") == "erased"
        case _:
            return False


def _spread(entry: tuple[int, MemberEvent]) -> tuple[int, MemberEvent]:
    """An entry as it counts for another account: of attributes only that the subject is erased."""
    position, event = entry
    if isinstance(event, Attributes) and is_no(event):
        return position, Erase(event.subject, event.since)
    return entry
