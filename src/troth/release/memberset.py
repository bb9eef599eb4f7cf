"""The set of a release's members, from its rows: once by the operator, then again by whoever has the release.

Two steps. The **openings**, a file of the release, say for each member its tag and a commitment to its head; only
the operator can make them, since the secrets go in. The **set** follows from rows and openings alone, so that
a recipient recomputes it to the last bit and learns no secret.

Joining and sorting is the engine's, which spills to disk; here pass numbers of 64 bits and fixed widths only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from troth.core.errors import BadInput, Place
from troth.core.merkle import HASH_BYTES
from troth.core.sets import DETAIL, HEAD, HEAD_BYTES, NO_HEAD, SECRET_BYTES, TAG, TAG_BYTES, bits_for
from troth.release.engine import BATCH, Engine, ahead
from troth.release.fixed import (
    Bytes,
    Numbers,
    big_endian,
    column_of,
    hash_rows,
    packed_column,
    roots_of,
    table_of,
)
from troth.release.folder import NewFile
from troth.release.records import UNKNOWN_HEAD, pack
from troth.release.trees import BucketTree, Put

OPENINGS: Final = pa.schema([("subject", pa.string()), ("tag", pa.binary()), ("head", pa.binary())])
"""The columns of the openings file, in the order of the tags: 16 and 32 bytes."""

Rows: TypeAlias = Iterable[tuple[pa.Array, pa.Array, npt.NDArray[np.uint64]]]
"""Authors, addressees, and the places of the rows among the sorted leaves."""

_RANK_BITS: Final = 32
_MOST: Final = 1 << _RANK_BITS
_ROWS: Final = pa.schema(
    [("author", pa.string()), ("addressees", pa.list_(pa.string())), ("place", pa.uint64())]
)
_SECRETS: Final = pa.schema([("subject", pa.string()), ("secret", pa.binary())])
_OPENINGS_AND_HEADS: Final = pa.schema(
    [("subject", pa.string()), ("tag", pa.binary()), ("sealed", pa.binary()), ("head", pa.uint64())]
)
_HEADS: Final = pa.schema([("subject", pa.string()), ("head", pa.uint64())])

# A row belongs to its author and to every addressee, once each; "" and null are nobody (columns.Parties).
_MEMBERSHIPS: Final = """
CREATE TABLE memberships AS SELECT subject, place FROM (
  SELECT unnest(list_distinct(list_prepend(author, coalesce(addressees, CAST([] AS VARCHAR[]))))) AS subject, place
  FROM incoming
) WHERE subject <> ''
"""
_OPENED: Final = """
SELECT members.subject AS subject, secret, coalesce(head, CAST(? AS UBIGINT)) AS head
FROM members LEFT JOIN secrets USING (subject) LEFT JOIN heads USING (subject)
"""
_TAKE_SECRETS: Final = """
INSERT INTO secrets SELECT incoming.* FROM incoming SEMI JOIN members USING (subject)
"""
_TAKE_HEADS: Final = "INSERT INTO heads SELECT incoming.* FROM incoming SEMI JOIN members USING (subject)"
# 2^32 - 1 stands for nobody: such a row has no opening.
_SORTED: Final = """
SELECT (coalesce(openings.number, CAST(4294967295 AS UBIGINT)) << 32) | place AS key
FROM memberships LEFT JOIN openings USING (subject) ORDER BY key
"""


class Joining(Engine):
    """The engine with the memberships of a release's rows; use it in a ``with``."""

    def load_rows(self, rows: Rows) -> int:
        """Take in the rows; how many members they have."""

        def batches() -> Iterator[pa.RecordBatch]:
            for author, addressees, places in rows:
                arrays = [author, addressees.cast(_ROWS.field(1).type), pa.array(places, pa.uint64())]
                yield pa.RecordBatch.from_arrays(arrays, schema=_ROWS)

        self.take(_MEMBERSHIPS, _ROWS, batches())
        self.run("CREATE TABLE members AS SELECT DISTINCT subject FROM memberships")
        self.run("CREATE TABLE secrets (subject VARCHAR, secret BLOB)")
        self.run("CREATE TABLE heads (subject VARCHAR, head UBIGINT)")
        return self.number("SELECT count(*) FROM members")

    def load_secrets(self, batches: Iterable[tuple[Sequence[str], Sequence[bytes]]]) -> None:
        """Take in (subjects, secrets); those of nobody here are passed over."""
        self._load(_TAKE_SECRETS, _SECRETS, batches)

    def load_heads(self, batches: Iterable[tuple[Sequence[str], Sequence[int]]]) -> None:
        """Take in (subjects, heads): the position of each one's last entry that was honoured."""
        self._load(_TAKE_HEADS, _HEADS, batches)

    def without_secret(self) -> Iterator[list[str]]:
        """The members whose secret was not taken in, a batch at a time."""
        for batch in self.give("SELECT subject FROM members ANTI JOIN secrets USING (subject)"):
            yield batch.column(0).to_pylist()

    def _load(
        self, insert: str, schema: pa.Schema, batches: Iterable[tuple[Sequence[Any], Sequence[Any]]]
    ) -> None:
        made = (
            pa.RecordBatch.from_arrays(
                [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)],
                schema=schema,
            )
            for columns in batches
        )
        self.take(
            insert,
            schema,
            made,
        )

    def write_openings(self, release: str, file: NewFile) -> None:
        """Make the openings of all members, by their tags.

        Raises:
            BadInput: a member has no secret.
            OSError: storage failed.
        """
        opened = ahead(partial(_open, release=release), self.give(_OPENED, NO_HEAD))
        self.take("CREATE TABLE opened AS SELECT * FROM incoming", _OPENINGS_AND_HEADS, opened)
        with (
            pq.ParquetWriter(file, OPENINGS, compression="snappy", use_dictionary=False) as writer,
            self._heads.open("wb") as heads,
        ):
            for batch in self.give(
                "SELECT subject, tag, sealed AS head, head AS number FROM opened ORDER BY tag"
            ):
                heads.write(batch["number"].to_numpy(zero_copy_only=False).astype(np.uint64).tobytes())
                writer.write_batch(batch.select(OPENINGS.names).cast(OPENINGS))

    @property
    def _heads(self) -> Path:
        """The heads that the openings seal, in their order."""
        return self.folder / "heads"

    def build_set(
        self, openings: BinaryIO, leaves: bytes, put: Put, records: BinaryIO, bits: int | None = None
    ) -> Built:
        """Make the set from memberships and openings.

        Args:
            openings: the openings file.
            leaves: the sorted, packed leaves of the rows.
            put: gets every tile.
            records: gets what it takes to open a member's details later (see ``records.RECORD``): private.
            bits: k; None: what is fitting.

        Raises:
            BadInput: the openings are not those of these rows' members, one each, in order; or not readable.
        """
        with pq.ParquetFile(openings) as file:
            if not file.schema_arrow.equals(OPENINGS):
                raise BadInput("holds other columns than openings")
            count = file.metadata.num_rows
            if count != self.number("SELECT count(*) FROM members") or count >= _MOST - 1:
                raise BadInput("does not hold one opening for each member of the rows")
            self._number(file)
            tree = BucketTree(bits_for(count) if bits is None else bits, put, sealed=True)
            keys = _Keys(self.give(_SORTED))
            work = partial(_hashed, leaves=table_of(leaves, HASH_BYTES))
            for one in ahead(work, self._runs(file, keys)):
                tree.add(one.tags, one.details)
                records.write(one.records)
            keys.end()
        return Built(tree.finish(), tree.bits, count)

    def _runs(self, file: pq.ParquetFile, keys: _Keys) -> Iterator[_Run]:
        """The members in the order of their tags, each with the places of its rows."""
        start = 0
        for batch in file.iter_batches(BATCH):
            places, counts = keys.take(start, len(batch))
            yield _Run(batch, places, counts, self._known_heads(start, len(batch)))
            start += len(batch)

    def _known_heads(self, start: int, count: int) -> npt.NDArray[np.uint64]:
        if not self._heads.exists():
            return np.full(count, UNKNOWN_HEAD, np.uint64)
        return np.fromfile(self._heads, np.uint64, count, offset=8 * start)

    def _number(self, file: pq.ParquetFile) -> None:
        """Number the openings from 0, so that what is sorted are numbers."""

        def batches() -> Iterator[pa.RecordBatch]:
            at = 0
            for batch in file.iter_batches(BATCH, columns=["subject"]):
                numbers = pa.array(np.arange(at, at + len(batch), dtype=np.uint64))
                at += len(batch)
                yield pa.RecordBatch.from_arrays([batch["subject"], numbers], schema=schema)

        schema = pa.schema([("subject", pa.string()), ("number", pa.uint64())])
        self.take("CREATE OR REPLACE TABLE openings AS SELECT * FROM incoming", schema, batches())


