"""Stored records changed in place: parts are replaced whole or not at all, and repeating a change changes nothing.

Whatever is changed gets a fresh salt, so that nothing kept leads back to rows that were sealed of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.core.entries import SALT_BYTES
from troth.intake.parts import RECORD_SCHEMA, part_paths, storage_errors, sync_folder
from troth.intake.parts import write_durably as write
from troth.intake.records import locked

Stored: TypeAlias = dict[str, Any]
"""A stored record by column."""

Change: TypeAlias = Callable[[Stored], Mapping[str, object]]
"""Takes a stored record; gives the columns that get another value, and nothing for one that stays as it is."""


def change_records(folder: Path, ids: Collection[str], change: Change) -> tuple[int, int]:
    """Change stored records.

    Returns:
        How many of the ids were found, and how many records were changed.

    Raises:
        Unavailable: an import is writing, or storage failed.
    """
    found = changed = 0
    wanted = pa.array(ids, pa.string())
    with locked(folder), storage_errors(folder):
        for path in part_paths(folder):
            touched = pc.is_in(pq.read_table(path, columns=["id"]).column("id"), wanted)
            places = pc.indices_nonzero(touched).to_pylist()
            if places:
                found += len(places)
                changed += _rewrite(path, places, change)
        sync_folder(folder)
    return found, changed


def stored_records(folder: Path, ids: Collection[str]) -> Iterator[Stored]:
    """The stored records with one of these ids, all columns but the salt."""
    wanted = pa.array(ids, pa.string())
    for path in part_paths(folder):
        touched = pc.is_in(pq.read_table(path, columns=["id"]).column("id"), wanted)
        if pc.any(touched).as_py():
            yield from pq.read_table(path).filter(touched).drop_columns("salt").to_pylist()


def ids_by(folder: Path, author: str) -> list[str]:
    """The ids of the stored records that a member wrote."""
    return [
        name
        for path in part_paths(folder)
        for name in pq.read_table(path, columns=["id"], filters=[("author", "=", author)])
        .column("id")
        .to_pylist()
    ]


def _rewrite(path: Path, places: list[int], change: Change) -> int:
    table = pq.read_table(path, schema=RECORD_SCHEMA)
    changes = {}
    for place, row in zip(places, table.take(places).to_pylist(), strict=True):
        new = {name: value for name, value in change(row).items() if row[name] != value}
        if new:
            changes[place] = new | {"salt": secrets.token_bytes(SALT_BYTES)}
    if not changes:
        return 0
    for name in dict.fromkeys(name for new in changes.values() for name in new):
        column = table.column(name).to_pylist()
        for place, new in changes.items():
            column[place] = new.get(name, column[place])
        index = table.schema.get_field_index(name)
        field = RECORD_SCHEMA.field(name)
        table = table.set_column(index, field, pa.array(column, field.type))
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(table, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return len(changes)
