"""Where tables go: Delta, Iceberg, PostgreSQL, Parquet in an object store.

``write`` makes a table or replaces all its rows, whole or not at all; ``merge`` changes some rows of one, by a
key, in one commit of the table. Readers see the table before or after, never in between.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.core.errors import BadInput, Place
from troth.gate import drivers
from troth.gate.addresses import Delta, Iceberg, Objects, Postgres, read_address

GONE: Final = "gone"
"""Of ``merge``: the column that says of a key that its row goes."""

_CHUNK: Final = 10_000  # keys of one condition for Iceberg


@dataclass(frozen=True, slots=True)
class Sunk:
    """What was written: where, without credentials; how many rows; the version or snapshot that came of it, if any."""

    name: str
    rows: int
    version: int | None


def write(target: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Sunk:
    """Make a table of these rows, or replace all rows of the one that is there.

    Args:
        target: its name; see ``troth.gate.addresses``.
        batches: the rows; read once.
        schema: their columns; those of a table that is there stay as they are, and have to fit.

    Raises:
        BadInput: the name is of no form that can be written, or the table there has other columns.
        Unavailable: a library is not installed, or the store does not answer.
    """
    address = read_address(target)
    counted = _Counted(batches)
    reader = pa.RecordBatchReader.from_batches(schema, iter(counted))
    version = None
    match address:
        case Delta():
            version = _write_delta(address, reader)
        case Iceberg():
            version = _write_iceberg(address, reader)
        case Postgres():
            _write_postgres(address, reader)
        case Objects():
            _write_object(address, reader)
    return Sunk(address.shown, counted.rows, version)


def merge(target: str, changes: pa.Table, key: str = "id") -> Sunk:
    """Change some rows of a table in one commit: rows by their key replaced, added, or taken out.

    Args:
        target: the table; it is there. See ``troth.gate.addresses``.
        changes: the table's columns and, if rows go, the boolean column ``gone``; one row for each key.
        key: the column that tells rows apart.

    Raises:
        BadInput: the table is not there or has other columns, or a key is named twice.
        Unavailable: a library is not installed, or the store does not answer.
    """
    address = read_address(target)
    if changes.num_rows != len(changes[key].unique()):
        raise BadInput(f"the changes name a {key} twice", place=Place(address.shown))
    if GONE not in changes.column_names:
        changes = changes.append_column(GONE, pa.repeat(pa.scalar(False), changes.num_rows))
    version = None
    match address:
        case Delta():
            version = _merge_delta(address, changes, key)
        case Iceberg():
            version = _merge_iceberg(address, changes, key)
        case Postgres():
            _merge_postgres(address, changes, key)
        case Objects():
            raise BadInput(
                "is no table that can be changed row by row",
                place=Place(address.shown),
                remedy="name a table of Delta, Iceberg or PostgreSQL",
            )
    return Sunk(address.shown, changes.num_rows, version)


class _Counted:
    """Batches, counted as they pass."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _fits(address: Delta | Iceberg | Postgres, there: Iterable[str], given: Iterable[str]) -> None:
    there, given = set(there), set(given)
    if there != given:
        raise BadInput(
            f"has the columns {', '.join(sorted(there))}; {', '.join(sorted(given))} were to be written",
            place=Place(address.shown),
            remedy="name another table",
        )


# --- Delta


def _write_delta(address: Delta, reader: pa.RecordBatchReader) -> int:
    with drivers.delta(address) as library:
        if library.DeltaTable.is_deltatable(address.path):
            _fits(address, library.DeltaTable(address.path).schema().to_arrow().names, reader.schema.names)
        library.write_deltalake(address.path, reader, mode="overwrite")
        return int(library.DeltaTable(address.path).version())


def _merge_delta(address: Delta, changes: pa.Table, key: str) -> int:
    columns = [name for name in changes.column_names if name != GONE]
    with drivers.delta(address) as library:
        table = library.DeltaTable(address.path)
        _fits(address, table.schema().to_arrow().names, columns)
        values = {f"`{name}`": f"s.`{name}`" for name in columns}
        (
            table.merge(changes, f"t.`{key}` = s.`{key}`", source_alias="s", target_alias="t")
            .when_matched_delete(f"s.{GONE}")
            .when_matched_update(values, predicate=f"NOT s.{GONE}")
            .when_not_matched_insert(values, predicate=f"NOT s.{GONE}")
            .execute()
        )
        return int(table.version())


# --- Iceberg


