"""Accounts and secrets of members: one SQLite file of its own beside the ledger, readable by its owner alone.

Each subject has a random account and a random secret (``troth.core.sets``). They stand apart from the ledger, so
that erasing a member's row here is all it takes to make every tag and label of theirs nobody's.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from troth.core.errors import BadInput, Corrupt, Place, Unavailable
from troth.core.sets import ACCOUNT_BYTES, SECRET_BYTES, Credential
from troth.ledger.store import find_store_damage, opened_to_look

APPLICATION_ID: Final = 0x54524F4D  # "TROM"
SCHEMA_VERSION: Final = 1
BATCH: Final = 50_000
_BUSY_SECONDS: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE accounts (
  subject TEXT NOT NULL UNIQUE,
  account BLOB NOT NULL,
  secret BLOB NOT NULL,
  handed_out INTEGER,
  forget_at INTEGER
) STRICT;
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO state VALUES ('generation', '0');
"""


_COLUMNS: Final = (
    'SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_schema AS m, pragma_table_info(m.name) AS c'
    " WHERE m.name IN ('accounts', 'state') ORDER BY m.name, c.cid"
)
_FAULTS: Final = (
    ("SELECT count(*) FROM accounts WHERE length(secret) <> 32", "secrets are not of 32 bytes"),
    ("SELECT count(*) FROM accounts WHERE length(account) <> 16", "accounts are not of 16 bytes"),
    ("SELECT count(*) - count(DISTINCT account) FROM accounts", "accounts are there twice"),
    ("SELECT count(*) - count(DISTINCT secret) FROM accounts", "secrets are there twice"),
    ("SELECT count(*) - count(DISTINCT subject) FROM accounts", "members have two accounts"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """A member's account; ``handed_out``: when the secret was given to the member (microseconds UTC), if it was."""

    credential: Credential
    handed_out: int | None


class Accounts:
    """The accounts of a home. The file is made when the first account is. Each call is a transaction."""

    def __init__(self, path: Path, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.path = path
        self._draw = draw

    def find(self, subject: str) -> Account | None:
        """The account of a subject; None: it has none.

        Raises:
            Unavailable: storage failed.
            Corrupt: the file is none of ours.
        """
        with self._open() as connection:
            row = connection.execute(
                "SELECT account, secret, handed_out FROM accounts WHERE subject = ?", (subject,)
            ).fetchone()
        return None if row is None else Account(Credential(row[0], row[1]), row[2])

    def ensure(self, subjects: Iterable[str]) -> int:
        """Give each subject that has no account one; how many were made. Raises as ``find``."""
        with self._open(writing=True) as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO accounts (subject, account, secret) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                self._drawn(subjects),
            )
            made = connection.total_changes - before
            return _counted(connection, made)

    def _drawn(self, subjects: Iterable[str]) -> Iterator[tuple[str, bytes, bytes]]:
        for subject in subjects:
            drawn = self._draw(ACCOUNT_BYTES + SECRET_BYTES)
            yield subject, drawn[:ACCOUNT_BYTES], drawn[ACCOUNT_BYTES:]

    def hand_out(self, subject: str, now: int) -> None:
        """Note that the member was given the secret. Raises as ``find``."""
        with self._open(writing=True) as connection:
            connection.execute("UPDATE accounts SET handed_out = ? WHERE subject = ?", (now, subject))

    def forget(self, subject: str, at: int, now: int) -> None:
        """Forget a member's account for good, at once or (``at`` in the future) when that instant has come.

        Raises as ``find``.
        """
        if not self.path.exists():
            return
        with self._open(writing=True) as connection:
            connection.execute("UPDATE accounts SET forget_at = ? WHERE subject = ?", (at, subject))
        self.purge(now)

    def purge(self, now: int) -> int:
        """Forget the accounts whose erasure has come; how many. Raises as ``find``."""
        if not self.path.exists():
            return 0
        with self._open(writing=True) as connection:
            gone = connection.execute("DELETE FROM accounts WHERE forget_at <= ?", (now,)).rowcount
            return _counted(connection, gone)

    @property
    def generation(self) -> int:
        """A number that grows whenever accounts come or go. Raises as ``find``."""
        return int(self.recall("generation") or 0)

    def recall(self, key: str) -> str | None:
        """What was noted under a key. Raises as ``find``."""
        with self._open() as connection:
            row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        """Note something under a key. Raises as ``find``."""
        with self._open(writing=True) as connection:
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def batches(self) -> Iterator[list[tuple[str, bytes, bytes]]]:
        """All (subject, account, secret), a batch at a time, of one state of the file. Raises as ``find``."""
        with self._open() as connection:
            cursor = connection.execute("SELECT subject, account, secret FROM accounts")
            while rows := cursor.fetchmany(BATCH):
                yield rows

    def of(self, subjects: Iterable[str]) -> list[tuple[str, bytes, bytes]]:
        """(subject, account, secret) of those of the subjects that have an account. Raises as ``find``."""
        with self._open() as connection:
            found = (
                connection.execute(
                    "SELECT subject, account, secret FROM accounts WHERE subject = ?", (subject,)
                ).fetchone()
                for subject in subjects
            )
            return [row for row in found if row is not None]

    @contextmanager
    def _open(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                _create(self.path)
            with closing(_connect(self.path)) as connection:
                _check(self.path, connection)
                connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"storage failed: {error}",
                place=Place(str(self.path)),
                remedy="check space, permissions and the disk, then repeat",
            ) from None
        except sqlite3.DatabaseError as error:
            raise _corrupt(self.path, str(error)) from None


def find_account_damage(path: Path) -> list[str]:
    """What is wrong with a file of accounts; empty if nothing is. Changes nothing, and names nobody.

    Raises:
        Unavailable: storage failed, so that it cannot be looked at.
        BadInput: it is of a newer version.
    """
    wrong = find_store_damage(path)
    if wrong:
        return [*wrong, "the secrets cannot be made anew: restore the file from a backup"]
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_SCHEMA)
        expected = fresh.execute(_COLUMNS).fetchall()
    with opened_to_look(path) as connection:
        try:
            _check(path, connection)
        except Corrupt as error:
            return [error.message]
        if connection.execute(_COLUMNS).fetchall() != expected:
            return ["its tables are not those of accounts"]
        for query, what in _FAULTS:
            if count := int(connection.execute(query).fetchone()[0]):
                wrong.append(f"{count} {what}")
    return wrong


def _counted(connection: sqlite3.Connection, changed: int) -> int:
    if changed:
        connection.execute(
            "UPDATE state SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'generation'"
        )
    return changed


def _connect(path: Path) -> sqlite3.Connection:
    # The engine takes batches from threads of its own, one at a time.
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    # What is forgotten leaves the file: freed pages are overwritten, and the journal is emptied.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    return connection


def _create(path: Path) -> None:
    """Make the file whole or not at all; another process may do the same at the same time."""
    making = path.with_name(f".{path.name}.{secrets.token_hex(4)}.making")
    os.close(os.open(making, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(_connect(making)) as connection:
            connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        try:
            os.link(making, path)
        except FileExistsError:
            return
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        making.unlink()


def _check(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _corrupt(path, "this file holds no accounts of Troth")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise BadInput(
            f"this file is of version {version}; this Troth knows versions up to {SCHEMA_VERSION}",
            place=Place(str(path)),
            remedy="use a newer Troth; nothing was changed",
        )


def _corrupt(path: Path, what: str) -> Corrupt:
    return Corrupt(
        what,
        place=Place(str(path)),
        remedy="restore it from a backup; it is not made anew, since members hold secrets of it",
    )
