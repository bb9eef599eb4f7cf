"""Crowds: worlds of many members with nearly the same histories, whose cohorts are shared, or ought not to be.

Some do the same at other instants, some do something else at the same instants. Looked up without an engine:
this is about the small side alone, and quick.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.properties.worlds import SEED, raw_case, read_raw
from troth.core.decide import Judge
from troth.core.events import (
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
from troth.core.reasons import bits
from troth.core.standing import Known, Standing
from troth.core.terms import Terms
from troth.core.values import MICROSECONDS_PER_DAY, Use
from troth.gate.cohorts import EARLIEST, Cohorts
from troth.gate.world import World

VARIANTS = 5
CLONES = 5 * VARIANTS
INSTANTS = 14


@dataclass(frozen=True, slots=True)
class Crowd:
    """A ledger with many members, a question, categories, and the instants at which to look."""

    seed: str
    known: Known
    use: Use
    at: int
    category_sets: tuple[tuple[str, ...], ...]
    instants: dict[str, tuple[int | None, ...]]
    events: tuple[Event, ...]


def crowd(seed: str) -> Crowd:
    """The crowd of a seed."""
    case = read_raw(raw_case(f"crowd{seed}"))
    rng = random.Random(f"{SEED}{seed}/crowd")
    asked = rng.choice(case.expectations)
    instants = [event_at(one) for one in case.events]
    pool: list[int] = sorted({asked.at, *(at for at in instants if at is not None)})
    cloning = _Cloning(seed, case.events, pool, asked.at)
    events = [copy for place, event in enumerate(case.events) for copy in cloning.copies(place, event)]
    known = Known(enumerate(events))
    sets = {one.categories for one in case.records} | {("poll",), ("post", "topic:compensation")}
    looked_at = {subject: tuple(_instants(rng, known, subject, pool, asked.at)) for subject in known.members}
    return Crowd(seed, known, asked.use, asked.at, tuple(sorted(sets)), looked_at, tuple(events))


def event_at(event: Event) -> int | None:
    """The instant of an event, if it has one of its own."""
    at = getattr(event, "at", None)
    return at if at is not None else getattr(event, "since", None)


class _Cloning:
    """Copies of each member: some do the same at other instants, some do one thing otherwise at the same ones."""

    def __init__(self, seed: str, events: Sequence[Event], pool: list[int], now: int) -> None:
        self.seed = seed
        self.pool = pool
        self.now = now
        self.settings = sorted({one.setting for one in events if isinstance(one, Setting)}) or ["none"]
        self.versions = [one.name for one in events if isinstance(one, Terms)]
        self.consents = [one for one in events if isinstance(one, Consent)]
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, event in enumerate(events):
            self.places[subject_of(event) or ""].append(place)
        found = {(name, value) for one in events if isinstance(one, Attributes) for name, value in one.named}
        self.values = {
            name: [value for key, value in sorted(found, key=repr) if key == name] for name in _SOME_VALUES
        }

    def copies(self, place: int, event: Event) -> Iterator[Event]:
        """The event itself if it is nobody's in particular, else one for each copy of its member."""
        subject = subject_of(event)
        if subject is None or isinstance(event, Terms | Setting | Regime | Rules):
            yield event
            return
        for number in range(CLONES):
            timing, variant = divmod(number, VARIANTS)
            # One draw per timing and instant: what stood at one instant still does, for all its variants.
            at = event_at(event) or 0
            moved = (
                self.moved(random.Random(f"{SEED}{self.seed}/{subject}{timing}/{at}"), at) if timing else at
            )
            copied = _at(event, f"{subject}{number}", moved, number)
            rng = random.Random(f"{SEED}{self.seed}/{subject}{number}")
            if variant and rng.choice(self.places[subject]) == place:
                copied = self.other(rng, copied, number)
            yield copied

    def moved(self, rng: random.Random, at: int) -> int:
        """The same instant, one beside it, or another."""
        drawn = rng.random()
        if drawn < 0.4:
            return at
        if drawn < 0.6:
            return at + rng.choice((-1, 1))
        if drawn < 0.8:
            return at + rng.choice((-1, 1)) * rng.randrange(MICROSECONDS_PER_DAY)
        return rng.choice(self.pool) + rng.choice((-1, 0, 0, 1))

    def other(self, rng: random.Random, event: MemberEvent, number: int) -> MemberEvent:
        """The same member doing something else at that instant."""
        match event:
            case Attributes():
                return self.other_attributes(rng, event)
            case Notice():
                document, version = rng.choice(self.versions)
                return replace(event, document=document, version=version, delivered=rng.random() < 0.7)
            case Accept():
                document, version = rng.choice(self.versions)
                manner = rng.choice(("click", "signed", "continued_use"))
                return replace(event, document=document, version=version, manner=manner)
            case Choose():
                return rng.choice(
                    (
                        replace(event, on=not event.on),
                        replace(event, covers_past=not event.covers_past),
                        replace(event, by=rng.choice(("member", "operator", "signal"))),
                        replace(event, setting=rng.choice(self.settings)),
                        Withdraw(event.subject, event.at, setting=event.setting),
                    )
                )
            case Consent():
                return self.other_consent(rng, event)
            case _:
                own = [one.id for one in self.consents if event.subject == f"{one.subject}{number}"]
                consent = f"{rng.choice(own)}-{number}" if own else None
                return rng.choice(
                    (
                        Withdraw(event.subject, event.at, consent=consent),
                        Withdraw(event.subject, event.at, setting=rng.choice(self.settings)),
                        Withdraw(event.subject, event.at),
                        Objection(event.subject, event.at),
                        Erase(event.subject, event.at),
                    )
                )

    def other_attributes(self, rng: random.Random, event: Attributes) -> Attributes:
        """Another value for one of the attributes, one that nobody has, or unknown."""
        if not event.named:
            return event
        name, _ = rng.choice(event.named)
        value = rng.choice((*self.values[name], *self.values[name], _SOME_VALUES[name], None))
        return replace(event, named=tuple((key, value if key == name else old) for key, old in event.named))

    def other_consent(self, rng: random.Random, event: Consent) -> Consent:
        """Another scope, another end, or with the past."""
        expires = rng.choice((None, self.now, self.now + 1, *self.pool))
        return rng.choice(
            (
                replace(event, covers_past=not event.covers_past),
                replace(event, expires_at=expires),
                replace(event, categories=rng.choice((("any",), ("poll",), ("topic",), ("post", "article")))),
                replace(event, purposes=rng.choice((("any",), ("ads",)))),
                replace(event, recipients=rng.choice((("any",), ("operator",)))),
            )
        )


