"""DuckDB, the embedded engine: one connection with the limits asked for."""

from __future__ import annotations

import glob
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from troth.core.errors import BadInput, Corrupt, Place, TrothError, Unavailable
from troth.gate import spark
from troth.gate.sources import parquet_files
from troth.gate.tables import Copy, Pinned


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


def read_parquet(
    source: str | Path | Sequence[Path], threads: int | None = None, memory: str | None = None
) -> ir.Table:
    """Parquet files as an Ibis table: of a path or pattern (see ``parquet_files``), or just those named.

    Columns are matched by name, those that a file lacks are null; names of folders say nothing of the rows.

    Raises:
        BadInput: no such file, or no Parquet.
    """
    files = parquet_files(source) if isinstance(source, str | Path) else list(source)
    literal = [glob.escape(str(file.absolute())) for file in files]
    try:
        return connect(threads, memory).read_parquet(literal, hive_partitioning=False, union_by_name=True)
    except duckdb.Error as error:
        raise _explained(str(source if isinstance(source, str | Path) else files[0]), error) from None


def read_dataset(rows: ds.Dataset, threads: int | None = None, memory: str | None = None) -> ir.Table:
    """An Arrow dataset as an Ibis table, read anew and as far as needed each time."""
    backend = connect(threads, memory)
    view = ibis.util.gen_name("dataset")
    backend.con.register(view, rows)
    return backend.table(view)


def read_pinned(pinned: Pinned, threads: int | None = None, memory: str | None = None) -> ir.Table:
    """A table elsewhere that was pinned, as an Ibis table."""
    if not isinstance(pinned.rows, Copy):
        return read_dataset(pinned.rows, threads, memory)
    table = read_parquet([pinned.rows.path], threads, memory)
    # Tables are computed when they are asked for: the copy stays as long as one rests on it.
    weakref.finalize(table.op(), pinned.rows.keep)
    return table


PLACE: Final = "place"
"""The column that ``numbered`` adds: an integer that no two rows share."""

_ROWS_PER_FILE: Final = 40  # bits
_GET_ANEW: Final = "get the file anew"


def numbered(
    files: Sequence[Path], columns: Sequence[str], threads: int | None = None, memory: str | None = None
) -> ir.Table:
    """Some columns of Parquet files, as far as these have them, and the place of each row.

    With it, rows that were chosen by narrow columns can be found again for their wide ones, as long as the
    files stay as they are.

    Raises:
        BadInput: no such file, or no Parquet.
    """
    there = [name for name in read_parquet(files, threads, memory).columns if name in columns]
    named = ", ".join(f"'{_literal(file)}'" for file in files)
    quoted = "".join(f'"{name}", ' for name in there)
    backend = connect(threads, memory)
    # A view, as Ibis makes for ``read_parquet``: its ``sql`` calls a method that DuckDB 2.0 no longer has.
    view = ibis.util.gen_name("numbered")
    backend.con.execute(
        f"CREATE TEMP VIEW {view} AS "  # noqa: S608 - own names, quoted paths
        f"SELECT {quoted}(file_index::BIGINT << {_ROWS_PER_FILE}) + file_row_number AS {PLACE} "
        f"FROM read_parquet([{named}], hive_partitioning = false, union_by_name = true)"
    )
    return backend.table(view)


def _literal(file: Path) -> str:
    return glob.escape(str(file.absolute())).replace("'", "''")


def batches(table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a table as Arrow batches, without holding them all.

    Ibis 12.0.0 calls a method for this that DuckDB 2.0 no longer has (mended upstream in
    ibis-project/ibis#12001), so the SQL is handed to DuckDB here.
    """
    backend = table.get_backend()
    if not isinstance(backend, Backend):
        spread = spark.batches(table, rows) if backend.name == "pyspark" else None
        yield from spread or table.to_pyarrow_batches(chunk_size=rows)
        return
    # Registers the in-memory tables that the expression rests on.
    backend._run_pre_execute_hooks(table)
    yield from backend.con.sql(backend.compile(table)).to_arrow_reader(rows)


@contextmanager
def damage_named(files: Iterable[Path], *, own: bool) -> Iterator[None]:
    """Name the file, where an error of the engine comes from a damaged one.

    Args:
        files: what was read.
        own: whether they are a home's own (then a backup helps), or somebody's input.

    Raises:
        BadInput: an input is damaged.
        Corrupt: a file of the home is damaged.
    """
    try:
        yield
    except duckdb.Error as error:
        for file in files:
            if _is_damaged(file):
                kind, remedy = (
                    (Corrupt, "restore the records from a backup") if own else (BadInput, _GET_ANEW)
                )
                raise kind("this Parquet file is damaged", place=Place(str(file)), remedy=remedy) from None
        raise error from None


def _is_damaged(file: Path) -> bool:
    try:
        with pq.ParquetFile(file) as parquet:
            for _ in parquet.iter_batches():
                pass
    except (pa.ArrowException, OSError):
        return True
    return False


def _explained(path: str, error: duckdb.Error) -> TrothError:
    """What an engine's error on reading files means to a user."""
    text = str(error).splitlines()[0]
    if "No files found" in text:
        return BadInput("no file matches", place=Place(path), remedy="check the path or pattern")
    if "IO Error" in text or "Invalid Input" in text:
        return BadInput(f"is no Parquet that can be read: {text}", place=Place(path), remedy=_GET_ANEW)
    return Unavailable(text, place=Place(path))
