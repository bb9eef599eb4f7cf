"""Streams into a home: what members did, records and deletions, each exactly once in effect.

A batch is stored first, durably; then its offsets are moved. A crash in between makes the batch come again, and
nothing comes of that: what a member did has a request id made of topic, partition and offset, so its first receipts
are found; records and deletions are known by the record's id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event as Signal
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from troth.app import importing
from troth.core.errors import BadInput, Conflict, TrothError, Unavailable
from troth.core.events import Event, MemberEvent
from troth.core.shape import Shape
from troth.core.values import parse_instant
from troth.core.written import Json, read_event
from troth.intake.deleting import delete_records
from troth.intake.mapping import standard_mapping
from troth.intake.plain import PlainRow
from troth.intake.rows import Gone, Item, Rejected, Row
from troth.intake.table_rows import read_row
from troth.ledger.store import Batch, Ledger, Receipt, clock

if TYPE_CHECKING:
    from troth.app.home import Home
    from troth.intake.kafka import Message, Stream

EVENTS: Final = "events"
RECORDS: Final = "records"
DELETIONS: Final = "deletions"

BATCH: Final = 2_000
WAIT: Final = 1.0
_SILENCE: Final = 120.0  # seconds
_TRIES: Final = 60  # seconds that another writer of the home may take

_EXPECTED_EVENT: Final = (
    'expected JSON of what a member did, such as {"choose": {"subject": …, "setting": …}}'
)


@dataclass(slots=True)
class Taken:
    """What came in. ``repeated``: entries that were in the ledger already, by their message's request id."""

    messages: int = 0
    recorded: int = 0
    repeated: int = 0
    imported: int = 0
    duplicates: int = 0
    deleted: int = 0
    rejected: int = 0

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def roles(
    *, events: Sequence[str] = (), records: Sequence[str] = (), deletions: Sequence[str] = ()
) -> dict[str, str]:
    """What the messages of each topic are.

    Raises:
        BadInput: no topic is named, or one twice.
    """
    named = [(EVENTS, events), (RECORDS, records), (DELETIONS, deletions)]
    pairs = [(topic, role) for role, topics in named for topic in topics]
    found = dict(pairs)
    if not found or len(found) != len(pairs):
        what = "a topic is named twice" if found else "no topic is named"
        raise BadInput(what, remedy="name topics with --events, --records and --deletions, each once")
    return found


Lane: TypeAlias = tuple[str, int]


@dataclass(slots=True)
class _Sorted:
    """A batch, read: what members did, items for the record store, deletions by record.

    ``failed``: by partition the first message that cannot be taken, and why; none after it is taken.
    """

    events: list[tuple[Message, Batch]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    deletions: dict[str, int] = field(default_factory=dict)
    failed: dict[Lane, tuple[Message, str]] = field(default_factory=dict)

    def is_open(self, one: Message) -> bool:
        """Whether nothing before this message in its partition failed, nor it itself."""
        return one.lane not in self.failed or one.offset < self.failed[one.lane][0].offset


class Intake:
    """Takes batches of messages into a home.

    Args:
        home: the home.
        roles: by topic, what its messages are: ``events``, ``records`` or ``deletions``.
        name: sets request ids apart where a topic of the same name was read before, on another broker say.
        set_aside: a message that cannot be read is written down as rejected and passed over; else it stops the stream.
    """

    def __init__(
        self, home: Home, roles: dict[str, str], *, name: str | None = None, set_aside: bool = False
    ) -> None:
        self.taken = Taken()
        self._home = home
        self._roles = roles
        self._prefix = "kafka:" if name is None else f"kafka:{name}:"
        self._set_aside = set_aside

    def take(self, messages: Sequence[Message], commit: Callable[[list[Message]], None]) -> None:
        """Store a batch, durably, then move the offsets.

        Raises:
            BadInput: a message cannot be read; what stood before it, and in other partitions, is stored.
            Unavailable: storage failed, or somebody else is writing; nothing was moved.
        """
        found = _Sorted()
        for one in messages:
            if found.is_open(one):
                self._read(one, found)
        if found.events:
            with self._home.writing() as ledger:
                self._append(ledger, found)
        self._store(found)
        done = [one for one in messages if found.is_open(one)]
        commit(done)
        self.taken.messages += len(done)
        for bad, why in found.failed.values():
            raise BadInput(
                why, place=bad.where.place, remedy="mend what it refers to, or pass it over with --set-aside"
            )

    # reading

    def _read(self, one: Message, found: _Sorted) -> None:
        role = self._roles[one.topic]
        try:
            if role == EVENTS:
                found.events.append((one, self._batch(one)))
            elif role == DELETIONS or one.value is None:
                name, at = _deletion(one)
                found.deletions[name] = min(at, found.deletions.get(name, at))
            else:
                found.items.append(_record(one))
        except _Unfit as unfit:
            self._refuse(one, str(unfit), found)
        except BadInput as error:
            self._refuse(one, error.message, found)

    def _refuse(self, one: Message, why: str, found: _Sorted) -> None:
        if self._set_aside:
            found.items.append(Rejected(one.where, why))
        else:
            found.failed[one.lane] = (one, why)

    def _batch(self, one: Message) -> Batch:
        value = _json(one, _EXPECTED_EVENT)
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(each, dict) for each in listed):
            raise _Unfit(_EXPECTED_EVENT)
        shapes = [Shape(each, str(one.where)) for each in listed]
        events: list[Event] = [read_event(shape) for shape in shapes]
        if not all(isinstance(event, get_args(MemberEvent)) for event in events):
            # Terms, rules and the like hold for everybody: they come from files that somebody answers for.
            raise _Unfit(_EXPECTED_EVENT)
        request = f"{self._prefix}{one.topic}/{one.partition}/{one.offset}"
        return Batch(events, request, places=[one.where.place] * len(events))

    # storing

    def _append(self, ledger: Ledger, found: _Sorted) -> None:
        batches = [batch for _, batch in found.events]
        try:
            every = [event for batch in batches for event in batch.events]
            ledger.check_references(every, [place for batch in batches for place in batch.places])
            groups = [found.events]
        except BadInput:
            # One after another, so that nothing of a partition comes before what it waits for.
            groups = [[one] for one in found.events]
        for group in groups:
            asked = [(one, batch) for one, batch in group if found.is_open(one)]
            head = ledger.size
            answers = ledger.append_group([batch for _, batch in asked])
            for (one, _), answer in zip(asked, answers, strict=True):
                if not isinstance(answer, TrothError):
                    self._count(answer, head)
                elif found.is_open(one):
                    self._refuse(one, answer.message, found)

    def _count(self, receipts: list[Receipt], head: int) -> None:
        new = sum(one.position >= head for one in receipts)
        self.taken.recorded += new
        self.taken.repeated += len(receipts) - new

    def _store(self, found: _Sorted) -> None:
        items = list(found.items)
        items += [Gone(name, at) for name, at in found.deletions.items()]
        if items:
            report = importing.take(self._home, items)
            self.taken.imported += report.imported
            self.taken.duplicates += report.duplicates
            self.taken.rejected += report.rejected
        if found.deletions:
            delete_records(self._home.records_path, found.deletions)
            self.taken.deleted += len(found.deletions)


