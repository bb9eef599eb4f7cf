"""The small side: members folded into cohorts, and windows of verdicts per cohort.

A member's *sketch* is their history with every instant replaced by its rank among the member's own
instants and, where the decision compares it with the world, by its rank among the world's milestones. Two
members with equal sketches get equal verdicts for records that stand at the same place between those
instants. So a *cohort* is a sketch and a place between the member's own instants; a member passes through
one cohort after another (*spans*), and each cohort has *windows* of ``created_at`` with one code each.

Most members share even their instants with others: they joined on the same day, come of age on the same day. All
cohorts that they pass through are put together to one, so that such a member has a single span.

The codes come from the reference decision, asked once per cohort, window and class of categories.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR
from typing import Final, TypeAlias

from troth.core.decide import Judge, comes_of_age
from troth.core.events import (
    AFFIRMATIVE,
    EXPLICIT,
    Accept,
    Attributes,
    Choose,
    Consent,
    Erase,
    Notice,
    Objection,
    Withdraw,
)
from troth.core.reasons import bits
from troth.core.standing import Standing
from troth.core.values import MICROSECONDS_PER_DAY, Day, start_of_day
from troth.gate.people import History
from troth.gate.world import World

EARLIEST: Final = -(2**63)
"""The start of the first window; also stands for a ``created_at`` that is not known."""

LATEST: Final = 2**63 - 1
"""The end of the last window."""

_Part: TypeAlias = tuple[int, bool, tuple[object, ...]]
"""An instant of a member's own, whether records are compared with it, and the facts that begin there."""

_Sketch: TypeAlias = tuple[tuple[object, ...], list[int]]
"""The shape of a history, and the instants that records are compared with, ascending."""

_Window: TypeAlias = tuple[int, int, int]
"""Start, stop and code."""

_LIVES: Final = 1 << 18
"""Of at most so many histories with all their instants it is remembered whether somebody else has the same."""


@dataclass(slots=True)
class _Life:
    """All cohorts that a member passes through, each from one instant of the member's to the next.

    ``whole`` is the cohort that stands for all of them, once a second member was found with the same.
    """

    cohorts: tuple[int, ...]
    edges: tuple[int, ...]
    whole: int | None = None


@dataclass(slots=True)
class _Cells:
    """The codes of one cohort: per world interval that somebody passes through, one code per class."""

    codes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    asked: set[tuple[int, int]] = field(default_factory=set)
    timeless: tuple[int, ...] | None = None


