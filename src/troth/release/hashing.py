"""SHA-256 of many short messages: a batch in, packed digests out.

``hashlib`` is what hashes. A function of our own in C was three times as fast and was not taken: cryptography
is a library's business (see decision 5). Whoever finds a library that hashes batches puts it here.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pyarrow as pa


def hash_many(messages: pa.Array, prefix: bytes = b"", suffix: bytes = b"") -> pa.Buffer:
    """SHA-256 of prefix ‖ message ‖ suffix for each message of a binary array without nulls, packed."""
    sha256 = hashlib.sha256
    offsets = memoryview(messages.buffers()[1]).cast("i")[messages.offset :][: len(messages) + 1].tolist()
    data = memoryview(messages.buffers()[2] or b"")
    pieces = (data[start:stop] for start, stop in pairwise(offsets))
    if prefix or suffix:
        return pa.py_buffer(b"".join([sha256(b"".join((prefix, one, suffix))).digest() for one in pieces]))
    return pa.py_buffer(b"".join([sha256(one).digest() for one in pieces]))
