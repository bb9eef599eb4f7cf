"""Working out what a group of batches adds to a ledger, with few statements for the whole group.

Each statement lets go of the interpreter's lock and has to win it back from the threads that answer requests; so a
group asks once for all that it must know, is worked out in memory, and is inserted at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, Protocol

from troth.core.entries import (
    SALT_BYTES,
    Act,
    Entry,
    commit,
    encode_event,
    entry_type,
    make_body,
    public_time,
)
from troth.core.errors import BadInput, Conflict, Place, TrothError
from troth.core.events import Event, subject_of
from troth.core.references import Names, NamesInMemory, References
from troth.core.values import canonical
from troth.core.written import Json

_AT_ONCE: Final = 500
"""Values that one query may ask for: fewer than any SQLite allows."""
_ROWS: Final = (256, 64, 16, 4, 1)
"""So many rows in one statement: few sizes, so that prepared statements are found again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an append answers: where the entry stands and what the public log will show of it."""

    position: int
    type: str
    time: str
    commitment: str

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {
            "position": self.position,
            "type": self.type,
            "time": self.time,
            "commitment": self.commitment,
        }


@dataclass(frozen=True, slots=True)
class Batch:
    """What one caller wants appended, all of it or nothing; see ``Ledger.append`` for the fields."""

    events: Sequence[Event | Act]
    request: str | None = None
    expected: int | None = None
    places: Sequence[Place] = ()


class Connection(Protocol):
    """What is needed of a connection to the store."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement."""


class Group:
    """One group inside a transaction: ``add`` its batches in order, then ``insert`` what was found good.

    Args:
        connection: in a transaction that nobody else writes beside.
        head: the position of the next entry.
        recorded_at: the instant of all entries of the group.
        draw: gives random bytes.
        receipt: gives the receipt of an entry that is stored already.
        latest_of: gives the position of the last entry of each of some members that has one.
    """

    def __init__(
        self,
        connection: Connection,
        head: int,
        recorded_at: int,
        draw: Callable[[int], bytes],
        receipt: Callable[[int], Receipt],
        latest_of: Callable[[list[str]], dict[str, int]],
    ) -> None:
        self._connection = connection
        self._first = head
        self._recorded_at = recorded_at
        self._draw = draw
        self._stored_receipt = receipt
        self._latest_of = latest_of
        self._names = _GroupNames(StoredNames(connection))
        self._latest: dict[str, int] = {}
        self._requests: dict[str, tuple[int, int, bytes | None]] = {}
        self._entries: list[tuple[Any, ...]] = []
        self._receipts: list[Receipt] = []
        self._kept: list[tuple[Any, ...]] = []

    def look_up(self, batches: Sequence[Batch]) -> None:
        """Ask the store for what the batches need to know of it."""
        requests = {one.request for one in batches if one.request is not None}
        for asked in _portions(requests):
            for request, first, count, digest in self._connection.execute(
                f"SELECT request, first, count, digest FROM requests WHERE request IN ({marks(asked)})",  # noqa: S608 - question marks alone
                asked,
            ):
                self._requests[request] = (first, count, digest)
        subjects = {
            subject_of(event) for one in batches for event in one.events if not isinstance(event, Act)
        }
        for asked in _portions(one for one in subjects if one is not None):
            self._latest |= self._latest_of(asked)

    def add(self, batch: Batch) -> list[Receipt] | TrothError:
        """The receipts of a batch, or what is wrong with it; then it adds nothing."""
        try:
            return self._add(batch)
        except (BadInput, Conflict) as error:
            return error
        except UnicodeEncodeError:
            return BadInput("this event has no canonical JSON form: a lone surrogate")

    def _add(self, batch: Batch) -> list[Receipt]:
        texts = [encode_event(event) if not isinstance(event, Act) else None for event in batch.events]
        digest = _request_digest(batch.events, texts) if batch.request is not None else None
        repeated = self._repeated(batch.request, digest)
        if repeated is not None:
            return repeated
        head = self._first + len(self._entries)
        if batch.expected is not None and batch.expected != head:
            raise Conflict(
                f"the ledger has grown from {batch.expected} to {head} entries meanwhile",
                remedy="read it again and repeat",
            )
        names = Overlay(self._names)
        refer(batch.events, names, batch.places)
        latest: dict[str, int] = {}
        rows, receipts = [], []
        for position, (event, text) in enumerate(zip(batch.events, texts, strict=True), head):
            subject = None if isinstance(event, Act) else subject_of(event)
            previous = None
            if subject is not None:
                previous = latest.get(subject, self._latest.get(subject))
                latest[subject] = position
            kind = entry_type(event)
            salt = self._draw(SALT_BYTES)
            body = make_body(event, self._recorded_at, previous, text)
            entry = Entry(kind, public_time(kind, self._recorded_at), commit(salt, body))
            rows.append((position, entry.type, entry.time, entry.commitment, salt, body, subject))
            receipts.append(Receipt(position, entry.type, entry.time, entry.commitment.hex()))
        self._names.take(names)
        self._latest |= latest
        self._entries += rows
        self._receipts += receipts
        if batch.request is not None:
            self._requests[batch.request] = (head, len(rows), digest)
            self._kept.append((batch.request, head, len(rows), digest))
        return receipts

    def _repeated(self, request: str | None, digest: bytes | None) -> list[Receipt] | None:
        if request is None:
            return None
        request.encode()
        found = self._requests.get(request)
        if found is None:
            return None
        first, count, kept = found
        if kept is None:
            # What it stood for was erased; nobody can say any more whether this is the same.
            raise BadInput(
                "this request id was used, and what it stood for was erased",
                remedy="use a new id for a new request",
            )
        if bytes(kept) != digest:
            raise BadInput(
                "this request id was used for something else", remedy="use a new id for a new request"
            )
        return [self._receipt(position) for position in range(first, first + count)]

    def _receipt(self, position: int) -> Receipt:
        if position < self._first:
            return self._stored_receipt(position)
        return self._receipts[position - self._first]

    def insert(self) -> None:
        """Insert what the batches added."""
        self._insert("INSERT INTO entries VALUES", self._entries)
        self._insert("INSERT INTO requests VALUES", self._kept)
        self._insert("INSERT INTO names VALUES", self._names.fresh(), " ON CONFLICT DO NOTHING")

    def _insert(self, query: str, rows: Sequence[tuple[Any, ...]], end: str = "") -> None:
        start = 0
        while start < len(rows):
            count = next(size for size in _ROWS if size <= len(rows) - start)
            taken = rows[start : start + count]
            one = f"({marks(taken[0])})"
            values = [value for row in taken for value in row]
            self._connection.execute(f"{query} {', '.join([one] * count)}{end}", values)
            start += count


