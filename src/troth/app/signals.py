"""Signals applied: Global Privacy Control to a member's switches, web preferences as clauses.

Every application is an entry of the ledger, with what was received, from where and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from troth.app.home import Home, instant_or_now
from troth.core.entries import Act
from troth.core.errors import BadInput
from troth.core.events import EXPLICIT, Choose
from troth.core.identity import ACT
from troth.core.terms import Clause, Terms
from troth.core.values import check_category, format_instant
from troth.core.written import Json
from troth.intake.signals import Preferences, document_name
from troth.ledger.store import Receipt

_APPLIED = "signal"


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a signal: the switches it set off, those that a choice of the member keeps on, the entries."""

    subject: str
    set_off: list[str]
    already: list[str]
    conflicts: list[str]
    receipts: list[Receipt]

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "subject": self.subject,
            "set_off": [*self.set_off],
            "already_off": [*self.already],
            "conflicts": [*self.conflicts],
            "receipts": [one.as_json() for one in self.receipts],
        }


def apply_gpc(
    home: Home, subject: str, settings: Sequence[str], source: str, at: int | str | None = None
) -> Applied:
    """Apply a request for privacy to a member's switches, and record that it was.

    An explicit choice is never overridden: where the last one is on, that is a conflict for the operator to
    list and the member to see. The signal is recorded there too: it counts again should the choice go.

    Args:
        home: the home.
        subject: whose request it was.
        settings: the switches that the signal speaks of; none: every switch there is.
        source: where it came from, such as ``Sec-GPC: 1 on POST /posts``.
        at: when; None: now.

    Raises:
        BadInput: there is no such switch.
    """
    now = instant_or_now(at)
    with home.writing() as ledger:
        head = ledger.size
        known = ledger.known(head, [subject])
        wanted = list(dict.fromkeys(settings)) or sorted(known.settings)
        unknown = [one for one in wanted if one not in known.settings]
        if unknown or not wanted:
            raise BadInput(
                f"there is no setting {unknown[0]!r}" if unknown else "there are no settings to switch off",
                remedy="see `troth terms list`",
            )
        choices = [event for _, event in known.member(subject) if isinstance(event, Choose)]
        fresh: list[str] = []
        already: list[str] = []
        conflicts: list[str] = []
        for setting in wanted:
            mine = [one for one in choices if one.setting == setting and one.at <= now]
            explicit = [one for one in mine if one.by in EXPLICIT]
            if explicit and max(explicit, key=lambda one: one.at).on:
                conflicts.append(setting)
            signalled = any(one.by == "signal" and not one.on for one in mine)
            (already if signalled else fresh).append(setting)
        details: dict[str, Json] = {
            "what": _APPLIED,
            "signal": "gpc",
            "source": source,
            "subject": subject,
            "at": format_instant(now),
            "settings": [*wanted],
            "conflicts": [*conflicts],
        }
        events = [Choose(subject, setting, on=False, at=now, by="signal") for setting in fresh]
        receipts = ledger.append([*events, Act(ACT, details)], expected=head)
    return Applied(subject, fresh, already, conflicts, receipts)


def applications(home: Home, subject: str | None = None) -> list[tuple[int, dict[str, Json]]]:
    """Every application of a signal, of one member or of all: entry position and details."""
    with home.reading() as ledger:
        found = [(position, act.details) for position, act in ledger.member_acts()]
    return [
        (position, details)
        for position, details in found
        if details.get("what") == _APPLIED and subject in (None, details.get("subject"))
    ]


def conflicts(home: Home) -> list[dict[str, Json]]:
    """Signals that an explicit choice of on stands against by now: by member and setting."""
    found: dict[tuple[str, str], dict[str, Json]] = {}
    for _, details in applications(home):
        subject, settings = details.get("subject"), details.get("settings")
        if not isinstance(subject, str) or not isinstance(settings, list):
            continue
        known, _ = home.known(subjects=[subject], joined=False)
        for setting in settings:
            choices = [
                (one.at, position, one)
                for position, one in known.member(subject)
                if isinstance(one, Choose) and one.setting == setting and one.by in EXPLICIT
            ]
            last = max(choices, default=None, key=lambda one: one[:2])
            if last is not None and last[2].on:
                found[subject, str(setting)] = {
                    "subject": subject,
                    "setting": str(setting),
                    "signalled_at": details.get("at"),
                    "chose_on_at": format_instant(last[2].at),
                }
    return list(found.values())


def terms_of(
    preferences: Preferences, address: str, categories: Sequence[str], at: int | str | None = None
) -> Terms:
    """A web site's preferences as a document that forbids: nobody's rights shrink by it, so it permits nothing.

    Args:
        preferences: what was read.
        address: where; it names the document.
        categories: the categories of the records that came from there.
        at: when it was read: the preference holds from then on, since since when it stood there is not known.

    Raises:
        BadInput: nothing is refused, or a category is none.
    """
    if not preferences.refused:
        raise BadInput(
            "refuses nothing, so there is no clause to make of it",
            remedy="what it permits gives no permission here: only terms that members were told of do",
        )
    now = instant_or_now(at)
    clause = Clause(
        id="content-usage",
        effect="forbid",
        purposes=preferences.refused,
        categories=tuple(check_category(one) for one in categories),
        recipients=("any",),
        quote=preferences.text,
    )
    return Terms(
        document=document_name("content-usage", address),
        kind="statement",
        version=format_instant(now),
        published_at=now,
        effective_at=now,
        clauses=(clause,),
    )
