"""Deletions: a stored record keeps its id, parties and dates, and loses its words.

The gate must see that it was deleted, and when, so the row stays; its title and body go at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from troth.intake.changing import Stored, change_records


def delete_records(folder: Path, deleted: Mapping[str, int]) -> int:
    """Mark records as deleted, each at its instant (microseconds UTC), and forget their words.

    A record that was deleted before keeps its earlier instant. Repeating a deletion changes nothing.

    Returns:
        How many of the ids were found.

    Raises:
        Unavailable: an import is writing, or storage failed.
    """

    def change(row: Stored) -> dict[str, object]:
        return {"deleted_at": _earlier(row["deleted_at"], deleted[row["id"]]), "title": None, "body": None}

    return change_records(folder, deleted, change)[0]


def _earlier(old: int | None, new: int) -> int:
    return new if old is None else min(old, new)
