"""Narrow tables of two-party records for runs that are larger than memory: many files, no bodies.

``python -m bench.scale_data FOLDER RECORDS MEMBERS`` writes what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from bench.world import MESSAGES
from troth_network import bulk

ROWS: Final = 40 * bulk.BATCH
"""Records in one file: 5,242,880."""

COLUMNS: Final = ("id", "category", "created_at", "author", "addressees")


def files(folder: Path, records: int, members: int) -> list[Path]:
    """The files of a table of so many records (rounded up to whole files), made if they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(-(-records // ROWS)):
        path = folder / f"narrow-{members}-{number:03}.parquet"
        if not path.exists():
            making = path.with_suffix(".making")
            _write(making, number, members)
            making.rename(path)
        found.append(path)
    return found


def _write(path: Path, number: int, members: int) -> None:
    writer: pq.ParquetWriter | None = None
    for batch in _batches(number, members):
        writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def _batches(number: int, members: int) -> Iterator[pa.RecordBatch]:
    """The rows [number * ROWS, (number + 1) * ROWS): every value is a hash of its row, so a slice stands for itself."""
    yield from (
        batch.select(COLUMNS)
        for batch in bulk.record_batches(
            ROWS, members, seed=1, body_bytes=16, mix=MESSAGES, first=number * ROWS
        )
    )


if __name__ == "__main__":
    files(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
