"""The records of one member, found in the parts of a record store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from troth.core.errors import Corrupt, Place
from troth.core.values import Record

_COLUMNS = "id, category, created_at, deleted_at, author, addressees, topics, conversation, title, body"
_THEIRS = "(author = $2 OR list_contains(addressees, $2))"


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored record with its words."""

    record: Record
    conversation: str | None
    title: str | None
    body: str | None


def find_theirs(
    paths: Sequence[Path], subject: str, *, category: str = "", skip: int = 0, limit: int | None = None
) -> list[Kept]:
    """The records that a member wrote or was sent, newest first.

    Args:
        paths: the parts.
        subject: the member.
        category: only records of this category and below it; empty: all.
        skip: leave out so many.
        limit: at most so many; None: all.

    Raises:
        Corrupt: a part cannot be read.
    """
    below = "" if not category else " AND (category = $3 OR starts_with(category, $3 || '.'))"
    values: list[Any] = [[str(path) for path in paths], subject]
    values += [category] if category else []
    rows = _ask(
        paths,
        f"SELECT {_COLUMNS} FROM read_parquet($1) WHERE {_THEIRS}{below}"  # noqa: S608 - own names
        f" ORDER BY created_at DESC NULLS LAST, id LIMIT {2**40 if limit is None else int(limit)} OFFSET {int(skip)}",
        values,
    )
    return [_kept(row) for row in rows]


def find_one(paths: Sequence[Path], subject: str, name: str) -> Kept | None:
    """One of a member's records; None where there is none, and where it is somebody else's."""
    rows = _ask(
        paths,
        f"SELECT {_COLUMNS} FROM read_parquet($1) WHERE id = $3 AND {_THEIRS} LIMIT 1",  # noqa: S608 - own names
        [[str(path) for path in paths], subject, name],
    )
    return _kept(rows[0]) if rows else None


def count_rows_of(paths: Sequence[Path], subject: str) -> int:
    """How many rows of Parquet files with the record columns belong to a member."""
    rows = _ask(
        paths,
        f"SELECT count(*) FROM read_parquet($1) WHERE {_THEIRS}",  # noqa: S608 - own names
        [[str(path) for path in paths], subject],
    )
    return int(rows[0][0]) if rows else 0


def count_theirs(paths: Sequence[Path], subject: str) -> dict[str, int]:
    """How many records a member is a party of, by category."""
    rows = _ask(
        paths,
        f"SELECT category, count(*) FROM read_parquet($1) WHERE {_THEIRS} GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608 - own names
        [[str(path) for path in paths], subject],
    )
    return {str(category): int(count) for category, count in rows}


def _ask(paths: Sequence[Path], query: str, values: list[Any]) -> list[tuple[Any, ...]]:
    if not paths:
        return []
    try:
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            return connection.execute(query, values).fetchall()
    except duckdb.Error as error:
        raise Corrupt(
            f"the records cannot be read ({type(error).__name__})",
            place=Place(str(paths[0].parent)),
            remedy="restore the records from a backup",
        ) from None


def _kept(row: tuple[Any, ...]) -> Kept:
    name, category, created, deleted, author, addressees, topics, conversation, title, body = row
    record = Record(
        id=name,
        category=category,
        created_at=created,
        deleted_at=deleted,
        author=author,
        addressees=tuple(one or "" for one in addressees or ()),
        topics=tuple(one for one in topics or () if one is not None),
    )
    return Kept(record, conversation, title, body)
