"""What binds records that come from nowhere with a history of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import ibis

from troth.core.rows import FIELDS, LISTS
from troth.gate.gate import open_records


def rows_digest(file: Path) -> str:
    """The SHA-256, in hex, of a file of records, whatever their order: what a table that keeps no history was.

    Of the lines that each record comes to, in the order of their bytes: the SHA-256 in hex of the canonical bytes
    of its row (``troth.core.rows``), followed by ``deleted_at`` and ``salt`` in hex as further texts.
    """
    # A connection of its own: another thread is reading from the one that the process shares.
    backend = ibis.duckdb.connect(autoinstall_known_extensions=False, autoload_known_extensions=False)
    table = open_records(backend.read_parquet(str(file), hive_partitioning=False))
    given = [name for name in (*FIELDS, "deleted_at", "salt") if name in table.columns]
    sources = {
        name: f'hex("{name}")' if name == "salt" else f'"{name}"::VARCHAR'
        for name in given
        if name not in LISTS
    }
    sources = {name: f"coalesce(strlen({text}) || ':' || {text}, '-')" for name, text in sources.items()}
    each = "list_transform({0}, lambda one: coalesce(strlen(one) || ':' || one, '-'))"
    listed = "coalesce('[' || len({0}) || ':' || array_to_string(" + each + ", ''), '-')"
    sources |= {name: listed.format(f'"{name}"') for name in LISTS}
    row = " || ".join(sources.get(name, "'-'") for name in (*FIELDS, "deleted_at", "salt"))
    query = backend.compile(table.select(*given))
    hashed = f"SELECT sha256('troth/row/v1' || chr(0) || {row}) AS line FROM ({query}) ORDER BY line"  # noqa: S608 - own names
    sha = hashlib.sha256()
    for batch in backend.con.sql(hashed).to_arrow_reader(1 << 16):
        sha.update("".join(f"{one}\n" for one in batch["line"].to_pylist()).encode())
    return sha.hexdigest()
