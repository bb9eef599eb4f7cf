"""Merkle tree hashing of RFC 6962, section 2.1 (the same in RFC 9162).

leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right); the root of nothing is SHA-256("").
A tree of n leaves splits at the largest power of two below n, so a run of 2^k leaves that starts at a
multiple of 2^k is a subtree of its own: that lets roots be made in one pass, or in parallel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

CHUNK_LEAVES: Final = 1 << 16
"""Leaves that are hashed at a time (2 MiB): a power of two, so that chunks are subtrees."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """The leaf hash of some data, 32 bytes."""
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children, 32 bytes each."""
    return _sha256(b"\1" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in order; keeps one hash for each level of the tree."""
    waiting: list[tuple[int, bytes]] = []  # full subtrees, largest first: (level, hash)
    for leaf in leaves:
        level, right = 0, leaf
        while waiting and waiting[-1][0] == level:
            right = node_hash(waiting.pop()[1], right)
            level += 1
        waiting.append((level, right))
    if not waiting:
        return EMPTY_ROOT
    found = waiting.pop()[1]
    while waiting:
        found = node_hash(waiting.pop()[1], found)
    return found


def packed_root(leaves: bytes | memoryview) -> bytes:
    """The root over leaf hashes that stand one after another in a buffer.

    Raises:
        ValueError: the buffer does not hold whole hashes.
    """
    return root_of_chunks(chunk_roots(leaves))


def chunk_roots(leaves: bytes | memoryview) -> bytes:
    """The roots of successive runs of ``CHUNK_LEAVES`` leaves, packed; the last run may be shorter.

    Pieces of a tree may be done apart if each but the last holds a multiple of ``CHUNK_LEAVES`` leaves;
    their results, joined, go to ``root_of_chunks``.

    Raises:
        ValueError: the buffer does not hold whole hashes.
    """
    if len(leaves) % HASH_BYTES:
        raise ValueError(f"{len(leaves)} bytes are no whole number of hashes")
    step = CHUNK_LEAVES * HASH_BYTES
    return b"".join(_climb(bytes(leaves[start : start + step])) for start in range(0, len(leaves), step))


def root_of_chunks(roots: bytes) -> bytes:
    """The root of a tree from all its ``chunk_roots``."""
    return _climb(roots) if roots else EMPTY_ROOT


def _climb(level: bytes) -> bytes:
    """Hash a packed level up to its root. A last node without a partner moves up as it is."""
    pair = 2 * HASH_BYTES
    while len(level) > HASH_BYTES:
        paired = len(level) - len(level) % pair
        nodes = [_sha256(b"\1" + level[at : at + pair]).digest() for at in range(0, paired, pair)]
        nodes.append(level[paired:])
        level = b"".join(nodes)
    return level
