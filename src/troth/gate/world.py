"""What of the world can matter to one use: documents, settings and the instants at which they change.

Everything that the decision asks of ``t0`` is piecewise constant. The *breaks* are the instants at which
something that concerns everybody changes; a member's own breaks are found in ``troth.gate.cohorts``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from troth.core.events import Consent, Notice, Regime
from troth.core.regions import REGIONS, memberships, specificity
from troth.core.standing import Known, regime_covers
from troth.core.terms import Audience, Clause, Membership
from troth.core.values import MICROSECONDS_PER_DAY, Use, any_covers


def scopes(known: Known, use: Use, consents: Iterable[Consent]) -> tuple[tuple[str, ...], ...]:
    """The lists of categories that can matter to a use: of clauses, regimes, consents and the two rules.

    Records of whose categories these lists cover the same have the same verdicts. ``consents`` are everybody's.
    """
    found = {known.rules.all_parties or (), known.rules.any_party or ()}
    for versions in known.documents.values():
        for placed in versions:
            found |= {clause.categories for clause in placed.terms.clauses if _asks(clause, use)}
    for _, regime in known.regimes:
        if regime.categories is not None and regime_covers(regime, use, regime.categories):
            found.add(regime.categories)
    for consent in consents:
        if _matches(consent.purposes, consent.recipients, use):
            found.add(consent.categories)
    return tuple(sorted(found))


def _asks(clause: Clause, use: Use) -> bool:
    """Whether a clause covers the use for records of its own categories."""
    return bool(clause.categories) and clause.covers(use.purpose, use.recipient, clause.categories)


def _matches(purposes: tuple[str, ...], recipients: tuple[str, ...], use: Use) -> bool:
    return any_covers(purposes, use.purpose) and any_covers(recipients, use.recipient)


class World:
    """The part of ``Known`` that can matter to a use of records of some sets of categories, seen at T."""

    def __init__(self, known: Known, use: Use, now: int, category_sets: Sequence[tuple[str, ...]]) -> None:
        self.known = known
        self.use = use
        self.now = now
        self.categories = tuple(sorted({one for categories in category_sets for one in categories}))

    @cached_property
    def documents(self) -> frozenset[str]:
        """Documents of which some version has a clause that can cover the use."""
        return frozenset(
            name
            for name, versions in self.known.documents.items()
            if any(self._can_cover(clause) for placed in versions for clause in placed.terms.clauses)
        )

    def _can_cover(self, clause: Clause) -> bool:
        return clause.covers(self.use.purpose, self.use.recipient, self.categories)

    @cached_property
    def settings(self) -> frozenset[str]:
        """Settings that are the condition of a permit that can cover the use."""
        return frozenset(
            clause.condition.setting
            for name in self.documents
            for placed in self.known.documents[name]
            for clause in placed.terms.clauses
            if clause.condition is not None and clause.condition.setting is not None
            if self._can_cover(clause)
        )

    @cached_property
    def notice_days(self) -> dict[tuple[str, str], int]:
        """The notice days of each version that matters."""
        return {
            placed.terms.name: placed.terms.notice_days
            for name in self.documents
            for placed in self.known.documents[name]
        }

    @cached_property
    def _audiences(self) -> list[Audience]:
        found = [placed.terms.audience for name in self.documents for placed in self.known.documents[name]]
        for setting in self.settings:
            for _, entry in self.known.settings.get(setting, []):
                found += [default.audience for default in entry.defaults]
        found += [notice.to for notice in self._notices if isinstance(notice.to, Audience)]
        return found

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The places and regions that audiences and regimes name."""
        named = {place for one in self._audiences for place in _listed(one.jurisdictions)}
        for entry in self._regimes:
            named |= set(entry.jurisdictions)
        return tuple(sorted(named))

    @cached_property
    def tiers(self) -> frozenset[str]:
        """The tiers that audiences name."""
        return frozenset(tier for one in self._audiences for tier in _listed(one.tiers))

    @cached_property
    def breaks(self) -> list[int]:
        """The instants at which something that concerns everybody changes, ascending."""
        return sorted(set(self._instants()))

    @cached_property
    def milestones(self) -> list[int]:
        """The breaks and the instants of notices to audiences: all that members' instants are compared with."""
        return sorted({*self.breaks, *(notice.at for notice in self._notices)})

    @cached_property
    def _notices(self) -> list[Notice]:
        """The notices to audiences of versions that matter."""
        return [
            notice
            for _, notice in self.known.audience_notices
            if (notice.document, notice.version) in self.notice_days
        ]

    @cached_property
    def _regimes(self) -> list[Regime]:
        """The entries of law that can cover the use."""
        return [entry for _, entry in self.known.regimes if regime_covers(entry, self.use, self.categories)]

    def _instants(self) -> Iterable[int]:
        for name in self.documents:
            for placed in self.known.documents[name]:
                yield placed.terms.effective_at
                yield placed.terms.published_at
        for setting in self.settings:
            for _, entry in self.known.settings.get(setting, []):
                yield from (one for one in (entry.introduced_at, entry.since) if one is not None)
        yield from (law.since for law in self._regimes if law.since is not None)
        for notice in self._notices:
            yield notice.at + self.notice_days[notice.document, notice.version] * MICROSECONDS_PER_DAY
        for region in set(self.places) & set(REGIONS):
            for start, stop in memberships(region).values():
                yield start
                if stop is not None:
                    yield stop

    def place_class(self, place: str) -> tuple[object, ...]:
        """What of a place can matter: how closely each named place holds it, and its spells in named regions."""
        country = place.partition("-")[0]
        return tuple(
            memberships(named).get(country) if named in REGIONS else specificity(named, place, 0)
            for named in self.places
        )

    def consent_can_match(self, purposes: tuple[str, ...], recipients: tuple[str, ...]) -> bool:
        """Whether a consent of this scope can matter."""
        return _matches(purposes, recipients, self.use)


def _listed(membership: Membership | None) -> tuple[str, ...]:
    if membership is None:
        return ()
    return (membership.inside or ()) + (membership.outside or ())
