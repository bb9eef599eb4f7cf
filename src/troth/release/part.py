"""One data file of a release: Parquet out, and on the way its digest, leaves and parties."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.release.columns import DATA, ROW_SALT, Parties, data_columns, record_salts
from troth.release.leaves import derive_row_salts, leaves_of

# Only where values repeat: elsewhere a dictionary is built and thrown away. No statistics of bodies.
_DICTIONARIES: Final = ["category", "topics.list.element"]
_STATISTICS: Final = ["id", "created_at"]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a part: its rows and bytes, digest (hex), packed leaves in file order, and parties."""

    rows: int
    bytes: int
    sha256: str
    derived: int
    leaves: bytes
    parties: pa.Array


class HashingFile:
    """A new file to write to, which knows the digest of what was written."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the data."""
        view = memoryview(data)
        self._hash.update(view)
        self.size += len(view)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return len(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def sync(self) -> None:
        """Have the disk keep what was written."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; repeating it does nothing."""
        if not self.closed:
            self.closed = True
            os.close(self._descriptor)

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, in hex."""
        return self._hash.hexdigest()


class Part:
    """A data file that is being written. Not durable before somebody syncs it."""

    def __init__(self, path: Path, release: str) -> None:
        self._release = release
        self._file = HashingFile(path)
        self._writer = pq.ParquetWriter(
            self._file, DATA, compression="snappy", use_dictionary=_DICTIONARIES, write_statistics=_STATISTICS
        )
        self._parties = Parties()
        self._leaves: list[bytes] = []
        self._rows = 0
        self._derived = 0

    def add(self, batch: pa.RecordBatch, drawn: bytes = b"") -> None:
        """Write the rows of a batch of records.

        Args:
            batch: the columns of records.
            drawn: packed row salts (16 bytes each) for all its rows, used where a record has no salt;
                may be left out where all have one.

        Raises:
            BadInput: rows that cannot be read as records.
            OSError: storage failed.
        """
        salts = record_salts(batch)
        rows = data_columns(batch, self._row_salts(salts, drawn))
        self._writer.write_batch(rows)
        self._leaves.append(leaves_of(rows))
        self._parties.add(rows)
        self._rows += len(rows)
        self._derived += len(salts) - salts.null_count

    def _row_salts(self, salts: pa.Array, drawn: bytes) -> pa.Array:
        foreign = _packed(drawn) if salts.null_count else None
        if foreign is not None and salts.null_count == len(salts):
            return foreign
        keys = pc.fill_null(salts, b"\0" * salts.type.byte_width) if salts.null_count else salts
        start = keys.offset * keys.type.byte_width
        stop = start + len(keys) * keys.type.byte_width
        derived = _packed(derive_row_salts(bytes(keys.buffers()[1])[start:stop], self._release))
        return derived if foreign is None else pc.if_else(salts.is_valid(), derived, foreign)

    def close(self) -> Written:
        """End the file and say what is in it.

        Raises:
            OSError: storage failed.
        """
        self._writer.close()
        self._file.close()
        return Written(
            rows=self._rows,
            bytes=self._file.size,
            sha256=self._file.sha256,
            derived=self._derived,
            leaves=b"".join(self._leaves),
            parties=self._parties.names(),
        )

    def abandon(self) -> None:
        """Let go of an unfinished file."""
        self._file.close()


def _packed(salts: bytes) -> pa.Array:
    count = len(salts) // ROW_SALT.byte_width
    return pa.FixedSizeBinaryArray.from_buffers(ROW_SALT, count, [None, pa.py_buffer(salts)])