def _write_iceberg(address: Iceberg, reader: pa.RecordBatchReader) -> int:
    from pyiceberg.expressions import AlwaysTrue

    with drivers.iceberg(address) as catalog:
        namespace, _, _ = address.table.rpartition(".")
        catalog.create_namespace_if_not_exists(namespace)
        made = not catalog.table_exists(address.table)
        if made:
            table = catalog.create_table(address.table, reader.schema)
        else:
            table = catalog.load_table(address.table)
            _fits(address, [one.name for one in table.schema().fields], reader.schema.names)
        try:
            # All of it in one commit; each append adds to what the transaction did before.
            with table.transaction() as change:
                if not made:
                    change.delete(AlwaysTrue())
                for part in _parts(reader):
                    change.append(part)
        except BaseException:
            if made:
                catalog.drop_table(address.table)
            raise
        return _snapshot(catalog.load_table(address.table))


def _merge_iceberg(address: Iceberg, changes: pa.Table, key: str) -> int:
    from pyiceberg.expressions import In

    columns = [name for name in changes.column_names if name != GONE]
    with drivers.iceberg(address) as catalog:
        table = catalog.load_table(address.table)
        _fits(address, [one.name for one in table.schema().fields], columns)
        keys = changes[key].to_pylist()
        stay = changes.filter(pc.invert(changes[GONE])).select(columns)
        with table.transaction() as change:
            for start in range(0, len(keys), _CHUNK):
                change.delete(In(key, keys[start : start + _CHUNK]))
            if stay.num_rows:
                change.append(stay)
        return _snapshot(catalog.load_table(address.table))


def _snapshot(table: Any) -> int:  # noqa: ANN401 - of an extra
    current = table.current_snapshot()
    return 0 if current is None else int(current.snapshot_id)


def _parts(reader: pa.RecordBatchReader, rows: int = 1_000_000) -> Iterator[pa.Table]:
    """Rows in tables of about a million: files of that size come of them, and memory stays bounded."""
    held: list[pa.RecordBatch] = []
    for batch in reader:
        held.append(batch)
        if sum(one.num_rows for one in held) >= rows:
            yield pa.Table.from_batches(held, reader.schema)
            held = []
    if held:
        yield pa.Table.from_batches(held, reader.schema)


# --- PostgreSQL


def _write_postgres(address: Postgres, reader: pa.RecordBatchReader) -> None:
    with drivers.postgres(address) as connection, connection.cursor() as cursor:
        there = drivers.columns(cursor, address)
        if there:
            _fits(address, there, reader.schema.names)
            cursor.execute(f"DELETE FROM {drivers.quoted(address)}")  # noqa: S608 - a quoted name
        mode = "append" if there else "create"
        cursor.adbc_ingest(address.table, reader, mode=mode, db_schema_name=address.schema)
        connection.commit()


def _merge_postgres(address: Postgres, changes: pa.Table, key: str) -> None:
    columns = [name for name in changes.column_names if name != GONE]
    names = ", ".join(drivers.quote(name) for name in columns)
    target, on = drivers.quoted(address), drivers.quote(key)
    with drivers.postgres(address) as connection, connection.cursor() as cursor:
        there = drivers.columns(cursor, address)
        if not there:
            raise BadInput("there is no such table", place=Place(address.shown))
        _fits(address, there, columns)
        cursor.adbc_ingest("troth_changes", changes, mode="create", temporary=True)
        cursor.execute(f"DELETE FROM {target} t USING pg_temp.troth_changes c WHERE t.{on} = c.{on}")  # noqa: S608 - quoted names
        cursor.execute(
            f"INSERT INTO {target} ({names}) SELECT {names} FROM pg_temp.troth_changes WHERE NOT {GONE}"  # noqa: S608 - the same
        )
        cursor.execute("DROP TABLE pg_temp.troth_changes")
        connection.commit()


# --- object stores


def _write_object(address: Objects, reader: pa.RecordBatchReader) -> None:
    if not address.url.endswith(".parquet"):
        raise BadInput(
            "is no name of a file", place=Place(address.shown), remedy="name a file that ends in .parquet"
        )
    with drivers.objects(address) as (filesystem, path), tempfile.TemporaryFile(prefix="troth-") as whole:
        # First all of it here: a store takes what was sent until an error for the whole.
        with pq.ParquetWriter(whole, reader.schema, compression="zstd") as out:
            for batch in reader:
                out.write_batch(batch)
        whole.seek(0)
        try:
            with filesystem.open_output_stream(path) as stream:
                shutil.copyfileobj(whole, stream, 2**22)
        except BaseException:
            with contextlib.suppress(OSError):
                filesystem.delete_file(path)
            raise
