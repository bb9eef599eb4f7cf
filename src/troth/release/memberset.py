"""The set of a release's members, from its rows: once by the operator, then again by whoever has the release.

Two steps. The **openings**, a file of the release, say for each member its tag and a commitment to its head; only
the operator can make them, since the secrets go in. The **set** follows from rows and openings alone, so that
a recipient recomputes it to the last bit and learns no secret.

Joining and sorting is the engine's, which spills to disk; here pass numbers of 64 bits and fixed widths only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
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

Accounts: TypeAlias = Iterable[tuple[Sequence[str], Sequence[bytes], Sequence[int | None]]]
"""Subjects, secrets, and the position of each one's last entry that was honoured (None: none was)."""

_RANK_BITS: Final = 32
_MOST: Final = 1 << _RANK_BITS
_NONE: Final = np.uint64(2**64 - 1)
_COMPRESSION: Final = {"subject": "snappy", "tag": "none", "head": "none"}
_ROWS: Final = pa.schema([("subject", pa.string()), ("place", pa.uint32())])
_OPENED: Final = pa.schema(
    [
        ("subject", pa.string()),
        ("high", pa.uint64()),
        ("low", pa.uint64()),
        ("sealed", pa.binary()),
        ("head", pa.uint64()),
    ]
)
_NUMBERS: Final = pa.schema([("id", pa.uint32()), ("number", pa.uint32())])
_NAMES: Final = pa.schema([("subject", pa.string()), ("number", pa.uint32())])

# Names are joined once each; from then on members are numbers.
_MEMBERS: Final = "CREATE TABLE members AS SELECT DISTINCT subject FROM named"
_BELONGING: Final = """
CREATE TABLE belonging AS
SELECT members.rowid::UINTEGER AS id, place FROM named JOIN members USING (subject)
"""
_OPENED_TABLE: Final = """
CREATE TABLE opened (id UINTEGER, subject VARCHAR, high UBIGINT, low UBIGINT, sealed BLOB, head UBIGINT)
"""
_TAKE: Final = """
INSERT INTO opened
SELECT members.rowid::UINTEGER, subject, high, low, sealed, head FROM incoming JOIN members USING (subject)
"""
_WITHOUT: Final = """
SELECT members.subject FROM members LEFT JOIN opened ON opened.id = members.rowid WHERE opened.id IS NULL
"""
_NUMBER: Final = """
CREATE TABLE numbers AS
SELECT members.rowid::UINTEGER AS id, number FROM incoming JOIN members USING (subject)
"""
# 2^32 - 1 stands for nobody: such a row has no opening.
_SORTED: Final = """
SELECT (coalesce(number, 4294967295)::UBIGINT << 32) | place AS key
FROM belonging LEFT JOIN numbers USING (id) ORDER BY key
"""


