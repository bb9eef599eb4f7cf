"""Row salts and leaves of whole batches, and their order: the fast form of ``troth.core.rows``.

Arrow joins the bytes that are to be hashed, so that Python does one call for each hash and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import cache
from itertools import pairwise
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from troth.core.merkle import HASH_BYTES
from troth.core.rows import FIELDS, LABEL, LISTS, RECORD_SALT_BYTES, ROW_SALT_BYTES

MAX_BATCH_BYTES: Final = 1 << 30
"""Joined bytes are addressed by 32 bits; callers keep batches well below this."""

_HMAC_BLOCK: Final = 64
_INNER: Final = bytes(value ^ 0x36 for value in range(256))
_OUTER: Final = bytes(value ^ 0x5C for value in range(256))
_SHORT_LENGTHS: Final = 1 << 12
_FIRST_BYTES: Final = 256


def derive_row_salts(record_salts: bytes, release: str) -> bytes:
    """``rows.row_salt`` of packed record salts (32 bytes each), packed (16 bytes each).

    HMAC (RFC 2104) written out: the padded keys are made for all salts at once, and two calls of SHA-256
    are faster than one of ``hmac.digest``.
    """
    size = RECORD_SALT_BYTES
    inner, outer = record_salts.translate(_INNER), record_salts.translate(_OUTER)
    after_inner = b"\x36" * (_HMAC_BLOCK - size) + release.encode()
    after_outer = b"\x5c" * (_HMAC_BLOCK - size)
    sha256 = hashlib.sha256
    return b"".join(
        [
            sha256(outer[at : at + size] + after_outer + sha256(inner[at : at + size] + after_inner).digest())
            .digest()[:ROW_SALT_BYTES]
            for at in range(0, len(record_salts), size)
        ]
    )  # fmt: skip


def leaves_of(rows: pa.RecordBatch) -> bytes:
    """``rows.row_leaf`` of each row, packed (32 bytes each).

    Args:
        rows: the columns of ``columns.DATA``, in any order; ``created_at`` may be int64 microseconds.
    """
    if rows.num_rows == 0:
        return b""
    parts: list[pa.Array | pa.Scalar] = [
        _constant(b"\0"),
        rows["row_salt"].cast(pa.binary()),
        _constant(LABEL),
    ]
    for name in FIELDS:
        parts += _list(rows[name]) if name in LISTS else _text(rows[name])
    joined = _join(*parts)
    sha256 = hashlib.sha256
    data = memoryview(joined.buffers()[2])
    return b"".join([sha256(data[start:stop]).digest() for start, stop in pairwise(_offsets(joined))])


def _text(column: pa.Array) -> tuple[pa.Array | pa.Scalar, ...]:
    """Length prefix and bytes of each value; the two join to ``-`` for a null."""
    if column.null_count == len(column):
        return (_constant(b"-"),)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_int64(column.type):
        column = column.cast(pa.string())
    column = column.cast(pa.binary())
    prefix = _number(pc.binary_length(column))
    if column.null_count:
        return (pc.fill_null(prefix, b"-"), pc.fill_null(column, b""))
    return (prefix, column)


def _list(column: pa.Array) -> tuple[pa.Array | pa.Scalar, ...]:
    if column.null_count == len(column):
        return (_constant(b"-"),)
    # A null list may have items behind it, and a slice has items before it: offsets are made anew.
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    stops = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), stops])
    texts = _text(column.flatten())
    texts = texts if len(texts) > 1 else (*texts, _constant(b""))
    if isinstance(texts[0], pa.Scalar):
        texts = (pa.array([texts[0].as_py()] * stops[-1].as_py(), pa.binary()), texts[1])
    items = pc.binary_join(pa.ListArray.from_arrays(offsets, _join(*texts)), _constant(b""))
    head = _join(_constant(b"["), _number(lengths))
    if column.null_count:
        valid = column.is_valid()
        return (pc.if_else(valid, head, _constant(b"-")), items)
    return (head, items)


def _number(values: pa.Array) -> pa.Array:
    """Decimal digits and a colon; from a table where the numbers are small, which is four times as fast."""
    largest = pc.max(values).as_py()
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


def _offsets(column: pa.Array) -> list[int]:
    raw = memoryview(column.buffers()[1]).cast("i")
    return raw[column.offset : column.offset + len(column) + 1].tolist()


def sort_leaves(leaves: bytes, pool: Executor | None = None) -> Iterator[bytes]:
    """Packed leaves in the order of the row tree (bytewise), in pieces; equal leaves are kept.

    Leaves are spread by their first byte (a counting sort), then each of the 256 piles is sorted: twice
    as fast as sorting them at once. Arrow lets go of the interpreter, so a pool of threads helps.
    """
    if not leaves:
        return
    firsts = leaves[::HASH_BYTES]
    keys = pa.Array.from_buffers(pa.uint8(), len(firsts), [None, pa.py_buffer(firsts)])
    spread = _fixed(leaves).take(pc.array_sort_indices(keys))
    piles, start = [], 0
    for first in range(_FIRST_BYTES):
        count = firsts.count(first)
        piles.append(spread.slice(start, count))
        start += count
    yield from pool.map(_sorted_pile, piles) if pool else map(_sorted_pile, piles)


def _sorted_pile(pile: pa.Array) -> bytes:
    ordered = pile.take(pc.array_sort_indices(pile))
    return bytes(ordered.buffers()[1])[: len(ordered) * HASH_BYTES]


def _fixed(leaves: bytes) -> pa.Array:
    kind = pa.binary(HASH_BYTES)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(leaves) // HASH_BYTES, [None, pa.py_buffer(leaves)])
