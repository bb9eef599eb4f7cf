"""A release made by a cluster: each worker does whole partitions with the code that one machine runs.

Rows, bodies, sorting and hashing stay with the workers. Through the driver pass the counts, the name and digest of
each file, and, as a stream that is never held, what ends in one file of the release: 32 bytes a row (its leaf) and
about 180 bytes a member. A task that is repeated writes another file; only those of the tasks that count are kept.

The folder of the release and ``work`` must be seen by all workers under one path.
"""

from __future__ import annotations

import os
import secrets as entropy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from troth.core.errors import BadInput
from troth.core.manifest import File
from troth.core.merkle import HASH_BYTES
from troth.core.rows import FIELDS, ROW_SALT_BYTES
from troth.core.sets import DETAIL, HEAD, HEAD_BYTES, NO_HEAD, SECRET_BYTES, TAG, TAG_BYTES, bits_for
from troth.release.columns import data_columns, regular
from troth.release.fixed import big_endian, column_of, hash_rows, packed_column, roots_of
from troth.release.folder import NewFile
from troth.release.layout import LEAVES
from troth.release.leaves import leaves_of, unpacked
from troth.release.memberset import OPENINGS, Built
from troth.release.part import PART_ROWS, Part, prepare
from troth.release.records import pack
from troth.release.trees import BucketTree, Put, RowTree

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COUNTED: Final = ("code", "all_codes", "any_party_would_allow")
"""Columns beside those of records: of a record with a ``code`` nothing but the counts leaves the worker."""

