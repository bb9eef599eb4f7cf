"""The embedded store of the ledger: one SQLite file, one writer, many readers.

The writer holds an advisory lock beside the file for as long as it is open, so there is one connection
that ever writes or checkpoints; readers open the file read-only. ``synchronous=FULL`` in WAL mode makes a
commit durable before ``append`` returns (NORMAL can lose an acknowledged one).
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from troth.core.entries import Act, Entry, commit, read_body
from troth.core.errors import BadInput, Conflict, Corrupt, Place, TrothError, Unavailable
from troth.core.events import Consent, Erase, Event
from troth.core.standing import Known
from troth.ledger.appending import Batch, Group, Overlay, Receipt, StoredNames, refer
from troth.ledger.damage import find_damage
from troth.ledger.lost import E, marked

__all__ = ["Batch", "Receipt"]  # from the module beside, for all who append

APPLICATION_ID: Final = 0x54524F54  # "TROT"
SCHEMA_VERSION: Final = 1
FREE_SPACE_FLOOR: Final = 64 * 1024 * 1024
BUSY_SECONDS: Final = 10.0
_STOCK: Final = 4_096
_RESTORE: Final = "restore the ledger from a backup"

_INDEX_OF_ACTS: Final = (
    "CREATE INDEX IF NOT EXISTS entries_of_acts ON entries (position)"
    " WHERE type = 'member' AND subject IS NULL"
)

_SCHEMA: Final = """
CREATE TABLE entries (
  position INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  time TEXT NOT NULL,
  commitment BLOB NOT NULL,
  salt BLOB,
  body BLOB,
  subject TEXT
) STRICT;
CREATE INDEX entries_of_subject ON entries (subject, position) WHERE subject IS NOT NULL;
CREATE INDEX entries_public ON entries (position) WHERE type <> 'member';
CREATE TABLE requests (
  request TEXT PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL, digest BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as it is kept; ``what`` is None once its body was erased."""

    position: int
    entry: Entry
    what: Event | Act | None


def clock() -> int:
    """Now, in microseconds UTC."""
    return time.time_ns() // 1000


class Draws:
    """Random bytes of the system, fetched by the kilobyte: a call for each salt would cost more than the entry.

    No byte is handed out twice, nor in two processes: a fork begins with nothing in stock.
    """

    def __init__(self) -> None:
        self._stock = b""
        self._process = os.getpid()

    def __call__(self, count: int) -> bytes:
        """So many random bytes."""
        if len(self._stock) < count or self._process != os.getpid():
            self._stock, self._process = secrets.token_bytes(max(count, _STOCK)), os.getpid()
        drawn, self._stock = self._stock[:count], self._stock[count:]
        return drawn


def check_free_space(path: Path, floor: int) -> None:
    """See that a file may grow: that its disk has so many bytes free.

    Raises:
        Unavailable: it has not.
    """
    free = shutil.disk_usage(path.parent).free
    if free < floor:
        raise Unavailable(
            f"only {free // 2**20} MiB are free; the ledger keeps {floor // 2**20} MiB",
            place=Place(str(path)),
            remedy="free some space and repeat",
        )


class Ledger:
    """A ledger file. Open it with ``Ledger.create``, ``Ledger.write`` or ``Ledger.read``; use it in a ``with``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._stopped: str | None = None
        self.now: Callable[[], int] = clock
        self.draw: Callable[[int], bytes] = Draws()
        self.free_space_floor = FREE_SPACE_FLOOR
        self.keep: Callable[[Ledger], bool] | None = None
        """Asked at ``close`` of a ledger that is well: whether it is kept open for the next reader instead."""

    # opening and closing

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """Make a new, empty ledger and open it for writing.

        Raises:
            Conflict: a file is there already.
            Unavailable: storage failed.
        """
        if path.exists():
            raise Conflict("a ledger is there already", place=Place(str(path)), remedy="open it instead")
        lock = _take_lock(path)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            os.close(descriptor)
            connection = _connect(path, writing=True)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.executescript(
                f"BEGIN; {_SCHEMA} {_INDEX_OF_ACTS}; PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        except (OSError, sqlite3.Error) as error:
            os.close(lock)
            raise _unavailable(path, error) from None
        return cls(path, connection, lock)

    @classmethod
    def write(cls, path: Path) -> Ledger:
        """Open for writing.

        Raises:
            Unavailable: another writer has it, or storage failed.
            BadInput: no ledger, or one of a newer version.
        """
        _check_there(path)
        lock = _take_lock(path)
        try:
            connection = _connect(path, writing=True)
            _check_version(path, connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            # Ledgers from before accounts could be joined lack it; without it they are only slower.
            connection.execute(_INDEX_OF_ACTS)
        except TrothError:
            os.close(lock)
            raise
        except sqlite3.Error as error:
            os.close(lock)
            raise _unavailable(path, error) from None
        return cls(path, connection, lock)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """Open for reading, also while another process writes. Raises as ``write``."""
        _check_there(path)
        try:
            connection = _connect(path, writing=False)
            _check_version(path, connection)
        except sqlite3.Error as error:
            raise _unavailable(path, error) from None
        return cls(path, connection, None)

    def close(self) -> None:
        """Close the file and let the next writer in."""
        if self.keep is not None and self._stopped is None and self.keep(self):
            return
        self._connection.close()
        if self._lock is not None:
            # Nothing is written through a lock.
            with suppress(OSError):
                os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # reading

    @property
    def size(self) -> int:
        """The number of entries; also the position of the next one: the head that appends compare with."""
        row = self._select("SELECT COALESCE(MAX(position) + 1, 0) FROM entries").fetchone()
        return int(row[0])

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """The entries of positions [start, stop), in order."""
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE position >= ? AND position < ? ORDER BY position",
            (start, 2**62 if stop is None else stop),
        )
        return _stored(rows)

    def public(self, start: int, stop: int) -> Iterator[Entry]:
        """The entries of positions [start, stop) as the public sees them, in order."""
        rows = self._select(
            "SELECT type, time, commitment FROM entries WHERE position >= ? AND position < ? ORDER BY position",
            (start, stop),
        )
        return (Entry(*row) for row in rows)

    def acts(self, kind: str) -> list[tuple[int, Act]]:
        """The acts of one public type, with their positions; reads no member's entries."""
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE type <> 'member' AND type = ? ORDER BY position",
            (kind,),
        )
        return [(one.position, one.what) for one in _stored(rows) if isinstance(one.what, Act)]

    def history(self, subject: str, stop: int | None = None) -> list[tuple[int, Event]]:
        """The entries of one member before a position, erased ones left out."""
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE subject = ? AND position < ? ORDER BY position",
            (subject, 2**62 if stop is None else stop),
        )
        return [
            (one.position, one.what)
            for one in _stored(rows)
            if one.what is not None and not isinstance(one.what, Act)
        ]

    def subjects_like(self, start: str, most: int = 5_000) -> list[str]:
        """Members whose names begin like this; at most so many of their entries are looked at."""
        rows = self._select(
            "SELECT DISTINCT subject FROM (SELECT subject FROM entries"
            " WHERE subject IS NOT NULL AND subject >= ? AND subject < ? ORDER BY subject LIMIT ?) AS found",
            (start, start + "\U0010ffff", most),
        )
        return [str(row[0]) for row in rows]

    def known(self, as_of: int | None = None, subjects: Iterable[str] | None = None) -> Known:
        """What is known before a position (None: now); of all members, or only of those asked for."""
        if subjects is None:
            with _collector_paused():
                known = Known(_events(self.entries(0, as_of)))
                self._mark_lost(known)
                return known
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE type <> 'member' AND position < ? ORDER BY position",
            (2**62 if as_of is None else as_of,),
        )
        known = Known(_events(_stored(rows)))
        for subject in dict.fromkeys(subjects):
            for position, event in self.history(subject, as_of):
                known.add(position, event)
        self._mark_lost(known)
        return known

    def with_lost(self, history: list[tuple[int, E]]) -> list[tuple[int, E]]:
        """A member's entries with their erasures marked; see ``troth.ledger.lost``."""
        if any(isinstance(event, Erase) for _, event in history):
            return marked(history, self._body)
        return history

    def _mark_lost(self, known: Known) -> None:
        for subject, history in known.members.items():
            known.members[subject] = self.with_lost(history)

    def _body(self, position: int) -> bytes | None:
        row = self._select("SELECT body FROM entries WHERE position = ?", (position,)).fetchone()
        return None if row is None or row[0] is None else bytes(row[0])

    def histories(self, stop: int) -> Iterator[tuple[str, list[tuple[int, Event]]]]:
        """Each member's entries before a position, member by member: erased ones, and who has no other, left out."""
        rows = self._streamed(
            "SELECT subject, position, body FROM entries"
            " WHERE subject IS NOT NULL AND position < ? ORDER BY subject, position",
            stop,
        )
        for subject, found in groupby(rows, itemgetter(0)):
            yield subject, [(position, _event_of(body, position)) for _, position, body in found]

    def heads(self, stop: int) -> Iterator[tuple[str, int]]:
        """Each member's last entry before a position, erased ones left out."""
        yield from self._streamed(
            "SELECT subject, MAX(position) FROM entries"
            " WHERE subject IS NOT NULL AND position < ? GROUP BY subject",
            stop,
        )

    def consents(self, start: int, stop: int) -> Iterator[Consent]:
        """All consents of positions [start, stop), erased ones left out; of other entries it looks at a word only."""
        return (event for event in self._that_hold(b'"consent"', start, stop) if isinstance(event, Consent))

    def erasures(self, stop: int) -> Iterator[Erase]:
        """All erasures that were recorded before a position; of other entries it looks at a word only."""
        return (event for event in self._that_hold(b'"erase"', 0, stop) if isinstance(event, Erase))

    def _that_hold(self, word: bytes, start: int, stop: int) -> Iterator[Event]:
        rows = self._select(
            "SELECT position, body FROM entries"  # noqa: S608 - one of two constants
            " WHERE subject IS NOT NULL AND position >= ? AND position < ? AND " + self._holds,
            (start, stop, word),
        )
        return (_event_of(body, position) for position, body in rows)

    _holds = "instr(body, ?) > 0"

    def _streamed(self, query: str, stop: int) -> Iterator[tuple[Any, ...]]:
        """The rows of a query that may be many."""
        yield from self._select(query, (stop,))

    def subjects(self, start: int, stop: int) -> set[str]:
        """The members with entries in [start, stop), erased ones left out."""
        rows = self._select(
            "SELECT DISTINCT subject FROM entries WHERE subject IS NOT NULL AND position >= ? AND position < ?",
            (start, stop),
        )
        return {str(subject) for (subject,) in rows}

    def members(self) -> int:
        """How many entries are members' and not erased: at least as many as there are members."""
        return int(self._select("SELECT COUNT(*) FROM entries WHERE subject IS NOT NULL").fetchone()[0])

    def bodies(self, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """Raw (position, subject, body) of the members' entries before a position that are not erased."""
        return self._select(
            "SELECT position, subject, body FROM entries"
            " WHERE type = 'member' AND subject IS NOT NULL AND body IS NOT NULL AND position < ?"
            " ORDER BY position",
            (stop,),
        )

    def all_acts(self, stop: int | None = None) -> list[tuple[int, Act]]:
        """What the operator did before a position: releases and all else that is no promise, notice or choice."""
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE type NOT IN ('member', 'terms', 'setting', 'regime', 'rules') AND position < ?"
            " ORDER BY position",
            (2**62 if stop is None else stop,),
        )
        return [(one.position, one.what) for one in _stored(rows) if isinstance(one.what, Act)]

    def member_acts(self, stop: int | None = None) -> list[tuple[int, Act]]:
        """The operator's acts that concern members (joins of accounts) before a position, erased ones left out."""
        rows = self._select(
            "SELECT position, type, time, commitment, body FROM entries"
            " WHERE type = 'member' AND subject IS NULL AND body IS NOT NULL AND position < ?"
            " ORDER BY position",
            (2**62 if stop is None else stop,),
        )
        return [(one.position, one.what) for one in _stored(rows) if isinstance(one.what, Act)]

    def types(self) -> list[tuple[str, int]]:
        """How many entries there are of each public type."""
        rows = self._select("SELECT type, COUNT(*) FROM entries GROUP BY type ORDER BY type")
        return [(str(kind), int(count)) for kind, count in rows]

    def opened(self, position: int) -> str:
        """Whether the body of an entry ``matches`` its commitment, ``differs`` from it, or was ``erased``."""
        row = self._select(
            "SELECT commitment, salt, body FROM entries WHERE position = ?", (position,)
        ).fetchone()
        if row is None or row[2] is None:
            return "differs" if row is None else "erased"
        return "matches" if row[1] is not None and commit(row[1], row[2]) == row[0] else "differs"

    def opening(self, position: int) -> tuple[bytes, bytes] | None:
        """Salt and body of an entry, which open its commitment to others; None: there is none, or it was erased."""
        row = self._select("SELECT salt, body FROM entries WHERE position = ?", (position,)).fetchone()
        return None if row is None or row[0] is None or row[1] is None else (bytes(row[0]), bytes(row[1]))

    def erased(self, stop: int) -> list[tuple[int, str]]:
        """Position and public type of the entries before a position whose bodies were erased, in order."""
        rows = self._select(
            "SELECT position, type FROM entries WHERE body IS NULL AND position < ? ORDER BY position",
            (stop,),
        )
        return [(int(position), str(kind)) for position, kind in rows]

    def erased_count(self, stop: int) -> int:
        """How many members' entries before a position had their bodies erased; quicker than to list them."""
        row = self._select(
            "SELECT COUNT(*) FROM entries"
            " WHERE type = 'member' AND subject IS NULL AND body IS NULL AND position < ?",
            (stop,),
        ).fetchone()
        return int(row[0])

    def last_public(self) -> int:
        """The position of the last entry that concerns no single member; -1 where there is none."""
        row = self._select(
            "SELECT COALESCE(MAX(position), -1) FROM entries WHERE type <> 'member'"
        ).fetchone()
        return int(row[0])

    def receipt(self, position: int) -> Receipt:
        """The receipt of an entry.

        Raises:
            BadInput: there is no such entry.
        """
        row = self._select(
            "SELECT position, type, time, commitment FROM entries WHERE position = ?", (position,)
        ).fetchone()
        if row is None:
            raise BadInput(f"there is no entry {position}; the ledger holds {self.size}")
        return Receipt(row[0], row[1], row[2], row[3].hex())

    # appending

    def append(
        self,
        events: Sequence[Event | Act],
        *,
        expected: int | None = None,
        request: str | None = None,
        places: Sequence[Place] = (),
    ) -> list[Receipt]:
        """Append entries, all or none, durable when it returns.

        Args:
            events: what happened, in order.
            expected: the head (``size``) that the caller has seen; None takes whatever is there.
            request: an id of the caller's; repeating it with the same events returns the first receipts.
            places: where the events were written, one each or none at all; errors name them.

        Raises:
            Conflict: the head is another by now.
            BadInput: an event refers to nothing, or the request id stands for other events.
            Unavailable: no space, no lock, or storage failed; then this writer is stopped for good.
        """
        (answer,) = self.append_group([Batch(events, request, expected, places)])
        if isinstance(answer, TrothError):
            raise answer
        return answer

    def append_group(self, batches: Sequence[Batch]) -> list[list[Receipt] | TrothError]:
        """Append the batches of several callers with one commit: each all or none, durable when it returns.

        What one of them has wrong (``Conflict``, ``BadInput``) is its own answer and spoils nothing for the others.

        Raises:
            Unavailable: no space, no lock, or storage failed; then nothing of the group was acknowledged.
        """
        self._check_writable()
        with self._transaction():
            group = Group(self._connection, self.size, self.now(), self.draw, self.receipt, self._latest_of)
            group.look_up(batches)
            answers = [group.add(batch) for batch in batches]
            group.insert()
        return answers

    def _latest_of(self, subjects: list[str]) -> dict[str, int]:
        """The position of the last entry of each of some members that has one.

        In one row: for every row the interpreter's lock is let go, and has to be won back from busy threads.
        """
        given = ", ".join(f"({at}, ?)" for at in range(len(subjects)))
        (found,) = self._connection.execute(
            f"WITH given(at, one) AS (VALUES {given})"  # noqa: S608 - numbers and question marks alone
            " SELECT group_concat(at || ' ' || latest) FROM ("
            "SELECT at, (SELECT MAX(position) FROM entries WHERE subject = one) AS latest FROM given"
            ") WHERE latest IS NOT NULL",
            subjects,
        ).fetchone()
        pairs = (pair.split() for pair in (found or "").split(",") if pair)
        return {subjects[int(at)]: int(latest) for at, latest in pairs}

    def check_references(self, events: Sequence[Event | Act], places: Sequence[Place] = ()) -> None:
        """Check what ``append`` would check of these events and places, and write nothing.

        Raises:
            BadInput: an event refers to nothing.
        """
        refer(events, Overlay(StoredNames(self._connection)), places)

    # erasing

    def erase(self, positions: Sequence[int]) -> int:
        """Erase the bodies and salts of members' entries for good; the log stays valid. Returns how many were.

        Raises:
            BadInput: an entry does not concern a member.
            Unavailable: storage failed.
        """
        self._check_writable()
        erased = 0
        with self._transaction():
            for position in positions:
                row = self._connection.execute(
                    "SELECT type, body FROM entries WHERE position = ?", (position,)
                ).fetchone()
                if row is None or row[0] != "member":
                    raise BadInput(f"entry {position} is not a member's; only members' bodies are erased")
                if row[1] is None:
                    continue
                self._forget(position, row[1])
                erased += 1
        self._empty_log()
        return erased

    def _empty_log(self) -> None:
        """See to it that erased bytes leave the write-ahead log too."""
        try:
            (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            self._stopped = str(error)
            raise _unavailable(self.path, error) from None
        if busy:
            raise Unavailable(
                "the entries are erased, but their old bytes stay on disk while another process still reads them",
                place=Place(str(self.path)),
                remedy="wait until it is done and repeat the erasure",
            )

    def _forget(self, position: int, body: bytes) -> None:
        what = read_body("member", json.loads(body), position)
        if isinstance(what, Consent):
            # The name stays taken; whose it was is forgotten.
            self._connection.execute(
                "UPDATE names SET owner = '' WHERE kind = 'consent' AND name = ?", (what.id,)
            )
        self._connection.execute(
            "UPDATE entries SET salt = NULL, body = NULL, subject = NULL WHERE position = ?", (position,)
        )
        self._connection.execute(
            "UPDATE requests SET digest = NULL WHERE first <= ? AND first + count > ?", (position, position)
        )

    # checking

    def check(self) -> list[str]:
        """Re-derive what can be: positions, commitments, members, chains. Returns what is wrong; changes nothing."""
        rows = self._select(
            "SELECT position, type, time, commitment, salt, body, subject FROM entries ORDER BY position"
        )
        return find_damage(rows)

    # inside

    def _select(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(query, values)
        except sqlite3.Error as error:
            self._stopped = str(error)
            raise _unavailable(self.path, error) from None

    def _check_writable(self) -> None:
        if self._lock is None:
            raise Unavailable("this ledger is open for reading only", place=Place(str(self.path)))
        if self._stopped is not None:
            raise Unavailable(
                f"this writer stopped after a storage error: {self._stopped}",
                place=Place(str(self.path)),
                remedy="mend the storage, then open the ledger again",
            )
        check_free_space(self.path, self.free_space_floor)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction. The commit is the point at which entries exist; a storage error stops the writer."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._stopped = str(error)
            raise _unavailable(self.path, error) from None


def _stored(rows: Iterable[tuple[int, str, str, bytes, bytes | None]]) -> Iterator[Stored]:
    for position, kind, public, commitment, body in rows:
        what = None if body is None else read_body(kind, json.loads(body), position)
        yield Stored(position, Entry(kind, public, commitment), what)


def _event_of(body: bytes, position: int) -> Event:
    """The event of a member's entry.

    Raises:
        Corrupt: the body holds something else.
    """
    event = read_body("member", json.loads(body), position)
    if isinstance(event, Act):
        raise Corrupt(f"entry {position} is filed under a member, but is none's", remedy=_RESTORE)
    return event


def _events(stored: Iterable[Stored]) -> Iterator[tuple[int, Event]]:
    for one in stored:
        if one.what is not None and not isinstance(one.what, Act):
            yield one.position, one.what


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Millions of new objects and no garbage among them: the collector would search them again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    uri = f"file:{_quoted(path)}?mode={'rw' if writing else 'ro'}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _quoted(path: Path) -> str:
    return path.absolute().as_uri().removeprefix("file://")


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise BadInput("no ledger here", place=Place(str(path)), remedy="make a home with `troth init`")


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Corrupt("this file is no ledger", place=Place(str(path)), remedy=_RESTORE) from None
    if application != APPLICATION_ID:
        connection.close()
        raise Corrupt("this file is no ledger of Troth", place=Place(str(path)), remedy=_RESTORE)
    if version > SCHEMA_VERSION:
        connection.close()
        raise BadInput(
            f"this ledger is of version {version}; this Troth knows versions up to {SCHEMA_VERSION}",
            place=Place(str(path)),
            remedy="use a newer Troth; nothing was changed",
        )


def _take_lock(path: Path) -> int:
    """Take the writer's lock; waits a while, since commands hold it briefly."""
    try:
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unavailable(path, error) from None
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise Unavailable(
                    "another process is writing to this ledger",
                    place=Place(str(path)),
                    remedy="wait until it is done and repeat",
                ) from None
            time.sleep(0.05)
        except OSError as error:
            os.close(lock)
            raise _unavailable(path, error) from None
        else:
            return lock


def find_store_damage(path: Path) -> list[str]:
    """What is wrong with a private SQLite file as such: who may read it, and whether it holds together.

    Raises:
        Unavailable: storage failed, so that it cannot be looked at.
    """
    wrong = []
    if path.stat().st_mode & 0o077:
        wrong.append(f"{path.name} can be read by others; chmod 600 it")
    try:
        with opened_to_look(path) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    except Corrupt as error:
        return [*wrong, f"{path.name} is damaged: {error.message}"]
    if found != ["ok"]:
        # What is found names pages and indexes, never a value.
        wrong.append(f"{path.name} is damaged: {'; '.join(found)}")
    return wrong


@contextmanager
def opened_to_look(path: Path) -> Iterator[sqlite3.Connection]:
    """A private SQLite file (not the ledger's) to read from; what a killed writer left is rolled back first.

    Raises:
        Unavailable: storage failed.
        Corrupt: it is damaged.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
        try:
            connection.execute("PRAGMA query_only = ON")
            yield connection
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise _unavailable(path, error) from None
    except sqlite3.DatabaseError as error:
        raise Corrupt(str(error), place=Place(str(path)), remedy="restore it from a backup") from None


def _unavailable(path: Path, error: Exception) -> Unavailable:
    return Unavailable(
        f"storage failed: {error}",
        place=Place(str(path)),
        remedy="check space, permissions and the disk, then repeat",
    )