class Joining(Engine):
    """The engine with the memberships of a release's rows; use it in a ``with``."""

    def load_rows(self, rows: Rows) -> int:
        """Take in the rows; how many members they have."""
        batches = ahead(_named, rows)
        self.take("CREATE TABLE named AS SELECT * FROM incoming", _ROWS, batches)
        self.run(_MEMBERS)
        self.run(_BELONGING)
        self.run("DROP TABLE named")
        self.run(_OPENED_TABLE)
        return self._members()

    def _members(self) -> int:
        return self.number("SELECT count(*) FROM members")

    def load_accounts(self, release: str, accounts: Accounts) -> None:
        """Take in the accounts of members; those of nobody here are passed over. Secrets stay outside the engine."""
        self.take(_TAKE, _OPENED, ahead(partial(_open, release), accounts))

    def without_secret(self) -> Iterator[list[str]]:
        """The members whose account was not taken in, a batch at a time."""
        for batch in self.give(_WITHOUT):
            yield batch.column(0).to_pylist()

    def write_openings(self, file: NewFile) -> None:
        """Make the openings of all members, by their tags.

        Raises:
            BadInput: a member has no account, or two.
            OSError: storage failed.
        """
        if self.number("SELECT count(*) FROM opened") != self._members() or any(self.without_secret()):
            raise BadInput(
                "a member of the release has no secret", remedy="repeat: accounts changed meanwhile"
            )
        tags = self.give("SELECT subject, high, low, sealed, head, id FROM opened ORDER BY high, low")
        with (
            # Tags and digests do not become smaller.
            pq.ParquetWriter(file, OPENINGS, compression=_COMPRESSION, use_dictionary=False) as writer,
            self._heads.open("wb") as heads,
            self._ids.open("wb") as ids,
        ):

            def keep(batch: pa.RecordBatch) -> None:
                heads.write(_numbers(batch["head"]).tobytes())
                ids.write(_numbers(batch["id"]).tobytes())
                halves = np.stack([_numbers(batch[name]) for name in ("high", "low")], axis=1)
                tag = packed_column(big_endian(halves.ravel(), 8).reshape(-1, TAG_BYTES))
                writer.write_batch(
                    pa.RecordBatch.from_arrays([batch["subject"], tag, batch["sealed"]], schema=OPENINGS)
                )

            deque(ahead(keep, tags, 1), 0)
        self.run("DROP TABLE opened")

    @property
    def _heads(self) -> Path:
        """The heads that the openings seal, in their order."""
        return self.folder / "heads"

    @property
    def _ids(self) -> Path:
        """The members' numbers here, in the order of the openings."""
        return self.folder / "ids"

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
            if count != self._members() or count >= _MOST - 1:
                raise BadInput("does not hold one opening for each member of the rows")
            self._number(file)
            tree = BucketTree(bits_for(count) if bits is None else bits, put, sealed=True)
            keys = _Keys(self.give(_SORTED))
            work = partial(_hashed, leaves=table_of(leaves, HASH_BYTES))

            def keep(one: _Hashed) -> None:
                tree.add(one.tags, one.details)
                records.write(one.records)

            deque(ahead(keep, ahead(work, self._runs(file, keys)), 1), 0)
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
        """Number the members by their openings from 0, so that what is sorted are numbers."""
        if self._ids.exists():
            self.take("CREATE TABLE numbers AS SELECT * FROM incoming", _NUMBERS, self._numbered())
            return

        def named() -> Iterator[pa.RecordBatch]:
            at = 0
            for batch in file.iter_batches(BATCH, columns=["subject"]):
                yield pa.RecordBatch.from_arrays([batch["subject"], _counted(at, len(batch))], schema=_NAMES)
                at += len(batch)

        self.take(_NUMBER, _NAMES, named())

    def _numbered(self) -> Iterator[pa.RecordBatch]:
        at = 0
        with self._ids.open("rb") as file:
            while len(ids := np.frombuffer(file.read(4 * BATCH), np.uint32)):
                yield pa.RecordBatch.from_arrays([pa.array(ids), _counted(at, len(ids))], schema=_NUMBERS)
                at += len(ids)


def _counted(start: int, count: int) -> pa.Array:
    return pa.array(np.arange(start, start + count, dtype=np.uint32))


def _numbers(column: pa.Array) -> npt.NDArray[np.integer]:
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Built:
    """A set that was made: its root, k, and how many members it has."""

    root: bytes
    bits: int
    members: int


def _named(rows: tuple[pa.Array, pa.Array, npt.NDArray[np.uint64]]) -> pa.RecordBatch:
    """A row belongs to its author and to every addressee; "" and null are nobody (columns.Parties)."""
    author, addressees, places = rows
    place = pa.array(places.astype(np.uint32))
    addressees = addressees.cast(pa.list_(pa.string()))
    subject = pa.concat_arrays([author.cast(pa.string()), addressees.flatten()])
    owned = pa.concat_arrays([place, place.take(pc.list_parent_indices(addressees))])
    batch = pa.RecordBatch.from_arrays([subject, owned], schema=_ROWS)
    return batch.filter(pc.not_equal(subject, ""))


def _open(
    release: str, accounts: tuple[Sequence[str], Sequence[bytes], Sequence[int | None]]
) -> pa.RecordBatch:
    """Tags and sealed heads (``core.sets``) of a batch of accounts."""
    subjects, secrets, positions = (
        one if isinstance(one, pa.Array) else pa.array(one, kind)
        for one, kind in zip(accounts, (pa.string(), pa.binary(), pa.uint64()), strict=True)
    )
    secret = column_of(secrets, SECRET_BYTES)
    heads = _numbers(pc.fill_null(positions, pa.scalar(NO_HEAD, pa.uint64())))
    tags = hash_rows(TAG + release.encode(), secret)[:, :TAG_BYTES]
    sealed = hash_rows(HEAD, tags, secret, big_endian(heads, HEAD_BYTES))
    halves = np.ascontiguousarray(tags).view(">u8").astype(np.uint64)
    return pa.RecordBatch.from_arrays(
        [subjects, pa.array(halves[:, 0]), pa.array(halves[:, 1]), packed_column(sealed), pa.array(heads)],
        schema=_OPENED,
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
    roots = roots_of(np.take(leaves, run.places, axis=0), run.counts)
    details = hash_rows(DETAIL, tags, big_endian(run.counts, 8), roots, sealed)
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
        # Somebody may stand twice in a row: it belongs to them once.
        taken = taken[np.diff(taken, prepend=_NONE) != 0]
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
