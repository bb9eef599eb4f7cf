"""The Parquet parts of a record store: how one is written, and what is found in them by id."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from troth.core.entries import SALT_BYTES
from troth.core.errors import Corrupt, Place, Unavailable
from troth.intake.rows import CONTENT, Row, Where

RECORD_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("created_at", pa.int64()),
        pa.field("deleted_at", pa.int64()),
        pa.field("author", pa.string()),
        pa.field("addressees", pa.list_(pa.string()), nullable=False),
        pa.field("topics", pa.list_(pa.string()), nullable=False),
        pa.field("conversation", pa.string()),
        pa.field("title", pa.string()),
        pa.field("body", pa.string()),
        pa.field("salt", pa.binary(), nullable=False),
    ]
)
"""The columns of a stored record; instants in microseconds UTC, the salt 32 random bytes."""

_PART: Final = re.compile(r"part-(\d{6,})\.parquet")
_REPEATING: Final = ["category", "author", "addressees.list.element", "topics.list.element", "conversation"]


def part_paths(folder: Path) -> list[Path]:
    """The whole parts of a store, in the order in which they were written."""
    return [path for _, path in sorted(_numbered(folder))]


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    return [(int(found[1]), path) for path in folder.iterdir() if (found := _PART.fullmatch(path.name))]


def write_part(folder: Path, rows: Sequence[Row], draw: Callable[[int], bytes]) -> Path:
    """Write rows as the next part, with fresh salts. The rename is the point at which they are stored.

    Raises:
        Unavailable: storage failed. The part is there whole or not at all.
    """
    columns: dict[str, list[object]] = {
        name: [getattr(row, name) for row in rows] for name in ("id", *CONTENT)
    }
    columns["salt"] = [draw(SALT_BYTES) for _ in rows]
    table = pa.table(columns, schema=RECORD_SCHEMA)
    numbers = [number for number, _ in _numbered(folder)]
    path = folder / f"part-{max(numbers, default=0) + 1:06}.parquet"
    temporary = folder / f".{path.name}.tmp"
    with storage_errors(folder):
        try:
            write_durably(table, temporary)
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(folder)
    return path


def write_durably(table: pa.Table, path: Path) -> None:
    """Write a new file, readable by its owner alone, and have the disk keep it."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        pq.write_table(table, file, compression="zstd", use_dictionary=_REPEATING, write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Remove what an import that was killed had not finished. Only for the holder of the lock."""
    for path in folder.glob(".part-*.parquet.tmp"):
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn errors of storage into Unavailable."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"storage failed: {error.strerror or error}",
            place=Place(str(folder)),
            remedy="check space, permissions and the disk, then import again; what is stored is recognised",
        ) from None


def count_rows(paths: Sequence[Path]) -> int:
    """The number of rows in parts.

    Raises:
        Corrupt: a part cannot be read.
    """
    total = 0
    for path in paths:
        try:
            total += pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, error) from None
    return total


def find_rows(paths: Sequence[Path], ids: Collection[str]) -> dict[str, Row]:
    """The stored rows with one of these ids. Bodies are read only in the parts that hold one.

    Raises:
        Corrupt: a part cannot be read.
    """
    if not paths or not ids:
        return {}
    with duckdb.connect(":memory:") as connection:
        connection.register("asked", pa.table({"id": pa.array(ids, pa.string())}))
        try:
            holding = connection.execute(
                "SELECT DISTINCT filename FROM read_parquet($1, filename = true) SEMI JOIN asked USING (id)",
                [[escaped(path) for path in paths]],
            ).fetchall()
            if not holding:
                return {}
            found = connection.execute(
                f"SELECT id, {', '.join(CONTENT)} FROM read_parquet($1) SEMI JOIN asked USING (id)",  # noqa: S608 - own names
                [[escaped(Path(name)) for (name,) in holding]],
            )
            return {row.id: row for row in _rows(found)}
        except duckdb.Error as error:
            raise _corrupt(paths[0].parent, error) from None


def _rows(found: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    stored = Where("the record store")
    while batch := found.fetchmany(1000):
        for values in batch:
            named = dict(zip(("id", *CONTENT), values, strict=True))
            named["addressees"], named["topics"] = tuple(named["addressees"]), tuple(named["topics"])
            yield Row(where=stored, **named)


def escaped(path: Path) -> str:
    """A path as DuckDB's file patterns read it literally."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _corrupt(path: Path, error: Exception) -> Corrupt:
    return Corrupt(
        f"the record store cannot be read ({type(error).__name__})",
        place=Place(str(path)),
        remedy="restore the records from a backup",
    )
