"""Answers of endpoints, kept on disk: what was paid for once is not asked again, and a run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from troth.core.errors import BadInput, Place


class Cache:
    """Answers by the digest of the question. The file is readable by its owner alone: prompts hold marks.

    Raises:
        BadInput: the file is no cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS answers (question BLOB PRIMARY KEY, answer TEXT NOT NULL) STRICT"
            )
        except (OSError, sqlite3.Error) as error:
            raise BadInput(
                f"cannot be used as a cache: {error}",
                place=Place(str(path)),
                remedy="name another file with --cache",
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, question: object) -> Any | None:  # noqa: ANN401 - JSON as it was kept
        """The answer to a question, or None."""
        row = self._connection.execute(
            "SELECT answer FROM answers WHERE question = ?", (_digest(question),)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, question: object, answer: object) -> None:
        """Keep an answer; durable when it returns."""
        self._connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?)", (_digest(question), json.dumps(answer))
        )


def _digest(question: object) -> bytes:
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).digest()
