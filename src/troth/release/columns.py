"""The columns of a release's data files, and record batches brought into that form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from troth.core.errors import BadInput, Place
from troth.core.rows import FIELDS, RECORD_SALT_BYTES, ROW_SALT_BYTES

_TEXT: Final = pa.string()
_TEXTS: Final = pa.list_(pa.field("element", pa.string()))
_SALT: Final = pa.binary(RECORD_SALT_BYTES)
ROW_SALT: Final = pa.binary(ROW_SALT_BYTES)

_KINDS: Final = {
    "created_at": pa.timestamp("us", "UTC"),
    "addressees": _TEXTS,
    "topics": _TEXTS,
}

DATA: Final = pa.schema(
    [
        *(pa.field(name, _KINDS.get(name, _TEXT), name not in {"id", "category"}) for name in FIELDS),
        pa.field("row_salt", ROW_SALT, nullable=False),
    ]
)
"""The columns of a data file, in order."""

_STRINGS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARIES: Final = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_IGNORED: Final = "deleted_at"  # a record column that says nothing about an allowed row
BATCH_ROWS: Final = 1 << 14
"""Rows that are sealed at a time: few enough to stay in a processor's cache."""

BATCH_BYTES: Final = 1 << 26
MAX_ROW_BYTES: Final = 1 << 30  # Arrow addresses the bytes of a batch by 32 bits
_MERGE_BELOW: Final = BATCH_ROWS // 2
_COUNT_AT: Final = 1 << 22


def check_columns(schema: pa.Schema) -> None:
    """See that a stream has the columns of records, of types that can be read.

    Raises:
        BadInput: a column is missing, unknown, doubled or of another type.
    """
    known = {*FIELDS, "salt", _IGNORED}
    for name in FIELDS:
        if name not in schema.names:
            raise _bad(name, "is missing", "give a column of nulls for what is not known")
    for name in schema.names:
        if name not in known:
            raise _bad(
                name, "is not a column of records", f"take it out; known are {', '.join(sorted(known))}"
            )
        if schema.names.count(name) > 1:
            raise _bad(name, "is there twice", "keep one")
    for field in schema:
        if field.name != _IGNORED and not _readable(field.name, field.type):
            raise _bad(field.name, f"is of the type {field.type}", f"expected {_expected(field.name)}")


def _readable(name: str, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return name not in {"id", "category"}
    if name == "created_at":
        return bool(pa.types.is_int64(kind) or pa.types.is_timestamp(kind))
    if name == "salt":
        return any(is_kind(kind) for is_kind in _BINARIES)
    if pa.types.is_list(_kind(name)):
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return bool(listed) and (_is_text(kind.value_type) or bool(pa.types.is_null(kind.value_type)))
    return _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(is_kind(kind) for is_kind in _STRINGS)


def _kind(name: str) -> pa.DataType:
    return _KINDS.get(name, _TEXT)


def _expected(name: str) -> str:
    if name == "created_at":
        return "int64 microseconds UTC"
    if name == "salt":
        return f"binary of {RECORD_SALT_BYTES} bytes"
    return "a list of strings" if pa.types.is_list(_kind(name)) else "a string"


def regular(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in the same order, in batches of bounded size; small ones are joined.

    Raises:
        BadInput: the columns are not those of records, or change from batch to batch; a row is too large.
    """
    schema: pa.Schema | None = None
    small: list[pa.RecordBatch] = []
    waiting = 0
    for batch in batches:
        if schema is None:
            check_columns(batch.schema)
            schema = batch.schema
        elif not batch.schema.equals(schema):
            raise BadInput("the columns change within the stream", remedy="cast all batches to one schema")
        if batch.num_rows >= _MERGE_BELOW:
            yield from _joined(small)
            yield from _cut(batch)
            small, waiting = [], 0
        elif batch.num_rows:
            small.append(batch)
            waiting += batch.num_rows
        if waiting >= _MERGE_BELOW:
            yield from _joined(small)
            small, waiting = [], 0
    yield from _joined(small)


def _joined(small: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in pa.Table.from_batches(small).combine_chunks().to_batches() if small else ():
        yield from _cut(batch)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield from _halved(batch.slice(start, BATCH_ROWS))


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Pieces of at most ``BATCH_BYTES``, unless a row alone is larger."""
    rows, size = batch.num_rows, batch.nbytes
    if size <= BATCH_BYTES:
        yield batch
    elif rows > 1:
        yield from _halved(batch.slice(0, rows // 2))
        yield from _halved(batch.slice(rows // 2))
    elif size <= MAX_ROW_BYTES:
        yield batch
    else:
        raise _bad("body", f"holds a row of more than {MAX_ROW_BYTES >> 20} MiB", "leave such records out")


def record_salts(batch: pa.RecordBatch) -> pa.Array:
    """The record salts of a batch as 32-byte binaries; null where there is none.

    Raises:
        BadInput: a salt of another length.
    """
    if "salt" not in batch.schema.names:
        return pa.nulls(batch.num_rows, _SALT)
    column = batch["salt"]
    if pa.types.is_null(column.type):
        return pa.nulls(batch.num_rows, _SALT)
    if not pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    try:
        return column.cast(_SALT)
    except pa.ArrowInvalid:
        raise _bad(
            "salt", f"holds a value that is not of {RECORD_SALT_BYTES} bytes", "draw salts at import"
        ) from None


def data_columns(batch: pa.RecordBatch, row_salts: pa.Array) -> pa.RecordBatch:
    """A batch of records, and its row salts, in the form of ``DATA``.

    Raises:
        BadInput: a row without id or category, or a value that its column cannot hold.
    """
    columns = []
    for field in DATA:
        column = row_salts if field.name == "row_salt" else batch[field.name]
        try:
            if pa.types.is_timestamp(column.type) and column.type.tz is None:
                column = column.cast(pa.timestamp(column.type.unit, "UTC"))
            column = column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise _bad(field.name, f"cannot be read as {field.type}: {error}", "mend the values") from None
        if not field.nullable and column.null_count:
            raise _bad(field.name, f"is missing in {column.null_count} rows", "give every record one")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=DATA)


class Parties:
    """Counts the distinct authors and addressees of rows; unknown ones (null or empty) are nobody."""

    def __init__(self) -> None:
        self._seen = pa.array([], _TEXT)
        self._new: list[pa.Array] = []
        self._waiting = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in the rows of a batch in the form of ``DATA``."""
        for names in (rows["author"], rows["addressees"].flatten()):
            self._new.append(names)
            self._waiting += len(names)
        if self._waiting > _COUNT_AT:
            self._merge()

    def _merge(self) -> None:
        # Grouping is several times as fast as pc.unique once there are many.
        names = pa.chunked_array([self._seen, *self._new], _TEXT)
        self._seen = pa.table({"name": names}).group_by("name").aggregate([])["name"].combine_chunks()
        self._new, self._waiting = [], 0

    def count(self) -> int:
        """How many distinct parties there were so far."""
        self._merge()
        return int(pc.sum(pc.not_equal(self._seen, "")).as_py() or 0)


def _bad(column: str, what: str, remedy: str) -> BadInput:
    return BadInput(f"the column {column!r} {what}", place=Place("records"), remedy=remedy)
