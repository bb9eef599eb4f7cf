"""The closed set of things that a ledger records of promises, notices and choices.

Instants are microseconds UTC. How events are written down: ``troth.core.written``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from troth.core.terms import Audience, Terms
from troth.core.values import Day

EXPLICIT: Final = ("member", "guardian", "operator")
"""Who makes an explicit choice; ``signal`` (such as Global Privacy Control) is the fourth ``by``."""

REGIMES: Final = ("terms", "opt_out", "opt_in", "prohibited")
STATUSES: Final = ("active", "closed", "erased")
AFFIRMATIVE: Final = ("click", "signed")


@dataclass(frozen=True, slots=True)
class Default:
    """A default of a setting for an audience."""

    audience: Audience
    on: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A switch is introduced (``introduced_at``), or its defaults are replaced from ``since`` on."""

    setting: str
    defaults: tuple[Default, ...]
    introduced_at: int | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of a member from ``since`` on; ``named`` holds just those that the entry names.

    Values: ``jurisdiction`` and ``tier`` text, ``status`` one of STATUSES, ``born`` a Day (a bare year is its
    31 December); None is unknown from then on.
    """

    subject: str
    since: int
    named: tuple[tuple[str, str | Day | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody was told of a version: one member, or an audience."""

    document: str
    version: str
    to: str | Audience
    at: int
    channel: str | None = None
    delivered: bool = True


@dataclass(frozen=True, slots=True)
class Accept:
    """A member accepted a version: ``click``, ``signed`` or ``continued_use`` (which is no notice)."""

    document: str
    version: str
    subject: str
    at: int
    manner: str


@dataclass(frozen=True, slots=True)
class Choose:
    """A switch was set, explicitly or by a signal."""

    subject: str
    setting: str
    on: bool
    at: int
    by: str = "member"
    covers_past: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """An explicit yes for purposes × categories × recipients."""

    id: str
    subject: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    at: int
    covers_past: bool = False
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A withdrawal: of a setting, of one consent, or (neither named) of everything."""

    subject: str
    at: int
    setting: str | None = None
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """A member objects to training."""

    subject: str
    at: int


@dataclass(frozen=True, slots=True)
class Erase:
    """A member's erasure.

    ``words_lost`` is never written: the ledger says so of an erasure with which bodies of the member's earlier
    entries went for good. It holds at every instant, since what they had refused by then is no longer known.
    """

    subject: str
    at: int
    words_lost: bool = False


@dataclass(frozen=True, slots=True)
class Regime:
    """What the law of places asks for, from ``since`` (None: always); a scope that is None is everything."""

    jurisdictions: tuple[str, ...]
    regime: str
    since: int | None = None
    purposes: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    recipients: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's rules; a key that is None is not named by the entry."""

    all_parties: tuple[str, ...] | None = None
    any_party: tuple[str, ...] | None = None
    minimum_age: int | None = None
    unknown_age: str | None = None
    closed_ends_use: bool | None = None


MemberEvent: TypeAlias = Attributes | Notice | Accept | Choose | Consent | Withdraw | Objection | Erase
Event: TypeAlias = Terms | Setting | Regime | Rules | MemberEvent


def subject_of(event: Event) -> str | None:
    """The member whom an event concerns; None for what concerns everybody or an audience."""
    if isinstance(event, Notice):
        return event.to if isinstance(event.to, str) else None
    return getattr(event, "subject", None)


def public_type(event: Event) -> str:
    """The public entry type of ledger.md; a notice to an audience is public as part of the terms."""
    if subject_of(event) is not None:
        return "member"
    match event:
        case Setting():
            return "setting"
        case Regime():
            return "regime"
        case Rules():
            return "rules"
        case _:
            return "terms"
