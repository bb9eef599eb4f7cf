"""The data files of a release: Parquet out, and on the way digests, leaves and parties."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.core.manifest import File
from troth.core.rows import ROW_SALT_BYTES
from troth.release.columns import BATCH_ROWS, DATA, Parties, data_columns, record_salts
from troth.release.folder import NewFile
from troth.release.leaves import derive_row_salts, leaves_of, unpacked

PART_ROWS: Final = 4_000_000
"""A data file is closed at this many rows or a few more."""

_GROUP_ROWS: Final = 8 * BATCH_ROWS
_SYNC_BYTES: Final = 1 << 26
"""So much of a data file goes to the disk while the rest is made."""

# Only where values repeat: elsewhere a dictionary is built and thrown away. No statistics of bodies.
_DICTIONARIES: Final = ["category", "topics.list.element"]
_STATISTICS: Final = ["id", "created_at"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows in the form of ``DATA``, their packed leaves, and how many row salts were derived from record salts."""

    rows: pa.RecordBatch
    leaves: bytes
    derived: int


def prepare(batch: pa.RecordBatch, release: str, drawn: bytes = b"") -> Prepared:
    """Bring a batch of records into the form of a release.

    Args:
        batch: the columns of records.
        release: the release's id.
        drawn: packed random row salts, one for each row, for rows without a record salt; may be left out where
            every row has one.

    Raises:
        BadInput: rows that cannot be read as records.
    """
    salts = record_salts(batch)
    rows = data_columns(batch, _row_salts(salts, release, drawn))
    return Prepared(rows, leaves_of(rows), len(salts) - salts.null_count)


def _row_salts(salts: pa.Array, release: str, drawn: bytes) -> pa.Array:
    if not salts.null_count:
        return derive_row_salts(salts, release)
    foreign = unpacked(drawn, ROW_SALT_BYTES)
    if salts.null_count == len(salts):
        return foreign
    derived = derive_row_salts(pc.fill_null(salts, bytes(salts.type.byte_width)), release)
    return pc.if_else(salts.is_valid(), derived, foreign)


class DataFiles:
    """Writes prepared rows, in order, to ``data/part-00000.parquet`` and so on; there is always one file.

    Use it in a ``with``. A finished file is made durable in the background; ``finish`` waits for that.
    """

    def __init__(self, folder: Path, pool: Executor) -> None:
        self._folder = folder
        self._pool = pool
        self._syncs: list[Future[None]] = []
        self._group: list[pa.RecordBatch] = []
        self._leaves: list[bytes] = []
        self.files: list[File] = []
        self.parties = Parties()
        self.rows = 0
        self.derived = 0
        (folder / "data").mkdir()
        self._part = self._open()

    def add(self, prepared: Prepared) -> None:
        """Write rows. Raises OSError."""
        if self._part.rows >= PART_ROWS:
            self._end()
            self._part = self._open()
        self._part.rows += len(prepared.rows)
        self._group.append(prepared.rows)
        if sum(len(one) for one in self._group) >= _GROUP_ROWS:
            self._flush()
        self._leaves.append(prepared.leaves)
        self.parties.add(prepared.rows)
        self.rows += len(prepared.rows)
        self.derived += prepared.derived

    def end(self) -> None:
        """End the last file. Raises OSError."""
        self._end()

    def wait(self) -> None:
        """Wait until the disk keeps all files. Raises OSError."""
        for sync in self._syncs:
            sync.result()

    def leaves(self) -> bytes:
        """The packed leaves of all rows, in no particular order."""
        return b"".join(self._leaves)

    def _open(self) -> Part:
        name = f"data/part-{len(self.files):05}.parquet"
        return Part(name, NewFile(self._folder / name))

    def _flush(self) -> None:
        if self._group:
            self._part.writer.write_table(pa.Table.from_batches(self._group))
        self._group = []
        part = self._part
        if part.file.size - part.synced >= _SYNC_BYTES:
            part.synced = part.file.size
            part.syncs.append(self._pool.submit(part.file.sync_so_far))

    def _end(self) -> None:
        self._flush()
        part = self._part
        part.end()
        self.files.append(File(part.name, part.file.sha256, part.rows, part.file.size))
        self._syncs.append(self._pool.submit(_sync, part))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.abandon()


class Part:
    """A data file that is being written; ``rows`` counts what its user has written."""

    def __init__(self, name: str, file: NewFile) -> None:
        self.name = name
        self.file = file
        self.rows = 0
        self.synced = 0
        self.syncs: list[Future[None]] = []
        try:
            self.writer = pq.ParquetWriter(
                file, DATA, compression="snappy", use_dictionary=_DICTIONARIES, write_statistics=_STATISTICS
            )
        except BaseException:
            # Its first bytes did not fit on the disk.
            file.close()
            raise

    def end(self) -> None:
        """Write the file's end; the file stays open, to be synced."""
        try:
            self.writer.close()
        except BaseException:
            # The writer counts as closed even if it could not write: nobody else would let go of the file.
            self.file.close()
            raise

    def abandon(self) -> None:
        """Let go of the file, if it was not ended."""
        if self.writer.is_open:
            # Or the writer would end the file when it is collected.
            self.writer.is_open = False
            self.file.close()


def _sync(part: Part) -> None:
    """The last word on a file: its earlier syncs are done, or have failed and so fail it."""
    with part.file:
        for sync in part.syncs:
            sync.result()
        part.file.sync()
