"""SHA-256 of many short messages: a batch in, packed digests out.

``hashlib`` needs two calls and three objects for each message, which takes nine tenths of the time of a short
one. DataFusion (extra ``fast``) hashes a whole Arrow column in one call, outside the interpreter's lock, three to
four times as fast; it is used where it is installed, after it has given the same digests as ``hashlib``.
A function of our own in C was as fast and was not taken: see decision 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from troth.core.merkle import HASH_BYTES

HashMany: TypeAlias = Callable[[pa.Array], pa.Buffer]
"""Takes a binary array without nulls; gives the packed digests."""

_BATCH_ROWS: Final = str(1 << 24)  # more than we ever give, so that one batch comes back for one that went in
_BLOCKS: Final = 192  # bytes: three blocks, so every way of padding is tried


def hash_many(messages: pa.Array, prefix: bytes = b"", suffix: bytes = b"") -> pa.Buffer:
    """SHA-256 of prefix ‖ message ‖ suffix for each message of a binary array without nulls, packed."""
    if prefix or suffix:
        parts = (pa.scalar(part, pa.binary()) for part in (prefix, suffix, b""))
        messages = pc.binary_join_element_wise(next(parts), messages, *parts)
    return hasher()(messages)


@cache
def hasher() -> HashMany:
    """The quickest way to hash that is installed."""
    found = by_datafusion()
    return found if found is not None and _agrees(found) else by_hashlib


def by_hashlib(messages: pa.Array) -> pa.Buffer:
    """Hash one message after another."""
    sha256 = hashlib.sha256
    offsets = memoryview(messages.buffers()[1]).cast("i")[messages.offset :][: len(messages) + 1].tolist()
    data = memoryview(messages.buffers()[2] or b"")
    return pa.py_buffer(b"".join([sha256(data[start:stop]).digest() for start, stop in pairwise(offsets)]))


def by_datafusion() -> HashMany | None:
    """Hash a column at once; None where DataFusion (extra ``fast``) is not installed."""
    try:
        from datafusion import SessionConfig, SessionContext, col
        from datafusion.functions import sha256
    except ImportError:
        return None
    context = SessionContext(
        SessionConfig(
            {"datafusion.execution.batch_size": _BATCH_ROWS, "datafusion.execution.target_partitions": "1"}
        )
    )
    digest = sha256(col("message"))

    def hash_column(messages: pa.Array) -> pa.Buffer:
        if not len(messages):
            return pa.py_buffer(b"")
        batch = pa.record_batch([messages], ["message"])
        (hashed,) = context.create_dataframe([[batch]]).select(digest).collect()
        column = hashed.column(0)
        if not pa.types.is_binary(column.type) or column.null_count:
            column = column.cast(pa.binary(HASH_BYTES)).cast(pa.binary())
        # All digests have one length, so that they stand packed behind their offsets.
        start, _ = memoryview(column.buffers()[1]).cast("i")[column.offset : column.offset + 2]
        return column.buffers()[2].slice(start, HASH_BYTES * len(column))

    return hash_column


def _agrees(hash_column: HashMany) -> bool:
    """Whether digests are those of ``hashlib``, for messages of every length up to three blocks."""
    messages = pa.array([bytes(range(length)) for length in range(_BLOCKS)], pa.binary())
    return bool(hash_column(messages).equals(by_hashlib(messages)))