_WRITTEN: Final = pa.schema(
    [
        ("name", pa.string()),
        ("rows", pa.int64()),
        ("derived", pa.int64()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("code", pa.int32()),
        ("all_codes", pa.int32()),
        ("any_party_would_allow", pa.bool_()),
    ]
)
_WRITTEN_SQL: Final = (
    "name string, rows long, derived long, sha256 string, size long,"
    " code int, all_codes int, any_party_would_allow boolean"
)
_LEAVES_SQL: Final = "leaf binary, author string, addressees array<string>"
_PARTS: Final = pa.schema([("place", pa.int64()), ("name", pa.string()), ("rows", pa.int64())])
_PARTS_SQL: Final = "place long, name string, rows long"
_ROOTS_SQL: Final = "subject string, rows long, root binary"
_ROOTS: Final = pa.schema([("subject", pa.string()), ("rows", pa.int64()), ("root", pa.binary())])
_SEALED_SQL: Final = (
    "subject string, tag binary, sealed binary, detail binary, root binary, rows long, head binary"
)
_STREAM: Final = 1 << 16  # rows that pass the driver at a time


@dataclass(frozen=True, slots=True)
class Content:
    """The rows of a release that are in their files."""

    files: list[File]
    rows: int
    derived: int
    counts: list[tuple[dict[str, object], int]]


def write_rows(frame: DataFrame, release: str, folder: Path) -> Content:
    """Write the allowed rows of decided records, and count all of them.

    Args:
        frame: the columns of records and ``COUNTED``.
        release: the release's id.
        folder: the unfinished release.

    Raises:
        BadInput: rows that cannot be read as records.
    """
    (folder / "data").mkdir()
    work = partial(_write_rows, release=release, folder=str(folder))
    told = collected(frame.mapInArrow(work, _WRITTEN_SQL)).to_pylist()
    counts = [({name: one[name] for name in COUNTED}, one["rows"]) for one in told if one["name"] is None]
    kept = sorted((one for one in told if one["name"] is not None), key=lambda one: one["name"])
    for path in (folder / "data").iterdir():
        if path.name not in {one["name"] for one in kept}:
            path.unlink()  # of a task that was repeated
    files = []
    for number, one in enumerate(kept):
        name = f"data/part-{number:05}.parquet"
        (folder / "data" / one["name"]).rename(folder / name)
        files.append(File(name, one["sha256"], one["rows"], one["size"]))
    return Content(files, sum(one["rows"] for one in kept), sum(one["derived"] for one in kept), counts)


def collected(frame: DataFrame) -> pa.Table:
    """The few rows of a frame; a mistake of the data that a worker found comes out as such."""
    from pyspark.errors import PySparkException

    try:
        return frame.toArrow()
    except PySparkException as error:
        text = str(error)
        mark = "troth.core.errors.BadInput: "
        if mark in text:
            raise BadInput(text.split(mark, 1)[1].splitlines()[0]) from None
        raise


def _write_rows(batches: Iterable[pa.RecordBatch], release: str, folder: str) -> Iterator[pa.RecordBatch]:
    """What a worker does with the records of one partition."""
    writer = _Writer(release, Path(folder))
    counts: dict[tuple[object, ...], int] = {}

    def allowed() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            grouped = pa.table([batch[name] for name in COUNTED], names=list(COUNTED)).group_by(list(COUNTED))
            for row in grouped.aggregate([([], "count_all")]).to_pylist():
                key = tuple(row[name] for name in COUNTED)
                counts[key] = counts.get(key, 0) + row["count_all"]
            rows = batch.filter(pc.equal(batch["code"], 0))
            yield rows.select([name for name in rows.schema.names if name not in COUNTED])

    for batch in regular(allowed()):
        writer.add(batch)
    told = writer.end()
    told += [
        dict(zip(("rows", *COUNTED), (number, *key), strict=True)) | {"name": None}
        for key, number in counts.items()
    ]
    rows = [{name: one.get(name) for name in _WRITTEN.names} for one in told]
    yield from pa.Table.from_pylist(rows, schema=_WRITTEN).to_batches()


class _Writer:
    """The data files of one partition."""

    def __init__(self, release: str, folder: Path) -> None:
        self._release = release
        self._folder = folder
        self._stem = _task()
        self._part: Part | None = None
        self._derived = 0
        self._told: list[dict[str, object]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        if self._part is None or self._part.rows >= PART_ROWS:
            self._close()
            name = f"{self._stem}-{len(self._told):05}.parquet"
            self._part = Part(name, NewFile(self._folder / "data" / name))
        prepared = prepare(batch, self._release, entropy.token_bytes(ROW_SALT_BYTES * batch.num_rows))
        self._part.writer.write_batch(prepared.rows)
        self._part.rows += len(prepared.rows)
        self._derived += prepared.derived

    def end(self) -> list[dict[str, object]]:
        self._close()
        return self._told

    def _close(self) -> None:
        part = self._part
        if part is None:
            return
        part.end()
        with part.file:
            part.file.sync()
        file = part.file
        self._told.append(
            {"name": part.name, "rows": part.rows, "derived": self._derived, "sha256": file.sha256}
            | {"size": file.size}
        )
        self._derived = 0
        self._part = None


def _task() -> str:
    """A name that no other task, and no other try of this one, has; names sort as the partitions do."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        return f"{0:05}-{entropy.token_hex(4)}"
    return f"{context.partitionId():05}-{context.taskAttemptId()}-{entropy.token_hex(4)}"


# the row tree


@dataclass(frozen=True, slots=True)
class Sorted:
    """Files that hold something in order, one after another."""

    files: list[Path]
    rows: int


def sort_rows(session: SparkSession, folder: Path, content: Content, work: Path) -> Sorted:
    """The leaves of the rows, in the order of the row tree, each with the parties of its row."""
    rows = session.read.parquet(*(str((folder / file.name).absolute()) for file in content.files))
    leaves = rows.select(*FIELDS, "row_salt").mapInArrow(_leaves, _LEAVES_SQL)
    return _in_order(leaves, "leaf", work / "leaves")


def _in_order(frame: DataFrame, key: str, folder: Path) -> Sorted:
    """A frame in files, in the order of a column: partitions hold ranges of it."""
    folder.mkdir(parents=True)
    parts = int(frame.sparkSession.conf.get("spark.sql.shuffle.partitions") or "8")
    ordered = frame.repartitionByRange(parts, key).sortWithinPartitions(key)
    told = collected(ordered.mapInArrow(partial(_keep, folder=str(folder)), _PARTS_SQL)).to_pylist()
    told.sort(key=lambda one: one["place"])
    return Sorted([folder / one["name"] for one in told], sum(one["rows"] for one in told))


def _keep(batches: Iterable[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write the rows of one partition to a file, readable by its owner alone."""
    name, rows = f"{_task()}.parquet", 0
    writer: pq.ParquetWriter | None = None
    path = Path(folder, name)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for batch in batches:
            writer = writer or pq.ParquetWriter(file, batch.schema, compression="lz4", use_dictionary=False)
            writer.write_batch(batch)
            rows += batch.num_rows
        if writer is not None:
            writer.close()
    if writer is None:
        path.unlink()
        return
    place = int(name.partition("-")[0])
    yield pa.RecordBatch.from_pylist([{"place": place, "name": name, "rows": rows}], schema=_PARTS)


def _leaves(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if not batch.num_rows:
            continue
        rows = data_columns(batch, batch["row_salt"])
        leaves = unpacked(leaves_of(rows), HASH_BYTES).cast(pa.binary())
        yield pa.RecordBatch.from_arrays(
            [leaves, rows["author"], rows["addressees"]], names=["leaf", "author", "addressees"]
        )


def _stream(found: Sorted, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in found.files:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_STREAM, columns=columns)


def write_leaves(found: Sorted, folder: Path, put: Put | None) -> tuple[File, bytes]:
    """Write the file of leaves and, if asked for, the tiles above them; the file and the root of the row tree."""
    tree = RowTree(put)
    with NewFile(folder / LEAVES) as file:
        for batch in _stream(found, ["leaf"]):
            packed = column_of(batch["leaf"], HASH_BYTES).tobytes()
            file.write(packed)
            tree.add(packed)
        file.sync()
    return File(LEAVES, file.sha256, size=file.size), tree.finish()


# the set of the members


def memberships(session: SparkSession, found: Sorted) -> DataFrame:
    """(subject, leaf): a row belongs to its author and to every addressee, once each; "" and null are nobody."""
    from pyspark.sql import functions as f

    rows = session.read.parquet(*(str(path) for path in found.files))
    nobody = f.array().cast("array<string>")
    everybody = f.array_distinct(f.concat(f.array(f.col("author")), f.coalesce(f.col("addressees"), nobody)))
    exploded = rows.select(f.explode(everybody).alias("subject"), "leaf")
    return exploded.where("subject is not null and subject <> ''")


def member_roots(belongs: DataFrame) -> DataFrame:
    """(subject, rows, root): how many rows each member has, and the root over their leaves."""
    parts = int(belongs.sparkSession.conf.get("spark.sql.shuffle.partitions") or "8")
    grouped = belongs.repartition(parts, "subject").sortWithinPartitions("subject", "leaf")
    return grouped.mapInArrow(_member_roots, _ROOTS_SQL)


def _member_roots(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows come sorted by member and leaf; the last member of a batch may go on in the next."""
    kept: pa.Table | None = None
    for batch in batches:
        if not batch.num_rows:
            continue
        table = pa.Table.from_batches([batch])
        table = table if kept is None else pa.concat_tables([kept, table]).combine_chunks()
        last = table["subject"][-1]
        start = int(pc.index(table["subject"], last).as_py())
        if start:
            yield _roots(table.slice(0, start))
        kept = table.slice(start)
    if kept is not None:
        yield _roots(kept)


def _roots(table: pa.Table) -> pa.RecordBatch:
    table = table.combine_chunks()
    subjects = table["subject"].chunk(0)
    # Where the name changes, a run begins.
    changes = pc.not_equal(subjects.slice(1), subjects.slice(0, len(subjects) - 1))
    starts = np.concatenate([[0], np.flatnonzero(changes.to_numpy(zero_copy_only=False)) + 1])
    counts = np.diff(np.append(starts, len(subjects))).astype(np.int64)
    roots = roots_of(column_of(table["leaf"].chunk(0), HASH_BYTES), counts)
    names = subjects.take(pa.array(starts))
    return pa.RecordBatch.from_arrays([names, pa.array(counts), packed_column(roots)], schema=_ROOTS)


def sealed_members(roots: DataFrame, opened: DataFrame, release: str, work: Path) -> Sorted:
    """The members by their tags, with all that the set and its openings are made of.

    Args:
        roots: of ``member_roots``.
        opened: subject, secret (32 bytes) and head (null: there was no entry).
        release: the release's id.
        work: a private folder.
    """
    joined = roots.join(opened, "subject", "left").select("subject", "rows", "root", "secret", "head")
    sealed = joined.mapInArrow(partial(_seal_members, release=release), _SEALED_SQL)
    return _in_order(sealed, "tag", work / "members")


def _seal_members(batches: Iterable[pa.RecordBatch], release: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if not batch.num_rows:
            continue
        if batch["secret"].null_count:
            raise BadInput(
                "a member of the release has no secret", remedy="repeat: accounts changed meanwhile"
            )
        secret = column_of(batch["secret"], SECRET_BYTES)
        known = batch["head"].is_valid().to_numpy(zero_copy_only=False)
        numbers = pc.fill_null(batch["head"], 0).to_numpy(zero_copy_only=False).astype(np.uint64)
        heads = big_endian(np.where(known, numbers, np.uint64(NO_HEAD)), HEAD_BYTES)
        tags = hash_rows(TAG + release.encode(), secret)[:, :TAG_BYTES]
        sealed = hash_rows(HEAD, tags, secret, heads)
        counts = batch["rows"].to_numpy(zero_copy_only=False)
        roots = column_of(batch["root"], HASH_BYTES)
        details = hash_rows(DETAIL, tags, big_endian(counts, 8), roots, sealed)
        columns = [packed_column(one) for one in (tags, sealed, details)]
        yield pa.RecordBatch.from_arrays(
            [batch["subject"], *columns, batch["root"], batch["rows"], packed_column(heads)],
            names=["subject", "tag", "sealed", "detail", "root", "rows", "head"],
        )


def build_set(members: Sorted, openings: NewFile, put: Put, records: BinaryIO) -> Built:
    """Write the openings, the tiles of the set and what opens details later; see ``memberset.Joining.build_set``."""
    tree = BucketTree(bits_for(members.rows), put, sealed=True)
    columns = ["subject", "tag", "sealed", "detail", "root", "rows", "head"]
    with pq.ParquetWriter(openings, OPENINGS, compression="snappy", use_dictionary=False) as writer:
        for batch in _stream(members, columns):
            named = pa.RecordBatch.from_arrays(
                [batch["subject"], batch["tag"], batch["sealed"]], names=OPENINGS.names
            )
            writer.write_batch(named.cast(OPENINGS))
            tags, details = column_of(batch["tag"], TAG_BYTES), column_of(batch["detail"], HASH_BYTES)
            tree.add(tags, details)
            roots, counts = column_of(batch["root"], HASH_BYTES), batch["rows"].to_numpy(zero_copy_only=False)
            heads = column_of(batch["head"], HEAD_BYTES).view(">u8")[:, 0].astype(np.uint64)
            records.write(pack(tags, details, roots, counts, heads))
    return Built(tree.finish(), tree.bits, members.rows)


def private_table(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write rows to a file that its owner alone can read."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, pq.ParquetWriter(file, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)
