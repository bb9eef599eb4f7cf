"""What the server keeps for itself: accounts, sign-ins, tokens, webhooks, withdrawals under way, the access log.

It lies beside the ledger in ``server.sqlite3``. Secrets are kept as digests only. Losing this file loses
sign-ins and deliveries, never a promise or a choice: those are in the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from troth.core.errors import BadInput, Corrupt, Place, Unavailable

ROLES: Final = ("member", "privacy", "ml", "recipient", "auditor", "admin")
SCOPES: Final = (
    "records:write",
    "choices:write",
    "choices:read",
    "decisions:read",
    "releases:read",
    "proofs:read",
    "withdrawals:write",
    "models:read",
    "log:read",
    "metrics:read",
)
_SECOND: Final = 1_000_000
_SEEN: Final = 1_000

_SCHEMA: Final = """
CREATE TABLE accounts (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, subject TEXT, recipient TEXT,
  password TEXT, issuer TEXT, created_at INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX accounts_by_name ON accounts (COALESCE(issuer, ''), name);
CREATE TABLE sessions (
  digest BLOB PRIMARY KEY, account TEXT NOT NULL, application TEXT NOT NULL, agent TEXT NOT NULL,
  created_at INTEGER NOT NULL, ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_account ON sessions (account);
CREATE TABLE tokens (
  id TEXT PRIMARY KEY, digest BLOB NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL, ends_at INTEGER, revoked INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE signals (
  account TEXT NOT NULL, application TEXT NOT NULL, setting TEXT NOT NULL, at INTEGER NOT NULL,
  position INTEGER NOT NULL, PRIMARY KEY (account, application, setting)
) STRICT, WITHOUT ROWID;
CREATE TABLE withdrawals (
  id TEXT PRIMARY KEY, subject TEXT NOT NULL, setting TEXT, at INTEGER NOT NULL, position INTEGER,
  steps TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE hooks (
  id TEXT PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, secret TEXT NOT NULL,
  created_at INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY, hook TEXT NOT NULL, event TEXT NOT NULL, body TEXT NOT NULL, made_at INTEGER NOT NULL,
  next_at INTEGER, tries INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', problem TEXT
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting';
CREATE TABLE accesses (
  number INTEGER PRIMARY KEY, line TEXT NOT NULL, batch INTEGER
) STRICT;
CREATE TABLE keys (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""


_MIGRATIONS: Final = (
    _SCHEMA,
    # A member's page looks for their withdrawals, which used to search through everybody's.
    "CREATE INDEX withdrawals_of_subject ON withdrawals (subject, at)",
)
"""What leads from each version to the next, the first from nothing; done at the first start, whole or not at all."""
_VERSION: Final = len(_MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in. ``subject`` is the member they are, ``recipient`` whom they act for."""

    id: str
    name: str
    role: str
    subject: str | None
    recipient: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in; ``key`` (SHA-256 of the cookie) finds it, ``application`` is the browser it was made in."""

    key: bytes
    account: Account
    application: str
    agent: str
    created_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a program and what it may do."""

    id: str
    name: str
    scopes: tuple[str, ...]


class State:
    """The server's own database. Safe to use from any thread, and from several workers of one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._seen: dict[bytes, tuple[Token, int]] = {}
        fresh = not path.exists()
        if fresh:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            self._connection = sqlite3.connect(
                path, timeout=10, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            # A rollback journal, not WAL: several workers may write (see the ledger's decision on its store).
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            with self.transaction():
                version = int(self.one("PRAGMA user_version")[0])
                for step in _MIGRATIONS[version:]:
                    for statement in step.split(";"):
                        self._connection.execute(statement)
                if version < _VERSION:
                    self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.DatabaseError as error:
            raise Unavailable(f"storage failed: {error}", place=Place(str(path))) from None
        if version > _VERSION:
            raise BadInput(
                f"is of version {version}; this Troth knows up to {_VERSION}",
                place=Place(str(path)),
                remedy="use a newer Troth",
            )
        self.key = self._key()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # plain access

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> tuple[Any, ...]:
        """The one row of a query."""
        found = self.rows(query, *values)
        if not found:
            raise Corrupt("the server's own records are not whole", place=Place(str(self.path)))
        return found[0]

    def _key(self) -> bytes:
        """A secret of this server, for what is derived and not kept (such as tokens in forms)."""
        self.rows("INSERT INTO keys VALUES ('server', ?) ON CONFLICT DO NOTHING", secrets.token_bytes(32))
        return bytes(self.one("SELECT value FROM keys WHERE name = 'server'")[0])

    def derive(self, *parts: str) -> str:
        """A text that only this server can make of these parts (HMAC-SHA-256, hex)."""
        message = json.dumps(parts).encode()
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()

    # accounts

    def add_account(
        self,
        name: str,
        role: str,
        now: int,
        *,
        password: str | None = None,
        subject: str | None = None,
        recipient: str | None = None,
        issuer: str | None = None,
    ) -> Account:
        """Add an account; ``password`` is a hash already.

        Raises:
            BadInput: the role is not one, or lacks its subject or recipient, or the name is taken.
        """
        if role not in ROLES:
            raise BadInput(f"expected a role ({', '.join(ROLES)}), got {role!r}")
        if (role == "member") != (subject is not None):
            raise BadInput("a member's account names its subject, and no other does")
        if (role == "recipient") != (recipient is not None):
            raise BadInput("a recipient's account names its recipient, and no other does")
        account = Account(secrets.token_hex(8), name, role, subject, recipient)
        try:
            self.rows(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
                account.id, name, role, subject, recipient, password, issuer, now,
            )  # fmt: skip
        except sqlite3.IntegrityError:
            raise BadInput("there is an account of this name", remedy="choose another name") from None
        return account

    def account(self, name: str, issuer: str | None = None) -> tuple[Account, str | None] | None:
        """An account by name, and its password's hash; None where there is none, or it is disabled."""
        found = self.rows(
            "SELECT id, name, role, subject, recipient, password FROM accounts"
            " WHERE name = ? AND COALESCE(issuer, '') = ? AND disabled = 0",
            name, issuer or "",
        )  # fmt: skip
        return (Account(*found[0][:5]), found[0][5]) if found else None

    def accounts(self) -> list[tuple[Account, bool]]:
        """All accounts, and whether they are disabled."""
        found = self.rows("SELECT id, name, role, subject, recipient, disabled FROM accounts ORDER BY name")
        return [(Account(*row[:5]), bool(row[5])) for row in found]

    def disable(self, account: str) -> None:
        """Let an account in no more; its sign-ins end at once."""
        with self.transaction():
            self.rows("UPDATE accounts SET disabled = 1 WHERE id = ?", account)
            self.rows("DELETE FROM sessions WHERE account = ?", account)

    # sessions

    def begin(self, account: Account, application: str, agent: str, now: int, seconds: int) -> str:
        """Begin a session; answers the secret for the cookie, which is kept nowhere."""
        secret = secrets.token_urlsafe(32)
        self.rows(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
            _digest(secret), account.id, application, agent, now, now + seconds * 1_000_000,
        )  # fmt: skip
        return secret

    def session(self, secret: str, now: int) -> Session | None:
        """The session of a cookie, unless it ended or its account was disabled."""
        found = self.rows(
            "SELECT s.digest, a.id, a.name, a.role, a.subject, a.recipient, s.application, s.agent, s.created_at,"
            " s.ends_at FROM sessions s JOIN accounts a ON a.id = s.account"
            " WHERE s.digest = ? AND s.ends_at > ? AND a.disabled = 0",
            _digest(secret), now,
        )  # fmt: skip
        return _session(found[0]) if found else None

    def sessions(self, account: str, now: int) -> list[Session]:
        """An account's sign-ins that have not ended."""
        found = self.rows(
            "SELECT s.digest, a.id, a.name, a.role, a.subject, a.recipient, s.application, s.agent, s.created_at,"
            " s.ends_at FROM sessions s JOIN accounts a ON a.id = s.account"
            " WHERE s.account = ? AND s.ends_at > ? ORDER BY s.created_at",
            account, now,
        )  # fmt: skip
        return [_session(row) for row in found]

    def end(self, account: str, key: bytes) -> None:
        """End a session, which must be the account's own."""
        self.rows("DELETE FROM sessions WHERE digest = ? AND account = ?", key, account)

    # tokens

    def add_token(self, name: str, scopes: Sequence[str], now: int, ends_at: int | None = None) -> str:
        """Make a token; answers its text, which is kept nowhere.

        Raises:
            BadInput: a scope is not one.
        """
        unknown = [one for one in scopes if one not in SCOPES]
        if unknown or not scopes:
            raise BadInput(f"expected scopes of {', '.join(SCOPES)}; got {', '.join(unknown) or 'none'}")
        number, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        self.rows(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, 0)",
            number, _digest(secret), name, " ".join(scopes), now, ends_at,
        )  # fmt: skip
        return f"troth_{number}_{secret}"

    def token(self, text: str, now: int) -> Token | None:
        """The token of a text, unless it ended or was revoked. Secrets are compared in constant time.

        An answer of yes holds for a second, so that another worker's revocation is heeded within that time.
        """
        digest = _digest(text)
        seen = self._seen.get(digest)
        if seen is not None and seen[1] > now:
            return seen[0]
        found = self._token(text, now)
        if len(self._seen) >= _SEEN:
            self._seen.clear()
        if found is not None:
            self._seen[digest] = (found, now + _SECOND)
        return found

    def _token(self, text: str, now: int) -> Token | None:
        head, _, rest = text.partition("_")
        number, _, secret = rest.partition("_")
        found = self.rows("SELECT digest, name, scopes, ends_at, revoked FROM tokens WHERE id = ?", number)
        kept = found[0][0] if found else bytes(32)
        same = hmac.compare_digest(_digest(secret), kept)
        if head != "troth" or not found or not same or found[0][4]:
            return None
        if found[0][3] is not None and found[0][3] <= now:
            return None
        return Token(number, found[0][1], tuple(found[0][2].split()))

    def tokens(self) -> list[tuple[Token, int, bool]]:
        """All tokens, when they were made, and whether they are revoked."""
        found = self.rows("SELECT id, name, scopes, created_at, revoked FROM tokens ORDER BY created_at")
        return [(Token(row[0], row[1], tuple(row[2].split())), row[3], bool(row[4])) for row in found]

    def revoke(self, token: str) -> None:
        """Revoke a token by its number."""
        self._seen.clear()
        self.rows("UPDATE tokens SET revoked = 1 WHERE id = ?", token)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _session(row: tuple[Any, ...]) -> Session:
    return Session(row[0], Account(*row[1:6]), row[6], row[7], row[8], row[9])
