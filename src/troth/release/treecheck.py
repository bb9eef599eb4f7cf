"""Trees on disk held against their roots: what is missing or altered, found without the items they were made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from troth.core.errors import BadInput
from troth.core.merkle import HASH_BYTES, packed_root
from troth.core.tiles import WIDTH, File, Frontier, bundle_path, parse_bundle, tile_path
from troth.release.hashing import hash_many
from troth.release.trees import ROWS, write_row_tiles

_TOLD: Final = 5
"""So many damaged files of one tree are named."""


def find_tree_damage(folder: Path, bits: int, root: bytes) -> list[str]:
    """What is wrong with the buckets and tiles of a set or directory; empty if they lead to the root.

    Args:
        folder: where they lie.
        bits: the tree has 2^bits buckets.
        root: the root that was signed.
    """
    frontier, size, wrong = Frontier(), 1 << bits, list[str]()
    for start in range(0, size, WIDTH):
        width = min(WIDTH, size - start)
        path = bundle_path(start // WIDTH, width)
        try:
            buckets = parse_bundle((folder / path).read_bytes(), width)
        except OSError as error:
            return [f"{path} cannot be read: {error.strerror}"]
        except BadInput:
            return [f"{path} was altered"]
        leaves = bytes(hash_many(pa.array(buckets, pa.binary()), prefix=b"\0"))
        wrong += _compare(folder, frontier.extend(leaves))
    wrong += _compare(folder, frontier.partial())
    if frontier.root() != root:
        wrong.append("its buckets are not those that were signed")
    return wrong[:_TOLD]


def find_row_damage(folder: Path, rows: int, leaves: Path | None) -> list[str]:
    """What is wrong with the tiles of a release's row tree.

    Without the leaves, which only the release holds, each tile is held against the one above it.

    Args:
        folder: the public folder of the set.
        rows: how many rows the release has.
        leaves: the release's file of leaves, if it is at hand.
    """
    if leaves is not None:
        wrong: list[str] = []
        try:
            write_row_tiles(
                leaves.read_bytes(), lambda path, data: wrong.extend(_compare(folder, [(path, data)]))
            )
        except (OSError, ValueError):
            return ["the release's leaves cannot be read"]
        return wrong[:_TOLD]
    return _row_tiles_apart(folder, rows)[:_TOLD]


def _row_tiles_apart(folder: Path, rows: int) -> list[str]:
    below: bytes | None = None
    wrong: list[str] = []
    level, count = 1, rows // WIDTH
    while count:
        packed = bytearray()
        for index in range(-(-count // WIDTH)):
            width = min(WIDTH, count - index * WIDTH)
            path = f"{ROWS}/{tile_path(level, index, width)}"
            try:
                data = (folder / path).read_bytes()
            except OSError as error:
                return [*wrong, f"{path} cannot be read: {error.strerror}"]
            if len(data) != width * HASH_BYTES:
                return [*wrong, f"{path} was altered"]
            packed += data
        if below is not None and bytes(packed) != below:
            wrong.append(f"{ROWS}: level {level} does not fit the level below it")
        full = WIDTH * HASH_BYTES
        below = b"".join(
            packed_root(bytes(packed[at : at + full])) for at in range(0, len(packed) - full + 1, full)
        )
        level, count = level + 1, count // WIDTH
    return wrong


def _compare(folder: Path, files: Iterable[File]) -> list[str]:
    wrong = []
    for path, data in files:
        try:
            same = (folder / path).read_bytes() == data
        except FileNotFoundError:
            wrong.append(f"{path} is missing")
        except OSError as error:
            wrong.append(f"{path} cannot be read: {error.strerror}")
        else:
            if not same:
                wrong.append(f"{path} does not fit what lies below it")
    return wrong