def refer(events: Sequence[Event | Act], names: Names, places: Sequence[Place]) -> None:
    """See to it that events refer to nothing but what is defined.

    Raises:
        BadInput: one does.
    """
    references = References(names)
    for event, place in zip(events, places or repeat(None, len(events)), strict=True):
        if not isinstance(event, Act):
            references.add(event, place)
    references.finish()


class StoredNames:
    """The names of a store; they are defined by inserting a group."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def owner(self, kind: str, name: str) -> str | None:
        """See Names."""
        rows = self._connection.execute("SELECT owner FROM names WHERE kind = ? AND name = ?", (kind, name))
        return next((str(row[0]) for row in rows), None)

    def define(self, kind: str, name: str, owner: str) -> None:
        """See Names."""
        raise NotImplementedError


class Overlay(NamesInMemory):
    """Names of a trial: what it defines is forgotten with it, unless it is taken."""

    def __init__(self, stored: Names) -> None:
        super().__init__()
        self._stored = stored

    def owner(self, kind: str, name: str) -> str | None:
        """See Names."""
        own = super().owner(kind, name)
        return own if own is not None else self._stored.owner(kind, name)

    def fresh(self) -> list[tuple[str, str, str]]:
        """(kind, name, owner) of what was defined here."""
        return [(kind, name, owner) for (kind, name), owner in self._owners.items()]


class _GroupNames(Overlay):
    """The names of a store and of the batches that were found good so far; the store is asked once for each."""

    def __init__(self, stored: Names) -> None:
        super().__init__(stored)
        self._asked: dict[tuple[str, str], str | None] = {}

    def owner(self, kind: str, name: str) -> str | None:
        """See Names."""
        own = self._owners.get((kind, name))
        if own is not None:
            return own
        if (kind, name) not in self._asked:
            self._asked[kind, name] = self._stored.owner(kind, name)
        return self._asked[kind, name]

    def take(self, names: Overlay) -> None:
        """Take over what a batch defined."""
        for kind, name, owner in names.fresh():
            self.define(kind, name, owner)


def _request_digest(events: Sequence[Event | Act], texts: Sequence[str | None]) -> bytes:
    """SHA-256 of the canonical JSON list of what was asked for."""
    written = (
        canonical(event.details).decode() if isinstance(event, Act) else str(text)
        for event, text in zip(events, texts, strict=True)
    )
    return hashlib.sha256(f"[{','.join(written)}]".encode()).digest()


def _portions(values: Iterable[str]) -> Iterable[list[str]]:
    """What can be asked for at all, in portions: a lone surrogate is in no store."""
    found = [one for one in values if _has_bytes(one)]
    for start in range(0, len(found), _AT_ONCE):
        yield found[start : start + _AT_ONCE]


def _has_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def marks(values: Sequence[object]) -> str:
    """A question mark for each value of a statement."""
    return ", ".join("?" * len(values))
