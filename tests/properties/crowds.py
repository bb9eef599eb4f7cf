"""Crowds: worlds of many members whose histories are alike but for instants, so that cohorts are really shared.

Looked up without an engine: this is about the small side alone, and quick.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.properties.worlds import SEED, raw_case, read_raw
from troth.core.decide import Judge
from troth.core.events import Attributes, Consent, Event, MemberEvent, Notice, Withdraw, subject_of
from troth.core.reasons import bits
from troth.core.standing import Known, Standing
from troth.core.values import MICROSECONDS_PER_DAY, Use
from troth.gate.cohorts import EARLIEST, Cohorts
from troth.gate.world import World

CLONES = 25
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


def crowd(seed: str) -> Crowd:
    """The crowd of a seed."""
    case = read_raw(raw_case(f"crowd{seed}"))
    rng = random.Random(f"{SEED}{seed}/crowd")
    asked = rng.choice(case.expectations)
    pool = sorted({event_at(one) for one in case.events} - {None} | {asked.at})  # type: ignore[type-var]
    events: list[Event] = []
    for event in case.events:
        subject = subject_of(event)
        events += [event] if subject is None else _clones(seed, event, subject, pool)  # type: ignore[arg-type]
    known = Known(enumerate(events))
    sets = {one.categories for one in case.records} | {("poll",), ("post", "topic:compensation")}
    instants = {subject: tuple(_instants(rng, known, subject, pool, asked.at)) for subject in known.members}
    return Crowd(seed, known, asked.use, asked.at, tuple(sorted(sets)), instants)


def event_at(event: Event) -> int | None:
    """The instant of an event, if it has one of its own."""
    at = getattr(event, "at", None)
    return at if at is not None else getattr(event, "since", None)


def _clones(seed: str, event: MemberEvent, subject: str, pool: list[int]) -> Iterator[Event]:
    """The same deed by each clone, at the instant at which that clone does what the first does then."""
    at = event_at(event)
    for number in range(CLONES):
        name = f"{subject}{number}"
        # One draw per clone and instant, so that what stood at one instant still does.
        rng = random.Random(f"{SEED}{seed}/{name}/{at}")
        if number % 3 == 2 and not isinstance(event, Attributes | Consent) and rng.random() < 0.2:
            continue
        moved = _moved(rng, at or 0, pool) if number else at
        if isinstance(event, Attributes):
            yield replace(event, subject=name, since=moved or 0)
        elif isinstance(event, Notice):
            yield replace(event, to=name, at=moved or 0)
        elif isinstance(event, Consent):
            yield replace(event, subject=name, at=moved or 0, id=f"{event.id}-{number}")
        elif isinstance(event, Withdraw) and event.consent is not None:
            yield replace(event, subject=name, at=moved or 0, consent=f"{event.consent}-{number}")
        else:
            yield replace(event, subject=name, at=moved or 0)


def _moved(rng: random.Random, at: int, pool: list[int]) -> int:
    drawn = rng.random()
    if drawn < 0.45:
        return at
    if drawn < 0.6:
        return at + rng.choice((-1, 1))
    if drawn < 0.85:
        return at + rng.choice((-1, 1)) * rng.randrange(MICROSECONDS_PER_DAY)
    return rng.choice(pool)


def _instants(
    rng: random.Random, known: Known, subject: str, pool: list[int | None], now: int
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
