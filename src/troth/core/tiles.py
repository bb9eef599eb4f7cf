"""The tree of a log as tiles, after C2SP tlog-tiles: paths, contents, growth and proofs.

A tile holds up to 256 hashes of one height: those of level 0 are leaf hashes, each hash of level L+1 is the
root of a full tile of level L. Beside the hash tiles stand entry bundles, 256 entries each. The tree itself is
that of RFC 6962 (``core.merkle``), so whoever has the tiles can make any proof of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from troth.core.errors import BadInput, Corrupt, Place
from troth.core.merkle import EMPTY_ROOT, HASH_BYTES, HashPairs, hash_pairs, leaf_hash, node_hash, packed_root

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_ENTRY_BYTES: Final = 0xFFFF
MAX_SIZE: Final = 2**63 - 1
"""What tlog-witness and Go's readers can count to."""

_FULL: Final = WIDTH * HASH_BYTES
_MAX_LEVEL: Final = 63
_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)

TileReader: TypeAlias = Callable[[int, int, int], bytes]
"""Gives the bytes of a tile: (level, index, width) to ``width`` hashes of 32 bytes."""

File: TypeAlias = tuple[str, bytes]
"""A path below the log's prefix, with ``/``, and what stands there."""


# paths


@dataclass(frozen=True, slots=True)
class TilePath:
    """Which tile a path names; ``level`` None: an entry bundle. ``width`` is 256 for full ones."""

    level: int | None
    index: int
    width: int = WIDTH

    def __str__(self) -> str:
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        kind = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join(reversed(groups))}{partial}"


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """``tile/<level>/<index>[.p/<width>]``."""
    return str(TilePath(level, index, width))


def bundle_path(index: int, width: int = WIDTH) -> str:
    """``tile/entries/<index>[.p/<width>]``."""
    return str(TilePath(None, index, width))


def parse_path(text: str) -> TilePath:
    """Read the path of a tile or entry bundle.

    Raises:
        BadInput: not such a path, or not in its one form.
    """
    found = _PATH.fullmatch(text)
    if found is not None:
        level = None if found[1] == "entries" else int(found[1])
        width = WIDTH if found[3] is None else int(found[3])
        path = TilePath(level, int(re.sub("[x/]", "", found[2])), width)
        if (level is None or level <= _MAX_LEVEL) and path.index <= MAX_SIZE and str(path) == text:
            return path
    raise BadInput("not the path of a tile", remedy="see https://c2sp.org/tlog-tiles")


def widths(size: int) -> Iterator[tuple[int, int]]:
    """The (level, number of hashes) of all levels of a tree that hold any."""
    level = 0
    while size:
        yield level, size
        size //= WIDTH
        level += 1


# entry bundles


def write_bundle(entries: Iterable[bytes]) -> bytes:
    """The bytes of an entry bundle: each entry after its length in two bytes, the larger first.

    Raises:
        BadInput: an entry is longer than 65,535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise BadInput(f"an entry of {len(entry)} bytes is longer than a log can hold")
        parts += [len(entry).to_bytes(_LENGTH_BYTES, "big"), entry]
    return b"".join(parts)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        BadInput: it does not hold exactly ``width`` entries.
    """
    entries = []
    at = 0
    while at < len(data):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data) or len(entries) != width:
        raise BadInput(f"expected a bundle of {width} entries")
    return entries


# growing


