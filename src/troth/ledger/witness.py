"""A witness: keeps the last checkpoint of each log that it knows, and cosigns what goes on from it.

The state is durable before an answer leaves; comparing and keeping are one transaction, so that of two requests at
once none can take the other's entries back.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from troth.core.checkpoint import Checkpoint, parse_checkpoint
from troth.core.errors import BadInput, Corrupt, Place, Unavailable
from troth.core.note import COSIGNATURE, Note, VerifierKey, cosign, parse_note, verifier_key
from troth.core.witness import BAD_REQUEST, OK, Answer, Declined, Request, judge, parse_request

_BUSY_SECONDS: Final = 10.0
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, note BLOB NOT NULL) STRICT"


def seconds() -> int:
    """Now, in seconds of POSIX time."""
    return int(time.time())


class Witness:
    """A witness with its name, key, state and the logs that it knows. Use it in a ``with``."""

    def __init__(self, state: Path, name: str, key: Ed25519PrivateKey, logs: Iterable[VerifierKey]) -> None:
        """Open the state, made if it is not there.

        Raises:
            Unavailable: storage failed.
        """
        self.key = verifier_key(key, name, COSIGNATURE)
        self.now: Callable[[], int] = seconds
        self._private = key
        self._path = state
        self._logs: dict[str, list[VerifierKey]] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
        self._stopped = False
        self._one = threading.Lock()
        try:
            state.touch(0o600)
            self._connection = sqlite3.connect(
                state, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A rollback journal, not a WAL: every commit is one flush more, but any number of processes may write.
            self._connection.execute("PRAGMA synchronous = EXTRA")
            self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unavailable(error) from None

    def close(self) -> None:
        """Close the state."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def logs(self) -> list[str]:
        """The origins of the logs that it knows."""
        return list(self._logs)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer an add-checkpoint request.

        Raises:
            Unavailable: storage failed; from then on nothing is cosigned.
        """
        try:
            request = parse_request(body)
        except BadInput as error:
            return Answer(BAD_REQUEST, f"{error.message}\n".encode())
        try:
            return self._cosign(request)
        except Declined as declined:
            return declined.answer

    def _cosign(self, request: Request) -> Answer:
        origin = request.checkpoint.origin
        keys = self._logs.get(origin, [])
        # The lock is for threads of this process, the transaction for other processes.
        with self._one, self._transaction():
            judge(request, keys, self._last(origin))
            signature = cosign(request.note.text, self.key.name, self._private, self.now())
            trusted = {(key.name, key.id) for key in keys}
            ours = [one for one in request.note.signatures if (one.name, one.id) in trusted]
            kept = Note(request.note.text, (*ours, signature))
            self._connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (origin, kept.write()))
        # Only now is it durable.
        return Answer(OK, signature.line().encode())

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The last checkpoint that was cosigned of a log, by the SHA-256 (hex) of its origin; None: of none.

        Raises:
            Unavailable: storage failed.
        """
        for origin in self._logs:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                return self.seen(origin)
        return None

    def seen(self, origin: str) -> bytes | None:
        """The last checkpoint that was cosigned of a log, with its signatures.

        Raises:
            Unavailable: storage failed.
        """
        try:
            row = self._connection.execute("SELECT note FROM seen WHERE origin = ?", (origin,)).fetchone()
        except sqlite3.Error as error:
            raise self._unavailable(error) from None
        return None if row is None else bytes(row[0])

    def _last(self, origin: str) -> Checkpoint | None:
        data = self.seen(origin)
        try:
            return None if data is None else parse_checkpoint(parse_note(data).text)
        except BadInput:
            raise Corrupt(
                f"what was seen of {origin} cannot be read",
                place=Place(str(self._path)),
                remedy="restore it from a backup; a witness that forgets must not go on under its old key",
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._stopped:
            raise self._unavailable(sqlite3.OperationalError("an earlier write failed"))
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._stopped = True
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"storage failed: {error}",
            place=Place(str(self._path)),
            remedy="check space, permissions and the disk, then start the witness again",
        )
