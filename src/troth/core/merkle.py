"""Merkle tree hashing of RFC 6962, section 2.1 (the same in RFC 9162).

leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right); the root of nothing is SHA-256("").
A tree of n leaves splits at the largest power of two below n, so a run of 2^k leaves that starts at a
multiple of 2^k is a subtree of its own: that lets roots be made in one pass, or in parallel.
Tiles, growth and proofs are in `core.tiles` and `core.proof`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

HashPairs: TypeAlias = Callable[[bytes | memoryview], bytes]

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


def hash_pairs(pairs: bytes | memoryview) -> bytes:
    """The ``node_hash`` of each pair of hashes in a buffer, packed like them."""
    size = 2 * HASH_BYTES
    return b"".join([_sha256(b"\1" + pairs[at : at + size]).digest() for at in range(0, len(pairs), size)])


def packed_root(leaves: bytes | memoryview, hash_pairs: HashPairs = hash_pairs) -> bytes:
    """The root over leaf hashes that stand one after another in a buffer.

    Args:
        leaves: the packed hashes; also the packed roots of successive subtrees of one size (the last may be
            smaller), whose common root comes out.
        hash_pairs: may be replaced by a quicker one that gives the same.

    Raises:
        ValueError: the buffer does not hold whole hashes.
    """
    if len(leaves) % HASH_BYTES:
        raise ValueError(f"{len(leaves)} bytes are no whole number of hashes")
    level = leaves
    while len(level) > HASH_BYTES:
        # A last node without a partner moves up as it is.
        paired = len(level) - len(level) % (2 * HASH_BYTES)
        level = b"".join((hash_pairs(level[:paired]), level[paired:]))
    return bytes(level) or EMPTY_ROOT
