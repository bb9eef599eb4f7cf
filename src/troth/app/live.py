"""Records and deletions from a platform that runs, a few at a time."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence

from troth.app import importing, stored
from troth.app.home import Home, instant_or_now
from troth.core.errors import BadInput
from troth.core.values import format_instant
from troth.core.written import Json


def take_records(home: Home, records: Sequence[Mapping[str, object]]) -> dict[str, Json]:
    """Import records given as plain JSON values with the record columns; known ones count as duplicates.

    Returns:
        The JSON of ``troth import``.
    """
    path = home.path / f".live-{secrets.token_hex(8)}.jsonl"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            for record in records:
                file.write(json.dumps(record) + "\n")
        return importing.tables(home, [path]).as_json() | {"rejects_file": None}
    finally:
        path.unlink(missing_ok=True)


def take_deletions(home: Home, deletions: Sequence[Mapping[str, object]]) -> dict[str, Json]:
    """Mark records as deleted: ``{"id": …, "deleted_at": …}`` each, the instant ISO 8601 or missing (now).

    Returns:
        ``asked`` and ``found``.
    """
    wanted: dict[str, int] = {}
    for index, one in enumerate(deletions):
        name, at = one.get("id"), one.get("deleted_at")
        if (
            not isinstance(name, str)
            or not (at is None or isinstance(at, str))
            or set(one) - {"id", "deleted_at"}
        ):
            raise BadInput(
                f"deletion {index}: expected an id and perhaps deleted_at",
                remedy='write {"id": "m1", "deleted_at": "2025-01-21T00:00:00Z"}',
            )
        wanted[name] = instant_or_now(at)
    found = stored.delete(home, wanted)
    return {
        "asked": len(wanted),
        "found": found,
        "latest": format_instant(max(wanted.values())) if wanted else None,
    }