class Frontier:
    """The rightmost tile of each level of a tree: all that is needed to let it grow.

    Feed it leaf hashes and write down the full tiles that come out, then its partial ones. Its memory does not
    depend on the size of the tree, so a static tree of any size can be made in one pass.
    """

    def __init__(self, size: int = 0, tiles: Sequence[bytes] = (), pairs: HashPairs = hash_pairs) -> None:
        """Begin with an empty tree, or go on with one (see ``load``).

        Args:
            size: the number of leaves.
            tiles: for each level the hashes of its partial tile, which may be empty.
            pairs: may be replaced by a quicker function that gives the same.

        Raises:
            BadInput: the tiles are not those of a tree of this size.
        """
        expected = [count % WIDTH * HASH_BYTES for _, count in widths(size)]
        if [len(one) for one in tiles] != expected:
            raise BadInput(f"these are not the partial tiles of a tree of {size}")
        self.size = size
        self._tiles = [bytearray(one) for one in tiles]
        self._pairs = pairs

    @classmethod
    def load(cls, size: int, read: TileReader, pairs: HashPairs = hash_pairs) -> Frontier:
        """The frontier of a tree whose tiles are there.

        Raises:
            Corrupt: a tile has another length than its width says.
        """
        tiles = []
        for level, count in widths(size):
            index, width = divmod(count, WIDTH)
            tiles.append(checked_tile(read, level, index, width) if width else b"")
        return cls(size, tiles, pairs)

    def edge(self) -> bytes:
        """The packed leaf hashes after the last full tile."""
        return bytes(self._tiles[0]) if self._tiles else b""

    def copy(self) -> Frontier:
        """One that grows by itself from here."""
        return Frontier(self.size, [bytes(one) for one in self._tiles], self._pairs)

    def extend(self, leaves: bytes | memoryview) -> Iterator[File]:
        """Append packed leaf hashes; gives (path, bytes) of each tile that became full. Run it to its end.

        Raises:
            ValueError: the buffer does not hold whole hashes.
        """
        if len(leaves) % HASH_BYTES:
            raise ValueError(f"{len(leaves)} bytes are no whole number of hashes")
        before = self.size
        self.size += len(leaves) // HASH_BYTES
        yield from self._grow(0, leaves, before)

    def _grow(self, level: int, hashes: bytes | memoryview, before: int) -> Iterator[File]:
        """Append to a level: hand out the tiles that become full, then what their roots fill above.

        The tiles of one call are hashed together, level by level.
        """
        if not hashes:
            return
        if level == len(self._tiles):
            self._tiles.append(bytearray())
        waiting = self._tiles[level]
        waiting += hashes
        whole = len(waiting) // _FULL * _FULL
        if not whole:
            return
        full = bytes(memoryview(waiting)[:whole])
        del waiting[:whole]
        first = before >> HEIGHT * (level + 1)
        for at in range(0, whole, _FULL):
            yield tile_path(level, first + at // _FULL), full[at : at + _FULL]
        roots = full
        for _ in range(HEIGHT):
            roots = self._pairs(roots)
        yield from self._grow(level + 1, roots, before)

    def partial(self) -> Iterator[File]:
        """(path, bytes) of the partial tiles of this size."""
        for (level, count), tile in zip(widths(self.size), self._tiles, strict=True):
            index, width = divmod(count, WIDTH)
            if width:
                yield tile_path(level, index, width), bytes(tile)

    def root(self) -> bytes:
        """The root of the tree."""
        found = b""
        for tile in self._tiles:
            if tile or found:
                found = packed_root(bytes(tile) + found, self._pairs)
        return found or EMPTY_ROOT


def static_tree(entries: Iterable[bytes], frontier: Frontier | None = None) -> Iterator[File]:
    """All files of a log of given entries, in one pass and bounded memory: bundles, then the tiles they fill.

    Args:
        entries: from the first to the last.
        frontier: an empty one, if the caller wants size and root afterwards.
    """
    grown = Frontier() if frontier is None else frontier
    waiting: list[bytes] = []

    def flush() -> Iterator[File]:
        yield bundle_path(grown.size // WIDTH, len(waiting)), write_bundle(waiting)
        yield from grown.extend(b"".join(map(leaf_hash, waiting)))
        waiting.clear()

    for entry in entries:
        waiting.append(entry)
        if len(waiting) == WIDTH:
            yield from flush()
    if waiting:
        yield from flush()
    yield from grown.partial()


# proofs


def checked_tile(read: TileReader, level: int, index: int, width: int) -> bytes:
    """A tile of a reader.

    Raises:
        Corrupt: it has another length than its width says.
    """
    tile = read(level, index, width)
    if len(tile) != width * HASH_BYTES:
        raise Corrupt(
            f"expected {width * HASH_BYTES} bytes, got {len(tile)}",
            place=Place(tile_path(level, index, width)),
            remedy="make the tiles anew from the ledger with `troth log publish`",
        )
    return tile


class Tiles:
    """A tree read through its tiles. Keeps the tiles it has read, with the hashes between their levels."""

    def __init__(self, read: TileReader, keep: int = 4096) -> None:
        """Read through ``read``; keep up to so many tiles (16 KiB each). Threads may share it."""
        self._read = read
        self._keep = keep
        self._kept: dict[tuple[int, int, int], list[bytes]] = {}

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` entries."""
        return self._range(0, size, size) if size else EMPTY_ROOT

    def leaf(self, index: int, size: int) -> bytes:
        """The leaf hash of an entry."""
        return self._node(0, index, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of RFC 6962, section 2.1.1, from the leaf's sibling up.

        Raises:
            BadInput: there is no such entry.
        """
        if not 0 <= index < size:
            raise BadInput(f"a tree of {size} has no entry {index}")
        proof = []
        for level in range(((size - 1).bit_length() + HEIGHT - 1) // HEIGHT):
            nodes = None
            for inner in range(HEIGHT):
                height = level * HEIGHT + inner
                sibling = index >> height ^ 1
                start = sibling << height
                if start + (1 << height) <= size:
                    # All siblings of a level stand in one tile, that of the entry's own way up.
                    if nodes is None:
                        nodes = self._tile(level, index >> (level + 1) * HEIGHT, size)
                    at = (sibling & (WIDTH >> inner) - 1) * HASH_BYTES
                    proof.append(nodes[inner][at : at + HASH_BYTES])
                elif start < size:
                    proof.append(self._range(start, size, size))
        return proof

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The consistency proof of RFC 6962, section 2.1.2; empty from an empty tree and between equal ones.

        Raises:
            BadInput: the old tree is larger than the new one.
        """
        if not 0 <= old <= new:
            raise BadInput(f"a tree of {new} does not go on from one of {old}")
        low, high, whole = 0, new, True
        proof: list[bytes] = []
        # SUBPROOF of the RFC, from the outside in.
        while old and old != high:
            split = low + (1 << (high - low - 1).bit_length() - 1)
            if old <= split:
                proof.append(self._range(split, high, new))
                high = split
            else:
                proof.append(self._range(low, split, new))
                low, whole = split, False
        if old and not whole:
            proof.append(self._range(low, high, new))
        return proof[::-1]

    def _range(self, start: int, stop: int, size: int) -> bytes:
        """The root over [start, stop), a subtree of the tree: ``start`` is aligned to what it spans."""
        parts = []
        while start < stop:
            height = (stop - start).bit_length() - 1
            parts.append(self._node(height, start >> height, size))
            start += 1 << height
        found = parts.pop()
        while parts:
            found = node_hash(parts.pop(), found)
        return found

    def _node(self, height: int, index: int, size: int) -> bytes:
        """The root of the full subtree of 2^height leaves that is the index-th of its height."""
        level, inner = divmod(height, HEIGHT)
        at = (index & (WIDTH >> inner) - 1) * HASH_BYTES
        return self._tile(level, index >> HEIGHT - inner, size)[inner][at : at + HASH_BYTES]

    def _tile(self, level: int, tile: int, size: int) -> list[bytes]:
        """A tile of the tree of some size, and the hashes above its own up to the next level."""
        width = min(WIDTH, (size >> HEIGHT * level) - tile * WIDTH)
        nodes = self._kept.get((level, tile, width))
        return self._open(level, tile, width) if nodes is None else nodes

    def _open(self, level: int, index: int, width: int) -> list[bytes]:
        """Read a tile and hash it upward; the hash over a whole one stands in the level above."""
        nodes = [checked_tile(self._read, level, index, width)]
        pair = 2 * HASH_BYTES
        for _ in range(1, HEIGHT):
            below = nodes[-1]
            nodes.append(hash_pairs(below[: len(below) // pair * pair]))
        if len(self._kept) >= self._keep:
            self._kept = {}
        self._kept[level, index, width] = nodes
        return nodes
