"""Trees of buckets as tiles on disk: written in one pass, in bounded memory, and read to make proofs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from troth.core.errors import BadInput, Corrupt, Place
from troth.core.merkle import HASH_BYTES
from troth.core.presence import Opening
from troth.core.sets import COUNT_BYTES, DETAILS, MAX_COUNT
from troth.core.tiles import WIDTH, Frontier, TileReader, Tiles, bundle_path, parse_bundle, tile_path
from troth.release.fixed import Bytes, Numbers, big_endian, lists_of, prefixes
from troth.release.hashing import hash_many
from troth.release.leaves import hash_pairs

Put = Callable[[str, bytes], None]
"""Takes the path of a tile or bundle, and its bytes."""

_FLUSH: Final = 1 << 15  # buckets that are made at a time: a multiple of WIDTH


class TileFolder:
    """Files below a folder that is being built; ``sync`` makes them durable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[str] = set()
        self._few: list[Path] | None = []

    def put(self, path: str, data: bytes) -> None:
        """Write a new file. Raises OSError."""
        above = path.rpartition("/")[0]
        if above not in self._made:
            (self.folder / above).mkdir(parents=True, exist_ok=True)
            self._made.add(above)
        target = f"{self.folder}/{path}"
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
        if self._few is not None:
            self._few.append(Path(target))
            if len(self._few) > WIDTH:
                self._few = None

    def sync(self) -> None:
        """Have the disk keep all files: one after another if they are few, else whatever is waiting to be kept.

        Raises OSError.
        """
        if self._few is None:
            os.sync()
            return
        for path in self._few:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class BucketTree:
    """Makes the buckets of a set or directory from its items in ascending order, and their tree.

    Feed it with ``add``, then call ``finish``. An item begins with the name that says where it belongs (a tag, a
    label). Those of a set have details, of which each bucket gets a digest (``sealed``).
    """

    def __init__(self, bits: int, put: Put, *, sealed: bool) -> None:
        self.bits = bits
        self._sealed = sealed
        self.size = 1 << bits
        self.items = 0
        self._put = put
        self._frontier = Frontier(pairs=hash_pairs)
        self._waiting: list[tuple[Bytes, Bytes]] = []
        self._last: bytes | None = None

    def add(self, items: Bytes, details: Bytes | None = None) -> None:
        """Take items in, all above those before.

        Raises:
            BadInput: they are not strictly ascending, or too many fall into one bucket.
        """
        if not len(items):
            return
        self._check_order(items)
        self.items += len(items)
        self._waiting.append((items, np.zeros((len(items), 0), np.uint8) if details is None else details))
        # The last bucket may go on with the next items.
        self._flush(int(prefixes(items[-1:], self.bits)[0]) // WIDTH * WIDTH)

    def finish(self) -> bytes:
        """Make the rest; gives the root. Raises as ``add``."""
        self._flush(self.size)
        for path, data in self._frontier.partial():
            self._put(path, data)
        return self._frontier.root()

    def _check_order(self, items: Bytes) -> None:
        # Two names that share 16 bytes are as unlikely as two equal ones.
        if self._last is not None and self._last >= items[0, :16].tobytes():
            raise BadInput("the items of a set are not in strictly ascending order")
        names = np.ascontiguousarray(items[:, :16]).view(">u8")
        high, low = names[:, 0], names[:, 1]
        same = high[1:] == high[:-1]
        if (high[1:] < high[:-1]).any() or (same & (low[1:] <= low[:-1])).any():
            raise BadInput("the items of a set are not in strictly ascending order")
        self._last = items[-1, :16].tobytes()

    def _flush(self, stop: int) -> None:
        """Make the buckets up to ``stop``, a multiple of WIDTH or the end."""
        if stop <= self._frontier.size or not (self._waiting or stop == self.size):
            return
        items, details = self._taken()
        places = prefixes(items, self.bits)
        for start in range(self._frontier.size, stop, _FLUSH):
            end = min(start + _FLUSH, stop)
            low, high = np.searchsorted(places, [start, end])
            bounds = np.searchsorted(places[low:high], np.arange(start, end + 1)).astype(np.int64)
            self._write(items[low:high], details[low:high], bounds)
        rest = int(np.searchsorted(places, stop))
        self._waiting = [(items[rest:], details[rest:])] if rest < len(items) else []

    def _taken(self) -> tuple[Bytes, Bytes]:
        if not self._waiting:
            return np.zeros((0, HASH_BYTES), np.uint8), np.zeros((0, HASH_BYTES), np.uint8)
        items, details = zip(*self._waiting, strict=True)
        return np.concatenate(items), np.concatenate(details)

    def _write(self, items: Bytes, details: Bytes, bounds: Numbers) -> None:
        counts = np.diff(bounds)
        if counts.max(initial=0) > MAX_COUNT:
            raise BadInput(f"more than {MAX_COUNT} items fall into one bucket")
        parts = [_short(counts), lists_of(items, bounds)]
        if self._sealed:
            parts.append(_hashes(hash_many(lists_of(details, bounds), prefix=DETAILS)))
        entries = _join(*parts)
        start = self._frontier.size
        self._write_bundles(start, entries)
        for path, data in self._frontier.extend(bytes(hash_many(entries, prefix=b"\0"))):
            self._put(path, data)

    def _write_bundles(self, start: int, entries: pa.Array) -> None:
        lengths = pc.binary_length(entries).to_numpy(zero_copy_only=False)
        framed = _join(_short(lengths), entries)
        offsets = np.frombuffer(framed.buffers()[1], np.int32)[: len(framed) + 1]
        data = memoryview(framed.buffers()[2])
        for at in range(0, len(framed), WIDTH):
            width = min(WIDTH, len(framed) - at)
            path = bundle_path((start + at) // WIDTH, width)
            self._put(path, bytes(data[offsets[at] : offsets[at + width]]))


def _short(numbers: npt.NDArray[np.integer]) -> pa.Array:
    """Numbers in two bytes each."""
    return lists_of(big_endian(numbers, COUNT_BYTES), np.arange(len(numbers) + 1, dtype=np.int64))


def _hashes(packed: pa.Buffer) -> pa.Array:
    count = packed.size // HASH_BYTES
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(HASH_BYTES), count, [None, packed]).cast(
        pa.binary()
    )


def _join(*parts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


ROWS: Final = "rows"
"""Where the tiles of the row tree lie. Its level 0 is the file of the sorted leaves, which the release holds."""


class RowTree:
    """Makes the tiles of a row tree, but those of level 0, from sorted, packed leaves as they come.

    Args:
        put: gets every tile; None: just the root is wanted.
    """

    def __init__(self, put: Put | None) -> None:
        self._frontier = Frontier(pairs=hash_pairs)
        self._put = put

    def add(self, leaves: bytes | memoryview) -> None:
        """Take leaves in."""
        self._put_above(self._frontier.extend(leaves))

    def finish(self) -> bytes:
        """Make the rest; gives the root."""
        self._put_above(self._frontier.partial())
        return self._frontier.root()

    def _put_above(self, files: Iterable[tuple[str, bytes]]) -> None:
        for path, data in files:
            if self._put is not None and not path.startswith("tile/0/"):
                self._put(f"{ROWS}/{path}", data)


def write_row_tiles(leaves: bytes, put: Put) -> None:
    """Make the tiles of a row tree, but those of level 0."""
    tree = RowTree(put)
    view = memoryview(leaves)
    step = _FLUSH * HASH_BYTES
    for at in range(0, len(view), step):
        tree.add(view[at : at + step])
    tree.finish()


# reading


def row_reader(folder: Path, leaves: Path, remedy: str) -> TileReader:
    """Reads the tiles of a row tree: level 0 from the file of leaves. Raises as ``reader_of``."""

    def read(level: int, index: int, width: int) -> bytes:
        if level:
            return _read(folder / ROWS, tile_path(level, index, width), remedy)
        try:
            with leaves.open("rb") as file:
                file.seek(index * WIDTH * HASH_BYTES)
                return file.read(width * HASH_BYTES)
        except OSError as error:
            raise Corrupt(
                f"cannot be read: {error.strerror or error}", place=Place(str(leaves)), remedy=remedy
            ) from None

    return read


def reader_of(folder: Path, remedy: str) -> TileReader:
    """Reads the tiles of a folder.

    The reader raises:
        Corrupt: a tile is not there or cannot be read; with the remedy.
    """

    def read(level: int, index: int, width: int) -> bytes:
        return _read(folder, tile_path(level, index, width), remedy)

    return read


def open_bucket(folder: Path, index: int, bits: int, remedy: str) -> Opening:
    """A bucket of a tree on disk, with its way to the root.

    Raises:
        Corrupt: a file is not there, or damaged.
    """
    size = 1 << bits
    number, within = divmod(index, WIDTH)
    width = min(WIDTH, size - number * WIDTH)
    path = bundle_path(number, width)
    try:
        bucket = parse_bundle(_read(folder, path, remedy), width)[within]
    except BadInput as error:
        raise Corrupt(error.message, place=Place(str(folder / path)), remedy=remedy) from None
    return Opening(bucket, tuple(Tiles(reader_of(folder, remedy)).inclusion(index, size)))


def _read(folder: Path, path: str, remedy: str) -> bytes:
    try:
        return (folder / path).read_bytes()
    except OSError as error:
        raise Corrupt(
            f"cannot be read: {error.strerror or error}", place=Place(str(folder / path)), remedy=remedy
        ) from None
