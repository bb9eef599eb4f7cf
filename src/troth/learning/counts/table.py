"""The table of a counts model: sorted grams, and how many grams there are up to each of them.

One Arrow file (IPC, uncompressed, mapped into memory). ``upto`` holds running sums, so that the count of any
range of grams, and so of any shorter gram, is one subtraction: count = upto of its last row less upto before its
first. All numbers are unsigned 64-bit integers; the meaning of a table is the same whatever wrote it:

    digest = SHA-256("troth/counts/v1" NUL ‖ order, rows as 8 bytes little-endian ‖ grams ‖ upto, little-endian)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from troth.core.errors import Conflict, Corrupt, Place
from troth.learning.counts.grams import Numbers

NAME: Final = "grams.arrow"
SCHEMA: Final = pa.schema(
    [pa.field("gram", pa.uint64(), nullable=False), pa.field("upto", pa.uint64(), nullable=False)]
)
_COUNTED: Final = pa.schema([("gram", pa.uint64()), ("n", pa.uint64())])
_LABEL: Final = b"troth/counts/v1\0"
_BATCH: Final = 1 << 20
_RUN: Final = 1 << 26
"""Grams that are sorted at a time: half a gigabyte of them."""

_TO_64: Final = "<u8"


@dataclass(frozen=True, slots=True)
class Table:
    """Grams in ascending order, each once, and running sums of their counts; ``order`` bytes in a gram."""

    order: int
    grams: Numbers
    upto: Numbers

    @property
    def counts(self) -> Numbers:
        """The count of each gram."""
        return np.diff(self.upto, prepend=np.uint64(0))

    def digest(self) -> str:
        """SHA-256 (hex) of what the table means."""
        found = hashlib.sha256(_LABEL)
        found.update(np.array([self.order, len(self.grams)], _TO_64).tobytes())
        for column in (self.grams, self.upto):
            found.update(np.ascontiguousarray(column.astype(_TO_64, copy=False)).data)
        return found.hexdigest()


def counted(order: int, grams: Iterable[Numbers], spill: Path) -> Table:
    """Count grams: sorted in memory, some ten million at a time.

    Where they are more, the embedded engine adds the sorted runs up; it spills to a folder what memory cannot hold.
    """
    runs = _runs(order, grams)
    first = next(runs, None) or _table(order, np.empty(0, np.uint64), np.empty(0, np.uint64))
    second = next(runs, None)
    if second is None:
        return first
    batches = (one for run in chain((first, second), runs) for one in _batches(run))
    reader = pa.RecordBatchReader.from_batches(_COUNTED, batches)
    with duckdb.connect(config={"temp_directory": str(spill), "preserve_insertion_order": False}) as engine:
        engine.register("runs", reader)
        answer = engine.sql("SELECT gram, sum(n)::UBIGINT AS n FROM runs GROUP BY gram ORDER BY gram")
        found = answer.to_arrow_table()
    return _table(order, _numbers(found["gram"]), _numbers(found["n"]))


def _runs(order: int, grams: Iterable[Numbers]) -> Iterator[Table]:
    """Grams sorted and counted, at most about ``_RUN`` of them at a time."""
    kept: list[Numbers] = []
    size = 0
    for chunk in grams:
        if kept and size + len(chunk) > _RUN:
            yield _sorted(order, kept)
            kept, size = [], 0
        kept.append(chunk)
        size += len(chunk)
    if size:
        yield _sorted(order, kept)


def _sorted(order: int, chunks: list[Numbers]) -> Table:
    values = np.concatenate(chunks)
    chunks.clear()  # so that they are not in memory twice
    values.sort()
    is_new = np.empty(len(values), bool)
    is_new[0] = True
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    starts = np.flatnonzero(is_new)
    return Table(order, values[starts], np.append(starts[1:], len(values)).astype(np.uint64))


def _batches(run: Table) -> Iterator[pa.RecordBatch]:
    counts = run.counts
    for start in range(0, len(counts), _BATCH):
        stop = start + _BATCH
        columns = [pa.array(run.grams[start:stop]), pa.array(counts[start:stop])]
        yield pa.record_batch(columns, schema=_COUNTED)


def counted_small(order: int, grams: Sequence[Numbers]) -> Table:
    """As ``counted`` for a few records."""
    if not any(map(len, grams)):
        return _table(order, np.empty(0, np.uint64), np.empty(0, np.uint64))
    return _sorted(order, list(grams))


def _table(order: int, grams: Numbers, counts: Numbers) -> Table:
    return Table(order, grams, np.cumsum(counts, dtype=np.uint64))


def _numbers(column: pa.ChunkedArray) -> Numbers:
    # One chunk is taken as it lies, perhaps on disk.
    values = column.chunk(0) if column.num_chunks == 1 else column
    found: Numbers = values.to_numpy().astype(np.uint64, copy=False)
    return found


def less(table: Table, differences: Iterable[Table]) -> Table:
    """A table without the counts of others, exactly; grams that are left without any count go.

    Raises:
        Conflict: more would be taken than is there: the differences are not of this table.
    """
    counts = table.counts.copy()
    for one in differences:
        places = np.searchsorted(table.grams, one.grams)
        there = places < len(table.grams)
        if one.order != table.order or not np.array_equal(table.grams[places[there]], one.grams):
            raise _not_of_this()
        if np.any(counts[places] < one.counts):
            raise _not_of_this()
        counts[places] -= one.counts
    kept = counts > 0
    return _table(table.order, table.grams[kept], counts[kept])


def _not_of_this() -> Conflict:
    return Conflict("the records to take out were never counted in this table", remedy="train the model anew")


def summed(tables: Sequence[Table], differences: Sequence[Table] = ()) -> Table:
    """The sum of tables, less differences."""
    if len(tables) == 1:
        return less(tables[0], differences)
    grams = np.concatenate([one.grams for one in tables])
    counts = np.concatenate([one.counts for one in tables])
    order = np.argsort(grams, kind="stable")
    grams, counts = grams[order], counts[order]
    starts = np.flatnonzero(np.diff(grams, prepend=~grams[:1])) if len(grams) else np.empty(0, np.intp)
    added = np.add.reduceat(counts, starts) if len(grams) else counts
    return less(_table(tables[0].order, grams[starts], added), differences)


def write(table: Table, folder: Path) -> None:
    """Write a table into a folder."""
    schema = SCHEMA.with_metadata({"troth": "counts/v1", "order": str(table.order)})
    batch = pa.record_batch([pa.array(table.grams), pa.array(table.upto)], schema=schema)
    with pa.OSFile(str(folder / NAME), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(batch)


def read(folder: Path) -> Table:
    """Open a table; its columns stay on disk until they are looked at.

    Raises:
        Corrupt: it is missing or cannot be read.
    """
    path = folder / NAME
    try:
        with pa.memory_map(str(path)) as file:
            found = pa.ipc.open_file(file).read_all()
        order = int((found.schema.metadata or {})[b"order"])
        if not found.schema.equals(SCHEMA):
            raise ValueError
    except (OSError, pa.ArrowInvalid, ValueError, KeyError) as error:
        raise Corrupt(
            f"the counts cannot be read ({type(error).__name__})",
            place=Place(str(path)),
            remedy="restore the model, or train it anew",
        ) from None
    grams, upto = (_numbers(found[name]) for name in ("gram", "upto"))
    return Table(order, grams, upto)
