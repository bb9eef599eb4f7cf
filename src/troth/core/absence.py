"""That a leaf is not in a tree over sorted leaves: its two neighbours, and the way of each to the root.

The tree is that of RFC 6962, section 2.1 (see ``merkle``); a path is checked as RFC 9162, section 2.1.3.2, says.
Whoever made the root could have sorted wrongly; a replay, which makes the root anew, finds that out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from troth.core.merkle import EMPTY_ROOT, node_hash, root


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A leaf that is in the tree, its place from 0, and the hashes on its way to the root."""

    index: int
    leaf: bytes
    path: tuple[bytes, ...]


def path_of(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The inclusion path of a leaf, nearest sibling first (RFC 9162, 2.1.3.1)."""
    if len(leaves) <= 1:
        return ()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return (*path_of(leaves[:split], index), root(leaves[split:]))
    return (*path_of(leaves[split:], index - split), root(leaves[:split]))


def climb(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to; None if it cannot be a path of that place in a tree of that size."""
    if not 0 <= index < size:
        return None
    here, last, found = index, size - 1, leaf
    for other in path:
        if last == 0:
            return None
        if here & 1 or here == last:
            found = node_hash(other, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, other)
        here, last = here >> 1, last >> 1
    return found if last == 0 else None


def neighbours(leaves: Sequence[bytes], leaf: bytes) -> tuple[Neighbour, ...] | None:
    """The neighbours of a leaf that is not among sorted leaves: one at an end, two elsewhere; None if it is there."""
    at = bisect_left(leaves, leaf)
    if at < len(leaves) and leaves[at] == leaf:
        return None
    beside = [one for one in (at - 1, at) if 0 <= one < len(leaves)]
    return tuple(Neighbour(one, leaves[one], path_of(leaves, one)) for one in beside)


def is_absent(leaf: bytes, found: Sequence[Neighbour], size: int, expected: bytes) -> bool:
    """Whether neighbours show that a leaf is not in the sorted tree of that size and root."""
    if size == 0:
        return expected == EMPTY_ROOT and not found
    if any(climb(one.leaf, one.index, size, one.path) != expected for one in found):
        return False
    match list(found):
        case [only] if only.leaf > leaf:
            return only.index == 0
        case [only] if only.leaf < leaf:
            return only.index == size - 1
        case [left, right]:
            return left.leaf < leaf < right.leaf and right.index == left.index + 1
    return False
