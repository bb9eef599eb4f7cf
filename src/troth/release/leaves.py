"""Row salts, leaves and roots of whole batches: the quick form of ``troth.core.rows``.

Arrow lays out the bytes that are to be hashed, ``hashing`` hashes a batch at once; the two forms are held
together by tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from functools import cache, partial
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from troth.core.merkle import HASH_BYTES, packed_root
from troth.core.rows import FIELDS, LABEL, LISTS, RECORD_SALT_BYTES, ROW_SALT_BYTES
from troth.release.hashing import hash_many

CHUNK_LEAVES: Final = 1 << 16
"""Leaves of a subtree that is hashed by itself: a power of two (see ``troth.core.merkle``)."""

LEAF: Final = b"\0"
"""What stands before the data of a leaf that is hashed (RFC 6962, 2.1)."""

_HMAC_BLOCK: Final = 64
_INNER: Final = bytes(value ^ 0x36 for value in range(256))
_OUTER: Final = bytes(value ^ 0x5C for value in range(256))
_SHORT_LENGTHS: Final = 1 << 12


def derive_row_salts(record_salts: pa.Array, release: str) -> pa.Array:
    """``rows.row_salt`` of record salts (32 bytes each, none null), 16 bytes each.

    HMAC (RFC 2104) written out: the keys are shorter than a block, so each is padded with zeros.
    """
    padding = _HMAC_BLOCK - RECORD_SALT_BYTES
    keys = packed(record_salts)
    inner = hash_many(_binary(keys.translate(_INNER)), suffix=b"\x36" * padding + release.encode())
    outer = _join(_binary(keys.translate(_OUTER)), _constant(b"\x5c" * padding), _binary(inner))
    return pc.binary_slice(unpacked(hash_many(outer), HASH_BYTES), 0, ROW_SALT_BYTES).cast(
        pa.binary(ROW_SALT_BYTES)
    )


def leaves_of(rows: pa.RecordBatch) -> bytes:
    """``rows.row_leaf`` of each row, packed (32 bytes each).

    Args:
        rows: columns in the form of ``columns.DATA``.
    """
    if rows.num_rows == 0:
        return b""
    parts: list[pa.Array | pa.Scalar] = [
        _constant(LEAF),
        rows["row_salt"].cast(pa.binary()),
        _constant(LABEL),
    ]
    for name in FIELDS:
        parts += _list(rows[name]) if name in LISTS else _text(rows[name])
    return bytes(hash_many(_join(*_merged(parts))))


def _merged(parts: Iterable[pa.Array | pa.Scalar]) -> Iterator[pa.Array | pa.Scalar]:
    """The same with neighbouring constants in one: each part costs, however short."""
    for constant, run in groupby(parts, lambda part: isinstance(part, pa.Scalar)):
        if constant:
            yield _constant(b"".join(part.as_py() for part in run))
        else:
            yield from run


def _text(column: pa.Array) -> tuple[pa.Array | pa.Scalar, ...]:
    """Length and bytes of each value, in one or two columns that are joined later; ``-`` for a null."""
    if column.null_count == len(column):
        return (_constant(b"-"),)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64()).cast(pa.string())
    column = column.cast(pa.binary())
    length = _number(pc.binary_length(column))
    if column.null_count:
        return (pc.fill_null(length, b"-"), pc.fill_null(column, b""))
    return (length, column)


def _list(column: pa.Array) -> tuple[pa.Array | pa.Scalar, ...]:
    """Count and items of each list."""
    if column.null_count == len(column):
        return (_constant(b"-"),)
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    head = _join(_constant(b"["), _number(lengths))
    if column.null_count:
        head = pc.if_else(column.is_valid(), head, _constant(b"-"))
    items = column.flatten()
    if len(items) == 0:
        return (head,)
    if isinstance(head, pa.Scalar) and len(items) == len(column):
        return (head, *_text(items))
    # A null list may have items behind it, and a slice items before it: offsets are made anew.
    offsets = pa.concat_arrays([pa.array([0], lengths.type), pc.cumulative_sum(lengths)])
    return (head, pc.binary_join(pa.ListArray.from_arrays(offsets, _items(items)), _constant(b"")))


def _items(items: pa.Array) -> pa.Array:
    texts = _text(items)
    return _join(*texts) if len(texts) > 1 else pa.repeat(texts[0], len(items))


def _number(values: pa.Array) -> pa.Array | pa.Scalar:
    """Decimal digits and a colon; from a table where the numbers are small, which is four times as fast."""
    smallest, largest = pc.min_max(values).as_py().values()
    if smallest == largest is not None and not values.null_count:
        return _constant(b"%d:" % largest)
    if largest is not None and largest < _SHORT_LENGTHS:
        return _short_lengths().take(values)
    return _join(values.cast(pa.string()).cast(pa.binary()), _constant(b":"))


@cache
def _short_lengths() -> pa.Array:
    return pa.array([b"%d:" % value for value in range(_SHORT_LENGTHS)], pa.binary())


def _constant(value: bytes) -> pa.Scalar:
    return pa.scalar(value, pa.binary())


def _join(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*parts, _constant(b""))


def packed(values: pa.Array) -> bytes:
    """The bytes of a fixed-size binary array, one value after another."""
    width = values.type.byte_width
    return bytes(memoryview(values.buffers()[1])[width * values.offset :][: width * len(values)])


def unpacked(data: bytes | pa.Buffer, width: int) -> pa.Array:
    """A fixed-size binary array over packed values."""
    buffer = data if isinstance(data, pa.Buffer) else pa.py_buffer(data)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), buffer.size // width, [None, buffer])


def _binary(data: bytes | pa.Buffer) -> pa.Array:
    return unpacked(data, HASH_BYTES).cast(pa.binary())


def sort_leaves(leaves: bytes) -> bytes:
    """Packed leaves in the order of the row tree: bytewise; equal leaves are kept."""
    table = np.frombuffer(leaves, np.uint64).reshape(-1, HASH_BYTES // 8)
    return np.take(table, leaf_order(leaves), axis=0).tobytes()


def leaf_order(leaves: bytes) -> npt.NDArray[np.uint64]:
    """For each place in the row tree, which of the packed leaves stands there.

    What is sorted are numbers: the first bits of each leaf, and behind them its place, which is quicker than
    sorting leaves, or places by leaves. The few leaves that share their first bits are set right afterwards.
    """
    count = len(leaves) // HASH_BYTES
    places = np.uint64(max(count - 1, 0).bit_length())
    heads = np.frombuffer(leaves, ">u8")[:: HASH_BYTES // 8].astype(np.uint64) >> places
    keys = heads << places | np.arange(count, dtype=np.uint64)
    keys.sort()
    order = keys & ((np.uint64(1) << places) - np.uint64(1))
    heads = keys >> places
    for head in np.unique(heads[1:][heads[1:] == heads[:-1]]):
        start, stop = np.searchsorted(heads, head, "left"), np.searchsorted(heads, head, "right")
        alike = order[start:stop].tolist()
        alike.sort(key=lambda one: leaves[one * HASH_BYTES : (one + 1) * HASH_BYTES])
        order[start:stop] = alike
    return order


def leaf_places(leaves: bytes) -> npt.NDArray[np.uint64]:
    """For each of the packed leaves its place in the row tree: the inverse of ``leaf_order``."""
    order = leaf_order(leaves)
    places = np.empty(len(order), np.uint64)
    places[order] = np.arange(len(order), dtype=np.uint64)
    return places


def row_root(leaves: bytes, pool: Executor | None = None) -> bytes:
    """The root of the row tree over sorted, packed leaves; a pool of threads does subtrees side by side."""
    step = CHUNK_LEAVES * HASH_BYTES
    view = memoryview(leaves)
    chunks = [view[at : at + step] for at in range(0, len(view), step)]
    climb = partial(packed_root, hash_pairs=hash_pairs)
    return climb(b"".join(pool.map(climb, chunks) if pool else map(climb, chunks)))


def hash_pairs(pairs: bytes | memoryview) -> bytes:
    """``merkle.hash_pairs`` of a whole buffer at once."""
    pairs = bytes(pairs) if isinstance(pairs, memoryview) else pairs
    return bytes(hash_many(unpacked(pairs, 2 * HASH_BYTES).cast(pa.binary()), prefix=b"\1"))
