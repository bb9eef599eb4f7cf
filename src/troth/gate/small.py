"""The small tables of a decision: made row by row, held in memory while they are small and in a file when not."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

KINDS: Final = pa.schema([("key", pa.string()), ("kind", pa.int32()), ("mode", pa.int32())])
SPANS: Final = pa.schema(
    [("subject", pa.string()), ("start", pa.int64()), ("stop", pa.int64()), ("cohort", pa.int32())]
)
WINDOWS: Final = pa.schema(
    [
        ("cohort", pa.int32()),
        ("kind", pa.int32()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("code", pa.int32()),
    ]
)

Rows: TypeAlias = Iterable[tuple[object, ...]]
Held: TypeAlias = "pa.Table | Path | ir.Table"
"""A small table: in memory, in a Parquet file, or as the engine sees it."""

_BATCH: Final = 200_000
SPILL_ROWS: Final = 1_000_000
"""A table with more rows goes to a file, where there is a folder for it: about 40 MB of spans."""


def in_batches(rows: Rows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as Arrow batches, so that a million of them don't stand in memory as tuples; at least one batch."""
    chunk: list[tuple[object, ...]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) >= _BATCH:
            yield _batch(chunk, schema)
            chunk = []
    yield _batch(chunk, schema)


def in_memory(rows: Rows, schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    return pa.Table.from_batches(in_batches(rows, schema), schema)


def held(rows: Rows, schema: pa.Schema, folder: Path | None, name: str) -> pa.Table | Path:
    """Rows as an Arrow table, or, if they are many, as a private Parquet file in a folder."""
    first: list[pa.RecordBatch] = []
    number = 0
    coming = in_batches(rows, schema)
    for batch in coming:
        first.append(batch)
        number += len(batch)
        if folder is not None and number > SPILL_ROWS:
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / f"{name}.parquet"
            write_private(path, schema, chain(first, coming))
            return path
    return pa.Table.from_batches(first, schema)


def write_private(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches to a new file that its owner alone can read; how many rows there were."""
    rows = 0
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, pq.ParquetWriter(file, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += len(batch)
    return rows


def ask(query: str, values: Sequence[object] = (), **tables: pa.Table) -> pa.Table:
    """The answer to a query about small tables, by an engine of its own; ``file_of`` names files in it."""
    with duckdb.connect(":memory:") as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(query, params=list(values)).to_arrow_table()


def file_of(path: Path) -> str:
    """A Parquet file as a table of a query."""
    quoted = str(path.absolute()).replace("'", "''")
    return f"read_parquet(['{glob.escape(quoted)}'])"


def beside(table: Held, records: ir.Table) -> ir.Table:
    """A small table on the engine that holds the records."""
    if isinstance(table, pa.Table):
        return ibis.memtable(table)
    if not isinstance(table, Path):
        return table
    backend = records.get_backend()
    if backend.name != "pyspark":
        return backend.read_parquet([glob.escape(str(table.absolute()))], hive_partitioning=False)
    view = ibis.util.gen_name("small")
    backend._session.read.parquet(str(table.absolute())).createOrReplaceTempView(view)
    return backend.table(view)


def _batch(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
