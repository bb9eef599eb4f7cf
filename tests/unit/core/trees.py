"""Trees made the naive way, from the words of RFC 6962, to hold the quick ways against."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from troth.core.errors import BadInput
from troth.core.tiles import WIDTH, Tiles, parse_path, tile_path


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    return max(1 << power for power in range(64) if 1 << power < count)


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(mth(leaves[:k]), mth(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


class Files(dict[str, bytes]):
    """The files of a log in memory; a partial tile that is gone is cut from a wider one."""

    def read(self, level: int, index: int, width: int) -> bytes:
        wanted = tile_path(level, index, width)
        if wanted in self:
            return self[wanted]
        for name, data in self.items():
            try:
                found = parse_path(name)
            except BadInput:
                continue
            if (found.level, found.index) == (level, index) and found.width >= width:
                return data[: width * 32]
        raise KeyError(wanted)

    def tiles(self) -> Tiles:
        return Tiles(self.read)


assert WIDTH == 256
