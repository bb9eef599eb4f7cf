"""What is known of the world and of one member, as of an instant T and a ledger position n.

``Known`` holds the entries before position n. ``Standing`` is one member seen at T. Both follow the
sections "As of", "Audience", "Binding" and "Withdrawing" of decisions.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from troth.core.events import (
    AFFIRMATIVE,
    EXPLICIT,
    Accept,
    Attributes,
    Choose,
    Consent,
    Erase,
    Event,
    MemberEvent,
    Notice,
    Objection,
    Regime,
    Rules,
    Setting,
    Withdraw,
    subject_of,
)
from troth.core.regions import specificity
from troth.core.terms import Audience, Clause, Terms
from troth.core.values import (
    MICROSECONDS_PER_DAY,
    Day,
    Use,
    any_covers,
    any_covers_any,
    covers,
)

P = ParamSpec("P")
R = TypeVar("R")

When: TypeAlias = tuple[int, int]
"""An instant and the ledger position that breaks ties: earlier, later, last and after compare these."""

DEFAULT_RULES: Final = Rules(
    all_parties=("private_message",),
    any_party=(),
    minimum_age=18,
    unknown_age="gap",
    closed_ends_use=True,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A version and its ledger position."""

    position: int
    terms: Terms

    @property
    def newness(self) -> tuple[int, int, int]:
        """Newest means by effective_at, then published_at, then ledger order."""
        return (self.terms.effective_at, self.terms.published_at, self.position)