class Cohorts:
    """Folds members into spans and windows for one use at one T.

    Args:
        world: what can matter.
        category_sets: one representative set of categories per class; the class is its index.
        first: the earliest ``created_at`` among the records.
        timeless: whether records without ``created_at`` occur.
        number: of the first cohort; others have those before it.
    """

    def __init__(
        self,
        world: World,
        category_sets: Sequence[tuple[str, ...]],
        first: int,
        *,
        timeless: bool,
        number: int = 0,
    ) -> None:
        self.number = number
        self.world = world
        self.category_sets = category_sets
        self.first = first
        self.timeless = timeless
        self.breaks = [one for one in world.breaks if first < one <= world.now]
        self._ids: dict[tuple[object, ...], int] = {}
        self._cells: list[_Cells] = []
        self._lives: dict[tuple[int, ...], _Life] = {}
        self._whole: dict[int, _Life] = {}
        self._sketcher = _Sketcher(world)

    def spans(self, members: Iterable[tuple[str, History]]) -> Iterator[tuple[str, int, int, int]]:
        """Rows (subject, start, stop, cohort) for members that are known at T; others have none."""
        for subject, history in members:
            sketch = self._sketcher.sketch(history)
            if sketch is None:
                continue
            shape, instants = sketch
            below = bisect_right(instants, self.first)
            inside = [one for one in instants[below:] if one <= self.world.now]
            first = self._cohort((shape, below))
            life = self._lives.get((first, *inside))
            if life is not None:
                if life.whole is None:
                    life.whole = self._put_together(life)
                yield subject, EARLIEST, LATEST, self.number + life.whole
                continue
            edges = (EARLIEST, *inside, LATEST)
            cohorts = (first, *(self._cohort((shape, below + index)) for index in range(1, len(inside) + 1)))
            if len(self._lives) < _LIVES:
                self._lives[first, *inside] = _Life(cohorts, edges)
            standing = Standing(self.world.known, history, self.world.now)
            for cohort, start, stop in zip(cohorts, edges, edges[1:], strict=False):
                self._fill(cohort, standing, max(start, self.first), stop)
                yield subject, start, stop, self.number + cohort

    def due(self, history: History) -> int | None:
        """The next instant after T at which something of a member's own comes into effect; None: there is none.

        Until then their spans and windows stay as they are, unless something that concerns everybody changes or
        another entry of theirs comes. It may be earlier than need be, never later.
        """
        return self._sketcher.due(history)

    def _put_together(self, life: _Life) -> int:
        """The number of a cohort that has all windows of a life."""
        if len(life.cohorts) == 1:
            return life.cohorts[0]
        self._whole[len(self._cells)] = life
        self._cells.append(_Cells(timeless=self._cells[life.cohorts[0]].timeless))
        return len(self._cells) - 1

    def windows(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Rows (cohort, class, start, stop, code), adjacent windows of one code merged."""
        for cohort, cells in enumerate(self._cells):
            for kind in range(len(self.category_sets)):
                if cells.timeless is not None:
                    yield self.number + cohort, kind, EARLIEST, EARLIEST + 1, cells.timeless[kind]
                for start, stop, code in self._of(cohort, kind):
                    yield self.number + cohort, kind, start, stop, code

    def _of(self, cohort: int, kind: int) -> Iterator[_Window]:
        life = self._whole.get(cohort)
        if life is not None:
            return _merged(
                (max(start, since), min(stop, until), code)
                for one, since, until in zip(life.cohorts, life.edges, life.edges[1:], strict=False)
                for start, stop, code in self._of(one, kind)
            )
        # Before the first record there is no window: one that turns up there meanwhile is a gap, not a guess.
        edges = [self.first, *self.breaks, LATEST]
        codes = self._cells[cohort].codes
        return _merged((edges[index], edges[index + 1], codes[index][kind]) for index in sorted(codes))

    @property
    def count(self) -> int:
        """How many cohorts there are by now, those before the first of these included; none that was put together."""
        return self.number + len(self._cells) - len(self._whole)

    @property
    def end(self) -> int:
        """The number that no cohort has yet: where the next ones begin."""
        return self.number + len(self._cells)

    def _cohort(self, key: tuple[object, ...]) -> int:
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._cells)
            self._cells.append(_Cells())
        return found

    def _fill(self, cohort: int, standing: Standing, start: int, stop: int) -> None:
        """See to it that the cohort has a code for every world interval that a span touches."""
        cells = self._cells[cohort]
        interval = (bisect_right(self.breaks, start), bisect_right(self.breaks, stop - 1))
        if interval in cells.asked:
            return
        cells.asked.add(interval)
        if self.timeless and cells.timeless is None:
            cells.timeless = self._judge(standing, None)
        for index in range(interval[0], interval[1] + 1):
            if index not in cells.codes:
                begin = self.breaks[index - 1] if index > 0 else self.first
                cells.codes[index] = self._judge(standing, max(begin, start))

    def _judge(self, standing: Standing, t0: int | None) -> tuple[int, ...]:
        return tuple(
            bits(Judge(standing, self.world.use, categories, t0).judge()[0])
            for categories in self.category_sets
        )


def _merged(windows: Iterable[_Window]) -> Iterator[_Window]:
    """Ascending windows without the empty ones, neighbours of one code in one."""
    waiting: _Window | None = None
    for start, stop, code in windows:
        if start >= stop:
            continue
        if waiting is not None and (waiting[1], waiting[2]) == (start, code):
            waiting = (waiting[0], stop, code)
            continue
        if waiting is not None:
            yield waiting
        waiting = (start, stop, code)
    if waiting is not None:
        yield waiting


class _Sketcher:
    """Makes sketches; see the module's text. Whatever the decision could ask of a history must be in its sketch."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._places: dict[str, tuple[object, ...]] = {}

    def sketch(self, history: History) -> _Sketch | None:
        """The sketch of a history; None for a member who is not known at T."""
        now = self.world.now
        parts: list[_Part] = []
        born: tuple[int, int, str | Day | None] | None = None
        consents: dict[str, int] = {}
        joined = False
        for position, event in history:
            if isinstance(event, Attributes):
                if event.since > now:
                    continue
                joined = True
                parts.append(self._attributes(event))
                for name, value in event.named:
                    if name == "born" and (born is None or (event.since, position) > born[:2]):
                        born = (event.since, position, value)
            elif isinstance(event, Notice):
                parts += self._told(event)
            elif event.at <= now or (isinstance(event, Erase) and event.words_lost):
                parts += self._part(event, consents)
        if not joined:
            return None
        if born is not None and isinstance(born[2], tuple):
            parts.append((self._of_age(born[2]), True, ("born",)))
        ranks = {instant: rank for rank, instant in enumerate(sorted({part[0] for part in parts}))}
        shape = tuple((ranks[instant], facts) for instant, _, facts in parts)
        return shape, sorted({instant for instant, edge, _ in parts if edge})

    def due(self, history: History) -> int | None:
        """See ``Cohorts.due``."""
        later: list[int] = []
        for _, event in history:
            if isinstance(event, Attributes):
                later.append(event.since)
                later += [self._of_age(value) for _, value in event.named if isinstance(value, tuple)]
            elif isinstance(event, Notice):
                days = self.world.notice_days.get((event.document, event.version), 0)
                later.append(event.at + days * MICROSECONDS_PER_DAY)
            else:
                later.append(event.at)
                if isinstance(event, Consent) and event.expires_at is not None:
                    later.append(event.expires_at)
        return min((one for one in later if one > self.world.now), default=None)

    def _attributes(self, event: Attributes) -> _Part:
        named: list[tuple[str, object]] = []
        for name, value in event.named:
            if name == "jurisdiction":
                named.append((name, self._place(value) if isinstance(value, str) else None))
            elif name == "tier":
                named.append((name, value if value is None or value in self.world.tiers else "other"))
            else:
                named.append((name, value is not None if name == "born" else value))
        return (event.since, True, ("attributes", self._rank(event.since), tuple(named)))

    def _place(self, place: str) -> tuple[object, ...]:
        found = self._places.get(place)
        if found is None:
            found = self._places[place] = self.world.place_class(place)
        return found

    def _rank(self, instant: int) -> tuple[int, int]:
        """Where an instant stands among the milestones; both sides, for both kinds of comparison."""
        milestones = self.world.milestones
        return bisect_left(milestones, instant), bisect_right(milestones, instant)

    def _of_age(self, born: Day) -> int:
        year, month, day = comes_of_age(born, self.world.known.rules.minimum_age or 0)
        return LATEST if year > MAXYEAR else start_of_day((year, month, day))

    def _told(self, event: Notice) -> list[_Part]:
        days = self.world.notice_days.get((event.document, event.version))
        if days is None or not event.delivered:
            return []
        told = event.at + days * MICROSECONDS_PER_DAY
        # A notice that is not old enough at T is none at any t0 either.
        return [(told, True, ("told", event.document, event.version))] if told <= self.world.now else []

    def _part(  # noqa: PLR0911 - a table of kinds reads best as one match
        self, event: Accept | Choose | Consent | Withdraw | Objection | Erase, consents: dict[str, int]
    ) -> list[_Part]:
        """What of an event at or before T can matter."""
        world = self.world
        match event:
            case Accept() if event.document in world.documents and event.manner in AFFIRMATIVE:
                return [(event.at, True, ("accepted", event.document, event.version))]
            case Choose() if event.setting in world.settings and event.by in EXPLICIT:
                return [(event.at, True, ("chose", event.setting, event.on, event.covers_past))]
            case Choose() if event.setting in world.settings and not event.on:
                return [(event.at, False, ("signalled", event.setting))]
            case Consent() if world.consent_can_match(event.purposes, event.recipients):
                expired = event.expires_at is not None and event.expires_at <= world.now
                number = consents.setdefault(event.id, len(consents))
                scope = (event.categories, event.covers_past, expired)
                return [(event.at, True, ("consented", self._rank(event.at), number, *scope))]
            case Withdraw() if event.consent is not None:
                number = consents.setdefault(event.consent, len(consents))
                return [(event.at, False, ("ended", number))]
            case Withdraw() if event.setting is None:
                return [(event.at, True, ("withdrew", self._rank(event.at)))]
            case Withdraw() if event.setting in world.settings:
                return [(event.at, True, ("chose", event.setting, False, False))]
            case Objection() if world.use.trains:
                return [(event.at, False, ("objected",))]
            case Erase():
                return [(event.at, False, ("erased",))]
            case _:
                return []
