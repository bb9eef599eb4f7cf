"""What members write to whom and when: InMail, direct messages, group threads, posts with comments, profiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

from troth_network.chance import Dice
from troth_network.days import DAY, FIRST_RECORD, MINUTE, SECOND, SETTING_INTRODUCED, TODAY
from troth_network.members import Member
from troth_network.writing import write

SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("category", pa.string()),
        ("created_at", pa.int64()),
        ("deleted_at", pa.int64()),
        ("author", pa.string()),
        ("addressees", pa.list_(pa.string())),
        ("topics", pa.list_(pa.string())),
        ("conversation", pa.string()),
        ("title", pa.string()),
        ("body", pa.string()),
        ("salt", pa.binary()),
    ]
)
"""Troth's record columns; ``salt`` stays null, Troth draws it at import."""

_THREADS: Final = {"inmail": 26, "direct": 20, "group": 6, "post": 40, "article": 4, "profile": 3, "feedback": 4}
"""How often a thread of each kind begins."""


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


def to_table(records: Iterable[Record]) -> pa.Table:
    """Records as an Arrow table of SCHEMA."""
    listed = list(records)
    columns = {
        name: [getattr(record, name) for record in listed] for name in SCHEMA.names if name != "salt"
    }
    return pa.table(columns | {"salt": [None] * len(listed)}, schema=SCHEMA)


def make_records(count: int, members: Sequence[Member], seed: int) -> list[Record]:
    """The records of a seed, oldest first, ``r000001`` and so on."""
    people = _People(members)
    found: list[Record] = []
    thread = 0
    while len(found) < count:
        dice = Dice(seed, "thread", thread)
        found += _damaged(_THREAD_WRITERS[dice.weighted(_THREADS)](people, f"t{thread:06}", dice), dice)
        thread += 1
    found = sorted(found[:count], key=lambda record: record.created_at or 0)
    width = max(6, len(str(count)))
    return [replace(record, id=f"r{number:0{width}}") for number, record in enumerate(found, 1)]


class _People:
    """Finds members who are there at an instant, and those whom they mostly talk with."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self.communities: dict[int, list[Member]] = defaultdict(list)
        for member in members:
            self.communities[member.community].append(member)
        self.spells = [(member, *spell) for member in members for spell in member.premium_spells]

    def anybody(self, at: int, dice: Dice) -> Member | None:
        for _ in range(20):
            member = dice.pick(self.members)
            if member.active(at):
                return member
        return None

    def contacts(self, of: Member, at: int, count: int, dice: Dice) -> list[Member]:
        """Up to ``count`` members, mostly of the same community, all active."""
        near = dice.sample(self.communities[of.community], count + 1)
        mixed = [one if dice.chance(0.85) else self.anybody(at, dice) for one in near]
        found = [one for one in mixed if one is not None and one.id != of.id and one.active(at)]
        return list(dict.fromkeys(found))[:count]


def _when(dice: Dice) -> int:
    """Half of what is written comes after the switch did: the network grows."""
    start, stop = (SETTING_INTRODUCED, TODAY) if dice.chance(0.55) else (FIRST_RECORD, SETTING_INTRODUCED)
    return dice.between(start // SECOND, stop // SECOND) * SECOND


def _exchange(
    category: str, people: Sequence[Member], at: int, turns: int, conversation: str, dice: Dice
) -> Iterator[Record]:
    """Messages among people who are all there; each is addressed to all the others."""
    for turn in range(turns):
        writer = people[0] if turn == 0 else dice.pick(people)
        if at >= TODAY or not writer.active(at):
            return
        others = tuple(one.id for one in people if one is not writer)
        yield _record(category, at, writer.id, others, conversation, dice)
        at += dice.between(5 * MINUTE, 3 * DAY) // SECOND * SECOND


def _record(
    category: str, at: int, author: str, addressees: tuple[str, ...], conversation: str, dice: Dice
) -> Record:
    text = write(category, dice)
    return Record(
        "", category, at, None, author, addressees, text.topics, conversation, text.title, text.body
    )  # fmt: skip


def _inmail(people: _People, conversation: str, dice: Dice) -> Iterator[Record]:
    """Only somebody who pays begins one, to anybody; answers go back in the same thread."""
    if not people.spells:
        return
    author, start, end = dice.pick(people.spells)
    start = max(start, FIRST_RECORD)
    at = dice.between(start // SECOND, min(end, TODAY) // SECOND) * SECOND
    addressee = people.anybody(at, dice)
    if author.active(at) and addressee is not None and addressee is not author:
        turns = dice.between(1, 4)
        yield from _exchange("private_message.inmail", (author, addressee), at, turns, conversation, dice)


def _direct(people: _People, conversation: str, dice: Dice) -> Iterator[Record]:
    yield from _conversation("private_message.direct", 1, 6, people, conversation, dice)


def _group(people: _People, conversation: str, dice: Dice) -> Iterator[Record]:
    yield from _conversation("private_message.group", dice.between(2, 7), 9, people, conversation, dice)


def _conversation(
    category: str, others: int, turns: int, people: _People, conversation: str, dice: Dice
) -> Iterator[Record]:
    at = _when(dice)
    author = people.anybody(at, dice)
    if author is None:
        return
    contacts = people.contacts(author, at, others, dice)
    if contacts:
        yield from _exchange(
            category, (author, *contacts), at, dice.between(1, turns), conversation, dice
        )  # fmt: skip


def _post(people: _People, conversation: str, dice: Dice) -> Iterator[Record]:
    """A post and what others comment."""
    at = _when(dice)
    author = people.anybody(at, dice)
    if author is None:
        return
    yield _record("post", at, author.id, (), conversation, dice)
    for commenter in people.contacts(author, at, dice.below(4), dice):
        at += dice.between(5 * MINUTE, 2 * DAY) // SECOND * SECOND
        if at < TODAY and commenter.active(at):
            yield _record("comment", at, commenter.id, (), conversation, dice)


def _alone(category: str) -> Callable[[_People, str, Dice], Iterator[Record]]:
    def writer(people: _People, conversation: str, dice: Dice) -> Iterator[Record]:
        at = _when(dice)
        author = people.anybody(at, dice)
        if author is not None:
            yield _record(category, at, author.id, (), conversation, dice)

    return writer


_THREAD_WRITERS: Final[dict[str, Callable[[_People, str, Dice], Iterator[Record]]]] = {
    "inmail": _inmail,
    "direct": _direct,
    "group": _group,
    "post": _post,
    "article": _alone("article"),
    "profile": _alone("profile"),
    "feedback": _alone("feedback"),
}


def _damaged(records: Iterable[Record], dice: Dice) -> Iterator[Record]:
    """What real tables hold too: things deleted, times lost, authors and accounts that nobody can name."""
    for record in records:
        fate = dice.below(1000)
        assert record.created_at is not None
        if fate < 30:
            yield replace(record, deleted_at=record.created_at + dice.between(MINUTE, 200 * DAY) // SECOND * SECOND)
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