@dataclass(frozen=True, slots=True)
class Binding:
    """A clause that binds, in the version it stands in."""

    placed: Placed
    clause: Clause

    @property
    def terms(self) -> Terms:
        """The version."""
        return self.placed.terms


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of a switch as the decision sees it."""

    when: When
    on: bool
    covers_past: bool


@dataclass(frozen=True, slots=True)
class Given:
    """A consent and when it was given and withdrawn (instants)."""

    when: When
    consent: Consent
    withdrawn: bool


class Known:
    """The entries before position n, sorted into what concerns everybody and what concerns one member each."""

    def __init__(self, entries: Iterable[tuple[int, Event]]) -> None:
        self.documents: dict[str, list[Placed]] = defaultdict(list)
        self.settings: dict[str, list[tuple[int, Setting]]] = defaultdict(list)
        self.regimes: list[tuple[int, Regime]] = []
        self.audience_notices: list[tuple[int, Notice]] = []
        self.members: dict[str, list[tuple[int, MemberEvent]]] = defaultdict(list)
        self.rules = DEFAULT_RULES
        for position, event in entries:
            self.add(position, event)

    def add(self, position: int, event: Event) -> None:
        """Add one entry; entries come in ledger order."""
        match event:
            case Terms():
                self.documents[event.document].append(Placed(position, event))
            case Setting():
                self.settings[event.setting].append((position, event))
            case Regime():
                self.regimes.append((position, event))
            case Rules():
                self.rules = replace_rules(self.rules, event)
            case Notice() if subject_of(event) is None:
                self.audience_notices.append((position, event))
            case _:
                self.members[subject_of(event) or ""].append((position, event))

    def member(self, subject: str) -> list[tuple[int, MemberEvent]]:
        """The entries of one member, in ledger order."""
        return self.members.get(subject, [])


def replace_rules(rules: Rules, entry: Rules) -> Rules:
    """A later entry replaces the keys that it names."""
    named = {
        key: getattr(entry, key) for key in Rules.__dataclass_fields__ if getattr(entry, key) is not None
    }
    return replace(rules, **named)


def _remembered(method: Callable[Concatenate[Standing, P], R]) -> Callable[Concatenate[Standing, P], R]:
    """Answer the same question about the same member once: whoever judges many ``t0`` asks about T again and again."""
    name = method.__name__

    @wraps(method)
    def ask(self: Standing, /, *args: P.args, **kwargs: P.kwargs) -> R:
        question = (name, args)
        if question not in self.answers:
            self.answers[question] = method(self, *args, **kwargs)
        answer: R = self.answers[question]
        return answer

    return ask


class Standing:
    """One member at T. Instants asked about are at most T."""

    def __init__(self, known: Known, history: list[tuple[int, MemberEvent]], now: int) -> None:
        self.known = known
        self.now = now
        self._history = history
        self._attributes = [
            ((event.since, position), dict(event.named))
            for position, event in history
            if isinstance(event, Attributes)
        ]
        self._attributes.sort(key=lambda entry: entry[0])
        self.answers: dict[tuple[str, tuple[Any, ...]], Any] = {}
        # The same few versions are asked about again and again, at t0, at T and at joining.
        self._in_effect: dict[tuple[int, int], bool] = {}
        self._told: dict[tuple[int, int], bool] = {}

    @property
    def events(self) -> list[MemberEvent]:
        """The member's entries, in ledger order."""
        return [event for _, event in self._history]

    @cached_property
    def joined(self) -> int | None:
        """The earliest ``since``, wherever it stands in the ledger; None if there is no entry."""
        return self._attributes[0][0][0] if self._attributes else None

    @property
    def is_known(self) -> bool:
        """Whether an entry of this member has ``since`` at or before T."""
        return self.joined is not None and self.joined <= self.now

    def attribute(self, name: str, instant: int) -> str | Day | None:
        """An attribute at an instant; None is unknown."""
        value: str | Day | None = None
        for (since, _), named in self._attributes:
            if since > instant:
                break
            if name in named:
                value = named[name]
        return value

    def jurisdiction(self, instant: int) -> str | None:
        """Where the member was at an instant."""
        value = self.attribute("jurisdiction", instant)
        return value if isinstance(value, str) else None

    def in_audience(self, audience: Audience, instant: int) -> bool:
        """Nobody is in any audience before they joined."""
        if self.joined is None or instant < self.joined:
            return False
        tier = self.attribute("tier", instant)
        return audience.holds(
            self.jurisdiction(instant), tier if isinstance(tier, str) else None, instant
        )  # fmt: skip

    @cached_property
    def is_erased(self) -> bool:
        """An erasure, or the status ``erased``, holds at T."""
        return self.attribute("status", self.now) == "erased" or any(
            isinstance(event, Erase) and (event.at <= self.now or event.words_lost)
            for _, event in self._history
        )

    # documents

    def in_effect(self, placed: Placed, instant: int) -> bool:
        """The version is in effect for this member at an instant."""
        asked = (placed.position, instant)
        found = self._in_effect.get(asked)
        if found is None:
            terms = placed.terms
            found = self._in_effect[asked] = (
                terms.effective_at <= instant
                and terms.published_at <= instant
                and self.in_audience(terms.audience, instant)
            )
        return found

    def told(self, placed: Placed, instant: int) -> bool:
        """The member had been told of the version: by joining under it, by notice in time, or by accepting it."""
        asked = (placed.position, instant)
        found = self._told.get(asked)
        if found is None:
            found = self._told[asked] = (
                (self.joined is not None and self.in_effect(placed, self.joined))
                or self._noticed(placed.terms, instant)
                or self.accepted(placed.terms, instant)
            )
        return found

    def _noticed(self, terms: Terms, instant: int) -> bool:
        latest = instant - terms.notice_days * MICROSECONDS_PER_DAY

        def counts(notice: Notice) -> bool:
            return (
                (notice.document, notice.version) == terms.name and notice.delivered and notice.at <= latest
            )

        for _, event in self._history:
            if isinstance(event, Notice) and counts(event):
                return True
        return any(
            counts(notice) and isinstance(notice.to, Audience) and self.in_audience(notice.to, notice.at)
            for _, notice in self.known.audience_notices
        )

    def accepted(self, terms: Terms, instant: int) -> bool:
        """Accepted by click or signed at or before an instant; continued use is never notice."""
        return any(
            isinstance(event, Accept)
            and (event.document, event.version) == terms.name
            and event.manner in AFFIRMATIVE
            and event.at <= instant
            for _, event in self._history
        )

    def newest(self, document: list[Placed], instant: int) -> Placed | None:
        """The newest version in effect for this member."""
        return max(
            (placed for placed in document if self.in_effect(placed, instant)),
            key=lambda placed: placed.newness,
            default=None,
        )

    @_remembered
    def promises(self, instant: int) -> list[Binding]:
        """The ``forbid`` and ``limit`` clauses that bind: from the newest version, told or not."""
        bound = []
        for document in self.known.documents.values():
            newest = self.newest(document, instant)
            if newest is not None:
                bound += [Binding(newest, one) for one in newest.terms.clauses if one.effect != "permit"]
        return bound

    @_remembered
    def permits(self, use: Use, categories: tuple[str, ...], instant: int) -> list[Binding]:
        """The ``permit`` clauses covering the use that bind: from the newest version that the member was told of.

        Where that is not the newest of all, they bind only for what the newest permits too.
        """
        bound = []
        for document in self.known.documents.values():
            told = self.newest([one for one in document if self.told(one, instant)], instant)
            if told is None:
                continue
            found = covering_permits(told, use, categories)
            newest = self.newest(document, instant)
            if newest is not None and covering_permits(newest, use, categories):
                bound += found
        return bound

    @_remembered
    def quietly_permitted(self, use: Use, categories: tuple[str, ...], instant: int) -> list[Binding]:
        """Covering permits of newest versions in effect of which the member had not been told."""
        found = []
        for document in self.known.documents.values():
            newest = self.newest(document, instant)
            if newest is not None and not self.told(newest, instant):
                found += covering_permits(newest, use, categories)
        return found

    # law

    @_remembered
    def regime(self, use: Use, categories: tuple[str, ...], instant: int) -> str | None:
        """The regime of a use of a record at an instant; None where the jurisdiction is unknown then."""
        place = self.jurisdiction(instant)
        if place is None:
            return None
        best: tuple[tuple[int, float, int], str] | None = None
        for position, entry in self.known.regimes:
            if entry.since is not None and entry.since > instant:
                continue
            if not regime_covers(entry, use, categories):
                continue
            closeness = max((specificity(one, place, instant) for one in entry.jurisdictions), default=0)
            if closeness == 0:
                continue
            rank = (closeness, float("-inf") if entry.since is None else entry.since, position)
            if best is None or rank > best[0]:
                best = (rank, entry.regime)
        if best is not None:
            return best[1]
        return "opt_in" if use.trains else "terms"

    # choices

    def introduced(self, setting: str) -> int | None:
        """When a switch was introduced; None where no entry is known."""
        entries = self.known.settings.get(setting)
        return entries[0][1].introduced_at if entries else None

    @_remembered
    def default(self, setting: str, instant: int) -> bool:
        """The default of a switch for this member: the first whose audience holds; none: off."""
        holding: tuple[tuple[float, int], Setting] | None = None
        for position, entry in self.known.settings.get(setting, []):
            since = float("-inf") if entry.since is None else entry.since
            if since <= instant and (holding is None or (since, position) > holding[0]):
                holding = ((since, position), entry)
        if holding is None:
            return False
        return next((one.on for one in holding[1].defaults if self.in_audience(one.audience, instant)), False)

    @_remembered
    def choices(self, setting: str) -> list[Choice]:
        """The explicit choices of a switch at or before T, in order; withdrawals are choices of off."""
        introduced = self.introduced(setting)
        found = []
        for position, event in self._history:
            match event:
                case Choose() if event.setting == setting and event.by in EXPLICIT:
                    found.append(Choice((event.at, position), event.on, event.covers_past))
                case Withdraw() if event.setting == setting:
                    found.append(Choice((event.at, position), on=False, covers_past=False))
                case Withdraw() if event.setting is None and event.consent is None:
                    if introduced is not None and introduced <= event.at:
                        found.append(Choice((event.at, position), on=False, covers_past=False))
                case _:
                    pass
        return sorted(
            (choice for choice in found if choice.when[0] <= self.now), key=lambda choice: choice.when
        )

    def signalled_off(self, setting: str) -> bool:
        """A signal of off came at or before T."""
        return any(
            isinstance(event, Choose)
            and event.setting == setting
            and event.by not in EXPLICIT
            and not event.on
            and event.at <= self.now
            for _, event in self._history
        )

    @cached_property
    def last_objection(self) -> When | None:
        """The last objection at or before T; a withdrawal of everything is one."""
        found = [
            (event.at, position)
            for position, event in self._history
            if isinstance(event, Objection | Withdraw)
            if event.at <= self.now and (isinstance(event, Objection) or _withdraws_all(event))
        ]
        return max(found, default=None)

    @cached_property
    def consents(self) -> list[Given]:
        """The consents given by T, each with whether it is withdrawn by T."""
        withdrawals = [
            ((event.at, position), event)
            for position, event in self._history
            if isinstance(event, Withdraw) and event.at <= self.now
        ]

        def withdrawn(when: When, consent: Consent) -> bool:
            return any(
                event.consent == consent.id or (_withdraws_all(event) and when < then)
                for then, event in withdrawals
            )

        return [
            Given((event.at, position), event, withdrawn((event.at, position), event))
            for position, event in self._history
            if isinstance(event, Consent) and event.at <= self.now
        ]


def _withdraws_all(event: Withdraw) -> bool:
    return event.setting is None and event.consent is None


def covering_permits(placed: Placed, use: Use, categories: tuple[str, ...]) -> list[Binding]:
    """The permits of a version that cover a use of a record."""
    return [
        Binding(placed, clause)
        for clause in placed.terms.clauses
        if clause.effect == "permit" and clause.covers(use.purpose, use.recipient, categories)
    ]


def regime_covers(entry: Regime, use: Use, categories: tuple[str, ...]) -> bool:
    """Whether an entry of law covers a use of a record; a missing scope is everything."""
    return (
        (entry.purposes is None or any_covers(entry.purposes, use.purpose))
        and (entry.recipients is None or any_covers(entry.recipients, use.recipient))
        and (entry.categories is None or any_covers_any(entry.categories, categories))
    )


def consent_matches(consent: Consent, use: Use, categories: tuple[str, ...]) -> bool:
    """Whether the scope of a consent matches: purposes, recipients and at least one category cover."""
    return (
        any_covers(consent.purposes, use.purpose)
        and any_covers(consent.recipients, use.recipient)
        and any(covers(listed, one) for listed in consent.categories for one in categories)
    )
