"""What members write to whom and when: InMail, direct messages, group threads, posts with comments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from troth_network.chance import Dice
from troth_network.days import DAY, FIRST_RECORD, MINUTE, SETTING_INTRODUCED, TODAY
from troth_network.members import Member
from troth_network.writing import write

_COLUMNS: Final = (
    "id category created_at deleted_at author addressees topics conversation title body salt".split()
)
_TYPES: Final = {name: pa.int64() for name in ("created_at", "deleted_at")} | {
    "addressees": pa.list_(pa.string()),
    "topics": pa.list_(pa.string()),
    "salt": pa.binary(),
}
SCHEMA: Final = pa.schema([(name, _TYPES.get(name, pa.string())) for name in _COLUMNS])
"""Troth's record columns; ``salt`` stays null, Troth draws it at import."""


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of content. Instants in microseconds UTC; an addressee of ``""`` has no known account."""

    id: str
    category: str
    created_at: int | None
    deleted_at: int | None
    author: str | None
    addressees: tuple[str, ...]
    topics: tuple[str, ...]
    conversation: str
    title: str | None
    body: str


def to_table(records: Sequence[Record]) -> pa.Table:
    """Records as an Arrow table of SCHEMA."""
    columns = {name: [getattr(one, name, None) for one in records] for name in _COLUMNS}
    return pa.table(columns, schema=SCHEMA)


def make_records(count: int, members: Sequence[Member], seed: int) -> list[Record]:
    """The records of a seed, oldest first, ``r000001`` and so on."""
    threads = _Threads(members)
    found: list[Record] = []
    number = 0
    while len(found) < count:
        dice = Dice(seed, "thread", number)
        found += _damaged(threads.write(f"t{number:06}", dice), dice)
        number += 1
    found = sorted(found[:count], key=lambda record: record.created_at or 0)
    width = max(6, len(str(count)))
    return [replace(record, id=f"r{number:0{width}}") for number, record in enumerate(found, 1)]


class _Threads:
    """Writes threads of content by members who are there at the time."""

    WEIGHTS: Final = {
        "private_message.inmail": 26, "private_message.direct": 20, "private_message.group": 6,
        "post": 42, "post.article": 4, "profile": 4,
    }  # fmt: skip
    """How often a thread of each kind begins."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.communities: dict[int, list[Member]] = defaultdict(list)
        for member in members:
            self.communities[member.community].append(member)
        self.spells = [(member, *spell) for member in members for spell in member.premium_spells]

    def write(self, conversation: str, dice: Dice) -> Iterator[Record]:
        """One thread; nothing where nobody fit."""
        category = dice.weighted(self.WEIGHTS)
        if category == "private_message.inmail":
            people, at = self.inmail_people(dice)
        else:
            # The network grows: more than half of what is written comes after the switch did.
            early, late = (FIRST_RECORD, SETTING_INTRODUCED), (SETTING_INTRODUCED, TODAY)
            at = dice.instant(*(late if dice.chance(0.55) else early))
            others = {"private_message.direct": 1, "private_message.group": dice.between(2, 7)}
            people = self.circle(at, others.get(category, dice.below(4)), dice)
        if category.startswith("private_message"):
            yield from self.exchange(category, people, at, conversation, dice)
        elif people:
            yield _record(category, at, people[0], (), conversation, dice)
            for commenter in people[1:] if category == "post" else ():
                at += dice.instant(5 * MINUTE, 2 * DAY)
                if at < TODAY and commenter.active(at):
                    yield _record("comment", at, commenter, (), conversation, dice)

    def anybody(self, at: int, dice: Dice) -> Member | None:
        """Somebody who is there at an instant; None after 20 tries."""
        tries = (dice.pick(self.members) for _ in range(20))
        return next((member for member in tries if member.active(at)), None)

    def inmail_people(self, dice: Dice) -> tuple[list[Member], int]:
        """Somebody who pays and writes first, to anybody."""
        if not self.spells:
            return [], 0
        author, start, end = dice.pick(self.spells)
        at = dice.instant(max(start, FIRST_RECORD), end)
        addressee = self.anybody(at, dice)
        return [author] if addressee is None or addressee is author else [author, addressee], at

    def circle(self, at: int, others: int, dice: Dice) -> list[Member]:
        """Somebody and up to ``others`` more, mostly of the same community, all there at an instant."""
        first = self.anybody(at, dice)
        if first is None:
            return []
        near = dice.sample(self.communities[first.community], others + 1)
        mixed = [one if dice.chance(0.85) else self.anybody(at, dice) for one in near]
        more = [one for one in mixed if one is not None and one is not first and one.active(at)]
        return [first, *dict.fromkeys(more)][: others + 1]

    def exchange(
        self, category: str, people: Sequence[Member], at: int, conversation: str, dice: Dice
    ) -> Iterator[Record]:
        """Messages back and forth; each is addressed to all the others."""
        turns = dice.between(1, 9 if category.endswith("group") else 5)
        for turn in range(turns if len(people) > 1 else 0):
            writer = people[0] if turn == 0 else dice.pick(people)
            if at >= TODAY or not writer.active(at):
                return
            others = tuple(one.id for one in people if one is not writer)
            yield _record(category, at, writer, others, conversation, dice)
            at += dice.instant(5 * MINUTE, 3 * DAY)


def _record(
    category: str, at: int, author: Member, addressees: tuple[str, ...], conversation: str, dice: Dice
) -> Record:
    topics, title, body = write(category, dice)
    return Record("", category, at, None, author.id, addressees, topics, conversation, title, body)


def _damaged(records: Iterable[Record], dice: Dice) -> Iterator[Record]:
    """What real tables hold too: things deleted, times lost, authors and accounts that nobody can name."""
    for record in records:
        fate = dice.below(1000)
        if fate < 30:
            yield replace(record, deleted_at=(record.created_at or 0) + dice.instant(MINUTE, 200 * DAY))
        elif fate < 34:
            yield replace(record, created_at=None)
        elif fate < 36:
            yield replace(record, author=None)
        elif fate < 40:
            yield replace(record, author=f"imported-{dice.below(20):02}")
        elif fate < 48 and record.addressees:
            yield replace(record, addressees=(*record.addressees[:-1], ""))
        else:
            yield record
