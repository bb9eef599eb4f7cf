"""Tables of bytes: numpy arrays of shape (rows, width) and dtype uint8, hashed a batch at a time."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from troth.core.merkle import HASH_BYTES
from troth.release.hashing import hash_many

Bytes: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.int64]


def table_of(data: bytes | pa.Buffer, width: int) -> Bytes:
    """Packed values of one width as a table."""
    return np.frombuffer(data, np.uint8).reshape(-1, width)


def column_of(column: pa.Array, width: int) -> Bytes:
    """A binary column, each value of one width and none null, as a table.

    Raises:
        pa.ArrowInvalid: a value has another width.
    """
    fixed = column.cast(pa.binary(width))
    buffer = fixed.buffers()[1]
    return table_of(buffer.slice(width * fixed.offset, width * len(fixed)), width)


def packed_column(table: Bytes) -> pa.Array:
    """A table as a binary column."""
    width = table.shape[1]
    buffer = pa.py_buffer(np.ascontiguousarray(table))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(table), [None, buffer]).cast(
        pa.binary()
    )


def values_of(table: Bytes) -> pa.Array:
    """Each row of a table as a value of a binary column."""
    return lists_of(table, np.arange(len(table) + 1, dtype=np.int64))


def lists_of(table: Bytes, bounds: Numbers) -> pa.Array:
    """Runs of rows as values of a binary column: value n holds the rows ``bounds[n]`` to ``bounds[n + 1]``."""
    data = np.ascontiguousarray(table)
    offsets = (bounds * table.shape[1]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(bounds) - 1, buffers)


def hash_rows(prefix: bytes, *parts: Bytes) -> Bytes:
    """The SHA-256 of prefix ‖ part ‖ …, for each row of the parts, which have equally many."""
    bounds = np.cumsum([len(prefix), *(part.shape[1] for part in parts)])
    table = np.empty((len(parts[0]), int(bounds[-1])), np.uint8)
    table[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    for start, part in zip(bounds, parts, strict=False):
        table[:, start : start + part.shape[1]] = part
    return table_of(hash_many(values_of(table)), HASH_BYTES)


def big_endian(numbers: npt.NDArray[np.integer], width: int) -> Bytes:
    """Numbers as bytes, the larger first."""
    return numbers.astype(f">u{width}").view(np.uint8).reshape(-1, width)


def prefixes(names: Bytes, bits: int) -> Numbers:
    """``core.sets.bucket_of`` of each name."""
    if not bits:
        return np.zeros(len(names), np.int64)
    heads = np.ascontiguousarray(names[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    return (heads >> np.uint64(64 - bits)).astype(np.int64)


def roots_of(leaves: Bytes, counts: Numbers) -> Bytes:
    """The RFC 6962 roots over successive runs of leaf hashes; each run holds ``counts`` of them, at least one."""
    while len(leaves) > len(counts):
        halved = (counts + 1) // 2
        group = np.repeat(np.arange(len(counts)), halved)
        within = np.arange(len(group)) - np.repeat(np.cumsum(halved) - halved, halved)
        left = (np.cumsum(counts) - counts)[group] + 2 * within
        paired = 2 * within + 1 < counts[group]
        above = np.take(leaves, left, axis=0)
        above[paired] = hash_rows(b"\1", above[paired], np.take(leaves, left[paired] + 1, axis=0))
        leaves, counts = above, halved
    return leaves