_SOME_VALUES: dict[str, str | tuple[int, int, int]] = {
    "jurisdiction": "BR",
    "tier": "gold",
    "born": (1971, 3, 3),
    "status": "active",
}


def _at(event: MemberEvent, subject: str, at: int, number: int) -> MemberEvent:
    """The same deed of another member at an instant; consents are called by the copy's number."""
    match event:
        case Attributes():
            return replace(event, subject=subject, since=at)
        case Notice():
            return replace(event, to=subject, at=at)
        case Consent():
            return replace(event, subject=subject, at=at, id=f"{event.id}-{number}")
        case Withdraw() if event.consent is not None:
            return replace(event, subject=subject, at=at, consent=f"{event.consent}-{number}")
        case _:
            return replace(event, subject=subject, at=at)


def _instants(
    rng: random.Random, known: Known, subject: str, pool: Sequence[int], now: int
) -> Iterator[int | None]:
    own = [event_at(event) for _, event in known.member(subject)]
    edges = sorted({one for one in [*own, *pool, now] if one is not None})
    yield None
    for _ in range(INSTANTS):
        found = rng.choice(edges) + rng.choice((-1, 0, 0, 1))
        yield min(found, now)


def looked_up(one: Crowd) -> tuple[dict[tuple[str, int | None, int], int | None], int, int]:
    """What the small side says: by member, instant and class of categories; and its numbers of cohorts and spans."""
    world = World(one.known, one.use, one.at, one.category_sets)
    times = [instant for several in one.instants.values() for instant in several if instant is not None]
    cohorts = Cohorts(world, one.category_sets, min(times), timeless=True)
    spans: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for subject, start, stop, cohort in cohorts.spans(one.known.members.items()):
        spans[subject].append((start, stop, cohort))
    windows: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for cohort, kind, start, stop, code in cohorts.windows():
        windows[cohort, kind].append((start, stop, code))
    found: dict[tuple[str, int | None, int], int | None] = {}
    for subject, instants in one.instants.items():
        for instant in instants:
            t0 = EARLIEST if instant is None else instant
            span = _holding(spans[subject], t0)
            for kind in range(len(one.category_sets)):
                found[subject, instant, kind] = None if span is None else _holding(windows[span, kind], t0)
    return found, cohorts.count, sum(map(len, spans.values()))


def _holding(rows: list[tuple[int, int, int]], instant: int) -> int | None:
    rows.sort()
    place = bisect_right(rows, instant, key=lambda row: row[0]) - 1
    return rows[place][2] if place >= 0 and instant < rows[place][1] else None


def judged(one: Crowd) -> dict[tuple[str, int | None, int], int]:
    """What the reference says of the same."""
    found = {}
    for subject, instants in one.instants.items():
        standing = Standing(one.known, one.known.member(subject), one.at)
        for instant in instants:
            for kind, categories in enumerate(one.category_sets):
                reasons, _ = Judge(standing, one.use, categories, instant).judge()
                found[subject, instant, kind] = bits(reasons)
    return found
