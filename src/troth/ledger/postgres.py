"""The ledger in PostgreSQL, for a deployment with several workers: the same interface, the same entries.

Whoever appends holds an advisory lock for the length of the transaction, so there is one order of entries
although many processes write. ``synchronous_commit`` is switched on for every connection: an append answers
after the commit is on the server's disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import psycopg
import psycopg_pool

from troth.core.entries import Entry
from troth.core.errors import BadInput, Conflict, Corrupt, Place, TrothError, Unavailable
from troth.ledger import store
from troth.ledger.appending import marks
from troth.ledger.store import APPLICATION_ID, SCHEMA_VERSION, Ledger, Stored

CHUNK: Final = 10_000
_LOCK: Final = int.from_bytes(hashlib.sha256(b"troth/ledger").digest()[:4], "big", signed=True)

_SCHEMA: Final = """
CREATE TABLE troth_ledger (application BIGINT NOT NULL, version INTEGER NOT NULL);
CREATE TABLE entries (
  position BIGINT PRIMARY KEY,
  type TEXT NOT NULL,
  time TEXT NOT NULL,
  commitment BYTEA NOT NULL,
  salt BYTEA,
  body BYTEA,
  subject TEXT
);
CREATE INDEX entries_of_subject ON entries (subject, position) WHERE subject IS NOT NULL;
CREATE INDEX entries_public ON entries (position) WHERE type <> 'member';
CREATE TABLE requests (request TEXT PRIMARY KEY, first BIGINT NOT NULL, count BIGINT NOT NULL, digest BYTEA);
CREATE TABLE names (kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT, PRIMARY KEY (kind, name));
"""


class PostgresLedger(Ledger):
    """A ledger in a PostgreSQL database; open it as a ``Ledger``, with a ``postgresql://`` address."""

    def __init__(
        self,
        address: str,
        connection: psycopg.Connection[Any],
        *,
        writing: bool,
        release: Callable[[psycopg.Connection[Any]], None] | None = None,
    ) -> None:
        super().__init__(Path("postgresql"), cast("Any", _Connection(connection)), 0 if writing else None)
        self.address = address
        self._psycopg = connection
        self._release = release

    # opening and closing

    @classmethod
    def create(cls, path: Path | str) -> PostgresLedger:
        """Make the tables of a new ledger in a database, and open it for writing. Raises as ``Ledger.create``."""
        connection = _connect(str(path))
        try:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                if connection.execute("SELECT to_regclass('entries')").fetchone() != (None,):
                    raise Conflict("a ledger is there already", remedy="open it instead")
                connection.execute(_SCHEMA)
                connection.execute(
                    "INSERT INTO troth_ledger VALUES (%s, %s)", (APPLICATION_ID, SCHEMA_VERSION)
                )
        except psycopg.Error as error:
            connection.close()
            raise _unavailable(error) from None
        except BaseException:
            connection.close()
            raise
        return cls(str(path), connection, writing=True)

    @classmethod
    def write(cls, path: Path | str) -> PostgresLedger:
        """Open for writing; others may, too. Raises as ``Ledger.write``."""
        return cls(str(path), _opened(str(path)), writing=True)

    @classmethod
    def read(cls, path: Path | str) -> PostgresLedger:
        """Open for reading. Raises as ``Ledger.read``."""
        connection = _opened(str(path))
        try:
            _for_reading(connection)
        except psycopg.Error as error:
            connection.close()
            raise _unavailable(error) from None
        return cls(str(path), connection, writing=False)

    def close(self) -> None:
        """Close the connection, or give it back to its pool."""
        if self._release is not None:
            self._release(self._psycopg)
        else:
            self._psycopg.close()
        self._lock = None

    # reading in chunks: a client holds all rows of a query in memory

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """See ``Ledger.entries``."""
        for low, high in self._chunks(start, stop):
            yield from super().entries(low, high)

    def public(self, start: int, stop: int) -> Iterator[Entry]:
        """See ``Ledger.public``."""
        for low, high in self._chunks(start, stop):
            yield from super().public(low, high)

    def bodies(self, stop: int) -> Iterator[tuple[int, str, bytes]]:
        """See ``Ledger.bodies``."""
        for low, high in self._chunks(0, stop):
            yield from self._select(
                "SELECT position, subject, body FROM entries"
                " WHERE type = 'member' AND subject IS NOT NULL AND body IS NOT NULL"
                " AND position >= ? AND position < ? ORDER BY position",
                (low, high),
            )

    def _streamed(self, query: str, stop: int) -> Iterator[tuple[Any, ...]]:
        with self._psycopg.cursor(name="troth_stream", withhold=True) as cursor:
            cursor.itersize = CHUNK
            cursor.execute(cast("Any", query.replace("?", "%s")), (stop,))
            for row in cursor:
                yield tuple(_out(one) for one in row)

    _holds = "position(%s in body) > 0"

    def _chunks(self, start: int, stop: int | None) -> Iterator[tuple[int, int]]:
        end = self.size if stop is None else min(stop, self.size)
        for low in range(max(start, 0), end, CHUNK):
            yield low, min(low + CHUNK, end)

    # inside

    def _select(self, query: str, values: tuple[object, ...] = ()) -> Any:  # noqa: ANN401 - a cursor like SQLite's
        try:
            return self._connection.execute(query, values)
        except psycopg.Error as error:
            self._stopped = type(error).__name__
            raise _unavailable(error) from None

    def _latest_of(self, subjects: list[str]) -> dict[str, int]:
        rows = self._connection.execute(
            f"SELECT subject, MAX(position) FROM entries WHERE subject IN ({marks(subjects)}) GROUP BY subject",  # noqa: S608 - question marks alone
            subjects,
        )
        return dict(iter(rows))

    def _check_writable(self) -> None:
        if self._lock is None:
            raise Unavailable("this ledger is open for reading only")
        if self._stopped is not None:
            raise Unavailable(
                f"this writer stopped after a storage error: {self._stopped}",
                remedy="mend the storage, then open the ledger again",
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction under the sequencer's lock; a storage error stops this writer for good."""
        try:
            self._psycopg.execute("BEGIN")
            try:
                self._psycopg.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                yield
            except BaseException:
                self._psycopg.execute("ROLLBACK")
                raise
            self._psycopg.execute("COMMIT")
        except psycopg.Error as error:
            self._stopped = type(error).__name__
            raise _unavailable(error) from None

    def _empty_log(self) -> None:
        """Have the server give up the old versions of erased rows.

        Its write-ahead log and its backups hold the old bytes until they are recycled: the operations guide says so.
        """
        try:
            self._psycopg.execute("VACUUM entries")
        except psycopg.Error as error:
            raise _unavailable(error) from None


class PostgresReaders:
    """Ledgers for reading over a pool of connections (psycopg's), which is filled anew when the server was away.

    A connection is tried before it is lent, so that one which died with the server is never handed out.

    Args:
        address: of the database.
        most: connections at most.
        seconds: how long to wait for one.
    """

    def __init__(self, address: str, *, most: int = 8, seconds: float = store.BUSY_SECONDS) -> None:
        self._address = address
        self._pool = psycopg_pool.ConnectionPool(
            address,
            min_size=1,
            max_size=most,
            timeout=seconds,
            reconnect_timeout=seconds,
            kwargs={"autocommit": True, "connect_timeout": int(store.BUSY_SECONDS)},
            configure=_for_reading,
            check=psycopg_pool.ConnectionPool.check_connection,
            name="troth-readers",
            open=True,
        )

    def take(self) -> PostgresLedger:
        """A ledger for reading; close it.

        Raises:
            Unavailable: the database does not answer.
            BadInput, Corrupt: there is no ledger in it.
        """
        try:
            connection = self._pool.getconn()
        except psycopg.Error as error:
            raise _unavailable(error) from None
        try:
            _check(connection)
        except psycopg.Error as error:
            self._pool.putconn(connection)
            raise _unavailable(error) from None
        except TrothError:
            self._pool.putconn(connection)
            raise
        return PostgresLedger(self._address, connection, writing=False, release=self._pool.putconn)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _for_reading(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET default_transaction_read_only = on")


class _Connection:
    """A connection that takes the statements of the SQLite store: other placeholders, and text without NUL.

    PostgreSQL cannot keep NUL in text, and names here may hold it, so it is escaped on the way in and out.
    """

    def __init__(self, inner: psycopg.Connection[Any]) -> None:
        self._inner = inner

    def execute(self, query: str, values: Sequence[object] = ()) -> _Rows:
        cursor = self._inner.execute(cast("Any", query.replace("?", "%s")), [_in(one) for one in values])
        return _Rows(cursor)

    def executemany(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        with self._inner.cursor() as cursor:
            cursor.executemany(
                cast("Any", query.replace("?", "%s")), [[_in(one) for one in row] for row in rows]
            )


class _Rows:
    """The rows of a cursor, unescaped."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def fetchone(self) -> tuple[Any, ...] | None:
        row = self._cursor.fetchone()
        return None if row is None else tuple(_out(one) for one in row)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (tuple(_out(one) for one in row) for row in self._cursor)


def _in(value: object) -> object:
    return value.replace("\\", "\\\\").replace("\0", "\\0") if isinstance(value, str) else value


def _out(value: object) -> object:
    if not isinstance(value, str) or "\\" not in value:
        return value
    return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))


def _connect(address: str) -> psycopg.Connection[Any]:
    try:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=int(store.BUSY_SECONDS))
        connection.execute("SET synchronous_commit = on")
    except psycopg.Error as error:
        raise _unavailable(error) from None
    return connection


def _opened(address: str) -> psycopg.Connection[Any]:
    connection = _connect(address)
    try:
        _check(connection)
    except psycopg.Error as error:
        connection.close()
        raise _unavailable(error) from None
    except TrothError:
        connection.close()
        raise
    return connection


def _check(connection: psycopg.Connection[Any]) -> None:
    place = Place("postgresql")
    if connection.execute("SELECT to_regclass('troth_ledger')").fetchone() == (None,):
        raise BadInput("no ledger here", place=place, remedy="make a home with `troth init`")
    row = connection.execute("SELECT application, version FROM troth_ledger").fetchone()
    if row is None or row[0] != APPLICATION_ID:
        raise Corrupt("this is no ledger of Troth", place=place, remedy="restore the ledger from a backup")
    if row[1] > SCHEMA_VERSION:
        raise BadInput(
            f"this ledger is of version {row[1]}; this Troth knows versions up to {SCHEMA_VERSION}",
            place=place,
            remedy="use a newer Troth; nothing was changed",
        )


def _unavailable(error: psycopg.Error) -> Unavailable:
    # The server's text may quote values, so only the kind of the error is passed on.
    return Unavailable(
        f"storage failed: {type(error).__name__}",
        place=Place("postgresql"),
        remedy="check the database and its log, then repeat",
    )