def follow(
    intake: Intake,
    stream: Stream,
    *,
    once: bool = False,
    stop: Signal | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Taken:
    """Take in what comes, until stopped, or (``once``) until everything that was there is taken in.

    Raises:
        BadInput: a message cannot be read.
        Unavailable: the broker or the home's storage fails, or another program writes to the home for a minute.
    """
    heard = time.monotonic()
    while not (stop is not None and stop.is_set()):
        messages = stream.take(BATCH, WAIT)
        if messages:
            heard = time.monotonic()
            for waited in _patiently():
                try:
                    intake.take(messages, stream.commit)
                    break
                except (Conflict, Unavailable):
                    # Whatever was stored is found again when the batch is repeated.
                    if waited >= _TRIES or (stop is not None and stop.is_set()):
                        raise
            if progress is not None:
                progress(intake.taken.messages, None)
        elif once and stream.at_end:
            break
        elif once and time.monotonic() - heard > _SILENCE:
            raise Unavailable("the broker has gone silent", remedy="check that it runs, and repeat")
    return intake.taken


def _patiently() -> Iterator[int]:
    for number in range(_TRIES + 1):
        if number:
            time.sleep(1)
        yield number


class _Unfit(Exception):
    """A message is not what its topic holds; the text says what was expected, never what stood there."""


def _json(one: Message, expected: str) -> object:
    try:
        return json.loads(one.value or b"")
    except (ValueError, RecursionError):
        raise _Unfit(expected) from None


def _record(one: Message) -> Row:
    expected = "expected a JSON object with the record columns"
    value = _json(one, expected)
    if not isinstance(value, dict):
        raise _Unfit(expected)
    found = read_row(PlainRow(one.where, value), standard_mapping(), clock())
    if isinstance(found, Rejected):
        raise _Unfit(found.reason)
    return found


def _deletion(one: Message) -> tuple[str, int]:
    """The record and when it was deleted; a message without a value deletes the record that its key names."""
    expected = 'expected {"id": …, "deleted_at": …}, or a key without a value'
    at = clock() if one.at is None else one.at
    if one.value is None:
        try:
            name: object = (one.key or b"").decode()
        except UnicodeDecodeError:
            raise _Unfit(expected) from None
    else:
        value = _json(one, expected)
        if not isinstance(value, dict) or set(value) - {"id", "deleted_at"}:
            raise _Unfit(expected)
        name, written = value.get("id"), value.get("deleted_at")
        if isinstance(written, str):
            at = parse_instant(written)
        elif written is not None:
            raise _Unfit(expected)
    if not isinstance(name, str) or not name:
        raise _Unfit(expected)
    return name, at