@dataclass(frozen=True, slots=True)
class Built:
    """A set that was made: its root, k, and how many members it has."""

    root: bytes
    bits: int
    members: int


def _open(batch: pa.RecordBatch, release: str) -> pa.RecordBatch:
    """Tags and sealed heads (``core.sets``) of a batch of members."""
    if batch["secret"].null_count:
        raise BadInput("a member of the release has no secret", remedy="repeat: accounts changed meanwhile")
    secret = column_of(batch["secret"], SECRET_BYTES)
    heads = big_endian(batch["head"].to_numpy(zero_copy_only=False).astype(np.uint64), HEAD_BYTES)
    tags = hash_rows(secret, TAG + release.encode())[:, :TAG_BYTES]
    sealed = hash_rows(np.concatenate([tags, secret, heads], axis=1), HEAD)
    return pa.RecordBatch.from_arrays(
        [batch["subject"], packed_column(tags), packed_column(sealed), batch["head"]],
        schema=_OPENINGS_AND_HEADS,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A batch of openings, the places of its members' rows one after another, and how many each has."""

    openings: pa.RecordBatch
    places: Numbers
    counts: Numbers
    heads: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The tags and details of a batch of members, and their records."""

    tags: Bytes
    details: Bytes
    records: bytes


def _hashed(run: _Run, leaves: Bytes) -> _Hashed:
    tags, sealed = column_of(run.openings["tag"], TAG_BYTES), column_of(run.openings["head"], HASH_BYTES)
    roots = roots_of(leaves[run.places], run.counts)
    details = hash_rows(np.concatenate([tags, big_endian(run.counts, 8), roots, sealed], axis=1), DETAIL)
    return _Hashed(tags, details, pack(tags, details, roots, run.counts, run.heads))


class _Keys:
    """The sorted memberships, taken member by member."""

    def __init__(self, reader: Iterator[pa.RecordBatch]) -> None:
        self._reader = reader
        self._kept = np.zeros(0, np.uint64)

    def take(self, start: int, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places of the rows of the next ``count`` members, and how many rows each has."""
        stop = np.uint64((start + count) << _RANK_BITS)
        parts = [self._kept]
        while not len(parts[-1]) or parts[-1][-1] < stop:
            batch = next(self._reader, None)
            if batch is None:
                break
            parts.append(batch.column(0).to_numpy(zero_copy_only=False).astype(np.uint64))
        keys = np.concatenate(parts)
        cut = int(np.searchsorted(keys, stop))
        taken, self._kept = keys[:cut], keys[cut:]
        counts = np.bincount((taken >> np.uint64(_RANK_BITS)).astype(np.int64) - start, minlength=count)
        if not counts.all():
            raise BadInput("does not hold one opening for each member of the rows")
        return (taken & np.uint64(_MOST - 1)).astype(np.int64), counts.astype(np.int64)

    def end(self) -> None:
        """See that nobody is left over."""
        if len(self._kept) or next(self._reader, None) is not None:
            raise BadInput("does not hold one opening for each member of the rows")


def parties(source: BinaryIO, places: npt.NDArray[np.uint64]) -> Rows:
    """Authors and addressees of a data file, with the places of its rows."""
    at = 0
    with pq.ParquetFile(source) as parquet:
        for batch in parquet.iter_batches(BATCH, columns=["author", "addressees"]):
            yield batch["author"], batch["addressees"], places[at : at + len(batch)]
            at += len(batch)


def check_row_count(rows: int) -> None:
    """See that rows can be numbered.

    Raises:
        BadInput: they are too many for a set.
    """
    if rows >= _MOST:
        raise BadInput(
            f"a release with a set of its members holds fewer than {_MOST:,} rows",
            place=Place("records"),
            remedy="build several releases",
        )
