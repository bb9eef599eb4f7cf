"""Deletions: a stored record keeps its id, parties and dates, and loses its words.

The gate must see that it was deleted, and when, so the row stays; its title and body go at once, and its salt
is drawn anew, so that nothing kept leads back to rows that were sealed of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.core.entries import SALT_BYTES
from troth.intake.parts import RECORD_SCHEMA, part_paths, storage_errors, sync_folder
from troth.intake.parts import write_durably as write
from troth.intake.records import locked


def delete_records(folder: Path, deleted: Mapping[str, int]) -> int:
    """Mark records as deleted, each at its instant (microseconds UTC), and forget their words.

    A record that was deleted before keeps its earlier instant. Each part is replaced whole or not at all;
    repeating a deletion changes nothing.

    Returns:
        How many of the ids were found.

    Raises:
        Unavailable: an import is writing, or storage failed.
    """
    found = 0
    with locked(folder), storage_errors(folder):
        for path in part_paths(folder):
            ids = pq.read_table(path, columns=["id"]).column("id")
            touched = pc.is_in(ids, pa.array(list(deleted), pa.string()))
            count = pc.sum(touched).as_py() or 0
            if count:
                found += count
                _rewrite(path, deleted)
        sync_folder(folder)
    return found


def _rewrite(path: Path, deleted: Mapping[str, int]) -> None:
    table = pq.read_table(path, schema=RECORD_SCHEMA)
    ids = table.column("id").to_pylist()
    hit = [name in deleted for name in ids]
    mask = pa.array(hit)
    before = table.column("deleted_at").to_pylist()
    instants = [_earlier(old, deleted.get(name)) for old, name in zip(before, ids, strict=True)]
    salts = [
        secrets.token_bytes(SALT_BYTES) if gone else salt
        for gone, salt in zip(hit, table.column("salt").to_pylist(), strict=True)
    ]
    columns = {
        "deleted_at": pa.array(instants, pa.int64()),
        "title": pc.if_else(mask, pa.scalar(None, pa.string()), table.column("title")),
        "body": pc.if_else(mask, pa.scalar(None, pa.string()), table.column("body")),
        "salt": pa.array(salts, pa.binary()),
    }
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, RECORD_SCHEMA.field(name), column)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(table, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _earlier(old: int | None, new: int | None) -> int | None:
    known = [one for one in (old, new) if one is not None]
    return min(known, default=None)
