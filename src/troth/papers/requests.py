"""Members' requests and their clocks: when each has to be answered, by the rule it was made under.

GDPR, Art. 12(3): one month from receipt, two further months where that is said within the first; periods in months end
as Regulation 1182/71, Art. 3 says. California, Cal. Code Regs. tit. 11, s. 7021: 45 days from receipt, 45 more where
that is said within the first.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from troth.core.entries import Act
from troth.core.errors import BadInput
from troth.core.values import MICROSECONDS_PER_DAY, day_of, format_instant, parse_instant, start_of_day
from troth.core.written import Json

ACT: Final = "member"
MADE, EXTENDED, ANSWERED = "request", "request-extended", "request-answered"
KINDS: Final = (
    "access",
    "erasure",
    "rectification",
    "restriction",
    "portability",
    "objection",
    "opt-out",
    "other",
)
LAWS: Final = ("gdpr", "ccpa")
OUTCOMES: Final = ("granted", "partly", "refused")
_CCPA_DAYS: Final = 45
_MONTHS_OF_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Request:
    """A member's request; instants in microseconds UTC, ``entries`` the positions that speak of it."""

    id: str
    subject: str
    kind: str
    law: str
    received: int
    entries: tuple[int, ...]
    extended: int | None = None
    reason: str | None = None
    answered: int | None = None
    outcome: str | None = None

    @property
    def due(self) -> int:
        """The first instant after the period, extension included."""
        return due(self.law, self.received, extended=self.extended is not None)

    def status(self, now: int) -> str:
        """``answered``, ``answered late``, ``open`` or ``overdue`` at an instant."""
        if self.answered is not None and self.answered <= now:
            return "answered" if self.answered < self.due else "answered late"
        return "open" if now < self.due else "overdue"

    def as_json(self, now: int) -> dict[str, Json]:
        """Plain JSON values, as it stands at an instant."""
        return {
            "request": self.id,
            "subject": self.subject,
            "kind": self.kind,
            "law": self.law,
            "received": format_instant(self.received),
            "due": format_instant(self.due),
            "status": self.status(now),
            "extended": None if self.extended is None else format_instant(self.extended),
            "reason": self.reason,
            "answered": None if self.answered is None else format_instant(self.answered),
            "outcome": self.outcome,
            "days_left": None if self.answered is not None else (self.due - now) // MICROSECONDS_PER_DAY,
            "entries": list(self.entries),
        }


def due(law: str, received: int, *, extended: bool = False) -> int:
    """When the period for an answer has run out: the start of the day after its last day (UTC)."""
    first = day_of(received)
    if law == "gdpr":
        return start_of_day(_months_on(first, 3 if extended else 1)) + MICROSECONDS_PER_DAY
    days = _CCPA_DAYS * (2 if extended else 1)
    return start_of_day(first) + (days + 1) * MICROSECONDS_PER_DAY


def _months_on(day: tuple[int, int, int], months: int) -> tuple[int, int, int]:
    year, month = divmod(day[0] * _MONTHS_OF_A_YEAR + day[1] - 1 + months, _MONTHS_OF_A_YEAR)
    last = calendar.monthrange(year, month + 1)[1]
    return (year, month + 1, min(day[2], last))


def register(acts: Iterable[tuple[int, Act]]) -> dict[str, Request]:
    """The requests that entries speak of, by id, in the order in which they were recorded."""
    found: dict[str, Request] = {}
    for position, act in acts:
        said = act.details
        name, what = str(said.get("request")), said.get("what")
        if what == MADE:
            found[name] = Request(
                name,
                str(said["subject"]),
                str(said["kind"]),
                str(said["law"]),
                parse_instant(str(said["at"])),
                (position,),
            )
        elif name in found and what in (EXTENDED, ANSWERED):
            one = replace(found[name], entries=(*found[name].entries, position))
            at = parse_instant(str(said["at"]))
            if what == EXTENDED:
                found[name] = replace(one, extended=at, reason=str(said["reason"]))
            else:
                found[name] = replace(one, answered=at, outcome=str(said["outcome"]))
    return found


def extend(one: Request, reason: str, at: int) -> Act:
    """The entry of an extension.

    Raises:
        BadInput: it is answered, extended already, or the first period is over.
    """
    if one.answered is not None or one.extended is not None:
        raise BadInput(
            f"request {one.id} is {'answered' if one.answered is not None else 'extended'} already"
        )
    if not one.received <= at < one.due:
        raise BadInput(
            f"request {one.id} can be extended from its receipt until {format_instant(one.due)} only",
            remedy="the member has to be told within the first period",
        )
    return _act(EXTENDED, one, at, reason=reason)


def answer(one: Request, outcome: str, at: int) -> Act:
    """The entry of an answer.

    Raises:
        BadInput: it is answered already, or that would be before it was made.
    """
    if one.answered is not None:
        raise BadInput(f"request {one.id} is answered already")
    if at < one.received:
        raise BadInput(f"request {one.id} came in at {format_instant(one.received)}, after that")
    return _act(ANSWERED, one, at, outcome=outcome)


def made(name: str, subject: str, kind: str, law: str, at: int) -> Act:
    """The entry of a request that came in."""
    details: dict[str, Json] = {"what": MADE, "request": name, "subject": subject, "kind": kind, "law": law}
    return Act(ACT, {**details, "at": format_instant(at)})


def _act(what: str, one: Request, at: int, **more: Json) -> Act:
    return Act(
        ACT, {"what": what, "request": one.id, "subject": one.subject, **more, "at": format_instant(at)}
    )
