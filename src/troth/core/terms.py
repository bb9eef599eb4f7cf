"""What was promised: documents, their versions, audiences and clauses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.core.regions import specificity
from troth.core.values import any_covers, any_covers_any

PERMITTING_KINDS: Final = (
    "privacy_policy",
    "user_agreement",
    "subscription_agreement",
    "data_processing_agreement",
)
FORBIDDING_KINDS: Final = ("faq", "setting_text", "email", "statement")
"""Nobody's rights shrink by an FAQ: these kinds may forbid and limit only."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A list of values, or ``{in: […], not_in: […]}``; None where a side is not given."""

    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """For whom something holds; a side that is None names nobody and holds everybody."""

    jurisdictions: Membership | None = None
    tiers: Membership | None = None

    def holds(self, jurisdiction: str | None, tier: str | None, instant: int) -> bool:
        """Whether attributes at an instant are in this audience.

        An unknown attribute (None) is in no audience that names it, neither by ``in`` nor by ``not_in``.
        """
        return _holds_place(self.jurisdictions, jurisdiction, instant) and _holds_tier(self.tiers, tier)


EVERYBODY: Final = Audience()


def _holds_place(named: Membership | None, place: str | None, instant: int) -> bool:
    if named is None:
        return True
    if place is None:
        return False

    def listed(places: tuple[str, ...]) -> bool:
        return any(specificity(one, place, instant) > 0 for one in places)

    return (named.inside is None or listed(named.inside)) and not (
        named.outside is not None and listed(named.outside)
    )


def _holds_tier(named: Membership | None, tier: str | None) -> bool:
    if named is None:
        return True
    if tier is None:
        return False
    return (named.inside is None or tier in named.inside) and (
        named.outside is None or tier not in named.outside
    )


@dataclass(frozen=True, slots=True)
class Condition:
    """What a permit asks for: a setting that is on, or (``setting`` None) a consent."""

    setting: str | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """``permit``, ``forbid`` or ``limit`` × purposes × categories × recipients, with the sentence it was read from."""

    id: str
    effect: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    condition: Condition | None = None
    reaches_back: bool = False
    quote: str | None = None

    def covers(self, purpose: str, recipient: str, categories: tuple[str, ...]) -> bool:
        """Whether the clause covers a use of a record of these categories.

        A ``limit`` covers every purpose that it does *not* list.
        """
        if not (any_covers_any(self.categories, categories) and any_covers(self.recipients, recipient)):
            return False
        return any_covers(self.purposes, purpose) != (self.effect == "limit")


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of a document; instants in microseconds UTC, a notice day is 24 hours."""

    document: str
    kind: str
    version: str
    published_at: int
    effective_at: int
    clauses: tuple[Clause, ...]
    audience: Audience = EVERYBODY
    notice_days: int = 0

    @property
    def name(self) -> tuple[str, str]:
        """The document and the version, unique in a ledger."""
        return (self.document, self.version)
