"""Random worlds: a small ledger from the oracle's generator, and records that stand on its edges.

A world is named by its seed alone, so a failure can be had again: ``world(seed)``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pyarrow as pa
import pytest

from tests.oracle.gen import CATEGORIES, TOPICS, random_case
from troth.core.cases import Case, read_case
from troth.core.decide import Decision, comes_of_age, decide
from troth.core.errors import TrothError
from troth.core.events import Attributes, Notice
from troth.core.regions import memberships
from troth.core.shape import Shape
from troth.core.standing import Known
from troth.core.terms import Terms
from troth.core.values import MICROSECONDS_PER_DAY, Record, Use, format_instant, start_of_day

INSTANT_FIELDS = ("at", "since", "published_at", "effective_at", "introduced_at", "expires_at")
SCALE = int(os.environ.get("TROTH_SCALE", "1"))
"""How many times the ordinary sample is drawn; `make acceptance` draws more."""
SEED = os.environ.get("TROTH_SEED", "")
"""Another name draws other worlds."""


def some_long(chunks: int) -> list[Any]:
    """The chunks of a property: the first half is of every run, the others are of the acceptance tests."""
    return [
        pytest.param(one, marks=pytest.mark.long) if one >= (chunks + 1) // 2 else one
        for one in range(chunks)
    ]


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("category", pa.string()),
        ("created_at", pa.int64()),
        ("deleted_at", pa.int64()),
        ("author", pa.string()),
        ("addressees", pa.list_(pa.string())),
        ("topics", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a use, T and a ledger position (None: all)."""

    use: Use
    at: int
    as_of: int | None


@dataclass(frozen=True, slots=True)
class World:
    """A ledger, records on its edges, and a question."""

    seed: str
    raw: dict[str, Any]
    case: Case
    question: Question
    records: tuple[Record, ...]

    @property
    def known(self) -> Known:
        """The ledger before the position asked for."""
        return self.case.known(self.question.as_of)

    def decisions(self) -> list[Decision]:
        """What the reference says of each record."""
        known = self.known
        return [decide(one, self.question.use, self.question.at, known) for one in self.records]


def raw_case(seed: str) -> dict[str, Any]:
    """A random case as parsed YAML; its expectations ask, and say nothing of the answer."""
    case: dict[str, Any] = random_case(random.Random(f"{SEED}{seed}"))
    return case


def read_raw(raw: dict[str, Any]) -> Case:
    """A case read as files are; a verdict has to stand there, whichever."""
    asked = [{**one, "verdict": "allowed"} for one in raw["expect"]]
    return read_case(Shape({**raw, "expect": asked}, "random"))


def world(seed: str, count: int) -> World:
    """The world of a seed, with so many records."""
    raw = raw_case(seed)
    case = read_raw(raw)
    rng = random.Random(f"{SEED}{seed}/records")
    asked = rng.choice(case.expectations)
    question = Question(asked.use, asked.at, asked.as_of)
    return World(seed, raw, case, question, tuple(draw_records(rng, case, question, count)))


def draw_records(rng: random.Random, case: Case, question: Question, count: int) -> Iterator[Record]:
    """Records by members, strangers and nobody, at and a microsecond around all that happens in the case."""
    edges = sorted(set(_edges(case, question)))
    # Nearly everything happens close to T; long before it, nobody had joined and nobody was of age.
    recent = [one for one in edges if question.at - 500 * MICROSECONDS_PER_DAY <= one <= question.at]
    members = sorted({one.subject for one in case.events if isinstance(one, Attributes)})
    focus = [one.category for one in case.records]
    for number in range(count):
        category = rng.choice(focus) if rng.random() < 0.85 else rng.choice([*CATEGORIES, "lone", "post.x.y"])
        created = rng.choice(recent if rng.random() < 0.92 else edges) + rng.choice((-1, 0, 0, 1))
        yield Record(
            id=f"r{number}",
            category=category,
            created_at=None if rng.random() < 0.04 else created,
            author=_author(rng, members),
            addressees=tuple(_addressees(rng, members)),
            topics=tuple(_topics(rng)),
            deleted_at=rng.choice(edges) + rng.choice((-1, 0, 1)) if rng.random() < 0.04 else None,
        )


def _author(rng: random.Random, members: Sequence[str]) -> str | None:
    drawn = rng.random()
    return None if drawn < 0.02 else "zed" if drawn < 0.04 else rng.choice(members)


def _addressees(rng: random.Random, members: Sequence[str]) -> list[str]:
    """None, one or several; now and then an unknown account, a stranger, the author, or one named twice."""
    some = [*members, *members, *members, "", "zed"]
    return [rng.choice(some) for _ in range(rng.choice((0, 0, 1, 1, 1, 1, 2, 3, 4)))]


def _topics(rng: random.Random) -> list[str]:
    some = [*TOPICS, f"topic:{TOPICS[0]}", "other"]
    return [rng.choice(some) for _ in range(rng.choice((0, 0, 0, 0, 1, 1, 2, 3)))]


def _edges(case: Case, question: Question) -> Iterator[int]:
    yield question.at
    for event in case.events:
        yield from (value for name in INSTANT_FIELDS if isinstance(value := getattr(event, name, None), int))
        if isinstance(event, Attributes):
            yield from _birthdays(event)
    days = {one.name: one.notice_days for one in case.events if isinstance(one, Terms)}
    for event in case.events:
        if isinstance(event, Notice):
            yield event.at + days[event.document, event.version] * MICROSECONDS_PER_DAY
    if _names(case, "EU") or _names(case, "EEA"):
        spans = memberships("EEA")
        yield from (edge for place in ("GB", "HR", "LI") for edge in spans[place] if edge is not None)


def _birthdays(event: Attributes) -> Iterator[int]:
    for _, value in event.named:
        if isinstance(value, tuple):
            yield from (start_of_day(comes_of_age(value, years)) for years in (13, 16, 18))


def _names(value: object, word: str) -> bool:
    """Whether a word occurs anywhere inside."""
    if is_dataclass(value):
        return any(_names(getattr(value, one.name), word) for one in fields(value))
    return value == word or (isinstance(value, tuple) and any(_names(one, word) for one in value))


def as_table(records: Sequence[Record]) -> pa.Table:
    """The records as the gate reads them."""
    rows = [{name: _listed(getattr(one, name)) for name in SCHEMA.names} for one in records]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def raw_record(record: Record) -> dict[str, Any]:
    """A record as a case file writes it."""
    created, deleted = record.created_at, record.deleted_at
    return {
        "id": record.id,
        "category": record.category,
        "created_at": None if created is None else format_instant(created),
        "deleted_at": None if deleted is None else format_instant(deleted),
        "author": record.author,
        "addressees": list(record.addressees),
        "topics": list(record.topics),
    }


def eventful_world(seed: str, count: int, of: int = 4) -> World:
    """Of some worlds, the one whose first records fare most differently: gates are dear, dull worlds waste them."""
    best = max((f"{seed}.{index}" for index in range(of)), key=lambda name: _variety(world(name, 60)))
    return world(best, count)


def _variety(drawn: World) -> int:
    return len({party.code for one in drawn.decisions() for party in one.parties})


def shrink(raw: dict[str, Any], differs: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """A case that still differs, with as few events, records and expectations as can be found quickly."""
    for part in ("expect", "records", "events"):
        for index in reversed(range(len(raw[part]))):
            less = {**raw, part: [*raw[part][:index], *raw[part][index + 1 :]]}
            try:
                raw = less if differs(less) else raw
            except (TrothError, KeyError):  # something referred to what was taken out
                continue
    return raw
