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

_IGNORED: Final = "deleted_at"  # a record column that says nothing about an allowed row
BATCH_ROWS: Final = 1 << 16
BATCH_BYTES: Final = 1 << 26
_MERGE_BELOW: Final = BATCH_ROWS // 2


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
        return pa.types.is_int64(kind) or pa.types.is_timestamp(kind)
    if name == "salt":
        return (
            pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind)
        )
    if pa.types.is_list(_kind(name)):
        listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        return listed and (_is_text(kind.value_type) or pa.types.is_null(kind.value_type))
    return _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


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
        BadInput: the columns are not those of records, or change from batch to batch.
    """
    schema: pa.Schema | None = None
    small: list[pa.RecordBatch] = []
    for batch in batches:
        if schema is None:
            check_columns(batch.schema)
            schema = batch.schema
        elif not batch.schema.equals(schema):
            raise BadInput("the columns change within the stream", remedy="cast all batches to one schema")
        if 0 < batch.num_rows < _MERGE_BELOW:
            small.append(batch)
        if batch.num_rows >= _MERGE_BELOW or sum(one.num_rows for one in small) >= _MERGE_BELOW:
            yield from _joined(small)
            small = []
        if batch.num_rows >= _MERGE_BELOW:
            yield from _cut(batch)
    yield from _joined(small)


def _joined(small: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in pa.Table.from_batches(small).combine_chunks().to_batches() if small else ():
        yield from _cut(batch)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Slices of at most ``BATCH_ROWS`` rows and, unless one row alone is larger, ``BATCH_BYTES``."""
    if batch.num_rows <= BATCH_ROWS and (batch.num_rows <= 1 or batch.nbytes <= BATCH_BYTES):
        yield batch
        return
    half = min(BATCH_ROWS, (batch.num_rows + 1) // 2)
    yield from _cut(batch.slice(0, half))
    yield from _cut(batch.slice(half))


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
        self._seen = pa.array([], pa.string())
        self._new: list[pa.Array] = []
        self._waiting = 0

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in the rows of a batch in the form of ``DATA``."""
        for column in (rows["author"], rows["addressees"].flatten()):
            self.add_names(pc.unique(column))

    def add_names(self, names: pa.Array) -> None:
        """Take in the names of parties."""
        self._new.append(names)
        self._waiting += len(names)
        if self._waiting > max(len(self._seen), BATCH_ROWS):
            self._merge()

    def _merge(self) -> None:
        seen = pc.unique(pa.concat_arrays([self._seen, *self._new]))
        self._seen = seen.filter(pc.fill_null(pc.not_equal(seen, ""), False))
        self._new, self._waiting = [], 0

    def names(self) -> pa.Array:
        """The distinct parties so far."""
        self._merge()
        return self._seen


def _bad(column: str, what: str, remedy: str) -> BadInput:
    return BadInput(f"the column {column!r} {what}", place=Place("records"), remedy=remedy)
