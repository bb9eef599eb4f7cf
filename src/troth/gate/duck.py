"""DuckDB, the embedded engine: one connection with the limits asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from troth.core.errors import BadInput, Place, TrothError, Unavailable


@cache
def connect(threads: int | None = None, memory: str | None = None) -> Backend:
    """The connection of this process for these limits; ``memory`` as DuckDB writes it, such as ``4GB``.

    Nothing is fetched from outside: extensions are neither installed nor loaded by themselves.
    """
    settings: dict[str, str | int | bool] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if threads is not None:
        settings["threads"] = threads
    if memory is not None:
        settings["memory_limit"] = memory
    return ibis.duckdb.connect(**settings)


def read_parquet(pattern: str, threads: int | None = None, memory: str | None = None) -> ir.Table:
    """Parquet files of a path or pattern as an Ibis table.

    Raises:
        BadInput: no such file, or no Parquet.
    """
    try:
        return connect(threads, memory).read_parquet(pattern)
    except duckdb.Error as error:
        raise _explained(pattern, error) from None


def batches(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a table as Arrow batches, without holding them all.

    Ibis 12.0.0 calls a method for this that DuckDB 2.0 no longer has (mended upstream in
    ibis-project/ibis#12001), so the SQL is handed to DuckDB here.
    """
    backend = table.get_backend()
    if not isinstance(backend, Backend):
        yield from table.to_pyarrow_batches(chunk_size=rows)
        return
    # Registers the in-memory tables that the expression rests on.
    backend._run_pre_execute_hooks(table)
    yield from backend.con.sql(backend.compile(table)).to_arrow_reader(rows)


def _explained(path: str, error: duckdb.Error) -> TrothError:
    """What an engine's error on reading files means to a user."""
    text = str(error).splitlines()[0]
    if "No files found" in text:
        return BadInput("no file matches", place=Place(path), remedy="check the path or pattern")
    if "IO Error" in text or "Invalid Input" in text:
        return BadInput(f"is no Parquet that can be read: {text}", place=Place(path))
    return Unavailable(text, place=Place(path))
