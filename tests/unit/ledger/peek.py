"""Looking at, and tampering with, a ledger's file past the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def peek(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, read past the store."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody would who has no business there."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def raw_bytes(path: Path) -> bytes:
    """All that lies on disk: the file, its write-ahead log and its index."""
    parts = [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]
    return b"".join(part.read_bytes() for part in parts if part.exists())
